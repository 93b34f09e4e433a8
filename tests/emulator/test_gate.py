"""Who passes the gate: by their signature, and nobody by a header that says two things."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Signer

from labkit.emulator.authority import Authority
from labkit.emulator.gate import Gate
from labkit.emulator.principals import Principals
from labkit.emulator.registry import Registry
from labkit.emulator.signatures import Signatures
from labkit.emulator.signing import Credentials, Verifier
from labkit.emulator.wire import Wire

OWNER = Credentials("AKIAOWNER", "owner's")
ADA = Credentials("AKIAADA", "ada's")
READS = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
NOTHING = '{"Version": "2012-10-17", "Statement": []}'


class Lab:
    """A gate before an application that writes down what came through, and a moto that knows Ada."""

    def __init__(self, document=READS, expires_at=None) -> None:
        self.passed, self.asked, self.sent = [], [], []
        self.document, self.expires_at = document, expires_at
        verifier = Verifier([OWNER], region="us-east-1")
        registry = Registry(account_id="123456789012", region="us-east-1")
        principals, wire = Principals(self.ask, verifier), Wire()
        authority = Authority(principals, wire, registry, self.now)
        account_id = registry.account_id
        signatures = Signatures(verifier)
        self.gate = Gate(self.app, OWNER, principals, authority, signatures, wire, account_id=account_id, now=self.now)

    def now(self):
        return datetime.now(UTC).timestamp()

    async def ask(self, page, **params):
        self.asked.append(page)
        if page != "key":
            return {}
        if params["key_id"] != ADA.access_key_id:
            return None
        arn = "arn:aws:iam::123456789012:user/ada"
        return {
            "arn": arn, "principal_arn": arn, "name": "ada", "id": "AIDA", "secret": ADA.secret_access_key, "token": "",
            "documents": [self.document], "boundary": None, "session": None, "expires_at": self.expires_at,
        }  # fmt: skip

    async def app(self, scope, receive, send):
        self.passed.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    def request(self, service, signer, *, method="POST", path="/", body=b"", change=lambda headers: None):
        """The status of the answer to a signed request; `change` is what happens to it on its way."""
        request = AWSRequest(method, f"http://localhost{path}", headers={"Host": "localhost"}, data=body)
        auth = S3SigV4Auth if service == "s3" else SigV4Auth
        auth(Signer(signer.access_key_id, signer.secret_access_key), service, "us-east-1").add_auth(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        change(headers)
        return self.raw(headers, method=method, path=path, body=body)

    def raw(self, headers, *, method="GET", path="/", body=b""):
        target, _, query = path.partition("?")
        scope = {
            "type": "http", "method": method, "path": target, "raw_path": target.encode(), "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()], "client": ("127.0.0.1", 1),
        }  # fmt: skip
        self.sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            self.sent.append(message)

        asyncio.run(self.gate(scope, receive, send))
        return self.sent[0]["status"]


def test_unsigned_requests_and_the_owners_calls_of_lambda_pass_unasked():
    lab = Lab()
    assert lab.raw({}) == 200
    assert lab.raw({"authorization": "Bearer token"}) == 200
    assert lab.request("lambda", OWNER, path="/2015-03-31/functions/", method="GET") == 200
    assert (len(lab.passed), lab.asked) == (3, [])


@pytest.mark.parametrize(
    ("service", "path"), [("sqs", "/"), ("lambda", "/2015-03-31/functions/f/code"), ("s3", "/photos/k")]
)
def test_a_user_passes_with_the_body_as_it_came(service, path):
    lab = Lab()
    assert lab.request(service, ADA, path=path, method="PUT", body=b"x" * 9) == 200
    assert lab.passed == [b"x" * 9]


@pytest.mark.parametrize(("service", "status"), [("sqs", 403), ("lambda", 403), ("s3", 403)])
def test_without_a_permission_nobody_passes(service, status):
    lab = Lab(NOTHING)
    assert lab.request(service, ADA, path="/2015-03-31/functions/", method="GET") == status
    assert lab.passed == []


@pytest.mark.parametrize("service", ["sqs", "s3", "lambda"])
@pytest.mark.parametrize("signer", [OWNER, ADA], ids=["owner", "user"])
def test_a_changed_request_does_not_pass(service, signer):
    def change(headers):
        headers["authorization"] = headers["authorization"][:-4] + "0000"

    lab = Lab()
    status = lab.request(service, signer, path="/2015-03-31/functions/", method="GET", change=change)
    if (service, signer) == ("lambda", OWNER):
        assert lab.passed  # the doors behind verify it
    else:
        assert (status, lab.passed) == (403, [])


@pytest.mark.parametrize(
    "two",
    [
        "Credential=AKIAOWNER/20260101/us-east-1/lambda/aws4_request, ",
        "x Credential=AKIAOWNER/20260101/us-east-1/lambda/aws4_request,",
        "x=Credential=AKIAOWNER/20260101/us-east-1/lambda/aws4_request, ",
    ],
)
@pytest.mark.parametrize("service", ["sqs", "lambda"])
def test_a_header_that_names_two_signers_does_not_pass(two, service):
    def change(headers):
        headers["authorization"] = headers["authorization"].replace("Credential=", two + "Credential=", 1)

    lab = Lab(NOTHING)
    status = lab.request(service, ADA, path="/2015-03-31/functions/", method="GET", change=change)
    assert (status, lab.passed) == (403, [])


@pytest.mark.parametrize(
    "path",
    [
        "/_labkit/status",
        "/%5Flabkit/status",
        "/2021-11-15/functions/f/%72esponse-streaming-invocations",
        "/2015-03-31/functions/a/b/invocations",
        "//2015-03-31/functions/",
    ],
)
def test_no_spelling_of_a_path_leads_past_the_policies(path):
    lab = Lab(NOTHING)
    assert (lab.request("lambda", ADA, path=path, method="POST"), lab.passed) == (403, [])


def test_an_unknown_key_is_left_to_the_doors_behind_which_do_not_know_it_either():
    lab = Lab()
    assert lab.request("sqs", Credentials("AKIANOBODY", "x")) == 200
    assert len(lab.passed) == 1


def test_a_session_whose_time_is_over_does_not_pass():
    lab = Lab(expires_at=1.0)
    assert lab.request("sqs", ADA) == 403
    assert b"expired" in lab.sent[1]["body"]


def test_a_refused_upload_ends_its_connection_as_nobody_reads_on():
    lab = Lab(NOTHING)
    lab.request("s3", ADA, method="PUT", path="/photos/k", body=b"x")
    assert (b"connection", b"close") in lab.sent[0]["headers"]


def test_policies_are_read_again_after_somebody_spoke_to_iam():
    lab = Lab(NOTHING)
    assert lab.request("sqs", ADA) == 403
    lab.document = READS
    assert lab.request("sqs", ADA) == 403
    lab.request("iam", OWNER)
    assert lab.request("sqs", ADA) == 200

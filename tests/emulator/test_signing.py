"""Signatures: botocore signs, labkit verifies. What botocore signs passes; one byte changed does not."""

from __future__ import annotations

import base64
import io
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.emulator.signing import Credentials, Verifier
from labkit.errors import ServiceError

KEY, SECRET, REGION = "AKIDLABEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-west-2"
ENDPOINT = "http://127.0.0.1:9001"
INVOKE = f"{ENDPOINT}/2015-03-31/functions/f/invocations"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
BAD_TOKEN = "The security token included in the request is invalid."
ALNUM = b"0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Request:
    """A request as the front door receives it."""

    method: str
    path: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: bytes) -> bytes:
        return dict(self.headers)[name]

    def with_header(self, name: bytes, value: bytes | None) -> Request:
        kept = tuple(pair for pair in self.headers if pair[0] != name)
        return replace(self, headers=kept if value is None else (*kept, (name, value)))

    def signed_at(self) -> float:
        """Botocore signs with the machine's clock; the tests take its time from the request."""
        stamp = self.query.partition(b"X-Amz-Date=")[2][:16] or self.header(b"x-amz-date")
        return datetime.strptime(stamp.decode(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


def raw(value):
    return value if isinstance(value, bytes) else value.encode()


def arrived(method, url, headers, body):
    parts = urlsplit(url)
    fields = [(name.lower().encode(), raw(value)) for name, value in headers]
    fields.append((b"host", parts.netloc.encode()))
    return Request(method, parts.path.encode(), parts.query.encode(), tuple(fields), body or b"")


def signed(url=INVOKE, *, method="POST", params=(), headers=(), body=b"{}", key=KEY, signer=auth.SigV4Auth, **options):
    """What a client signs with botocore and sends. Options: secret, token, service, region, expires."""
    request = AWSRequest(method=method, url=url, data=body, params=params or {})
    for name, value in headers:
        request.headers.add_header(name, value)
    owner = BotocoreCredentials(key, options.pop("secret", SECRET), options.pop("token", None))
    service, region = options.pop("service", "lambda"), options.pop("region", REGION)
    signer(owner, service, region, **options).add_auth(request)
    return arrived(method, request.prepare().url, request.headers.items(), body)


def presigned(url=INVOKE, **options):
    return signed(url, **{"body": b"", "signer": auth.SigV4QueryAuth} | options)


def verifier(*known):
    return Verifier(known or [Credentials(KEY, SECRET)], region=REGION)


def check(request, *, at=None, by=None):
    now = request.signed_at() if at is None else at
    (by or verifier()).check(request.method, request.path, request.query, request.headers, request.body, now)


def refusal(request, **options):
    """The error as a client sees it: name, status, words."""
    with pytest.raises(ServiceError) as caught:
        check(request, **options)
    return caught.value.code, caught.value.status, str(caught.value)


REFUSED = ("InvalidSignatureException", 403, MISMATCH)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
segments = st.one_of(
    texts, st.sampled_from([".", "..", "", "arn:aws:lambda:eu-west-2:000000000000:function:f", "a%2Fb"])
)
paths = st.lists(st.tuples(segments, st.sampled_from(["", ":", "~$"])), max_size=5).map(
    lambda parts: "/" + "/".join(quote(text, safe=safe) for text, safe in parts)
)
queries = st.lists(st.tuples(texts, texts), max_size=4)
names = st.from_regex(r"X-Lab-[A-Za-z0-9]{1,8}", fullmatch=True)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.just("\t"), max_size=20)
headers = st.lists(st.tuples(names, values), max_size=4)
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"])
bodies = st.binary(max_size=60)
plain_paths = st.lists(texts.filter(lambda t: t and t.strip(".")), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(quote(text, safe=":") for text in parts)
)


@settings(deadline=None)
@given(methods, paths, queries, headers, bodies)
def test_whatever_botocore_signs_in_the_header_passes(method, path, query, fields, body):
    check(signed(ENDPOINT + path, method=method, params=query, headers=fields, body=body))


@settings(deadline=None)
@given(methods, paths, queries, headers)
def test_whatever_botocore_presigns_passes(method, path, query, fields):
    check(presigned(ENDPOINT + path, method=method, params=dict(query), headers=fields))


def client_requests(act, **options):
    """The requests that a boto3 client would send while `act(client)` runs."""
    sent = []

    def keep(request, **_):
        sent.append(arrived(request.method, request.url, request.headers.items(), request.body))
        return AWSResponse(request.url, 200, {}, Body(b"{}"))

    client = boto3.client(
        "lambda",
        endpoint_url=ENDPOINT,
        region_name=REGION,
        **{"aws_access_key_id": KEY, "aws_secret_access_key": SECRET} | options,
    )
    client.meta.events.register("before-send.lambda", keep)
    act(client)
    return sent


class Body(io.BytesIO):
    """The body of a faked answer, in the manner of urllib3."""

    def stream(self, **_):
        yield self.read()


ARN = "arn:aws:lambda:eu-west-2:000000000000:function:f"
CALLS = {
    "invoke": lambda c: c.invoke(FunctionName="f", Payload=b"x" * 100, LogType="Tail"),
    "invoke an alias by ARN": lambda c: c.invoke(FunctionName=ARN, Qualifier="live", ClientContext="e30="),
    "list": lambda c: c.list_functions(MaxItems=3, Marker="a b/c+d=&é"),
    "tag": lambda c: c.tag_resource(Resource=ARN, Tags={"a": "é"}),
    "untag": lambda c: c.untag_resource(Resource=ARN, TagKeys=["b", "a", "a b"]),
}


@pytest.mark.parametrize("act", CALLS.values(), ids=CALLS)
def test_a_call_of_a_boto3_client_passes(act):
    (request,) = client_requests(act)
    check(request)
    check(replace(request, headers=dict(request.headers)))
    assert refusal(replace(request, body=request.body + b" ")) == REFUSED


def test_a_presigned_address_of_a_boto3_client_passes():
    made = []
    client_requests(lambda c: made.append(c.generate_presigned_url("get_function", Params={"FunctionName": ARN})))
    check(arrived("GET", made[0], [], b""))


def test_a_session_of_a_boto3_client_passes_with_its_token_only():
    (request,) = client_requests(CALLS["invoke"], aws_session_token="tok/en+1==")
    check(request, by=verifier(Credentials(KEY, SECRET, "tok/en+1==")))
    assert refusal(request)[0] == "UnrecognizedClientException"


def changed(data, draw):
    """The bytes with one of them another letter or digit: not just another case, which `%3a` and `%3A` are."""
    at = draw(st.integers(0, len(data) - 1))
    other = draw(st.sampled_from([c for c in ALNUM if bytes([c]) != data[at : at + 1].lower()]))
    return data[:at] + bytes([other]) + data[at + 1 :]


@settings(deadline=None)
@given(plain_paths, queries, headers, bodies, st.data())
def test_a_request_with_one_byte_changed_is_refused(path, query, fields, body, data):
    sent = signed(ENDPOINT + path, params=query, headers=fields, body=body)
    altered = [replace(sent, method="PUT"), replace(sent, path=changed(sent.path, data.draw))]
    if sent.query:
        altered.append(replace(sent, query=changed(sent.query, data.draw)))
    if body:
        altered.append(replace(sent, body=changed(body, data.draw)))
    for at, (name, value) in enumerate(sent.headers):
        if value and name.startswith((b"x-lab", b"host")):
            other = (name, changed(value, data.draw))
            altered.append(replace(sent, headers=(*sent.headers[:at], other, *sent.headers[at + 1 :])))
    check(sent)
    assert [refusal(one) for one in altered] == [REFUSED] * len(altered)


@settings(deadline=None)
@given(plain_paths, queries, st.data())
def test_a_presigned_address_with_one_byte_changed_is_refused(path, query, data):
    sent = presigned(ENDPOINT + path, method="GET", params=dict(query), headers=[("X-Lab-A", "one")])
    at = sent.query.index(b"X-Amz-Algorithm")
    own, rest = sent.query[:at], sent.query[at:]
    altered = [replace(sent, path=changed(sent.path, data.draw)), replace(sent, body=b"{}")]
    altered += [replace(sent, method="HEAD"), sent.with_header(b"x-lab-a", b"One")]
    altered += [replace(sent, query=b"a=1&" + sent.query), replace(sent, query=sent.query + b"x")]
    altered.append(replace(sent, query=sent.query.replace(b"X-Amz-Expires=3600", b"X-Amz-Expires=3601")))
    if own:
        altered.append(replace(sent, query=changed(own[:-1], data.draw) + b"&" + rest))
    check(sent)
    assert [refusal(one) for one in altered] == [REFUSED] * len(altered)


@given(st.integers(0, 63))
def test_a_signature_with_one_digit_changed_is_refused(at):
    sent = signed()
    head, signature = sent.header(b"authorization").rsplit(b"=", 1)
    digit = b"0" if signature[at : at + 1] != b"0" else b"1"
    forged = signature[:at] + digit + signature[at + 1 :]
    assert refusal(sent.with_header(b"authorization", head + b"=" + forged)) == REFUSED


def test_a_header_that_was_not_signed_may_change_on_the_way():
    sent = signed(headers=[("User-Agent", "boto")])
    check(sent.with_header(b"user-agent", b"proxy").with_header(b"via", b"1.1 proxy"))


def test_a_signed_header_that_is_gone_is_refused_even_if_it_was_empty():
    sent = signed(headers=[("X-Lab-A", "")])
    check(sent)
    assert refusal(sent.with_header(b"x-lab-a", None)) == REFUSED


def test_white_space_in_a_header_is_folded():
    sent = signed(headers=[("X-Lab-A", "a   b")])
    check(sent.with_header(b"x-lab-a", b"  a b\t"))
    assert refusal(sent.with_header(b"x-lab-a", b"ab")) == REFUSED


def test_a_repeated_header_is_signed_in_its_order():
    sent = signed(headers=[("X-Lab-A", "1"), ("X-Lab-A", " 2 ")])
    check(sent)
    check(sent.with_header(b"x-lab-a", b"1,2"))
    assert refusal(sent.with_header(b"x-lab-a", b"2,1")) == REFUSED


def test_an_empty_parameter_is_signed_as_botocore_does():
    check(signed(f"{INVOKE}?b=1&&a=2&"))


def test_the_order_of_parameters_does_not_matter_but_their_number_does():
    sent = signed(params=[("b", "2"), ("a", "1"), ("b", "1")])
    check(replace(sent, query=b"b=1&b=2&a=1"))
    assert refusal(replace(sent, query=b"b=1&b=2&a=1&a=1")) == REFUSED


def test_a_request_signed_in_its_header_cannot_get_a_signature_parameter_on_the_way():
    assert refusal(replace(signed(), query=b"X-Amz-Signature=0f")) == REFUSED


@pytest.mark.parametrize("make", [signed, presigned])
def test_a_payload_that_is_signed_as_unsigned_may_be_any(make):
    sent = make(headers=[("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD")])
    check(replace(sent, body=b"whatever"))


class UnsignedPayload(auth.SigV4QueryAuth):
    """Presigns as AWS's SDK for JavaScript does: the declaration is a parameter, not a header."""

    def payload(self, request):
        return "UNSIGNED-PAYLOAD"


def test_a_payload_may_be_declared_unsigned_in_the_query():
    sent = presigned(params={"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}, signer=UnsignedPayload)
    check(replace(sent, body=b"whatever"))


def test_a_payload_cannot_be_declared_unsigned_afterwards():
    assert refusal(signed().with_header(b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD")) == REFUSED


def test_the_body_is_hashed_whatever_the_request_says_its_hash_is():
    sent = signed(headers=[("X-Amz-Content-SHA256", sha256(b"{}").hexdigest())])
    check(sent)
    assert refusal(replace(sent, body=b"[]")) == REFUSED


def test_a_request_without_any_signature_is_refused():
    sent = signed().with_header(b"authorization", None)
    assert refusal(sent) == ("MissingAuthenticationTokenException", 403, "Missing Authentication Token")


def test_another_secret_does_not_match():
    assert refusal(signed(secret="wrong")) == REFUSED


@pytest.mark.parametrize("make", [signed, presigned])
def test_an_unknown_key_is_told_from_a_wrong_secret(make):
    assert refusal(make(key="AKIDNOBODY")) == ("UnrecognizedClientException", 403, BAD_TOKEN)


@pytest.mark.parametrize("make", [signed, presigned])
@pytest.mark.parametrize(
    ("token", "known"), [(None, "t1"), ("t2", "t1"), ("t1", "")], ids=["none", "other", "needless"]
)
def test_a_session_token_must_be_the_one_of_the_key(make, token, known):
    sent = make(token=token)
    assert refusal(sent, by=verifier(Credentials(KEY, SECRET, known))) == (
        "UnrecognizedClientException",
        403,
        BAD_TOKEN,
    )
    check(sent, by=verifier(Credentials(KEY, SECRET, token or "")))


def test_each_of_several_keys_opens_with_its_own_secret_only():
    both = verifier(Credentials(KEY, SECRET), Credentials("AKIDSECOND", "other"))
    check(signed(), by=both)
    check(signed(key="AKIDSECOND", secret="other"), by=both)
    assert refusal(signed(key="AKIDSECOND"), by=both) == REFUSED


def test_credentials_do_not_show_their_secrets():
    assert repr(Credentials(KEY, SECRET, "token")) == f"Credentials(access_key_id={KEY!r})"


REGION_WORDS = "Credential should be scoped to a valid region. "
SERVICE_WORDS = "Credential should be scoped to correct service: 'lambda'. "


@pytest.mark.parametrize("make", [signed, presigned])
@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ({"region": "us-east-1"}, REGION_WORDS),
        ({"service": "s3"}, SERVICE_WORDS),
        ({"region": "us-east-1", "service": "s3"}, REGION_WORDS + SERVICE_WORDS),
    ],
    ids=["region", "service", "both"],
)
def test_a_signature_for_another_region_or_service_says_so(make, scope, words):
    assert refusal(make(**scope)) == ("InvalidSignatureException", 403, words)


def with_credential(sent, credential):
    head, _, tail = sent.header(b"authorization").partition(b", ")
    return sent.with_header(b"authorization", head.partition(b"=")[0] + b"=" + credential + b", " + tail)


def test_another_terminator_says_so():
    sent = signed()
    day = sent.header(b"x-amz-date")[:8]
    forged = with_credential(sent, b"%b/%b/eu-west-2/lambda/aws5_request" % (KEY.encode(), day))
    words = "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'. "
    assert refusal(forged) == ("InvalidSignatureException", 403, words)


@pytest.mark.parametrize("warm", [False, True], ids=["first", "after the key is known"])
def test_a_scope_of_another_day_says_so(warm):
    sent, by = signed(), verifier()
    if warm:
        check(sent, by=by)
    stamp, at = sent.header(b"x-amz-date").decode(), sent.signed_at()
    tomorrow = datetime.fromtimestamp(at + 86400, UTC).strftime("%Y%m%dT%H%M%SZ")
    words = (
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP:"
        f" '{stamp[:8]}' != '{tomorrow[:8]}', from '{tomorrow}'. "
    )
    moved = sent.with_header(b"x-amz-date", tomorrow.encode())
    assert refusal(moved, at=at + 86400, by=by) == ("InvalidSignatureException", 403, words)


def test_slashes_at_the_end_of_a_credential_do_not_count():
    sent = signed()
    credential = sent.header(b"authorization").partition(b"=")[2].partition(b",")[0]
    check(with_credential(sent, credential + b"//"))


@pytest.mark.parametrize("credential", [b"a/b/c/d", KEY.encode(), b"a/b/c/d/e/f"])
def test_a_credential_without_its_five_parts_is_incomplete(credential):
    words = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got "
    expected = ("IncompleteSignatureException", 403, f"{words}'{credential.decode()}'")
    assert refusal(with_credential(signed(), credential)) == expected


def spelt(at):
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")


@pytest.mark.parametrize("off", [-300, -1, 0, 0.999, 299, 300, 300.999])
def test_a_clock_may_be_five_minutes_off(off):
    sent = signed()
    check(sent, at=sent.signed_at() + off)


@pytest.mark.parametrize("make", [signed, lambda: without_expires(presigned())], ids=["header", "query"])
def test_an_old_signature_says_how_old(make):
    sent = make()
    at = sent.signed_at()
    words = f"Signature expired: {spelt(at)} is now earlier than {spelt(at + 1)} ({spelt(at + 301)} - 5 min.)"
    assert refusal(sent, at=at + 301) == ("InvalidSignatureException", 403, words)


@pytest.mark.parametrize("make", [signed, presigned])
def test_a_signature_from_the_future_says_so(make):
    sent = make()
    at = sent.signed_at()
    words = f"Signature not yet current: {spelt(at)} is still later than {spelt(at - 1)} ({spelt(at - 301)} + 5 min.)"
    assert refusal(sent, at=at - 301) == ("InvalidSignatureException", 403, words)


@pytest.mark.parametrize("expires", [1, 10, 3600, 604800])
def test_a_presigned_address_lives_to_its_last_second(expires):
    sent = presigned(expires=expires)
    check(sent, at=sent.signed_at() + expires)
    assert refusal(sent, at=sent.signed_at() + expires + 1) == ("RequestExpired", 403, "Request has expired.")


def without_expires(sent):
    return replace(sent, query=sent.query.replace(b"&X-Amz-Expires=3600", b""))


@pytest.mark.parametrize(
    ("expires", "words"),
    [
        ("soon", "X-Amz-Expires should be a number"),
        ("", "X-Amz-Expires should be a number"),
        ("9" * 5000, "X-Amz-Expires should be a number"),
        (-1, "X-Amz-Expires must be non-negative"),
        (
            604801,
            "X-Amz-Expires must be less than a week (in seconds); that is,"
            " the given X-Amz-Expires must be less than 604800 seconds",
        ),
    ],
    ids=["word", "empty", "endless", "negative", "long"],
)
def test_a_lifetime_that_is_none_is_incomplete(expires, words):
    assert refusal(presigned(expires=expires)) == ("IncompleteSignatureException", 403, words)


@pytest.fixture(params=["UTC0", "JST-9"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_a_date_header_in_the_form_of_http_does_as_well():
    sent = signed(headers=[("Date", "set by botocore")])
    at = datetime.strptime(sent.header(b"date").decode(), "%a, %d %b %Y %H:%M:%S -0000").replace(tzinfo=UTC).timestamp()
    check(sent, at=at)
    assert refusal(sent.with_header(b"date", sent.header(b"date").replace(b"-0000", b"GMT")), at=at) == REFUSED


@pytest.mark.parametrize("date", ["201", "20261399T000000Z", "20260101T250000Z", "yesterday", "2026-01-01T00:00:00Z"])
def test_a_date_in_another_form_is_incomplete(date):
    words = f"Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
    sent = signed().with_header(b"x-amz-date", date.encode())
    assert refusal(sent, at=0) == ("IncompleteSignatureException", 403, words)


def hashed(authorization):
    return base64.b64encode(sha256(authorization).digest()).decode()


@pytest.mark.parametrize(
    ("authorization", "missing"),
    [
        (b"eyJhbGciOiJIUzI1NiJ9.e30.c2ln", ["Credential", "Signature", "SignedHeaders"]),
        (b"AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host", ["Signature"]),
        (b"AWS4-HMAC-SHA256 Credential=, SignedHeaders=host, Signature=0f", ["Credential"]),
        (b"AWS4-HMAC-SHA256 Signature=0f Credential=a/b/c/d/e", ["SignedHeaders"]),
    ],
)
def test_a_header_that_lacks_parts_names_them(authorization, missing):
    lacking = "".join(f"Authorization header requires '{part}' parameter. " for part in missing)
    shown = f"(Hashed with SHA-256 and encoded with Base64) Authorization={hashed(authorization)}"
    sent = signed().with_header(b"authorization", authorization)
    assert refusal(sent) == ("IncompleteSignatureException", 403, lacking + shown)


def test_a_header_signature_without_a_date_says_so():
    sent = signed()
    shown = f"(Hashed with SHA-256 and encoded with Base64) Authorization={hashed(sent.header(b'authorization'))}"
    words = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. " + shown
    assert refusal(sent.with_header(b"x-amz-date", None), at=0) == ("IncompleteSignatureException", 403, words)


@pytest.mark.parametrize("authorization", [b"Bearer abc", b"Basic dTpw", b"AWS4-HMAC-SHA256 Credential= a/b/c/d/e"])
def test_a_header_that_is_no_list_of_pairs_is_incomplete(authorization):
    words = (
        "Invalid key=value pair (missing equal-sign) in Authorization header"
        f" (hashed with SHA-256 and encoded with Base64): '{hashed(authorization)}'."
    )
    sent = signed().with_header(b"authorization", authorization)
    assert refusal(sent) == ("IncompleteSignatureException", 403, words)


def test_two_authorization_headers_are_none():
    sent = signed()
    twice = replace(sent, headers=(*sent.headers, (b"authorization", sent.header(b"authorization"))))
    code, _, words = refusal(twice)
    assert (code, words[:20]) == ("IncompleteSignatureException", "Invalid key=value pa")


def test_the_parts_of_the_header_may_come_in_any_order():
    sent = signed()
    algorithm, *parts = sent.header(b"authorization").replace(b",", b"").split()
    check(sent.with_header(b"authorization", algorithm + b"  " + b",".join(reversed(parts))))


@pytest.mark.parametrize("make", [signed, presigned])
def test_another_algorithm_is_not_supported(make):
    sent = make()
    sent = replace(sent, query=sent.query.replace(b"SHA256", b"SHA25"))
    if not sent.query:
        sent = sent.with_header(b"authorization", sent.header(b"authorization").replace(b"SHA256", b"SHA25", 1))
    words = "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). "
    assert refusal(sent) == ("IncompleteSignatureException", 403, words)


def test_the_host_must_be_signed():
    sent = signed()
    authorization = sent.header(b"authorization").replace(b"=host;", b"=")
    words = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    assert refusal(sent.with_header(b"authorization", authorization)) == ("InvalidSignatureException", 403, words)


@pytest.mark.parametrize("part", ["X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"])
def test_a_presigned_address_that_lacks_a_part_names_it(part):
    sent = presigned()
    at = sent.signed_at()
    kept = b"&".join(pair for pair in sent.query.split(b"&") if not pair.startswith(part.encode() + b"="))
    words = f"AWS query-string parameters must include '{part}'. Re-examine the query-string parameters."
    assert refusal(replace(sent, query=kept), at=at) == ("IncompleteSignatureException", 403, words)


def test_a_request_cannot_be_signed_in_both_places():
    sent = presigned().with_header(b"authorization", signed().header(b"authorization"))
    words = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    assert refusal(sent) == ("InvalidSignatureException", 403, words)


def test_what_is_wrong_first_is_said_first():
    """The order in which AWS checks: form, age, host, algorithm, scope, owner, signature."""
    wrong = signed(key="AKIDNOBODY", region="us-east-1", secret="wrong")
    at = wrong.signed_at()
    unhosted = wrong.with_header(b"authorization", wrong.header(b"authorization").replace(b"=host;", b"="))
    said = [refusal(unhosted, at=at + 999), refusal(unhosted), refusal(wrong), refusal(signed(key="X", secret="wrong"))]
    assert [words[:17] for _, _, words in said] == [
        "Signature expired",
        "'Host' or ':autho",
        "Credential should",
        "The security toke",
    ]


junk = st.binary(max_size=40)
named = st.sampled_from([b"authorization", b"x-amz-date", b"date", b"host", b"x-amz-security-token"])
almost = st.lists(
    st.sampled_from([b"AWS4-HMAC-SHA256", b" ", b", ", b"Credential=", b"a/20260101/eu-west-2/lambda/aws4_request"])
    | st.sampled_from([b"SignedHeaders=", b"host", b";", b"Signature=", b"0f", b"\xff", b"=", b"/"]),
    max_size=12,
).map(b"".join)
stamps = st.sampled_from([b"20260101T000000Z", b"Thu, 01 Jan 2026 00:00:00 GMT", b"00000101T000000Z"])
parameters = st.sampled_from([b"X-Amz-Algorithm", b"X-Amz-Expires", b"X-Amz-Date", b"X-Amz-Credential", b"%ff", b"+"])


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(named, junk | almost | stamps), max_size=5),
    junk | st.lists(st.tuples(parameters, junk | stamps).map(b"=".join), max_size=6).map(b"&".join),
    junk,
)
def test_garbage_is_refused_by_an_error_of_the_api_and_nothing_else(fields, query, path):
    with pytest.raises(ServiceError) as caught:
        verifier().check("POST", path, query, fields, b"", 1767225600)
    assert caught.value.status in {400, 403}

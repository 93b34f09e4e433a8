"""Requests for services of all kinds: whose they are, and whether they are signed by them."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Signer
from hypothesis import example, given
from hypothesis import strategies as st

from labkit.emulator.signatures import Caller, Signatures, _check_single, caller_of, unaltered
from labkit.emulator.signing import Credentials, Verifier
from labkit.errors import ContentMismatch, IncompleteSignature, InvalidSignature, UnrecognizedClient

OWNER = Credentials("AKIAOWNER", "owner's")
ROLE = Credentials("ASIAROLE", "role's", "token")
SCOPE = b"20260101/us-east-1/%b/aws4_request"
BODY = b'{"Limit": 1}'


def signed(service, key=b"AKIA"):
    credential = key + b"/" + SCOPE % service
    return {b"authorization": b"AWS4-HMAC-SHA256 Credential=" + credential + b", SignedHeaders=host, Signature=0"}


def test_the_service_stands_in_the_scope_of_the_signature():
    assert caller_of(signed(b"sqs"), b"") == Caller("AKIA", "sqs", "us-east-1")


def test_or_in_a_presigned_address():
    query = b"x=1&X-Amz-Credential=AKIA%2F" + (SCOPE % b"s3").replace(b"/", b"%2F") + b"&X-Amz-Signature=0"
    assert caller_of({}, query) == Caller("AKIA", "s3", "us-east-1")


def test_an_address_signed_in_the_old_way_is_for_s3():
    assert caller_of({}, b"AWSAccessKeyId=AKIA&Signature=0&Expires=1") == Caller("AKIA", "s3")


@pytest.mark.parametrize("authorization", [b"", b"Basic eDp5", b"AWS4-HMAC-SHA256 Credential=AKIA/x", b"\xff"])
def test_without_a_signature_there_is_no_caller(authorization):
    assert caller_of({b"authorization": authorization}, b"a=b") is None


def test_a_header_that_decides_must_not_come_twice():
    with pytest.raises(IncompleteSignature):
        _check_single([(b"x-amz-target", b"AmazonSQS.ListQueues"), (b"x-amz-target", b"AmazonSQS.DeleteQueue")])


# --- are they signed


def passed(service, signer, *, arriving=BODY, change=lambda headers: None, region="eu-west-1", path="/a/b"):
    """The body that the next reader gets of a request with BODY, in two pieces; what `change` does, does its way."""
    request = AWSRequest("PUT", f"http://localhost{path}", headers={"Host": "localhost"}, data=BODY)
    keys = Signer(signer.access_key_id, signer.secret_access_key, signer.session_token or None)
    (S3SigV4Auth if service == "s3" else SigV4Auth)(keys, service, region).add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    change(headers)
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"method": "PUT", "raw_path": path.encode(), "query_string": b"", "headers": fields}
    signatures = Signatures(Verifier([OWNER, ROLE], region="us-east-1"))

    async def ask():
        caller = caller_of(dict(fields), b"")
        return await all_of(await signatures.verified(caller, scope, pieces(arriving[:5], arriving[5:])))

    return b"".join(asyncio.run(ask()))


def pieces(*bodies):
    """What receives a body in these pieces, and then that the client is gone."""
    left = list(bodies)

    async def receive():
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return receive


async def all_of(receive):
    found, more = [], True
    while more:
        message = await receive()
        found.append(message["body"])
        more = message["more_body"]
    assert (await receive())["type"] == "http.disconnect"
    return found


SERVICES = pytest.mark.parametrize("service", ["s3", "dynamodb", "iam", "execute-api"])


@SERVICES
@pytest.mark.parametrize("signer", [OWNER, ROLE], ids=["owner", "role"])
def test_whoever_signs_with_a_key_that_is_known_passes_with_the_body_as_it_came(service, signer):
    assert passed(service, signer) == BODY


@SERVICES
@pytest.mark.parametrize(
    ("signer", "error"),
    [
        (Credentials("AKIAOWNER", "another"), InvalidSignature),
        (Credentials("ASIAROLE", "role's", "another"), UnrecognizedClient),
        (Credentials("ASIAROLE", "role's"), UnrecognizedClient),
        (Credentials("AKIANOBODY", "owner's"), UnrecognizedClient),
    ],
    ids=["secret", "token", "no token", "key"],
)
def test_with_another_secret_token_or_key_nobody_does(service, signer, error):
    with pytest.raises(error):
        passed(service, signer)


@SERVICES
def test_nor_does_a_request_whose_head_was_changed(service):
    def change(headers):
        headers["host"] = "elsewhere"

    with pytest.raises(InvalidSignature):
        passed(service, OWNER, change=change)


@pytest.mark.parametrize(("service", "error"), [("dynamodb", InvalidSignature), ("s3", ContentMismatch)])
def test_nor_one_whose_body_was(service, error):
    with pytest.raises(error):
        passed(service, OWNER, arriving=BODY.replace(b"1", b"2"))


def test_an_objects_key_is_signed_as_it_is_sent():
    assert passed("s3", OWNER, path="/photos//a%20b/../c") == BODY


# --- is a body what was claimed


def claimed(claim):
    return {"headers": [(b"x-amz-content-sha256", claim)]}


BODIES = st.lists(st.binary(max_size=4), min_size=1, max_size=6)


@given(BODIES)
def test_a_body_arrives_whole_in_whatever_pieces_it_comes(bodies):
    whole = b"".join(bodies)
    claim = sha256(whole).hexdigest().encode()
    assert b"".join(asyncio.run(all_of(unaltered(claimed(claim), pieces(*bodies))))) == whole


@given(BODIES)
@example([b"x", b"", b""])
@example([b"x", b"y", b""])
def test_of_a_wrong_one_nobody_is_given_all(bodies):
    given_on = []

    async def read():
        receive = unaltered(claimed(sha256(b"another body").hexdigest().encode()), pieces(*bodies))
        while True:
            given_on.append((await receive())["body"])

    with pytest.raises(ContentMismatch):
        asyncio.run(read())
    whole = b"".join(bodies)
    assert len(b"".join(given_on)) < len(whole) or not whole


@pytest.mark.parametrize("claim", [b"UNSIGNED-PAYLOAD", b"STREAMING-UNSIGNED-PAYLOAD-TRAILER", b""])
def test_without_a_hash_there_is_nothing_to_compare(claim):
    receive = pieces(b"x")
    assert unaltered(claimed(claim), receive) is receive

"""Addresses that botocore presigns in the old way, and what makes them invalid."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Signer

from labkit.emulator.old_signing import is_signed
from labkit.emulator.signing import Credentials

OWNER = Credentials("AKIA", "secret", "token")


def presigned(url, method="GET", headers=None, owner=OWNER):
    request = AWSRequest(method, url, headers=headers or {})
    HmacV1QueryAuth(Signer(owner.access_key_id, owner.secret_access_key, owner.session_token or None), 60).add_auth(
        request
    )
    return urlsplit(request.url)


def check(address, method="GET", owner=OWNER, later_s=0.0, headers=None):
    path, query = address.path.encode(), address.query.encode()
    return is_signed(method, path, query, headers or {}, owner, now=time.time() + later_s)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/photos/a.jpg",
        "http://localhost/photos/a%20b.jpg?versionId=3",
        "http://localhost/photos/a.jpg?response-content-type=text%2Fplain&response-expires=1",
        "http://localhost/photos?uploads",
    ],
)
def test_what_botocore_presigns_is_signed(url):
    assert check(presigned(url))


@pytest.mark.parametrize("host", ["photos.s3.localhost:4566", "photos.localhost", "photos.s3.eu-west-1.localhost"])
def test_a_bucket_in_the_host_is_signed_as_if_it_stood_in_the_path(host):
    query = presigned("http://localhost/photos/a%20b").query.encode()
    headers = {b"host": host.encode()}
    assert is_signed("GET", b"/a%20b", query, headers, OWNER, now=time.time())
    assert not is_signed("GET", b"/photos/a%20b", query, headers, OWNER, now=time.time())
    own = {b"host": b"s3.localhost:4566"}
    assert is_signed("GET", b"/photos/a%20b", query, own, OWNER, now=time.time())


def test_headers_that_were_signed_must_come_along():
    address = presigned("http://localhost/photos/k", "PUT", {"content-type": "text/plain", "x-amz-acl": "private"})
    assert check(address, "PUT")


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "PUT"},
        {"owner": Credentials("AKIA", "another", "token")},
        {"owner": Credentials("AKIA", "secret", "another")},
        {"later_s": 120},
        {"headers": {b"x-amz-acl": b"public-read"}},
    ],
    ids=str,
)
def test_another_request_secret_token_or_time_is_not(wrong):
    assert not check(presigned("http://localhost/photos/k"), **wrong)


@pytest.mark.parametrize(
    "query", ["AWSAccessKeyId=AKIA", "AWSAccessKeyId=AKIA&Expires=never&Signature=x", "Expires=9" * 9]
)
def test_half_a_signature_is_none(query):
    assert not is_signed("GET", b"/photos/k", query.encode(), {}, Credentials("AKIA", "secret"), now=0)

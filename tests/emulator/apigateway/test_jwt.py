"""JSON Web Tokens: where keys are, and which tokens are good."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from labkit.emulator.apigateway import jwt
from labkit.emulator.apigateway.jwt import InsufficientScope, InvalidToken

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER = "https://idp.s3.amazonaws.com"
CLAIMS = {"iss": ISSUER, "aud": "me", "exp": 2000, "scope": "a b"}


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


PUBLIC = PRIVATE.public_key().public_numbers()
KEYS = {"keys": [{"kty": "RSA", "kid": "1", "alg": "RS256", "n": number(PUBLIC.n), "e": number(PUBLIC.e)}]}


def token(claims=None, **header):
    head = encoded(json.dumps({"alg": "RS256", "kid": "1", **header}).encode())
    signed = f"{head}.{encoded(json.dumps(claims or CLAIMS).encode())}"
    return f"{signed}.{encoded(PRIVATE.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def check(text):
    read = jwt.read(text)
    jwt.check_signature(read, jwt.key_of(read, KEYS))
    jwt.check_claims(read.claims, issuer=ISSUER, audience=("me",), now=1000)


def test_a_good_token_is_good():
    check(token())
    check(token({**CLAIMS, "aud": ["you", "me"]}))
    check(token({"iss": ISSUER, "client_id": "me", "exp": 2000}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "malformed"),
        ("a.b.c", "malformed"),
        ("é.é.é", "malformed"),
        (token(kid="2"), "key id"),
        (token(alg="none"), "not signed with RSA"),
        (token(alg="HS256"), "not signed with RSA"),
        (token()[:-8] + "AAAAAAAA", "invalid signature"),
        (token({**CLAIMS, "iss": "x"}), "issuer"),
        (token({**CLAIMS, "aud": "you"}), "audience"),
        (token({**CLAIMS, "aud": "you", "client_id": "me"}), "audience"),
        (token({**CLAIMS, "exp": 1000}), "expired"),
        (token({**CLAIMS, "exp": None}), "malformed"),
        (token({**CLAIMS, "nbf": 1500}), "not valid yet"),
        (token({"iss": ISSUER, "aud": "me"}), "expired"),
    ],
)
def test_a_bad_token_says_why(text, why):
    with pytest.raises(InvalidToken, match=why):
        check(text)


def test_one_of_the_scopes_is_enough_and_none_is_too_few():
    jwt.check_scopes(CLAIMS, ("x", "b"))
    jwt.check_scopes({"scp": ["b"]}, ("b",))
    with pytest.raises(InsufficientScope):
        jwt.check_scopes(CLAIMS, ("x",))


@pytest.mark.parametrize(
    ("issuer", "place"),
    [
        ("https://idp.s3.amazonaws.com", ("idp", jwt.KEYS)),
        ("https://idp.s3.eu-west-1.amazonaws.com/a/", ("idp", f"a/{jwt.KEYS}")),
        ("https://s3.eu-west-1.amazonaws.com/idp/a", ("idp", f"a/{jwt.KEYS}")),
        ("http://127.0.0.1:1/idp", ("idp", jwt.KEYS)),
        ("http://127.0.0.1:2/idp", None),
        ("https://accounts.example.com", None),
    ],
)
def test_where_an_issuers_keys_are(issuer, place):
    assert jwt.keys_place(issuer, "http://127.0.0.1:1") == place

"""JSON Web Tokens: where keys are, and which tokens are good."""

from __future__ import annotations

import base64
import itertools
import json
import time

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
    ids=itertools.count(),  # the key is made anew in each process, and all workers must know a test by one name
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


# --- on a running lab

FAILED = (500, {"message": "Internal Server Error"})


def told(answer):
    return answer.status_code, answer.json()


@pytest.fixture
def issuer(lab):
    s3 = lab.boto3("s3")
    s3.create_bucket(Bucket="issuer")
    s3.put_object(Bucket="issuer", Key="pool/.well-known/jwks.json", Body=json.dumps(KEYS))
    yield "https://issuer.s3.us-east-1.amazonaws.com/pool"
    s3.delete_object(Bucket="issuer", Key="pool/.well-known/jwks.json")
    s3.delete_bucket(Bucket="issuer")


def with_tokens(lab, http, issuer):
    lab.deploy("echo", "def handler(event, context): return event")
    http.permit("echo")
    made = http.aws.create_authorizer(
        ApiId=http.id,
        AuthorizerType="JWT",
        Name="jwt",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": issuer, "Audience": ["me"]},
    )
    http.route(
        "GET /", "echo", AuthorizationType="JWT", AuthorizerId=made["AuthorizerId"], AuthorizationScopes=["read"]
    )


def bearer(issuer, **claims):
    return {
        "Authorization": "Bearer "
        + token({"iss": issuer, "aud": "me", "exp": time.time() + 400_000, "scope": "read write", **claims})
    }


@pytest.mark.process
@pytest.mark.xdist_group("apigateway")
def test_a_token_of_the_issuer_lets_in(lab, http, issuer):
    with_tokens(lab, http, issuer)
    authorizer = http.get("/", headers=bearer(issuer)).json()["requestContext"]["authorizer"]["jwt"]
    assert authorizer["scopes"] == ["read"]
    assert (authorizer["claims"]["aud"], authorizer["claims"]["iss"]) == ("me", issuer)


@pytest.mark.process
@pytest.mark.xdist_group("apigateway")
def test_other_tokens_do_not(lab, http, issuer):
    with_tokens(lab, http, issuer)
    answer = http.get("/")
    assert told(answer) == (401, {"message": "Unauthorized"})
    assert answer.headers["www-authenticate"] == "Bearer"
    answer = http.get("/", headers=bearer(issuer, aud="you"))
    assert told(answer) == (401, {"message": "Unauthorized"})
    assert answer.headers["www-authenticate"] == (
        'Bearer scope="read" error="invalid_token" error_description="the token does not have a valid audience"'
    )
    answer = http.get("/", headers=bearer(issuer, scope="write"))
    assert told(answer) == (403, {"message": "Forbidden"})
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.process
@pytest.mark.xdist_group("apigateway")
def test_an_issuer_whose_keys_are_nowhere_is_an_error(lab, http):
    with_tokens(lab, http, "https://accounts.example.com")
    assert told(http.get("/", headers=bearer("https://accounts.example.com"))) == FAILED

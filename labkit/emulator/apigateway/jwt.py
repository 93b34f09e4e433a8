"""PURE: JSON Web Tokens of an HTTP API's JWT authorizer: where their keys are, and whether one is good.

"Control access to HTTP APIs with JWT authorizers": RSA signatures only; `kid`, `iss`, `aud` or `client_id`, `exp`,
`nbf`, `iat`, and one of the route's scopes in `scope` or `scp`. What a refusal says stands in `www-authenticate`
("Troubleshooting issues with HTTP API JWT authorizers"; the words for the audience are recorded there, the others are
after them).

A lab has no network: an issuer's keys are in the lab's own S3. The issuer is the address of a bucket, perhaps with a
prefix (`https://BUCKET.s3.REGION.amazonaws.com/PREFIX`, `https://s3.amazonaws.com/BUCKET`, or the lab's own address
with the bucket as its first segment), and the keys are the object `.well-known/jwks.json` below it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

KEYS = ".well-known/jwks.json"
BUCKET_HOST = re.compile(r"([a-z0-9.-]+)\.s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com")
S3_HOST = re.compile(r"s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com")
ALGORITHMS = ("RS256", "RS384", "RS512")


class InvalidToken(Exception):
    """Why a token is not good, in the words of `error_description`."""


class InsufficientScope(Exception):
    """A good token without any of the route's scopes."""


class Place(NamedTuple):
    bucket: str
    key: str


def keys_place(issuer: str, endpoint: str) -> Place | None:
    """Where an issuer's keys are in S3; None if its address is no bucket's.

    >>> keys_place("https://idp.s3.us-east-1.amazonaws.com/pool/", "http://127.0.0.1:4566")
    Place(bucket='idp', key='pool/.well-known/jwks.json')
    """
    parts = urlsplit(issuer)
    path = parts.path.strip("/")
    if found := BUCKET_HOST.fullmatch(parts.netloc):
        return Place(found[1], f"{path}/{KEYS}" if path else KEYS)
    if S3_HOST.fullmatch(parts.netloc) or f"{parts.scheme}://{parts.netloc}" == endpoint:
        bucket, _, prefix = path.partition("/")
        return Place(bucket, f"{prefix}/{KEYS}" if prefix else KEYS) if bucket else None
    return None


@dataclass(frozen=True, slots=True)
class Token:
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def read(text: str) -> Token:
    """Raises InvalidToken."""
    parts = text.split(".")
    if len(parts) != 3:
        raise InvalidToken("the token is malformed")
    try:
        header, claims = json.loads(_decoded(parts[0])), json.loads(_decoded(parts[1]))
        signature = _decoded(parts[2])
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidToken("the token is malformed") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise InvalidToken("the token is malformed")
    return Token(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part.encode("ascii", "strict") + b"=" * (-len(part) % 4))


def key_of(token: Token, keys: Mapping[str, Any]) -> Mapping[str, Any]:
    """The issuer's key that a token names. Raises InvalidToken."""
    listed = keys.get("keys")
    for key in listed if isinstance(listed, list) else ():
        if isinstance(key, dict) and key.get("kid") == token.header.get("kid") and key.get("kty") == "RSA":
            return key
    raise InvalidToken("the token does not have a valid key id")


def check_signature(token: Token, key: Mapping[str, Any]) -> None:
    """Raises InvalidToken."""
    from cryptography.exceptions import InvalidSignature  # a cold path: few APIs have a JWT authorizer
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    algorithms = dict(zip(ALGORITHMS, (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()), strict=True))
    algorithm = algorithms.get(str(token.header.get("alg")))
    if algorithm is None:
        raise InvalidToken("the token is not signed with RSA")
    try:
        numbers = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"]))
        numbers.public_key().verify(token.signature, token.signed, padding.PKCS1v15(), algorithm)
    except (InvalidSignature, KeyError, ValueError, TypeError, AttributeError):
        raise InvalidToken("the token has an invalid signature") from None


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text), "big")


def check_claims(claims: Mapping[str, Any], *, issuer: str, audience: Sequence[str], now: float) -> None:
    """Raises InvalidToken."""
    if claims.get("iss") != issuer:
        raise InvalidToken("the token does not have a valid issuer")
    given = claims.get("aud", claims.get("client_id"))
    meant = given if isinstance(given, list) else [given]
    if not set(map(str, meant)) & set(audience):
        raise InvalidToken("the token does not have a valid audience")
    try:
        ends, begins, made = (
            float(claims.get(name, default)) for name, default in (("exp", 0), ("nbf", 0), ("iat", 0))
        )
    except (TypeError, ValueError):
        raise InvalidToken("the token is malformed") from None
    if ends <= now:
        raise InvalidToken("the token has expired")
    if begins > now or made > now + 1:
        raise InvalidToken("the token is not valid yet")


def scopes_of(claims: Mapping[str, Any]) -> list[str]:
    given = claims.get("scope", claims.get("scp")) or []
    return given.split() if isinstance(given, str) else [str(scope) for scope in given]


def check_scopes(claims: Mapping[str, Any], wanted: Sequence[str]) -> None:
    """Raises InsufficientScope."""
    if wanted and not set(wanted) & set(scopes_of(claims)):
        raise InsufficientScope


def shown_claims(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as an event has them: texts; a list in brackets, its members apart by blanks."""
    return {name: _shown(value) for name, value in claims.items()}


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{' '.join(_shown(member) for member in value)}]"
    return value if isinstance(value, str) else json.dumps(value)

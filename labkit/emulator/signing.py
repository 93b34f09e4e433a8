"""Whether a request carries a valid AWS signature, version 4: in its headers or in its query (a presigned address).

Nothing here reads a clock, a socket or a setting: a `Verifier` knows the account's credentials, region and service,
and `check` either returns or raises the error that AWS answers with.

A signature is an HMAC over the *canonical request*: method, path, query, the signed headers and the body's SHA-256,
each in one agreed spelling. The client computes it from what it means to send, we from what arrived:

- The path arrives encoded once and is encoded once more, as for every service but S3: an ARN's `:` is `%3A` on the wire
  and `%253A` in the signature. Dot segments and doubled slashes are taken out before.
- Names and values of the query are decoded, encoded and sorted. A `+` is a space: botocore signs `%20` and sends `+`.
- White space in a header's value is folded; the values of a repeated header are joined by commas in their order.
- The body is hashed here, so a wrong `x-amz-content-sha256` cannot help. Only UNSIGNED-PAYLOAD is taken at its word:
  it is part of what was signed.

What is refused first, and most of AWS's words, were recorded from the real service by dynalite (the comments of its
`index.js`): parts that lack, the date, its age, `host`, the algorithm, the credential, its scope, its owner, the
signature, the session token. For Lambda itself there are public reports: 403 and 5 minutes of tolerance
(serverless/serverless issue 27), a mismatch without the canonical string (the length of the answer in erlcloud/erlcloud
issue 690). Sentences about the scope end in a blank (cllunsford/aws-signing-proxy issue 25). A header that cannot be
read is shown hashed, as API Gateway has done since it stopped to echo it. The Lambda API reference, "Common Errors",
gives IncompleteSignature the status 403; the message of RequestExpired is not known for Lambda.

Speed: this is on the way of every warm call. The signing key, four HMACs away from the secret, is kept under the whole
credential, so that its scope is compared once a day. A request whose header begins like that of one that has passed
(the same key, scope and signed headers) takes a short way, which only says that it is good; whatever it does not find
good goes the long one, which knows why.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from labkit.errors import (
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
    RequestExpired,
    UnrecognizedClient,
)

if TYPE_CHECKING:
    from hashlib import _Hash as HASH  # it has no public name

Headers = Sequence[tuple[bytes, bytes]] | Mapping[bytes, bytes]

ALGORITHM = b"AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
UNSIGNED_PAYLOAD = b"UNSIGNED-PAYLOAD"
SKEW_MIN = 5
LOCATION_S = 600
WEEK_S = 7 * 24 * 3600  # the longest life of a presigned address
SIGNATURE = b", Signature="
KEYS_KEPT = 64  # a signing key is good for one day: more are old ones

# the header as AWS's own SDKs write it; whatever else there is goes through _explained
USUAL = re.compile(rb"AWS4-HMAC-SHA256 Credential=([^,\s=]+), ?SignedHeaders=([^,\s=]+), ?Signature=([^,\s=]+)")
STAMP = re.compile(rb"\d{8}T\d{6}Z")
PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")  # canonical as it is
HEADER_PARTS = (b"Credential", b"Signature", b"SignedHeaders")
QUERY_PARTS = (b"X-Amz-Algorithm", b"X-Amz-Credential", b"X-Amz-Signature", b"X-Amz-SignedHeaders", b"X-Amz-Date")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair; those of a session have a token too, which every request must then carry."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Presigner:
    """Makes addresses that anybody who has them may GET for LOCATION_S."""

    credentials: Credentials
    region: str

    def __call__(self, address: str) -> str:
        # a cold path: together they cost a fifth of the emulator's start
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials as Signer

        known = self.credentials
        signer = Signer(known.access_key_id, known.secret_access_key, known.session_token or None)
        request = AWSRequest("GET", address)
        SigV4QueryAuth(signer, "lambda", self.region, expires=LOCATION_S).add_auth(request)
        return str(request.url)


class Claim(NamedTuple):
    """What a request says about its own signature. A tuple: one is made in every call."""

    algorithm: bytes
    credential: bytes
    signed_headers: bytes
    signature: bytes
    stamp: bytes
    token: bytes
    payload: bytes
    presigned: bool = False
    expires: bytes | None = None


class _SigningKey(NamedTuple):
    key: bytes
    date: bytes
    scope: bytes
    token: bytes


class _Passed(NamedTuple):
    """What requests have in common whose Authorization headers differ in the signature only."""

    key: _SigningKey
    inner: HASH
    outer: HASH
    names: list[bytes]
    signed_headers: bytes


_Claimed = tuple[Claim, list[tuple[bytes, bytes]], bytes, _SigningKey]


class Verifier:
    """See the module's docstring."""

    def __init__(self, credentials: Iterable[Credentials], *, region: str, service: str = "lambda") -> None:
        self._credentials = {known.access_key_id: known for known in credentials}
        self._region = region
        self._service = service
        self._as_sent = service == "s3"  # it signs paths as they are sent, and the hash that the client says
        self._keys: dict[bytes, _SigningKey] = {}
        self._passed: dict[bytes, _Passed] = {}
        self._last = (b"", b"", 0)  # the path and the date of the last one, both plain, and the date in seconds

    def check(self, method: str, raw_path: bytes, query: bytes, headers: Headers, body: bytes, now: float) -> None:
        """Return if the request is signed by one of the credentials, and lately enough; else raise AWS's answer.

        The method is in capitals and header names are in lower case, as ASGI gives them; `raw_path` and `query` are
        the bytes that were sent.
        """
        if not query and isinstance(headers, dict) and self._passes(method, raw_path, headers, body, now):
            return
        claim, pairs, signed, key = self.check_claim(query, headers, now)
        if claim.presigned:
            pairs = [pair for pair in pairs if pair[0] != b"X-Amz-Signature"]
        if self._as_sent:
            path, payload = raw_path, claim.payload or UNSIGNED_PAYLOAD
        else:
            path = canonical_path(raw_path)
            payload = claim.payload if claim.payload == UNSIGNED_PAYLOAD else _hashed(body)
        parameters = canonical_query(pairs) if pairs else b""
        request = b"\n".join((method.encode(), path, parameters, signed, claim.signed_headers, payload))
        text = b"\n".join((ALGORITHM, claim.stamp, key.scope, _hashed(request)))
        if not hmac.compare_digest(hmac.digest(key.key, text, "sha256").hex().encode(), claim.signature):
            raise InvalidSignature
        if not hmac.compare_digest(key.token, claim.token):
            raise UnrecognizedClient
        if isinstance(headers, dict) and not (claim.presigned or self._as_sent):
            self._remember(headers, claim, key)

    def _remember(self, headers: Mapping[bytes, bytes], claim: Claim, key: _SigningKey) -> None:
        head, mark, _ = headers[b"authorization"].rpartition(SIGNATURE)
        if mark and headers.get(b"x-amz-date") == claim.stamp:
            if len(self._passed) >= KEYS_KEPT:
                self._passed.clear()
            block = key.key.ljust(64, b"\0")  # SHA-256's (RFC 2104); a signing key has 32 bytes
            inner, outer = (sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))
            self._passed[head] = _Passed(key, inner, outer, claim.signed_headers.split(b";"), claim.signed_headers)

    def _passes(self, method: str, path: bytes, headers: Mapping[bytes, bytes], body: bytes, now: float) -> bool:
        """Whether it is good for sure, and like one that has passed: the long way would find the same."""
        head, _, signature = headers.get(b"authorization", b"").rpartition(SIGNATURE)
        known = self._passed.get(head)
        if known is None or headers.get(b"x-amz-content-sha256") == UNSIGNED_PAYLOAD:
            return False
        stamp = headers.get(b"x-amz-date", b"")
        last_path, last_stamp, signed_at = self._last
        if path != last_path or stamp != last_stamp:
            if not (PLAIN_PATH.fullmatch(path) and STAMP.fullmatch(stamp)):
                return False
            try:
                signed_at = _seconds(stamp)
            except ValueError:
                return False
            self._last = (path, stamp, signed_at)
        key = known.key
        if abs(int(now) - signed_at) > SKEW_MIN * 60 or not stamp.startswith(key.date):
            return False
        try:
            fields = b"".join([b"%b:%b\n" % (name, _folded(headers[name])) for name in known.names])
        except KeyError:
            return False
        request = b"%b\n%b\n\n%b\n%b\n%b" % (method.encode(), path, fields, known.signed_headers, _hashed(body))
        inner, outer = known.inner.copy(), known.outer.copy()
        inner.update(b"%b\n%b\n%b\n%b" % (ALGORITHM, stamp, key.scope, _hashed(request)))
        outer.update(inner.digest())
        good = hmac.compare_digest(outer.hexdigest().encode(), signature)
        return good and hmac.compare_digest(key.token, headers.get(b"x-amz-security-token", b""))

    def check_claim(self, query: bytes, headers: Headers, now: float) -> _Claimed:
        """The part of `check` that needs no body: before a long one is read."""
        fields = _by_name(headers)
        pairs = _decoded(query) if query else []
        claim = _claim(fields, pairs)
        check_age(claim, now)
        signed = canonical_headers(fields, claim.signed_headers)
        if claim.algorithm != ALGORITHM:
            raise IncompleteSignature(
                f"Unsupported AWS 'algorithm': '{_text(claim.algorithm)}' (only {ALGORITHM.decode()} for now). "
            )
        key = self._keys.get(claim.credential) or self._new_key(claim)
        if key.date != claim.stamp[:8]:
            raise InvalidSignature(_date_mismatch(key.date.decode(), claim.stamp.decode()))
        return claim, pairs, signed, key

    def admit(self, credentials: Credentials) -> None:
        """These are known from now on."""
        self._credentials[credentials.access_key_id] = credentials

    def forget(self, access_key_id: str) -> None:
        """These are not known any more, nor the signing keys made of them."""
        if self._credentials.pop(access_key_id, None):
            self._keys.clear()
            self._passed.clear()

    def credentials(self, access_key_id: str) -> Credentials | None:
        """Those with this key, if they are known."""
        return self._credentials.get(access_key_id)

    def _new_key(self, claim: Claim) -> _SigningKey:
        """The key for a credential that was not seen before, if it is one of ours for this region and service."""
        parts = _text(claim.credential).rstrip("/").split("/")
        if len(parts) != 5:
            raise IncompleteSignature(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term,"
                f" got '{_text(claim.credential)}'"
            )
        if problems := self._scope_problems(parts, claim.stamp.decode()):
            raise InvalidSignature(problems)
        owner = self._credentials.get(parts[0])
        if owner is None:
            raise UnrecognizedClient
        key = b"AWS4" + owner.secret_access_key.encode()
        for part in parts[1:]:
            key = hmac.digest(key, part.encode(), "sha256")
        scope = "/".join(parts[1:]).encode()
        made = _SigningKey(key, parts[1].encode(), scope, owner.session_token.encode())
        if len(self._keys) >= KEYS_KEPT:
            self._keys.clear()
        self._keys[claim.credential] = made
        return made

    def _scope_problems(self, parts: list[str], stamp: str) -> str:
        _, date, region, service, terminator = parts
        found = ""
        if region != self._region:
            found += "Credential should be scoped to a valid region. "
        if service != self._service:
            found += f"Credential should be scoped to correct service: '{self._service}'. "
        if terminator != TERMINATOR:
            found += f"Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'. "
        if date != stamp[:8]:
            found += _date_mismatch(date, stamp)
        return found


def claimed(query: bytes, headers: Headers) -> list[str]:
    """Key id, date, region, service and terminator that a request says it is signed with. Raises as `check` does."""
    claim = _claim(_by_name(headers), _decoded(query) if query else [])
    return _text(claim.credential).rstrip("/").split("/")


def _claim(fields: Mapping[bytes, bytes], pairs: list[tuple[bytes, bytes]]) -> Claim:
    """The signature that a request carries, or the error of one that carries none that can be read."""
    authorization = fields.get(b"authorization", b"")
    if pairs and any(name == b"X-Amz-Algorithm" for name, _ in pairs):
        if authorization:
            raise InvalidSignature(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
            )
        return _presigned(fields, dict(pairs))
    if not authorization:
        raise MissingAuthenticationToken
    date = fields.get(b"x-amz-date") or fields.get(b"date", b"")
    usual = USUAL.fullmatch(authorization)
    if usual and date:
        algorithm, (credential, signed_headers, signature) = ALGORITHM, usual.groups()
    else:
        algorithm, credential, signed_headers, signature = _explained(authorization, dated=bool(date))
    return Claim(
        algorithm,
        credential,
        signed_headers,
        signature,
        _stamp(date),
        fields.get(b"x-amz-security-token", b""),
        fields.get(b"x-amz-content-sha256", b""),
    )


def _explained(authorization: bytes, *, dated: bool) -> tuple[bytes, bytes, bytes, bytes]:
    """The parts of an unusual header. AWS splits at blanks too: a key with one at its edge is no pair any more."""
    algorithm, _, rest = authorization.partition(b" ")
    shown = base64.b64encode(sha256(authorization).digest()).decode()
    found: dict[bytes, bytes] = {}
    for part in rest.replace(b",", b" ").split():
        name, equals, value = part.partition(b"=")
        if not equals:
            raise IncompleteSignature(
                "Invalid key=value pair (missing equal-sign) in Authorization header"
                f" (hashed with SHA-256 and encoded with Base64): '{shown}'."
            )
        found[name] = value
    missing = [f"Authorization header requires '{p.decode()}' parameter. " for p in HEADER_PARTS if not found.get(p)]
    if not dated:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
    if missing:
        hashed = f"(Hashed with SHA-256 and encoded with Base64) Authorization={shown}"
        raise IncompleteSignature("".join(missing) + hashed)
    return algorithm, found[b"Credential"], found[b"SignedHeaders"], found[b"Signature"]


def _presigned(fields: Mapping[bytes, bytes], found: Mapping[bytes, bytes]) -> Claim:
    missing = [f"AWS query-string parameters must include '{p.decode()}'. " for p in QUERY_PARTS if not found.get(p)]
    if missing:
        raise IncompleteSignature("".join(missing) + "Re-examine the query-string parameters.")
    return Claim(
        found[b"X-Amz-Algorithm"],
        found[b"X-Amz-Credential"],
        found[b"X-Amz-SignedHeaders"],
        found[b"X-Amz-Signature"],
        _stamp(found[b"X-Amz-Date"]),
        found.get(b"X-Amz-Security-Token") or fields.get(b"x-amz-security-token", b""),
        found.get(b"X-Amz-Content-Sha256") or fields.get(b"x-amz-content-sha256", b""),
        presigned=True,
        expires=found.get(b"X-Amz-Expires"),
    )


def _by_name(headers: Headers) -> Mapping[bytes, bytes]:
    if isinstance(headers, Mapping):
        return headers
    fields = dict(headers)
    if len(fields) == len(headers):
        return fields
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(_folded(value))
    return {name: b",".join(several) for name, several in values.items()}


def _folded(value: bytes) -> bytes:
    return b" ".join(value.split())


def _hashed(data: bytes) -> bytes:
    return sha256(data).hexdigest().encode()


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")


def _stamp(date: bytes) -> bytes:
    """A request's date as the signature spells it; a `Date` header may also be in HTTP's form (RFC 9110)."""
    if STAMP.fullmatch(date):
        return date
    try:
        # UTC where the zone is -0000, as botocore writes it: then Python's answer has no zone
        at = parsedate_to_datetime(_text(date))
        return _spelt((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()).encode()
    except (ValueError, OverflowError):
        raise _undated(_text(date)) from None


def _undated(date: str) -> IncompleteSignature:
    return IncompleteSignature(
        f"Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
    )


def _seconds(stamp: bytes) -> int:
    """Since the epoch. ValueError for a day that there is not."""
    return int(datetime.fromisoformat(stamp.decode()).timestamp())


def _spelt(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")


def check_age(claim: Claim, now: float) -> None:
    """Raise if a signature is more than 5 minutes away from now, or a presigned address out of its time."""
    stamp, today = claim.stamp.decode(), int(now)
    try:
        signed = _seconds(claim.stamp)
    except ValueError:
        raise _undated(stamp) from None
    latest, earliest = today + SKEW_MIN * 60, today - SKEW_MIN * 60
    if signed > latest:
        raise InvalidSignature(
            f"Signature not yet current: {stamp} is still later than {_spelt(latest)}"
            f" ({_spelt(today)} + {SKEW_MIN} min.)"
        )
    if claim.expires is not None:
        if today > signed + _lifetime_s(claim.expires):
            raise RequestExpired
    elif signed < earliest:
        raise InvalidSignature(
            f"Signature expired: {stamp} is now earlier than {_spelt(earliest)} ({_spelt(today)} - {SKEW_MIN} min.)"
        )


def _lifetime_s(expires: bytes) -> int:
    """Seconds that a presigned address is good for. The words of refusal are S3's: Lambda's are not known."""
    if not expires.removeprefix(b"-").isdigit() or len(expires) > 12:
        raise IncompleteSignature("X-Amz-Expires should be a number")
    if expires.startswith(b"-"):
        raise IncompleteSignature("X-Amz-Expires must be non-negative")
    if int(expires) > WEEK_S:
        raise IncompleteSignature(
            "X-Amz-Expires must be less than a week (in seconds); that is,"
            f" the given X-Amz-Expires must be less than {WEEK_S} seconds"
        )
    return int(expires)


def _date_mismatch(date: str, stamp: str) -> str:
    return (
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP:"
        f" '{date}' != '{stamp[:8]}', from '{stamp}'. "
    )


def canonical_path(raw_path: bytes) -> bytes:
    """The path as it is signed: without dot segments and doubled slashes, encoded once more.

    >>> canonical_path(b"/2015-03-31/functions/arn%3Aaws/./invocations")
    b'/2015-03-31/functions/arn%253Aaws/invocations'
    """
    if PLAIN_PATH.fullmatch(raw_path):
        return raw_path
    kept: list[bytes] = []
    for segment in raw_path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    last = b"/" if kept and raw_path.endswith(b"/") else b""
    return quote_from_bytes(b"/" + b"/".join(kept) + last, safe="/").encode()


def _decoded(query: bytes) -> list[tuple[bytes, bytes]]:
    pairs = (pair.partition(b"=") for pair in query.replace(b"+", b" ").split(b"&"))
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs]


def canonical_query(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Decoded pairs as they are signed: encoded and in order.

    >>> canonical_query([(b"b", b"1 2"), (b"a", b"")])
    b'a=&b=1%202'
    """
    encoded = sorted((quote_from_bytes(name, safe=""), quote_from_bytes(value, safe="")) for name, value in pairs)
    return "&".join([f"{name}={value}" for name, value in encoded]).encode()


def canonical_headers(fields: Mapping[bytes, bytes], signed_headers: bytes) -> bytes:
    """The signed headers as they are signed, each with the end of its line; `host` must be one of them."""
    names = signed_headers.split(b";")
    if b"host" not in names:
        raise InvalidSignature("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    try:
        return b"".join([b"%b:%b\n" % (name, b" ".join(fields[name].split())) for name in names])
    except KeyError:
        raise InvalidSignature from None

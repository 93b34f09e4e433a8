"""Whether a request for any of the account's services is signed by whom it names.

Lambda's own doors have one `Verifier`, of one region and service; it also knows whose keys there are. Here is one for
each key, region and service that is seen, and S3's old way (`old_signing`). What a signature says is read by
`signing.claimed`, and it must be what routes a request (`caller_of`): one that can be read in two ways is refused.

A body is read whole before its signature can be judged, but for S3: there it covers the hash that the client claims
(`x-amz-content-sha256`), so an object is handed on as it comes, and is broken off before its last piece if the claim
turns out to be wrong. UNSIGNED-PAYLOAD and STREAMING-... claim no hash of the body: what is signed then is the head;
the signatures and checksums inside of chunks are not looked at.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from labkit.emulator.old_signing import is_signed
from labkit.emulator.signing import Credentials, Headers, Verifier, claimed
from labkit.errors import (
    ContentMismatch,
    IncompleteSignature,
    InvalidSignature,
    RequestAborted,
    RequestTooLarge,
    ServiceError,
    UnrecognizedClient,
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

CREDENTIAL = re.compile(rb"Credential=([^/,\s]+)/\d{8}/([^/,\s]*)/([^/,\s]+)/aws4_request")
OLD_CREDENTIAL = re.compile(rb"(?:^|&)AWSAccessKeyId=([^&]+)")  # S3's addresses of signature version 2
HASH = re.compile(rb"[0-9a-f]{64}")
BODY_BYTES = 70_167_211  # of the largest request that Lambda takes; the other services' are smaller, but for objects
VERIFIERS_KEPT = 64
DECIDING = frozenset({b"authorization", b"content-type", b"host", b"x-amz-copy-source", b"x-amz-target"})
UNREADABLE = "The signature of this request cannot be read, or in two ways."


class Caller(NamedTuple):
    """Who signed a request, and for which service."""

    access_key_id: str
    service: str
    region: str = ""


def caller_of(headers: Mapping[bytes, bytes], query: bytes) -> Caller | None:
    """None if there is no signature that names a service."""
    signed = headers.get(b"authorization", b"")
    if not signed and b"X-Amz-Credential=" in query:
        signed = unquote_to_bytes(query)
    if found := CREDENTIAL.search(signed):
        key, region, service = (part.decode("latin-1") for part in found.groups())
        return Caller(key, service.lower(), region)
    if old := OLD_CREDENTIAL.search(query):
        return Caller(unquote_to_bytes(old[1]).decode("latin-1"), "s3")
    return None


class Signatures:
    """See the module's docstring. `verifier` is Lambda's."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._verifiers: dict[tuple[Credentials, str, str], Verifier] = {}

    async def verified(self, caller: Caller, scope: Scope, receive: Receive) -> Receive:
        """The body, for its next reader, of a request that is signed by whom it names.

        Raises UnrecognizedClient if nobody has that key, and whatever else is wrong with the signature.
        """
        known = self._verifier.credentials(caller.access_key_id)
        if known is None:
            raise UnrecognizedClient
        region = region_of(caller, scope["query_string"], scope["headers"])
        body = b"" if caller.service == "s3" else await whole(receive)
        self.check(caller, region, known, scope, body)
        return unaltered(scope, receive) if caller.service == "s3" else again(body, receive)

    def check(self, caller: Caller, region: str, known: Credentials, scope: Scope, body: bytes) -> None:
        """Return if it is signed with these credentials; else raise the error. Of S3 no body is needed."""
        _check_single(scope["headers"])
        method, path, query = scope["method"], scope["raw_path"], scope["query_string"]
        headers, now = scope["headers"], time.time()
        if region:
            self._verifier_for(caller.service, region, known).check(method, path, query, headers, body, now)
        elif not is_signed(method, path, query, dict(headers), known, now=now):  # an address of signature version 2
            raise InvalidSignature

    def _verifier_for(self, service: str, region: str, known: Credentials) -> Verifier:
        if service == "lambda":
            return self._verifier
        key = (known, region, service)
        if key not in self._verifiers:
            if len(self._verifiers) >= VERIFIERS_KEPT:
                self._verifiers.clear()
            self._verifiers[key] = Verifier([known], region=region, service=service)
        return self._verifiers[key]


def region_of(caller: Caller | None, query: bytes, headers: Headers) -> str:
    """The region that a request is signed for; "" in an address of signature version 2, or without a signature.

    Raises IncompleteSignature if the signature names another key or service than the one that routes the request.
    """
    if caller and b"AWSAccessKeyId=" in query and b"authorization" not in dict(headers):
        return ""
    try:
        key_id, _, region, service, _ = claimed(query, headers)
    except (ServiceError, ValueError):
        if caller is None:
            return ""  # no signature of ours: a token for an API, say
        raise IncompleteSignature(UNREADABLE) from None
    if caller is None or (key_id, service.lower()) != caller[:2]:
        raise IncompleteSignature(UNREADABLE)
    return region


def _check_single(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Raises IncompleteSignature for a header that says two things about what is asked for."""
    names = [name for name, _ in headers if name in DECIDING]
    if len(names) > len(set(names)):
        raise IncompleteSignature(UNREADABLE)


async def whole(receive: Receive) -> bytes:
    """The whole body. Raises RequestTooLarge, RequestAborted."""
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestAborted("The request ended before it was whole.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
        if size > BODY_BYTES:
            raise RequestTooLarge(f"Request must be smaller than {BODY_BYTES} bytes")
    return b"".join(chunks)


def again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, for another reader; then what the connection says."""
    left = [body]

    async def read() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return read


def unaltered(scope: Scope, receive: Receive) -> Receive:
    """A body as it comes, which ends only if it has the hash that was claimed: reading it raises ContentMismatch.

    One piece is always held back, so that who was told the length has not all of it before that is known.
    """
    claim = dict(scope["headers"]).get(b"x-amz-content-sha256", b"")
    if not HASH.fullmatch(claim):
        return receive
    found, held, ended = sha256(), b"", False

    async def read() -> MutableMapping[str, Any]:
        nonlocal held, ended
        while True:
            message = await receive()
            if ended or message["type"] == "http.disconnect":
                return message
            body = message.get("body", b"")
            found.update(body)
            if not message.get("more_body", False):
                if not hmac.compare_digest(found.hexdigest().encode(), claim):
                    raise ContentMismatch
                ended = True
                return {"type": "http.request", "body": held + body, "more_body": False}
            if held and body:
                ready, held = held, body
                return {"type": "http.request", "body": ready, "more_body": True}
            held = held or body

    return read

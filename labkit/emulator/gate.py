"""IAM at the front door: an ASGI application before all others, with `--iam` only.

Whoever signs a request is known here by its verified signature, and what the request needs is compared with what the
signer may do. The lab's owner may do everything, as an account's root. A request that may pass goes on as it came;
another is answered in AWS's words. Requests without a signature go on: the doors behind know whom they let in.

What a signature says is read by `signing.claimed`, and it must be what routes a request behind this door
(`forwarding.caller_of`): a header that says two things is refused.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from labkit.emulator import refusals
from labkit.emulator.authority import Authority
from labkit.emulator.forwarding import Caller, caller_of
from labkit.emulator.http import App, Receive, Scope, Send, respond, send_reply
from labkit.emulator.needs import ServiceRequest
from labkit.emulator.old_signing import is_signed
from labkit.emulator.principals import Principals
from labkit.emulator.signing import Credentials, Headers, Verifier, claimed
from labkit.emulator.wire import Wire
from labkit.errors import (
    ExpiredToken,
    IncompleteSignature,
    InvalidSignature,
    RequestAborted,
    RequestTooLarge,
    ServiceError,
    ServicesNotStarted,
    ServiceUnavailable,
)

BODY_BYTES = 70_167_211  # of the largest request that Lambda takes
VERIFIERS_KEPT = 64
CHANGE_IDENTITIES = frozenset({"iam", "cloudformation"})
UNREADABLE = "The signature of this request cannot be read, or in two ways."


class Gate:
    """See the module's docstring. `owner` may do everything."""

    def __init__(
        self,
        app: App,
        owner: Credentials,
        principals: Principals,
        authority: Authority,
        verifier: Verifier,
        wire: Wire,
        *,
        account_id: str,
        now: Callable[[], float],
    ) -> None:
        self._app, self._owner, self._principals, self._authority = app, owner, principals, authority
        self._verifier, self._wire, self._account_id, self._now = verifier, wire, account_id, now
        self._verifiers: dict[tuple[str, str, str], Verifier] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, query = dict(scope["headers"]), scope["query_string"]
        caller = caller_of(headers, query)
        try:
            region = _region(caller, query, scope["headers"])
            if caller is None or (caller.service == "lambda" and caller.access_key_id == self._owner.access_key_id):
                await self._app(scope, receive, send)  # which verifies what there is to verify
            else:
                await self._checked(caller, region, headers, scope, receive, send)
        except ServicesNotStarted as error:
            print(f"labkit: {error}", file=sys.stderr, flush=True)  # noqa: T201
            await self._refuse(send, caller, headers, ServiceUnavailable(str(error)))
        except ServiceError as error:
            await self._refuse(send, caller, headers, error)

    async def _refuse(
        self, send: Send, caller: Caller | None, headers: Mapping[bytes, bytes], error: ServiceError
    ) -> None:
        """The error in the protocol of the service that was asked."""
        if caller is None or caller.service == "lambda":
            await send_reply(send, self._wire.error(error, str(uuid.uuid4())))
        else:
            code = (
                "SignatureDoesNotMatch"
                if caller.service == "s3" and isinstance(error, InvalidSignature)
                else error.code
            )
            await self._send(send, refusals.reply(caller.service, headers, error.status, code, error.message))

    async def _checked(
        self, caller: Caller, region: str, headers: Mapping[bytes, bytes], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Raises ServiceError for a signature that is none, and for what Lambda's API does not allow."""
        owner = caller.access_key_id == self._owner.access_key_id
        principal = None if owner else await self._principals.of_key(caller.access_key_id)
        if not owner and principal is None:
            await self._app(scope, receive, send)  # where it is not known either
            return
        query = scope["query_string"].decode("latin-1")
        streamed = caller.service == "s3" and not (scope["method"] == "POST" and "delete" in query)
        body = b"" if streamed else await _whole(receive)
        request = ServiceRequest(
            caller.service, region, self._account_id, scope["method"], scope["raw_path"], query, headers, body
        )
        self._verify(caller, principal.credentials if principal else self._owner, request, scope)
        if principal and principal.expires_at is not None and principal.expires_at < self._now():
            raise ExpiredToken
        if principal and (answer := await self._authority.answer(principal, request, scope)):
            await self._send(send, answer, rest_unread=streamed)
            return
        await self._pass(caller.service, scope, receive if streamed else _again(body, receive), send)

    async def _pass(self, service: str, scope: Scope, receive: Receive, send: Send) -> None:
        if service not in CHANGE_IDENTITIES:
            await self._app(scope, receive, send)
            return
        self._principals.changed()
        try:
            await self._app(scope, receive, send)
        finally:
            self._principals.changed()

    # --- who signs

    def _verify(self, caller: Caller, credentials: Credentials, request: ServiceRequest, scope: Scope) -> None:
        query, now = scope["query_string"], time.time()
        if not request.region:  # an address of signature version 2
            if not is_signed(request.method, request.raw_path, query, request.headers, credentials, now=now):
                raise InvalidSignature
            return
        verifier = self._verifier if caller.service == "lambda" else self._verifier_for(credentials, request)
        verifier.check(request.method, request.raw_path, query, scope["headers"], request.body, now)

    def _verifier_for(self, credentials: Credentials, request: ServiceRequest) -> Verifier:
        key = (credentials.access_key_id, request.region, request.service)
        if key not in self._verifiers:
            if len(self._verifiers) >= VERIFIERS_KEPT:
                self._verifiers.clear()
            self._verifiers[key] = Verifier([credentials], region=request.region, service=request.service)
        return self._verifiers[key]

    async def _send(self, send: Send, answer: refusals.Reply, *, rest_unread: bool = True) -> None:
        """With a body that nobody reads the connection is of no use any more: the next request would follow it."""
        fields = [*answer.fields, (b"x-amzn-requestid", str(uuid.uuid4()).encode())]
        if rest_unread:
            fields.append((b"connection", b"close"))
        await respond(send, answer.status, fields, answer.body)


def _region(caller: Caller | None, query: bytes, headers: Headers) -> str:
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
    if caller is None or (key_id, service.lower()) != caller:
        raise IncompleteSignature(UNREADABLE)
    return region


async def _whole(receive: Receive) -> bytes:
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


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, for another reader; then what the connection says."""
    left = [body]

    async def read() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return read

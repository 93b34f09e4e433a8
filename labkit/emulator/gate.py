"""IAM at the front door, with `--iam` only: it stands before it and answers in its place.

Whoever signs a request is known here by its verified signature, and what the request needs is compared with what the
signer may do. The lab's owner may do everything, as an account's root. A request that may pass goes on as it came;
another is answered in AWS's words. Requests without a signature go on: the doors behind know whom they let in.

What a signature says is read by `signing.claimed`, and it must be what routes a request behind this door
(`forwarding.caller_of`): a header that says two things is refused.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

from labkit.emulator import refusals
from labkit.emulator.authority import Authority
from labkit.emulator.exchange import Answer, Answering, Conversation, Exchange, Invocation, Line, Receive, Request, Send
from labkit.emulator.forwarding import Caller, caller_of
from labkit.emulator.http import BODY_BYTES as FRONT_BYTES
from labkit.emulator.http import FrontDoor, Scope, is_invocation, is_loopback, respond, send_reply
from labkit.emulator.needs import ServiceRequest
from labkit.emulator.old_signing import is_signed
from labkit.emulator.pages import fault
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
DECIDING = frozenset({b"authorization", b"content-type", b"host", b"x-amz-copy-source", b"x-amz-target"})
Fields = Mapping[bytes, bytes]
UNREADABLE = "The signature of this request cannot be read, or in two ways."


class Gate:
    """See the module's docstring. `owner` may do everything."""

    def __init__(
        self,
        app: FrontDoor,
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
        self._judging: set[asyncio.Task[None]] = set()
        self._verifiers: dict[tuple[str, str, str], Verifier] = {}

    def answering(self, line: Line, request: Request, about: dict[str, Any]) -> Exchange:
        """The exchange of a request, as the front door has them."""
        if is_invocation(request):
            return Invocation(line, request, self, FRONT_BYTES)
        return Conversation(line, request, self, about)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, query = dict(scope["headers"]), scope["query_string"]
        caller = caller_of(headers, query)
        try:
            region = _region(caller, query, scope["headers"])
            if caller is None or self._is_owners(caller):
                await self._app(scope, receive, send)  # which verifies what there is to verify
                return
            streamed = caller.service == "s3" and not (scope["method"] == "POST" and b"delete" in query)
            body = b"" if streamed else await _whole(receive)
            answer = await self._judged(caller, region, scope, body)
        except ServiceError as error:
            await self._refuse(send, caller, headers, error)
            return
        if answer:
            await self._send(send, answer, rest_unread=streamed)
        else:
            await self._pass(caller.service, scope, receive if streamed else _again(body, receive), send)

    def _is_owners(self, caller: Caller) -> bool:
        """Whether the owner calls Lambda, whose doors verify that."""
        return caller.service == "lambda" and caller.access_key_id == self._owner.access_key_id

    # --- invocations

    def early(self, request: Request, headers: Fields) -> Answer | None:
        """What the front door says before a body is read; of strangers' signatures it knows nothing yet."""
        caller = caller_of(headers, request.query)
        stranger = caller is not None and not self._is_owners(caller) and is_loopback(headers.get(b"host", b""))
        return None if stranger else self._app.early(request, headers)

    def invoke(self, request: Request, headers: Fields, body: bytes, reply: Answering) -> None:
        caller = caller_of(headers, request.query)
        try:
            region = _region(caller, request.query, request.headers)
        except ServiceError as error:
            reply.answer(self._app.refusal(error))
            return
        if caller is None or self._is_owners(caller) or len(body) > FRONT_BYTES:  # cut, and refused for its size
            self._app.invoke(request, headers, body, reply)
            return
        task = asyncio.create_task(self._invoke_judged(caller, region, request, headers, body, reply))
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)

    async def _invoke_judged(
        self, caller: Caller, region: str, request: Request, headers: Fields, body: bytes, reply: Answering
    ) -> None:
        scope = {
            "method": request.method,
            "raw_path": request.path,
            "query_string": request.query,
            "headers": request.headers,
        }
        try:
            await self._judged(caller, region, scope, body)
        except ServiceError as error:
            reply.answer(self._app.refusal(error))
        except Exception as error:
            reply.answer(self._app.refusal(fault(error)))
        else:
            self._app.invoke(request, headers, body, reply)

    # --- the judgement

    async def _judged(self, caller: Caller, region: str, scope: Scope, body: bytes) -> refusals.Reply | None:
        """What stands in place of the service's own answer; None if the request may pass.

        Raises ServiceError for a signature that is none, and for what Lambda's API does not allow. A key that nobody
        has is left to the doors behind, who do not know it either.
        """
        owner = caller.access_key_id == self._owner.access_key_id
        try:
            principal = None if owner else await self._principals.of_key(caller.access_key_id)
            if not owner and principal is None:
                return None
            request = ServiceRequest(
                service=caller.service,
                region=region,
                account_id=self._account_id,
                method=scope["method"],
                raw_path=scope["raw_path"],
                query=scope["query_string"].decode("latin-1"),
                headers=dict(scope["headers"]),
                body=body,
            )
            _check_single(scope["headers"])
            self._verify(caller, principal.credentials if principal else self._owner, request, scope)
            if principal is None:
                return None
            if principal.expires_at is not None and principal.expires_at < self._now():
                raise ExpiredToken
            return await self._authority.answer(principal, request, scope)
        except ServicesNotStarted as error:
            print(f"labkit: {error}", file=sys.stderr, flush=True)  # noqa: T201
            raise ServiceUnavailable(str(error)) from None

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

    async def _refuse(
        self, send: Send, caller: Caller | None, headers: Mapping[bytes, bytes], error: ServiceError
    ) -> None:
        """The error in the protocol of the service that was asked."""
        if caller is None or caller.service == "lambda":
            await send_reply(send, self._wire.error(error, str(uuid.uuid4())))
            return
        of_s3 = caller.service == "s3" and isinstance(error, InvalidSignature)
        code = "SignatureDoesNotMatch" if of_s3 else error.code
        await self._send(send, refusals.reply(caller.service, headers, error.status, code, error.message))

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
    if caller is None or (key_id, service.lower()) != caller[:2]:
        raise IncompleteSignature(UNREADABLE)
    return region


def _check_single(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Raises IncompleteSignature for a header that says two things about what is asked for."""
    names = [name for name, _ in headers if name in DECIDING]
    if len(names) > len(set(names)):
        raise IncompleteSignature(UNREADABLE)


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

"""IAM at the front door, with `--iam` only: it stands before it and answers in its place.

Whoever signs a request is known here by its verified signature, and what the request needs is compared with what the
signer may do. The lab's owner may do everything, as an account's root. A request that may pass goes on as it came;
another is answered in AWS's words. Requests without a signature go on: the doors behind know whom they let in.

Signatures are verified as they are without `--iam` (`signatures`), but before anything else: of strangers, too, who
call Lambda.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from labkit.emulator import refusals
from labkit.emulator.authority import Authority
from labkit.emulator.exchange import Answer, Answering, Conversation, Exchange, Invocation, Line, Receive, Request, Send
from labkit.emulator.http import BODY_BYTES as FRONT_BYTES
from labkit.emulator.http import FrontDoor, Scope, is_invocation, is_loopback, respond, send_reply
from labkit.emulator.needs import ServiceRequest
from labkit.emulator.pages import fault
from labkit.emulator.principals import Principals
from labkit.emulator.signatures import Caller, Signatures, again, caller_of, region_of, unaltered, whole
from labkit.emulator.signing import Credentials
from labkit.emulator.wire import Wire
from labkit.errors import ExpiredToken, ServiceError, ServicesNotStarted, ServiceUnavailable

CHANGE_IDENTITIES = frozenset({"iam", "cloudformation"})


class Gate:
    """See the module's docstring. `owner` may do everything."""

    def __init__(
        self,
        app: FrontDoor,
        owner: Credentials,
        principals: Principals,
        authority: Authority,
        signatures: Signatures,
        wire: Wire,
        *,
        account_id: str,
        now: Callable[[], float],
    ) -> None:
        self._app, self._owner, self._principals, self._authority = app, owner, principals, authority
        self._signatures, self._wire, self._account_id, self._now = signatures, wire, account_id, now
        self._judging: set[asyncio.Task[None]] = set()

    def answering(self, line: Line, request: Request, about: dict[str, Any]) -> Exchange:
        """The exchange of a request, as the front door has them."""
        if is_invocation(request):
            return Invocation(line, request, self, FRONT_BYTES)
        return Conversation(line, request, self, about)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, query = dict(scope["headers"]), scope["query_string"]
        caller = caller_of(headers, query)
        try:
            region = region_of(caller, query, scope["headers"])
            if caller is None or self._is_owners(caller):
                await self._app(scope, receive, send)  # which verifies what there is to verify
                return
            streamed = caller.service == "s3" and not (scope["method"] == "POST" and b"delete" in query)
            body = b"" if streamed else await whole(receive)
            answer = await self._judged(caller, region, scope, body)
        except ServiceError as error:
            await self._refuse(send, caller, headers, error)
            return
        if answer:
            await self._send(send, answer, rest_unread=streamed)
        else:
            rest = unaltered(scope, receive) if streamed else again(body, receive)
            await self._pass(caller.service, scope, rest, send)

    def _is_owners(self, caller: Caller) -> bool:
        """Whether the owner calls Lambda, whose doors verify that."""
        return caller.service == "lambda" and caller.access_key_id == self._owner.access_key_id

    # --- invocations

    def early(self, request: Request) -> Answer | None:
        """What the front door says before a body is read; of strangers' signatures it knows nothing yet."""
        caller = caller_of(request.fields, request.query)
        stranger = caller is not None and not self._is_owners(caller) and is_loopback(request.fields.get(b"host", b""))
        return None if stranger else self._app.early(request)

    def invoke(self, request: Request, body: bytes, reply: Answering) -> None:
        caller = caller_of(request.fields, request.query)
        try:
            region = region_of(caller, request.query, request.headers)
        except ServiceError as error:
            reply.answer(self._app.refusal(error))
            return
        if caller is None or self._is_owners(caller) or len(body) > FRONT_BYTES:  # cut, and refused for its size
            self._app.invoke(request, body, reply)
            return
        task = asyncio.create_task(self._invoke_judged(caller, region, request, body, reply))
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)

    async def _invoke_judged(
        self, caller: Caller, region: str, request: Request, body: bytes, reply: Answering
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
            self._app.invoke(request, body, reply)

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
            known = principal.credentials if principal else self._owner
            self._signatures.check(caller, region, known, scope, body)
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

    async def _refuse(
        self, send: Send, caller: Caller | None, headers: Mapping[bytes, bytes], error: ServiceError
    ) -> None:
        """The error in the protocol of the service that was asked."""
        if caller is None or caller.service == "lambda":
            await send_reply(send, self._wire.error(error, str(uuid.uuid4())))
            return
        await self._send(send, refusals.unsigned(caller.service, headers, error))

    async def _send(self, send: Send, answer: refusals.Reply, *, rest_unread: bool = True) -> None:
        """With a body that nobody reads the connection is of no use any more: the next request would follow it."""
        fields = [*answer.fields, (b"x-amzn-requestid", str(uuid.uuid4()).encode())]
        if rest_unread:
            fields.append((b"connection", b"close"))
        await respond(send, answer.status, fields, answer.body)

"""The front door: which way a request goes. Invocations take the shortest path there is, without a task of their own;
what is for an API goes to API Gateway, signed or not; what is signed for another service is passed on to it; the rest
goes to `doors` and `pages`. All but the first are ASGI applications.

Requests whose Host is not this machine's loopback are refused: a web page must not reach a lab by DNS rebinding.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterable, Mapping, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from labkit.emulator.exchange import (
    Answer,
    Answering,
    App,
    Conversation,
    Exchange,
    Invocation,
    Line,
    Receive,
    Request,
    Send,
)
from labkit.emulator.forwarding import Forwarding
from labkit.emulator.invocation import Invocation as Run
from labkit.emulator.invocation import Result
from labkit.emulator.invoker import RUNS, Begun, Invoker
from labkit.emulator.logstream import log_tail
from labkit.emulator.pages import RESET_PATH, fault
from labkit.emulator.proxied import as_if_local, came_by_proxy
from labkit.emulator.registry import parse_reference
from labkit.emulator.signing import Verifier
from labkit.emulator.turns import Turns
from labkit.emulator.wire import Reply, Wire
from labkit.errors import RequestAborted, ServiceError
from labkit.model import InvocationType

if TYPE_CHECKING:
    from labkit.emulator.apigateway.door import ApiDoor

Scope = MutableMapping[str, Any]
Headers = Mapping[bytes, bytes]

INVOKE_PREFIX = b"/2015-03-31/functions/"
INVOKE_SUFFIX = b"/invocations"
BODY_BYTES = 8 * 1024 * 1024  # of an invocation: what is beyond is counted as too large, but not kept
LOOPBACK = frozenset((b"127.0.0.1", b"localhost", b"[::1]"))
NOT_HERE = b'{"message":"labkit answers on 127.0.0.1 and localhost only."}'
REFUSED = ((b"content-type", b"application/json"), (b"x-amzn-errortype", b"AccessDeniedException"))


class FrontDoor:
    """See the module's docstring."""

    def __init__(
        self,
        invoker: Invoker,
        wire: Wire,
        rest: App,
        verifier: Verifier | None = None,
        *,
        others: Forwarding | None = None,
        apis: ApiDoor | None = None,
        proxy_prefix: str = "",
    ) -> None:
        self._invoker = invoker
        self._verifier = verifier
        self._wire = wire
        self._rest = rest
        self._others = others
        self._apis = apis
        self._proxy_prefix = proxy_prefix
        self._turns = Turns()

    def answering(self, line: Line, request: Request, about: dict[str, Any]) -> Exchange:
        """The exchange of a request; `about` is what ASGI's scope says of the connection."""
        if is_invocation(request):
            return Invocation(line, request, self, BODY_BYTES)
        return Conversation(line, request, self, about)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        if not is_loopback(headers.get(b"host", b"")) and self._is_proxied(scope, headers):
            fields = as_if_local(scope["headers"], scope["server"][1])
            scope, headers = {**scope, "headers": fields}, dict(fields)
        if not is_loopback(headers.get(b"host", b"")):
            await respond(send, 403, REFUSED, NOT_HERE)
        elif self._apis and self._apis.wanted(scope, headers.get(b"host", b"")):
            await self._apis(scope, receive, send)
        elif self._others and self._is_for_others(scope, headers):
            await self._others(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    def _is_proxied(self, scope: Scope, headers: Headers) -> bool:
        return came_by_proxy(self._proxy_prefix, scope["server"][1], scope["raw_path"], headers)

    def _is_for_others(self, scope: Scope, headers: Headers) -> bool:
        path = scope["path"]
        return (
            path != RESET_PATH
            and self._others is not None
            and self._others.wanted(headers, scope["query_string"], scope["method"], path)
        )

    # --- invocations

    def early(self, request: Request) -> Answer | None:
        """The refusal of an invocation whose body need not be read."""
        if not is_loopback(request.fields.get(b"host", b"")):
            return Answer(403, REFUSED, NOT_HERE)
        if self._verifier and is_long(request.fields):
            try:
                self._verifier.check_claim(request.query, request.headers, time.time())
            except ServiceError as error:
                return self.refusal(error)
        return None

    def invoke(self, request: Request, body: bytes, reply: Answering) -> None:
        self._turns.take(partial(self._invoke, request, body, reply))

    def _invoke(self, request: Request, body: bytes, reply: Answering) -> None:
        caller = Caller(self, reply, tail=request.fields.get(b"x-amz-log-type") == b"Tail")
        try:
            begun = self._begin(request, body, caller)
        except ServiceError as error:
            caller.set_exception(error)
        except Exception as error:
            caller.set_exception(fault(error))
        else:
            if begun.status != RUNS:
                self._turns.answered()
                reply.answer(Answer(begun.status, _fields(begun.request_id, begun.executed_version), b""))

    def _begin(self, request: Request, payload: bytes, caller: Caller) -> Begun:
        query, fields = request.query, request.fields
        if self._verifier and len(payload) <= BODY_BYTES:  # a longer one is cut, and refused for its size
            signed = fields if len(fields) == len(request.headers) else request.headers
            self._verifier.check(request.method, request.path, query, signed, payload, time.time())
        name = request.path[len(INVOKE_PREFIX) : -len(INVOKE_SUFFIX)].decode("latin-1")
        return self._invoker.begin(
            parse_reference(unquote(name) if "%" in name else name, _parameter(query, "Qualifier=") if query else None),
            payload,
            caller,
            kind=_text(fields, b"x-amz-invocation-type") or InvocationType.REQUEST_RESPONSE,
            client_context=_text(fields, b"x-amz-client-context"),
            trace_id=_text(fields, b"x-amzn-trace-id"),
            on_answer=None if caller.tail else caller.answer,
        )

    def answered(self) -> None:
        self._turns.answered()

    def refusal(self, error: ServiceError) -> Answer:
        """What Lambda's API answers to an error."""
        reply = self._wire.error(error, str(uuid.uuid4()))
        return Answer(reply.status, [(k.encode(), v.encode()) for k, v in reply.headers.items()], reply.body)


class Caller:
    """Who waits for an invocation: an ending (invocation.py). `tail`: he wants the end of the log, too."""

    __slots__ = ("_front", "_over", "_reply", "tail")

    def __init__(self, front: FrontDoor, reply: Answering, *, tail: bool) -> None:
        self._front, self._reply, self.tail = front, reply, tail
        self._over = False

    def done(self) -> bool:
        return self._over

    def answer(self, invocation: Run, payload: bytes, failed: bool) -> None:
        """The handler's answer, before the bookkeeping."""
        self._reply.say(_answer(invocation.request_id, invocation.version.version, payload, failed))

    def set_result(self, result: Result) -> None:
        self._over = True
        self._front.answered()
        if not self._reply.begun:
            trace = result.trace
            log = [(b"x-amz-log-result", base64.b64encode(log_tail(result.entry)))] if self.tail else []
            self._reply.say(_answer(trace.request_id, trace.version, result.payload, result.failed, *log))
        self._reply.settle()

    def set_exception(self, error: Exception) -> None:
        self._over = True
        self._front.answered()
        self._reply.answer(self._front.refusal(error if isinstance(error, ServiceError) else fault(error)))


def is_invocation(request: Request) -> bool:
    path = request.path
    return path.startswith(INVOKE_PREFIX) and path.endswith(INVOKE_SUFFIX) and request.method == "POST"


def is_loopback(host: bytes) -> bool:
    """Whether a Host header names this machine's loopback, with or without a port."""
    name = host if host.endswith(b"]") else host.rpartition(b":")[0] or host
    return name in LOOPBACK or name.endswith(b".localhost")


def _answer(request_id: str, executed_version: str, payload: bytes, failed: bool, *more: tuple[bytes, bytes]) -> Answer:
    fields = [*_fields(request_id, executed_version), (b"content-type", b"application/json")]
    if failed:
        fields.append((b"x-amz-function-error", b"Unhandled"))
    return Answer(200, [*fields, *more], payload)


def _fields(request_id: str, executed_version: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-amzn-requestid", request_id.encode()), (b"x-amz-executed-version", executed_version.encode())]


def _parameter(query: bytes, name: str) -> str | None:
    for pair in query.decode("latin-1").split("&"):
        if pair.startswith(name):
            return unquote(pair[len(name) :])
    return None


def _text(headers: Headers, name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def is_long(headers: Headers) -> bool:
    """Whether a body is worth a look at the signature before it is read: 100 kB, or nobody knows how much."""
    return len(headers.get(b"content-length", b"unknown")) > 5


async def body_of(receive: Receive, *, most: int = BODY_BYTES) -> bytes:
    """The whole body, of which no more is kept than shows that it is too large.

    Raises RequestAborted if the client leaves before it is whole.
    """
    message = await _message(receive)
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    chunks, size = [body], len(body)
    while message.get("more_body"):
        message = await _message(receive)
        chunk = message.get("body", b"")
        if size <= most:
            chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


async def _message(receive: Receive) -> MutableMapping[str, Any]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise RequestAborted("The request ended before it was whole.")
    return message


async def send_reply(send: Send, reply: Reply) -> None:
    await respond(send, reply.status, [(k.encode(), v.encode()) for k, v in reply.headers.items()], reply.body)


async def respond(send: Send, status: int, fields: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body)), *fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

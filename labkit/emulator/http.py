"""The front door: an ASGI application. Invocations take the shortest path there is; what is signed for
another service is passed on to it; the rest goes to `pages`.

Requests whose Host is not this machine's loopback are refused: a web page must not reach a lab by DNS rebinding.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote

from labkit.emulator.forwarding import Forwarding
from labkit.emulator.invoker import Answer, Invoker
from labkit.emulator.pages import RESET_PATH, fault
from labkit.emulator.recorder import log_tail
from labkit.emulator.registry import parse_reference
from labkit.emulator.signing import Verifier
from labkit.emulator.wire import Reply, Wire
from labkit.errors import RequestAborted, ServiceError
from labkit.model import InvocationType

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Mapping[bytes, bytes]

INVOKE_PREFIX = "/2015-03-31/functions/"
INVOKE_SUFFIX = "/invocations"
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
    ) -> None:
        self._invoker = invoker
        self._verifier = verifier
        self._wire = wire
        self._rest = rest
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope.get("headers", ()))
        path: str = scope.get("path", "")
        if scope["type"] == "http" and not is_loopback(headers.get(b"host", b"")):
            await respond(send, 403, REFUSED, NOT_HERE)
        elif path.startswith(INVOKE_PREFIX) and path.endswith(INVOKE_SUFFIX) and scope.get("method") == "POST":
            await self._invoke(scope, headers, receive, send)
        elif self._others and self._is_for_others(scope, headers, path):
            await self._others(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    def _is_for_others(self, scope: Scope, headers: Headers, path: str) -> bool:
        query, method = scope.get("query_string", b""), scope.get("method", "")
        return path != RESET_PATH and self._others is not None and self._others.wanted(headers, query, method, path)

    async def _invoke(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        try:
            if self._verifier and is_long(headers):
                self._verifier.check_claim(scope["query_string"], scope["headers"], time.time())
            answer = await self._answer(scope, headers, await body_of(receive))
        except ServiceError as error:
            await send_reply(send, self._wire.error(error, str(uuid.uuid4())))
        except Exception as error:
            await send_reply(send, self._wire.error(fault(error), str(uuid.uuid4())))
        else:
            tail = headers.get(b"x-amz-log-type") == b"Tail"
            payload = answer.result.payload if answer.result else b""
            await respond(send, answer.status, _fields(answer, tail=tail), payload)

    async def _answer(self, scope: Scope, headers: Headers, payload: bytes) -> Answer:
        query: bytes = scope["query_string"]
        if self._verifier and len(payload) <= BODY_BYTES:  # a longer one is cut, and refused for its size
            self._verifier.check(scope["method"], scope["raw_path"], query, scope["headers"], payload, time.time())
        name: str = scope["path"][len(INVOKE_PREFIX) : -len(INVOKE_SUFFIX)]
        return await self._invoker.invoke(
            parse_reference(name, _parameter(query, "Qualifier=") if query else None),
            payload,
            kind=_text(headers, b"x-amz-invocation-type") or InvocationType.REQUEST_RESPONSE,
            client_context=_text(headers, b"x-amz-client-context"),
            trace_id=_text(headers, b"x-amzn-trace-id"),
        )


def is_loopback(host: bytes) -> bool:
    """Whether a Host header names this machine's loopback, with or without a port."""
    name = host if host.endswith(b"]") else host.rpartition(b":")[0] or host
    return name in LOOPBACK or name.endswith(b".localhost")


def _fields(answer: Answer, *, tail: bool) -> list[tuple[bytes, bytes]]:
    fields = [
        (b"x-amzn-requestid", answer.request_id.encode()),
        (b"x-amz-executed-version", answer.executed_version.encode()),
    ]
    if answer.result is not None:
        fields.append((b"content-type", b"application/json"))
        if answer.result.failed:
            fields.append((b"x-amz-function-error", b"Unhandled"))
        if tail:
            fields.append((b"x-amz-log-result", base64.b64encode(log_tail(answer.result.entry))))
    return fields


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


async def body_of(receive: Receive) -> bytes:
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
        if size <= BODY_BYTES:
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

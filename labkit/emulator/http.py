"""The front door. The only file that knows the web framework.

Invocations take a raw ASGI path, the shortest there is; everything else goes through Starlette: the control plane
(by the wire, from botocore's model) and labkit's own pages under `/_labkit/`.
Requests whose Host is not this machine's loopback are refused: a web page must not reach a lab by DNS rebinding.
"""

from __future__ import annotations

import base64
import dataclasses
import sys
import traceback
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labkit.emulator.control import Account, package_content, perform
from labkit.emulator.invoker import Invoker
from labkit.emulator.recorder import log_tail
from labkit.emulator.registry import parse_reference
from labkit.emulator.status import lab_status
from labkit.emulator.wire import Reply, Wire
from labkit.errors import ServiceError, ServiceFault, UnknownOperation, ValidationFailed
from labkit.model import InvocationType, Trace

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

INVOKE_PREFIX = "/2015-03-31/functions/"
INVOKE_SUFFIX = "/invocations"
BODY_BYTES = 70 * 1024 * 1024  # a 50 MB zip in base64, and some
LOOPBACK = frozenset((b"127.0.0.1", b"localhost", b"[::1]", b"host.docker.internal"))


def front_door(account: Account, invoker: Invoker, wire: Wire) -> App:
    """The ASGI application."""
    rest = _pages(account, wire)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await rest(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not _is_loopback(headers.get(b"host", b"")):
            await _reply(send, 403, (), b'{"message":"labkit answers on 127.0.0.1 and localhost only."}')
            return
        path: str = scope["path"]
        if path.startswith(INVOKE_PREFIX) and path.endswith(INVOKE_SUFFIX) and scope["method"] == "POST":
            await _invoke(scope, headers, receive, send)
        else:
            await rest(scope, receive, send)

    async def _invoke(scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        try:
            name = unquote(scope["path"][len(INVOKE_PREFIX) : -len(INVOKE_SUFFIX)])
            query = scope["query_string"]
            qualifier = _parameter(query, "Qualifier=") if query else None
            payload = await _body(receive)
            answer = await invoker.invoke(
                parse_reference(name, qualifier),
                payload,
                kind=_text(headers, b"x-amz-invocation-type") or InvocationType.REQUEST_RESPONSE,
                client_context=_text(headers, b"x-amz-client-context"),
                trace_id=_text(headers, b"x-amzn-trace-id"),
            )
        except ServiceError as error:
            await _send(send, wire.error(error, str(uuid.uuid4())))
            return
        except Exception:
            await _send(send, wire.error(_fault(), str(uuid.uuid4())))
            return
        fields = [
            (b"x-amzn-requestid", answer.request_id.encode()),
            (b"x-amz-executed-version", answer.executed_version.encode()),
        ]
        if answer.result is None:
            await _reply(send, answer.status, fields, b"")
            return
        if answer.result.failed:
            fields.append((b"x-amz-function-error", b"Unhandled"))
        if headers.get(b"x-amz-log-type") == b"Tail":
            fields.append((b"x-amz-log-result", base64.b64encode(log_tail(answer.result.entry))))
        await _reply(send, answer.status, fields, answer.result.payload)

    return app


def _fault() -> ServiceFault:
    """The answer to an error of labkit's own; the traceback goes to the emulator's log."""
    traceback.print_exc(file=sys.stderr)
    return ServiceFault("An internal error of labkit; the emulator's log has the traceback.")


def _is_loopback(host: bytes) -> bool:
    name = host if host.endswith(b"]") else host.rpartition(b":")[0] or host
    return name in LOOPBACK or name.endswith(b".localhost")


def _parameter(query: bytes, name: str) -> str | None:
    for pair in query.decode("latin-1").split("&"):
        if pair.startswith(name):
            return unquote(pair[len(name) :])
    return None


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


async def _body(receive: Receive) -> bytes:
    """The whole body; what is over the limit is not kept."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    chunks, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= BODY_BYTES:
            chunks.append(chunk)
    return b"".join(chunks)


async def _send(send: Send, reply: Reply) -> None:
    await _reply(send, reply.status, [(k.lower().encode(), v.encode()) for k, v in reply.headers.items()], reply.body)


async def _reply(send: Send, status: int, fields: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode()), *fields]
    if body and not any(name == b"content-type" for name, _ in fields):
        headers.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# --- everything but invocations -----------------------------------------------------------------------------


def _pages(account: Account, wire: Wire) -> Starlette:
    async def control(request: Request) -> Response:
        request_id = str(uuid.uuid4())
        try:
            raw_path = request.scope.get("raw_path", b"").decode("latin-1").partition("?")[0] or request.url.path
            query = request.query_params.multi_items()
            match = wire.match(request.method, raw_path, query)
            if match is None:
                raise UnknownOperation(f"No operation of the Lambda API is {request.method} {request.url.path}.")
            body = await request.body()
            params = wire.parse(match, query, request.headers, body)
            reply = wire.serialise(match.operation, await perform(account, match.operation, params))
        except ServiceError as error:
            reply = wire.error(error, request_id)
        except Exception:
            reply = wire.error(_fault(), request_id)
        return Response(reply.body, reply.status, headers={**reply.headers, "x-amzn-requestid": request_id})

    async def status(request: Request) -> Response:
        return JSONResponse(lab_status(account))

    async def trace(request: Request) -> Response:
        found = account.recorder.trace(request.path_params["request_id"])
        return JSONResponse(_plain(found) if found else None, 200 if found else 404)

    async def traces(request: Request) -> Response:
        return JSONResponse([_plain(t) for t in account.recorder.traces(request.query_params.get("function", ""))])

    async def logs(request: Request) -> Response:
        streams = account.recorder.streams(request.path_params["name"])
        return JSONResponse([{"name": s.name, "text": s.text()} for s in streams])

    async def recycle(request: Request) -> Response:
        return _on_version(request, account.dispatcher.recycle)

    async def abort(request: Request) -> Response:
        return _on_version(request, lambda v: account.dispatcher.abort(v, "stopped by the caller"))

    async def package(request: Request) -> Response:
        content = package_content(account, request.path_params["sha256"])
        return Response(content, 200 if content else 404, media_type="application/zip")

    def _on_version(request: Request, act: Callable[[Any], object]) -> Response:
        try:
            version = account.registry.version(parse_reference(request.path_params["name"]))
        except (ServiceError, ValidationFailed) as error:
            return JSONResponse({"message": str(error)}, error.status)
        return JSONResponse({"done": act(version)})

    return Starlette(
        routes=[
            Route("/_labkit/status", status),
            Route("/_labkit/traces", traces),
            Route("/_labkit/traces/{request_id}", trace),
            Route("/_labkit/logs/{name}", logs),
            Route("/_labkit/functions/{name}/recycle", recycle, methods=["POST"]),
            Route("/_labkit/functions/{name}/abort", abort, methods=["POST"]),
            Route("/_labkit/packages/{sha256:path}", package),
            Route("/{path:path}", control, methods=["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]),
        ]
    )


def _plain(trace: Trace) -> dict[str, Any]:
    return dataclasses.asdict(trace)

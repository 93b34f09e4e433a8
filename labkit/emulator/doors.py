"""The doors beside Invoke's: InvokeWithResponseStream, and function URLs. ASGI; what is neither goes on to `rest`.

Both hand a response on piece by piece. A reader that is slow holds up the handler (see streaming.py); one that goes
away does not: the handler runs to its end, and what it still sends is dropped.

A function URL is `/lambda-url/ID/...` on this emulator's address, or the host `ID.lambda-url.REGION.localhost`. It has
no signature of the API's own to check: its AuthType and the function's policy say who may come in. What an unknown
address answers was recorded against AWS (LocalStack's tests), and so was what a result without a stream looks like in
RESPONSE_STREAM mode: as it is. The words of a refusal: the developer guide's issue 494.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from labkit.emulator import eventstream, gateway
from labkit.emulator.exchange import App, Receive, Send
from labkit.emulator.gateway import Caller, HttpRequest, HttpResponse, UnusableResultError
from labkit.emulator.http import Scope, body_of, respond, send_reply
from labkit.emulator.invoker import Answer, Invoker
from labkit.emulator.logstream import log_tail
from labkit.emulator.pages import fault
from labkit.emulator.registry import Function, FunctionUrl, Reference, Registry, parse_reference
from labkit.emulator.signing import Verifier
from labkit.emulator.streaming import PRELUDE_END, PRELUDE_TYPE, ResponseStream
from labkit.emulator.wire import Match, Wire
from labkit.errors import MissingAuthenticationToken, RequestAborted, ServiceError
from labkit.model import LATEST

STREAMED_INVOKE = "InvokeWithResponseStream"
STREAMED_PREFIX, STREAMED_SUFFIX = "/2021-11-15/functions/", "/response-streaming-invocations"
URL_PATH = re.compile(r"/lambda-url/([a-z0-9]+)(/.*)?", re.DOTALL)
URL_HOST = re.compile(r"([a-z0-9]+)\.lambda-url\.[a-z0-9-]+\.localhost(?::\d+)?")
CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/")
PRELUDE_BYTES = 1024 * 1024
FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
Running = tuple[ResponseStream, asyncio.Future[Answer]]


class Doors:
    """See the module's docstring."""

    def __init__(self, invoker: Invoker, registry: Registry, wire: Wire, rest: App, verifier: Verifier | None) -> None:
        self._rest = rest
        self._streaming = StreamingDoor(invoker, wire, verifier)
        self._urls = UrlDoor(invoker, registry, wire, verifier)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
        elif address := address_of(scope):
            await self._urls.answer(address, scope, receive, send)
        elif scope["method"] == "POST" and path.startswith(STREAMED_PREFIX) and path.endswith(STREAMED_SUFFIX):
            await self._streaming.answer(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


class Address(NamedTuple):
    url_id: str
    path: str


def address_of(scope: Scope) -> Address | None:
    """The function URL that a request is for, and the path below it, as it was sent."""
    path = scope["raw_path"].decode("latin-1")
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
    if found := URL_HOST.fullmatch(host):
        return Address(found[1], path)
    if found := URL_PATH.fullmatch(path):
        return Address(found[1], found[2] or "/")
    return None


@asynccontextmanager
async def running(invoke: Callable[[ResponseStream], Awaitable[Answer]]) -> AsyncIterator[Running]:
    """An invocation on its way, from the moment on when it is known whether its handler streams."""
    stream = ResponseStream()
    answering = asyncio.ensure_future(invoke(stream))
    answering.add_done_callback(lambda _: stream.end())
    try:
        await stream.wait_begun()
        yield stream, answering
    finally:
        stream.abandon()
        answering.add_done_callback(lambda done: done.cancelled() or done.exception())


class StreamingDoor:
    """InvokeWithResponseStream: events as they come, `InvokeComplete` last."""

    def __init__(self, invoker: Invoker, wire: Wire, verifier: Verifier | None) -> None:
        self._invoker, self._wire, self._verifier = invoker, wire, verifier

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if self._verifier:
                self._verifier.check_claim(scope["query_string"], scope["headers"], time.time())
            params = self._params(scope, await body_of(receive))
            trace_id = dict(scope["headers"]).get(b"x-amzn-trace-id", b"").decode("latin-1")
            async with running(lambda stream: self._invoke(params, stream, trace_id)) as (stream, answering):
                await self._send_events(send, stream, answering, tail=params.get("LogType") == "Tail")
        except ServiceError as error:
            await send_reply(send, self._wire.error(error, str(uuid.uuid4())))
        except Exception as error:
            await send_reply(send, self._wire.error(fault(error), str(uuid.uuid4())))

    def _params(self, scope: Scope, body: bytes) -> dict[str, Any]:
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"]
        if self._verifier:
            self._verifier.check(scope["method"], scope["raw_path"], query, scope["headers"], body, time.time())
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        match = self._wire.match("POST", path, pairs)
        assert isinstance(match, Match)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return self._wire.parse(match, pairs, headers, body)

    async def _invoke(self, params: dict[str, Any], stream: ResponseStream, trace_id: str) -> Answer:
        return await self._invoker.invoke(
            parse_reference(params["FunctionName"], params.get("Qualifier")),
            params.get("Payload") or b"",
            kind=params.get("InvocationType") or "RequestResponse",
            client_context=params.get("ClientContext") or "",
            trace_id=trace_id,
            stream=stream,
        )

    async def _send_events(
        self, send: Send, stream: ResponseStream, answering: asyncio.Future[Answer], *, tail: bool
    ) -> None:
        answer = None if stream.begun else await answering
        fields = [
            (b"x-amzn-requestid", stream.request_id.encode()),
            (b"x-amz-executed-version", stream.executed_version.encode()),
        ]
        if answer and answer.result is None:
            await respond(send, answer.status, fields, b"")
            return
        fields.append((b"content-type", eventstream.CONTENT_TYPE.encode()))
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        while (chunk := await stream.next()) is not None:
            await self._send(send, {"PayloadChunk": {"Payload": chunk}})
        result = (await answering).result
        assert result is not None
        if not stream.begun and not result.failed:
            await self._send(send, {"PayloadChunk": {"Payload": result.payload}})
        complete = {}
        if result.failed:
            complete = {"ErrorCode": "Unhandled", "ErrorDetails": result.payload.decode("utf-8", "replace")}
        if tail:
            complete["LogResult"] = base64.b64encode(log_tail(result.entry)).decode()
        await self._send(send, {"InvokeComplete": complete})
        await send({"type": "http.response.body", "body": b""})

    async def _send(self, send: Send, event: dict[str, Any]) -> None:
        body = self._wire.event(STREAMED_INVOKE, event)
        await send({"type": "http.response.body", "body": body, "more_body": True})


class UrlDoor:
    """Function URLs: who may come in, the event, the response."""

    def __init__(self, invoker: Invoker, registry: Registry, wire: Wire, verifier: Verifier | None) -> None:
        self._invoker, self._registry, self._wire, self._verifier = invoker, registry, wire, verifier

    async def answer(self, address: Address, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(send, str(uuid.uuid4()))
        try:
            request = request_of(scope, address, await body_of(receive))
        except RequestAborted as error:
            await send_reply(send, self._wire.error(error, visit.request_id))
            return
        found = self._registry.url(address.url_id)
        if found is None:
            await visit.refuse(None)
            return
        function, qualifier, url = found
        visit.use(request, url, trace_of(request))
        if url.cors and gateway.is_preflight(request):
            await visit.respond(gateway.preflight(url.cors, request))
            return
        try:
            caller = self._admitted(scope, request, function, qualifier, url)
            if url.auth_type == "NONE" and not gateway.is_public(function.policies.get(qualifier, ())):
                await visit.refuse(FORBIDDEN)
                return
            reference = Reference(function.name, None if qualifier == LATEST else qualifier)
            await self._run(visit, reference, url, self._event(visit, request, url, caller))
        except MissingAuthenticationToken:
            await visit.refuse(FORBIDDEN)
        except UnusableResultError:
            await visit.fail()
        except ServiceError as error:
            await send_reply(send, self._wire.error(error, visit.request_id))
        except Exception as error:
            await send_reply(send, self._wire.error(fault(error), visit.request_id))

    def _admitted(
        self, scope: Scope, request: HttpRequest, function: Function, qualifier: str, url: FunctionUrl
    ) -> Caller | None:
        """Who signed the request, where it must be signed. The account's own credentials may call what it owns."""
        if url.auth_type == "NONE":
            return None
        if self._verifier is None:
            raise MissingAuthenticationToken
        query: bytes = scope["query_string"]
        self._verifier.check(scope["method"], scope["raw_path"], query, scope["headers"], request.body, time.time())
        credential = CREDENTIAL.search(request.header("authorization"))
        presigned = dict(parse_qsl(request.query)).get("X-Amz-Credential", "").partition("/")[0]
        account = self._registry.account_id
        return Caller(account, credential[1] if credential else presigned, f"arn:aws:iam::{account}:root")

    def _event(self, visit: Visit, request: HttpRequest, url: FunctionUrl, caller: Caller | None) -> bytes:
        event = gateway.event_of(
            request,
            url_id=url.url_id,
            request_id=visit.request_id,
            trace_id=visit.trace_id,
            now=time.time(),
            caller=caller,
        )
        return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")

    async def _run(self, visit: Visit, reference: Reference, url: FunctionUrl, event: bytes) -> None:
        def invoke(stream: ResponseStream | None) -> Awaitable[Answer]:
            return self._invoker.invoke(
                reference, event, trace_id=visit.trace_id, request_id=visit.request_id, stream=stream
            )

        if url.invoke_mode == "RESPONSE_STREAM":
            async with running(invoke) as (stream, answering):
                await _stream(visit, stream, answering)
            return
        result = (await invoke(None)).result
        assert result is not None
        if result.failed:
            await visit.fail()
        elif split := gateway.split_prelude(result.payload, PRELUDE_END) if PRELUDE_END in result.payload else None:
            await visit.respond(HttpResponse(split[0].status, split[0].headers, split[1]))
        else:
            await visit.respond(gateway.response_of(result.payload))


async def _stream(visit: Visit, stream: ResponseStream, answering: asyncio.Future[Answer]) -> None:
    if not stream.begun:
        result = (await answering).result
        assert result is not None
        if result.failed:
            await visit.fail()
        else:
            await visit.respond(HttpResponse(200, (("content-type", gateway.JSON),), result.payload))
        return
    head, first = await _head(stream)
    await visit.begin(head)
    chunk: bytes | None = first
    while chunk is not None:
        await visit.send_chunk(chunk)
        chunk = await stream.next()
    result = (await answering).result
    if result and not result.failed:
        await visit.end()
    # Otherwise the response stays without its end, and the server hangs up: a client must not take it for whole.


async def _head(stream: ResponseStream) -> tuple[HttpResponse, bytes]:
    """The head of a streamed response, and what of its body came with it. Raises UnusableResultError."""
    if stream.content_type != PRELUDE_TYPE:
        return HttpResponse(200, (("content-type", stream.content_type or "application/octet-stream"),)), b""
    data = b""
    while len(data) <= PRELUDE_BYTES and (chunk := await stream.next()) is not None:
        data += chunk
        if split := gateway.split_prelude(data, PRELUDE_END):
            return split
    raise UnusableResultError("the head of the stream does not end")


class Visit:
    """One request to a function URL, and the way back."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.request_id = request_id
        self.trace_id = ""
        self._send = send
        self._url: FunctionUrl | None = None
        self._origin = ""

    def use(self, request: HttpRequest, url: FunctionUrl, trace_id: str) -> None:
        self._url, self._origin, self.trace_id = url, request.header("origin"), trace_id

    async def respond(self, response: HttpResponse) -> None:
        response = self._finished(response)
        await respond(self._send, response.status, _encoded(response), response.body)

    async def fail(self) -> None:
        """What a caller sees of a function's error, whatever it was."""
        await self.respond(HttpResponse(502, (("content-type", gateway.JSON),), b"Internal Server Error"))

    async def refuse(self, message: str | None) -> None:
        fields = (("content-type", gateway.JSON), ("x-amzn-errortype", "AccessDeniedException"))
        body = json.dumps({"Message": message}, separators=(",", ":"))
        await self.respond(HttpResponse(403, fields, body.encode()))

    async def begin(self, head: HttpResponse) -> None:
        head = self._finished(head)
        await self._send({"type": "http.response.start", "status": head.status, "headers": _encoded(head)})

    async def send_chunk(self, chunk: bytes) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    def _finished(self, response: HttpResponse) -> HttpResponse:
        """With what the platform adds to every response."""
        response = gateway.with_cors(response, self._url.cors if self._url else None, self._origin)
        own = [("x-amzn-requestid", self.request_id)]
        if self.trace_id:
            own.append(("x-amzn-trace-id", self.trace_id))
        return HttpResponse(response.status, (*response.headers, *own), response.body)


def request_of(scope: Scope, address: Address, body: bytes) -> HttpRequest:
    client = scope.get("client")
    return HttpRequest(
        method=scope["method"],
        path=address.path,
        query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        body=body,
        source_ip=client[0] if client else "127.0.0.1",
        protocol=f"HTTP/{scope.get('http_version', '1.1')}",
    )


def trace_of(request: HttpRequest) -> str:
    """The X-Ray header that came with a request, or a new one."""
    return request.header("x-amzn-trace-id") or f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"


def _encoded(response: HttpResponse) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]

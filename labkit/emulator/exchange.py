"""One request on a connection and its answer: as an invocation, on the shortest path there is, or by an application.

An invocation's body is collected and its answer written in one piece by whoever has it: no task, no await. All other
requests are given to an application with ASGI's `receive` and `send`, the body piece by piece as it comes, so that what
reads slowly holds up the sender, and a slow client the application (https://asgi.readthedocs.io, HTTP version 2.4).
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

Fields = Iterable[tuple[bytes, bytes]]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

WAITING_BYTES = 64 * 1024  # of a body that the application has not asked for yet
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FAILED = b'{"message":"An internal error of labkit; the emulator\'s log has the traceback."}'
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
BODILESS = frozenset({204, 304})


class Request(NamedTuple):
    """A request's head. Names of headers are in lower case; `path` and `query` are the bytes that were sent, `fields`
    the headers by name, and `names` the names as they were: API Gateway hands them on so.
    """

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    fields: Mapping[bytes, bytes]
    version: str
    keep_alive: bool
    names: Sequence[bytes] = ()


class Line(Protocol):
    """The connection, as an exchange sees it."""

    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...
    def answered(self, exchange: Exchange) -> None: ...
    def hold(self) -> None: ...
    def release(self) -> None: ...
    async def drained(self) -> None: ...


class Exchange:
    """What both kinds have: a body that comes, and an answer that is begun and ends."""

    def __init__(self, line: Line, request: Request) -> None:
        self.request = request
        self.keep_alive = request.keep_alive
        self.whole = False  # the request is
        self.begun = False  # the answer is
        self.over = False
        self._line = line

    def start(self) -> None:
        """Its turn has come: what came before is answered."""

    def feed(self, body: bytes) -> None:
        """A piece of the body."""

    def end(self) -> None:
        """The request is whole."""
        self.whole = True

    def disconnect(self) -> None:
        """The client is gone, or refused."""
        self.over = True

    def abort(self) -> None:
        """The emulator ends, and waits no longer."""

    def _done(self) -> None:
        self.over = True
        if not self.keep_alive:
            self._line.close()
        self._line.answered(self)


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    fields: Sequence[tuple[bytes, bytes]]
    body: bytes


class Answering(Protocol):
    """Where an answer goes: at once, or said first, and settled when all that belongs to it is done."""

    begun: bool

    def answer(self, answer: Answer) -> None: ...
    def say(self, answer: Answer) -> None: ...
    def settle(self) -> None: ...


class Invocations(Protocol):
    """Who answers invocations: `early` with an answer before the body is read, or None; `invoke` when it is whole."""

    def early(self, request: Request) -> Answer | None: ...
    def invoke(self, request: Request, body: bytes, reply: Answering) -> None: ...


class Invocation(Exchange):
    """See the module's docstring. Of a body no more than `most_bytes` is kept: it is refused for its size."""

    def __init__(self, line: Line, request: Request, front: Invocations, most_bytes: int) -> None:
        super().__init__(line, request)
        self._front = front
        self._most_bytes = most_bytes
        self._chunks: list[bytes] = []
        self._size = 0
        self._started = False

    def start(self) -> None:
        self._started = True
        refusal = self._front.early(self.request)
        if refusal is not None:
            self.answer(refusal)
        elif self.whole:
            self._invoke()
        elif self.request.fields.get(b"expect", b"").lower() == b"100-continue":
            self._line.write(CONTINUE)

    def feed(self, body: bytes) -> None:
        if self._size <= self._most_bytes and not self.over:
            self._chunks.append(body)
        self._size += len(body)

    def end(self) -> None:
        self.whole = True
        if self._started and not self.over:
            self._invoke()

    def _invoke(self) -> None:
        chunks, self._chunks = self._chunks, []
        self._front.invoke(self.request, chunks[0] if len(chunks) == 1 else b"".join(chunks), self)

    def answer(self, answer: Answer) -> None:
        self.say(answer)
        self.settle()

    def say(self, answer: Answer) -> None:
        """The client has its answer; its next request waits until this one is settled."""
        if not (self.over or self.begun):
            self.begun = True
            self._line.write(encoded(answer, keep_alive=self.keep_alive))

    def settle(self) -> None:
        if not self.over:
            self._done()


class Conversation(Exchange):
    """A request that an application answers."""

    def __init__(self, line: Line, request: Request, app: App, about: dict[str, Any]) -> None:
        super().__init__(line, request)
        self._app = app
        self._about = about
        self._body = bytearray()
        self._wake = asyncio.Event()
        self._held = False
        self._ended = False  # the application has the whole body
        self._pending = b""  # the answer's head, until there is something to send with it
        self._chunked = self._bodiless = False
        self._expects = expects(request)
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._run())

    def feed(self, body: bytes) -> None:
        if self.over:
            return
        self._body += body
        self._wake.set()
        if len(self._body) > WAITING_BYTES and not self._held:
            self._held = True
            self._line.hold()

    def end(self) -> None:
        self.whole = True
        self._wake.set()

    def disconnect(self) -> None:
        self.over = True
        self._body.clear()
        self._wake.set()

    def abort(self) -> None:
        if self.task:
            self.task.cancel()

    # --- ASGI

    async def _run(self) -> None:
        request = self.request
        scope = {
            **self._about,
            "type": "http",
            "http_version": request.version,
            "method": request.method,
            "path": unquote(request.path.decode("latin-1")),
            "raw_path": request.path,
            "query_string": request.query,
            "root_path": "",
            "headers": request.headers,
            "state": {},
            "labkit.header_names": request.names,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:
            traceback.print_exception(error, file=sys.stderr)
            if not self.begun and not self.over:
                await self._fail()
        if not self.over:  # an answer without its end must not be taken for whole
            self.keep_alive = False
            self._done()

    async def _fail(self) -> None:
        fields = [(b"content-type", b"application/json"), (b"x-amzn-errortype", b"ServiceException")]
        length = (b"content-length", b"%d" % len(FAILED))
        await self._send({"type": "http.response.start", "status": 500, "headers": [length, *fields]})
        await self._send({"type": "http.response.body", "body": FAILED})

    async def _receive(self) -> Message:
        if self._expects and not self.begun:
            self._expects = False
            self._line.write(CONTINUE)
        while not (self._body or self.whole or self.over):
            self._release()
            self._wake.clear()
            await self._wake.wait()
        if self.over:
            return {"type": "http.disconnect"}
        body = bytes(self._body)
        self._body.clear()
        self._release()
        if self.whole and not body and self._ended:
            await self._gone()
            return {"type": "http.disconnect"}
        self._ended = self.whole
        return {"type": "http.request", "body": body, "more_body": not self.whole}

    async def _gone(self) -> None:
        """Returns when the client has left or the answer is over."""
        while not self.over:
            self._wake.clear()
            await self._wake.wait()

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._line.release()

    async def _send(self, message: Message) -> None:
        if self.over:
            return
        if message["type"] == "http.response.start":
            self._begin(message["status"], message.get("headers", ()))
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        data = self._pending + self._framed(body, more=more)
        self._pending = b""
        if data:
            self._line.write(data)
        if not more:
            self._release()
            self._done()
            self._wake.set()
        else:
            await self._line.drained()

    def _begin(self, status: int, fields: Fields) -> None:
        self.begun = True
        names = set()
        lines = [STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, date_line()]
        for name, value in fields:
            names.add(name.lower())
            if name.lower() == b"connection":
                self.keep_alive = self.keep_alive and value.lower() != b"close"
            else:
                lines.append(b"%b: %b\r\n" % (name, value))
        self._bodiless = self.request.method == "HEAD" or status in BODILESS
        if b"content-length" not in names and not self._bodiless:
            self._chunked = self.request.version == "1.1"
            self.keep_alive = self.keep_alive and self._chunked
            if self._chunked:
                lines.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        self._pending = b"".join([*lines, b"\r\n"])

    def _framed(self, body: bytes, *, more: bool) -> bytes:
        if self._bodiless:
            return b""
        if not self._chunked:
            return body
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return chunk if more else chunk + b"0\r\n\r\n"


def expects(request: Request) -> bool:
    """Whether the client waits for a word before it sends its body (RFC 9110, section 10.1.1)."""
    return request.fields.get(b"expect", b"").lower() == b"100-continue"


def encoded(answer: Answer, *, keep_alive: bool = True) -> bytes:
    """A whole answer in one piece."""
    status, fields, body = answer
    lines = b"".join([b"%b: %b\r\n" % field for field in fields])
    last = b"" if keep_alive else b"connection: close\r\n"
    head = (STATUS_LINES[status], date_line(), lines, last, len(body), body)
    return b"%b%b%b%bcontent-length: %d\r\n\r\n%b" % head


_date = (0, b"")


def date_line() -> bytes:
    """The Date header of this second."""
    global _date
    second = int(time.time())
    if _date[0] != second:
        _date = (second, f"date: {formatdate(second, usegmt=True)}\r\n".encode())
    return _date[1]

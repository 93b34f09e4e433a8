"""One client's connection to the front door: HTTP/1.1 by httptools, requests in their order, and limits.

A head has a size and a time, a body may not fall silent, and what is no HTTP is answered as AWS answers. Requests that
come before the one in front of them is answered wait for their turn. What a request is answered is `exchange`'s.

A connection that sends nothing costs no task and no timer: `look_after` looks at all of them once a second. Between
requests a connection is kept for KEEP_ALIVE_S. While a request waits for its answer, and while the application does not
want more of a body, silence is ours and not the client's.

Names of errors: the Lambda API reference, "Common Errors" (MalformedHttpRequestException, RequestTimeoutException).
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import traceback
from collections import deque
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import cast

import httptools

from labkit.emulator.exchange import Exchange, Request

HEAD_BYTES = 64 * 1024
HEAD_S = 20.0  # from its first byte, or the connection's beginning, to its end
SILENCE_S = 20.0  # in the middle of a body
KEEP_ALIVE_S = 75.0  # between two requests
LINGER_S = 2.0  # for a refused client, who may still be sending, to read why
LOOK_S = 1.0
MOST_CONNECTIONS = 512  # a process may have 1,024 files open by default, and an environment needs a few

FOREIGN = "This lab is another user's. Where it is started, LABKIT_USERS=all lets all users of the machine in."
CODES = {
    HTTPStatus.REQUEST_TIMEOUT: "RequestTimeoutException",
    HTTPStatus.FORBIDDEN: "AccessDeniedException",
}  # fmt: skip

Answering = Callable[["Connection", Request], Exchange]


class MalformedHead(Exception):
    """A head that the parser let pass."""


MALFORMED = (MalformedHead, httptools.HttpParserInvalidURLError, type(None))


class Connection(asyncio.Protocol):
    """See the module's docstring. `answering` makes the exchange of a request; `known` are all connections.

    `foreign`: whether whoever is at the other end has no business here.
    """

    def __init__(
        self,
        answering: Answering,
        known: set[Connection],
        loop: asyncio.AbstractEventLoop,
        foreign: Callable[[asyncio.BaseTransport], bool] = lambda transport: False,
    ) -> None:
        self._answering = answering
        self._foreign = foreign
        self._known = known
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._exchanges: deque[Exchange] = deque()  # the first one has its turn
        self._incoming: Exchange | None = None  # whose body comes
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._names: list[bytes] = []
        self._in_head = True
        self._due = math.inf  # when more must have come
        self._idle_since = math.inf
        self._refused = self._leaving = False
        self._heard = 0.0
        self._aside = True  # whether a segment is nothing but the middle of a head, or of a body's trailers
        self._aside_bytes = 0  # of such segments
        self._holders = 0
        self._queued = self._advancing = False
        self._writable: asyncio.Event | None = None  # while the client reads too slowly

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._known.add(self)
        self._heard = self._loop.time()
        self._due = self._heard + HEAD_S
        if len(self._known) > MOST_CONNECTIONS:
            make_room(self._known)
        if self._foreign(transport):
            self._refuse(HTTPStatus.FORBIDDEN, FOREIGN)

    def connection_lost(self, exc: Exception | None) -> None:
        self._known.discard(self)
        self._leaving = True
        self.resume_writing()
        for exchange in self._exchanges:
            exchange.disconnect()
        self._exchanges.clear()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._heard, self._aside = self._loop.time(), True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # which nobody here offers: answered, and what follows is no HTTP
            self.leave()
        except httptools.HttpParserError as error:
            if not isinstance(error.__context__, MALFORMED):  # ours, not the client's
                traceback.print_exception(error, file=sys.stderr)
            self._refuse(HTTPStatus.BAD_REQUEST, "The request could not be read as HTTP/1.1.")
        self._aside_bytes += len(data) if self._aside else 0
        self._check_progress()

    def _check_progress(self) -> None:
        if self._refused:
            return
        if self._aside_bytes > HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"A head has at most {HEAD_BYTES} bytes.")
        elif not self._in_head and self._due != math.inf:
            self._due = self._heard + SILENCE_S

    # --- the parser's callbacks; what they raise is a malformed request to it

    def on_message_begin(self) -> None:
        self._url, self._headers, self._names = b"", [], []
        self._in_head, self._aside, self._aside_bytes = True, False, 0
        self._due, self._idle_since = self._heard + HEAD_S, math.inf

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # nobody here reads trailers
            self._headers.append((name.lower(), value))
            self._names.append(name)

    def on_headers_complete(self) -> None:
        self._in_head = False
        fields = dict(self._headers)
        if len(fields) != len(self._headers) and sum(name == b"host" for name, _ in self._headers) > 1:
            raise MalformedHead("two Host headers")
        parser = self._parser
        path, query = self._target()
        request = Request(
            parser.get_method().decode("ascii"),
            path,
            query,
            self._headers,
            fields,
            parser.get_http_version(),
            parser.should_keep_alive(),
            self._names,
        )
        exchange = self._incoming = self._answering(self, request)
        self._exchanges.append(exchange)
        if len(self._exchanges) == 1:
            exchange.start()
        elif not self._queued:
            self._queued = True
            self.hold()

    def _target(self) -> tuple[bytes, bytes]:
        """The path and the query, as they were sent; of an absolute address, too."""
        if self._url.startswith(b"/"):
            path, _, query = self._url.partition(b"?")
            return path, query
        parsed = httptools.parse_url(self._url)  # raises for what is none
        return parsed.path or b"/", parsed.query or b""

    def on_body(self, body: bytes) -> None:
        self._aside, self._aside_bytes = False, 0
        if self._incoming:
            self._incoming.feed(body)

    def on_message_complete(self) -> None:
        self._aside, self._due = False, math.inf
        exchange, self._incoming = self._incoming, None
        if exchange:
            exchange.end()
            self._advance()

    # --- an exchange and the connection

    def answered(self, exchange: Exchange) -> None:
        self._advance()

    def _advance(self) -> None:
        """Whoever is answered, and was heard to the end, makes room for the next one, which may be answered at once."""
        if self._advancing:
            return
        self._advancing = True
        while self._exchanges and self._exchanges[0].over and self._exchanges[0].whole:
            self._exchanges.popleft()
            if self._exchanges:
                self._exchanges[0].start()
            elif self._leaving:
                self._transport.close()
            elif self._due == math.inf:
                self._idle_since = self._loop.time()
        self._advancing = False
        if self._queued and len(self._exchanges) < 2:
            self._queued = False
            self.release()

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Nothing more is heard or said."""
        self._leaving = True
        self._transport.close()

    def abort(self) -> None:
        """Ends the connection with all that is under way."""
        for exchange in self._exchanges:
            exchange.abort()
        self._transport.abort()

    def leave(self) -> None:
        """What is under way is answered, and nothing after it."""
        self._leaving = True
        if self._exchanges:
            self._exchanges[-1].keep_alive = False
        else:
            self._transport.close()

    def hold(self) -> None:
        """Nothing more is read until as many have let go as have taken hold."""
        self._holders += 1
        if self._holders == 1 and not self._transport.is_closing():
            self._transport.pause_reading()

    def release(self) -> None:
        self._holders -= 1
        if self._holders == 0 and not self._transport.is_closing():
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        if self._writable:
            self._writable.set()
        self._writable = None

    async def drained(self) -> None:
        """Returns when the client has read enough of what was written to it."""
        if self._writable:
            await self._writable.wait()

    # --- ends

    def eof_received(self) -> bool:
        """A client that has said all may still listen; one that left in the middle of its request is told so."""
        if self._refused:
            return False
        if self._exchanges and self._due == math.inf:
            self._exchanges[-1].keep_alive = False
            return True
        if self._due != math.inf:
            self._refuse(HTTPStatus.BAD_REQUEST, "The request ends too early.")
            self._transport.close()
        return False

    @property
    def busy(self) -> bool:
        """Whether a request is not answered yet."""
        return bool(self._exchanges) and not self._exchanges[0].over

    def look(self, now: float) -> None:
        """Closes the connection of a client that has to send something and does not."""
        if now - self._idle_since > KEEP_ALIVE_S:
            self._transport.close()
        if now <= self._due:
            return
        if self._refused:
            self._transport.close()
        elif not (self._holders or (self._in_head and self.busy)):
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request did not come to its end.")

    @property
    def silent_since(self) -> float:
        """Infinity for one that waits for us."""
        return math.inf if self.busy or self._transport.is_closing() else self._heard

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Says why, unless that would stand in the middle of an answer, and hears no more.

        Closed at once, what the client still sends would reset the connection, and it could not read the answer.
        """
        self._refused = True
        if self._transport.is_closing():
            return
        begun = any(exchange.begun and not exchange.over for exchange in self._exchanges)
        for exchange in self._exchanges:
            exchange.disconnect()
        if begun:
            self._transport.close()
            return
        self._transport.write(_refusal(status, message))
        self._transport.write_eof()
        self._due = self._loop.time() + LINGER_S


def make_room(connections: Collection[Connection]) -> None:
    """Hangs up on the one that has been silent longest, so that many idle ones keep nobody out."""
    silent = min(connections, key=lambda connection: connection.silent_since)
    if silent.silent_since != math.inf:
        silent.close()


def _refusal(status: HTTPStatus, message: str) -> bytes:
    code = CODES.get(status, "MalformedHttpRequestException")
    body = json.dumps({"message": message}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\nx-amzn-errortype: {code}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


async def look_after(connections: Collection[Connection]) -> None:
    """Looks after all of a server's connections, until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(LOOK_S)
        for connection in list(connections):
            connection.look(loop.time())

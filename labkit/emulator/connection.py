"""One client's connection: uvicorn's, with the limits that it lacks. A head has a size and a time, a body may not
fall silent, and what is no HTTP is answered as AWS answers, not in plain text.

A connection that sends nothing costs no task and no timer: `hang_up_on_silent` looks at all of them once a second.
Between requests uvicorn's own keep-alive timeout holds. While a request waits for its answer, and while the application
does not want more of a body, silence is ours and not the client's.

Names of errors: the Lambda API reference, "Common Errors" (MalformedHttpRequestException, RequestTimeoutException).
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
HEAD_S = 20.0  # from its first byte, or the connection's beginning, to its end
SILENCE_S = 20.0  # in the middle of a body
LINGER_S = 2.0  # for a refused client, who may still be sending, to read why
LOOK_S = 1.0
MOST_CONNECTIONS = 512  # a process may have 1,024 files open by default, and an environment needs a few


class MalformedHead(Exception):
    """A head that the parser let pass."""


class Connection(HttpToolsProtocol):
    """See the module's docstring."""

    _due = math.inf  # when more must have come
    _in_head = True
    _refused = False
    _heard = 0.0
    _aside = True  # whether a segment is nothing but the middle of a head, or of a body's trailers
    _aside_bytes = 0  # of such segments
    _names: list[bytes]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._due = self._heard = self.loop.time()
        self._due += HEAD_S
        if len(self.connections) > MOST_CONNECTIONS:
            make_room(self.connections)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            self._heard, self._aside = self.loop.time(), True
            super().data_received(data)
            self._aside_bytes += len(data) if self._aside else 0
            self._check_progress()

    def _check_progress(self) -> None:
        if self._refused:
            return
        if self._aside_bytes > HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"A head has at most {HEAD_BYTES} bytes.")
        elif not self._in_head and self._due != math.inf:
            self._due = self.loop.time() + SILENCE_S

    # --- the parser's callbacks; what they raise is a malformed request to it

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._aside, self._aside_bytes = True, False, 0
        self._names = self.scope["labkit.header_names"] = []  # type: ignore[typeddict-unknown-key]
        self._due = self.loop.time() + HEAD_S

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # nobody here reads trailers
            self._names.append(name)  # as they were sent: API Gateway hands them on so
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._aside, self._aside_bytes = False, 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if sum(name == b"host" for name, _ in self.headers) > 1:
            raise MalformedHead("two Host headers")
        super().on_headers_complete()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """A client that has said all may still listen; one that left in the middle of its request is told so."""
        if self._refused:
            return None
        if self._answering and self._due == math.inf:
            self.cycle.keep_alive = False
            return True
        if self._due != math.inf:
            self._refuse(HTTPStatus.BAD_REQUEST, "The request ends too early.")
            self.transport.close()
        return None

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._aside, self._due = False, math.inf

    # --- refusals

    def send_400_response(self, msg: str) -> None:
        """What the parser could not read."""
        self._refuse(HTTPStatus.BAD_REQUEST, "The request could not be read as HTTP/1.1.")

    def hang_up_when_silent(self, now: float) -> None:
        """Closes the connection of a client that has to send something and does not."""
        if now <= self._due:
            return
        if self._refused:
            self.transport.close()
        elif not (self.flow.read_paused or (self._in_head and self._answering)):
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request did not come to its end.")

    @property
    def silent_since(self) -> float:
        """Infinity for one that waits for us."""
        return math.inf if self._answering or self.transport.is_closing() else self._heard

    def hang_up(self) -> None:
        self.transport.close()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Says why, unless that would stand in the middle of an answer, and hears no more.

        Closed at once, what the client still sends would reset the connection, and it could not read the answer.
        """
        self._refused = True
        if self.transport.is_closing():
            return
        if self._answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self._answering and self.cycle.response_started:
            self.transport.close()
            return
        self.transport.write(_refusal(status, message))
        self.transport.write_eof()
        self._due = self.loop.time() + LINGER_S


def make_room(connections: Collection[Any]) -> None:
    """Hangs up on the one that has been silent longest, so that many idle ones keep nobody out."""
    silent = min(connections, key=lambda connection: connection.silent_since)
    if silent.silent_since != math.inf:
        silent.hang_up()


def _refusal(status: HTTPStatus, message: str) -> bytes:
    timeout = status is HTTPStatus.REQUEST_TIMEOUT
    code = "RequestTimeoutException" if timeout else "MalformedHttpRequestException"
    body = json.dumps({"message": message}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\nx-amzn-errortype: {code}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


async def hang_up_on_silent(connections: Collection[Any]) -> None:
    """Looks after all of a server's connections, until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(LOOK_S)
        for connection in list(connections):
            connection.hang_up_when_silent(loop.time())

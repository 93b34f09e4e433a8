"""A response on its way in pieces: from the runtime's connection to whoever reads it.

A `Reception` is the runtime's side, one per streamed response; a `ResponseStream` the reader's, for a caller that wants
the pieces as they come. Between them at most WINDOW_BYTES wait: beyond, the runtime's connection is not read, and the
handler waits in its own `yield` (its timeout runs on). A caller without a ResponseStream gets the whole at the end.
Knows neither HTTP nor environments.

The response is over when the runtime's client says so after its stream's end (see Environment): whatever ends the
invocation ends the reader's stream, a timeout or a crash too.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable

from labkit.model import RESPONSE_PAYLOAD_BYTES

WINDOW_BYTES = 1024 * 1024
STREAMED_BYTES = 200 * 1024 * 1024  # developer guide, "Lambda quotas"
PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response"
PRELUDE_END = bytes(8)

Failure = tuple[str, bytes]
"""An error type, and the JSON that says more."""


class ResponseStream:
    """What a reader holds. `begun`: the handler streams; a handler that does not leaves this empty."""

    def __init__(self) -> None:
        self.request_id = ""
        self.executed_version = ""
        self.begun = False
        self.content_type = ""
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._abandoned = False
        self._changed = asyncio.Event()
        self._pause: Callable[[], None] = _nothing
        self._resume: Callable[[], None] = _nothing
        self._paused = False

    # --- the runtime's side

    def begin(self, content_type: str) -> None:
        self.begun, self.content_type = True, content_type
        self._changed.set()

    def throttle(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """What holds up the source, and lets it go on."""
        self._pause, self._resume = pause, resume

    def feed(self, chunk: bytes) -> None:
        if self._abandoned:
            return
        self._chunks.append(chunk)
        self._size += len(chunk)
        self._changed.set()
        if self._size > WINDOW_BYTES and not self._paused:
            self._paused = True
            self._pause()

    def end(self) -> None:
        """Nothing more will come; what is here can still be read. Any number of times."""
        self._ended = True
        self._changed.set()

    # --- the reader's

    async def wait_begun(self) -> bool:
        """Whether the handler streams: known with its first piece, or when the invocation ends without one."""
        while not (self.begun or self._ended):
            await self._wait()
        return self.begun

    async def next(self) -> bytes | None:
        """The next piece, None at the end."""
        while not self._chunks:
            if self._ended:
                return None
            await self._wait()
        chunk = self._chunks.popleft()
        self._size -= len(chunk)
        if self._paused and self._size <= WINDOW_BYTES // 2:
            self._paused = False
            self._resume()
        return chunk

    def abandon(self) -> None:
        """Nobody reads any more: the handler goes on, and what it still sends is dropped."""
        self._abandoned = True
        self._chunks.clear()
        if self._paused:
            self._paused = False
            self._resume()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def _nothing() -> None:
    pass


class Reception:
    """What one invocation's runtime has streamed so far."""

    def __init__(self, reader: ResponseStream | None, content_type: str) -> None:
        self._reader = reader
        self._kept: list[bytes] = []
        self._size = 0
        self._most = STREAMED_BYTES if reader else RESPONSE_PAYLOAD_BYTES
        self._failure: Failure | None = _failure("Runtime.TruncatedResponse", "The response stream was not ended.")
        self._too_large = False
        if reader:
            reader.begin(content_type)

    def throttle(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        if self._reader:
            self._reader.throttle(pause, resume)

    def feed(self, chunk: bytes) -> None:
        """What goes beyond the limit is dropped, and the response a failure."""
        self._size += len(chunk)
        self._too_large = self._size > self._most
        if self._too_large:
            return
        if self._reader:
            self._reader.feed(chunk)
        else:
            self._kept.append(chunk)

    def end(self, failure: Failure | None = None) -> None:
        """The runtime's stream is complete, or says that the handler failed."""
        self._failure = failure

    @property
    def body(self) -> bytes:
        """All of it; nothing if somebody has read it already."""
        return b"".join(self._kept)

    @property
    def failure(self) -> Failure | None:
        if self._too_large:
            limit = f"Response payload size exceeded maximum allowed payload size ({self._most} bytes)."
            return _failure("Function.ResponseSizeTooLarge", limit)
        return self._failure


def _failure(error_type: str, message: str) -> Failure:
    return error_type, json.dumps({"errorType": error_type, "errorMessage": message}).encode()

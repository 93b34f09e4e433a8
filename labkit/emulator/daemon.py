"""The X-Ray daemon: takes the segments that X-Ray's libraries in handlers send by UDP, and keeps them until asked.

A datagram is the line `{"format": "json", "version": 1}` and a document (developer guide of X-Ray, "Sending segment
documents to the X-Ray daemon"); anything else is dropped, as the daemon does. The socket is opened when the first
environment needs its address. What is kept is bounded; the oldest documents go first.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from contextlib import suppress

KEPT_BYTES = 8 * 1024 * 1024
DATAGRAM_BYTES = 65_536
AT_ONCE = 64  # datagrams before others have their turn


class Daemon:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.lost = 0
        self._socket: socket.socket | None = None
        self._documents: deque[str] = deque()
        self._size = 0

    def address(self) -> tuple[str, int]:
        """Host and port. Raises OSError if the machine has no socket for it."""
        if self._socket is None:
            opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            opened.bind(("127.0.0.1", 0))
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KEPT_BYTES)  # or what the kernel allows
            asyncio.get_running_loop().add_reader(opened, self._read)
            self._socket = opened
        host, port = self._socket.getsockname()
        return host, port

    def _read(self, at_most: int = AT_ONCE) -> None:
        assert self._socket is not None
        with suppress(BlockingIOError):
            for _ in range(at_most):
                self.receive(self._socket.recv(DATAGRAM_BYTES))

    def receive(self, datagram: bytes) -> None:
        if (document := document_of(datagram)) is None:
            return
        self._documents.append(document)
        self._size += len(document)
        while self._size > KEPT_BYTES:
            self._size -= len(self._documents.popleft())
            self.lost += 1

    def take(self) -> list[str]:
        """All that came since the last time."""
        if self._socket:
            self._read(100 * AT_ONCE)  # what a handler sent before its answer is there when it is asked for
        taken = list(self._documents)
        self._documents.clear()
        self._size = 0
        return taken

    def stop(self) -> None:
        if self._socket:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None


def document_of(datagram: bytes) -> str | None:
    """A segment, or a subsegment on its own; None if it is not what a library sends."""
    head, _, body = datagram.partition(b"\n")
    try:
        text = body.decode()
        known, document = json.loads(head), json.loads(text)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(document, dict) and {"id", "name", "trace_id", "start_time"} <= document.keys()
    return text if isinstance(known, dict) and known.get("format") == "json" and whole else None

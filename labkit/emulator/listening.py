"""The sockets of the front door and the connections that came in by them: from the first one to the last answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol

from labkit.emulator.connection import Connection, look_after
from labkit.emulator.exchange import Exchange, Line, Request
from labkit.neighbours import is_foreign

BACKLOG = 1024
GRACE_S = 1.0  # for what is under way when the emulator ends


class Door(Protocol):
    """Who answers requests."""

    def answering(self, line: Line, request: Request, about: dict[str, Any]) -> Exchange: ...


class Listening:
    """An asynchronous context: inside it the front door answers; at its end no connection is left.

    `users`: whose processes may come in, as in the settings.
    """

    def __init__(
        self, door: Door, listeners: Sequence[socket.socket], *, grace_s: float = GRACE_S, users: str = "mine"
    ) -> None:
        self._door = door
        self._listeners = listeners
        self._grace_s = grace_s
        self._admits_all = users == "all"
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []

    async def __aenter__(self) -> Listening:
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            listen = loop.create_unix_server if listener.family == socket.AF_UNIX else loop.create_server
            self._servers.append(await listen(self._maker(listener), sock=listener, backlog=BACKLOG))
        self._looking = asyncio.create_task(look_after(self._connections))
        return self

    def _maker(self, listener: socket.socket) -> Callable[[], Connection]:
        loop, name = asyncio.get_running_loop(), listener.getsockname()
        local = isinstance(name, str)  # a UNIX socket's path
        about: dict[str, Any] = {
            "server": (name, None) if local else name[:2],
            "client": None if local else ("127.0.0.1", 0),
            "scheme": "http",
        }

        def answering(connection: Connection, request: Request) -> Exchange:
            return self._door.answering(connection, request, about)

        def foreign(transport: asyncio.BaseTransport) -> bool:
            return is_foreign(transport.get_extra_info("peername"), transport.get_extra_info("sockname"))

        admits_all = self._admits_all or local
        return lambda: Connection(answering, self._connections, loop, *(() if admits_all else (foreign,)))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._looking.cancel()
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s):
                while self._connections:
                    await asyncio.sleep(0.01)
        for connection in list(self._connections):
            connection.abort()

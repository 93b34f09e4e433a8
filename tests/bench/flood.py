"""A closed loop over many keep-alive connections: each sends the same request again as soon as its answer is there.

    python flood.py PORT CONNECTIONS SECONDS < request

Prints how many answers came, and how many of them were not 200. A process of its own, on uvloop: what it costs must
not be taken from whom it measures any more than a client's must.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import cast

import httptools
import uvloop


class Connection(asyncio.Protocol):
    """One of the connections; what it saw is counted by status."""

    def __init__(self, request: bytes, seen: Counter[int]) -> None:
        self._request, self._seen = request, seen
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._seen[self._parser.get_status_code()] += 1
        self._transport.write(self._request)


async def flood(port: int, connections: int, seconds: float, request: bytes) -> Counter[int]:
    loop, seen = asyncio.get_running_loop(), Counter[int]()
    opened = [
        await loop.create_connection(lambda: Connection(request, seen), "127.0.0.1", port) for _ in range(connections)
    ]
    seen.clear()
    await asyncio.sleep(seconds)
    found = seen.copy()
    for transport, _ in opened:
        transport.abort()
    return found


def main() -> None:
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(flood(port, connections, seconds, sys.stdin.buffer.read()))
    print(seen.total(), seen.total() - seen[200])


if __name__ == "__main__":
    main()

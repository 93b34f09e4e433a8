"""A closed loop over many keep-alive connections: each sends the same request again as soon as its answer is there.

    python flood.py PORT CONNECTIONS --seconds S < request
    python flood.py PORT CONNECTIONS --count N < request

Prints how many answers came, and how many of them were not 200. A process of its own, on uvloop: what it costs must
not be taken from whom it measures any more than a client's must.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from contextlib import suppress
from typing import cast

import httptools
import uvloop

NEVER = float("inf")
LONGEST_S = 600.0


class Connection(asyncio.Protocol):
    """One of the connections; what it saw is counted by status, and told when the count is complete."""

    def __init__(self, request: bytes, seen: Counter[int], enough: Enough) -> None:
        self._request, self._seen, self._enough = request, seen, enough
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._seen[self._parser.get_status_code()] += 1
        self._enough.one_more()
        self._transport.write(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        self._enough.lost()


class Enough:
    """Set when so many answers are there, or when a connection is lost: then there will be no more of them."""

    def __init__(self, count: float) -> None:
        self._left, self.event, self.broken = count, asyncio.Event(), False

    def one_more(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.event.set()

    def lost(self) -> None:
        self.broken = True
        self.event.set()


async def flood(port: int, connections: int, request: bytes, *, seconds: float, count: float) -> Counter[int]:
    """Until the time is over or so many answers are there. Raises ConnectionError if a connection is lost."""
    loop, seen, enough = asyncio.get_running_loop(), Counter[int](), Enough(count)
    opened = [
        await loop.create_connection(lambda: Connection(request, seen, enough), "127.0.0.1", port)
        for _ in range(connections)
    ]
    if count == NEVER:
        seen.clear()
    with suppress(TimeoutError):
        await asyncio.wait_for(enough.event.wait(), seconds)
    found, broken = seen.copy(), enough.broken
    for transport, _ in opened:
        transport.abort()
    if broken:
        raise ConnectionError(f"a connection was lost after {found.total()} answers")
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("connections", type=int)
    parser.add_argument("--seconds", type=float, default=LONGEST_S)
    parser.add_argument("--count", type=float, default=NEVER)
    options = parser.parse_args()
    request = sys.stdin.buffer.read()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(
            flood(options.port, options.connections, request, seconds=options.seconds, count=options.count)
        )
    print(seen.total(), seen.total() - seen[200])


if __name__ == "__main__":
    main()

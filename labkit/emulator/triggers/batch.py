"""What a poller and a source tell each other: a batch of records for one invocation, and how the invocation went."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from labkit.emulator.destinations import Call
from labkit.emulator.registry import EventSourceMapping
from labkit.model import SYNC_PAYLOAD_BYTES

ENVELOPE_BYTES = len(b'{"Records":[]}')


@dataclass(frozen=True, slots=True)
class Item:
    """One record as the handler gets it, and the id by which a handler says that it failed."""

    item_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one invocation. Sources make it more than this."""

    items: tuple[Item, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(item.item_id for item in self.items)

    @property
    def trace_id(self) -> str:
        """The X-Ray header that the records came with, by which a loop is known; none, if they carry none."""
        return ""

    @property
    def payload(self) -> bytes:
        return b'{"Records":[' + b",".join(item.body for item in self.items) + b"]}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an invocation with a batch went. `refused`: the function did not run, by a throttle or a fault."""

    failed: frozenset[str] = frozenset()
    refused: bool = False
    error: bool = False  # the function failed; else single records, or none
    status: int = 200
    request_id: str = ""
    version: str = ""


class Source(Protocol):
    """One event source mapping's queue or stream. Its methods are called by one poller, `settle` also meanwhile."""

    async def open(self, mapping: EventSourceMapping) -> None:
        """Finds the queue or stream. Raises CallFailed."""

    async def read(self, mapping: EventSourceMapping) -> Batch | None:
        """The next batch that is ready; None if there is none now. Raises CallFailed."""

    async def settle(self, mapping: EventSourceMapping, batch: Batch, delivery: Delivery) -> None:
        """Takes away what is done, and sees to it that the rest comes again. Raises CallFailed."""

    def room(self, mapping: EventSourceMapping, in_flight: int, now: float) -> bool:
        """Whether another batch may be on its way."""

    async def close(self) -> None:
        """Gives back what was read and is in no batch. Raises CallFailed."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a source works with."""

    call: Call
    now: Callable[[], float]
    later: Callable[[float, Callable[[], Awaitable[None]]], None]
    """At this time of the clock: does the work, and has the source read."""
    deliver: Callable[[str, bytes], Awaitable[object]]
    """Brings a record to a destination."""
    ahead_s: Callable[[], float]
    """By how much the clock was advanced; the services' own clocks were not."""
    mapping: Callable[[], EventSourceMapping]
    """The mapping as it is now, or was when it was deleted."""
    role: Callable[[], str]
    """The role of the mapping's function."""


def encoded(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def fitting(items: Sequence[Item], most: int) -> int:
    """How many of the first items are one batch: no more than `most`, nor than a payload holds; at least one."""
    size = ENVELOPE_BYTES
    for count, item in enumerate(items[:most]):
        size += len(item.body) + 1
        if size > SYNC_PAYLOAD_BYTES and count:
            return count
    return min(len(items), most)


def in_tens(items: Iterable[Any]) -> list[list[Any]]:
    """As SQS takes them."""
    every = list(items)
    return [every[at : at + 10] for at in range(0, len(every), 10)]

"""What streams of Kinesis and of tables have in common: shards that are read in order, and lanes that keep it.

A shard's records go into as many lanes as ParallelizationFactor says, by their key; each lane has one batch on its
way at a time, and what failed stands before what came later. A shard whose parents are not done yet waits for them. A
position starts where the mapping says, for the shards that the first look finds, and at the beginning for all that
come later by resharding, or in a stream that was made again under the same name.

What was read and not yet processed stays here while a mapping is disabled; like the stream, it ends with the emulator.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
import uuid
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from labkit.emulator.clients import CallFailed
from labkit.emulator.destinations import undelivered
from labkit.emulator.registry import EventSourceMapping, StreamSettings
from labkit.emulator.triggers.batch import Batch, Delivery, Means, fitting
from labkit.emulator.triggers.retrying import GivenUp, StreamItem, Work, after, record, with_payload, without_old

SHARDS_FRESH_S = 2.0
GONE = frozenset({"ResourceNotFoundException"})


@dataclass(frozen=True, slots=True)
class Shard:
    shard_id: str
    parents: tuple[str, ...] = ()
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """A position: a type of shard iterator, and what it needs."""

    kind: str
    sequence_number: str = ""
    at: float = 0.0


BEGINNING = Start("TRIM_HORIZON")


class Stream(Protocol):
    """One service's way of reading. Its methods raise CallFailed."""

    info: str
    """The name of what a destination record says of the batch."""

    async def shards(self) -> list[Shard]: ...
    async def iterator(self, shard_id: str, start: Start) -> str: ...
    async def read(self, shard_id: str, iterator: str, most: int) -> tuple[list[tuple[StreamItem, bool]], str]:
        """Records, each with whether the filters let it through, and the next iterator."""
        ...


@dataclass(slots=True)
class _Lane:
    """`work` goes before what is `open`: it was read earlier."""

    number: int
    work: deque[Work] = field(default_factory=deque)
    open: list[StreamItem] = field(default_factory=list)
    window_ends: float | None = None
    busy: bool = False

    @property
    def idle(self) -> bool:
        return not (self.busy or self.work or self.open)


@dataclass(slots=True)
class _Reading:
    """How far a shard has been read."""

    shard: Shard
    start: Start
    lanes: list[_Lane]
    iterator: str = ""
    drained: bool = False  # closed, and read to its end

    @property
    def done(self) -> bool:
        return self.drained and all(lane.idle for lane in self.lanes)


class StreamSource:
    """See the module's docstring."""

    def __init__(self, means: Means, stream: Stream) -> None:
        self._means = means
        self._stream = stream
        self._readings: dict[str, _Reading] = {}
        self._known = False  # the stream has been seen before
        self._looked_at = float("-inf")

    def room(self, mapping: EventSourceMapping, in_flight: int, now: float) -> bool:
        return True

    async def open(self, mapping: EventSourceMapping) -> None:
        await self._look_for_shards(mapping)

    async def close(self) -> None:
        return None

    async def read(self, mapping: EventSourceMapping) -> Batch | None:
        ready = await self._ready(mapping)
        if ready is None and await self._fetched(mapping):
            ready = await self._ready(mapping)
        return ready

    # --- shards

    async def _look_for_shards(self, mapping: EventSourceMapping) -> None:
        try:
            shards = await self._stream.shards()
        except CallFailed as error:
            if error.code in GONE:
                self._readings.clear()
            raise
        self._looked_at = time.monotonic()
        for shard in shards:
            if shard.shard_id in self._readings:
                self._readings[shard.shard_id].shard = shard
            else:
                await self._start(mapping, shard)
        self._known = True

    async def _start(self, mapping: EventSourceMapping, shard: Shard) -> None:
        start = BEGINNING if self._known else first_position(_settings(mapping))
        reading = _Reading(shard, start, _lanes(mapping))
        reading.iterator = await self._stream.iterator(shard.shard_id, start)
        self._readings[shard.shard_id] = reading

    def _parents_done(self, reading: _Reading) -> bool:
        parents = (self._readings.get(parent) for parent in reading.shard.parents)
        return all(parent is None or parent.done for parent in parents)

    # --- records

    async def _fetched(self, mapping: EventSourceMapping) -> bool:
        """Reads on in all shards. Whether there was anything."""
        if time.monotonic() - self._looked_at > SHARDS_FRESH_S:
            await self._look_for_shards(mapping)
        readings = [r for r in self._readings.values() if not r.drained and self._parents_done(r)]
        return any(await asyncio.gather(*(self._fetch(mapping, reading) for reading in readings)))

    async def _fetch(self, mapping: EventSourceMapping, reading: _Reading) -> bool:
        factor = _settings(mapping).parallelization_factor
        if len(reading.lanes) != factor and all(lane.idle for lane in reading.lanes):
            reading.lanes = _lanes(mapping)
        most = mapping.batch_size * len(reading.lanes)
        if sum(len(lane.open) for lane in reading.lanes) >= most:
            return False
        closed, found = reading.shard.closed, await self._read(reading, most)
        if closed and not found:
            reading.drained = True
        for item, passes in found:
            if passes:
                self._add(mapping, reading.lanes[zlib.crc32(item.lane_key.encode()) % len(reading.lanes)], item)
        return bool(found) or reading.drained

    async def _read(self, reading: _Reading, most: int) -> list[tuple[StreamItem, bool]]:
        """An iterator that has expired is made anew, behind the last record that was read."""
        shard_id = reading.shard.shard_id
        try:
            found, reading.iterator = await self._stream.read(shard_id, reading.iterator, most)
        except CallFailed as error:
            if error.code in GONE:  # another of its name would have the same shards, and not the same records
                self._readings.clear()
                self._looked_at = float("-inf")
                raise
            reading.iterator = await self._stream.iterator(shard_id, reading.start)
            found, reading.iterator = await self._stream.read(shard_id, reading.iterator, most)
        if found:
            reading.start = Start("AFTER_SEQUENCE_NUMBER", found[-1][0].item_id)
        return found

    def _add(self, mapping: EventSourceMapping, lane: _Lane, item: StreamItem) -> None:
        lane.open.append(item)
        if lane.window_ends is None:
            lane.window_ends = self._means.now() + mapping.batching_window_s
            if mapping.batching_window_s:
                self._means.later(lane.window_ends, _nothing)

    # --- batches

    async def _ready(self, mapping: EventSourceMapping) -> Work | None:
        for reading in list(self._readings.values()):
            for lane in reading.lanes:
                work = None if lane.busy else await self._next(mapping, reading, lane)
                if work:
                    lane.busy = True
                    return work
        return None

    async def _next(self, mapping: EventSourceMapping, reading: _Reading, lane: _Lane) -> Work | None:
        for work in self._in_turn(mapping, reading, lane):
            young, given_up = without_old(work, _settings(mapping), now=self._means.now())
            if given_up:
                await self._give_up(mapping, given_up)
            if young:
                return young
        return None

    def _in_turn(self, mapping: EventSourceMapping, reading: _Reading, lane: _Lane) -> Iterator[Work]:
        """What is due in a lane, taken out of it."""
        while lane.work and lane.work[0].due_at <= self._means.now():
            yield lane.work.popleft()
        while not lane.work and (count := self._complete(mapping, lane)):
            work = Work(tuple(lane.open[:count]), reading.shard.shard_id, lane.number)
            del lane.open[:count]
            lane.window_ends = self._means.now() if lane.open else None
            yield work

    def _complete(self, mapping: EventSourceMapping, lane: _Lane) -> int:
        """How many records are a batch by now."""
        count = fitting(lane.open, mapping.batch_size)
        full = count == mapping.batch_size or count < len(lane.open)
        ended = lane.window_ends is not None and self._means.now() >= lane.window_ends
        return count if full or ended else 0

    async def settle(self, mapping: EventSourceMapping, batch: Batch, delivery: Delivery) -> None:
        assert isinstance(batch, Work)
        again, given_up = after(batch, delivery, _settings(mapping), now=self._means.now())
        if given_up:
            await self._give_up(mapping, given_up)
        self._put_back(batch, again)

    def _put_back(self, batch: Work, again: list[Work]) -> None:
        reading = self._readings.get(batch.shard_id)
        if reading is None:  # the stream is gone
            return
        lane = reading.lanes[batch.lane]
        lane.busy = False
        lane.work.extendleft(reversed(again))
        if again:
            self._means.later(again[0].due_at, _nothing)

    async def _give_up(self, mapping: EventSourceMapping, given_up: GivenUp) -> None:
        """To the on-failure destination, or a line that says what is lost."""
        work, destination = given_up.work, _settings(mapping).on_failure
        now = self._means.now()
        document = record(
            given_up, info=self._stream.info, stream_arn=mapping.source_arn, function_arn=mapping.function_arn, at=now
        )
        if not destination:
            where = f"{work.shard_id}, {work.items[0].item_id} to {work.items[-1].item_id}"
            what = f"{len(work.items)} records given up ({given_up.why}): {where}"
            print(f"labkit: event source {mapping.source_arn}: {what}", file=sys.stderr, flush=True)  # noqa: T201
        elif destination.startswith("arn:aws:s3:::"):
            key, bucket = bucket_key(mapping.mapping_id, work.shard_id, now), destination.rpartition(":")[2]
            try:
                await self._means.call("s3", "put_object", Bucket=bucket, Key=key, Body=with_payload(document, work))
            except CallFailed as error:
                undelivered(destination, f"{error}; {len(work.items)} records were given up")
        else:
            await self._means.deliver(destination, json.dumps(document).encode())


def first_position(settings: StreamSettings) -> Start:
    return Start(settings.starting_position, at=settings.starting_at or 0.0)


def bucket_key(mapping_id: str, shard_id: str, at: float) -> str:
    """AWS's: `aws/lambda/MAPPING/SHARD/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-UUID` (developer guide)."""
    day = datetime.fromtimestamp(at, UTC)
    return f"aws/lambda/{mapping_id}/{shard_id}/{day:%Y/%m/%d}/{day:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"


def _settings(mapping: EventSourceMapping) -> StreamSettings:
    assert mapping.stream is not None
    return mapping.stream


def _lanes(mapping: EventSourceMapping) -> list[_Lane]:
    return [_Lane(number) for number in range(_settings(mapping).parallelization_factor)]


async def _nothing() -> None:
    """The source reads again, that is all."""


def plain(value: Any) -> Any:
    """As JSON has it: bytes in base64, in whatever they stand."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value

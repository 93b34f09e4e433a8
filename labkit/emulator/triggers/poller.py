"""One event source mapping's poller: looks, starts what it found, and rests.

A poller is one task. Each batch is a task of its own that the clock follows, so that an advance lets it finish; the
poller's rests are real time, and hold up no advance. A rest grows to a second while nothing comes, and ends at once
when a hint says that something was sent. `later` is how a source waits on the clock: for a batching window, a retry,
the end of a visibility timeout.

A mapping's record says what the poller does: `polled` while it lives, `last_result` what came of the last batch. A
poller whose mapping is disabled or gone lets its batches finish. One whose function is gone reads nothing, and goes on
when there is one again. Whatever cannot be done is one line on standard error, said once until it changes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import traceback
from collections.abc import Awaitable, Callable

import msgspec

from labkit.emulator.clients import CallFailed
from labkit.emulator.registry import EventSourceMapping, parse_reference
from labkit.emulator.triggers.batch import Batch, Delivery, Means, Source
from labkit.emulator.triggers.dynamodb import table_source
from labkit.emulator.triggers.kinesis import kinesis_source
from labkit.emulator.triggers.pollers import Parts
from labkit.emulator.triggers.responses import failed_items
from labkit.emulator.triggers.sqs import QueueSource
from labkit.errors import RecursiveInvocation, ResourceNotFound, ServiceError

SOURCES: dict[str, Callable[[Means], Source]] = {
    "sqs": QueueSource,
    "kinesis": kinesis_source,
    "dynamodb": table_source,
}
FIRST_REST_S, LONGEST_REST_S = 0.02, 1.0
LEAST_REST_S = 0.005  # between two looks that find nothing, whatever is hinted
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0  # after an error
DONE, NO_FUNCTION, CALL_FAILED = "OK", "PROBLEM: Function not found", "PROBLEM: Function call failed"
THROTTLED = "PROBLEM: Function was throttled"


class Poller:
    """One mapping's. What its source has read stays its own while the mapping is disabled and enabled again."""

    def __init__(self, mapping: EventSourceMapping, parts: Parts) -> None:
        self.service = mapping.service
        self._mapping_id = mapping.mapping_id
        self._arn = mapping.source_arn
        self._last_known = mapping
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._source = SOURCES[mapping.service](
            Means(
                parts.call,
                parts.clock.now,
                self._later,
                parts.deliver,
                ahead_s=lambda: parts.clock.ahead_s,
                mapping=lambda: self._last_known,
                role=self._role,
            )
        )
        self._task: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()
        self._poked = asyncio.Event()
        self._listeners: list[asyncio.Future[None]] = []
        self._said = ""

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self, *, awake: bool = True) -> None:
        if not self.alive:
            self._poked = asyncio.Event()
            if awake:
                self._poked.set()
            self._task = self._loop.create_task(self._run())

    def poke(self) -> None:
        """Look now."""
        self._poked.set()

    def stop(self) -> None:
        for task in (self._task, *self._batches, *self._waiting):
            if task:
                task.cancel()

    # --- the poller's own task

    async def _run(self) -> None:
        try:
            await self._poked.wait()
            if await self._opened():
                self._report(polled=True)
                await self._poll()
            await self._finish()
        except Exception as error:
            self._say(f"its poller ended by an error of labkit's own: {error!r}")
            traceback.print_exception(error, file=sys.stderr)
            self._report(CALL_FAILED, polled=False)
        finally:
            self._release(self._listeners)

    async def _opened(self) -> bool:
        """Whether the source was found before the mapping was disabled or deleted."""
        pause_s = FIRST_PAUSE_S
        while (mapping := self._mapping()) is not None:
            try:
                await self._source.open(mapping)
            except CallFailed as error:
                pause_s = await self._pause(str(error), pause_s)
            else:
                return True
        return False

    async def _poll(self) -> None:
        rest_s, pause_s = FIRST_REST_S, FIRST_PAUSE_S
        while (mapping := self._mapping()) is not None:
            self._poked.clear()
            heard, self._listeners = self._listeners, []
            try:
                found = await self._look(mapping)
            except CallFailed as error:
                self._release(heard)
                pause_s = await self._pause(str(error), pause_s)
                continue
            self._release(heard)
            pause_s = FIRST_PAUSE_S
            rest_s = FIRST_REST_S if found else min(rest_s * 2, LONGEST_REST_S)
            await asyncio.sleep(LEAST_REST_S)
            await self._rest(rest_s)

    async def _look(self, mapping: EventSourceMapping) -> bool:
        """Starts all that is ready and has room. Whether there was anything."""
        if self._function_is_gone(mapping):
            return False
        found = False
        while self._source.room(mapping, len(self._batches), self._parts.clock.now()):
            batch = await self._source.read(mapping)
            if batch is None:
                break
            found = True
            self._start(self._batches, self._process(mapping, batch))
        return found

    def _function_is_gone(self, mapping: EventSourceMapping) -> bool:
        try:
            self._parts.registry.version(parse_reference(mapping.function_arn))
        except ResourceNotFound as error:
            self._report(NO_FUNCTION)
            self._say(str(error))
            return True
        return False

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._poked.wait()
        except TimeoutError:
            pass

    async def _pause(self, why: str, pause_s: float) -> float:
        """After an error: says it once, and waits, twice as long as the last time."""
        self._say(why)
        await asyncio.sleep(LEAST_REST_S)
        await self._rest(pause_s)
        return min(pause_s * 2, LONGEST_PAUSE_S)

    async def _finish(self) -> None:
        """The mapping is disabled or gone: what is on its way ends."""
        while self._batches:
            await asyncio.wait(self._batches)
        try:
            await self._source.close()
        except CallFailed as error:
            self._say(str(error))
        self._report(polled=False)
        if self._mapping() is not None:  # enabled again meanwhile
            self._task = self._loop.create_task(self._run())

    def _mapping(self) -> EventSourceMapping | None:
        """The mapping as it is now, None if it is not to be polled."""
        mapping = self._parts.registry.mappings.get(self._mapping_id)
        self._last_known = mapping or self._last_known
        return mapping if mapping is not None and mapping.enabled else None

    def _role(self) -> str:
        return self._parts.registry.version(parse_reference(self._last_known.function_arn)).config.role

    # --- batches

    def _start(self, tasks: set[asyncio.Task[None]], work: Awaitable[None]) -> None:
        """A task that an advance of the clock waits for."""
        task = self._loop.create_task(_awaited(work))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        self._parts.clock.follow(task)

    async def _process(self, mapping: EventSourceMapping, batch: Batch) -> None:
        delivery = await self._delivered(mapping, batch)
        try:
            await self._source.settle(mapping, batch, delivery)
        except CallFailed as error:
            self._say(f"{error}; {len(batch.items)} records that were processed may come again")
        self.poke()

    async def _delivered(self, mapping: EventSourceMapping, batch: Batch) -> Delivery:
        everything = frozenset(batch.ids)
        try:
            function = parse_reference(mapping.function_arn)
            answer = await self._parts.invoke(function, batch.payload, trace_id=batch.trace_id)
        except RecursiveInvocation as error:  # the queue's own redrive takes its messages out of the loop
            self._report(CALL_FAILED)
            self._say(f"{function.name} is in a recursive loop. {error}")
            return Delivery(everything, error=True)
        except ServiceError as error:
            self._report(THROTTLED if error.status == 429 else CALL_FAILED)
            if error.status != 429:
                self._say(str(error))
            return Delivery(everything, refused=True, status=error.status)
        assert answer.result is not None
        facts = Delivery(request_id=answer.request_id, version=answer.executed_version)
        if answer.result.failed:
            self._report(CALL_FAILED)
            return dataclasses.replace(facts, failed=everything, error=True)
        failed = failed_items(answer.result.payload, batch.ids) if mapping.reports_item_failures else frozenset[str]()
        self._report(DONE)
        return dataclasses.replace(facts, failed=failed)

    def _later(self, at: float, work: Callable[[], Awaitable[None]]) -> None:
        self._start(self._waiting, self._done_at(at, work))

    async def _done_at(self, at: float, work: Callable[[], Awaitable[None]]) -> None:
        """Ends when the poller has looked after it: an advance of the clock then finds what it has started."""
        await self._parts.clock.wait_until(at)
        try:
            await work()
        except CallFailed as error:
            self._say(str(error))
        if self.alive and self._mapping() is not None:
            looked = self._loop.create_future()
            self._listeners.append(looked)
            self.poke()
            await looked

    def _release(self, listeners: list[asyncio.Future[None]]) -> None:
        for listener in listeners:
            if not listener.done():
                listener.set_result(None)

    # --- what the mapping's record says

    def _report(self, last_result: str | None = None, *, polled: bool | None = None) -> None:
        mapping = self._parts.registry.mappings.get(self._mapping_id)
        if mapping is None:
            return
        if last_result == DONE:
            self._said = ""
        changed = msgspec.structs.replace(
            mapping,
            polled=mapping.polled if polled is None else polled,
            last_result=mapping.last_result if last_result is None else last_result,
        )
        if changed != mapping:
            self._parts.registry.mappings[self._mapping_id] = changed
            self._parts.keep(self._mapping_id)

    def _say(self, what: str) -> None:
        if what != self._said:
            self._said = what
            print(f"labkit: event source {self._arn}: {what}", file=sys.stderr, flush=True)  # noqa: T201


async def _awaited(work: Awaitable[None]) -> None:
    await work

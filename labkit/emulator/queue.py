"""Asynchronous invocation (`InvocationType=Event`): accepted at once, run later, repeated when it fails.

`retries` decides; the queue waits on the clock, submits and delivers. All attempts carry one request id, and each
runs what the function's name means at that moment: a handler that was corrected meanwhile succeeds at its retry.
An event whose function is deleted meanwhile ends without a trace, as it does on AWS.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

import msgspec

from labkit.emulator import destinations
from labkit.emulator.clock import Clock
from labkit.emulator.destinations import DeadLetter, Ending
from labkit.emulator.invocation import Invocation, Result
from labkit.emulator.lineage import MOST_INVOCATIONS
from labkit.emulator.registry import FunctionVersion
from labkit.emulator.retries import Attempt, End, EndCondition, Progress, is_too_old, next_step
from labkit.emulator.store import StoredEvent
from labkit.errors import RecursiveInvocation, ResourceNotFound, ServiceError, TooManyRequests
from labkit.model import EventInvokeConfig

MOST_EVENTS = 10_000


class Journal(Protocol):
    """Where waiting events survive the emulator."""

    def keep_event(self, event: StoredEvent) -> None: ...
    def drop_event(self, request_id: str) -> None: ...


class Ways(msgspec.Struct, frozen=True):
    """What the queue asks others for."""

    submit: Callable[[Invocation], None]
    version_of: Callable[[str], FunctionVersion]
    """What a function's ARN, with or without a qualifier, means now. Raises ResourceNotFound."""
    config_of: Callable[[str], EventInvokeConfig]
    """What is set for a function's ARN, by its qualifier."""
    reserved_of: Callable[[FunctionVersion], int | None]
    """The function's reserved concurrency, None if it has none."""
    deliver: Callable[[str, bytes, str], Awaitable[bool]]
    bury: Callable[[DeadLetter], Awaitable[bool]]
    """Both say whether it arrived."""
    note: Callable[[str, Invocation, float], None] = lambda metric, invocation, value: None
    """A metric of asynchronous invocation, and its value for this event."""
    loops: Callable[[Invocation], bool] = lambda invocation: False
    """Whether an event is one too many of a recursive loop."""


class _Event(msgspec.Struct):
    """An event between two attempts. `result` is the last run's, `error` the last refusal since then."""

    invocation: Invocation
    accepted_at: float
    progress: Progress = msgspec.field(default_factory=Progress)
    result: Result | None = None
    error: ServiceError | None = None


class EventQueue:
    """Events that wait for their turn. Each is one task; all end with the emulator."""

    def __init__(
        self, clock: Clock, ways: Ways, *, journal: Journal | None = None, most_events: int = MOST_EVENTS
    ) -> None:
        self._clock = clock
        self._ways = ways
        self._journal = journal
        self._most_events = most_events
        self._loop = asyncio.get_running_loop()
        self._events: dict[asyncio.Task[None], str] = {}

    def put(self, invocation: Invocation) -> None:
        """Raises TooManyRequests when too many events wait."""
        if len(self._events) >= self._most_events:
            raise TooManyRequests("CallerRateLimitExceeded")
        event = _Event(invocation, self._clock.now())
        self._ways.note("AsyncEventsReceived", invocation, 1)
        self._keep(event, due_at=event.accepted_at)
        self._start(invocation.request_id, self._run(event))

    def resume(self, stored: StoredEvent) -> None:
        """An event that was waiting when another emulator ended; what ran then is tried again."""
        try:
            version = self._ways.version_of(stored.function_arn)
        except ServiceError:
            self._drop(stored.request_id)
            return
        invocation = Invocation(
            request_id=stored.request_id,
            version=version,
            function_arn=stored.function_arn,
            payload=stored.payload,
            arrived=time.monotonic(),
            arrived_at=self._clock.now(),
            ending=self._loop.create_future(),
            client_context=stored.client_context,
            trace_id=stored.trace_id,
        )
        event = _Event(invocation, stored.accepted_at, Progress(stored.runs, stored.refusals))
        self._start(stored.request_id, self._run(event, due_at=stored.due_at))

    def _start(self, request_id: str, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._events[task] = request_id
        task.add_done_callback(self._events.pop)
        self._clock.follow(task)

    def _keep(self, event: _Event, *, due_at: float) -> None:
        if self._journal:
            self._journal.keep_event(_stored(event, due_at))

    def _drop(self, request_id: str) -> None:
        if self._journal:
            self._journal.drop_event(request_id)

    def __len__(self) -> int:
        return len(self._events)

    def clear(self) -> None:
        """Forgets what waits. A handler that runs goes on to its end, which nobody hears of."""
        for task, request_id in list(self._events.items()):
            task.cancel()
            self._drop(request_id)

    def stop(self) -> None:
        for task in self._events:
            task.cancel()

    async def _run(self, event: _Event, *, due_at: float = 0.0) -> None:
        """From the first attempt, or the next one, to the end. Cancelled with the emulator, the event stays kept."""
        try:
            await self._clock.wait_until(due_at)
            condition = await self._tried(event)
            await self._end(event, condition)
        except ResourceNotFound:
            pass
        except Exception as error:
            print(f"labkit: the event {event.invocation.request_id} is lost", file=sys.stderr)  # noqa: T201
            traceback.print_exception(error, file=sys.stderr)
        self._drop(event.invocation.request_id)

    async def _tried(self, event: _Event) -> EndCondition:
        """Attempts the event until it has ended. Raises ResourceNotFound when its function is gone."""
        while True:
            version = self._ways.version_of(event.invocation.function_arn)
            if is_too_old(self._clock.now() - event.accepted_at, self._ways.config_of(event.invocation.function_arn)):
                return EndCondition.EVENT_AGE_EXCEEDED
            attempt = await self._attempt(event, version)
            event.progress = event.progress.after(attempt)
            now = self._clock.now()
            config = self._ways.config_of(event.invocation.function_arn)
            step = next_step(attempt, event.progress, age_s=now - event.accepted_at, config=config)
            if isinstance(step, End):
                return step.condition
            self._keep(event, due_at=now + step.after_s)
            await self._clock.wait_until(now + step.after_s)

    async def _attempt(self, event: _Event, version: FunctionVersion) -> Attempt:
        if self._ways.reserved_of(version) == 0:
            return Attempt.SWITCHED_OFF
        if self._ways.loops(event.invocation):
            event.error = RecursiveInvocation(f"{version.config.name} is in a recursive loop: its event was stopped.")
            _say_stopped(event.invocation)
            return Attempt.LOOPED
        ending: asyncio.Future[Result] = self._loop.create_future()
        invocation = msgspec.structs.replace(event.invocation, version=version, ending=ending)
        if event.progress != Progress():  # a trace tells of its own attempt, not of the minutes before
            invocation = msgspec.structs.replace(invocation, arrived=time.monotonic(), arrived_at=self._clock.now())
        self._ways.note("AsyncEventAge", invocation, (self._clock.now() - event.accepted_at) * 1000)
        self._ways.submit(invocation)
        event.invocation = invocation
        try:
            event.result, event.error = await ending, None
        except ServiceError as error:
            event.error = error
            return Attempt.REFUSED
        return Attempt.FAILED if event.result.failed else Attempt.SUCCEEDED

    async def _end(self, event: _Event, condition: EndCondition) -> None:
        """Brings the record to its destination, and the event to the dead-letter queue: both, if there are both."""
        version = self._ways.version_of(event.invocation.function_arn)
        config = self._ways.config_of(event.invocation.function_arn)
        ending = _ending(event, condition, at=self._clock.now())
        destination = config.on_failure if ending.failed else config.on_success
        if ending.failed:
            self._ways.note("AsyncEventsDropped", event.invocation, 1)
        if destination:
            record, trace_id = destinations.record(ending), event.invocation.trace_id
            if not await self._ways.deliver(destination, record, trace_id):
                self._ways.note("DestinationDeliveryFailures", event.invocation, 1)
        target = version.config.dead_letter_arn if ending.failed else ""
        if target and not await self._ways.bury(destinations.dead_letter(ending, target)):
            self._ways.note("DeadLetterErrors", event.invocation, 1)


def _say_stopped(invocation: Invocation) -> None:
    print(  # noqa: T201
        f"labkit: {invocation.version.config.name} is in a recursive loop: its event {invocation.request_id} was"
        f" stopped after {MOST_INVOCATIONS} invocations in one chain. Write where the function does not listen, or, if"
        " the loop is meant: put_function_recursion_config(RecursiveLoop='Allow').",
        file=sys.stderr,
        flush=True,
    )


def _stored(event: _Event, due_at: float) -> StoredEvent:
    invocation = event.invocation
    return StoredEvent(
        invocation.request_id,
        invocation.function_arn,
        invocation.payload,
        accepted_at=event.accepted_at,
        due_at=due_at,
        client_context=invocation.client_context,
        trace_id=invocation.trace_id,
        runs=event.progress.runs,
        refusals=event.progress.refusals,
    )


def _ending(event: _Event, condition: EndCondition, *, at: float) -> Ending:
    invocation, result, error = event.invocation, event.result, event.error
    ending = Ending(
        condition,
        invocation.request_id,
        invocation.function_arn,
        invocation.payload,
        at=at,
        runs=event.progress.runs,
    )
    if condition is EndCondition.ZERO_RESERVED_CONCURRENCY:
        return ending
    if error is not None:
        return msgspec.structs.replace(ending, status=error.status, message=str(error))
    if result is not None:
        version = invocation.version.version
        return msgspec.structs.replace(ending, status=200, version=version, payload=result.payload)
    return ending

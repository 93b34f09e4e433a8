"""Asynchronous invocation (`InvocationType=Event`): accepted at once, run later, repeated when it fails.

The policy is a plain function; the queue waits and submits. A function error is tried twice more, after one and
two minutes; a throttled event goes back with a delay that doubles from 1 s to 5 minutes.
Source: Lambda developer guide, "How Lambda handles errors and retries with asynchronous invocation".
"""

from __future__ import annotations

import asyncio
import dataclasses

from labkit.emulator.dispatcher import Dispatcher
from labkit.emulator.environment import Invocation
from labkit.errors import ServiceError, TooManyRequests

RETRY_AFTER_S = (60.0, 120.0)
MOST_EVENTS = 10_000
LONGEST_DELAY_S = 300.0


def retry_after_s(*, errors: int) -> float | None:
    """Seconds until the next attempt after this many function errors; None: no more attempts."""
    return RETRY_AFTER_S[errors - 1] if errors <= len(RETRY_AFTER_S) else None


class EventQueue:
    """Events that wait for their turn. Each is one task; all end with the emulator."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._loop = asyncio.get_running_loop()
        self._events: set[asyncio.Task[None]] = set()

    def put(self, invocation: Invocation) -> None:
        """Raises TooManyRequests when too many events wait."""
        if len(self._events) >= MOST_EVENTS:
            raise TooManyRequests("CallerRateLimitExceeded")
        task = self._loop.create_task(self._run(invocation))
        self._events.add(task)
        task.add_done_callback(self._events.discard)

    def __len__(self) -> int:
        return len(self._events)

    def stop(self) -> None:
        for task in self._events:
            task.cancel()

    async def _run(self, invocation: Invocation) -> None:
        errors = 0
        while True:
            if await self._attempt(invocation):
                return
            errors += 1
            delay_s = retry_after_s(errors=errors)
            if delay_s is None:
                return
            await asyncio.sleep(delay_s)

    async def _attempt(self, invocation: Invocation) -> bool:
        """Whether the handler succeeded; waits through throttles. All attempts carry one request id."""
        delay_s = 1.0
        while True:
            attempt = dataclasses.replace(invocation, result=self._loop.create_future())
            self._dispatcher.submit(attempt)
            try:
                return not (await attempt.result).failed
            except ServiceError:
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)

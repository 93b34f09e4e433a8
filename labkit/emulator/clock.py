"""The clock of everything that waits for minutes: retries of events, their age. It runs by itself, and can be advanced.

`now` is the time of day plus what was advanced. Who waits is a future in a heap, and one timer of the loop stands at
the earliest moment: nobody polls. An advance goes from moment to moment, not in one leap: it wakes who waits for the
next one, lets them work until they wait again or end, and only then moves on. So an event that fails at its first
retry is there to be woken for its second one within the same advance.

At work is a task that `follow` was told of, or that has waited here before, whenever it does not wait here. An
advance waits for them no longer, in real time, than it was to skip: an endless handler holds nothing up for ever.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(order=True, slots=True)
class _Waiter:
    at: float
    place: int
    woken: asyncio.Future[None] = field(compare=False)
    task: asyncio.Task[object] = field(compare=False)


class Clock:
    """See the module's docstring. Belongs to the loop that runs when it is made."""

    def __init__(self, *, time_of_day: Callable[[], float] = time.time, ahead_s: float = 0.0) -> None:
        self._time_of_day = time_of_day
        self._loop = asyncio.get_running_loop()
        self._ahead_s = ahead_s
        self._waiters: list[_Waiter] = []
        self._places = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._followed: set[asyncio.Task[object]] = set()
        self._at_work: set[asyncio.Task[object]] = set()
        self._quiet: asyncio.Future[None] | None = None
        self._advances: deque[tuple[float, asyncio.Future[float]]] = deque()
        self._advancing: asyncio.Task[None] | None = None

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._time_of_day() + self._ahead_s

    @property
    def ahead_s(self) -> float:
        """By how much it was advanced."""
        return self._ahead_s

    def follow(self, task: asyncio.Task[object]) -> None:
        """From now on this task is at work, except while it waits here."""
        if task.done():
            return
        if task not in self._followed:
            self._followed.add(task)
            task.add_done_callback(self._forget)
        self._at_work.add(task)

    async def wait_until(self, at: float) -> None:
        """Returns when this moment has come; at once, if it is past."""
        task = _current()
        if at <= self.now():
            self.follow(task)
            return
        woken = self._loop.create_future()
        heapq.heappush(self._waiters, _Waiter(at, next(self._places), woken, task))
        self._set_timer()
        self._rests(task)
        try:
            await woken
        finally:
            self.follow(task)

    async def advance(self, seconds: float) -> float:
        """Skips this much time and returns the new time. Advances that overlap add up."""
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"a clock cannot be advanced by {seconds} s")
        self._rests(_current())
        moved: asyncio.Future[float] = self._loop.create_future()
        self._advances.append((seconds, moved))
        if self._advancing is None or self._advancing.done():
            self._advancing = self._loop.create_task(self._advance_all())
        return await moved

    # --- how it moves

    async def _advance_all(self) -> None:
        while self._advances:
            seconds, moved = self._advances.popleft()
            patience_ends = self._loop.time() + seconds
            await self._wait_quiet(patience_ends)
            target = self.now() + seconds
            while (waiter := self._first()) and waiter.at <= target:
                self._move(waiter.at)
                await self._wait_quiet(patience_ends)
            self._move(target)
            if not moved.done():
                moved.set_result(self.now())

    def _move(self, at: float) -> None:
        self._ahead_s += max(0.0, at - self.now())
        self._wake(at)

    def _wake(self, until: float) -> None:
        while (waiter := self._first()) and waiter.at <= until:
            heapq.heappop(self._waiters)
            waiter.woken.set_result(None)
            self.follow(waiter.task)
        self._set_timer()

    def _first(self) -> _Waiter | None:
        """The waiter whose moment comes next; who was cancelled is dropped."""
        while self._waiters and self._waiters[0].woken.done():
            heapq.heappop(self._waiters)
        return self._waiters[0] if self._waiters else None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        first = self._first()
        # the time of day may have been set back meanwhile: then nobody is woken, and the timer is set again
        self._timer = self._loop.call_later(max(0.0, first.at - self.now()), self._rings) if first else None

    def _rings(self) -> None:
        self._wake(self.now())

    # --- who is at work

    def _forget(self, task: asyncio.Task[object]) -> None:
        self._followed.discard(task)
        self._rests(task)

    def _rests(self, task: asyncio.Task[object]) -> None:
        self._at_work.discard(task)
        if not self._at_work and self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)

    async def _wait_quiet(self, until: float) -> None:
        """Returns when nobody is at work, or at this time of the loop."""
        if self._at_work:
            self._quiet = self._loop.create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._quiet


def _current() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task

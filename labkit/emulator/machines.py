"""State machines, which run in moto's process, and the emulator's clock: where they wait they wait here.

Moto's process says that a state waits; when its moment has come it is told so, and counts as at work until it says that
all machines rest again. So it does after each request that sets a machine going. An advance of an hour therefore takes
a machine through all the waiting that falls into the hour, and through the tasks in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any

from labkit.emulator.clock import Clock

Scope = MutableMapping[str, Any]
STARTING = frozenset(
    f"AWSStepFunctions.{operation}".encode()
    for operation in ("StartExecution", "SendTaskSuccess", "SendTaskFailure", "RedriveExecution")
)


class Machines:
    """See the module's docstring. `tell` asks moto's process something, and returns when it has answered or is gone."""

    def __init__(self, clock: Clock, tell: Callable[[str], Coroutine[None, None, None]]) -> None:
        self._clock = clock
        self._tell = tell
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking: asyncio.Task[None] | None = None
        self._ask_again = False

    def passed(self, service: str, scope: Scope) -> None:
        """A request has been answered by moto, the answer is not on its way yet."""
        if service == "states" and dict(scope["headers"]).get(b"x-amz-target") in STARTING:
            self._start(self._rest())

    def pause(self, pause_id: str, until: float) -> None:
        """A state of a machine waits, and is woken at this moment."""
        self._start(self._paused(pause_id, until))

    def stop(self) -> None:
        for task in filter(None, (self._asking, *self._tasks)):
            task.cancel()

    async def _paused(self, pause_id: str, until: float) -> None:
        await self._clock.wait_until(until)
        await self._tell(f"/wake/{pause_id}")
        await self._rest()

    async def _rest(self) -> None:
        """Returns when all machines rest, as seen after this call. One question stands for all who want to know."""
        self._ask_again = True
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask())
        await asyncio.shield(self._asking)

    async def _ask(self) -> None:
        while self._ask_again:
            self._ask_again = False
            await self._tell("/rest")

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._clock.follow(task)

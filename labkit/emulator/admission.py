"""What stands before a function's cold start with `--iam`: its role is assumed, the key of its variables is used.

A version that has an environment is not asked again, as on AWS: what the environment has, it keeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from labkit.emulator.dispatcher import Dispatcher
from labkit.emulator.invocation import Invocation
from labkit.emulator.pages import fault
from labkit.emulator.registry import FunctionVersion
from labkit.errors import ServiceError


class Admission:
    """Submits to the dispatcher what may run; `check` raises the ServiceError of what may not."""

    def __init__(self, dispatcher: Dispatcher, check: Callable[[FunctionVersion], Awaitable[None]]) -> None:
        self._dispatcher = dispatcher
        self._check = check
        self._checking: set[asyncio.Task[None]] = set()

    def submit(self, invocation: Invocation) -> None:
        key = invocation.version.key
        if any(environment.version.key == key for environment in self._dispatcher.environments.values()):
            self._dispatcher.submit(invocation)
            return
        task = asyncio.create_task(self._submit_checked(invocation))
        self._checking.add(task)
        task.add_done_callback(self._checking.discard)

    async def _submit_checked(self, invocation: Invocation) -> None:
        try:
            await self._check(invocation.version)
        except Exception as error:
            if not invocation.ending.done():
                invocation.ending.set_exception(error if isinstance(error, ServiceError) else fault(error))
        else:
            self._dispatcher.submit(invocation)

"""Creating and updating take time on Lambda: a function is Pending, or its update InProgress, until that is seen.

On AWS that is a matter of seconds, in which an invocation of a new function and a second update are refused, and an
updated one still runs its old version. Here nothing takes so long; but code that does not wait must fail here too, and
not now and then. So a change is settled when its function is looked at (GetFunction, GetFunctionConfiguration: what
botocore's waiters do, who therefore never wait), or by itself after SETTLE_S.

States and words: developer guide, "Lambda function states"; answers recorded from AWS in LocalStack's tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from labkit.emulator.registry import Change, Function, FunctionVersion

SETTLE_S = 1.0


class Changes:
    """See the module's docstring. `retire` is told of a version that nobody will ask for any more."""

    def __init__(self, retire: Callable[[FunctionVersion], None]) -> None:
        self._retire = retire
        self._loop = asyncio.get_running_loop()

    def begin(self, function: Function, previous: FunctionVersion | None) -> None:
        """The function was created, or updated from `previous`."""
        function.change = Change(previous)
        self._loop.call_later(SETTLE_S, self._settle, function, function.change)

    def seen(self, function: Function) -> None:
        """Somebody looks: what was changed is done."""
        if function.change:
            self._settle(function, function.change)

    def _settle(self, function: Function, change: Change) -> None:
        if function.change is not change:
            return
        function.change = None
        function.touch()
        if change.previous:
            self._retire(change.previous)

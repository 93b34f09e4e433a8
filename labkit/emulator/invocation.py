"""One request on its way through the emulator, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from labkit.emulator.logstream import Entry
from labkit.emulator.registry import FunctionVersion
from labkit.emulator.streaming import ResponseStream
from labkit.model import Trace


class Result(msgspec.Struct, frozen=True):
    payload: bytes
    failed: bool
    entry: Entry
    trace: Trace


class Ending(Protocol):
    """Where an invocation ends, once, with a result or an error. A future is one; whoever needs none saves a pass of
    the loop, and is told when its environment is free again.
    """

    def done(self) -> bool: ...
    def set_result(self, result: Result, /) -> None: ...
    def set_exception(self, error: Exception, /) -> None: ...


class Invocation(msgspec.Struct):
    """One request on its way. `arrived` is monotonic, `arrived_at` the time of day.

    `on_answer` hears what the handler's answer is, and whether it failed, before its trace is made: whoever waits for
    nothing but that need not wait for the bookkeeping.
    """

    request_id: str
    version: FunctionVersion
    function_arn: str
    payload: bytes
    arrived: float
    arrived_at: float
    ending: Ending
    client_context: str = ""
    trace_id: str = ""
    stream: ResponseStream | None = None  # of a caller that wants the response piece by piece
    on_answer: Callable[[Invocation, bytes, bool], None] | None = None

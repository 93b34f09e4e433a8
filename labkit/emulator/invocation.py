"""One request on its way through the emulator, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from labkit.emulator.logstream import Entry
from labkit.emulator.registry import FunctionVersion
from labkit.emulator.streaming import ResponseStream
from labkit.model import Trace


class Invocation(msgspec.Struct):
    """One request on its way. `arrived` is monotonic, `arrived_at` the time of day; `result` is answered once.

    `on_answer` hears what the handler's answer is, and whether it failed, before its trace is made: whoever waits for
    nothing but that need not wait for the bookkeeping.
    """

    request_id: str
    version: FunctionVersion
    function_arn: str
    payload: bytes
    arrived: float
    arrived_at: float
    result: asyncio.Future[Result]
    client_context: str = ""
    trace_id: str = ""
    stream: ResponseStream | None = None  # of a caller that wants the response piece by piece
    on_answer: Callable[[Invocation, bytes, bool], None] | None = None


class Result(msgspec.Struct, frozen=True):
    payload: bytes
    failed: bool
    entry: Entry
    trace: Trace

"""How much of the Lambda API is here, by the code itself: botocore's operations against those that are answered."""

from __future__ import annotations

from typing import NamedTuple

from labkit.emulator.control import OPERATIONS
from labkit.emulator.doors import STREAMED_INVOKE
from labkit.emulator.wire import Wire

INVOKE = "Invoke"  # the front door's own


class Coverage(NamedTuple):
    """Names of operations, in the model's order."""

    served: tuple[str, ...]
    missing: tuple[str, ...]


def coverage() -> Coverage:
    here = {INVOKE, STREAMED_INVOKE, *OPERATIONS}
    names = Wire().operations
    return Coverage(tuple(n for n in names if n in here), tuple(n for n in names if n not in here))

"""One thread at a time, for functions of moto's that change what others read."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")


def guarded(work: Callable[..., R], lock: threading.RLock) -> Callable[..., R]:
    @functools.wraps(work)
    def one_at_a_time(*args: Any, **more: Any) -> R:
        with lock:
            return work(*args, **more)

    return one_at_a_time

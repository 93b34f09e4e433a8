"""Where state machines wait, they wait on the emulator's clock; and the emulator can ask whether any is at work.

A Wait state and the time before a Retry are told to the emulator, which says when they are over: after an `advance`,
at once. All other limits (a task's or a machine's TimeoutSeconds, a heartbeat) are those of running code, and real.

At rest is this process when no call of a task is under way and nothing has happened in any execution for so many looks,
a few ms apart: a machine between two states is on its way, one that waits for a token is not. Looks, not a time: on a
machine that is busy they take longer, too.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from labkit.mockaws import emulator

LOOKS, LOOK_S = 10, 0.005

_changed = threading.Condition()
_waiting: set[str] = set()
_calls = 0
_events = 0


def happened(*_: Any, **__: Any) -> None:
    """Something has happened in an execution."""
    global _events
    _events += 1


def call_begins(**_: Any) -> None:
    """A task calls a service, or somebody thinks for a while."""
    global _calls
    with _changed:
        _calls += 1


def call_ends(**_: Any) -> None:
    global _calls
    with _changed:
        _calls -= 1
        happened()
        _changed.notify_all()


@contextmanager
def thinking() -> Iterator[None]:
    call_begins()
    try:
        yield
    finally:
        call_ends()


def wait_rest() -> None:
    """Returns when this process is at rest."""
    quiet = 0
    with _changed:
        while quiet < LOOKS:
            before = _events
            _changed.wait(None if _calls else LOOK_S)
            quiet = 0 if _calls or _events != before else quiet + 1


def pause(seconds: float, running: Callable[[], bool] = lambda: True) -> None:
    """Returns when so much time has passed on the emulator's clock, or the execution does not run any more."""
    if seconds > 0:
        _wait(f"seconds={seconds}", running)


def pause_until(moment: float, running: Callable[[], bool]) -> None:
    """The same, until the emulator's clock says so."""
    _wait(f"until={moment}", running)


def _wait(how_long: str, running: Callable[[], bool]) -> None:
    pause_id = str(uuid.uuid4())
    with _changed:
        _waiting.add(pause_id)
    happened()
    try:
        emulator.post(f"/_labkit/pause?{how_long}&id={pause_id}")
        with _changed:
            _changed.wait_for(lambda: pause_id not in _waiting or not running())
    finally:
        with _changed:
            _waiting.discard(pause_id)
    happened()


def wake(pause_id: str) -> None:
    with _changed:
        happened()
        _waiting.discard(pause_id)
        _changed.notify_all()


def look_again(*_: Any, **__: Any) -> None:
    """For those that wait: their execution may have been stopped."""
    with _changed:
        _changed.notify_all()

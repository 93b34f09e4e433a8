"""Watches a lab's environments while something else runs them. Looking never starts an emulator.

`Watcher` looks once at a time, for whoever has a rhythm of its own, such as a dashboard's thread; `watch` looks a few
times a second until its time is up or an interrupt ends it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labkit.client.loadtest import interrupts_call
from labkit.errors import EmulatorLost
from labkit.life import Life, Look, Picture

if TYPE_CHECKING:
    from labkit.client.endpoint import Endpoint
    from labkit.client.lab import Lab

LOOK_S = 0.2


class Watcher:
    """One lab's life from now on; a lab that is started afresh goes on in the same picture."""

    def __init__(self, lab: Lab, *, window_s: float | None = None) -> None:
        self.life = Life(window_s=window_s)
        self._lab = lab
        self._since = ""
        self._endpoint: Endpoint | None = None
        self._began = time.monotonic()

    def look(self) -> bool:
        """Looks once; whether there was a lab to look at."""
        said = self._said()
        if said is None:
            self._since = ""
            self.life.look(Look(self._at_s(), {}))
            return False
        self._since = f"?since={said['runs']}"
        environments = {env_id: (function, phase) for env_id, (function, phase) in said["environments"].items()}
        self.life.look(Look(self._at_s(), environments, said["throttled"], said["times_s"]))
        return True

    def _at_s(self) -> float:
        return time.monotonic() - self._began

    def _said(self) -> Any:
        """By the address that is known: the lab's own way would start a new emulator in the place of a lost one."""
        endpoint = self._lab.reached
        if endpoint is not self._endpoint:
            self._endpoint, self._since = endpoint, ""
        if endpoint is None:
            return None
        try:
            return endpoint.page(f"life{self._since}")
        except EmulatorLost:
            return None


def watch(lab: Lab, for_s: float, on_look: Callable[[Picture], None] | None = None) -> Picture:
    """See Lab.watch. Starts the emulator, if none runs: the watching itself never does."""
    _ = lab.endpoint
    over = threading.Event()
    watcher = Watcher(lab)
    ends = time.monotonic() + for_s
    with interrupts_call(over.set):
        while watcher.look():
            if on_look:
                on_look(watcher.life.picture())
            left_s = ends - time.monotonic()
            if left_s <= 0 or over.wait(min(LOOK_S, left_s)):
                break
    return watcher.life.picture(over=True)

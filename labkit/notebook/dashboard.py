"""A dashboard of all environments that goes on while no cell runs: `lab.dashboard()`, by anywidget, and never needed.

A thread of the kernel looks at the lab and sends pictures to the front end; nothing is sent back, because a kernel
reads nothing of that kind while a cell runs. It starts no emulator, and goes on over a restart. It ends with the lab
(at once with a notebook's own, soon with any other), with the extension, with the kernel, or by `stop()`, and leaves
the last picture.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any, Self

from labkit.client import Lab
from labkit.client.watch import Watcher
from labkit.errors import MissingWidgets
from labkit.life import Picture
from labkit.notebook.live import OUTPUTS
from labkit.show import life

BETWEEN_S = 0.5
STOPPED_S = 10.0  # a restart takes less
WINDOW_S = 60.0
JOIN_S = 5.0
INSTEAD = "%lab watch 30s and Lab.watch show the same without it, while their cell runs."

VIEW = """
function render({ model, el }) {
    const draw = () => { el.innerHTML = model.get("picture"); };
    draw();
    model.on("change:picture", draw);
    return () => model.off("change:picture", draw);
}
export default { render };
"""


class Dashboard:
    """The running dashboard of one lab. Raises MissingWidgets without anywidget.

    >>> board = lab.dashboard()  # as the last line of a cell it shows itself
    >>> board.stop()
    """

    def __init__(self, lab: Lab, *, stopped_s: float = STOPPED_S) -> None:
        self.stopped_s = stopped_s
        self._widget = _widget()
        self._lab = lab
        self._watcher = Watcher(lab, window_s=WINDOW_S)
        # when the lab was there last
        self._there_at = time.monotonic() if lab.running else None
        self._stopped = threading.Event()
        self.picture = self._looked()
        self._thread = threading.Thread(target=self._run, name="labkit-dashboard", daemon=True)
        _RUNNING.add(self)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def _looked(self, *, over: bool = False) -> Picture:
        self._watcher.look()
        picture = self._watcher.life.picture(over=over)
        self._widget.picture = life.html(picture)
        OUTPUTS.add()  # one message, and nothing of the cell that may be running
        return picture

    def _run(self) -> None:
        # whatever is wrong with the front end or the lab, a thread of ours has nobody to tell it to
        with suppress(Exception):
            while not (self._stopped.wait(BETWEEN_S) or self._lab_stopped()):
                self.picture = self._looked()
            self.picture = self._looked(over=True)
        _RUNNING.discard(self)

    def _lab_stopped(self) -> bool:
        now = time.monotonic()
        if self._lab.running:
            self._there_at = now
        return self._there_at is not None and now - self._there_at > self.stopped_s

    def stop(self) -> None:
        """Ends it; the last picture stays. Twice is harmless."""
        _RUNNING.discard(self)
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return life.text(self.picture)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The widget; where a front end has none, the picture of now."""
        bundle = self._widget._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return {**data, "text/plain": repr(self), "text/html": life.html(self.picture)}, metadata


_RUNNING: set[Dashboard] = set()


def dashboard(lab: Lab) -> Dashboard:
    """The dashboard of any lab, such as one made with `Lab()`. Raises MissingWidgets.

    >>> labkit.dashboard(lab)
    """
    return Dashboard(lab)


def stop_all() -> None:
    """No thread is left."""
    for running in list(_RUNNING):
        running.stop()


def _widget() -> Any:
    """The front end's half. Raises MissingWidgets."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise MissingWidgets("The dashboard", "anywidget", instead=INSTEAD) from None

    class Pictures(anywidget.AnyWidget):
        _esm = VIEW
        picture = traitlets.Unicode().tag(sync=True)

    return Pictures()

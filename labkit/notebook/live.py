"""What a notebook shows while something takes long: a line after half a second, at most ten changes a second.

One display per piece of work, whose end replaces it: a notebook that was run without a browser holds the end alone.
`Progress` tells of work that says nothing by itself, such as packaging: one thread of the process looks whether any is
late, and ends when there was none for a second. `LiveView` shows records as they come, such as a load test's.
`LiveLab` is the lab of a kernel: what it does tells of itself, and so do boto3 calls of its clients, the first of which
starts the mocked account.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from html import escape
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from IPython.core.getipython import get_ipython
from IPython.display import DisplayHandle, clear_output, display

from labkit.client import DeployedFunction, Interrupted, Lab, Outcome, Outcomes
from labkit.life import Picture
from labkit.load import ClosedLoop, Load
from labkit.loadtest import LiveLoad, LoadTest
from labkit.power import MEMORY_MB, PowerTuning
from labkit.show import html, life, text, words
from labkit.simulation import Simulation

if TYPE_CHECKING:
    from labkit.notebook.dashboard import Dashboard

PATIENCE_S = 0.5  # nothing is shown before
BETWEEN_S = 0.1
TERMINAL_S = 5.0  # a terminal shows each change as lines of its own
LINGER_S = 1.0
BAR = 20


@dataclass(frozen=True)
class Drawn:
    """What stands in a display for now."""

    text: str
    html: str = ""

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str | None:
        return self.html or None


class Outputs:
    """Whether the cell that runs has put out anything but what this module shows.

    Then the end of a piece of work clears the cell, and a notebook is the same whether the work was slow or not. In
    doubt (somebody else's message left the kernel meanwhile) the display is emptied, and stays.
    """

    def __init__(self) -> None:
        self._before: int | None = None
        self._ours = 0

    def begin(self, _: object = None) -> None:
        """A cell is about to run."""
        self._before, self._ours = _sent(), 0

    def add(self) -> None:
        self._ours += 1

    def only_ours(self) -> bool:
        sys.stdout.flush()
        sys.stderr.flush()
        return self._before is not None and _sent() == self._before + self._ours


def _sent() -> int | None:
    """Messages that this kernel has sent so far."""
    kernel = getattr(get_ipython(), "kernel", None)
    count: int | None = getattr(getattr(kernel, "session", None), "message_count", None)
    return count


OUTPUTS = Outputs()


class Place:
    """One display: made when it first shows something, changed not too often, gone at the end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._handle: DisplayHandle | None = None
        self._shown_at = 0.0
        self._shown: Drawn | None = None

    def due(self) -> bool:
        """Whether it is time to show something."""
        now = self._clock()
        between_s = BETWEEN_S if hasattr(get_ipython(), "kernel") else TERMINAL_S
        return now - self._began >= PATIENCE_S and (self._handle is None or now - self._shown_at >= between_s)

    def show(self, drawn: Drawn) -> None:
        if drawn == self._shown:
            return
        self._shown, self._shown_at = drawn, self._clock()
        OUTPUTS.add()
        if self._handle is None:
            self._handle = display(drawn, display_id=True)
        else:
            self._handle.update(drawn)

    def close(self) -> None:
        """What was shown makes way for the result."""
        if self._handle is None:
            return
        if OUTPUTS.only_ours():
            OUTPUTS.add()
            clear_output()
        else:
            self.show(Drawn(""))


class Progress:
    """Work that may take long: `with Progress("Deploying predict"):`; called with (done, total), it shows a bar.

    Within another one it is silent: a person waits for one thing at a time.
    """

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = words.clean(what)
        self._clock = clock
        self._lock = threading.Lock()
        self._context = copy_context()  # the cell that a front end shows this in
        self._done = self._total = 0
        self._over = False
        self._began = clock()
        self._place = Place(clock)

    def __enter__(self) -> Self:
        TELLER.begin(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """An interrupt says what it interrupted, if nobody nearer to the work has said so. Raises Interrupted."""
        self.close()
        if kind is KeyboardInterrupt:
            raise Interrupted(f"{self._what}: stopped halfway. Run the cell again to have it whole.") from None

    def __call__(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    def close(self) -> None:
        TELLER.end(self)
        with self._lock:  # the thread may be showing something
            self._over = True
            self._place.close()

    def tell(self) -> None:
        """Shows how far it is, if it is time to."""
        with self._lock:
            if not self._over and self._place.due():
                self._context.run(self._place.show, self._drawn())

    def _drawn(self) -> Drawn:
        said = f"{self._what}: {self._done} of {self._total}" if self._total else self._what
        said += f" ({int(self._clock() - self._began)} s)"
        if not self._total:
            return Drawn(f"{said} …", f"<p>{escape(said)} …</p>")
        filled = "#" * round(BAR * self._done / self._total)
        bar = f'<progress value="{self._done}" max="{self._total}" aria-label="{escape(self._what)}"></progress>'
        return Drawn(f"{said} [{filled:<{BAR}}]", f"<p>{bar} {escape(said)}</p>")


class Teller:
    """The thread that tells of work under way. It is there while there is some, and a second longer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: Progress | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def begin(self, work: Progress) -> None:
        with self._lock:
            if self._current is not None:
                return
            self._current = work
            if self._thread is None:
                self._stopped = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._stopped,), name="labkit-progress", daemon=True
                )
                self._thread.start()

    def end(self, work: Progress) -> None:
        with self._lock:
            if self._current is work:
                self._current = None

    def end_current(self) -> None:
        current = self._current
        if current is not None:
            current.close()

    def _run(self, stopped: threading.Event) -> None:
        idle_since = time.monotonic()
        while not stopped.wait(BETWEEN_S):
            now = time.monotonic()
            with self._lock:
                work = self._current
                if work is None and now - idle_since > LINGER_S:
                    self._thread = None
                    return
            if work is not None:
                idle_since = now
                work.tell()

    def stop(self) -> None:
        """Ends the thread; the next work starts another one."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._current = None
            self._stopped.set()
        if thread is not None:
            thread.join()


TELLER = Teller()


class LiveView:
    """A record under way in one display, which makes way for the result."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._place = Place(clock)

    def __call__(self, at: LiveLoad | Picture) -> None:
        if self._place.due():
            self._place.show(drawn(at))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._place.close()


def drawn(at: LiveLoad | Picture) -> Drawn:
    if isinstance(at, Picture):
        return Drawn(life.text(at), life.html(at))
    return Drawn(text.live(at), html.live(at))


# --- the lab of a kernel ------------------------------------------------------------------------------------


class LiveLab(Lab):
    """A lab that tells what it does while it takes long, and that has a dashboard."""

    _dashboards: tuple[Dashboard, ...] = ()

    def deploy(self, name: str, source: str, **options: Any) -> DeployedFunction:
        with Progress(f"Deploying {name}"):
            return super().deploy(name, source, **options)

    def invoke(self, name: str, event: object = None, **options: Any) -> Outcome:
        with Progress(f"Running {name}"):
            return super().invoke(name, event, **options)

    def coldstart(self, name: str, n: int = 5, event: object = None, **options: Any) -> Outcomes:
        with Progress(f"Measuring {name}, cold starts") as progress:
            return super().coldstart(name, n, event, **{"on_progress": progress, **options})

    def power(
        self, name: str, memory_mb: Sequence[int] = MEMORY_MB, event: object = None, **options: Any
    ) -> PowerTuning:
        with Progress(f"Measuring {name}, memory sizes") as progress:
            return super().power(name, memory_mb, event, **{"on_progress": progress, **options})

    def simulate(self, name: str, load: Load | ClosedLoop, **options: Any) -> Simulation:
        with Progress(f"Simulating {name}"):
            return super().simulate(name, load, **options)

    def loadtest(self, name: str, load: Load, event: object = None, **options: Any) -> LoadTest:
        with LiveView() as view:
            return super().loadtest(name, load, event, **{"on_progress": view, **options})

    def watch(self, for_s: str | float = 10, *, on_look: Callable[[Picture], None] | None = None) -> Picture:
        with LiveView() as view:
            return super().watch(for_s, on_look=on_look or view)

    def restart(self) -> None:
        with Progress("Starting the lab afresh"):
            super().restart()

    def boto3(self, service: str) -> Any:
        """A client whose calls tell of themselves, as the first one does that starts the mocked account."""
        with Progress(f"Loading boto3's client of {service}"):
            client = super().boto3(service)
        if service != "lambda":
            tell_of_calls(client)
        return client

    def dashboard(self) -> Dashboard:
        """A picture of all environments that goes on while no cell runs; needs anywidget. See labkit.dashboard."""
        from labkit.notebook.dashboard import Dashboard  # loads ipywidgets

        made = Dashboard(self)
        self._dashboards = (*self._dashboards, made)
        return made

    def stop(self) -> None:
        dashboards, self._dashboards = self._dashboards, ()
        for dashboard in dashboards:
            dashboard.stop()
        super().stop()


def tell_of_calls(client: Any) -> None:
    """From now on, each call of this boto3 client is a piece of work."""
    events, service = client.meta.events, client.meta.service_model.service_name

    def begin(model: Any, context: dict[str, Any], **_: Any) -> None:
        context["labkit"] = progress = Progress(f"Waiting for {service}, {model.name}")
        progress.__enter__()

    def end(context: dict[str, Any], **_: Any) -> None:
        if progress := context.pop("labkit", None):
            progress.close()

    events.register("before-call", begin, unique_id="labkit-progress-begin")
    for event in ("after-call", "after-call-error"):
        events.register(event, end, unique_id=f"labkit-progress-{event}")


def after_cell(_: object) -> None:
    """An interrupted boto3 call never says that it ended."""
    TELLER.end_current()


def stop() -> None:
    """Nothing is told any more, and no thread is left."""
    TELLER.end_current()
    TELLER.stop()
    if dashboards := sys.modules.get("labkit.notebook.dashboard"):
        dashboards.stop_all()

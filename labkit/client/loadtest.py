"""A live load test, from this side: starts the sender, listens to it, and asks the emulator how its environments are.

The sender is a process in a session of its own, so an interrupt reaches only us: we then end it, and give what it has
measured so far. It ends when the pipe to us closes, also when we are killed. While it runs we do little, a few times a
second: the kernel's time is the lesson's.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from labkit.client.process import child_variables
from labkit.client.sender import Order
from labkit.errors import BadLoad, SenderLost
from labkit.load import Load
from labkit.loadtest import Answered, LiveLoad, LoadTest, Tally, joined
from labkit.model import Trace
from labkit.simulation import PENDING

if TYPE_CHECKING:
    from labkit.client.lab import Lab

MOST_REQUESTS = 1_000_000
LONGEST_S = 6 * 3600.0
CONNECTIONS = 400  # the emulator has files for some five hundred
GRACE_S = 30.0  # beyond the function's timeout, for its init and ours
LOOK_S = 0.25
STOP_S = 5.0

Watch = Callable[[], Mapping[str, str]]
Show = Callable[[LiveLoad], None]


def send_times(load: Load) -> array[float]:
    """When to send what. Raises BadLoad for a load that no machine should be given live."""
    if not isinstance(load, Load):
        raise BadLoad(
            f"{load!r} is no open load: a load test sends at given times.", hint="Take one of labkit.load's patterns."
        )
    if load.for_s > LONGEST_S:
        raise BadLoad(
            f"{load.for_s:,.0f} s are too long for a live load; the longest is {LONGEST_S:,.0f} s.",
            hint="%simulate and Lab.simulate take hours and days in seconds.",
        )
    times = array("d", islice(load, MOST_REQUESTS + 1))
    if len(times) > MOST_REQUESTS:
        raise BadLoad(
            f"{load.name}, for {load.for_s:g} s, is more than {MOST_REQUESTS:,} requests.",
            hint="Simulate it instead: %simulate and Lab.simulate take millions.",
        )
    if not times:
        raise BadLoad(f"{load.name}, for {load.for_s:g} s, has no request in it.", hint="Make it longer or faster.")
    return times


def order(
    connection: Mapping[str, str], name: str, payload: bytes, *, qualifier: str, requests: int, grace_s: float
) -> Order:
    """What the sender is told. Raises BadLoad for an endpoint that is not an emulator on plain HTTP."""
    url = connection["endpoint_url"]
    if not url.startswith("http://"):
        raise BadLoad(f"{url} is not an emulator on this machine: a load test costs money elsewhere.")
    return Order(
        url=url,
        function=name,
        region=connection["region_name"],
        access_key_id=connection["aws_access_key_id"],
        secret_access_key=connection["aws_secret_access_key"],
        session_token=connection.get("aws_session_token", ""),
        payload=base64.b64encode(payload).decode(),
        qualifier=qualifier,
        requests=requests,
        grace_s=grace_s,
        connections=CONNECTIONS,
    )


class SenderProcess:
    """The sender at work. Iterating gives what it says, and None whenever it has said nothing for a moment."""

    def __init__(self, order: Order, times: array[float]) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile("a+b")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "labkit.client.sender"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
            env=child_variables(),
        )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # how it ended is found when we listen
            self._process.stdin.write(order.message(times))
            self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S if kind is None else 0.0)
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Tells it to send nothing more and to say what it has."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def __iter__(self) -> Iterator[dict[str, Any] | None]:
        assert self._process.stdout is not None
        fd, rest = self._process.stdout.fileno(), b""
        with selectors.DefaultSelector() as selector:
            selector.register(fd, selectors.EVENT_READ)
            while True:
                if not selector.select(LOOK_S):
                    yield None
                    continue
                data = os.read(fd, 1 << 20)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield json.loads(line)

    def last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


class Run:
    """One load test: listens until the sender has ended, or the person at the keyboard has had enough."""

    def __init__(self, load: Load, times: array[float], *, label: str, watch: Watch, show: Show | None = None) -> None:
        self.tally = Tally(label, load.name, times, load.for_s)
        self.interrupted = False
        self.ended_s = 0.0
        self.starved = 0
        self._times, self._watch, self._show = times, watch, show
        self._due = 0
        self._began: float | None = None
        self._looked = 0.0

    def listen(self, sender: SenderProcess) -> None:
        """Until the sender's last word. Raises SenderLost."""

        def stop() -> None:
            self.interrupted = True
            sender.stop()

        with interrupts_call(stop):
            over = False
            for message in sender:
                over = self._hear(message) or over
            if not over:
                raise SenderLost(f"The sender of the load ended early: {sender.last_words()}.")

    def _hear(self, said: dict[str, Any] | None) -> bool:
        """Takes in one message; whether it was the last."""
        if said and "began" in said:
            self._began = time.monotonic()
        if said and "rows" in said:
            self.tally.add(Answered(*row) for row in said["rows"])
        if said and "ended" in said:
            self.ended_s, self.starved = float(said["ended"]), int(said["starved"])
            self.tally.add(
                Answered(int(request), sent, self.ended_s, PENDING, "unanswered", "")
                for request, sent in said["unanswered"]
            )
            return True
        self._look()
        return False

    def _look(self) -> None:
        now = time.monotonic()
        if self._began is None or self.interrupted or now - self._looked < LOOK_S:
            return
        self._looked = now
        at_s = now - self._began
        self.tally.look(at_s, self._watch())
        while self._due < len(self._times) and self._times[self._due] <= at_s:
            self._due += 1
        if self._show:
            self._show(self.tally.live(at_s, self._due))

    def result(self, load: Load, traces: Mapping[str, Trace], *, label: str, memory_mb: int) -> LoadTest:
        return joined(
            label,
            load.name,
            self._times,
            self.tally.rows,
            traces,
            for_s=max(min(load.for_s, self.ended_s), 0.001) if self.interrupted else load.for_s,
            memory_mb=memory_mb,
            gone=self.tally.gone,
            samples=self.tally.samples,
            starved=self.starved,
            interrupted=self.interrupted,
        )


@contextmanager
def interrupts_call(stop: Callable[[], None]) -> Iterator[None]:
    """The first interrupt calls `stop`, so that nothing is torn in the middle; a second one raises as ever."""
    if threading.current_thread() is not threading.main_thread():
        yield  # interrupts go to the main thread
        return

    def handle(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def live(
    lab: Lab,
    page: Callable[..., Any],
    name: str,
    load: Load,
    payload: bytes,
    *,
    qualifier: str = "",
    show: Show | None = None,
) -> LoadTest:
    """See Lab.loadtest. `page` asks for one of the emulator's own pages."""
    times = send_times(load)
    function = lab.function(name)
    told = order(
        lab.connection,
        function.name,
        payload,
        qualifier=qualifier,
        requests=len(times),
        grace_s=function.timeout_s + GRACE_S,
    )

    def watch() -> dict[str, str]:
        found = page(f"functions/{function.name}/environments") or {}
        return {env_id: facts["phase"] for env_id, facts in found.items()}

    run = Run(load, times, label=function.name, watch=watch, show=show)
    with SenderProcess(told, times) as sender:
        run.listen(sender)
    if run.interrupted:
        page(f"functions/{function.name}/abort", method="POST")  # what it still runs is wanted by nobody
    traces = {trace.request_id: trace for trace in lab.traces(function.name)}
    return run.result(load, traces, label=function.name, memory_mb=function.memory_mb)

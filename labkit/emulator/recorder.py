"""Keeps what invocations leave: traces, and the log streams of environments (logstream.py).

Whatever a handler prints, and however many invocations there are, memory and disk are bounded: `STREAM_BYTES` of a
stream, the newest `STREAMS` of a function, `TOTAL_BYTES` of all streams together (the oldest stream goes first),
`TRACES` runs at least. What is not new lies on disk (reel.py).

The streams of a deleted function stay, as its log group does on AWS, until they are sent: the newest `LEFT_BYTES`.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from itertools import chain

from labkit.emulator.loglines import Origin
from labkit.emulator.logstream import LogStream
from labkit.emulator.reel import BATCH, Reel, Tape
from labkit.model import InitPhases, Trace

STREAMS = 200
TOTAL_BYTES = 64 * 1024 * 1024
LEFT_BYTES = 8 * 1024 * 1024
TRACES = 10_000
LONGER = 1_000  # traces that extensions have made longer when they lay on disk already


class Recorder:
    """Traces by request id, log streams by function; both forget the oldest first."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._reel = Reel()
        self._new: dict[tuple[str, float], Trace] = {}  # an event that is tried again has several runs, and one trace
        self._old = Tape(self._reel, Trace)
        self._longer: OrderedDict[tuple[str, float], Trace] = OrderedDict()  # instead of what lies on disk
        self._streams: OrderedDict[LogStream, None] = OrderedDict()  # oldest first
        self._of_function: dict[str, OrderedDict[LogStream, None]] = {}
        self._size = 0
        self._clock = clock
        self._left: deque[LogStream] = deque()  # deleted functions' streams, oldest first
        self.lost: Counter[str] = Counter()  # invocations of functions, in streams that are gone

    def stream(self, origin: Origin, name: str) -> LogStream:
        return LogStream(name, origin, clock=self._clock, grown=self._grown, reel=self._reel)

    def _grown(self, stream: LogStream, grown: int) -> None:
        if stream not in self._streams:  # new; or dropped, and written to again
            self._list(stream)
            grown = stream.size
        self._size += grown
        while self._size > TOTAL_BYTES and len(self._streams) > 1:
            self._drop(next(old for old in self._streams if old is not stream))

    def _list(self, stream: LogStream) -> None:
        of_function = self._of_function.setdefault(stream.origin.function_name, OrderedDict())
        self._streams[stream] = of_function[stream] = None
        if len(of_function) > STREAMS:
            self._drop(next(iter(of_function)))

    def _drop(self, stream: LogStream) -> None:
        self._unlist(stream)
        stream.empty()
        self.lost[stream.origin.function_name] += stream.lost
        stream.lost = 0

    def _unlist(self, stream: LogStream) -> None:
        del self._streams[stream]
        of_function = self._of_function[stream.origin.function_name]
        del of_function[stream]
        if not of_function:
            del self._of_function[stream.origin.function_name]
        self._size -= stream.size

    @property
    def size(self) -> int:
        """Bytes of all logs."""
        return self._size

    def record(self, trace: Trace) -> None:
        self._new[trace.request_id, trace.arrived_at] = trace
        if len(self._new) >= 2 * BATCH:
            self._put_away()

    def _put_away(self) -> None:
        away = list(self._new)[:BATCH]
        self._old.append([self._new.pop(key) for key in away])
        while self._old.oldest and self.runs - self._old.oldest.end >= TRACES:
            self._old.drop()

    def lengthen(self, trace: Trace) -> None:
        """Extensions have worked on after the answer: this is instead of what was recorded then."""
        key = (trace.request_id, trace.arrived_at)
        if key in self._new:
            self._new[key] = trace
        else:
            self._longer[key] = trace
            if len(self._longer) > LONGER:
                self._longer.popitem(last=False)

    @property
    def runs(self) -> int:
        """So many have been recorded."""
        return self._old.end + len(self._new)

    @property
    def first_run(self) -> int:
        """The number of the oldest that is kept."""
        return self._old.first

    def runs_since(self, number: int) -> Iterator[Trace]:
        """Those behind the first so many runs, oldest first; of very many, the newest."""
        for trace in self._old.since(number):
            yield self._longer.get((trace.request_id, trace.arrived_at), trace)
        new = tuple(self._new.values())
        yield from new[max(0, number - self._old.end) :]

    def trace(self, request_id: str) -> Trace | None:
        """Its last run's."""
        for trace in chain(reversed(self._new.values()), self._old.holding(request_id)):
            if trace.request_id == request_id:
                return self._longer.get((request_id, trace.arrived_at), trace)
        return None

    def traces(self, function_name: str = "") -> list[Trace]:
        """Oldest first; of one function, or of all. Of an event that was tried again, the last."""
        last = {t.request_id: t for t in self.runs_since(0) if function_name in ("", t.function_name)}
        return list(last.values())

    def streams(self, function_name: str) -> list[LogStream]:
        return list(self._of_function.get(function_name, ()))

    def forget(self, function_name: str) -> None:
        """Forgets a function's streams, also what its last environments still write; CloudWatch gets them yet."""
        for stream in self.streams(function_name):
            stream.grown = None
            self._unlist(stream)
            self._left.append(stream)
        while sum(stream.size for stream in self._left) > LEFT_BYTES:
            self._lose(self._left.popleft())

    def _lose(self, stream: LogStream) -> None:
        stream.empty()
        self.lost[stream.origin.function_name] += stream.lost

    def all_streams(self) -> list[LogStream]:
        """Of all functions, those of deleted ones first."""
        return [*self._left, *self._streams]

    def let_go(self, brought: list[LogStream]) -> None:
        """CloudWatch has what there was: of deleted functions only the invocations that still run are waited for."""
        over = {stream for stream in brought if stream.open_entry.ended or not stream.open_entry.request_id}
        for stream in over & {*self._left}:
            stream.empty()
        self._left = deque(stream for stream in self._left if stream not in over)

    def clear(self) -> None:
        self._old.clear()
        self._old.skip(len(self._new))
        self._new.clear()
        self._longer.clear()
        for function_name in list(self._of_function):
            self.forget(function_name)
        for stream in self._left:
            stream.empty()
        self._left.clear()


def phases_of(report: dict[str, object], spawned: float, ready: float) -> InitPhases | None:
    """Splits the init between spawn and the first `next` by what the bootstrap measured (monotonic seconds)."""
    started, load_started, loaded = (report.get(k) for k in ("started", "load_started", "loaded"))
    if not (isinstance(started, float) and isinstance(load_started, float) and isinstance(loaded, float)):
        return None
    listed = report.get("imports")
    imports = tuple((str(n), float(s)) for n, s in listed) if isinstance(listed, list) else ()
    imports_s = sum(seconds for _, seconds in imports)
    return InitPhases(
        process_start_s=started - spawned,
        runtime_start_s=(load_started - started) + (ready - loaded),
        imports_s=imports_s,
        module_init_s=max(0.0, loaded - load_started - imports_s),
        imports=imports,
    )

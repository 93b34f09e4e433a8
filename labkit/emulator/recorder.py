"""Keeps what invocations leave: traces and log streams. loglines.py writes the lines, when somebody reads them.

A log stream belongs to one environment for its whole life. Its entries are invocations (START, the handler's
output, END and REPORT around it) and what stands between them, such as an init.
Memory is bounded, whatever a handler prints: the newest `STREAM_BYTES` of a stream, the newest `STREAMS` of a
function, `TOTAL_BYTES` of all streams together (the oldest stream goes first), `TRACES` traces. Nothing is on disk.

CloudWatch Logs has its lines from here, too, when somebody asks for them (telemetry.py): an entry knows how much of it
has been sent there. What leaves the bounds before it was sent is counted in `lost`. The streams of a deleted function
stay, as its log group does on AWS, until they are sent: the newest `LEFT_BYTES` of them.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from itertools import islice

import msgspec

from labkit.emulator import loglines
from labkit.emulator.loglines import Origin
from labkit.model import LOG_TAIL_BYTES, InitPhases, Trace

STREAM_BYTES = 2 * 1024 * 1024
STREAMS = 200
TOTAL_BYTES = 64 * 1024 * 1024
TRACES = 10_000
CHUNK_BYTES = 65_536
ENTRY_BYTES = 512  # what an entry costs without its output, about
PART_BYTES = 160  # likewise of a part of an output
SAME_MOMENT_S = 0.01  # what is written within it has one time
LEFT_BYTES = 8 * 1024 * 1024
NOBODY = Origin()


class Part(msgspec.Struct):
    """A chunk of what the handler wrote from this time on, or a line of the platform's."""

    data: bytearray | str
    at: float


class Entry(msgspec.Struct):
    """One invocation's part of a log, or the lines between two (request_id empty).

    `output` is what the handler wrote, in chunks, and what the platform said in between, in lines. `init` is the
    entry before it, if this invocation was the first: JSON shows it in the tail of the log. `lingers`: extensions
    still work on it, so that its REPORT may change.
    """

    request_id: str = ""
    origin: Origin = NOBODY
    began_at: float = 0.0
    function_arn: str = ""
    tracing: str = ""
    output: list[Part] = msgspec.field(default_factory=list)
    trace: Trace | None = None
    closing: str = ""  # Lambda's own words before END in Text, such as "Task timed out"
    produced_bytes: int = 0
    size: int = ENTRY_BYTES
    init: Entry | None = None
    lingers: bool = False
    dropped: int = 0  # bytes of the output that are not kept any more
    sent: int = -1  # bytes of the output that CloudWatch has; -1: not even START
    ended: bool = False  # it has END and REPORT
    done: bool = False  # it has all, and nothing more comes

    def text(self, newest: int = STREAM_BYTES) -> str:
        """The lines; of the output at least the newest bytes, if there are so many."""
        start = self.start() if self.request_id else ""
        return "".join([start, self._output(newest), self.closing_words, self.end()])

    def start(self) -> str:
        return loglines.start(self.origin, self.began_at, self.request_id, self.function_arn, self.tracing)

    @property
    def closing_words(self) -> str:
        """In JSON a status says what Text has words for."""
        return "" if self.origin.as_json else self.closing

    def end(self) -> str:
        if self.trace is None:
            return ""
        return loglines.end(self.origin, self.trace, produced_bytes=self.produced_bytes, tracing=self.tracing)

    def _output(self, newest: int) -> str:
        texts: list[str] = []
        run: list[bytearray] = []  # a frame or a character may go over the end of a chunk
        first = self._first(newest)
        for part in self.output[first:]:
            if isinstance(part.data, str):
                texts += [loglines.application(b"".join(run), self.origin.lowest), part.data]
                run = []
            else:
                run.append(part.data)
        texts.append(loglines.application(b"".join(run), self.origin.lowest))
        return "".join(texts)

    def _first(self, newest: int) -> int:
        """Where to begin, so that the chunks from there on have so many bytes."""
        for index in range(len(self.output) - 1, -1, -1):
            newest -= len(self.output[index].data)
            if newest <= 0:
                return index
        return 0

    def write(self, output: bytes, now: float) -> None:
        last = self.output[-1] if self.output else None
        if last and isinstance(last.data, bytearray) and len(last.data) < CHUNK_BYTES and now - last.at < SAME_MOMENT_S:
            last.data += output
            self.size += len(output)
        else:
            self._append(bytearray(output), now)

    def write_line(self, line: str, now: float) -> None:
        self._append(line, now)

    def _append(self, data: bytearray | str, now: float) -> None:
        self.output.append(Part(data, now))
        self.size += len(data) + PART_BYTES

    def shorten(self) -> None:
        """Drops the oldest output beyond what a stream may have; the newest chunk always stays."""
        while self.size > STREAM_BYTES and len(self.output) > 1:
            self._drop()

    def empty(self) -> None:
        while self.output:
            self._drop()

    def _drop(self) -> None:
        dropped = len(self.output.pop(0).data)
        self.dropped += dropped
        self.size -= dropped + PART_BYTES

    @property
    def missing(self) -> bool:
        """CloudWatch has not all that there is."""
        return not self.done and not self.ended and bool(self.request_id or self.output)

    def send_again(self) -> None:
        """CloudWatch has forgotten it."""
        self.sent, self.ended, self.done = -1, False, False


class LogStream:
    """The log of one environment. `grown` is told by how many bytes it grew or shrank."""

    def __init__(
        self,
        name: str,
        origin: Origin = NOBODY,
        *,
        clock: Callable[[], float] = time.time,
        grown: Callable[[LogStream, int], None] | None = None,
    ) -> None:
        self.name = name
        self.origin = origin
        self.entries: deque[Entry] = deque()
        self.size = 0
        self.lost = 0  # entries that fell out before CloudWatch had them
        self.sent_until_ms = 0  # CloudWatch shows lines by their time: none is earlier than the one before it
        self.grown = grown
        self._clock = clock
        self._open = self._append(Entry(origin=self.origin))

    def _append(self, entry: Entry) -> Entry:
        self.entries.append(entry)
        self._account(entry.size)
        return entry

    def begin(self, request_id: str, function_arn: str = "", tracing: str = "") -> Entry:
        """The invocation that all output belongs to from now on."""
        first = self._open if not self._open.request_id else None
        self._open = self._append(
            Entry(request_id, self.origin, self._clock(), function_arn=function_arn, tracing=tracing, init=first)
        )
        return self._open

    def write(self, output: bytes) -> None:
        before = self._open.size
        self._open.write(output, self._clock())
        self._open.shorten()
        self._account(self._open.size - before)

    def begin_init(self) -> None:
        self.write_line(loglines.init_start(self.origin, self._clock()))

    def end_init(
        self, init_s: float, *, phase: str = "init", status: str = "success", error_type: str | None = None
    ) -> None:
        now = self._clock()
        self.write_line(
            loglines.init_report(self.origin, now, init_s, phase=phase, status=status, error_type=error_type)
        )

    def begin_restore(self) -> None:
        self.write_line(loglines.restore_start(self.origin, self._clock()))

    def end_restore(self, restore_s: float, *, status: str = "success", error_type: str | None = None) -> None:
        now = self._clock()
        self.write_line(loglines.restore_report(self.origin, now, restore_s, status=status, error_type=error_type))

    def write_line(self, line: str) -> None:
        """What the platform says; nothing, if a level keeps it back."""
        if line:
            before = self._open.size
            self._open.write_line(line if line.endswith("\n") else line + "\n", self._clock())
            self._account(self._open.size - before)

    def _account(self, grown: int) -> None:
        self.size += grown
        while self.size > STREAM_BYTES and len(self.entries) > 1:
            dropped = self.entries.popleft()
            self.size -= dropped.size
            grown -= dropped.size
            self.lost += dropped.missing
            if not dropped.request_id:
                dropped.output.clear()  # the invocation after it may still refer to it
        if self.grown:
            self.grown(self, grown)

    def empty(self) -> None:
        """Forgets everything; what is written later is kept again."""
        self.lost += sum(entry.missing for entry in self.unsent())
        self._open.empty()
        self._open.init = None
        self._open.size = self.size = ENTRY_BYTES
        self.entries = deque([self._open])

    def text(self) -> str:
        return "".join(entry.text() for entry in self.entries)

    def send_again(self) -> None:
        """CloudWatch has forgotten all of it."""
        self.sent_until_ms = 0
        for entry in self.entries:
            entry.send_again()

    @property
    def open_entry(self) -> Entry:
        """The one that output belongs to now."""
        return self._open

    def unsent(self) -> list[Entry]:
        """Those that CloudWatch may not have all of, oldest first: they stand behind those that it has."""
        found = []
        for entry in reversed(self.entries):
            if entry.done:
                break
            found.append(entry)
        return found[::-1]


class Recorder:
    """Traces by request id, log streams by function; both forget the oldest first."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._runs: deque[Trace] = deque(maxlen=TRACES)  # an event that is tried again has several, and one trace
        self.runs = 0
        self._streams: OrderedDict[LogStream, None] = OrderedDict()  # oldest first
        self._of_function: dict[str, OrderedDict[LogStream, None]] = {}
        self._size = 0
        self._clock = clock
        self._left: deque[LogStream] = deque()  # deleted functions' streams, oldest first
        self.lost: Counter[str] = Counter()  # invocations of functions, in streams that are gone

    def stream(self, origin: Origin, name: str) -> LogStream:
        return LogStream(name, origin, clock=self._clock, grown=self._grown)

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
        before = self._traces.get(trace.request_id)
        self._traces[trace.request_id] = trace
        if before is None or before.arrived_at != trace.arrived_at:  # else extensions have made it longer
            self._runs.append(trace)
            self.runs += 1
        if len(self._traces) > TRACES:
            self._traces.popitem(last=False)

    def trace(self, request_id: str) -> Trace | None:
        return self._traces.get(request_id)

    def traces(self, function_name: str = "") -> list[Trace]:
        """Oldest first; of one function, or of all."""
        return [t for t in self._traces.values() if function_name in ("", t.function_name)]

    def streams(self, function_name: str) -> list[LogStream]:
        return list(self._of_function.get(function_name, ()))

    def runs_since(self, number: int) -> list[Trace]:
        """Those behind the first so many runs, oldest first; of very many, the newest."""
        newest = min(self.runs - number, len(self._runs))
        return list(islice(self._runs, len(self._runs) - newest, None))

    def forget(self, function_name: str) -> None:
        """Forgets a function's streams, also what its last environments still write; CloudWatch gets them yet."""
        for stream in self.streams(function_name):
            stream.grown = None
            self._unlist(stream)
            self._left.append(stream)
        while sum(stream.size for stream in self._left) > LEFT_BYTES:
            self._lose(self._left.popleft())

    def _lose(self, stream: LogStream) -> None:
        self.lost[stream.origin.function_name] += stream.lost + sum(entry.missing for entry in stream.unsent())

    def all_streams(self) -> list[LogStream]:
        """Of all functions, those of deleted ones first."""
        return [*self._left, *self._streams]

    def let_go(self, brought: list[LogStream]) -> None:
        """CloudWatch has what there was: of deleted functions only the invocations that still run are waited for."""
        over = {stream for stream in brought if stream.open_entry.ended or not stream.open_entry.request_id}
        self._left = deque(stream for stream in self._left if stream not in over)

    def clear(self) -> None:
        self._traces.clear()
        self._runs.clear()
        for function_name in list(self._of_function):
            self.forget(function_name)
        self._left.clear()


def log_tail(entry: Entry) -> bytes:
    """The last 4 KB of an invocation's log, as `LogResult` carries them.

    In JSON a cold start's begins with its init, as recorded (LogResult of a JSON function, 2024).
    """
    text = entry.text(newest=2 * CHUNK_BYTES)
    if entry.init and entry.origin.as_json:
        text = entry.init.text(newest=2 * CHUNK_BYTES) + text
    return text.encode()[-LOG_TAIL_BYTES:]


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

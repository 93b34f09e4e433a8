"""Keeps what invocations leave: traces and log streams. Renders a log line only when somebody reads it.

A log stream belongs to one environment for its whole life. Its entries are invocations (START, the handler's
output, END and REPORT around it) and lines between them (INIT_REPORT). The handler's output is one byte stream in
which plain prints and the runtime client's frames (`_LAMBDA_TELEMETRY_LOG_FD`) stand in the order of writing.
Memory is bounded: the newest `STREAM_BYTES` of a stream, the newest `STREAMS` of a function, `TRACES` traces.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from labkit.billing import billed_ms
from labkit.model import LOG_TAIL_BYTES, InitPhases, Status, Trace

STREAM_BYTES = 2 * 1024 * 1024
STREAMS = 200
TRACES = 10_000
FRAME_MAGIC = b"\xa5\x5a\x00"  # frame types are 0xa55a00NN; not valid UTF-8, so no print begins with it
FRAME_HEAD = 16  # type 4, length 4, microseconds 8


@dataclass(slots=True)
class Entry:
    """One invocation's part of a log, or the lines between two (request_id empty)."""

    request_id: str = ""
    version: str = ""
    output: list[bytes] = field(default_factory=list)
    trace: Trace | None = None
    closing: str = ""  # Lambda's own words before END, such as "Task timed out"
    size: int = 0

    def text(self) -> str:
        parts = [f"START RequestId: {self.request_id} Version: {self.version}\n" if self.request_id else ""]
        parts.append(unframe(b"".join(self.output)))
        if self.closing:
            parts.append(self.closing)
        if self.trace:
            parts += [f"END RequestId: {self.request_id}\n", report_line(self.trace) + "\n"]
        return "".join(parts)


class LogStream:
    """The log of one environment."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: deque[Entry] = deque()
        self._size = 0
        self._open = self._append(Entry())

    def _append(self, entry: Entry) -> Entry:
        self.entries.append(entry)
        return entry

    def begin(self, request_id: str, version: str) -> Entry:
        self._open = self._append(Entry(request_id, version))
        self._size += 200  # START, END and REPORT
        self._trim()
        return self._open

    def write(self, output: bytes) -> None:
        self._open.output.append(output)
        self._open.size += len(output)
        self._size += len(output)
        while self._open.size > STREAM_BYTES and len(self._open.output) > 1:
            dropped = len(self._open.output.pop(0))
            self._open.size -= dropped
            self._size -= dropped
        self._trim()

    def write_line(self, line: str) -> None:
        self.write(line.encode() + b"\n")

    def _trim(self) -> None:
        while self._size > STREAM_BYTES and len(self.entries) > 1:
            dropped = self.entries.popleft()
            self._size -= dropped.size + (200 if dropped.request_id else 0)

    def text(self) -> str:
        return "".join(entry.text() for entry in self.entries)


class Recorder:
    """Traces by request id, log streams by function; both forget the oldest first."""

    def __init__(self) -> None:
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._streams: dict[str, deque[LogStream]] = {}

    def stream(self, function_name: str, name: str) -> LogStream:
        stream = LogStream(name)
        self._streams.setdefault(function_name, deque(maxlen=STREAMS)).append(stream)
        return stream

    def record(self, trace: Trace) -> None:
        self._traces[trace.request_id] = trace
        if len(self._traces) > TRACES:
            self._traces.popitem(last=False)

    def trace(self, request_id: str) -> Trace | None:
        return self._traces.get(request_id)

    def traces(self, function_name: str = "") -> list[Trace]:
        """Oldest first; of one function, or of all."""
        return [t for t in self._traces.values() if function_name in ("", t.function_name)]

    def streams(self, function_name: str) -> list[LogStream]:
        return list(self._streams.get(function_name, ()))

    def forget(self, function_name: str) -> None:
        self._streams.pop(function_name, None)

    def clear(self) -> None:
        self._traces.clear()
        self._streams.clear()


def log_tail(entry: Entry) -> bytes:
    """The last 4 KB of an invocation's log, as `LogResult` carries them."""
    return entry.text().encode()[-LOG_TAIL_BYTES:]


def report_line(trace: Trace) -> str:
    """REPORT, with its trailing tab; `Max Memory Used` is measured.

    Status and error type stand there for what the platform itself ended (recorded in public logs); a handler's own
    exception leaves none.
    """
    parts = [
        f"REPORT RequestId: {trace.request_id}",
        f"Duration: {trace.duration_s * 1000:.2f} ms",
        f"Billed Duration: {billed_ms(trace.duration_s, trace.startup_s)} ms",
        f"Memory Size: {trace.memory_mb} MB",
        f"Max Memory Used: {trace.max_memory_mb} MB",
    ]
    if trace.init_s is not None:
        parts.append(f"Init Duration: {trace.init_s * 1000:.2f} ms")
    if trace.restore_s is not None:
        parts.append(f"Restore Duration: {trace.restore_s * 1000:.2f} ms")
        parts.append(f"Billed Restore Duration: {billed_ms(trace.restore_s, None)} ms")
    line = "\t".join(parts) + "\t"
    if trace.status is Status.TIMEOUT:
        return line + "Status: timeout"
    if trace.error_type and trace.error_type.startswith(("Runtime.", "Sandbox.", "Function.")):
        return line + f"Status: error\tError Type: {trace.error_type}"
    return line


def init_report_line(init_s: float, *, phase: str, status: str, error_type: str | None = None) -> str:
    """INIT_REPORT, which only a failed init leaves."""
    error = f"\tError Type: {error_type}" if error_type else ""
    return f"INIT_REPORT Init Duration: {init_s * 1000:.2f} ms\tPhase: {phase}\tStatus: {status}{error}"


def restore_report_line(restore_s: float, *, status: str = "", error_type: str | None = None) -> str:
    """RESTORE_REPORT, one for each restore (recorded in public logs; with a status only if it failed)."""
    ending = f"\tStatus: {status}" if status else ""
    ending += f"\tError Type: {error_type}" if error_type else ""
    return f"RESTORE_REPORT Restore Duration: {restore_s * 1000:.2f} ms{ending}"


def unframe(output: bytes) -> str:
    """Text of a mixed stream of prints and frames; every frame ends its line. Half a frame at the end is kept."""
    text: list[bytes] = []
    at = 0
    while (start := output.find(FRAME_MAGIC, at)) >= 0:
        text.append(output[at:start])
        length = int.from_bytes(output[start + 4 : start + 8], "big")
        message = output[start + FRAME_HEAD : start + FRAME_HEAD + length]
        text.append(message if message.endswith(b"\n") else message + b"\n")
        at = start + FRAME_HEAD + length
    text.append(output[at:])
    joined = b"".join(text).decode("utf-8", "replace")
    return joined if joined.endswith("\n") or not joined else joined + "\n"


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

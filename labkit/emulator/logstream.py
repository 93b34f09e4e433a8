"""One environment's log: the parts of its invocations, and what stands between them. loglines.py writes the lines.

A log stream belongs to one environment for its whole life. Its entries are invocations (START, the handler's output,
END and REPORT around it) and what stands between them, such as an init. It keeps the newest `STREAM_BYTES`, whatever a
handler prints; of these only the last few entries lie in memory, the others on a tape (reel.py).

Entries are numbered. CloudWatch Logs has their lines when somebody asks for them (telemetry.py): `brought` is the first
number that it may not have all of, and an entry knows how much of it has been sent. What leaves the bounds before it
was sent is counted in `lost`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import takewhile

import msgspec

from labkit.emulator import loglines
from labkit.emulator.loglines import Origin
from labkit.emulator.reel import BATCH, Reel, Tape
from labkit.model import LOG_TAIL_BYTES, Trace

STREAM_BYTES = 2 * 1024 * 1024
CHUNK_BYTES = 65_536
ENTRY_BYTES = 512  # what an entry costs without its output, about
PART_BYTES = 160  # likewise of a part of an output
SAME_MOMENT_S = 0.01  # what is written within it has one time
NEAR_BYTES = 131_072  # of a stream's ended entries in memory
NOBODY = Origin()


class Part(msgspec.Struct, array_like=True, omit_defaults=True):
    """A chunk of what the handler wrote from this time on; or a line that the platform said."""

    data: bytearray
    at: float
    said: bool = False


class Entry(msgspec.Struct, omit_defaults=True):
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
    number: int = 0

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
            if part.said:
                texts += [loglines.application(b"".join(run), self.origin.lowest), part.data.decode()]
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
        if last and not last.said and len(last.data) < CHUNK_BYTES and now - last.at < SAME_MOMENT_S:
            last.data += output
            self.size += len(output)
        else:
            self._append(Part(bytearray(output), now))

    def write_line(self, line: str, now: float) -> None:
        self._append(Part(bytearray(line.encode("utf-8", "replace")), now, said=True))

    def _append(self, part: Part) -> None:
        self.output.append(part)
        self.size += len(part.data) + PART_BYTES

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
        return not self.ended and bool(self.request_id or self.output)

    @property
    def complete(self) -> bool:
        """Nothing more comes to it, once there is another one behind it."""
        return not self.request_id or (self.trace is not None and not self.lingers)


class LogStream:
    """The log of one environment. `grown` is told by how many bytes it grew or shrank; `reel` is where the old goes."""

    def __init__(
        self,
        name: str,
        origin: Origin = NOBODY,
        *,
        clock: Callable[[], float] = time.time,
        grown: Callable[[LogStream, int], None] | None = None,
        reel: Reel | None = None,
    ) -> None:
        self.name = name
        self.origin = origin
        self.near: deque[Entry] = deque()  # the newest entries
        self._old = Tape(reel or Reel(), Entry)
        self._missing: deque[int] = deque()  # of each of its segments, what CloudWatch had not when it was written
        self._sent_again = 0  # older ones were sent to a CloudWatch that has forgotten them
        self._held = 0  # so many are looking at what is near
        self.size = 0
        self.brought = 0
        self.lost = 0  # entries that fell out before CloudWatch had them
        self.sent_until_ms = 0  # CloudWatch shows lines by their time: none is earlier than the one before it
        self.grown = grown
        self._clock = clock
        self._open = self._append(Entry(origin=self.origin))

    def _append(self, entry: Entry) -> Entry:
        entry.number = self._old.end + len(self.near)
        self.near.append(entry)
        self._account(entry.size)
        if len(self.near) >= 2 * BATCH or self.size - self._old.size > NEAR_BYTES:
            self._put_away()
        return entry

    def _put_away(self) -> None:
        """Moves the older half of what is complete to disk. Nobody may be looking at it."""
        complete = [] if self._held else list(takewhile(lambda entry: entry.complete, list(self.near)[:-1]))
        if away := complete[: max(1, min(BATCH, len(complete) // 2))]:
            plain = [msgspec.structs.replace(entry, origin=NOBODY, init=None) for entry in away]
            for _ in away:
                self.near.popleft()
            self._old.append(plain, sum(entry.size for entry in away))
            self._missing.append(sum(entry.missing for entry in away))

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
        while self.size > STREAM_BYTES and (self._old or len(self.near) > 1):
            dropped = self._drop_old() if self._old else self._drop_near()
            self.size -= dropped
            grown -= dropped
        if self.grown:
            self.grown(self, grown)

    def _drop_old(self) -> int:
        oldest = self._old.oldest
        assert oldest
        missing = self._missing.popleft()
        if self.brought > oldest.first or self._sent_again > oldest.first:  # not what it was then
            missing = sum(entry.missing for entry in self._read(max(self.brought, oldest.first), oldest.end))
        self.lost += missing
        return self._old.drop()

    def _drop_near(self) -> int:
        dropped = self.near.popleft()
        self._old.skip()
        self.lost += dropped.number >= self.brought and dropped.missing
        if not dropped.request_id:
            dropped.output.clear()  # the invocation after it may still refer to it
        return dropped.size

    def _read(self, first: int, end: int | None = None) -> Iterator[Entry]:
        """What lies on disk from this number on, before `end`."""
        for entry in self._old.since(first):
            if end is not None and entry.number >= end:
                return
            entry.origin = self.origin
            if entry.number < self._sent_again:
                entry.sent, entry.ended = -1, False
            yield entry

    def empty(self) -> None:
        """Forgets everything; what is written later is kept again."""
        self.lost += sum(entry.missing for entry in self.unsent())
        self._open.empty()
        self._open.init = None
        self._open.size = self.size = ENTRY_BYTES
        self._old.clear()
        self._missing.clear()
        while len(self.near) > 1:
            self.near.popleft()
            self._old.skip()

    def entries(self) -> Iterator[Entry]:
        """All that are kept, oldest first."""
        yield from self._read(0)
        yield from tuple(self.near)

    def text(self) -> str:
        return "".join(entry.text() for entry in self.entries())

    def send_again(self) -> None:
        """CloudWatch has forgotten all of it."""
        self.sent_until_ms = self.brought = 0
        self._sent_again = self._old.end
        for entry in self.near:
            entry.sent, entry.ended = -1, False

    @property
    def open_entry(self) -> Entry:
        """The one that output belongs to now."""
        return self._open

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is near stays near meanwhile: marks on its entries are not forgotten."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    def unsent(self) -> Iterator[Entry]:
        """Those that CloudWatch may not have all of, oldest first."""
        yield from self._read(self.brought)
        yield from (entry for entry in tuple(self.near) if entry.number >= self.brought)

    def mark(self, entry: Entry, *, sent: int, ended: bool, done: bool) -> None:
        """So much of this entry's output has CloudWatch, and END and REPORT; `done`: all, and nothing more comes."""
        entry.sent, entry.ended = sent, ended
        if done:
            self.brought = entry.number + 1


def log_tail(entry: Entry) -> bytes:
    """The last 4 KB of an invocation's log, as `LogResult` carries them.

    In JSON a cold start's begins with its init, as recorded (LogResult of a JSON function, 2024).
    """
    text = entry.text(newest=2 * CHUNK_BYTES)
    if entry.init and entry.origin.as_json:
        text = entry.init.text(newest=2 * CHUNK_BYTES) + text
    return text.encode()[-LOG_TAIL_BYTES:]

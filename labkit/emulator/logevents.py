"""Turns what a log stream holds into CloudWatch's events: each with its time, none twice. Pure: sends nothing.

An event is what Lambda makes one: a line of the platform's, a printed line, or a message of the `logging` module with
all its lines. A message has the time that its process gave it, a printed line the time when it was read from the pipe,
END and REPORT the time of the response. All are the machine's own times: the clock that `advance` moves is nothing
that a handler could write into its lines.

A line whose end has not come yet waits for it, or for the end of its invocation; so does half a frame. Limits are
PutLogEvents': 10,000 events or 1 MiB a call, 26 bytes for each event beside its text (API reference).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from labkit.emulator import loglines
from labkit.emulator.loglines import FRAME_MAGIC, frames, level_of
from labkit.emulator.logstream import Entry

BATCH_EVENTS = 10_000
BATCH_BYTES = 1_048_576
EVENT_EXTRA_BYTES = 26
EVENT_BYTES = BATCH_BYTES - EVENT_EXTRA_BYTES
PLAUSIBLE_S = 60.0  # a frame's time is its process's word: not believed if it is farther away from ours


class LogEvent(msgspec.Struct, frozen=True):
    at_ms: int
    message: str


class News(msgspec.Struct, frozen=True):
    """What an entry has beyond what was sent: and what has been sent of it when these are."""

    events: list[LogEvent]
    sent: int
    ended: bool
    done: bool
    lost_bytes: int = 0


def news(entry: Entry, now: float, *, is_open: bool) -> News:
    """`is_open`: output may still come to this entry."""
    over = not is_open or (entry.trace is not None and not entry.lingers)
    events = _began(entry) if entry.sent < 0 else []
    start = max(entry.sent, entry.dropped)
    output, sent = _output(entry, start, final=over)
    events += output
    if over and not entry.ended:
        events += _end(entry, now)
    lost = max(0, entry.dropped - max(entry.sent, 0))
    return News(events, sent, over, over and not is_open, lost)


def _began(entry: Entry) -> list[LogEvent]:
    return _lines(entry.start(), entry.began_at) if entry.request_id else []


def _end(entry: Entry, now: float) -> list[LogEvent]:
    if entry.trace is None:
        return []
    at = min(now, entry.began_at + entry.trace.duration_s)
    closing = [LogEvent(_ms(at), entry.closing_words)] if entry.closing_words else []
    return closing + _lines(entry.end(), at)


def _lines(text: str, at: float) -> list[LogEvent]:
    return [LogEvent(_ms(at), f"{line}\n") for line in text.split("\n") if line]


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


# --- what the handler wrote


class _Run(NamedTuple):
    """Chunks that belong together: a line or a frame may go over the end of one. `times`: where each began, when."""

    begin: int
    data: bytes
    times: list[tuple[int, float]]


def _output(entry: Entry, start: int, *, final: bool) -> tuple[list[LogEvent], int]:
    """The events from this byte of the output on, and the byte up to which they reach."""
    events: list[LogEvent] = []
    reached = start
    parts = list(_runs(entry, start))
    for number, part in enumerate(parts):
        if isinstance(part, _Run):
            last = number == len(parts) - 1
            found, reached = _events(part, entry.origin.lowest, final=final or not last)
            events += found
        else:
            events += _lines(part.data.decode(), part.at)
            reached += len(part.data)
    return events, reached


class _Said(NamedTuple):
    """What the platform said in between."""

    data: bytearray
    at: float


def _runs(entry: Entry, start: int) -> Iterator[_Run | _Said]:
    offset, pending, times = entry.dropped, bytearray(), list[tuple[int, float]]()
    for part in entry.output:
        begin, offset = offset, offset + len(part.data)
        if offset <= start:
            continue
        if not part.said:
            times.append((len(pending), part.at))
            pending += part.data[max(0, start - begin) :]
            continue
        if pending:
            yield _Run(begin - len(pending), bytes(pending), times)
        pending, times = bytearray(), []
        yield _Said(part.data, part.at)
    if pending:
        yield _Run(offset - len(pending), bytes(pending), times)


def _events(run: _Run, lowest: int, *, final: bool) -> tuple[list[LogEvent], int]:
    events: list[LogEvent] = []
    reached, times = 0, run.times
    for piece in _pieces(run.data, final=final):
        reached = piece.end
        while len(times) > 1 and times[1][0] <= piece.begin:
            times = times[1:]
        if piece.kept(lowest):
            at = times[0][1]
            if piece.at_s is not None and abs(piece.at_s - at) < PLAUSIBLE_S:
                at = piece.at_s
            events.append(LogEvent(_ms(at), piece.text()))
    return events, run.begin + reached


class _Piece(NamedTuple):
    """A message of a frame, or a printed line (which has no time of its own)."""

    begin: int
    end: int
    data: bytes
    rank: int | None = None
    at_s: float | None = None

    def kept(self, lowest: int) -> bool:
        if self.rank is not None:
            return self.rank >= lowest
        return lowest == 0 or level_of(self.data) >= lowest

    def text(self) -> str:
        return (self.data if self.data.endswith(b"\n") else self.data + b"\n").decode("utf-8", "replace")


def _pieces(data: bytes, *, final: bool) -> Iterator[_Piece]:
    at = 0
    for frame in frames(data):
        yield from _printed(data, at, frame.begin, final=True)
        if frame.end > len(data) and not final:
            return
        yield _Piece(frame.begin, min(frame.end, len(data)), data[frame.message : frame.end], frame.rank, frame.at_s)
        at = frame.end
    yield from _printed(data, at, len(data) if final else _before_half_a_head(data, at), final=final)


def _printed(data: bytes, begin: int, end: int, *, final: bool) -> Iterator[_Piece]:
    while begin < end:
        found = data.find(b"\n", begin, end)
        if found < 0 and not final:
            return
        stop = found + 1 if found >= 0 else end
        yield _Piece(begin, stop, data[begin:stop])
        begin = stop


def _before_half_a_head(data: bytes, begin: int) -> int:
    """A frame's head may hold what looks like a line's end."""
    for at in range(max(begin, len(data) - loglines.FRAME_HEAD + 1), len(data)):
        if FRAME_MAGIC.startswith(data[at : at + len(FRAME_MAGIC)]):
            return at
    return len(data)


# --- what is sent together


def in_order(events: Iterable[LogEvent], after_ms: int) -> list[LogEvent]:
    """The same, none earlier than the one before it: CloudWatch shows lines by their time."""
    found = []
    for event in events:
        after_ms = max(after_ms, event.at_ms)
        found.append(event if event.at_ms == after_ms else msgspec.structs.replace(event, at_ms=after_ms))
    return found


def batches(events: Iterable[LogEvent]) -> Iterator[list[LogEvent]]:
    """As many calls as needed; what is too long for one event is several."""
    batch: list[LogEvent] = []
    size = 0
    for event in events:
        for part in _split(event):
            cost = len(part.message.encode()) + EVENT_EXTRA_BYTES
            if batch and (size + cost > BATCH_BYTES or len(batch) == BATCH_EVENTS):
                yield batch
                batch, size = [], 0
            batch.append(part)
            size += cost
    if batch:
        yield batch


def _split(event: LogEvent) -> Iterator[LogEvent]:
    if len(event.message) * 4 <= EVENT_BYTES:  # whatever its characters are
        yield event
        return
    data = event.message.encode()
    while data:
        part = data[:EVENT_BYTES].decode("utf-8", "ignore")  # not in the middle of a character
        yield LogEvent(event.at_ms, part)
        data = data[len(part.encode()) :]

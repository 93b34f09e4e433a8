"""PURE: one invocation as a waterfall, and the environments that served several as lanes over time.

A `Trace` knows how long each part took and when the request came. How the hand-over was spread over the wait it does
not know: in a waterfall it stands between the init and the handler, in a lane before the init. When an environment
ended it does not know either: a lane ends with its last call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.model import LATEST, Status, Trace
from labkit.show import measures

RESTORE = "restore"  # of a SnapStart snapshot
CALL = "handler call"
INIT, BUSY, FAILED, FROZEN, ABSENT = "i#x- "
COLUMNS = 60
BAR = 40


@dataclass(frozen=True, slots=True)
class Span:
    """A part of an invocation; `start_s` counts from the request's arrival. `inside` marks a part of the span above."""

    name: str
    start_s: float
    duration_s: float
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """What an environment did from `start_s` to `end_s`, in seconds since the first request of all."""

    kind: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One environment: what it did, in order; between its segments it is frozen."""

    environment_id: str
    function: str
    segments: tuple[Segment, ...]
    calls: int
    failed: int

    @property
    def start_s(self) -> float:
        return self.segments[0].start_s

    @property
    def end_s(self) -> float:
        return max(segment.end_s for segment in self.segments)

    @property
    def busy_s(self) -> float:
        return sum(s.end_s - s.start_s for s in self.segments if s.kind != INIT)


def spans(trace: Trace) -> tuple[Span, ...]:
    """The parts of an invocation, one after the other; imports stand inside of theirs, in their order."""
    found: list[Span] = []
    at = 0.0
    for name, seconds in _parts(trace):
        found.append(Span(name, at, seconds))
        if name == measures.PHASES["imports_s"] and trace.phases is not None:
            found += _imports(trace.phases.imports, at)
        at += seconds
    return tuple(found)


def init_parts(trace: Trace) -> tuple[Span, ...]:
    """What happened before a cold call's handler, without the hand-over; empty for a warm one."""
    return tuple(s for s in spans(trace) if not s.inside and s.name not in (measures.HAND_OVER, CALL))


def _parts(trace: Trace) -> list[tuple[str, float]]:
    if trace.restore_s is not None:
        parts = [(RESTORE, trace.restore_s)]
    elif trace.phases is not None:
        parts = [(label, float(getattr(trace.phases, name))) for name, label in measures.PHASES.items()]
    else:
        parts = [(measures.WHOLE_INIT, trace.init_s)] if trace.init_s is not None else []
    # clocks of two processes: the difference may come out a hair below zero
    hand_over = max(0.0, trace.queued_s - sum(seconds for _, seconds in parts))
    return [*parts, (measures.HAND_OVER, hand_over), (CALL, trace.duration_s)]


def _imports(imports: Sequence[tuple[str, float]], at: float) -> list[Span]:
    longest = sorted(imports, key=lambda pair: -pair[1])[: measures.LONGEST_IMPORTS]
    found = []
    for name, seconds in imports:
        if (name, seconds) in longest and seconds > 0:
            found.append(Span(name, at, seconds, inside=True))
        at += seconds
    return found


def bar(span: Span, total_s: float, width: int = BAR) -> str:
    """A span as a bar of characters, in its place; at least one character wide."""
    if total_s <= 0:
        return ""
    start = min(width - 1, int(span.start_s / total_s * width))
    length = max(1, round((span.start_s + span.duration_s) / total_s * width) - start)
    return " " * start + ("-" if span.inside else "#") * min(length, width - start)


def lanes(traces: Sequence[Trace]) -> tuple[Lane, ...]:
    """The environments that served these invocations, in the order of their first call."""
    ran = sorted((t for t in traces if t.environment_id), key=lambda t: t.arrived_at)
    if not ran:
        return ()
    begin = ran[0].arrived_at
    by_environment: dict[str, list[Trace]] = {}
    for trace in ran:
        by_environment.setdefault(trace.environment_id, []).append(trace)
    return tuple(_lane(name, served, begin) for name, served in by_environment.items())


def _lane(environment_id: str, served: Sequence[Trace], begin: float) -> Lane:
    segments: list[Segment] = []
    for trace in served:
        called = trace.arrived_at - begin + trace.queued_s
        if trace.startup_s is not None:
            segments.append(Segment(INIT, called - min(trace.startup_s, trace.queued_s), called))
        kind = BUSY if trace.status is Status.SUCCESS else FAILED
        segments.append(Segment(kind, called, called + trace.duration_s))
    segments.sort(key=lambda segment: segment.start_s)
    first = served[0]
    function = first.function_name if first.version in ("", LATEST) else f"{first.function_name}:{first.version}"
    return Lane(
        environment_id, function, tuple(segments), len(served), sum(t.status is not Status.SUCCESS for t in served)
    )


def end_s(found: Sequence[Lane]) -> float:
    """When the last of them was last seen."""
    return max((lane.end_s for lane in found), default=0.0)


def marks(lane: Lane, until_s: float, columns: int = COLUMNS) -> str:
    """A lane as characters: `i` init, `#` busy, `x` a failed call, `-` frozen, a space where it is not known to be.

    A column shows the most telling of what happens in it, so that a short call among seconds is seen.
    """
    row = [ABSENT] * columns
    first, last = (_column(at, until_s, columns) for at in (lane.start_s, lane.end_s))
    row[first : last + 1] = FROZEN * (last + 1 - first)
    for kind in (BUSY, INIT, FAILED):
        for segment in (s for s in lane.segments if s.kind == kind):
            left, right = (_column(at, until_s, columns) for at in (segment.start_s, segment.end_s))
            row[left : right + 1] = kind * (right + 1 - left)
    return "".join(row).rstrip()


def _column(at_s: float, until_s: float, columns: int) -> int:
    return min(columns - 1, int(at_s / until_s * columns)) if until_s > 0 else 0

"""What a series of calls amounts to: medians, intervals, the parts of a cold start. Pure functions of `Outcomes`.

A call's time is `Trace.total_s`, for cold and warm calls alike: from the request's arrival until the handler has
returned. Parts of a cold start are medians over the cold calls, each part alone, so they need not add up to the
median of the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from labkit.model import Outcomes, Status, Trace
from labkit.show import stats

PHASES = {
    "process_start_s": "process start",
    "runtime_start_s": "runtime start",
    "imports_s": "imports",
    "module_init_s": "module init",
}
WHOLE_INIT = "init"  # where an endpoint reports the init duration only as one number, as AWS does
HAND_OVER = "hand-over"  # what is left of the wait: taking the request in and passing it on
FIRST_CALL = "first handler call"
PARTS = (*PHASES.values(), WHOLE_INIT, HAND_OVER, FIRST_CALL)
LONGEST_IMPORTS = 5


@dataclass(frozen=True, slots=True)
class Summary:
    """Some calls: how many, their median time and its 95 % interval."""

    n: int
    median_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class Series:
    """One row of a comparison. `ratio` is cold over warm: (ratio of medians, low, high)."""

    label: str
    cold: Summary | None
    warm: Summary | None
    ratio: tuple[float, float, float] | None
    phases: dict[str, float] | None
    parts: dict[str, float]
    imports: tuple[tuple[str, float], ...]
    failures: dict[Status, int]
    calls: int

    @property
    def largest_part(self) -> tuple[str, float, float] | None:
        """The part of the cold start that takes longest: name, seconds, share of all parts."""
        total = sum(self.parts.values())
        if not total:
            return None
        name = max(self.parts, key=lambda part: self.parts[part])
        return name, self.parts[name], self.parts[name] / total


def measure(outcomes: Outcomes) -> tuple[Series, ...]:
    """One `Series` for each of the outcomes' own. Labels that are alike are numbered: two runs of a function."""
    labels = _distinct([series.label for series in outcomes.series])
    return tuple(_measure_one(series, label) for series, label in zip(outcomes.series, labels, strict=True))


def _distinct(labels: Sequence[str]) -> list[str]:
    count, seen = Counter(labels), Counter[str]()
    found = []
    for label in labels:
        seen[label] += 1
        found.append(f"{label}, run {seen[label]}" if count[label] > 1 else label)
    return found


def total_times(traces: Sequence[Trace]) -> list[float]:
    return [trace.total_s for trace in traces]


def ratio_of(above: Sequence[Trace], below: Sequence[Trace]) -> tuple[float, float, float] | None:
    """Ratio of the median times with its interval; None where it cannot be formed."""
    if not above or not below or min(total_times(below)) <= 0:
        return None
    return stats.ratio_interval(total_times(above), total_times(below))


def _measure_one(series: Outcomes, label: str) -> Series:
    cold, warm = series.cold, series.warm
    return Series(
        label=label,
        cold=_summary(cold),
        warm=_summary(warm),
        ratio=ratio_of(cold, warm),
        phases=_phases(cold),
        parts=_parts(cold),
        imports=_imports(cold),
        failures=dict(Counter(o.status for o in series.items if not o.ok)),
        calls=len(series.items),
    )


def _summary(traces: Sequence[Trace]) -> Summary | None:
    return Summary(len(traces), *stats.median_interval(total_times(traces))) if traces else None


def _phases(cold: Sequence[Trace]) -> dict[str, float] | None:
    split = [trace.phases for trace in cold if trace.phases is not None]
    return {name: median(getattr(phases, name) for phases in split) for name in PHASES} if split else None


def _parts(cold: Sequence[Trace]) -> dict[str, float]:
    split = [_parts_of(trace) for trace in cold]
    found = [name for name in PARTS if any(name in parts for parts in split)]
    return {name: median(parts[name] for parts in split if name in parts) for name in found}


def _parts_of(trace: Trace) -> dict[str, float]:
    phases = trace.phases
    init_s = trace.init_s or 0.0
    if phases is None:
        parts = {WHOLE_INIT: init_s}
    else:
        init_s = phases.total_s
        parts = {label: float(getattr(phases, name)) for name, label in PHASES.items()}
    # clocks of two processes: the difference may come out a hair below zero
    return {**parts, HAND_OVER: max(0.0, trace.queued_s - init_s), FIRST_CALL: trace.duration_s}


def _imports(cold: Sequence[Trace]) -> tuple[tuple[str, float], ...]:
    seen: dict[str, list[float]] = {}
    for trace in cold:
        if trace.phases is not None:
            for name, seconds in _summed(trace.phases.imports).items():
                seen.setdefault(name, []).append(seconds)
    medians = [(name, median(values)) for name, values in seen.items()]
    return tuple(sorted(medians, key=lambda pair: -pair[1])[:LONGEST_IMPORTS])


def _summed(imports: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Two import statements of one module are one import."""
    total: dict[str, float] = {}
    for name, seconds in imports:
        total[name] = total.get(name, 0.0) + seconds
    return total

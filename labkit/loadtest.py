"""PURE: what a load test found: a sender's rows joined with the emulator's traces, in the columns of a simulation.

A `LoadTest` is a `Simulation` that happened, so that both have the same quantiles, moments, figure and tables, and a
lesson can put them side by side. `requests.arrived` is when a request *should* have been sent: times count from there,
so a sender or a server that falls behind cannot hide its slowness (coordinated omission: Gil Tene, "How NOT to Measure
Latency"). `sent` is when it really left; their difference is the sender's own lag, and beyond LAG_S it is no longer
small beside what is measured: then `kept_up` is false.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from labkit.billing import US_EAST_1, Bill, PriceTable, billed_ms, priced
from labkit.life import Lane, Life, Look
from labkit.model import Status, Trace
from labkit.simulation import FAILED, NOBODY, PENDING, SERVED, THROTTLED, Environments, Requests, Simulation

LAG_S = 0.010  # 99 % of the requests left at most so late
SHARES = (0.5, 0.9, 0.99, 0.999)
STATUS_NAMES = {PENDING: "unanswered", SERVED: "served", THROTTLED: "throttled", FAILED: "failed"}


class Answered(NamedTuple):
    """One request that is over; `ended` is its answer's last byte."""

    request: int
    sent: float
    ended: float
    status: int
    reason: str
    request_id: str


class Percentile(NamedTuple):
    """`beyond` is how many requests took longer: what the figure rests on."""

    share: float
    time_s: float
    beyond: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The function's environments at a moment of the run."""

    at_s: float
    initialising: int = 0
    busy: int = 0
    idle: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class LiveLoad:
    """A load test under way: what its picture shows."""

    label: str
    load: str
    at_s: float
    for_s: float
    planned: int
    sent: int
    in_flight: int
    served: int
    throttled: int
    failed: int
    environments: Sample
    recent: tuple[Percentile, ...] = ()
    lanes: tuple[Lane, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class LoadTest(Simulation):
    """The result of `Lab.loadtest`. `reason` says why a request was throttled or failed, "" for the others.

    >>> pandas.DataFrame(result.columns())
    """

    sent: array[float] = field(default_factory=lambda: array("d"))
    reason: tuple[str, ...] = ()
    measured: tuple[Trace | None, ...] = ()  # the emulator's record of each request, as far as it still held it
    samples: tuple[Sample, ...] = ()
    planned: int = 0
    starved: int = 0  # sent late because every connection waited for an answer
    interrupted: bool = False

    def __repr__(self) -> str:
        early = ", interrupted" if self.interrupted else ""
        return (
            f"<LoadTest {self.label}: {len(self):,} requests in {self.for_s:.3g} s{early}, {self.served:,} served"
            f" ({self.cold:,} cold), {self.throttled:,} throttled, {self.failed:,} failed>"
        )

    @property
    def unanswered(self) -> int:
        return self.requests.status.count(PENDING)

    @property
    def throughput(self) -> float:
        """Requests served per second, until the last answer."""
        r = self.requests
        ends = (ended for status, ended in zip(r.status, r.ended, strict=True) if status == SERVED)
        return self.served / max(self.for_s, max(ends, default=0.0))

    # --- the sender

    def lags_s(self) -> list[float]:
        """How late each request was sent."""
        return [max(0.0, sent - due) for sent, due in zip(self.sent, self.requests.arrived, strict=True)]

    @property
    def lag_s(self) -> float:
        """99 % of the requests were sent at most so late."""
        return quantile(sorted(self.lags_s()), 0.99)

    @property
    def kept_up(self) -> bool:
        """Whether the sender was on time; if not, its own waiting is a part of every time below."""
        return not self.lag_s > LAG_S

    # --- times and columns

    def percentiles(self, *shares: float) -> list[Percentile]:
        """Of the times from when a request should have been sent to its answer; only those that rest on a request.

        >>> result.percentiles(0.5, 0.99)
        [Percentile(share=0.5, time_s=0.0031, beyond=500), Percentile(share=0.99, time_s=0.0094, beyond=10)]
        """
        return percentiles(self.totals_s(), *shares)

    def columns(self) -> dict[str, list[object]]:
        """One list per column, for a data frame; seconds from the start, None where a thing never happened."""
        r = self.requests
        lags, over = self.lags_s(), [status != PENDING for status in r.status]
        return {
            "intended_s": list(r.arrived),
            "sent_s": list(self.sent),
            "lag_s": list(lags),
            "ended_s": [ended if known else None for ended, known in zip(r.ended, over, strict=True)],
            "latency_s": [e - a if known else None for a, e, known in zip(r.arrived, r.ended, over, strict=True)],
            "status": [STATUS_NAMES[status] for status in r.status],
            "reason": list(self.reason),
            "cold": [bool(cold) if trace else None for cold, trace in zip(r.cold, self.measured, strict=True)],
            "environment": [trace.environment_id if trace else None for trace in self.measured],
            "handler_s": [trace.duration_s if trace else None for trace in self.measured],
            "queued_s": [trace.queued_s if trace else None for trace in self.measured],
        }

    # --- what the emulator measured

    @property
    def traced(self) -> int:
        """Requests of which the emulator still held a trace at the end."""
        return sum(trace is not None for trace in self.measured)

    @property
    def untraced(self) -> int:
        """Requests that reached a handler, and whose trace was gone."""
        return len(self) - self.throttled - self.unanswered - self.traced

    def traces(self) -> Iterator[Trace]:
        """The emulator's own, in the order of the requests."""
        return (trace for trace in self.measured if trace is not None)

    def bill(self, *, architecture: str = "x86_64", prices: PriceTable = US_EAST_1) -> Bill:
        """What the traced requests would have cost, at the speed of this machine."""
        billed_s = sum(billed_ms(trace.duration_s, trace.startup_s) for trace in self.traces()) / 1000
        return priced(self.traced, billed_s, self.memory_mb, architecture=architecture, prices=prices)


def percentiles(times: Iterable[float], *shares: float) -> list[Percentile]:
    ordered = sorted(times)
    found = []
    for share in shares or SHARES:
        beyond = len(ordered) - 1 - min(len(ordered) - 1, int(share * len(ordered)))
        if beyond >= 1 or (ordered and share <= 0.5):
            found.append(Percentile(share, quantile(ordered, share), beyond))
    return found


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of sorted values; nan if there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def joined(
    label: str,
    load: str,
    times: Sequence[float],
    rows: Iterable[Answered],
    traces: Mapping[str, Trace],
    *,
    for_s: float,
    memory_mb: int,
    gone: Mapping[str, float] | None = None,
    samples: Iterable[Sample] = (),
    starved: int = 0,
    interrupted: bool = False,
) -> LoadTest:
    """Puts the sender's rows in the order of the load and beside them what the emulator knows of each.

    `gone` says when an environment was first missed. Requests that an interrupted load never sent are not in it.
    """
    ordered = sorted(rows)
    measured = tuple(traces.get(row.request_id) for row in ordered)
    environments, numbers = _environments(ordered, measured, gone or {})
    requests = Requests(
        arrived=array("d", (times[row.request] for row in ordered)),
        started=array("d", (_started(row, trace) for row, trace in zip(ordered, measured, strict=True))),
        ended=array("d", (row.ended for row in ordered)),
        environment=array("i", (numbers[t.environment_id] if t else NOBODY for t in measured)),
        status=bytearray(row.status for row in ordered),
        cold=bytearray(trace is not None and trace.cold for trace in measured),
    )
    reasons = tuple(_reason(row, trace) for row, trace in zip(ordered, measured, strict=True))
    throttles = Counter(r for row, r in zip(ordered, reasons, strict=True) if row.status == THROTTLED)
    return LoadTest(
        label, load, for_s, memory_mb, requests, environments,
        reasons=tuple(throttles.most_common()), sent=array("d", (row.sent for row in ordered)), reason=reasons,
        measured=measured, samples=tuple(samples), planned=len(times), starved=starved, interrupted=interrupted,
    )  # fmt: skip


def _reason(row: Answered, trace: Trace | None) -> str:
    """A failed handler's error by its name, which only the emulator's record has."""
    if trace is not None and trace.status is not Status.SUCCESS:
        return trace.error_type or str(trace.status)
    return row.reason


def _started(row: Answered, trace: Trace | None) -> float:
    """When the handler was called. Its answer follows its end at once, so it is counted from there backwards."""
    return max(row.sent, row.ended - trace.duration_s) if trace else math.nan


def _environments(
    rows: Sequence[Answered], measured: Sequence[Trace | None], gone: Mapping[str, float]
) -> tuple[Environments, dict[str, int]]:
    """One row per environment, in the order of their first requests; those met warm were there before the load."""
    found, numbers = Environments(), dict[str, int]()
    served = ((row, trace) for row, trace in zip(rows, measured, strict=True) if trace is not None)
    for row, trace in sorted(served, key=lambda pair: _started(*pair)):
        if trace.environment_id in numbers:
            continue
        numbers[trace.environment_id] = len(numbers)
        ready = _started(row, trace) if trace.cold else 0.0
        found.started.append(max(0.0, ready - (trace.startup_s or 0.0)))
        found.ready.append(ready)
        found.ended.append(gone.get(trace.environment_id, math.inf))
        found.provisioned.append(False)
    return found, numbers


class Tally:
    """The counts of a load test under way, from the rows as they come."""

    RECENT = 2000

    def __init__(self, label: str, load: str, times: Sequence[float], for_s: float) -> None:
        self.rows: list[Answered] = []
        self.samples: list[Sample] = []
        self.gone: dict[str, float] = {}
        self._seen: set[str] = set()
        self._label, self._load, self._times, self._for_s = label, load, times, for_s
        self._counts: Counter[int] = Counter()
        self._latest: list[float] = []
        self._life = Life()

    def add(self, rows: Iterable[Answered]) -> None:
        for row in rows:
            self.rows.append(row)
            self._counts[row.status] += 1
            if row.status == SERVED:
                self._latest.append(row.ended - self._times[row.request])
        del self._latest[: -self.RECENT]

    def look(self, at_s: float, environments: Mapping[str, str]) -> None:
        """What there is now: the phase of each environment, by its id."""
        for env_id in self._seen - environments.keys():
            self.gone.setdefault(env_id, at_s)
        self._seen |= environments.keys()
        self._life.look(Look(at_s, {env_id: (self._label, phase) for env_id, phase in environments.items()}))
        phases = Counter(environments.values())
        busy, idle = phases["invoke"], phases["idle"]
        self.samples.append(Sample(at_s, phases["init"], busy, idle, len(self.gone)))

    def live(self, at_s: float, due: int) -> LiveLoad:
        """`due` requests should have been sent by now."""
        over = len(self.rows)
        return LiveLoad(
            self._label, self._load, at_s, self._for_s, len(self._times), max(due, over), max(0, due - over),
            self._counts[SERVED], self._counts[THROTTLED], self._counts[FAILED],
            self.samples[-1] if self.samples else Sample(at_s), tuple(percentiles(self._latest, 0.5, 0.9, 0.99)),
            self._life.lanes(),
        )  # fmt: skip

"""PURE: what a memory size would cost and take on Lambda: a model of CPU shares over calls measured here.

A local process has whole CPUs whatever memory its function was given, so local times say nothing of memory. What is
measured is how much of a call is CPU time; how long that takes with a share of a CPU is a model:

    share     memory / 1769 of a vCPU ("At 1,769 MB, a function has the equivalent of one vCPU", Lambda's guide)
    duration  the time it waited + CPU time / min(share, parallel)

where `parallel` is how many CPUs the call kept busy here, and at least one: more than one vCPU helps only what ran in
parallel. Waiting does not become faster. A vCPU is taken to be as fast as a CPU of this machine, which it is not:
compare the sizes with each other, not with AWS's.

The record is that of AWS Lambda Power Tuning (alexcasalboni/aws-lambda-power-tuning: analyzer.js, utils.js): durations
are means without the top and bottom fifth, the cost of a call is its mean duration in whole milliseconds times the
price of its GB-s, without the price per request; `balanced` weighs cost and duration as shares of their largest.
"""

from __future__ import annotations

import math
from array import array
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from labkit.billing import US_EAST_1, PriceTable
from labkit.distributions import probability, whole
from labkit.errors import BadLoad, nearest

MEMORY_MB = (128, 256, 512, 1024, 1536, 3008)  # the tool's own
LEAST_MB, MOST_MB = 128, 10_240
MB_PER_VCPU = 1769
RUNTIME_S = 0.002  # CPU time of the runtime around a call: so little beyond the call's own time is not parallel work
TRIMMED = 0.2
STRATEGIES = ("cost", "speed", "balanced")
VISUALIZATION = "https://lambda-power-tuning.show/"


@dataclass(frozen=True, slots=True)
class Call:
    """One warm call as it was here: from event to answer, and the CPU time of its process meanwhile."""

    wall_s: float
    cpu_s: float

    @property
    def parallel(self) -> float:
        """How many CPUs it kept busy; 1 for whatever is not parallel."""
        return self.cpu_s / self.wall_s if self.cpu_s > self.wall_s + RUNTIME_S and self.wall_s > 0 else 1.0

    def duration_s(self, memory_mb: int) -> float:
        """How long it would take with the CPU share that goes with this memory, by the model.

        >>> Call(wall_s=0.3, cpu_s=0.1).duration_s(memory_mb=884.5)  # half a vCPU: 0.2 s waiting, 0.1 s of CPU
        0.4
        """
        busy_s = min(self.wall_s, self.cpu_s / self.parallel)
        return self.wall_s - busy_s + busy_s * self.parallel / min(memory_mb / MB_PER_VCPU, self.parallel)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Calls measured at one size; `failed` names the error that ended them."""

    memory_mb: int
    calls: tuple[Call, ...]
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Power:
    """One size: what a call costs and takes by the model, beside what was measured. All times are trimmed means."""

    memory_mb: int
    usd: float = math.nan
    duration_s: float = math.nan
    total_usd: float = 0.0
    wall_s: float = math.nan
    cpu_s: float = math.nan
    n: int = 0
    failed: str = ""

    @property
    def share(self) -> float:
        """vCPUs."""
        return self.memory_mb / MB_PER_VCPU


@dataclass(frozen=True, slots=True, repr=False)
class PowerTuning:
    """The result of `Lab.power`: one `Power` per size in `rows`, and the `best` by the strategy."""

    label: str
    calibrated: tuple[Calibrated, ...]
    timeout_s: float
    strategy: str = "cost"
    balanced_weight: float = 0.5
    prices: PriceTable = US_EAST_1
    architecture: str = "x86_64"

    def __repr__(self) -> str:
        best = f"{self.best.memory_mb} MB is best for {self.strategy}" if self.best else "no size works"
        return (
            f"<PowerTuning {self.label}: {best}, of {', '.join(str(row.memory_mb) for row in self.rows)} MB; modelled>"
        )

    @property
    def rows(self) -> tuple[Power, ...]:
        return tuple(self._row(size) for size in sorted(self.calibrated, key=lambda size: size.memory_mb))

    def _row(self, size: Calibrated) -> Power:
        if size.failed or not size.calls:
            return Power(size.memory_mb, failed=size.failed or "no call")
        durations = [call.duration_s(size.memory_mb) for call in size.calls]
        mean_s = trimmed_mean(durations)
        late = mean_s > self.timeout_s
        return Power(
            size.memory_mb,
            usd=self._usd(mean_s, size.memory_mb),
            duration_s=mean_s,
            total_usd=sum(self._usd(duration, size.memory_mb) for duration in durations),
            wall_s=trimmed_mean([call.wall_s for call in size.calls]),
            cpu_s=trimmed_mean([call.cpu_s for call in size.calls]),
            n=len(size.calls),
            failed=f"would take longer than its timeout of {self.timeout_s:g} s" if late else "",
        )

    def _usd(self, duration_s: float, memory_mb: int) -> float:
        per_gb_s = self.prices.per_gb_s[self.architecture]
        return math.ceil(round(duration_s * 1000, 6)) / 1000 * memory_mb / 1024 * per_gb_s

    @property
    def working(self) -> tuple[Power, ...]:
        return tuple(row for row in self.rows if not row.failed)

    @property
    def best(self) -> Power | None:
        """By the strategy; None if no size works."""
        return best(self.working, self.strategy, self.balanced_weight)

    @property
    def visualization(self) -> str:
        """An address of the tool's own page; the numbers are in its fragment, which a browser sends to nobody."""
        rows = self.working
        columns = (
            array("h", [row.memory_mb for row in rows]),
            array("f", [row.duration_s * 1000 for row in rows]),
            array("f", [row.usd for row in rows]),
        )
        return f"{VISUALIZATION}#{';'.join(b64encode(column.tobytes()).decode() for column in columns)}"

    def as_dict(self) -> dict[str, object]:
        """As the tool's state machine returns it; no state machine ran, so that costs nothing. Duration in ms."""
        if self.best is None:
            return {}
        return {
            "power": self.best.memory_mb,
            "cost": self.best.usd,
            "duration": self.best.duration_s * 1000,
            "stateMachine": {
                "executionCost": 0.0,
                "lambdaCost": sum(row.total_usd for row in self.working),
                "visualization": self.visualization,
            },
        }


def best(rows: Sequence[Power], strategy: str, weight: float = 0.5) -> Power | None:
    """The cheapest, the fastest, or the balanced one: 0 weighs duration only, 1 cost only."""
    if not rows:
        return None
    if strategy == "cost":
        return min(rows, key=lambda row: (row.usd, row.duration_s))
    if strategy == "speed":
        return min(rows, key=lambda row: (row.duration_s, row.usd))
    most_usd, most_s = max(row.usd for row in rows), max(row.duration_s for row in rows)
    return min(rows, key=lambda row: weight * row.usd / most_usd + (1 - weight) * row.duration_s / most_s)


def trimmed_mean(values: Sequence[float], share: float = TRIMMED) -> float:
    """Without this share at the top and at the bottom.

    >>> trimmed_mean([1.0, 2.0, 3.0, 4.0, 100.0])
    3.0
    """
    cut = int(len(values) * share)
    return fmean(sorted(values)[cut : len(values) - cut])


def checked(memory_mb: Sequence[int], n: int, strategy: str, balanced_weight: float) -> tuple[int, ...]:
    """The sizes, each once. Raises BadLoad."""
    for size in memory_mb:
        if isinstance(size, bool) or not isinstance(size, int) or not LEAST_MB <= size <= MOST_MB:
            raise BadLoad(f"{size!r} MB: a function has {LEAST_MB} to {MOST_MB:,} MB.", hint="For example 128,512,1769")
    if not memory_mb:
        raise BadLoad("There is no memory size to compare.", hint="For example 128,512,1769")
    whole("n, the number of calls,", n, least=1)
    probability("the balanced weight", balanced_weight)
    if strategy not in STRATEGIES:
        near = nearest(strategy, STRATEGIES)
        hint = f"Did you mean {near}?" if near else f"The strategies are {', '.join(STRATEGIES)}."
        raise BadLoad(f"There is no strategy {strategy}.", hint=hint)
    return tuple(dict.fromkeys(memory_mb))

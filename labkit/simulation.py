"""What a simulation found: one row per request and per environment in plain arrays, and what follows from them.

About 30 bytes a request, so millions fit; everything else is a pure function of the columns. `traces` and `outcomes`
are the records that a live run leaves, so measures, bills and plots take them alike.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from labkit.billing import US_EAST_1, Bill, PriceTable, billed_ms, priced
from labkit.model import LATEST, Outcome, Outcomes, Status, Trace

PENDING, SERVED, THROTTLED, FAILED = range(4)
NOBODY = -1  # of environments: the request had none
SHOWN = 2000  # more dots than that are no picture


@dataclass(frozen=True, slots=True)
class Requests:
    """Columns, one place per request, in the order of arrival; times in seconds from the start.

    `started` is when the handler was called, `ended` when the request was answered: at once, if it was throttled. Who
    was never served has no `started` (nan). `environment` counts from 0.
    """

    arrived: array[float] = field(default_factory=lambda: array("d"))
    started: array[float] = field(default_factory=lambda: array("d"))
    ended: array[float] = field(default_factory=lambda: array("d"))
    environment: array[int] = field(default_factory=lambda: array("i"))
    status: bytearray = field(default_factory=bytearray)
    cold: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class Environments:
    """Columns, one place per environment. `ended` is infinite for those that lived on."""

    started: array[float] = field(default_factory=lambda: array("d"))
    ready: array[float] = field(default_factory=lambda: array("d"))
    ended: array[float] = field(default_factory=lambda: array("d"))
    provisioned: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of time: means over it, and how many requests were throttled or cold in it."""

    start_s: float
    end_s: float
    in_system: float  # requests being served or waiting; without a line, the concurrency that counts
    environments: float  # alive: initialising, busy or idle
    throttled: int
    cold: int  # that arrived in it


@dataclass(frozen=True, slots=True, repr=False)
class Simulation:
    """The result of `simulate`; its columns are in `requests` and `environments`."""

    label: str
    load: str
    for_s: float
    memory_mb: int
    requests: Requests
    environments: Environments
    provisioned: int = 0
    reasons: tuple[tuple[str, int], ...] = ()  # of throttles

    def __repr__(self) -> str:
        return (
            f"<Simulation {self.label}: {len(self):,} requests in {self.for_s:g} s, {self.served:,} served"
            f" ({self.cold:,} cold), {self.throttled:,} throttled, {self.failed:,} failed>"
        )

    def __len__(self) -> int:
        return len(self.requests.arrived)

    # --- counts and shares

    @property
    def served(self) -> int:
        return self.requests.status.count(SERVED)

    @property
    def throttled(self) -> int:
        return self.requests.status.count(THROTTLED)

    @property
    def failed(self) -> int:
        return self.requests.status.count(FAILED)

    @property
    def cold(self) -> int:
        return self.requests.cold.count(1)

    @property
    def cold_share(self) -> float:
        """Of the requests that reached a handler."""
        return _share(self.cold, len(self) - self.requests.environment.count(NOBODY))

    @property
    def throttled_share(self) -> float:
        return _share(self.throttled, len(self))

    # --- times

    def waits_s(self) -> list[float]:
        """Of each request that was served: from its arrival to its handler's call."""
        r = self.requests
        rows = zip(r.status, r.arrived, r.started, strict=True)
        return [started - arrived for status, arrived, started in rows if status == SERVED]

    def totals_s(self) -> list[float]:
        """Of each request that was served: from its arrival to its answer."""
        r = self.requests
        rows = zip(r.status, r.arrived, r.ended, strict=True)
        return [ended - arrived for status, arrived, ended in rows if status == SERVED]

    def quantiles_s(self, *shares: float) -> tuple[float, ...]:
        """Of the times from arrival to answer; nan if nothing was served.

        >>> median, p99 = result.quantiles_s(0.5, 0.99)
        """
        times = sorted(self.totals_s())
        if not times:
            return tuple(math.nan for _ in shares)
        return tuple(times[min(len(times) - 1, int(share * len(times)))] for share in shares)

    # --- concurrency

    @property
    def mean_in_system(self) -> float:
        """Requests being served or waiting, on average over `for_s`: Little's L."""
        return self.moments(1)[0].in_system

    @property
    def peak_in_system(self) -> int:
        """The most requests that were being served or waiting at one moment."""
        began, ended = self._stays()
        ends, i, most = sorted(ended), 0, 0
        for n, time in enumerate(began, 1):
            while i < len(ends) and ends[i] <= time:
                i += 1
            most = max(most, n - i)
        return most

    def moments(self, n: int = 200) -> list[Moment]:
        """The run cut into n stretches of equal length; exact means, not samples.

        >>> [round(m.in_system, 1) for m in result.moments(4)]
        [4.7, 4.7, 4.7, 4.8]
        """
        width = self.for_s / n
        began, ended = self._stays()
        in_system = _occupancy(began, ended, width, n)
        alive = _occupancy(self.environments.started, self.environments.ended, width, n)
        throttled = self._counted(self.requests.status, THROTTLED, width, n)
        cold = self._counted(self.requests.cold, True, width, n)
        rows = zip(in_system, alive, throttled, cold, strict=True)
        return [Moment(i * width, (i + 1) * width, *row) for i, row in enumerate(rows)]

    def _counted(self, column: bytearray, value: int, width: float, n: int) -> list[int]:
        """How many requests with this value arrived in each stretch."""
        counts = [0] * n
        for time, found in zip(self.requests.arrived, column, strict=True):
            if found == value:
                counts[min(n - 1, int(time / width))] += 1
        return counts

    def _stays(self) -> tuple[Sequence[float], Sequence[float]]:
        """From when to when each request counted; the throttled ones never did."""
        r = self.requests
        rows = zip(r.status, r.arrived, r.ended, strict=True)
        stays = [(arrived, ended) for status, arrived, ended in rows if status != THROTTLED]
        return [began for began, _ in stays], [ended for _, ended in stays]

    # --- as a live run's records

    def traces(self) -> Iterator[Trace]:
        """Of every request that reached a handler, one after the other, as the emulator would have left them."""
        r, e = self.requests, self.environments
        rows = zip(r.arrived, r.started, r.ended, r.environment, r.status, r.cold, strict=True)
        for i, (arrived, started, ended, environment, status, cold) in enumerate(rows):
            if environment != NOBODY:
                yield Trace(
                    request_id=f"simulated-{i}",
                    function_name=self.label,
                    version=LATEST,
                    environment_id=f"{environment:08x}",
                    log_stream="",
                    arrived_at=arrived,
                    queued_s=started - arrived,
                    duration_s=ended - started,
                    memory_mb=self.memory_mb,
                    max_memory_mb=0,
                    status=Status.SUCCESS if status == SERVED else Status.ERROR,
                    error_type=None if status == SERVED else "Runtime.ExitError",
                    init_s=e.ready[environment] - e.started[environment] if cold else None,
                )

    def outcomes(self, most: int = SHOWN) -> Outcomes:
        """The first `most` calls, for the tables and figures of `%coldstart`."""
        first = islice(self.traces(), most)
        return Outcomes(self.label, tuple(Outcome(self.label, t.status, trace=t) for t in first))

    def bill(self, *, architecture: str = "x86_64", prices: PriceTable = US_EAST_1) -> Bill:
        """What the requests cost together, and what was provisioned for as long as the run took.

        Throttled requests cost nothing, and neither do requests whose environment never started.
        """
        on_demand_ms = provisioned_ms = calls = 0
        r, e = self.requests, self.environments
        rows = zip(r.started, r.ended, r.environment, r.cold, strict=True)
        for started, ended, environment, cold in rows:
            if environment == NOBODY:
                continue
            calls += 1
            if e.provisioned[environment]:
                provisioned_ms += billed_ms(ended - started, None)
            else:
                init_s = e.ready[environment] - e.started[environment] if cold else None
                on_demand_ms += billed_ms(ended - started, init_s)
        return priced(
            calls,
            on_demand_ms / 1000,
            self.memory_mb,
            on_provisioned_s=provisioned_ms / 1000,
            provisioned=self.provisioned,
            kept_for_s=self.for_s,
            architecture=architecture,
            prices=prices,
        )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _occupancy(began: Sequence[float], ended: Sequence[float], width: float, n: int) -> list[float]:
    """How many of the intervals there are, on average over each of n stretches of this width."""
    level, here = [0.0] * (n + 1), [0.0] * (n + 1)
    for times, sign in ((began, 1), (ended, -1)):
        for time in times:
            place = time / width
            if place < n:  # a change inside a stretch counts for what is left of it, then for the whole of the next
                k = int(place)
                here[k] += sign * (k + 1 - place)
                level[k + 1] += sign
    total, found = 0.0, []
    for k in range(n):
        total += level[k]
        found.append(max(0.0, total + here[k]))
    return found

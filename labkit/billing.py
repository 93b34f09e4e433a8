"""What an invocation costs: rounding to milliseconds, GB-seconds, and price tables that carry their date.

Pure functions of a `Trace`. Prices are data: a bill names the table it used.
Source: https://aws.amazon.com/lambda/pricing/ (us-east-1); since 2025-08-01 the init phase of functions packaged
as ZIP on managed runtimes is billed (AWS Compute Blog, "AWS Lambda standardizes billing for INIT Phase").
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from labkit.model import Trace


@dataclass(frozen=True, slots=True)
class PriceTable:
    """US dollars. `per_gb_s` by architecture; `per_million_requests` on top."""

    as_of: date
    region: str
    per_gb_s: dict[str, float]
    per_million_requests: float
    kept_per_gb_s: dict[str, float]  # a provisioned environment, used or not
    on_provisioned_per_gb_s: dict[str, float]  # the time that it serves, on top


US_EAST_1 = PriceTable(
    as_of=date(2025, 8, 1),
    region="us-east-1",
    per_gb_s={"x86_64": 0.0000166667, "arm64": 0.0000133334},
    per_million_requests=0.20,
    kept_per_gb_s={"x86_64": 0.0000041667, "arm64": 0.0000033334},
    on_provisioned_per_gb_s={"x86_64": 0.0000097222, "arm64": 0.0000077778},
)


KEPT_STEP_S = 300  # "rounded up to the nearest five minutes"


@dataclass(frozen=True, slots=True)
class Bill:
    billed_s: float
    gb_s: float
    usd: float
    prices: PriceTable


def billed_ms(duration_s: float, init_s: float | None) -> int:
    """Whole milliseconds, rounded up once over init and duration together; at least 1.

    The sum is rounded to the microsecond first, so that 3.0 ms measured as 3.0000000000000004 stays 3.
    """
    return max(1, math.ceil(round((duration_s + (init_s or 0.0)) * 1000, 3)))


def bill(trace: Trace, *, architecture: str = "x86_64", prices: PriceTable = US_EAST_1) -> Bill:
    """The price of one invocation.

    >>> bill(trace).usd        # 128 MB for 4 ms, one request
    2.0834e-07
    """
    billed_s = billed_ms(trace.duration_s, trace.startup_s) / 1000
    return priced(1, billed_s, trace.memory_mb, architecture=architecture, prices=prices)


def priced(
    requests: int,
    billed_s: float,
    memory_mb: int,
    *,
    on_provisioned_s: float = 0.0,
    provisioned: int = 0,
    kept_for_s: float = 0.0,
    architecture: str = "x86_64",
    prices: PriceTable = US_EAST_1,
) -> Bill:
    """The price of many requests: `billed_s` on demand, `on_provisioned_s` served by provisioned environments.

    That many environments were kept for so long, which the pricing page rounds up to five minutes.
    """
    gb = memory_mb / 1024
    kept_s = provisioned * math.ceil(kept_for_s / KEPT_STEP_S) * KEPT_STEP_S
    usd = (
        billed_s * gb * prices.per_gb_s[architecture]
        + on_provisioned_s * gb * prices.on_provisioned_per_gb_s[architecture]
        + kept_s * gb * prices.kept_per_gb_s[architecture]
        + requests * prices.per_million_requests / 1_000_000
    )
    return Bill(billed_s + on_provisioned_s, (billed_s + on_provisioned_s) * gb, usd, prices)


@dataclass(frozen=True, slots=True)
class FunctionCost:
    """What the calls of one function at one memory size cost. Seconds and dollars are those of all its requests."""

    function_name: str
    memory_mb: int
    requests: float
    cold: float
    billed_s: float
    gb_s: float
    usd_for_time: float
    usd_for_requests: float

    @property
    def usd(self) -> float:
        return self.usd_for_time + self.usd_for_requests

    def times(self, factor: float) -> FunctionCost:
        """The same calls so many times as often."""
        return replace(
            self,
            requests=self.requests * factor,
            cold=self.cold * factor,
            billed_s=self.billed_s * factor,
            gb_s=self.gb_s * factor,
            usd_for_time=self.usd_for_time * factor,
            usd_for_requests=self.usd_for_requests * factor,
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """The bill of what was run, by function and memory size; `projected`: for so many requests to each, not for those.

    On demand, without the free tier. Times are this machine's.
    """

    rows: tuple[FunctionCost, ...]
    prices: PriceTable
    architecture: str = "x86_64"
    projected: float | None = None

    @property
    def usd(self) -> float:
        return sum(row.usd for row in self.rows)

    def for_requests(self, requests: float) -> Cost:
        """What so many requests to each function would cost, if they took as long and met as many cold starts.

        >>> lab.cost("predict").for_requests(1e6).usd
        """
        rows = tuple(row.times(requests / row.requests) for row in self.rows)
        return replace(self, rows=rows, projected=requests)

    def __repr__(self) -> str:
        requests = sum(row.requests for row in self.rows)
        return f"<Cost USD {self.usd:.3g} for {requests:,.0f} requests, prices of {self.prices.as_of}>"


def cost(traces: Iterable[Trace], *, architecture: str = "x86_64", prices: PriceTable = US_EAST_1) -> Cost:
    """The bill of these invocations. Failed ones are billed as well; throttled ones are none."""
    found: dict[tuple[str, int], list[Trace]] = {}
    for trace in traces:
        found.setdefault((trace.function_name, trace.memory_mb), []).append(trace)
    rows = []
    for (name, memory_mb), calls in sorted(found.items()):
        billed_s = sum(billed_ms(call.duration_s, call.startup_s) for call in calls) / 1000
        time_only = priced(0, billed_s, memory_mb, architecture=architecture, prices=prices)
        requests_only = priced(len(calls), 0.0, memory_mb, architecture=architecture, prices=prices)
        cold = sum(call.cold for call in calls)
        rows.append(
            FunctionCost(name, memory_mb, len(calls), cold, billed_s, time_only.gb_s, time_only.usd, requests_only.usd)
        )
    return Cost(tuple(rows), prices, architecture)

"""What an invocation costs: rounding to milliseconds, GB-seconds, and price tables that carry their date.

Pure functions of a `Trace`. Prices are data: a bill names the table it used.
Source: https://aws.amazon.com/lambda/pricing/ (us-east-1); since 2025-08-01 the init phase of functions packaged
as ZIP on managed runtimes is billed (AWS Compute Blog, "AWS Lambda standardizes billing for INIT Phase").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from labkit.model import Trace


@dataclass(frozen=True, slots=True)
class PriceTable:
    """US dollars. `per_gb_s` by architecture; `per_million_requests` on top."""

    as_of: date
    region: str
    per_gb_s: dict[str, float]
    per_million_requests: float


US_EAST_1 = PriceTable(
    as_of=date(2025, 8, 1),
    region="us-east-1",
    per_gb_s={"x86_64": 0.0000166667, "arm64": 0.0000133334},
    per_million_requests=0.20,
)


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
    gb_s = billed_s * trace.memory_mb / 1024
    usd = gb_s * prices.per_gb_s[architecture] + prices.per_million_requests / 1_000_000
    return Bill(billed_s, gb_s, usd, prices)

"""Bootstrap intervals of medians and of their ratios: standard library only, seeded, the same on every machine.

Method: percentile bootstrap. Draw as many values as there are, with replacement, take the median, repeat, and cut
off the tails. The medians are drawn without building the samples: a uniform draw picks the value at place
`floor(n * u)` of the sorted values, so the median of n draws sits at the median of n uniform numbers, which follows
a Beta distribution. That is the same bootstrap, at a cost that does not grow with n.

What it cannot do: with fewer than six values even the full range misses the true median more than 5 % of the time
(twice in 2**n), so the interval is then narrower than its name says.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import median

FEWEST_FOR_95_PERCENT = 6


def median_interval(
    values: Sequence[float], *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """The median and its bootstrap percentile interval, in the values' unit: (median, low, high).

    One value gives (x, x, x). Raises ValueError for no values, or values that are not finite.

    >>> median_interval([3.0, 1.0, 2.0])
    (2.0, 1.0, 3.0)
    """
    ordered = _checked(values, confidence, resamples)
    draw = random.Random(seed)
    low, high = _percentiles([_resampled_median(ordered, draw) for _ in range(resamples)], confidence)
    return median(ordered), low, high


def ratio_interval(
    a: Sequence[float], b: Sequence[float], *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """The ratio of two medians, a over b, and its bootstrap percentile interval: (ratio, low, high).

    The two groups are resampled independently. Raises ValueError if either is empty or b has a value that is not
    positive.
    """
    above, below = _checked(a, confidence, resamples), _checked(b, confidence, resamples)
    if below[0] <= 0:
        raise ValueError(f"a ratio needs positive values to divide by; the smallest is {below[0]}")
    draw = random.Random(seed)
    ratios = [_resampled_median(above, draw) / _resampled_median(below, draw) for _ in range(resamples)]
    low, high = _percentiles(ratios, confidence)
    return median(above) / median(below), low, high


def _checked(values: Sequence[float], confidence: float, resamples: int) -> list[float]:
    if not values:
        raise ValueError("no values: a median needs at least one")
    if not all(math.isfinite(value) for value in values):
        raise ValueError("a median needs finite values")
    if not 0 < confidence < 1 or resamples < 1:
        raise ValueError(f"confidence must lie between 0 and 1, resamples be at least 1: {confidence}, {resamples}")
    return sorted(values)


def _resampled_median(ordered: Sequence[float], draw: random.Random) -> float:
    n = len(ordered)
    half = n // 2
    if n % 2:
        return ordered[_place(draw.betavariate(half + 1, half + 1), n)]
    # the two middle ones of n uniforms: the lower is Beta(half, half + 1), the next is the least of `half` above it
    lower = draw.betavariate(half, half + 1)
    upper = 1 - (1 - lower) * (1 - draw.random()) ** (1 / half)
    # halves first: the sum of two huge values would overflow
    return ordered[_place(lower, n)] / 2 + ordered[_place(upper, n)] / 2


def _place(u: float, n: int) -> int:
    return min(int(u * n), n - 1)


def _percentiles(values: list[float], confidence: float) -> tuple[float, float]:
    values.sort()
    tail = (1 - confidence) / 2
    low = max(0, math.ceil(round(tail * len(values), 6)) - 1)
    return values[low], values[len(values) - 1 - low]

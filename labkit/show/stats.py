"""Bootstrap intervals of medians and of their ratios, exact ones of quantiles: standard library only, seeded, the same
on every machine.

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


def quantile_interval(values: Sequence[float], share: float, *, confidence: float = 0.95) -> tuple[float, float, float]:
    """A quantile and its exact distribution-free interval, in the values' unit: (quantile, low, high).

    How many of n independent values lie below the true quantile is binomial (n, share), whatever they are distributed
    like; so two of the sorted values enclose it with at least this confidence (W. J. Conover, Practical Nonparametric
    Statistics, section 3.2; H. A. David and H. N. Nagaraja, Order Statistics, section 7.1). Where even the smallest or
    the largest value does not, that end is -inf or inf: 90 % has an upper end from 36 values on. The quantile is the
    smallest value that `share` of them do not exceed. Raises ValueError as `median_interval`, and for a share outside
    of 0 to 1.

    >>> quantile_interval([float(k) for k in range(1, 11)], 0.5)
    (5.0, 2.0, 9.0)
    """
    ordered = _checked(values, confidence, 1)
    if not 0 < share < 1:
        raise ValueError(f"a quantile's share must lie between 0 and 1, both excluded: {share}")
    n, tail = len(ordered), (1 - confidence) / 2
    chances = [_binomial(k, n, share) for k in range(n + 1)]
    below, low = 0.0, -math.inf
    for k, value in enumerate(ordered):
        below += chances[k]  # that at most k values lie below the quantile: then the next one is above it
        if below > tail:
            break
        low = value
    above, high = 0.0, math.inf
    for k in range(n, 0, -1):
        above += chances[k]
        if above > tail:
            break
        high = ordered[k - 1]
    return ordered[min(n - 1, math.ceil(round(share * n, 9)) - 1)], low, high


def _binomial(k: int, n: int, share: float) -> float:
    choices = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(choices + k * math.log(share) + (n - k) * math.log1p(-share))


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

"""PURE: how long something takes: constant, exponential, lognormal, or resampled from what was measured.

A `Distribution` is a description; `draws(random)` is an endless stream of seconds from it, by the generator that it
is given, so the same seed gives the same times. Standard library only: numbers drawn one by one cost less than the
scheduler's decision about them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from random import Random
from statistics import fmean, pstdev

from labkit.errors import BadLoad


@dataclass(frozen=True, slots=True)
class Distribution:
    """Seconds with a mean and a coefficient of variation `cv` (standard deviation over mean)."""

    name: str
    mean_s: float
    cv: float
    draws: Callable[[Random], Iterator[float]] = field(repr=False, compare=False)


def constant(seconds: float) -> Distribution:
    """Always the same."""
    seconds = amount("a constant time", seconds, unit="s")
    return Distribution("constant", seconds, 0.0, lambda random: repeat(seconds))


def exponential(mean_s: float) -> Distribution:
    """Without memory: density e^(-x / mean) / mean. The times of Erlang's formulas.

    >>> [round(t, 3) for t in islice(exponential(0.1).draws(Random(1)), 3)]
    [0.014, 0.188, 0.144]
    """
    mean_s = amount("the mean of an exponential time", mean_s, unit="s", above_zero=True)

    def draws(random: Random) -> Iterator[float]:
        uniform, log = random.random, math.log
        while True:
            yield -log(1.0 - uniform()) * mean_s  # 1 - u is never 0

    return Distribution("exponential", mean_s, 1.0, draws)


def lognormal(mean_s: float, cv: float = 1.0) -> Distribution:
    """Never negative, with a long tail, as measured latencies are: e^X for a normal X.

    With s² = ln(1 + cv²), X has the variance s² and the mean ln(mean) - s² / 2 (Johnson, Kotz and Balakrishnan,
    Continuous Univariate Distributions, vol. 1, ch. 14).
    """
    mean_s = amount("the mean of a lognormal time", mean_s, unit="s", above_zero=True)
    variance = math.log1p(amount("a coefficient of variation", cv) ** 2)
    middle, spread = math.log(mean_s) - variance / 2, math.sqrt(variance)

    def draws(random: Random) -> Iterator[float]:
        normal, exp = random.gauss, math.exp
        while True:
            yield exp(normal(middle, spread))

    return Distribution("lognormal", mean_s, cv, draws)


def empirical(times_s: Iterable[float]) -> Distribution:
    """Measured times drawn again, each as likely as any other: the bootstrap's view of them.

    What was never measured never comes: a few values have no tail.
    """
    values = tuple(amount("a measured time", value, unit="s") for value in times_s)
    if not values:
        raise BadLoad("An empirical distribution needs at least one measured time; there is none.")

    def draws(random: Random) -> Iterator[float]:
        uniform, n = random.random, len(values)
        while True:
            yield values[int(uniform() * n)]

    mean_s = fmean(values)
    return Distribution(f"{len(values)} measured", mean_s, pstdev(values) / mean_s if mean_s else 0.0, draws)


def as_distribution(times: Distribution | float) -> Distribution:
    """A plain number means always that."""
    return times if isinstance(times, Distribution) else constant(times)


def amount(what: str, value: float, *, unit: str = "", above_zero: bool = False) -> float:
    """A finite number that is not negative, or is above zero. Raises BadLoad."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadLoad(f"{what} is {value!r}; expected a finite number{' of ' + unit if unit else ''}.")
    if value < 0 or (above_zero and value == 0):
        raise BadLoad(
            f"{what} is {value:g}; expected {'more than 0' if above_zero else 'at least 0'} {unit}".rstrip() + "."
        )
    return float(value)


def whole(what: str, value: int, *, least: int = 0) -> int:
    """A whole number. Raises BadLoad."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise BadLoad(f"{what} is {value!r}; expected a whole number, at least {least}.")
    return value


def probability(what: str, value: float) -> float:
    """A number from 0 to 1. Raises BadLoad."""
    if not 0 <= amount(what, value) <= 1:
        raise BadLoad(f"{what} is {value:g}; a probability lies between 0 and 1.")
    return float(value)

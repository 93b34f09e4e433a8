"""PURE: arrival patterns: when requests are sent, in seconds from the start.

A `Load` can be iterated as often as one likes and gives the same times each time, in order, from 0 up to but without
`for_s`; the random ones by their seed. They are open: requests come whether or not earlier ones were answered. A
`ClosedLoop` is not: its clients wait for their answers, so an overloaded function slows its own load down (Schroeder,
Wierman and Harchol-Balter, "Open Versus Closed: A Cautionary Tale", NSDI 2006).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from labkit.distributions import Distribution, amount, as_distribution, whole
from labkit.errors import BadLoad, nearest

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, repr=False)
class Load:
    """Send times. `name` says the pattern in words."""

    name: str
    for_s: float
    make: Callable[[], Iterator[float]] = field(compare=False)

    def __iter__(self) -> Iterator[float]:
        return self.make()

    def __repr__(self) -> str:
        return f"<Load {self.name}, for {self.for_s:g} s>"


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Each client sends, waits for the answer, thinks, and sends again, until `for_s`. All begin at 0.

    `think` are seconds, or a distribution of them. A client that was refused thinks, but at least `retry_s`.

    >>> len(simulate(ClosedLoop(clients=10, for_s=60, think=1.0), service=0.2))  # every 1.2 s, ten requests
    500
    """

    clients: int
    for_s: float
    think: Distribution | float = 0.0
    retry_s: float = 1.0

    def __post_init__(self) -> None:
        whole("the number of clients", self.clients, least=1)
        _length(self.for_s)
        amount("retry_s", self.retry_s, unit="s", above_zero=True)
        as_distribution(self.think)

    @property
    def name(self) -> str:
        return f"closed loop, {self.clients} clients"


def constant(rate: float, *, for_s: float) -> Load:
    """Evenly spaced: request k at k / rate.

    >>> list(constant(2, for_s=2))
    [0.0, 0.5, 1.0, 1.5]
    """
    rate, for_s = _rate(rate), _length(for_s)
    # k / rate, not a running sum: the last of a million is as exact as the first
    return Load(
        f"constant, {rate:g}/s", for_s, lambda: (k / rate for k in range(math.ceil(for_s * rate)) if k / rate < for_s)
    )


def poisson(rate: float, *, for_s: float, seed: int = 0) -> Load:
    """Many independent users: gaps are exponential with the mean 1 / rate (Kingman, Poisson Processes, ch. 4).

    >>> len(list(poisson(100, for_s=60)))  # 6,000 on average, give or take 77
    6021
    """
    rate, for_s = _rate(rate), _length(for_s)
    return Load(f"Poisson, {rate:g}/s", for_s, lambda: _poisson(Random(f"load {seed}"), rate, 0.0, for_s))


def bursts(size: int, *, every_s: float, for_s: float, spread_s: float = 0.0, seed: int = 0) -> Load:
    """`size` requests every `every_s` seconds: at once, or each uniformly somewhere in the next `spread_s`.

    >>> list(bursts(2, every_s=10, for_s=20))
    [0.0, 0.0, 10.0, 10.0]
    """
    whole("the size of a burst", size, least=1)
    every_s, for_s = amount("every_s", every_s, unit="s", above_zero=True), _length(for_s)
    if amount("spread_s", spread_s, unit="s") > every_s:
        raise BadLoad(f"spread_s is {spread_s:g} and every_s {every_s:g}: bursts would overlap.")

    def times() -> Iterator[float]:
        random = Random(f"load {seed}")
        for k in range(math.ceil(for_s / every_s)):
            burst = sorted(k * every_s + random.random() * spread_s for _ in range(size))
            yield from (t for t in burst if t < for_s)

    return Load(f"bursts of {size} every {every_s:g} s", for_s, times)


def steps(levels: Sequence[tuple[float, float]], *, seed: int = 0) -> Load:
    """One rate after the other, each a pair (rate, seconds); Poisson within a level, and a rate of 0 is a pause.

    >>> steps([(10, 60), (100, 10), (10, 60)])  # a spike
    <Load steps of 10, 100, 10/s, for 130 s>
    """
    if not levels:
        raise BadLoad("steps needs at least one level, a pair (rate, seconds); there is none.")
    checked = [(amount("the rate of a level", rate, unit="1/s"), _length(seconds)) for rate, seconds in levels]

    def times() -> Iterator[float]:
        random, start = Random(f"load {seed}"), 0.0
        for rate, seconds in checked:
            if rate:
                yield from _poisson(random, rate, start, start + seconds)
            start += seconds

    rates = ", ".join(f"{rate:g}" for rate, _ in checked)
    return Load(f"steps of {rates}/s", sum(seconds for _, seconds in checked), times)


def diurnal(mean_rate: float, *, for_s: float, day_s: float = DAY_S, swing: float = 0.8, seed: int = 0) -> Load:
    """Day and night: Poisson with the rate mean_rate * (1 - swing * cos(2π t / day_s)); the night comes first.

    Drawn by thinning: arrivals at the highest rate, each kept with the share that its moment's rate has of it (Lewis
    and Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", Naval Research Logistics 26, 1979).
    """
    mean_rate, for_s = _rate(mean_rate), _length(for_s)
    day_s = amount("day_s", day_s, unit="s", above_zero=True)
    if amount("swing", swing) > 1:
        raise BadLoad(f"swing is {swing:g}: beyond 1 the rate would be negative at night.")

    def times() -> Iterator[float]:
        random, turn = Random(f"load {seed}"), 2 * math.pi / day_s
        for t in _poisson(random, mean_rate * (1 + swing), 0.0, for_s):
            if random.random() * (1 + swing) < 1 - swing * math.cos(turn * t):
                yield t

    return Load(f"day and night, {mean_rate:g}/s on average", for_s, times)


def replay(times_s: Iterable[float], *, speed: float = 1.0) -> Load:
    """Given times, such as the `arrived_at` of traces: moved so that the first is 0, and `speed` times as fast.

    >>> list(replay([1000.0, 1000.5, 1002.0], speed=2))
    [0.0, 0.25, 1.0]
    """
    speed = amount("speed", speed, above_zero=True)
    given = sorted(amount("a time to replay", t, unit="s") for t in times_s)
    if not given:
        raise BadLoad("There is no time to replay.")
    moved = tuple((t - given[0]) / speed for t in given)
    # the last request belongs to the load, and a load ends after its last
    return Load(f"{len(moved)} requests replayed", math.nextafter(moved[-1], math.inf), lambda: iter(moved))


def _bursts(rate: float, *, for_s: float, seed: int = 0) -> Load:
    return bursts(max(1, round(rate * 10)), every_s=10, for_s=for_s, seed=seed)


def _steps(rate: float, *, for_s: float, seed: int = 0) -> Load:
    return steps([(rate / 2, for_s / 3), (rate * 2, for_s / 3), (rate / 2, for_s / 3)], seed=seed)


def _diurnal(rate: float, *, for_s: float, seed: int = 0) -> Load:
    return diurnal(rate, for_s=for_s, day_s=for_s, seed=seed)


def _constant(rate: float, *, for_s: float, seed: int = 0) -> Load:
    return constant(rate, for_s=for_s)


PATTERNS: dict[str, Callable[..., Load]] = {
    "poisson": poisson,
    "constant": _constant,
    "bursts": _bursts,
    "steps": _steps,
    "diurnal": _diurnal,
}


def pattern(name: str, rate: float, *, for_s: float, seed: int = 0) -> Load:
    """A pattern by its name, with `rate` requests per second on average. Raises BadLoad, with the nearest name.

    bursts: ten seconds' requests every ten seconds. steps: thirds of the time at half, double and half the rate.
    diurnal: one day is as long as the load.
    """
    if name not in PATTERNS:
        near = nearest(name, PATTERNS)
        hint = f"Did you mean {near}?" if near else f"The patterns are {', '.join(PATTERNS)}."
        raise BadLoad(f"There is no pattern {name}.", hint=hint)
    return PATTERNS[name](rate, for_s=for_s, seed=seed)


def _poisson(random: Random, rate: float, start: float, end: float) -> Iterator[float]:
    uniform, log, mean_s = random.random, math.log, 1 / rate
    t = start - log(1.0 - uniform()) * mean_s
    while t < end:
        yield t
        t -= log(1.0 - uniform()) * mean_s


def _rate(rate: float) -> float:
    return amount("the rate", rate, unit="requests per second", above_zero=True)


def _length(for_s: float) -> float:
    return amount("the length of a load", for_s, unit="s", above_zero=True)

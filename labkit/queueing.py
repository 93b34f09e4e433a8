"""PURE: closed forms that a simulation can be held against, and the interval within which it must agree.

Notation: `load` is the offered load λ E[S] in erlangs (arrivals per second times the mean service time), `servers` the
limit on environments. Books: Kleinrock, Queueing Systems, vol. 1 (1975); Wolff, Stochastic Modeling and the Theory of
Queues (1989). Where they meet Lambda:

  * a synchronous request beyond the limit is throttled, not queued: with n reserved environments, `erlang_b`, whatever
    the distribution of service times;
  * what waits in a line until an environment is free (a queue before the function) meets `erlang_c`;
  * an environment that nobody used for `idle_timeout_s` is gone: `cold_share`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from labkit.distributions import amount, whole
from labkit.errors import BadLoad


def erlang_b(servers: int, load: float) -> float:
    """The share of requests that find all servers busy and are lost (M/G/n/n).

    Erlang (1917). By the recurrence B(0) = 1, B(n) = load B(n-1) / (n + load B(n-1)), which never overflows.

    >>> erlang_b(2, 1.0)
    0.2
    """
    whole("the number of servers", servers)
    amount("the offered load", load, above_zero=True)
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """The share of requests that must wait, where they wait in one line (M/M/n); 1 where the line grows for ever.

    C = B / (1 - ρ (1 - B)) with ρ = load / servers and Erlang's B (Kleinrock, 3.5).

    >>> erlang_c(1, 0.5)
    0.5
    """
    blocked = erlang_b(whole("the number of servers", servers, least=1), load)
    return 1.0 if load >= servers else blocked / (1 - load / servers * (1 - blocked))


def mean_wait_s(servers: int, rate: float, service_s: float) -> float:
    """The mean time in line of M/M/n, those who do not wait included: C E[S] / (n - load); infinite if overloaded."""
    load = rate * service_s
    return erlang_c(servers, load) * service_s / (servers - load) if load < servers else math.inf


def mean_wait_one_server_s(rate: float, service_s: float, cv: float) -> float:
    """The mean time in line of M/G/1: λ E[S²] / 2 (1 - ρ) (Pollaczek 1930, Khinchine 1932), E[S²] = E[S]² (1 + cv²)."""
    load = rate * service_s
    return rate * service_s**2 * (1 + cv**2) / (2 * (1 - load)) if load < 1 else math.inf


def concurrency(rate: float, total_s: float) -> float:
    """Little's law, L = λ W: requests in the system on average, from arrivals per second and mean time in it.

    It needs no assumption about distributions (Little, Operations Research 9, 1961). Without a limit, W is the mean
    service time: M/G/infinity, where the number of busy environments is Poisson with this mean.
    """
    return rate * total_s


def cold_share(rate: float, idle_timeout_s: float) -> float:
    """The share of cold starts with one environment and Poisson arrivals: e^(-λ τ).

    The time from an answer to the next arrival is exponential, because arrivals have no memory; the environment is
    gone if that time is longer than τ.

    >>> round(cold_share(1 / 300, 300), 3)
    0.368
    """
    return math.exp(-amount("the rate", rate) * amount("the idle timeout", idle_timeout_s))


# --- how sure a simulation is -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean of independent runs, and where the true mean lies with the given confidence."""

    mean: float
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def mean_interval(values: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Student's interval of the mean of independent values, such as one number from each of twenty seeds.

    Numbers within one run resemble their neighbours, and an interval made of them promises too much: repeat the run
    with other seeds (independent replications; Law, Simulation Modeling and Analysis, ch. 9). Raises BadLoad.

    >>> ten = Limits(reserved=10)
    >>> runs = [simulate(poisson(8, for_s=1000, seed=s), service=1.0, limits=ten, seed=s) for s in range(20)]
    >>> erlang_b(10, 8.0) in mean_interval([run.throttled_share for run in runs])
    True
    """
    if len(values) < 5:
        raise BadLoad(f"An interval needs at least 5 independent runs; there are {len(values)}.")
    if not 0 < confidence < 1:
        raise BadLoad(f"The confidence is {confidence:g}; expected a number between 0 and 1, such as 0.95.")
    mean, half = fmean(values), _student(confidence, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def _student(confidence: float, df: int) -> float:
    """Student's quantile, two-sided, by its expansion in 1 / df (Abramowitz and Stegun, 26.7.5)."""
    x = NormalDist().inv_cdf((1 + confidence) / 2)
    g1 = (x**3 + x) / 4
    g2 = (5 * x**5 + 16 * x**3 + 3 * x) / 96
    g3 = (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384
    g4 = (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160
    return x + g1 / df + g2 / df**2 + g3 / df**3 + g4 / df**4

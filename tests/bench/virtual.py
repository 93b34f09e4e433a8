"""Simulated requests a second, and how much of their cost the scheduler is."""

from __future__ import annotations

import time

from effort import Effort
from rows import Row, Target, compared, interleaved

from labkit.actions import Arrived, Finished, Ready
from labkit.distributions import exponential
from labkit.load import poisson
from labkit.scheduler import Scheduler
from labkit.simulate import simulate

RATE, SERVICE_S = 100.0, 0.1
MOST_US = 5.0  # a request: 200,000 a second


def simulation(effort: Effort) -> list[Row]:
    """A warm pool under Poisson arrivals, against the scheduler's own decisions with nothing around them."""
    forms = {
        "simulated": lambda: [simulated_us(effort.simulated_s)],
        "scheduler": lambda: [decided_us(round(RATE * effort.simulated_s))],
    }
    found = interleaved(forms, effort.simulation_rounds)
    return [
        compared("simulation", f"simulated request (target: {1e6 / MOST_US:,.0f}/s)", "µs",
                 rounds=found["simulated"], against="the scheduler alone", floor=found["scheduler"],
                 target=Target(MOST_US, of="median")),
    ]  # fmt: skip


def simulated_us(for_s: float) -> float:
    started = time.perf_counter()
    result = simulate(poisson(RATE, for_s=for_s), service=exponential(SERVICE_S), init=0.4)
    return (time.perf_counter() - started) * 1e6 / len(result)


def decided_us(requests: int) -> float:
    """One environment, a request and its end in turn."""
    scheduler = Scheduler(account_limit=1)
    arrived, ready, finished = Arrived("r", "f:1", "f"), Ready("00000001"), Finished("00000001")
    for event in (arrived, ready, finished):
        scheduler.handle(event, 0.0)
    started = time.perf_counter()
    for _ in range(requests):
        scheduler.handle(arrived, 1.0)
        scheduler.handle(finished, 1.0)
    return (time.perf_counter() - started) * 1e6 / requests

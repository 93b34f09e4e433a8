"""How often each measurement looks: enough to say something, or just enough to see that everything works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds of each measurement, and what one round of it is."""

    warm_rounds: int
    warm_calls: int
    flood_rounds: int
    flood_s: float
    cold_rounds: int
    cold_sklearn_rounds: int
    start_rounds: int
    moto_rounds: int
    memory_rounds: int
    invocations: int
    """So many are answered before an emulator's memory is looked at again."""
    functions: tuple[int, ...]
    """Deployed in one lab; the first is what the others are compared with."""
    alive: tuple[int, ...]
    """Environments of one function, as above."""
    lesson_rounds: int
    simulation_rounds: int
    simulated_s: float
    whole: bool
    """With what takes long to load or to run: scikit-learn, the peer from npm and the real lessons."""


FULL = Effort(
    warm_rounds=20, warm_calls=500, flood_rounds=9, flood_s=2.0, cold_rounds=15, cold_sklearn_rounds=9,
    start_rounds=11, moto_rounds=5, memory_rounds=5, invocations=100_000, functions=(1, 10, 100, 1000),
    alive=(1, 10, 50), lesson_rounds=3, simulation_rounds=7, simulated_s=2000.0, whole=True,
)  # fmt: skip
QUICK = Effort(
    warm_rounds=2, warm_calls=25, flood_rounds=1, flood_s=0.3, cold_rounds=2, cold_sklearn_rounds=1,
    start_rounds=1, moto_rounds=1, memory_rounds=1, invocations=300, functions=(1, 5),
    alive=(1, 3), lesson_rounds=1, simulation_rounds=2, simulated_s=20.0, whole=False,
)  # fmt: skip

"""Calls that meet no environment, against a bare process that imports the handler and calls it once."""

from __future__ import annotations

import time

from effort import Effort
from rows import Rounds, Row, Target, compared, interleaved
from stage import EVENTS, Stage, invocation_line, recycle, whole_process_s

COLD = {  # handler -> its row's words, at most so many times its floor
    "echo": ("cold_echo", "echo", Target(2.2)),
    "numpy_price": ("cold_numpy", "numpy", Target(1.15)),
    "sklearn_price": ("cold_sklearn", "sklearn", Target(1.03)),
}


def cold(stage: Stage, effort: Effort) -> list[Row]:
    """Calls that meet no environment, against a bare process that imports the handler and calls it once."""
    rows = []
    for name, (key, what, target) in COLD.items():
        rounds = effort.cold_sklearn_rounds if name == "sklearn_price" else effort.cold_rounds
        found = cold_rounds(stage, name, rounds)
        rows.append(
            compared(
                key,
                what,
                "ms",
                rounds=found["labkit"],
                against="python -c, whole process",
                floor=found["floor"],
                target=target,
            )
        )
    return rows


def cold_rounds(stage: Stage, name: str, rounds: int) -> dict[str, Rounds]:
    line = invocation_line(stage.lab, name)
    line.call()
    code = f"import {name}; {name}.handler({EVENTS[name]!r}, None)"

    def labkit() -> list[float]:
        recycle(stage.lab, name)
        started = time.perf_counter()
        line.call()
        return [(time.perf_counter() - started) * 1000]

    def floor() -> list[float]:
        return [whole_process_s(code, folder=stage.folder) * 1000]

    found = interleaved({"labkit": labkit, "floor": floor}, rounds)
    line.close()
    recycle(stage.lab, name)
    return found

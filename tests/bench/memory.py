"""Memory as proportional set size: the emulator, alone and after many invocations, and an environment."""

from __future__ import annotations

import time

from effort import Effort
from rows import Row, Target, compared
from stage import (
    EVENTS,
    SERVE,
    WAITING,
    Stage,
    environments,
    invocation_line,
    own_lab,
    recycle,
    resident_mib,
    running,
)
from start import list_functions

ECHO = "def handler(event, context):\n    return event\n"
CONNECTIONS = 8
PARTS = 10
REST_S = 0.5
HANDLERS = {  # handler -> its row's word, target of its environment
    "echo": ("echo", Target(1.3)),
    "numpy_price": ("numpy", None),
    "sklearn_price": ("sklearn", None),
}


def emulator_alone(effort: Effort) -> list[Row]:
    """A fresh emulator that has answered once. Nothing else of labkit may run: it would share its pages."""
    pairs = [emulator_and_bare() for _ in range(effort.memory_rounds)]
    return [
        compared("memory_emulator", "emulator alone", "MiB",
                 rounds=[[emulator] for emulator, _ in pairs], against="bare interpreter",
                 floor=[[bare] for _, bare in pairs], target=Target(60, of="median")),
    ]  # fmt: skip


def emulator_and_bare() -> tuple[float, float]:
    with running(*SERVE) as (pid, endpoint), running("-c", WAITING) as (bare, _):
        list_functions(endpoint)
        return resident_mib(pid), resident_mib(bare)


def after_many(effort: Effort) -> list[Row]:
    """An emulator whose environments are there, before and after all its invocations; and since half of them.

    In between its logs and traces grow to their bounds (`recorder`); what grows after that is no bound's.
    """
    many = effort.invocations
    part = many // PARTS
    with own_lab() as lab:
        lab.deploy("echo", ECHO)
        line, pid = invocation_line(lab, "echo"), lab.status()["pid"]
        line.send(CONNECTIONS, 10 * CONNECTIONS)
        found = [rested_mib(pid)]
        for _ in range(PARTS):  # each is signed anew
            line.send(CONNECTIONS, part)
            found.append(rested_mib(pid))
    before, half, after = ([[found[i]]] for i in (0, PARTS // 2, PARTS))
    return [
        compared("memory_after", f"emulator after {many:,} invocations", "MiB", rounds=after,
                 against="before", floor=before, target=Target(1.05)),
        compared("memory_flat", f"emulator after {many:,} invocations", "MiB", rounds=after,
                 against=f"after {many // 2:,}", floor=half),
    ]  # fmt: skip


def rested_mib(pid: int) -> float:
    time.sleep(REST_S)
    return resident_mib(pid)


def environment(stage: Stage, effort: Effort) -> list[Row]:
    """An idle environment against an interpreter with AWS's client, and the handler called, at the same moment."""
    return [environment_row(stage, name, effort.memory_rounds) for name in HANDLERS]


def environment_row(stage: Stage, name: str, rounds: int) -> Row:
    """For echo, which imports nothing, the floor is the interpreter with the client alone."""
    word, target = HANDLERS[name]
    called = "" if name == "echo" else f"import {name}; {name}.handler({EVENTS[name]!r}, None); "
    line, pairs = invocation_line(stage.lab, name), []
    for _ in range(rounds):
        recycle(stage.lab, name)
        line.call()
        (environment,) = environments(stage.lab, name)
        with running("-c", f"import awslambdaric.bootstrap; {called}{WAITING}", folder=stage.folder) as (bare, _):
            pairs.append((resident_mib(environment), resident_mib(bare)))
    line.close()
    recycle(stage.lab, name)
    return compared(f"memory_environment_{word}", f"idle environment: {word}", "MiB",
                    rounds=[[mib] for mib, _ in pairs],
                    against="interpreter + awslambdaric" + (" + handler" if called else ""),
                    floor=[[bare] for _, bare in pairs], target=target)  # fmt: skip

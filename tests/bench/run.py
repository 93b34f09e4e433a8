"""labkit's speed as ratios, measured in one run: each number beside its floor or its peer and its target.

    python tests/bench/run.py                  some twelve minutes; leave the machine alone meanwhile
    python tests/bench/run.py --only cold      the parts with this in their name
    python tests/bench/run.py --quick          says that everything works, not how fast it is
    python tests/bench/run.py --json results.json
    python tests/bench/run.py --readme         puts the table into README.md

Needs Linux (memory is read from /proc) and `pip install -e '.[test]'`. The peer serverless-offline needs Node and npm,
and the first time a registry; without them the run says so and goes on. Absolute times belong to the machine; the
ratios carry over. Nothing here fails on a missed target, and no test asserts on one. `flames.py` shows where the time
of a warm call goes.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import memory
import snapstart
import start
from cold import cold
from effort import FULL, QUICK, Effort
from growth import growth
from machine import Neighbours, machine
from rows import Groups, Row, markdown, table, with_table
from stage import Stage, prepare_interpreter, stage
from virtual import simulation
from warm import throughput, warm

import lessons

README = Path(__file__).resolve().parents[2] / "README.md"


@dataclass(frozen=True, slots=True)
class Part:
    """One measurement: its name for --only, and the heading that its rows stand under."""

    name: str
    heading: str
    alone: Callable[[Effort], list[Row]] | None = None
    staged: Callable[[Stage, Effort], list[Row]] | None = None
    """One that takes the lab with the handlers; those come last, and share it."""
    whole_only: bool = False
    """Not part of a quick run."""


WARM = "Warm calls, one connection"
THROUGHPUT = "Throughput: a request's share of time, echo"
COLD = "Cold starts"
SNAPSTART = "SnapStart"
START = "Start"
MEMORY = "Memory (PSS)"
GROWTH = "Growth: a warm call of echo beside"
LESSONS = "Lessons"
SIMULATION = "Simulation"
HEADINGS = (WARM, THROUGHPUT, COLD, SNAPSTART, START, MEMORY, GROWTH, LESSONS, SIMULATION)

PARTS = (  # in the order of measuring: what must have the machine for itself comes first
    Part("start", START, alone=start.start),
    Part("memory of the emulator", MEMORY, alone=memory.emulator_alone),
    Part("moto", START, alone=start.moto),
    Part("memory after many invocations", MEMORY, alone=memory.after_many),
    Part("simulation", SIMULATION, alone=simulation),
    Part("lesson", LESSONS, alone=lessons.lesson),
    Part("all lessons", LESSONS, alone=lessons.all_lessons, whole_only=True),
    Part("growth", GROWTH, alone=growth),
    Part("memory of an environment", MEMORY, staged=memory.environment),
    Part("cold starts", COLD, staged=cold),
    Part("warm calls", WARM, staged=warm),
    Part("throughput", THROUGHPUT, staged=throughput),
    Part("snapstart", SNAPSTART, staged=snapstart.snap_start),
    Part("memory of forked environments", MEMORY, staged=snapstart.forked_memory),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints the table, and writes it as JSON if asked to."""
    described = parser()
    arguments = described.parse_args(argv)
    parts = [
        part for part in PARTS if arguments.only.lower() in part.name and not (arguments.quick and part.whole_only)
    ]
    if not parts:
        described.error(f"no part has {arguments.only!r} in its name; there is: {', '.join(p.name for p in PARTS)}")
    if arguments.readme and (arguments.quick or arguments.only):
        described.error("--readme is for a whole run: neither --quick nor --only")
    if not sys.platform.startswith("linux"):
        print("tests/bench measures on Linux only: it reads memory from /proc.", file=sys.stderr)
        return 1
    # a terminated run leaves by the same way as an interrupted one: what it started is ended
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    facts, neighbours = machine(), Neighbours()
    groups, notes = measured(parts, QUICK if arguments.quick else FULL)
    facts["meanwhile"] = neighbours.words()
    report(groups, facts, notes)
    if arguments.readme:
        README.write_text(with_table(README.read_text("utf-8"), markdown(groups, facts, notes)), "utf-8")
    if arguments.json:
        arguments.json.write_text(as_json(groups, facts, notes, quick=arguments.quick), "utf-8")
    return 0


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(description="labkit's speed as ratios to floors and peers.")
    described.add_argument("--only", default="", metavar="NAME", help="the parts with this in their name")
    described.add_argument("--quick", action="store_true", help="few rounds: a smoke test, not a measurement")
    described.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    described.add_argument("--readme", action="store_true", help="put the table into README.md")
    return described


def measured(parts: Sequence[Part], effort: Effort) -> tuple[Groups, list[str]]:
    """The rows under their headings, and what a reader must know of what was not measured."""
    prepare_interpreter()
    groups: dict[str, list[Row]] = {heading: [] for heading in HEADINGS}
    for part in parts:
        if part.alone:
            say(part.name)
            groups[part.heading] += part.alone(effort)
    notes: list[str] = []
    staged = [part for part in parts if part.staged]
    with ExitStack() as stack:
        everything = stack.enter_context(stage(light=not effort.whole)) if staged else None
        for part in staged:
            assert part.staged is not None
            assert everything is not None
            say(part.name)
            groups[part.heading] += part.staged(everything, effort)
            notes = everything.notes
    return {heading: rows for heading, rows in groups.items() if rows}, notes


def say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)


def report(groups: Groups, facts: dict[str, str], notes: Sequence[str]) -> None:
    print("\n".join(f"{name + ':':<11}{fact}" for name, fact in facts.items()))
    print("\n".join(["", table(groups), *notes]))


def as_json(groups: Groups, facts: dict[str, str], notes: Sequence[str], *, quick: bool) -> str:
    rows = [{"heading": heading, **asdict(row)} for heading, under in groups.items() for row in under]
    found = {"machine": facts, "quick": quick, "notes": list(notes), "rows": rows}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())

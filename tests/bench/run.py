"""labkit's speed as ratios, measured in one run: each number beside its floor or its peer and its target.

    python tests/bench/run.py            under two minutes; leave the machine alone meanwhile
    python tests/bench/run.py --quick    a few seconds: says that everything works, not how fast it is
    python tests/bench/run.py --json results.json
    python tests/bench/run.py --readme         puts the table into README.md

Needs Linux (memory is read from /proc) and `pip install -e '.[test]'`. Absolute times belong to the machine; the
ratios carry over. Nothing here fails on a missed target, and no test asserts on one.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from machine import Neighbours, machine
from measures import FULL, QUICK, Effort, cold, emulator_memory, environment_memory, simulation, start, throughput, warm
from rows import Row, markdown, table, with_table
from snapstart import snap_start
from stage import prepare_interpreter, stage

README = Path(__file__).resolve().parents[2] / "README.md"


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints the table, and writes it as JSON if asked to."""
    arguments = parser().parse_args(argv)
    if not sys.platform.startswith("linux"):
        print("tests/bench measures on Linux only: it reads memory from /proc.", file=sys.stderr)
        return 1
    # a terminated run leaves by the same way as an interrupted one: what it started is ended
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    facts = machine()
    neighbours = Neighbours()
    rows = measured(QUICK if arguments.quick else FULL)
    facts["meanwhile"] = neighbours.words()
    print("\n".join(f"{name + ':':<11}{fact}" for name, fact in facts.items()))
    print(f"\n{table(rows)}")
    if arguments.readme:
        README.write_text(with_table(README.read_text("utf-8"), markdown(rows, facts)), "utf-8")
    if arguments.json:
        found = {"machine": facts, "quick": arguments.quick, "rows": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(description="labkit's speed as ratios to floors and peers.")
    described.add_argument("--quick", action="store_true", help="few rounds: a smoke test, not a measurement")
    described.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    described.add_argument("--readme", action="store_true", help="put the table into README.md")
    return described


def measured(effort: Effort) -> list[Row]:
    """All rows. What must have the machine for itself comes first."""
    prepare_interpreter()
    say("start of the emulator and of the extension")
    started = [*start(effort), *emulator_memory(effort)]
    say("simulation")
    virtual = simulation(effort)
    with stage() as everything:
        say("memory of an environment")
        memory = environment_memory(everything, effort)
        say("cold starts")
        colds = cold(everything, effort)
        say("warm calls")
        warms = warm(everything, effort)
        say("throughput")
        warms += throughput(everything, effort)
        say("SnapStart")
        snaps = snap_start(everything, effort.memory_rounds)
    return [*warms, *colds, *snaps, *started, *memory, *virtual]


def say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

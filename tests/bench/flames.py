"""Where the time of a warm call goes inside the emulator: a flame graph's summary as text, and its samples.

    python tests/bench/flames.py                   1 and 32 connections, 8 s each
    python tests/bench/flames.py --connections 8 --seconds 20 --rate 1000
    python tests/bench/flames.py --gil             while Python runs only, without the system calls
    python tests/bench/flames.py --save FOLDER     the samples too, for flamegraph.pl or speedscope.app

py-spy looks at the emulator's stack so often a second, from outside, while echo is called in a closed loop. A profiler
inside would measure the coroutines' waiting. A frame's own time includes C functions that it calls: the event loop's
system calls stand under `Runner.run`. A developer's tool: it needs `pip install py-spy`, and the right
to look into a process of one's own.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stage import Line, invocation_line, stage

TOP = 15
LEAD_S = 3.0  # until the environments are there
PACKAGES = "site-packages/"
LOOP = "asyncio.runners:Runner.run"


@dataclass(slots=True)
class Summary:
    """The loop's samples by frame and by module: of the frame that ran itself, and of all above the loop's."""

    samples: int = 0
    elsewhere: int = 0
    """In other threads; py-spy cannot always tell one that waits from one that works."""
    own: Counter[str] = field(default_factory=Counter)
    under: Counter[str] = field(default_factory=Counter)
    modules: Counter[str] = field(default_factory=Counter)


def main(argv: Sequence[str] | None = None) -> int:
    """Profiles the emulator once for each number of connections and prints the tables."""
    arguments = parser().parse_args(argv)
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        print("flames.py needs py-spy: pip install py-spy", file=sys.stderr)
        return 1
    with stage() as everything, tempfile.TemporaryDirectory(prefix="labkit-bench-") as folder:
        line = invocation_line(everything.lab, "echo")
        command = [spy, "record", "--pid", str(everything.lab.status()["pid"]), "--format", "raw", "--function"]
        command += ["--rate", str(arguments.rate), "--duration", str(arguments.seconds), *(["--gil"] * arguments.gil)]
        for n in arguments.connections:
            into = Path(arguments.save or folder) / f"warm-{n}.txt"
            rate = sampled(line, n, [*command, "--output", str(into)], seconds=arguments.seconds)
            print(f"\nconnections: {n}; {rate:,.0f} requests/s while py-spy looked\n")
            print(text(summary(into.read_text().splitlines())))
    return 0


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(description="a flame graph's summary of warm calls")
    described.add_argument("--connections", type=int, nargs="+", default=[1, 32], metavar="N")
    described.add_argument("--seconds", type=int, default=8, metavar="S")
    described.add_argument("--rate", type=int, default=500, metavar="HZ", help="samples a second (500)")
    described.add_argument("--gil", action="store_true", help="only while Python runs: leaves the system calls out")
    described.add_argument("--save", metavar="FOLDER", help="keep the samples there, as collapsed stacks")
    return described


def sampled(line: Line, connections: int, command: Sequence[str], *, seconds: int) -> float:
    """Runs py-spy while the calls go on; returns the requests per second. Raises RuntimeError if py-spy fails."""
    line.flood(connections, LEAD_S)
    rates: list[float] = []
    calls = threading.Thread(target=lambda: rates.append(line.flood(connections, seconds + 1.0)))
    calls.start()
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    calls.join()
    if answer.returncode:
        raise RuntimeError(f"py-spy failed: {answer.stderr.strip() or answer.stdout.strip()}")
    return rates[0]


def summary(lines: Iterable[str]) -> Summary:
    """Of collapsed stacks: `outer (file:line);inner (file:line) 12`."""
    found = Summary()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames, n = [named(frame) for frame in stack.split(";") if "(" in frame], int(count)
        if LOOP not in frames:
            found.elsewhere += n
            continue
        found.samples += n
        found.own[frames[-1]] += n
        found.modules[frames[-1].partition(":")[0]] += n
        found.under.update(dict.fromkeys(frames[frames.index(LOOP) + 1 :], n))
    return found


def named(frame: str) -> str:
    """`run (labkit/emulator/http.py:12)` as `labkit.emulator.http:run`."""
    function, _, place = frame.rpartition(" (")
    path = place.rpartition(":")[0].rpartition(PACKAGES)[2]
    at = path.find("labkit/")
    module = (path[at:] if at >= 0 else path).removesuffix(".py").replace("/", ".").strip(".")
    return f"{module}:{function}"


def text(found: Summary) -> str:
    """The three tables: own time by function, time with all that was called, own time by module."""
    tables = (
        ("own time, by function", found.own),
        ("with all it called, by function", found.under),
        ("own time, by module", found.modules),
    )
    lines = [f"{found.samples} samples of the loop, {found.elsewhere} of other threads, which are left out"]
    for heading, counts in tables:
        lines += ["", heading]
        lines += [f"{100 * n / max(found.samples, 1):5.1f} %  {name}" for name, n in counts.most_common(TOP)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

"""A lesson without a browser: `labkit run` against nbclient alone on the same cells, both as whole processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import nbformat
from effort import Effort
from nbformat.v4 import new_code_cell, new_notebook
from rows import Row, Target, compared, interleaved
from stage import HERE

LESSONS = HERE.parents[1] / "lessons"
AT_ONCE = 2
BARE = """
import sys
from pathlib import Path
import nbformat
from nbclient import NotebookClient
path = Path(sys.argv[1])
client = NotebookClient(nbformat.read(path, as_version=4), resources={"metadata": {"path": str(path.parent)}})
client.execute()
"""
CELLS = ("%load_ext labkit", "%%function hello\ndef handler(event, context):\n    return event", "%invoke hello {}")


def lesson(effort: Effort) -> list[Row]:
    """The first lesson; in a quick run, three cells."""
    with notebook(effort.whole) as path:
        found = interleaved(
            {"labkit": lambda: [took_s("-m", "labkit.cli", "run", str(path))],
             "bare": lambda: [took_s("-c", BARE, str(path))]},
            effort.lesson_rounds,
        )  # fmt: skip
    return [
        compared("lesson", f"{path.stem}, headless", "s", rounds=found["labkit"],
                 against="nbclient alone", floor=found["bare"], target=Target(1.1)),
    ]  # fmt: skip


@contextmanager
def notebook(whole: bool) -> Iterator[Path]:
    if whole:
        yield notebooks()[0]
        return
    with tempfile.TemporaryDirectory(prefix="labkit-bench-") as folder:
        path = Path(folder) / "three-cells.ipynb"
        nbformat.write(new_notebook(cells=[new_code_cell(source) for source in CELLS]), path)
        yield path


def notebooks() -> list[Path]:
    return sorted(LESSONS.glob("*/*.ipynb"))


def took_s(*arguments: str) -> float:
    """Of a whole process. Raises RuntimeError, with what it said, if it fails."""
    started = time.perf_counter()
    answer = subprocess.run(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    took = time.perf_counter() - started
    if answer.returncode:
        raise RuntimeError(f"{' '.join(arguments)[-80:]} failed: {answer.stdout[-2000:]}")
    return took


def all_lessons(effort: Effort) -> list[Row]:
    """Every lesson that there is, two at a time. The longest one is what no number of cores can shorten."""
    paths = notebooks()
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        each = list(pool.map(lambda path: took_s("-m", "labkit.cli", "run", str(path)), paths))
    took = time.perf_counter() - started
    return [
        compared("all_lessons", f"all lessons ({len(paths)}), headless, {AT_ONCE} at a time", "s", rounds=[[took]],
                 against="the longest", floor=[[max(each)]], target=Target(240, of="median")),
    ]  # fmt: skip

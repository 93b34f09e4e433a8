"""What running a lesson showed: one `Report`, and what is counted from its facts. Plain data, no Jupyter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from labkit.lesson.exercises import NOT_DONE_YET, Result
from labkit.show import words

Fact = Mapping[str, object]
TIMING = "timing"
"""The tag of a cell whose text may differ from run to run."""

# what is measured in a call's text: the head `cold · success · 1.2 ms · billed 2 ms` from its third part on, and what
# the lines `init` and `bill` below it say
_MEASURED = re.compile(r"^(\w+ · \w+|  (?:init|bill)) (?: |· ).*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` cells have run; `line` is the next one's first line, empty once all have."""

    path: Path
    done: int
    total: int
    line: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a lesson stopped. `index` counts all cells of the notebook from 0; None if it was no cell's fault."""

    name: str
    value: str
    index: int | None = None
    line: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What running one lesson showed; `facts` are what its cells displayed for programs to read, in order.

    `texts` are the texts of its outputs without measured times: two runs give the same. `seconds` include the
    kernel's start and end, as `budget_s` does.
    """

    path: Path
    seconds: float
    cells: int
    error: Failure | None = None
    facts: tuple[Fact, ...] = ()
    texts: tuple[str, ...] = ()
    budget_s: float | None = None
    solved: bool = False
    figures_without_alt: int = 0

    @property
    def ok(self) -> bool:
        return self.error is None and all(row.get("holds") is True for row in self.proof)

    @property
    def over_budget(self) -> bool:
        return self.budget_s is not None and self.seconds > self.budget_s

    @property
    def proof(self) -> tuple[Mapping[str, object], ...]:
        return tuple(row for fact in self.facts if fact.get("kind") == "proof" for row in rows(fact))

    @property
    def checks(self) -> dict[str, str]:
        """Each exercise that was checked, and how that ended the last time."""
        found = [row for fact in self.facts if fact.get("kind") == "checks" for row in rows(fact)]
        return {str(row.get("exercise")): str(row.get("result")) for row in found}

    @property
    def cold_starts(self) -> int:
        """How many environments the calls that it showed had to wait for."""
        return sum(_cold_starts(fact) for fact in self.facts)

    @property
    def checked(self) -> str:
        """The checks in words: `3 of 4 passed, 1 not done yet`."""
        results = list(self.checks.values())
        if not results:
            return ""
        parts = [f"{results.count(Result.PASSED)} of {len(results)} passed"]
        if undone := results.count(NOT_DONE_YET):
            parts.append(f"{undone} {NOT_DONE_YET}")
        return ", ".join(parts)


def rows(fact: Fact) -> Iterator[Mapping[str, object]]:
    """The rows of a fact; anyone may have edited a notebook, so what is no row is passed over."""
    found = fact.get("rows")
    yield from (row for row in found if isinstance(row, Mapping)) if isinstance(found, list) else ()


def _cold_starts(fact: Fact) -> int:
    if fact.get("kind") == "outcome":
        return int(fact.get("cold") is True)
    series = fact.get("series") if fact.get("kind") == "outcomes" else None
    found = [s.get("cold") for s in series if isinstance(s, Mapping)] if isinstance(series, list) else []
    counts = [cold.get("n") for cold in found if isinstance(cold, Mapping)]
    return sum(n for n in counts if isinstance(n, int))


def texts(notebook: Any) -> tuple[str, ...]:
    """The texts of a notebook's outputs, one a cell, without cells tagged `timing` and without measured times."""
    found = []
    for cell in notebook.cells:
        if TIMING not in cell.metadata.get("tags", ()):
            parts = _parts(cell.get("outputs", ()))
            found.append("\n".join(_MEASURED.sub(r"\1", words.clean(part)) for part in parts))
    return tuple(found)


def _parts(outputs: Iterable[Any]) -> Iterator[str]:
    # only time decides into how many messages a kernel cuts what a stream prints
    for stream, group in groupby(outputs, key=lambda output: output.get("name")):
        shown = [_text(output) for output in group]
        yield from ["".join(shown)] if stream else shown


def _text(output: Any) -> str:
    data = output.get("data") or {}
    return str(output.get("text") or output.get("evalue") or data.get("text/plain") or "")


def figures_without_alt(notebook: Any) -> int:
    """How many of a notebook's pictures say nothing to whom cannot see them."""
    return sum(
        _is_silent(output) for cell in notebook.cells for output in cell.get("outputs", ()) if output.get("data")
    )


def _is_silent(output: Any) -> bool:
    page = str(output.data.get("text/html", ""))
    pictures = [kind for kind in output.data if kind.startswith("image/")]
    told = [output.get("metadata", {}).get(kind, {}).get("alt") for kind in pictures]
    untold = [tag for tag in re.findall(r"<img\b[^>]*>", page) if not re.search(r"\balt=[\"'][^\"']{10,}", tag)]
    return bool(untold) or (bool(pictures) and not all(told) and not page)

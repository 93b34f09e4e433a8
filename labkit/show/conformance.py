"""What is said about a check of the emulator against what real Lambda does."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from labkit.show import words
from labkit.show.cards import Table

CONFORMS, DIFFERS = "conforms", "differs"
SOURCES = {
    "rec": "recorded from real AWS",
    "doc": "AWS's documentation",
    "ric": "the official Python runtime client",
    "api": "botocore's model of the Lambda API",
    "log": "real log lines in public repositories",
}
LONGEST_VALUE = 300


class Behaviour(Protocol):
    """What a row of the table must be able to say of the behaviour."""

    @property
    def section(self) -> str: ...
    @property
    def claim(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def expected(self) -> object: ...
    @property
    def excuse(self) -> str: ...


class Checked(Protocol):
    """What a row must be able to say of what was found."""

    @property
    def behaviour(self) -> Behaviour: ...
    @property
    def found(self) -> object: ...
    @property
    def error(self) -> str: ...
    @property
    def verdict(self) -> str: ...


class Report(Protocol):
    """The whole check."""

    @property
    def rows(self) -> Sequence[Checked]: ...


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one section; `odd` says whether any is more than "conforms"."""

    title: str
    table: Table
    odd: bool


def title(report: Report) -> str:
    """How many behaviours conform, and how many do not."""
    return f"{words.count(len(report.rows), 'behaviour')} of Lambda checked: {_verdicts(report.rows)}"


def sections(report: Report) -> list[Section]:
    """A table per section, in the report's order."""
    found = []
    for name, group in itertools.groupby(report.rows, key=lambda row: row.behaviour.section):
        rows = list(group)
        heading = words.clean(f"{name} ({_verdicts(rows)})")
        odd = frozenset(k for k, row in enumerate(rows) if row.verdict == DIFFERS)
        head = ("verdict", "behaviour", "source", "note")
        table = Table(heading, head, tuple(_row(row) for row in rows), marked=odd)
        found.append(Section(heading, table, any(row.verdict != CONFORMS for row in rows)))
    return found


def notes(report: Report) -> tuple[str, ...]:
    """What the sources' short names mean."""
    used = {str(row.behaviour.source) for row in report.rows}
    said = ", ".join(f"{name}: {meaning}" for name, meaning in SOURCES.items() if name in used)
    return (f"Sources: {said}.",) if said else ()


def _verdicts(rows: Sequence[Checked]) -> str:
    counts = Counter(str(row.verdict) for row in rows)
    return ", ".join(f"{number:,} {verdict}" for verdict, number in counts.most_common())


def _row(row: Checked) -> tuple[str, ...]:
    behaviour = row.behaviour
    cells = (str(row.verdict), behaviour.claim, str(behaviour.source), _note(row))
    return tuple(words.clean(cell) for cell in cells)


def _note(row: Checked) -> str:
    if row.verdict == CONFORMS:
        return ""
    if row.verdict != DIFFERS:
        return row.behaviour.excuse
    found = row.error or repr(row.found)
    wanted = words.shorten(repr(row.behaviour.expected), LONGEST_VALUE)
    return f"expected {wanted}; found {words.shorten(found, LONGEST_VALUE)}"

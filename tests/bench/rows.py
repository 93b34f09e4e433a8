"""From measured rounds to a table: medians, ratios with bootstrap intervals, targets and verdicts.

A **round** is one visit to one form (500 warm calls, or one cold start); the forms of a comparison take turns, in
alternating order, so that a machine that drifts drifts for all of them. Medians and spreads are of all values. The
ratio's interval resamples the rounds' medians, not the calls: calls of one round resemble one another, and an
interval made of thousands of them would promise more than was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from labkit.show.stats import ratio_interval

Rounds = list[list[float]]
FEWEST_FOR_PERCENTILES = 20
HEADINGS = ("what", "median", "spread", "against", "ratio", "95 %", "target", "")


@dataclass(frozen=True, slots=True)
class Target:
    """At most `most`: of the ratio, or of the median in its own unit."""

    most: float
    of: str = "ratio"

    def met(self, value: float, ratio: float) -> bool:
        return {"ratio": ratio, "median": value}[self.of] <= self.most

    def words(self, unit: str) -> str:
        return f"≤ {self.most:g} {'×' if self.of == 'ratio' else unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a median (`value`) beside the median it is compared with, in the same unit."""

    key: str
    what: str
    unit: str
    value: float
    low: float
    high: float
    against: str
    against_value: float
    ratio: float
    ratio_low: float
    ratio_high: float
    target: str | None
    met: bool | None
    rounds: int


Groups = Mapping[str, Sequence[Row]]


def interleaved(forms: Mapping[str, Callable[[], list[float]]], rounds: int) -> dict[str, Rounds]:
    """Visits every form once a round, back and forth."""
    measured: dict[str, Rounds] = {name: [] for name in forms}
    for i in range(rounds):
        for name in list(forms) if i % 2 == 0 else reversed(forms):
            measured[name].append(forms[name]())
    return measured


def compared(
    key: str, what: str, unit: str, *, rounds: Rounds, against: str, floor: Rounds, target: Target | None = None
) -> Row:
    """A row whose ratio is that of two medians."""
    values = [value for values in rounds for value in values]
    low, high = _spread(values)
    ratio, ratio_low, ratio_high = ratio_interval(list(map(median, rounds)), list(map(median, floor)))
    value, against_value = median(values), median(value for values in floor for value in values)
    return Row(
        key, what, unit, value, low, high, against, against_value, ratio, ratio_low, ratio_high,
        target.words(unit) if target else None,
        target.met(value, ratio) if target else None,
        len(rounds),
    )  # fmt: skip


def tail(key: str, what: str, unit: str, *, rounds: Rounds, target: Target) -> Row:
    """A row whose values are the rounds' 99th percentiles, against the medians of the same rounds."""
    slowest = [[quantiles(values, n=100, method="inclusive")[98]] for values in rounds]
    usual = [[median(values)] for values in rounds]
    return compared(key, what, unit, rounds=slowest, against="its own median", floor=usual, target=target)


def _spread(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < FEWEST_FOR_PERCENTILES:
        return min(values), max(values)
    cuts = quantiles(values, n=20, method="inclusive")
    return cuts[0], cuts[-1]


# --- on a screen --------------------------------------------------------------------------------------------


def table(groups: Groups) -> str:
    """The rows as text under their groups' names, with what the columns mean below."""
    cells = {group: list(map(_cells, rows)) for group, rows in groups.items()}
    every = [HEADINGS, *(row for rows in cells.values() for row in rows)]
    widths = [max(len(row[i]) for row in every) for i in range(len(HEADINGS))]

    def line(row: tuple[str, ...]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    lines = [line(HEADINGS), "-" * (sum(widths) + 2 * len(widths))]
    for group, rows in cells.items():
        lines += ["", group, *map(line, rows)]
    return "\n".join([*lines, "", *NOTES])


NOTES = (
    "spread: 5th to 95th percentile of all values; of fewer than 20, smallest to largest. The 99th percentile is the",
    "median of the rounds' own. 95 %: bootstrap interval of the ratio, from one value a round.",
)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.what,
        f"{_number(row.value)} {row.unit}",
        f"{_number(row.low)} - {_number(row.high)}",
        f"{row.against}: {_number(row.against_value)} {row.unit}",
        f"{row.ratio:.2f}",
        f"{row.ratio_low:.2f} - {row.ratio_high:.2f}",
        row.target or "",
        "" if row.met is None else "met" if row.met else "not met",
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


# --- in the README ------------------------------------------------------------------------------------------

BEGIN, END = "<!-- bench: written by tests/bench/run.py --readme -->", "<!-- /bench -->"


def markdown(groups: Groups, facts: Mapping[str, str], notes: Sequence[str] = ()) -> str:
    """The rows as one table for the README, a line with each group's name above its own, with date and machine."""
    lines = ["| what | median | against | ratio | target | |", "|---|---:|---|---:|---|---|"]
    for group, rows in groups.items():
        lines.append(f"| **{group}** | | | | | |")
        for row in rows:
            what, median_, _, against, ratio, _, target, verdict = _cells(row)
            lines.append(f"| {what} | {median_} | {against} | {ratio} | {target} | {verdict} |")
    told = f"Measured on {facts['date']}: {facts['processor']}, {facts['python']}; {facts['meanwhile']}."
    said = [f"{note[0].upper()}{note[1:]}." for note in notes]
    return "\n".join(["", "### Speed", "", " ".join([told, *said]), "", *lines, ""])


def with_table(readme: str, table: str) -> str:
    """The README with this table in its place. Raises ValueError if it has no place for one."""
    head, found, rest = readme.partition(BEGIN)
    _, ended, tail_ = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"the README has no place for the table: {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{table}\n{END}{tail_}"

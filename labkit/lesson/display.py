"""What `labkit run` shows: progress while lessons run, then what each deployed, predicted and measured.

On a terminal a bar per lesson; anywhere else (a log file, a pipe, CI) one plain line per cell and no control
characters. The tables are functions of a `Report` and of nothing else. Facts come out of notebooks, which anyone may
have edited: a value that is missing or of the wrong kind is shown as a dash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Column, Table
from rich.text import Text

from labkit.lesson.exercises import Result
from labkit.lesson.grade import Graded, by_exercise
from labkit.lesson.report import Fact, Failure, Progress, Report
from labkit.show import words

NOTHING = "–"
LONGEST_PAYLOAD = 60
LONGEST_LINE = 60
BAR_WIDTH = 20
LONGEST_ANSWER = 30
LONGEST_REQUIREMENTS = 4


@contextmanager
def progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """What to hand to `run` as `on_progress`."""
    if not console.is_terminal:
        yield lambda p: _plain_line(console, p)
        return
    # the line takes what room is left, and never more: the count must stay readable on a narrow screen
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns = [
        TextColumn("{task.fields[lesson]}", markup=False),
        BarColumn(BAR_WIDTH),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ]
    line = TextColumn("{task.fields[line]}", markup=False, table_column=rest)
    with Bars(*columns, line, console=console, expand=True) as bars:
        yield _BarPerLesson(bars)


def _plain_line(console: Console, p: Progress) -> None:
    what = f"cell {p.done + 1} of {p.total}: {_cut(p.line)}" if p.line else f"{words.count(p.total, 'cell')} done"
    _say(console, f"{p.path.stem}: {what}")


class _BarPerLesson:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, p: Progress) -> None:
        key = str(p.path)
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task("", total=p.total, lesson=p.path.stem, line="")
        self._bars.update(self._tasks[key], completed=p.done, line=_cut(p.line))


def show(reports: Sequence[Report], console: Console) -> None:
    """Prints the summary of every lesson, failed ones with the cell that failed."""
    for report in reports:
        _say(console, "")
        _say(console, headline(report), style="bold" if report.ok else "bold red")
        for table in (deployed(report.facts), predicted(report.facts), measured(report.facts)):
            if table.row_count:
                console.print()
                console.print(table)
        if report.error:
            _say(console, "")
            for line in failure_lines(report.error):
                _say(console, line)
    if any(report.budget_s is not None for report in reports):
        console.print()
        console.print(summary(reports))


def show_proofs(reports: Sequence[Report], console: Console) -> None:
    """Prints what the checks of each lesson say to each answer."""
    for report in reports:
        _say(console, "")
        _say(console, headline(report), style="bold" if report.ok else "bold red")
        for line in failure_lines(report.error) if report.error else ():
            _say(console, line)
        for line in proved(report) if report.proof else ():
            _say(console, line)


def show_grades(graded: Sequence[Graded], console: Console) -> None:
    """Prints a line for each notebook, and for each exercise how the class did."""
    table = _table("Graded", "student", "lesson", "passed", "hidden", "problem")
    for each in graded:
        sums = [(each.passed(hidden=hidden), each.of(hidden=hidden)) for hidden in (False, True)]
        counts = [f"{passed} of {of}" if of else NOTHING for passed, of in sums]
        _row(table, each.submission.student, each.submission.lesson, *counts, _cut(each.problem) or NOTHING)
    console.print()
    console.print(table)
    if len(graded) > 1:
        results = [*map(str, Result)]
        among = _table("By exercise", "exercise", *results)
        for name, found in by_exercise(graded).items():
            _row(among, name, *(str(found[result]) for result in results))
        console.print()
        console.print(among)


def headline(report: Report) -> str:
    ran = f"{words.count(report.cells, 'cell')} in {report.seconds:.1f} s"
    if report.error is None and not report.ok:
        return f"{report.path.stem}: NOT PROVED, {ran}"
    return f"{report.path.stem}: {ran}" if report.ok else f"{report.path.stem}: FAILED after {ran}"


def failure_lines(error: Failure) -> list[str]:
    """Where it failed, why, and the lines that the cell itself shows."""
    place = [] if error.index is None else [f"Cell {error.index + 1} of the notebook: {error.line}"]
    reason = words.lines(f"{error.name}: {error.value}")
    # a traceback ends with the error's own line; an error of labkit's shows it first and is then not repeated
    return [*place, *error.lines] if reason[0] in error.lines else [*place, *reason, *error.lines]


# --- the tables ---------------------------------------------------------------------------------------------


def deployed(facts: Sequence[Fact]) -> Table:
    """Each function as it was deployed last."""
    table = _table("Deployed", "function", "memory", "package", "requirements")
    latest = {_text(fact.get("name")): fact for fact in facts if fact.get("kind") == "function"}
    for name, fact in latest.items():
        memory, size = _number(fact.get("memory_mb")), _number(fact.get("size_bytes"))
        _row(
            table,
            name,
            NOTHING if memory is None else f"{memory:,.0f} MB",
            NOTHING if size is None else words.size(int(size)),
            _requirements(fact.get("requirements")),
        )
    return table


def predicted(facts: Sequence[Fact]) -> Table:
    """Each call that a cell showed, in order."""
    table = _table("Predicted", "function", "status", "payload")
    for fact in facts:
        if fact.get("kind") == "outcome":
            _row(table, _text(fact.get("function")), _text(fact.get("status")), _answer(fact))
    return table


def measured(facts: Sequence[Fact]) -> Table:
    """Each series: cold against warm, medians with their 95 % intervals."""
    table = _table("Measured", "series", "cold, ms (95 % interval)", "warm, ms (95 % interval)", "cold / warm")
    for fact in facts:
        series = fact.get("series") if fact.get("kind") == "outcomes" else None
        for one in series if isinstance(series, list) else []:
            if isinstance(one, Mapping):
                cold, warm = one.get("cold"), one.get("warm")
                _row(table, _text(one.get("label")), _median(cold), _median(warm), _ratio(cold, warm))
    return table


def summary(reports: Sequence[Report]) -> Table:
    """One row a lesson: its time against its budget, its checks, the cold starts that it showed."""
    table = _table("Lessons", "lesson", "version", "time", "budget", "checks", "cold starts")
    for report in reports:
        budget = NOTHING if report.budget_s is None else f"{report.budget_s:g} s"
        _row(
            table,
            report.path.stem + ("" if report.ok else " FAILED"),
            "solution" if report.solved else "student",
            f"{report.seconds:.1f} s",
            f"{budget}, over" if report.over_budget else budget,
            report.checked or NOTHING,
            str(report.cold_starts),
        )
    return table


def proved(report: Report) -> list[str]:
    """A table in lines: each exercise's solution, blank and wrong answers, what each was found to be, its message."""
    rows = [
        [_text(row.get("exercise")), _first_words(_text(row.get("answer"))), _found(row), _text(row.get("message"))]
        for row in report.proof
    ]
    rows = [["exercise", "answer", "is found to be", "with the message"], *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), words.clean(row[3])])
        for row in rows
    ]


def _found(row: Fact) -> str:
    found, expected = _text(row.get("found")), _text(row.get("expected"))
    return found if row.get("holds") is True else f"{found}, NOT {expected}" if found != expected else f"{found}, AGAIN"


def _first_words(answer: str) -> str:
    lines = [line for line in answer.strip().splitlines() if line.strip()]
    last = lines[-1].strip() if lines else ""
    return last if len(last) <= LONGEST_ANSWER else f"{last[: LONGEST_ANSWER - 1]}…"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _row(table: Table, *cells: str) -> None:
    table.add_row(*(Text(words.clean(cell)) for cell in cells))  # Text: a name in [brackets] is no markup


def _requirements(value: object) -> str:
    names = [_text(name) for name in value] if isinstance(value, list) else []
    more = len(names) - LONGEST_REQUIREMENTS
    shown = ", ".join(names[:LONGEST_REQUIREMENTS]) or NOTHING
    return f"{shown} and {more} more" if more > 0 else shown


def _answer(fact: Fact) -> str:
    error = fact.get("error")
    if isinstance(error, Mapping):
        return words.shorten(f"{_text(error.get('type'))}: {_text(error.get('message'))}", LONGEST_PAYLOAD)
    payload = fact.get("payload")
    return words.shorten(json.dumps(payload, ensure_ascii=False, default=str), LONGEST_PAYLOAD)


def _median(summary: object) -> str:
    middle, low, high = (_seconds(summary, key) for key in ("median_s", "low_s", "high_s"))
    if middle is None:
        return NOTHING
    if low is None or high is None:
        return words.ms(middle)
    return f"{words.ms(middle)} ({words.interval_ms(low, high)})"


def _ratio(cold: object, warm: object) -> str:
    above, below = _seconds(cold, "median_s"), _seconds(warm, "median_s")
    return words.times(above / below) if above is not None and below else NOTHING


def _seconds(summary: object, key: str) -> float | None:
    return _number(summary.get(key)) if isinstance(summary, Mapping) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: object) -> str:
    return NOTHING if value is None else str(value)


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…"


def _say(console: Console, line: str, style: str = "") -> None:
    # a student's own lines: nothing in them is markup, and a narrow screen must not tear a path apart
    console.print(Text(line, style=style), soft_wrap=True)

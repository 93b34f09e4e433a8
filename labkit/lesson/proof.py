"""The proof of a lesson's checks: the solution passes, the blank is "not done yet", each wrong answer gets its message.

It works on the names that the solved notebook left behind, and on a function that runs a cell among names like those:
IPython's in a kernel (`labkit.notebook.proof`), plain `exec` in a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from labkit.lesson.answers import Key
from labkit.lesson.exercises import Exercise, Result, Verdict, judge, judge_answer, judge_sentence

SOLUTION, BLANK = "solution", "blank"

Names = Mapping[str, object]
Execute = Callable[[Sequence[str], Sequence[str]], Names]
"""Runs cells among the solved notebook's names, without some of them, and returns the names after; may raise."""


@dataclass(frozen=True, slots=True)
class Row:
    """One answer to one exercise: what had to be found, and what was. `holds` is the proof."""

    exercise: str
    answer: str
    expected: str
    found: str
    message: str
    holds: bool

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one exercise, blank and solved, and what its solved `%answer` says."""

    blank: tuple[str, ...] = ()
    solved: tuple[str, ...] = ()
    said: str = ""


def prove(exercise: Exercise, cells: Cells, names: Names, execute: Execute, key: Key | None, salt: str) -> list[Row]:
    """The rows of one exercise. A check that accepts a wrong answer, or says the wrong thing, gives one that fails."""
    if exercise.kind == "explain":
        solved = judge_sentence(exercise, cells.said)
        return [_passes(solved), _not_done(judge_sentence(exercise, "..."))]
    if exercise.kind == "answer":
        return _answer_rows(exercise, cells, key, salt)
    rows = [_passes(judge(exercise, names))]
    blank = _after(exercise, cells.blank, _defined(exercise, cells.solved), execute)
    rows.append(_not_done(blank))
    wrong = [
        (code, diagnosis, _after(exercise, [code], _defined(exercise, cells.solved), execute))
        for code, diagnosis in exercise.wrong.items()
    ]
    return rows + _rejected(wrong)


def _answer_rows(exercise: Exercise, cells: Cells, key: Key | None, salt: str) -> list[Row]:
    if key is None:
        missing = Verdict(exercise.id, Result.REJECTED, "its key is not in lesson.json: run `labkit build`", "no-key")
        return [_passes(missing)]
    rows = [_passes(judge_answer(exercise, cells.said, key, salt)), _not_done(judge_answer(exercise, "...", key, salt))]
    return rows + _rejected([(v, v, judge_answer(exercise, v, key, salt)) for v in exercise.wrong])


def _after(exercise: Exercise, cells: Sequence[str], without: Sequence[str], execute: Execute) -> Verdict:
    try:
        names = execute(cells, without)
    except Exception as problem:
        said = f"the cell itself ends in {type(problem).__name__}: {problem}"
        return Verdict(exercise.id, Result.REJECTED, said, "cell-raises")
    return judge(exercise, names)


def _defined(exercise: Exercise, solved: Sequence[str]) -> list[str]:
    """The names that the check looks at and the exercise's own cells define: they go before another answer comes."""
    text = "\n".join(solved)
    made = r"^(?:%%function\s+{0}\b|def {0}\b|class {0}\b|(?:[\w\s,*]*,\s*)?{0}\s*(?:,[\w\s,*]*)?(?::[^=\n]*)?=)"
    return [name for name in exercise.needs if re.search(made.format(re.escape(name)), text, re.MULTILINE)]


def _passes(verdict: Verdict) -> Row:
    return _row(verdict, SOLUTION, Result.PASSED, verdict.result is Result.PASSED)


def _not_done(verdict: Verdict) -> Row:
    return _row(verdict, BLANK, Result.NOT_DONE, verdict.result is Result.NOT_DONE)


def _rejected(wrong: Sequence[tuple[str, str, Verdict]]) -> list[Row]:
    """Each by its own diagnosis, and no two with the same words."""
    rows, messages = [], set()
    for answer, diagnosis, verdict in wrong:
        holds = verdict.result is Result.REJECTED and verdict.diagnosis == diagnosis and verdict.message not in messages
        rows.append(_row(verdict, answer, diagnosis, holds))
        messages.add(verdict.message)
    return rows


def _row(verdict: Verdict, answer: str, expected: str, holds: bool) -> Row:
    return Row(verdict.exercise, answer, expected, verdict.diagnosis or verdict.result, verdict.message, holds)

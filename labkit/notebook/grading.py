"""Judges a student's notebook in the kernel that has just run it: `labkit grade` puts this last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython

from labkit.lesson.exercises import Verdict, declared, judge
from labkit.show.data import MIME


@dataclass(frozen=True)
class Grades:
    """A row for each exercise, the hidden ones last; `labkit grade` reads them as a fact."""

    rows: tuple[Mapping[str, object], ...]

    def __repr__(self) -> str:
        return f"{len(self.rows)} exercises judged"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return {"text/plain": repr(self), MIME: {"kind": "grades", "rows": list(self.rows)}}


def grades(hidden: str = "") -> Grades:
    """Judges every exercise of this kernel's lesson, and the checks in the file `hidden`, by what the notebook left."""
    shell = get_ipython()
    shell.run_line_magic("load_ext", "labkit")  # a notebook may have lost its first cell
    workbook = shell.find_line_magic("check").__self__.workbook
    names: Mapping[str, Any] = dict(shell.user_ns)
    rows = [_row(verdict, hidden=False) for verdict in workbook.verdicts("", names)]
    if hidden:
        rows += [_row(judge(each, names), hidden=True) for each in declared(Path(hidden)).values()]
    said = workbook.answers_given()
    return Grades(tuple({**row, "said": said.get(str(row["exercise"]), "")} for row in rows))


def _row(verdict: Verdict, *, hidden: bool) -> dict[str, object]:
    return {"exercise": verdict.exercise, "result": verdict.result, "message": verdict.message, "hidden": hidden}

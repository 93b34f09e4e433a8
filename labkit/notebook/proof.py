"""Proves a lesson's checks in the kernel that has just run its solution: `labkit build --prove` puts this last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.utils.capture import capture_output

from labkit.lesson.proof import Cells, Row, prove
from labkit.show.data import MIME


@dataclass(frozen=True)
class Proof:
    """The rows of all exercises; `labkit run` reads them as facts."""

    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        failed = sum(not row.holds for row in self.rows)
        return f"{len(self.rows)} answers, {failed} judged wrongly"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return {"text/plain": repr(self), MIME: {"kind": "proof", "rows": [row.as_json() for row in self.rows]}}


def proof(cells: Mapping[str, Mapping[str, Any]]) -> Proof:
    """Proves every exercise of this kernel's lesson; `cells` are those of each exercise."""
    shell = get_ipython()
    workbook = shell.find_line_magic("check").__self__.workbook
    rows: list[Row] = []
    for name, exercise in workbook.exercises.items():
        own = cells.get(name, {})
        known = Cells(tuple(own.get("blank", ())), tuple(own.get("solved", ())), str(own.get("said", "")))
        lesson = workbook.lesson
        rows += prove(exercise, known, shell.user_ns, _Among(shell), lesson.answers.get(name), f"{lesson.id}.{name}")
        if any("%%function" in code for code in (*exercise.wrong, *known.blank)):
            _Among(shell)(known.solved, ())  # the emulator must hold the right one again
    return Proof(tuple(rows))


class _Among:
    """Runs cells as a notebook would, and puts the notebook's names back afterwards."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, cells: Sequence[str], without: Sequence[str]) -> Mapping[str, object]:
        names = self._shell.user_ns
        before = dict(names)
        try:
            for name in without:
                names.pop(name, None)
            for cell in cells:
                with capture_output():
                    ran = self._shell.run_cell(cell, store_history=False)
                ran.raise_error()
            return dict(names)
        finally:
            names.clear()
            names.update(before)

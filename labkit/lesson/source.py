"""What a lesson's `source.md` says: its header, its cells, and what of them a student has to write.

    ---
    kernelspec: {name: python3, display_name: Python 3, language: python}
    labkit:
      id: "02"
      kind: lesson                      # or orientation, capstone
      title: A line, and why it is the line
      title_zh: 一条直线
      minutes: 75
      budget_s: 6                       # what running all of it may take on two cores
      prerequisites: ["01"]
      data: [load_diabetes of scikit-learn]
      objectives: [derive the normal equations, deploy the fitted line]
      concepts: [linear-regression]     # names of lessons/coverage.yaml
      recap:                            # what later lessons ask about this one
        - {id: normal, difficulty: 1, question: "Xᵀr is …?", answer: 0, decimals: 0, look: section 2}
    ---

    +++ {"section": "hook"}             a section begins (lint.py has the order)

    ```{code-cell} ipython3
    :exercise: slope                    the cell that a student fills in for this exercise
    xx = x @ x
    slope = (x @ y) / xx                # SOLUTION
    ```

**A solution** is one line that ends in `# SOLUTION`, or lines from `# BEGIN SOLUTION` to `# END SOLUTION`. The
student gets `slope = ...`, `return ...`, `%answer q ...`, or a line `...`; another blank stands between `# BLANK` and
the end. The student's version has to run from its first cell to its last, blanks and all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupytext
import yaml

from labkit.errors import LessonUnreadable

SOURCE = "source.md"
KINDS = ("lesson", "orientation", "capstone")
REQUIRED = ("id", "title", "title_zh", "minutes", "budget_s", "objectives", "data", "prerequisites", "concepts")

_LINE = re.compile(r"^(?P<code>.*?)\s*#\s*SOLUTION\s*$")
_BEGIN, _BLANK, _END = (re.compile(rf"^\s*#+\s*{word}\s*$") for word in ("BEGIN SOLUTION", "BLANK", "END SOLUTION"))
_ASSIGNMENT = re.compile(r"^(\s*[A-Za-z_][\w.\[\]\"', ]*(?:\s*:\s*[\w.\[\], ]+)?\s*=(?!=)\s*)\S.*$")
_RETURN = re.compile(r"^(\s*(?:return|yield)\s+)\S.*$")
_MAGIC = re.compile(r"^(\s*%(?:predict|answer|recap)\s+\S+\s+)\S.*$")
# jupytext gives what stands in `+++` to markdown cells only
_SECTION_OF_CODE = re.compile(r'^\+\+\+ *\{"section": *"(\w+)"\} *\n\s*(```\{code-cell\}[^\n]*\n)', re.MULTILINE)
_INDENT = re.compile(r"^\s*")


@dataclass(frozen=True, slots=True)
class RecapItem:
    """A question that later lessons ask; `look` says where its answer is found again."""

    id: str
    question: str
    answer: object
    difficulty: int = 1
    decimals: int | None = None
    look: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """Who a lesson is. `minutes` are a student's, `budget_s` are the machine's."""

    id: str
    title: str
    title_zh: str
    minutes: float
    budget_s: float
    kind: str = "lesson"
    objectives: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    prerequisites: tuple[str, ...] = ()
    concepts: tuple[str, ...] = ()
    recap: tuple[RecapItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, as a student gets it (`blank`) and as it is solved; equal where there is nothing to solve."""

    kind: str
    blank: str
    solved: str
    section: str = ""
    exercise: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class LessonSource:
    """A parsed `source.md`."""

    path: Path
    header: Header
    cells: tuple[Cell, ...]
    lines: tuple[str, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        return self.path.parent.name

    def exercises(self) -> dict[str, list[Cell]]:
        """The cells of each exercise, in the lesson's order."""
        found: dict[str, list[Cell]] = {}
        for cell in self.cells:
            if cell.exercise:
                found.setdefault(cell.exercise, []).append(cell)
        return found

    def answers(self) -> dict[str, str]:
        """What the solved `%answer` lines say: exercise to text."""
        pattern = re.compile(r"^\s*%answer\s+(\S+)\s+(\S.*?)\s*$", re.MULTILINE)
        solved = (cell.solved for cell in self.cells if cell.kind == "code" and cell.solved != cell.blank)
        return {match[1]: match[2] for text in solved for match in pattern.finditer(text)}


def read(path: Path) -> LessonSource:
    """Reads a `source.md`. Raises LessonUnreadable, which says what is missing or of the wrong kind, and where."""
    try:
        text = path.read_text("utf-8")
        notebook = jupytext.reads(_SECTION_OF_CODE.sub(r"\2:section: \1\n", text), fmt="md:myst")
    except (OSError, ValueError, yaml.YAMLError) as problem:
        raise LessonUnreadable(f"{path}: {problem}") from None
    header = header_of(notebook.metadata.get("labkit"), path)
    section, cells = "", []
    for raw in notebook.cells:
        section = raw.metadata.get("section", section)
        blank, solved = both_versions(raw.source, path) if raw.cell_type == "code" else (raw.source, raw.source)
        exercise, tags = str(raw.metadata.get("exercise", "")), tuple(raw.metadata.get("tags", ()))
        starts = str(raw.metadata.get("section", ""))
        cells.append(Cell(raw.cell_type, blank, solved, starts, exercise, tags))
    return LessonSource(path, header, tuple(cells), tuple(text.splitlines()))


# --- the header ---------------------------------------------------------------------------------------------


def header_of(found: object, path: Path) -> Header:
    """Checks the `labkit:` part of a source's front matter. Raises LessonUnreadable."""
    if not isinstance(found, Mapping):
        raise LessonUnreadable(f"{path} has no header `labkit:` in its front matter.")
    known = set(Header.__dataclass_fields__)
    if unknown := sorted(set(found) - known):
        raise LessonUnreadable(f"{path}: the header has an unknown entry `{unknown[0]}`; known: {', '.join(known)}.")
    if missing := [name for name in REQUIRED if name not in found]:
        raise LessonUnreadable(f"{path}: the header lacks {', '.join(missing)}.")
    values: dict[str, Any] = dict(found)
    for name in ("minutes", "budget_s"):
        if not isinstance(values[name], int | float) or not values[name] > 0:
            raise LessonUnreadable(f"{path}: {name} is {values[name]!r}; it should be a number above 0.")
    for name in ("objectives", "data", "prerequisites", "concepts"):
        if not _is_texts(values[name]):
            raise LessonUnreadable(f"{path}: {name} should be a list of texts (ids in quotes).")
        values[name] = tuple(values[name])
    if values.get("kind", "lesson") not in KINDS:
        raise LessonUnreadable(f"{path}: kind is {values['kind']!r}; it should be one of {', '.join(KINDS)}.")
    if not re.fullmatch(r"\d\d", str(values["id"])) or not path.resolve().parent.name.startswith(f"{values['id']}-"):
        raise LessonUnreadable(f"{path}: id is {values['id']!r}; it should be the folder's two digits, in quotes.")
    values["recap"] = tuple(_recap_item(item, path) for item in values.get("recap") or ())
    return Header(**values)


def _is_texts(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, str) for v in value)


def _recap_item(found: object, path: Path) -> RecapItem:
    try:
        item = RecapItem(**found)  # type: ignore[arg-type]
    except TypeError as problem:
        raise LessonUnreadable(f"{path}: a recap item: {problem}; it needs id, question, answer.") from None
    if item.difficulty not in (1, 2, 3):
        raise LessonUnreadable(f"{path}: recap item {item.id}: difficulty is {item.difficulty!r}, not 1, 2 or 3.")
    return item


# --- the two versions ---------------------------------------------------------------------------------------


def both_versions(text: str, path: Path) -> tuple[str, str]:
    """A cell as the student gets it, and solved. Raises LessonUnreadable for a solution that does not end.

    >>> both_versions("slope = xy / xx  # SOLUTION", path)
    ('slope = ...', 'slope = xy / xx')
    """
    blank: list[str] = []
    solved: list[str] = []
    block: list[str] | None = None
    own_blank: list[str] | None = None
    for line in text.splitlines():
        if block is None and _BEGIN.match(line):
            block = []
        elif block is not None and _BLANK.match(line):
            own_blank = []
        elif block is not None and _END.match(line):
            solved += block
            blank += own_blank if own_blank is not None else [_default_blank(block)]
            block = own_blank = None
        elif own_blank is not None:
            own_blank.append(line)
        elif block is not None:
            block.append(line)
        elif match := _LINE.match(line):
            solved.append(match["code"])
            blank.append(blanked(match["code"]))
        else:
            solved.append(line)
            blank.append(line)
    if block is not None:
        raise LessonUnreadable(f"{path}: a cell has `# BEGIN SOLUTION` and no `# END SOLUTION`: {text[:60]!r}")
    return "\n".join(blank), "\n".join(solved)


def blanked(line: str) -> str:
    """One line with its answer taken out.

    >>> blanked("    return 2 * x")
    '    return ...'
    """
    for pattern in (_MAGIC, _RETURN, _ASSIGNMENT):
        if match := pattern.match(line):
            return f"{match[1]}..."
    return f"{_indent(line)}..."


def _default_blank(block: Sequence[str]) -> str:
    first = next((line for line in block if line.strip()), "")
    return f"{_indent(first)}...  # your code"


def _indent(line: str) -> str:
    match = _INDENT.match(line)
    return match[0] if match else ""

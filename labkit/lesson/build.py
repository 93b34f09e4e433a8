"""From a lesson's `source.md` to what a student opens: notebooks without outputs, with stable cell ids; and the key.

`02-least-squares.ipynb` is the student's version, with blanks. `lesson.json` is what the magics need at work: titles,
prerequisites, exercises, questions for later lessons, and right answers as salted hashes. Both are committed, and
`labkit build --check` proves that they are what this builder makes. The solved notebook is never written beside them:
`labkit run --solution` makes it in memory, `labkit build --solutions FOLDER` puts it where a teacher wants it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from labkit.errors import LessonUnreadable
from labkit.lesson import answers
from labkit.lesson.exercises import Exercise, declared
from labkit.lesson.source import SOURCE, Cell, LessonSource, read

FACTS = "lesson.json"
CHECKS = "checks.py"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def sources(lessons: Path) -> list[Path]:
    """The source of every lesson in a folder, by number."""
    return sorted(lessons.glob(f"*/{SOURCE}"))


def notebook_path(source: Path) -> Path:
    """`lessons/00-orientation/source.md` is built to `lessons/00-orientation/00-orientation.ipynb`."""
    return source.parent / f"{source.parent.name}.ipynb"


def build(source: Path) -> str:
    """The student's notebook. The same source gives the same bytes. Raises LessonUnreadable."""
    return _text(notebook(read(source), solved=False))


def solution(source: Path) -> str:
    """The notebook with every blank filled in, with the same cell ids. Raises LessonUnreadable."""
    return _text(notebook(read(source), solved=True))


def facts(source: Path) -> str:
    """The lesson's `lesson.json`. Raises LessonUnreadable for a right answer that no `%answer` line gives."""
    lesson = read(source)
    header = lesson.header
    said = lesson.answers()
    keys = {e.id: _key(lesson, e, said) for e in _exercises(lesson) if e.kind == "answer"}
    recap = [
        {
            "id": item.id,
            "question": item.question,
            "difficulty": item.difficulty,
            "look": item.look,
            "key": answers.key(item.answer, f"{header.id}.{item.id}", decimals=item.decimals).as_json(),
        }
        for item in header.recap
    ]
    found = {
        "id": header.id,
        "kind": header.kind,
        "title": header.title,
        "title_zh": header.title_zh,
        "minutes": header.minutes,
        "budget_s": header.budget_s,
        "prerequisites": list(header.prerequisites),
        "exercises": list(lesson.exercises()),
        "answers": keys,
        "recap": recap,
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def outdated(lessons: Path, only: Sequence[Path] = ()) -> list[Path]:
    """The files that are not what the builder makes of their source."""
    return [path for path, text in _made(lessons, only) if not _holds(path, text)]


def write(lessons: Path, only: Sequence[Path] = ()) -> list[Path]:
    """Builds what is outdated; returns what was written."""
    written = []
    for path, text in _made(lessons, only):
        if not _holds(path, text):
            path.write_text(text, "utf-8")
            written.append(path)
    return written


def write_solutions(lessons: Path, into: Path, only: Sequence[Path] = ()) -> list[Path]:
    """Puts the solved notebooks into a folder, which is made if need be."""
    written = []
    for source in only or sources(lessons):
        path = into / f"{source.parent.name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(solution(source), "utf-8")
        written.append(path)
    return written


def notebook(lesson: LessonSource, *, solved: bool) -> Any:
    """A lesson as a notebook: the header in words, then its cells."""
    cells = [nbformat.v4.new_markdown_cell(front(lesson))]
    cells += [_cell(cell, solved) for cell in lesson.cells]
    made = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    for number, cell in enumerate(made.cells):
        cell.id = f"{lesson.name}-{number:03d}"
    made.nbformat, made.nbformat_minor = 4, 5
    nbformat.validate(made)
    return made


def front(lesson: LessonSource) -> str:
    """The first cell: what this is, how long it takes, and what one can do afterwards."""
    h = lesson.header
    before = f"after {' and '.join(h.prerequisites)}" if h.prerequisites else "no lesson before it"
    goals = [f"- **{verb}** {rest}".rstrip() for verb, _, rest in (o.partition(" ") for o in h.objectives)]
    about = f"{h.title_zh} · about {h.minutes:g} minutes · {before} · data: {', '.join(h.data) or 'none'}"
    return "\n".join([f"# {h.id} · {h.title}", "", about, "", "By the end you can", "", *goals])


def _cell(cell: Cell, solved: bool) -> Any:
    text = cell.solved if solved else cell.blank
    if cell.kind != "code":
        return nbformat.v4.new_markdown_cell(text, metadata=_metadata(cell))
    return nbformat.v4.new_code_cell(text, metadata=_metadata(cell))


def _metadata(cell: Cell) -> dict[str, object]:
    known = {"exercise": cell.exercise, "section": cell.section, "tags": list(cell.tags)}
    return {name: value for name, value in known.items() if value}


def _exercises(lesson: LessonSource) -> list[Exercise]:
    path = lesson.path.parent / CHECKS
    return list(declared(path).values()) if path.is_file() else []


def _key(lesson: LessonSource, exercise: Exercise, said: dict[str, str]) -> dict[str, object]:
    if exercise.id not in said:
        raise LessonUnreadable(
            f"{lesson.path}: exercise {exercise.id} is an answer, and no line gives it: "
            f"%answer {exercise.id} VALUE  # SOLUTION"
        )
    return answers.key(said[exercise.id], f"{lesson.header.id}.{exercise.id}", decimals=exercise.decimals).as_json()


def _made(lessons: Path, only: Sequence[Path]) -> list[tuple[Path, str]]:
    found = []
    for source in only or sources(lessons):
        found += [(notebook_path(source), build(source)), (source.parent / FACTS, facts(source))]
    return found


def _text(made: Any) -> str:
    return str(nbformat.writes(made)) + "\n"


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == text

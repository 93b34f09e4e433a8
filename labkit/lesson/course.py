"""The lessons that there are, by their `lesson.json`, and which one comes next. Reads; decides by plain functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LessonUnreadable
from labkit.lesson.answers import Key
from labkit.lesson.exercises import Result
from labkit.lesson.progress import Attempt, Recalled
from labkit.lesson.recap import Question

FACTS = "lesson.json"
FORGOTTEN = 2
"""So many questions about a lesson answered wrongly, and it is suggested again."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is known of a lesson without opening its notebook."""

    id: str
    folder: Path
    title: str
    title_zh: str
    prerequisites: tuple[str, ...]
    exercises: tuple[str, ...]
    answers: Mapping[str, Key]
    questions: tuple[Question, ...]
    keys: Mapping[str, Key]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a student is in a lesson."""

    lesson: Lesson
    passed: int
    forgotten: int

    @property
    def done(self) -> bool:
        return self.passed == len(self.lesson.exercises)


def lesson_in(folder: Path) -> Lesson:
    """The lesson of a folder. Raises LessonUnreadable."""
    path = folder / FACTS
    try:
        found = json.loads(path.read_text("utf-8"))
        questions = [Question(found["id"], q["id"], q["question"], q["difficulty"], q["look"]) for q in found["recap"]]
        return Lesson(
            id=found["id"],
            folder=folder,
            title=found["title"],
            title_zh=found["title_zh"],
            prerequisites=tuple(found["prerequisites"]),
            exercises=tuple(found["exercises"]),
            answers={name: Key.from_json(key) for name, key in found["answers"].items()},
            questions=tuple(questions),
            keys={q["id"]: Key.from_json(q["key"]) for q in found["recap"]},
        )
    except FileNotFoundError:
        raise LessonUnreadable(
            f"There is no lesson in {folder}: it has no {FACTS}.",
            hint="Open the lesson's notebook in its own folder, or run `labkit build`.",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise LessonUnreadable(f"{path} cannot be read: {type(problem).__name__}: {problem}") from None


def course(lessons: Path) -> dict[str, Lesson]:
    """All lessons of a folder, by id."""
    found = [lesson_in(path.parent) for path in sorted(lessons.glob(f"*/{FACTS}"))]
    return {lesson.id: lesson for lesson in found}


def standings(lessons: Mapping[str, Lesson], attempts: Sequence[Attempt], recaps: Sequence[Recalled]) -> list[Standing]:
    """How far a student is in each lesson."""
    passed = {(a.lesson, a.exercise) for a in attempts if a.result == Result.PASSED}
    last = {(r.lesson, r.item): r.result for r in recaps}
    return [
        Standing(
            lesson,
            passed=sum((lesson.id, exercise) in passed for exercise in lesson.exercises),
            forgotten=sum(last.get((lesson.id, q.id)) == "wrong" for q in lesson.questions),
        )
        for lesson in lessons.values()
    ]


def suggestion(found: Sequence[Standing]) -> str:
    """What to do next, in a sentence: first what was forgotten, then the first lesson whose prerequisites are done."""
    if again := [s for s in found if s.done and s.forgotten >= FORGOTTEN]:
        return f"Look at {again[0].lesson.folder.name} again: {again[0].forgotten} of its questions went wrong."
    done = {s.lesson.id for s in found if s.done}
    there = {s.lesson.id for s in found}
    for standing in found:
        lesson = standing.lesson
        if not standing.done and done.issuperset(there.intersection(lesson.prerequisites)):
            left = len(lesson.exercises) - standing.passed
            return f"Next: {lesson.folder.name}, {left} of {len(lesson.exercises)} exercises to do."
    return "All lessons that are here are done."

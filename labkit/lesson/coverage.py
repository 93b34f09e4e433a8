"""The coverage matrix (`lessons/coverage.yaml`): the course's lessons, written or planned, and its concepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from labkit.errors import LessonUnreadable

FILE = "coverage.yaml"


@dataclass(frozen=True, slots=True)
class Planned:
    """A lesson of the course, there or not yet."""

    title: str
    unit: str
    minutes: float
    budget_s: float


@dataclass(frozen=True, slots=True)
class Concept:
    """What the source articles name, and the lessons that treat it."""

    name: str
    lessons: tuple[str, ...]
    main: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    lessons: Mapping[str, Planned]
    concepts: Mapping[str, Concept]

    def of(self, lesson: str) -> set[str]:
        """The concepts that a lesson has to cover."""
        return {name for name, concept in self.concepts.items() if lesson in concept.lessons}

    def faults(self) -> list[str]:
        """What contradicts itself: a concept without a lesson, a lesson that is not planned."""
        found = []
        for name, concept in self.concepts.items():
            if not concept.lessons:
                found.append(f"concept {name} has no lesson")
            found += [f"concept {name}: there is no lesson {n}" for n in concept.lessons if n not in self.lessons]
            odd = set(concept.main) - set(concept.lessons)
            found += [f"concept {name}: {n} is main, but no lesson of it" for n in sorted(odd)]
        return found


def matrix(lessons: Path) -> Matrix:
    """Reads the matrix of a folder of lessons. Raises LessonUnreadable."""
    path = lessons / FILE
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
        planned = {name: Planned(**entry) for name, entry in found["lessons"].items()}
        concepts = {
            name: Concept(entry["name"], tuple(entry["lessons"]), tuple(entry["main"]))
            for name, entry in found["concepts"].items()
        }
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as problem:
        raise LessonUnreadable(f"{path} cannot be read: {problem}") from None
    return Matrix(planned, concepts)

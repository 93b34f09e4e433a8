from __future__ import annotations

from pathlib import Path

import pytest

from labkit.errors import LessonUnreadable
from labkit.lesson.coverage import Concept, Matrix, Planned, matrix

LESSONS = Path(__file__).parents[2] / "lessons"


def test_the_courses_matrix_has_all_lessons_and_contradicts_itself_nowhere():
    known = matrix(LESSONS)
    assert list(known.lessons) == [f"{n:02d}" for n in range(21)]
    assert known.faults() == []
    assert "linear-regression" in known.of("02")


def test_a_concept_without_a_lesson_and_an_unknown_lesson_are_faults():
    concepts = {"a": Concept("A", ()), "b": Concept("B", ("02", "77"), ("03",))}
    found = Matrix({"02": Planned("X", "B", 1, 1)}, concepts).faults()
    assert found == [
        "concept a has no lesson",
        "concept b: there is no lesson 77",
        "concept b: 03 is main, but no lesson of it",
    ]


def test_every_lesson_treats_some_concept():
    known = matrix(LESSONS)
    assert [number for number in known.lessons if not known.of(number)] == []


@pytest.mark.parametrize("text", ["- 1", "lessons: [", "lessons: {}\nconcepts: {a: {}}"])
def test_a_matrix_that_cannot_be_read_names_the_file(tmp_path, text):
    (tmp_path / "coverage.yaml").write_text(text)
    with pytest.raises(LessonUnreadable, match=r"coverage\.yaml cannot be read"):
        matrix(tmp_path)

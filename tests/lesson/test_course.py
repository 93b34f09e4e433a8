from __future__ import annotations

from pathlib import Path

import pytest

from labkit.errors import LessonUnreadable
from labkit.lesson.course import Lesson, Standing, lesson_in, standings, suggestion
from labkit.lesson.progress import Attempt, Recalled
from labkit.lesson.recap import Question


def lesson(number, *before, exercises=("a", "b")):
    return Lesson(number, Path(f"{number}-x"), "X", "某", before, exercises, {}, (Question(number, "q", "?"),), {})


def test_a_lesson_is_done_when_all_its_exercises_passed_once():
    tried = [Attempt("02", "a", r, "", "", 0.0) for r in ("passed", "rejected")]
    (found,) = standings({"02": lesson("02")}, tried, [Recalled("02", "q", "wrong", "", 0.0)])
    assert (found.passed, found.forgotten, found.done) == (1, 1, False)


def test_next_is_the_first_lesson_whose_prerequisites_are_done():
    found = [Standing(lesson("05", "02"), 0, 0), Standing(lesson("02"), 1, 0)]
    assert suggestion(found) == "Next: 02-x, 1 of 2 exercises to do."


def test_prerequisites_that_are_not_here_hold_nobody_up():
    assert suggestion([Standing(lesson("05", "02"), 0, 0)]).startswith("Next: 05-x")


def test_what_was_forgotten_comes_first():
    assert suggestion([Standing(lesson("02"), 2, 2), Standing(lesson("03"), 0, 0)]).startswith("Look at 02-x again")


def test_at_the_end_it_says_so():
    assert suggestion([Standing(lesson("02"), 2, 0)]) == "All lessons that are here are done."


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"id": "02", "recap": [{}]}'])
def test_facts_that_cannot_be_read_name_the_file(tmp_path, text):
    (tmp_path / "lesson.json").write_text(text)
    with pytest.raises(LessonUnreadable, match=r"lesson\.json cannot be read"):
        lesson_in(tmp_path)


def test_a_folder_without_a_lesson_says_what_to_do(tmp_path):
    with pytest.raises(LessonUnreadable, match="There is no lesson in"):
        lesson_in(tmp_path)

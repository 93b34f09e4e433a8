from __future__ import annotations

import json

import nbformat
import pytest

from labkit.errors import LessonUnreadable
from labkit.lesson import build


def cells(text):
    return nbformat.reads(text, as_version=4).cells


def test_the_student_gets_blanks_and_the_solution_has_the_same_cells(write_lesson):
    path = write_lesson()
    blank, solved = cells(build.build(path)), cells(build.solution(path))
    assert [cell.id for cell in blank] == [cell.id for cell in solved]
    assert "slope = ..." in [cell.source for cell in blank]
    assert "%answer q 0.5" in [cell.source for cell in solved]
    assert not any("SOLUTION" in cell.source for cell in blank + solved)


def test_the_first_cell_is_the_header_in_words(write_lesson):
    first = cells(build.build(write_lesson()))[0].source
    assert first.splitlines()[0] == "# 02 · A line"
    assert "一条直线 · about 75 minutes" in first
    assert first.splitlines()[-1] == "- **fit** a line"


def test_the_same_source_gives_the_same_bytes(write_lesson):
    path = write_lesson()
    assert (build.build(path), build.facts(path)) == (build.build(path), build.facts(path))


def test_the_facts_name_the_exercises_and_hold_no_answer(write_lesson):
    facts = json.loads(build.facts(write_lesson(answer="%answer q 0.71828  # SOLUTION")))
    assert facts["exercises"] == ["slope", "q"]
    assert len(facts["answers"]["q"]["near"]) == 2
    assert "718" not in json.dumps(facts)


def test_an_answer_that_no_line_gives_is_told(write_lesson):
    with pytest.raises(LessonUnreadable, match="%answer q VALUE  # SOLUTION"):
        build.facts(write_lesson(answer="print(1)"))


def test_what_was_changed_by_hand_is_outdated_until_it_is_built_again(write_lesson):
    path = write_lesson()
    lessons = path.parent.parent
    build.write(lessons)
    assert build.outdated(lessons) == []
    notebook = build.notebook_path(path)
    notebook.write_text(notebook.read_text().replace("slope = ...", "slope = 2"))
    assert build.outdated(lessons) == [notebook]
    assert build.write(lessons) == [notebook]
    assert build.outdated(lessons) == []

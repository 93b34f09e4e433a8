"""Grading: what students hand in, what is judged, and what neither their outputs nor their mistakes can change."""

from __future__ import annotations

import csv
import io
import json

import nbformat
import pytest

from labkit import cli
from labkit.errors import LabkitError, LessonUnreadable
from labkit.lesson import build
from labkit.lesson.grade import Grade, Graded, Submission, as_csv, by_exercise, feedback, grade, submissions
from labkit.show.data import MIME

HIDDEN = """from labkit.lesson.exercises import Exercises, require

exercises = Exercises()


@exercises.hidden("other-data")
def check_other(slope):
    require(slope == 2, "wrong", "SECRET: it must be 2.")
"""


@pytest.fixture
def course(write_lesson, tmp_path):
    """The folder of lessons, with one in it, and how a student's notebook of it is handed in."""
    write_lesson(answer="%answer q 0.5  # SOLUTION")
    folder = tmp_path / "lessons"
    build.write(folder)

    def hand_in(student, *, slope="...", answer="...", first="%load_ext labkit\nx, y = [1, 2, 3], [2, 4, 6]", more=()):
        notebook = nbformat.read(folder / "02-line" / "02-line.ipynb", as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        code[0].source, code[1].source, code[2].source = first, f"slope = {slope}", f"%answer q {answer}"
        notebook.cells += [nbformat.v4.new_code_cell(source) for source in more]
        path = tmp_path / "in" / student / "02-line.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
        return path

    hand_in.folder = folder
    return hand_in


@pytest.fixture
def hidden(tmp_path):
    folder = tmp_path / "hidden"
    folder.mkdir()
    (folder / "02-line.py").write_text(HIDDEN)
    return folder


def graded(course, *paths, **more):
    return grade(submissions(paths, course.folder), course.folder, at_once=2, timeout_s=60, **more)


def results(one: Graded) -> dict[str, str]:
    return {each.exercise: each.result for each in one.grades}


# --- what is handed in


def test_a_folder_is_searched_and_students_have_their_folders_names(course):
    for student in ("ada", "grace"):
        course(student)
    found = submissions([course("zoe").parent.parent], course.folder)
    assert [(each.student, each.lesson) for each in found] == [(s, "02-line") for s in ("ada", "grace", "zoe")]


def test_a_notebook_that_was_renamed_is_its_students_and_still_of_its_lesson(course):
    path = course("inbox")
    renamed = path.rename(path.with_name("Ada Lovelace.ipynb"))
    assert submissions([renamed], course.folder) == [Submission(renamed, "Ada Lovelace", "02-line")]


def test_two_notebooks_of_one_student_are_not_mixed_up(course):
    first = course("one/ada")
    second = course("two/ada")
    with pytest.raises(LabkitError, match="several notebooks of ada"):
        submissions([first, second], course.folder)


@pytest.mark.parametrize("text", ["no json", "[]", '{"cells": 1}'])
def test_what_is_no_notebook_is_said(course, tmp_path, text):
    (tmp_path / "x.ipynb").write_text(text)
    with pytest.raises(LabkitError, match="is no notebook"):
        submissions([tmp_path / "x.ipynb"], course.folder)


def test_a_notebook_of_no_lesson_is_said(course, notebook):
    with pytest.raises(LabkitError, match="is no notebook of a lesson here"):
        submissions([notebook("1 + 1")], course.folder)


def test_an_empty_folder_is_said(course, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(LabkitError, match="There is no notebook to grade"):
        submissions([tmp_path / "none"], course.folder)


# --- grading


@pytest.mark.process
def test_right_wrong_and_blank_are_told_apart_and_hidden_checks_are_among_them(course, hidden):
    right, wrong, blank = graded(
        course,
        course("ada", slope="2", answer="0.5"),
        course("bob", slope="1", answer="0.9"),
        course("eve"),
        hidden=hidden,
    )
    assert results(right) == {"slope": "passed", "q": "passed", "why": "not done yet", "other-data": "passed"}
    assert results(wrong) == {"slope": "rejected", "q": "rejected", "why": "not done yet", "other-data": "rejected"}
    assert set(results(blank).values()) == {"not done yet"}
    assert [(one.passed(hidden=True), one.of(hidden=True)) for one in (right, wrong)] == [(1, 1), (0, 1)]
    assert next(g for g in right.grades if g.exercise == "q").said == "0.5"


@pytest.mark.process
def test_a_cell_that_fails_and_one_that_never_ends_stop_nothing(course):
    failing = course("ada", slope="2", first="x, y = [1, 2, 3], [2, 4, 6]\n1 / 0")
    (one,) = graded(course, failing)
    assert results(one)["slope"] == "passed"
    endless = course("bob", slope="2", more=["while True: pass"])
    (other,) = grade(submissions([endless], course.folder), course.folder, timeout_s=3)
    assert results(other)["slope"] == "passed"


@pytest.mark.process
def test_forged_outputs_count_for_nothing(course):
    rows = [{"exercise": "slope", "result": "passed", "message": "", "hidden": False}]
    shown = {"text/plain": "", MIME: {"kind": "grades", "rows": rows}}
    forged = f"from IPython.display import display\ndisplay({shown}, raw=True)"
    path = course("eve", slope="1", more=[forged])
    notebook = json.loads(path.read_text())
    fact = {"kind": "checks", "rows": rows}
    notebook["cells"][-1]["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": {MIME: fact}}]
    path.write_text(json.dumps(notebook))
    (one,) = graded(course, path)
    assert results(one)["slope"] == "rejected"


@pytest.mark.process
def test_the_copy_has_the_teachers_checks_and_no_solutions(course):
    looks = (
        "import os; files = ' '.join(sorted(os.listdir()))\nget_ipython().run_line_magic('answer', f'why {files} end')"
    )
    path = course("eve", more=[looks])
    (path.parent / "checks.py").write_text("raise SystemExit('a student wrote this')")
    (one,) = graded(course, path)
    said = next(g for g in one.grades if g.exercise == "why").said
    assert said == "02-line.ipynb checks.py lesson.json end"


@pytest.mark.process
def test_a_kernel_that_dies_is_a_problem_of_this_one_only(course):
    dead, alive = graded(course, course("bob", more=["import os; os._exit(3)"]), course("ada", slope="2"))
    assert dead.problem.startswith("KernelDied")
    assert dead.grades == ()
    assert results(alive)["slope"] == "passed"


def test_a_hidden_check_may_not_have_an_exercises_name(course, hidden):
    (hidden / "02-line.py").write_text(HIDDEN.replace("other-data", "slope"))
    with pytest.raises(LessonUnreadable, match="slope, which is an exercise of the lesson already"):
        graded(course, course("ada"), hidden=hidden)


def test_hidden_checks_that_are_not_there_are_said(course, tmp_path):
    with pytest.raises(LabkitError, match="There is no folder"):
        graded(course, course("ada"), hidden=tmp_path / "typo")


# --- what a teacher gets

ADA = Graded(
    Submission(None, "ada", "02-line"),
    (Grade("slope", "passed", "All holds.", False, ""), Grade("other", "rejected", "SECRET", True, "")),
)
BOB = Graded(Submission(None, "=bob()", "02-line"), (), "KernelDied: it ended")


def test_the_csv_has_a_line_each_and_no_formula_of_a_students():
    ada, bob = csv.DictReader(io.StringIO(as_csv([ADA, BOB])))
    assert [ada[name] for name in ("student", "passed", "of", "hidden_passed", "hidden_of", "slope", "other")] == [
        "ada", "1", "1", "0", "1", "passed", "rejected",
    ]  # fmt: skip
    assert (bob["student"], bob["slope"], bob["problem"]) == ("'=bob()", "", "KernelDied: it ended")


def test_feedback_keeps_what_is_hidden():
    page = feedback(ADA)
    assert "slope**: passed. All holds." in page
    assert "0 of 1 hidden check passed" in page
    assert "SECRET" not in page
    assert "It did not run to its end: KernelDied" in feedback(BOB)


def test_a_class_is_counted_by_exercise():
    assert by_exercise([ADA, ADA, BOB])["02-line/slope"] == {"passed": 2}


@pytest.mark.process
def test_the_command_prints_a_table_and_writes_the_csv_and_a_page_for_each(
    course, hidden, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("labkit.lesson.run.lessons_folder", lambda: course.folder)
    handed_in = course("ada", slope="2", answer="0.5").parent.parent
    course("bob")
    sheet, pages = tmp_path / "grades.csv", tmp_path / "pages"
    command = ["grade", str(handed_in), "--hidden", str(hidden), "--csv", str(sheet), "--feedback", str(pages)]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert "ada      02-line  2 of 3  1 of 1" in printed
    assert "02-line/slope" in printed
    assert [row["student"] for row in csv.DictReader(sheet.open())] == ["ada", "bob"]
    assert sorted(page.name for page in pages.iterdir()) == ["ada-02-line.md", "bob-02-line.md"]

from __future__ import annotations

import itertools

import pytest

from labkit.errors import LessonUnreadable, UnknownExercise
from labkit.lesson import build
from labkit.lesson.progress import Progress
from labkit.lesson.workbook import Workbook, fingerprint
from labkit.show.data import MIME

NAMES = {"x": [1, 2, 3], "y": [2, 4, 6]}


@pytest.fixture
def book(write_lesson, tmp_path):
    """A small lesson with a progress file of its own, under a clock that counts."""

    def open_book(**options) -> Workbook:
        return Workbook(path.parent, Progress(tmp_path / "progress.sqlite3", itertools.count().__next__), **options)

    path = write_lesson()
    build.write(path.parent.parent)
    return open_book


# --- predictions -------------------------------------------------------------


@pytest.mark.parametrize(
    ("predicted", "came", "said"),
    [
        ("20", 41.3, "you predicted 20, it is 41.3: 2.06 times too small."),
        ("80", 40, "2 times too large."),
        ("3", 3.0, "it is 3: right."),
        ("-1", 2, "off by -3."),
        ("Warm", "warm", "it is warm: right."),
        ("cold", "warm", "What did you not expect?"),
        ("fast", 3, "you predicted fast, it is 3."),
    ],
)
def test_a_prediction_is_compared_with_what_came(book, predicted, came, said):
    book().predict("p", predicted)
    assert said in book().was("p", came).text


def test_a_prediction_after_the_answer_does_not_count(book):
    b = book()
    b.predict("p", "1")
    b.was("p", 5)
    assert "does not count" in b.predict("p", "5").text
    assert "you predicted 1" in b.was("p", 5).text
    assert [p.late for p in b.progress_file.predictions()] == [False, True]


def test_dots_are_no_prediction_and_its_answer_is_told_all_the_same(book):
    assert "not predicted yet" in book().predict("p", "...").text
    assert "You had not predicted it" in book().was("p", 5).text
    assert "nothing to compare yet" in book().was("p", ...).text
    assert book().progress_file.predictions() == []


def test_predictions_work_outside_of_any_lesson(tmp_path):
    b = Workbook(tmp_path, Progress(tmp_path / "p.sqlite3"))
    b.predict("p", "1")
    assert b.was("p", 1).text.endswith("right.")


# --- exercises ---------------------------------------------------------------


def test_a_check_says_how_it_ended_and_offers_a_hint_where_there_is_one(book):
    b = book()
    assert b.check("slope", {**NAMES, "slope": 2.0}).text == "slope: passed. All that was asked holds."
    assert b.check("slope", {**NAMES, "slope": 1}).text.endswith("not 0. (%hint slope helps.)")
    assert b.check("slope", {**NAMES, "slope": [2]}).text == "slope: rejected. One number is wanted."
    assert b.check("slope", NAMES).text.startswith("slope: not done yet: `slope` is not there yet")


def test_checking_everything_counts_what_was_said_before(book):
    b = book()
    b.answer("q", "0.5")
    said = b.check("", {**NAMES, "slope": 2})
    assert said.text.splitlines()[-1] == "2 of 3 exercises passed."
    rows = said._repr_mimebundle_()[MIME]["rows"]
    assert [row["result"] for row in rows] == ["passed", "passed", "not done yet"]


def test_blanks_are_no_attempts(book):
    b = book()
    b.check("slope", NAMES)
    b.answer("q", "...")
    assert b.progress_file.attempts() == []


def test_a_misspelt_exercise_is_an_error_with_the_nearest(book):
    with pytest.raises(UnknownExercise, match="Did you mean `slope`") as caught:
        book().check("slpe", {})
    assert "this lesson has: slope, q, why" in str(caught.value)


def test_answering_what_code_answers_says_what_to_do(book):
    assert book().answer("slope", "2").text.endswith("%check slope")


def test_a_lesson_without_a_key_says_what_to_run(book):
    b = book()
    (b.folder / "lesson.json").unlink()
    with pytest.raises(LessonUnreadable, match="labkit build"):
        b.answer("q", "1")


# --- hints and solutions -----------------------------------------------------


def test_hints_answer_the_last_mistake_one_step_more_each_time(book):
    b = book()
    assert "Begin with the sums." in b.hint("slope").text
    b.check("slope", {**NAMES, "slope": 1})
    assert b.hint("slope").text == "slope: hint 1 of 2: First hint."
    assert b.hint("slope").text == "slope: hint 2 of 2: Second hint."
    assert "That was the last one; %solution slope" in b.hint("slope").text


def test_a_mistake_without_hints_and_no_attempt_say_what_to_do(book):
    b = book()
    assert "try first, then %answer q" in b.hint("q").text
    b.answer("q", "77")
    assert "no more than its message" in b.hint("q").text
    b.check("slope", {**NAMES, "slope": 2})
    assert b.hint("slope").text == "slope: passed already."


def test_the_solution_opens_after_two_attempts_that_differ(book):
    b = book()
    for expected in ("after 2 honest attempts more", "after 1 honest attempt more", "after 1 honest attempt more"):
        assert expected in b.solution("slope").text
        b.check("slope", {**NAMES, "slope": 1})
    b.check("slope", {**NAMES, "slope": 3})
    assert "slope = sum(a * b" in b.solution("slope").text


def test_who_has_passed_sees_the_solution_at_once(book):
    b = book()
    b.check("slope", {**NAMES, "slope": 2})
    assert "one way to do it" in b.solution("slope").text


def test_a_teacher_can_lock_the_solutions_or_open_them(book):
    assert "locked" in book(solutions="locked").solution("slope").text
    assert "one way" in book(solutions="open").solution("slope").text


def test_a_copy_without_solutions_says_so(book):
    b = book(solutions="open")
    (b.folder / "source.md").unlink()
    assert "ask your teacher" in b.solution("slope").text


def test_attempts_are_told_apart_by_code_not_by_place():
    def one(x):
        return x

    def same(x):
        return x

    def other(x):
        return 2 * x

    assert fingerprint([one]) == fingerprint([same]) != fingerprint([other])


# --- recap and progress ------------------------------------------------------


@pytest.fixture
def later(write_lesson, tmp_path):
    """Lesson 03, which asks about lesson 02."""
    first = write_lesson()
    items = "recap:\n    - {id: slope, question: 'How steep?', answer: 2, decimals: 1, look: section 1}"
    first.write_text(first.read_text().replace("recap: []", items))
    second = write_lesson("03-digits")
    second.write_text(second.read_text().replace("prerequisites: []", 'prerequisites: ["02"]'))
    build.write(first.parent.parent)
    return Workbook(second.parent, Progress(tmp_path / "progress.sqlite3", itertools.count().__next__))


def test_a_lesson_opens_with_questions_about_earlier_ones(later):
    assert later.recap().text.splitlines()[0] == "02.slope: How steep?"
    assert later.recap("02.slope", "2.0").text == "02.slope: right."


def test_a_wrong_answer_says_where_to_look_and_comes_back(later):
    assert "Look at lesson 02, section 1." in later.recap("02.slope", "7").text
    assert "1 question to recall" in later.progress().text
    assert "02.slope" in later.recap().text


def test_a_question_that_nobody_asks_is_an_error(later):
    with pytest.raises(UnknownExercise, match=r"02\.slope"):
        later.recap("02.slop", "1")


def test_the_first_lesson_has_nothing_to_recall(book):
    assert book().recap().text.startswith("Nothing to recall yet")


def test_progress_shows_each_lesson_and_suggests_what_its_prerequisites_allow(later):
    lines = later.progress().text.splitlines()
    assert lines[0] == "02-line    0 of 2 exercises"
    assert lines[-1] == "Next: 02-line, 2 of 2 exercises to do."


def test_a_broken_progress_file_is_told_once_and_the_lesson_goes_on(book, tmp_path):
    (tmp_path / "progress.sqlite3").write_text("no database")
    b = book()
    assert "Your progress is not kept" in b.answer("q", "0.9").text
    assert b.hint("q").text == "q: hint 1 of 1: Count."

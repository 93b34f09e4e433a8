from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from labkit.errors import LessonUnreadable
from labkit.lesson import answers
from labkit.lesson.exercises import (
    Exercises,
    Result,
    declared,
    judge,
    judge_answer,
    judge_sentence,
    names_used,
    reject,
    require,
)

TWO = {"1": "a", "2": "b"}


def exercise(check, kind="property"):
    known = Exercises()
    getattr(known, kind)("e", wrong=TWO)(check)
    return known.as_mapping()["e"]


def check_double(double):
    require(double(2) == 4, "not-double", "double(2) should be 4.")


def check_slope(slope):
    require(slope == 2, "wrong-slope", f"found {slope}")


def verdict(check, **names):
    return judge(exercise(check), names)


# --- what the engine gives for nothing --------------------------------------


def test_a_right_answer_passes():
    assert verdict(check_double, double=lambda x: 2 * x).result is Result.PASSED


@pytest.mark.parametrize("names", [{}, {"slope": ...}, {"slope": None}, {"slope": (1, ...)}])
def test_a_missing_name_or_dots_are_not_done_yet(names):
    assert judge(exercise(check_slope), names).result is Result.NOT_DONE


def blank_body(x): ...


def blank_return(x):
    return ...


def blank_in_the_middle(x):
    y = ...
    return y * 2


def pass_only(x):
    """With words about it."""
    pass  # noqa: PIE790


@pytest.mark.parametrize("function", [blank_body, blank_return, blank_in_the_middle, pass_only])
def test_a_function_with_a_blank_is_not_done_yet(function):
    assert verdict(check_double, double=function).result is Result.NOT_DONE


def test_dots_in_a_right_answer_are_no_blank():
    def double(x):
        return 2 * x if x is not ... else 0

    assert verdict(check_double, double=double).result is Result.PASSED


def test_a_forgotten_return_is_told():
    def double(x):
        y = 2 * x  # noqa: F841

    found = verdict(check_double, double=double)
    assert (found.diagnosis, found.result) == ("returns-nothing", Result.REJECTED)
    assert "`double` returns nothing" in found.message


def test_code_that_raises_is_rejected_with_its_error():
    found = verdict(check_double, double=lambda x: x / 0)
    assert found.diagnosis == "raises"
    assert "ZeroDivisionError: division by zero" in found.message


def test_a_wrong_answer_has_its_own_diagnosis_and_message():
    found = verdict(check_slope, slope=3)
    assert (found.result, found.diagnosis, found.message) == (Result.REJECTED, "wrong-slope", "found 3")


class Deployed:
    """A deployed function, as far as a check sees it."""

    def __init__(self, payload=None, error=None, log=""):
        self._outcome = SimpleNamespace(payload=payload, error=error, log_tail=log)

    def invoke(self, event=None):
        return self._outcome

    def function_url(self):
        raise NotImplementedError


def check_hello(hello):
    outcome = hello.invoke({})
    require(outcome.payload == "hello", "silent", f"found {outcome.payload}")


MARSHAL = SimpleNamespace(error_type="Runtime.MarshalError", message="Object of type ellipsis is not JSON serializable")


@pytest.mark.parametrize(
    ("deployed", "result"),
    [
        (Deployed("hello"), Result.PASSED),
        (Deployed(None, log="START RequestId: 1\nEND RequestId: 1\nREPORT RequestId: 1\n"), Result.NOT_DONE),
        (Deployed(None, MARSHAL), Result.NOT_DONE),
        (Deployed(None, log="START RequestId: 1\nhello\nEND RequestId: 1\n"), Result.REJECTED),
        (Deployed("bye"), Result.REJECTED),
    ],
)
def test_a_deployed_blank_is_not_done_yet_and_a_printed_answer_is_wrong(deployed, result):
    assert judge(exercise(check_hello, "behaviour"), {"hello": deployed}).result is result


def test_names_are_resolved_to_the_modules_they_come_from():
    def solve(a):
        import statistics

        return math.sqrt(a) + statistics.mean([a]) + len([reject])

    found = names_used(solve)
    assert {"math.sqrt", "statistics", "labkit.lesson.exercises.reject", "len"} <= found


_, total = reject, math.fsum  # what a notebook happens to call so


def test_an_argument_or_a_variable_is_nothing_of_the_notebooks_that_has_its_name():
    def add(total, rows):
        return sum(total for _ in rows)

    assert names_used(add) == {"total", "rows", "_", "sum"}


# --- answers and sentences ---------------------------------------------------


def answer_exercise(**options):
    known = Exercises()
    known.answer("q", wrong={"0.25": "That is the variance.", "50": "Per cent."}, **options)
    return known.as_mapping()["q"]


@pytest.mark.parametrize(
    ("said", "result", "diagnosis", "words"),
    [
        ("0.5", Result.PASSED, "", "right"),
        ("0.51", Result.PASSED, "", "rounding"),
        ("...", Result.NOT_DONE, "", "dots"),
        ("", Result.NOT_DONE, "", "dots"),
        ("0.25", Result.REJECTED, "0.25", "variance"),
        ("50.0", Result.REJECTED, "50", "Per cent"),
        ("7", Result.REJECTED, "wrong", "not it"),
        ("half", Result.REJECTED, "no-number", "number is wanted"),
    ],
)
def test_an_answer_is_right_near_unfinished_or_wrong_in_a_known_way(said, result, diagnosis, words):
    found = judge_answer(answer_exercise(decimals=2), said, answers.key(0.5, "s", decimals=2), "s")
    assert (found.result, found.diagnosis) == (result, diagnosis)
    assert words in found.message


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ("because the line is nearest", Result.PASSED),
        ("因为平方误差最小", Result.PASSED),
        ("so", Result.REJECTED),
        ("...", Result.NOT_DONE),
    ],
)
def test_a_sentence_is_kept_and_one_word_is_none(said, result):
    known = Exercises()
    known.explain("why", words=4)
    assert judge_sentence(known.as_mapping()["why"], said).result is result


# --- declaring ---------------------------------------------------------------


def test_an_exercise_without_two_kinds_of_wrong_answers_is_refused():
    with pytest.raises(LessonUnreadable, match="at least two"):
        Exercises().property("e", wrong={"1": "a", "2": "a"})(check_slope)


def test_an_exercise_is_declared_once():
    known = Exercises()
    known.property("e", wrong=TWO)(check_slope)
    with pytest.raises(LessonUnreadable, match="declared twice"):
        known.property("e", wrong=TWO)(check_slope)


@pytest.mark.parametrize(("text", "said"), [("1 / 0", "ZeroDivisionError"), ("x = 1", "no `exercises = Exercises")])
def test_checks_that_cannot_be_used_say_why(tmp_path, text, said):
    (tmp_path / "checks.py").write_text(text)
    with pytest.raises(LessonUnreadable, match=said):
        declared(tmp_path / "checks.py")


def test_reading_checks_leaves_no_file_behind(write_lesson):
    folder = write_lesson().parent
    assert list(declared(folder / "checks.py")) == ["slope", "q", "why"]
    assert not (folder / "__pycache__").exists()

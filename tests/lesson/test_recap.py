from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.lesson.progress import Recalled
from labkit.lesson.recap import Question, asked_about, draw

KNOWN = {
    f"{n:02d}": [Question(f"{n:02d}", name, "?", difficulty) for difficulty, name in enumerate("abc", 1)]
    for n in range(21)
}


def names(lesson, *answered):
    return [q.name for q in draw(lesson, KNOWN, answered)]


def said(lesson, item, result, at=1.0):
    return Recalled(lesson, item, result, "", at)


@pytest.mark.parametrize(
    ("lesson", "about"),
    [
        ("00", []),
        ("01", ["00"]),
        ("02", ["01"]),
        ("03", ["02"]),
        ("04", ["03", "01"]),
        ("08", ["07", "05", "01"]),
        ("19", ["18", "16", "12"]),
    ],
)
def test_a_lesson_asks_about_those_one_three_and_seven_before(lesson, about):
    assert [only for (only,) in asked_about(lesson)] == about


def test_the_last_lesson_asks_about_each_unit():
    assert [q.lesson for q in draw("20", KNOWN, [])] == ["00", "02", "10", "15"]


def test_the_first_lesson_asks_nothing():
    assert names("00") == []


def test_each_earlier_lesson_gives_one_easy_question_first():
    assert names("08") == ["07.a", "05.a", "01.a"]


def test_what_was_right_makes_way_for_what_was_never_asked():
    assert names("08", said("07", "a", "right"), said("05", "a", "right")) == ["07.b", "05.b", "01.a"]


def test_what_went_wrong_comes_back_first_in_whatever_lesson():
    assert names("09", said("03", "c", "wrong"))[0] == "03.c"


def test_a_question_answered_rightly_at_last_does_not_come_back():
    assert "03.c" not in names("09", said("03", "c", "wrong"), said("03", "c", "right", 2.0))


def test_lessons_that_are_not_there_yet_are_made_up_for_by_those_that_are():
    assert [q.name for q in draw("08", {"07": KNOWN["07"]}, [])] == ["07.a", "07.b", "07.c"]


answers = st.builds(
    said, st.sampled_from(sorted(KNOWN)), st.sampled_from("abc"), st.sampled_from(["right", "wrong"]), st.floats(0, 9)
)


@given(st.integers(1, 20), st.lists(answers, max_size=30))
def test_no_question_is_asked_twice_none_of_the_future_and_never_too_many(number, answered):
    drawn = draw(f"{number:02d}", KNOWN, answered)
    assert len({q.name for q in drawn}) == len(drawn) == (4 if number == 20 else 3)
    assert all(q.lesson < f"{number:02d}" for q in drawn)

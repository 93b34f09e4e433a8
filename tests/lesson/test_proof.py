from __future__ import annotations

import pytest

from labkit.lesson import answers
from labkit.lesson.exercises import Exercises, require
from labkit.lesson.proof import Cells, prove


def check_slope(slope):
    require(slope != 1, "too-small", "It is larger.")
    require(slope == 2, "too-large", "It is smaller.")


def rows(check=check_slope, wrong=None, blank="slope = ...", solved="slope = 2"):
    known = Exercises()
    known.property("slope", wrong=wrong or {"slope = 1": "too-small", "slope = 3": "too-large"})(check)
    names = {"slope": 2}

    def execute(cells, without):
        among = {name: value for name, value in names.items() if name not in without}
        for cell in cells:
            exec(cell, among)
        return among

    return prove(known.as_mapping()["slope"], Cells((blank,), (solved,)), names, execute, None, "02.slope")


def test_a_good_check_holds_for_every_answer():
    found = rows()
    assert [(row.answer, row.found) for row in found] == [
        ("solution", "passed"),
        ("blank", "not done yet"),
        ("slope = 1", "too-small"),
        ("slope = 3", "too-large"),
    ]
    assert all(row.holds for row in found)


def test_a_check_that_accepts_a_wrong_answer_fails_the_proof():
    assert [row.holds for row in rows(lambda slope: None)] == [True, True, False, False]


def test_a_wrong_answer_that_gets_another_ones_message_fails_the_proof():
    wrong = {"slope = 1": "too-small", "slope = 0": "too-large"}

    def check(slope):
        require(slope == 2, "too-small", "It is larger.")

    assert [row.holds for row in rows(check, wrong)] == [True, True, True, False]


def test_two_wrong_answers_with_the_same_words_fail_the_proof():
    wrong = {"slope = 1": "too-small", "slope = 3": "too-large"}

    def check(slope):
        require(slope != 1, "too-small", "No.")
        require(slope == 2, "too-large", "No.")

    assert [row.holds for row in rows(check, wrong)] == [True, True, True, False]


def test_a_solution_that_does_not_pass_fails_the_proof():
    assert not rows(lambda slope: require(slope == 5, "no", "No."))[0].holds


@pytest.mark.parametrize("blank", ["...  # your code", "a, slope = 1, ...", "# nothing"])
def test_a_blank_never_passes_by_what_the_solution_left_behind(blank):
    assert rows(blank=blank, solved="a, slope = 1, 2")[1].found == "not done yet"


def test_a_blank_that_is_judged_wrong_instead_of_unfinished_fails_the_proof():
    assert [(row.found, row.holds) for row in rows(blank="slope = 0")][1] == ("too-large", False)


def test_a_cell_that_raises_is_no_answer():
    assert rows(wrong={"1 / 0": "too-small", "slope = 3": "too-large"})[2].found == "cell-raises"


def test_an_answer_is_proved_by_its_key():
    known = Exercises()
    known.answer("q", decimals=0, wrong={"10": "Ten?", "99": "Far."})
    key = answers.key(11, "02.q", decimals=0)
    found = prove(known.as_mapping()["q"], Cells(said="11"), {}, lambda cells, without: {}, key, "02.q")
    # ten is a neighbour of eleven, which a count must not have: the proof finds it
    assert [row.holds for row in found] == [True, True, False, True]

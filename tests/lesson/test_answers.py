from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.lesson.answers import Key, accepts, key


@pytest.mark.parametrize(
    ("said", "how"),
    [
        ("0.437", "right"),
        ("0.43709", "right"),
        ("0.438", "near"),
        ("0.436", "near"),
        ("0.439", "wrong"),
        ("half", "no number"),
        ("nan", "no number"),
        ("−0.437", "wrong"),
    ],
)
def test_a_number_is_right_when_it_rounds_to_the_same_and_near_when_one_off(said, how):
    assert accepts(key(0.4371, "02.q", decimals=3), said, "02.q") == how


def test_large_numbers_are_rounded_before_the_point_and_may_have_commas():
    assert accepts(key(25_300_000, "14.q", decimals=-5), "25,312,000", "14.q") == "right"


def test_decimal_digits_are_rounded_as_decimal_digits():
    # in binary 1.005 * 100 is 100.49999999999999
    assert key(1.005, "s", decimals=3) == key("1.005", "s", decimals=3)
    assert accepts(key(1.0049, "s", decimals=4), "1.0049", "s") == "right"


def test_a_count_has_no_neighbours():
    assert accepts(key(11, "q"), "10", "q") == "wrong"
    assert accepts(key(11, "q"), " 11 ", "q") == "right"


def test_a_word_is_compared_without_case_and_quotes():
    assert accepts(key("cold", "q"), "'Cold'", "q") == "right"


def test_a_key_holds_no_answer_and_survives_json():
    kept = key(0.437, "q", decimals=3)
    assert "437" not in str(kept.as_json())
    assert Key.from_json(kept.as_json()) == kept


def test_the_same_answer_of_another_exercise_has_another_key():
    assert key(1, "a").right != key(1, "b").right


@settings(max_examples=25, deadline=None)
@given(st.floats(-1e6, 1e6), st.integers(-3, 6))
def test_whoever_rounds_a_right_answer_is_right(value, decimals):
    assert accepts(key(value, "q", decimals=decimals), repr(round(value, decimals)), "q") in ("right", "near")

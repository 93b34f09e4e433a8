"""Numbers and texts as a student reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.show import words


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0.00"),
        (0.0042, "4.20"),
        (0.009996, "10.0"),
        (0.0314, "31.4"),
        (0.09996, "100"),
        (0.912, "912"),
        (1.5, "1,500"),
    ],
)
def test_milliseconds_have_three_significant_digits(seconds, shown):
    assert words.ms(seconds) == shown


def test_a_duration_over_ten_seconds_is_in_seconds():
    assert (words.duration(9.5), words.duration(12.34)) == ("9,500 ms", "12.3 s")


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [(1, "1 byte"), (999, "999 bytes"), (1234, "1.2 kB"), (999_960, "1.0 MB"), (52_428_800, "52.4 MB")],
)
def test_sizes_are_in_the_unit_that_reads_best(size_bytes, shown):
    assert words.size(size_bytes) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(5.9, "5 s"), (65, "1 min 5 s"), (3725, "1 h 2 min")])
def test_ages_have_their_two_largest_units(seconds, shown):
    assert words.age(seconds) == shown


def test_a_share_that_rounds_to_nothing_is_said_to_be_below_one_percent():
    assert [words.percent(share) for share in (0, 0.004, 0.006, 1)] == ["0 %", "<1 %", "1 %", "100 %"]


def test_lists_are_read_as_english():
    assert [words.listing("a"), words.listing("ab"), words.listing("abc")] == ["a", "a and b", "a, b and c"]


def test_colour_codes_and_control_characters_do_not_reach_the_screen():
    assert words.clean("\x1b[1;31mred\x1b[0m \x1b]0;title\x07bell\x00") == "red bell�"


def test_a_carriage_return_ends_a_line_as_in_the_runtimes_error_lines():
    assert words.lines("a\rb\r\nc\nd  ") == ["a", "b", "c", "d"]


@given(st.text(st.characters(codec=None)))
def test_clean_text_can_always_be_written_to_a_file(text):
    words.clean(text).encode("utf-8")


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text):
    assert words.clean(words.clean(text)) == words.clean(text)

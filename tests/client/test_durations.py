"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.client.durations import seconds_of
from labkit.errors import BadDuration


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("2m", 120), ("90s", 90), ("1h30m", 5400), ("1h 30m", 5400), ("6H", 21_600), ("1d", 86_400), ("0.5m", 30),
     ("120", 120), (" 45 ", 45), (120, 120), (1.5, 1.5), (0, 0), ("0s", 0), ("366d", 366 * 86_400)],
)  # fmt: skip
def test_a_duration_means_seconds(duration, seconds):
    assert seconds_of(duration) == seconds


@given(st.integers(0, 300), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_every_combination_of_units_adds_up(days, hours, minutes, seconds):
    written = f"{days}d{hours}h{minutes}m{seconds}s"
    assert seconds_of(written) == 86_400 * days + 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize(
    ("duration", "message"),
    [("", "is no duration"), ("soon", "is no duration"), ("-2m", "is no duration"), ("m2", "is no duration"),
     ("2m!", "is no duration"), ("1e3", "is no duration"), ("\u0662m", "is no duration"), (True, "is no duration"),
     ("2x", "no unit of time in 'x'; the units are d, h, m, s"), ("2 minutes", "no unit of time in 'minutes'"),
     ("1m1h", "each unit stands once, the larger first"), ("1m2m", "each unit stands once"),
     ("367d", "expected 0 s to 366 d"), (-1, "expected 0 s to 366 d"), (float("nan"), "expected 0 s to 366 d"),
     (float("inf"), "expected 0 s to 366 d"), (10**400, "expected 0 s to 366 d"), ("9" * 400, "expected 0 s to 366 d"), (None, "is no duration")],
)  # fmt: skip
def test_what_is_no_duration_is_refused_and_an_example_given(duration, message):
    with pytest.raises(BadDuration, match=message) as caught:
        seconds_of(duration)
    assert "2m" in caught.value.advice


@given(st.text())
def test_every_text_is_a_number_of_seconds_or_refused(text):
    said = answer(text)
    assert repr(text) in said if isinstance(said, str) else 0 <= said <= 366 * 86_400


def answer(text: str) -> float | str:
    try:
        return seconds_of(text)
    except BadDuration as error:
        return error.message

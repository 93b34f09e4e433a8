"""Which traces say what about a function's times."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from labkit.client import measured
from labkit.errors import NotMeasured
from labkit.model import Status, Trace


def trace(duration_s, *, init_s=None, status=Status.SUCCESS, restore_s=None):
    return Trace(
        "r", "f", "$LATEST", "e", "s", 0.0, 0.0, duration_s, 128, 1, status, init_s=init_s, restore_s=restore_s
    )


def values(distribution):
    return set(islice(distribution.draws(Random(1)), 100))


CALLS = [trace(9.0, init_s=2.0), trace(1.0), trace(1.5), trace(7.0, status=Status.TIMEOUT), trace(8.0, restore_s=0.5)]


def test_service_times_are_those_of_warm_calls_that_succeeded():
    assert values(measured.service("f", CALLS, None)) == {1.0, 1.5}


def test_without_a_warm_call_the_cold_ones_must_do():
    assert values(measured.service("f", CALLS[:1], None)) == {9.0}


def test_init_times_are_those_of_cold_calls_restores_among_them():
    assert values(measured.init("f", CALLS, None)) == {2.0, 0.5}


def test_first_calls_have_their_own_times():
    assert values(measured.first(CALLS, None)) == {9.0, 8.0}
    assert measured.first(CALLS[1:3], None) is None


def test_what_is_given_is_taken():
    assert [measured.service("f", CALLS, 3.0), measured.init("f", [], 0.0), measured.first(CALLS, 4.0)] == [
        3.0,
        0.0,
        4.0,
    ]


def test_what_nobody_measured_is_said_with_what_to_do():
    with pytest.raises(NotMeasured, match=r"f has no measured cold start .*%coldstart f"):
        measured.init("f", CALLS[1:3], None)
    with pytest.raises(NotMeasured, match="f has no measured call"):
        measured.service("f", CALLS[3:4], None)

"""The closed forms against tables, against one another, and against brute force."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import BadLoad
from labkit.queueing import (
    cold_share,
    concurrency,
    erlang_b,
    erlang_c,
    mean_interval,
    mean_wait_one_server_s,
    mean_wait_s,
)


@given(st.integers(1, 40), st.floats(0.01, 60))
def test_erlang_b_is_the_truncated_poisson_distribution(servers, load):
    terms = [load**k / math.factorial(k) for k in range(servers + 1)]
    assert erlang_b(servers, load) == pytest.approx(terms[-1] / sum(terms), rel=1e-9)


@given(st.integers(1, 40), st.floats(0.01, 0.99))
def test_erlang_c_is_what_the_birth_and_death_equations_give(servers, share):
    load = servers * share
    below = sum(load**k / math.factorial(k) for k in range(servers))
    full = load**servers / math.factorial(servers) / (1 - share)
    assert erlang_c(servers, load) == pytest.approx(full / (below + full), rel=1e-9)


def test_erlang_b_does_not_overflow():
    assert 0 < erlang_b(5000, 4900.0) < 0.05


def test_no_server_blocks_everything_and_an_overloaded_line_makes_everybody_wait():
    assert (erlang_b(0, 3.0), erlang_c(2, 2.0), mean_wait_s(2, 4.0, 1.0)) == (1.0, 1.0, math.inf)


def test_one_server_with_exponential_times_is_both_formulas():
    assert mean_wait_s(1, 8.0, 0.1) == pytest.approx(mean_wait_one_server_s(8.0, 0.1, cv=1.0)) == pytest.approx(0.4)


def test_constant_times_halve_the_wait_and_no_server_keeps_up_with_too_much():
    assert mean_wait_one_server_s(8.0, 0.1, cv=0.0) == pytest.approx(0.2)
    assert mean_wait_one_server_s(10.0, 0.1, cv=0.0) == math.inf


def test_little_and_the_cold_share_have_the_values_of_their_formulas():
    assert concurrency(50, 0.1) == pytest.approx(5.0)
    assert cold_share(1 / 300, 300) == pytest.approx(1 / math.e)


def test_students_interval_of_ten_values_is_the_tables():
    # mean 5.5, standard deviation 3.0277; t(0.975, 9) = 2.262, t(0.995, 9) = 3.250
    values = [float(v) for v in range(1, 11)]
    for confidence, t in ((0.95, 2.262), (0.99, 3.250)):
        found = mean_interval(values, confidence=confidence)
        half = t * 3.02765 / math.sqrt(10)
        assert (found.mean, found.low, found.high) == pytest.approx((5.5, 5.5 - half, 5.5 + half), abs=2e-3)


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    random = Random(5)
    held = sum(0.0 in mean_interval([random.gauss(0, 1) for _ in range(6)], confidence=0.9) for _ in range(4000))
    assert held / 4000 == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: erlang_b(-1, 1.0), "number of servers is -1"),
        (lambda: erlang_b(1, 0.0), "offered load is 0"),
        (lambda: erlang_c(0, 1.0), "number of servers is 0"),
        (lambda: cold_share(-1, 1), "the rate is -1"),
        (lambda: mean_interval([1.0] * 4), "at least 5 independent runs; there are 4"),
        (lambda: mean_interval([1.0] * 5, confidence=95), "between 0 and 1"),
    ],
)
def test_what_has_no_meaning_is_refused(make, found):
    with pytest.raises(BadLoad, match=found):
        make()

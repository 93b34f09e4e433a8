"""Arrival patterns: their times, their rates, their randomness, and what is refused."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.distributions import exponential
from labkit.errors import BadLoad
from labkit.load import PATTERNS, ClosedLoop, bursts, constant, diurnal, pattern, poisson, replay, steps


def gaps(times):
    return [b - a for a, b in pairwise(times)]


@given(st.sampled_from(sorted(PATTERNS)), st.floats(0.1, 50), st.floats(0.5, 100), st.integers(0, 5))
def test_every_pattern_gives_times_in_order_within_its_length_and_again_the_same(name, rate, for_s, seed):
    load = pattern(name, rate, for_s=for_s, seed=seed)
    times = list(load)
    assert times == sorted(times)
    assert all(0 <= t < load.for_s for t in times)
    assert list(load) == times


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_every_pattern_keeps_the_rate_that_it_was_asked_for(name):
    n = len(list(pattern(name, 20, for_s=3000)))
    assert n == pytest.approx(60_000, abs=4 * math.sqrt(60_000))


def test_a_constant_rate_is_evenly_spaced_and_does_not_drift():
    times = list(constant(3, for_s=1_000))
    assert len(times) == 3000
    assert times[2999] == 2999 / 3


def test_poisson_gaps_are_exponential_and_do_not_know_one_another():
    found = gaps(list(poisson(10, for_s=10_000)))
    n, mean = len(found), sum(found) / len(found)
    variance = sum((g - mean) ** 2 for g in found) / n
    together = sum((a - mean) * (b - mean) for a, b in pairwise(found)) / n
    assert mean == pytest.approx(0.1, rel=0.02)
    assert variance == pytest.approx(mean**2, rel=0.05)
    assert abs(together / variance) < 4 / math.sqrt(n)


def test_another_seed_gives_other_times():
    assert list(poisson(10, for_s=10, seed=1)) != list(poisson(10, for_s=10, seed=2))


def test_bursts_come_together():
    assert list(bursts(3, every_s=5, for_s=11)) == [0.0] * 3 + [5.0] * 3 + [10.0] * 3


def test_a_spread_burst_stays_in_its_stretch_of_time():
    times = list(bursts(100, every_s=5, for_s=20, spread_s=2))
    assert len(set(times)) == 400
    assert all(t % 5 < 2 for t in times)


def test_steps_have_each_its_own_rate():
    times = list(steps([(10, 1000), (0, 500), (40, 1000)]))
    counts = [sum(a <= t < b for t in times) for a, b in ((0, 1000), (1000, 1500), (1500, 2500))]
    assert counts[1] == 0
    assert counts[0] == pytest.approx(10_000, abs=400)
    assert counts[2] == pytest.approx(40_000, abs=800)


def test_a_day_is_busiest_at_its_middle_and_follows_the_cosine():
    times = list(diurnal(20, for_s=8000, day_s=8000, swing=0.9))
    for k in range(8):
        a, b = k * 1000, (k + 1) * 1000
        turn = 2 * math.pi / 8000
        expected = 20 * (1000 - 0.9 * (math.sin(turn * b) - math.sin(turn * a)) / turn)  # the rate's integral
        assert sum(a <= t < b for t in times) == pytest.approx(expected, abs=4 * math.sqrt(expected))


def test_a_replay_begins_at_zero_and_can_be_faster():
    load = replay([1002.0, 1000.0, 1000.5], speed=2)
    assert list(load) == [0.0, 0.25, 1.0]
    assert load.for_s > 1.0


def test_a_load_says_what_it_is():
    assert repr(poisson(50, for_s=60)) == "<Load Poisson, 50/s, for 60 s>"


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: poisson(0, for_s=1), "the rate is 0; expected more than 0 requests per second"),
        (lambda: constant(-2, for_s=1), "the rate is -2"),
        (lambda: poisson(1, for_s=math.inf), "the length of a load is inf"),
        (lambda: bursts(0, every_s=1, for_s=1), "size of a burst is 0; expected a whole number, at least 1"),
        (lambda: bursts(1, every_s=1, for_s=1, spread_s=2), "bursts would overlap"),
        (lambda: steps([]), "at least one level"),
        (lambda: steps([(1, 0)]), "the length of a load is 0"),
        (lambda: diurnal(1, for_s=1, swing=1.5), "would be negative at night"),
        (lambda: replay([]), "no time to replay"),
        (lambda: ClosedLoop(0, for_s=1), "number of clients is 0"),
        (lambda: ClosedLoop(1, for_s=1, retry_s=0), "retry_s is 0"),
        (lambda: ClosedLoop(1, for_s=1, think=-1), "is -1"),
    ],
)
def test_what_is_no_load_is_refused(make, found):
    with pytest.raises(BadLoad, match=found):
        make()


def test_a_misspelt_pattern_is_refused_with_the_nearest_name():
    with pytest.raises(BadLoad, match=r"no pattern poison\. Did you mean poisson"):
        pattern("poison", 1, for_s=1)


def test_a_closed_loop_says_what_it_is():
    assert ClosedLoop(3, for_s=10, think=exponential(1)).name == "closed loop, 3 clients"

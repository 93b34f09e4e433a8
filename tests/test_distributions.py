"""Distributions: means, spreads, the same seed, and what is refused."""

from __future__ import annotations

from itertools import islice
from random import Random
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.distributions import as_distribution, constant, empirical, exponential, lognormal
from labkit.errors import BadLoad

ALL = [constant(0.2), exponential(0.2), lognormal(0.2, cv=0.5), lognormal(0.2, cv=2.0), empirical([0.1, 0.2, 0.3])]


def drawn(distribution, n=100_000, seed=1):
    return list(islice(distribution.draws(Random(seed)), n))


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: f"{d.name} {d.cv:.1f}")
def test_draws_have_the_mean_and_the_spread_that_it_names(distribution):
    times = drawn(distribution)
    error = distribution.mean_s * distribution.cv / len(times) ** 0.5
    assert fmean(times) == pytest.approx(distribution.mean_s, abs=4 * error + 1e-12)
    assert pstdev(times) / fmean(times) == pytest.approx(distribution.cv, rel=0.1, abs=1e-12)
    assert min(times) >= 0


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: f"{d.name} {d.cv:.1f}")
def test_the_same_seed_draws_the_same(distribution):
    assert drawn(distribution, 50, seed=3) == drawn(distribution, 50, seed=3)


def test_an_exponential_time_exceeds_its_mean_with_probability_one_over_e():
    times = drawn(exponential(2.0))
    assert sum(t > 2.0 for t in times) / len(times) == pytest.approx(0.3679, abs=0.006)


def test_half_of_lognormal_times_lie_below_the_median_of_the_formula():
    times = drawn(lognormal(1.0, cv=1.0))  # median = mean / sqrt(1 + cv²)
    assert sum(t < 2**-0.5 for t in times) / len(times) == pytest.approx(0.5, abs=0.006)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_an_empirical_distribution_draws_what_was_measured_and_nothing_else(values):
    assert set(drawn(empirical(values), 200)) <= set(values)


def test_every_measured_value_comes_about_equally_often():
    times = drawn(empirical([1.0, 2.0, 2.0, 3.0]))
    assert [times.count(v) / len(times) for v in (1.0, 2.0, 3.0)] == pytest.approx([0.25, 0.5, 0.25], abs=0.006)


def test_a_plain_number_is_constant():
    assert drawn(as_distribution(3), 2) == [3.0, 3.0]


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: constant(-1), "constant time is -1; expected at least 0 s"),
        (lambda: exponential(0), "expected more than 0 s"),
        (lambda: exponential(float("nan")), "is nan; expected a finite number of s"),
        (lambda: lognormal(1.0, cv=-0.5), "coefficient of variation is -0.5"),
        (lambda: empirical([]), "at least one measured time"),
        (lambda: empirical([0.1, -0.1]), "measured time is -0.1"),
        (lambda: as_distribution("2m"), "is '2m'; expected a finite number"),
    ],
)
def test_what_is_no_time_is_refused(make, found):
    with pytest.raises(BadLoad, match=found):
        make()

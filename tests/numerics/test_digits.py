"""Log relative error as McCullough defines it, condition numbers, and what rounding of the data costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.numerics.digits import condition, data_digits, left, lre, scaled, worst
from labkit.numerics.exact import exact_ols


@settings(deadline=None)
@given(st.floats(0.1, 1e6), st.integers(1, 12))
def test_a_relative_error_of_ten_to_minus_k_is_k_digits(value, k):
    assert lre(value * (1 + 10.0**-k), value) == pytest.approx(k, abs=0.01)


def test_a_certified_zero_counts_absolutely():
    assert lre(1e-9, 0.0) == pytest.approx(9)
    assert lre(0.0, 0.0) == 15


def test_what_rounds_to_the_certified_digits_has_all_of_them():
    assert lre(1.0021168180204547, 1.00211681802045) == 15
    assert lre(1.00211681802046, 1.00211681802045) < 15


def test_what_is_not_finite_has_no_digit_and_what_is_far_off_less_than_none():
    assert lre([math.nan, math.inf, 11.0], 1.0).tolist() == [-math.inf, -math.inf, -1.0]


def test_the_worst_of_a_model_is_its_smallest():
    assert worst([1.0, 2.0002], [1.0, 2.0]) == pytest.approx(4)


@settings(deadline=None)
@given(st.floats(1, 1e12))
def test_the_condition_of_a_diagonal_is_the_ratio_of_its_ends(ratio):
    assert condition(np.diag([ratio, 1.0])) == pytest.approx(ratio)


def test_a_singular_matrix_has_an_infinite_condition():
    assert condition(np.zeros((2, 2))) == math.inf
    assert left(math.inf) == 0


def test_squaring_the_condition_costs_twice_the_digits():
    assert (left(1e5), left(1e5, squared=True)) == (10.95, 5.95)


@settings(deadline=None)
@given(st.lists(st.floats(1e-200, 1e200), min_size=2, max_size=5))
def test_scaling_by_powers_of_two_is_exact_and_leaves_lengths_near_one(sizes):
    X = np.outer([3.0, 1.0, 2.0], sizes)
    columns, powers = scaled(X)
    assert (columns * powers == X).all()
    assert (np.abs(np.log2(np.linalg.norm(columns, axis=0))) <= 0.51).all()


def test_the_digits_that_data_determine_are_those_that_survive_another_rounding():
    random = np.random.default_rng(1)
    x = random.uniform(1, 2, 40)
    X = np.column_stack([x**k for k in range(7)])
    y = random.normal(size=40)
    fit = exact_ols(X, y, reading_as="stored")
    found = []
    for _ in range(20):
        # a change of at most half an ulp is lost in doubles: a thousand times as much costs three digits
        moved = X + 1000 * (X * random.uniform(-1, 1, X.shape) * 2.0**-53) * (np.rint(X) != X)
        found.append(worst(exact_ols(moved, y, reading_as="stored").coef, fit.coef) + 3)
    assert np.median(found) == pytest.approx(fit.certificate.data_digits, abs=1.0)


def test_whole_numbers_are_not_rounded_when_they_are_stored():
    X, y = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 4.0]]), np.array([1.0, 2.0, 3.0])
    inverse = np.linalg.inv(X.T @ X)
    assert data_digits(X, y, coef=inverse @ X.T @ y, inverse=inverse, noise=1.0) == 16

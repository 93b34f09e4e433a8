"""Rational arithmetic: how floats are read, and least squares without rounding."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.numerics.errors import BadData, RankDeficient
from labkit.numerics.exact import exact_ols, printed, reading, root, solve, stored

small = st.integers(-50, 50)


@settings(deadline=None)
@given(st.decimals(-1000, 1000, places=6, allow_nan=False))
def test_a_decimal_of_fifteen_digits_is_read_as_it_prints(value):
    assert printed(np.array([float(value)])) == [Fraction(value)]


@settings(deadline=None)
@given(st.floats(-1e10, 1e10))
def test_what_is_stored_is_the_float_bit_by_bit(value):
    assert float(stored(np.array([value]))[0]) == value


def test_powers_and_products_of_decimals_are_read_as_such_in_any_order_and_however_they_were_computed():
    x, z = np.array([-6.860120914, 4.3, 0.7, 1.9]), np.array([0.3, 0.6, 0.1, 1.7])
    read = reading(np.vander(np.column_stack([x])[:, 0], 5))
    assert read.how == ["x3^4", "x3^3", "x3^2", "printed", "printed"]
    assert read.columns[0][0] == Fraction("-6.860120914") ** 4
    assert reading(np.column_stack([x, z, x * z])).how == ["printed", "printed", "x0 x1"]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_columns_of_measured_bits_are_never_taken_for_something_else(seed):
    random = np.random.default_rng(seed)
    X = np.column_stack([np.ones(9), np.round(random.normal(size=9), 3), random.normal(size=9)])
    assert reading(X).how == ["printed", "printed", "stored"]


def test_reading_as_stored_leaves_decimals_alone():
    assert reading(np.array([[0.1], [0.2]]), "stored").how == ["stored"]
    with pytest.raises(BadData, match="reading is 'guess'; expected 'printed' or 'stored'"):
        reading(np.array([[0.1]]), "guess")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(small, small, small), min_size=5, max_size=9))
def test_the_residual_of_the_exact_solution_is_orthogonal_to_every_column_exactly(rows):
    columns = [[Fraction(1)] * len(rows), [Fraction(r[0]) for r in rows], [Fraction(r[1], 7) for r in rows]]
    y = [Fraction(r[2], 3) for r in rows]
    try:
        found = solve(columns, y)
    except RankDeficient:
        assert np.linalg.matrix_rank(np.array(columns, dtype=float)) < 3
        return
    r = [v - sum(c[i] * b for c, b in zip(columns, found.coef, strict=True)) for i, v in enumerate(y)]
    assert all(sum(a * b for a, b in zip(column, r, strict=True)) == 0 for column in columns)
    assert found.rss == sum(v * v for v in r)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_exact_inverse_times_the_gram_matrix_is_one(seed):
    X = np.random.default_rng(seed).integers(-9, 10, size=(6, 3)) / 8
    columns = [stored(X[:, j]) for j in range(3)]
    try:
        inverse = solve(columns, [Fraction(1)] * 6).inverse
    except RankDeficient:
        return
    gram = [[sum(a * b for a, b in zip(c, d, strict=True)) for d in columns] for c in columns]
    assert [[sum(inverse[i][k] * gram[k][j] for k in range(3)) for j in range(3)] for i in range(3)] == [
        [int(i == j) for j in range(3)] for i in range(3)
    ]


@settings(deadline=None)
@given(st.fractions(Fraction(1, 10**40), 10**40))
def test_a_square_root_is_right_to_the_last_bit(value):
    found = root(value)
    ulp = math.ulp(found)
    assert Fraction(found - ulp) ** 2 < value < Fraction(found + ulp) ** 2


def test_dependent_columns_are_named_whatever_their_scales():
    a, b = np.array([1.0, 2.0, 4.0, 8.0]), np.array([0.1, 0.5, 0.2, 0.9])
    with pytest.raises(RankDeficient, match=r"Column 3 .* combination of columns 1, 2: infinitely many") as caught:
        exact_ols(np.column_stack([np.ones(4), a * 1e8, b, 2 * a - b]), [1, 2, 3, 4])
    assert caught.value.columns == (1, 2, 3)


def test_a_column_of_zeros_is_named():
    with pytest.raises(RankDeficient, match=r"Column 1 of X .* is zero in every row"):
        exact_ols([[1, 0], [1, 0], [1, 0]], [1, 2, 3])


def test_the_seeds_collinear_example_is_refused():
    with pytest.raises(RankDeficient, match=r"Column 2 of X .* combination of columns 0, 1"):
        exact_ols([[1, 1, 2], [1, 2, 3], [1, 3, 4]], [1, 2, 3])

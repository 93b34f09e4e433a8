"""Double-double arithmetic against rational numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.numerics.doubled import cross, residual, two_product, two_sum

numbers = st.floats(-1e100, 1e100).filter(lambda v: v == 0 or abs(v) > 1e-100)


@settings(deadline=None)
@given(numbers, numbers)
def test_a_sum_and_its_error_are_the_sum_exactly(a, b):
    total, error = two_sum(a, b)
    assert Fraction(total) + Fraction(error) == Fraction(a) + Fraction(b)


@settings(deadline=None)
@given(numbers, numbers)
def test_a_product_and_its_error_are_the_product_exactly(a, b):
    product, error = two_product(a, b)
    assert Fraction(product) + Fraction(error) == Fraction(a) * Fraction(b)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_residuals_keep_full_precision_where_doubles_cancel(seed, n):
    random = np.random.default_rng(seed)
    X, B = random.normal(size=(n, 3)), random.normal(size=(3, 1))
    f = X @ B  # all but the rounding errors cancels
    found = residual(f, np.zeros((n, 1)), X, B)[:, 0]
    exact = [
        float(Fraction(f[i, 0]) - sum(Fraction(x) * Fraction(b) for x, b in zip(X[i], B[:, 0], strict=True)))
        for i in range(n)
    ]
    assert np.abs(found - exact).max() <= 1e-30


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_inner_products_of_columns_keep_full_precision_where_doubles_cancel(seed, n):
    random = np.random.default_rng(seed)
    X, R = random.normal(size=(n, 2)), random.normal(size=(n, 1))
    g = X.T @ R
    found = cross(X, R, g)[:, 0]
    exact = [
        float(Fraction(g[j, 0]) - sum(Fraction(x) * Fraction(r) for x, r in zip(X[:, j], R[:, 0], strict=True)))
        for j in range(2)
    ]
    assert np.abs(found - exact).max() <= 1e-29

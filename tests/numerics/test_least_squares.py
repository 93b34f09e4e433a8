"""Every method of least squares: orthogonality, equivariance, agreement, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.numerics.digits import worst
from labkit.numerics.errors import BadData, NotConverged, RankDeficient
from labkit.numerics.exact import exact_ols
from labkit.numerics.least_squares import (
    cholesky,
    effective_df,
    householder,
    householder_qr,
    normal_equations,
    refined,
    ridge,
    svd,
    weighted,
)

METHODS = [normal_equations, cholesky, householder, svd, refined]
seeds = st.integers(0, 2**32 - 1)


def problem(seed, n=12, p=3):
    random = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), random.normal(size=(n, p - 1))])
    return X, random.normal(size=n)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_residuals_are_orthogonal_to_every_column(method, seed):
    X, y = problem(seed)
    fit = method(X, y)
    assert fit.certificate.orthogonality < 1e-12
    assert fit.residual_norm == pytest.approx(float(np.linalg.norm(y - X @ fit.coef)))


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_every_method_agrees_with_rational_arithmetic_as_far_as_it_promises(method, seed):
    X, y = problem(seed)
    fit, exact = method(X, y), exact_ols(X, y)
    assert worst(fit.coef, exact.coef) >= min(fit.certificate.digits, 15) - 3
    assert worst(fit.stderr, exact.stderr) >= min(fit.certificate.digits, 15) - 3


@settings(max_examples=25, deadline=None)
@given(seed=seeds, order=st.permutations([0, 1, 2, 3]))
def test_permuting_columns_permutes_coefficients(seed, order):
    X, y = problem(seed, p=4)
    assert householder(X[:, order], y).coef == pytest.approx(householder(X, y).coef[order], rel=1e-8, abs=1e-10)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, powers=st.lists(st.integers(-300, 300), min_size=3, max_size=3))
def test_scaling_columns_by_powers_of_two_scales_coefficients_and_changes_no_digit(seed, powers):
    X, y = problem(seed)
    scale = 2.0 ** np.array(powers)
    assert (householder(X * scale, y).coef * scale == householder(X, y).coef).all()


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_no_small_change_of_the_coefficients_lowers_the_residual(seed):
    X, y = problem(seed)
    fit = householder(X, y)
    for d in np.random.default_rng(seed).normal(size=(50, 3)):
        assert np.linalg.norm(y - X @ (fit.coef + 1e-3 * d)) >= fit.residual_norm


@settings(max_examples=25, deadline=None)
@given(seed=seeds, p=st.integers(1, 6))
def test_the_pivoted_factor_is_orthonormal_triangular_and_falling(seed, p):
    X = np.random.default_rng(seed).normal(size=(9, p))
    q, r, order = householder_qr(X)
    assert np.abs(q.T @ q - np.eye(p)).max() < 1e-14
    assert np.abs(q @ r - X[:, order]).max() < 1e-13
    assert (np.tril(r, -1) == 0).all()
    size = np.abs(np.diag(r))
    assert (size[1:] <= size[:-1] * (1 + 1e-12)).all()


@settings(max_examples=20, deadline=None)
@given(seed=seeds, kappa=st.floats(1e2, 1e11))
def test_refinement_keeps_all_digits_of_coefficients_and_standard_errors_at_any_condition(seed, kappa):
    random = np.random.default_rng(seed)
    X = random.normal(size=(15, 3))
    X[:, 2] = X[:, 0] + X[:, 2] / kappa
    y = random.normal(size=15)
    fit, exact = refined(X, y), exact_ols(X, y, reading_as="stored")
    assert worst(fit.coef, exact.coef) > 14
    assert worst(fit.stderr, exact.stderr) > 14


def test_refinement_refuses_what_double_precision_cannot_hold():
    random = np.random.default_rng(3)
    X = random.normal(size=(15, 3))
    X[:, 2] = X[:, 0] + X[:, 2] * 3e-15
    with pytest.raises((NotConverged, RankDeficient)):
        refined(X, random.normal(size=15))


@pytest.mark.parametrize("method", [householder, refined])
def test_columns_that_depend_within_rounding_are_named(method):
    X, y = problem(5)
    X = np.column_stack([X, X[:, 1] / 3 + X[:, 2] / 7])
    with pytest.raises(RankDeficient, match="within rounding") as caught:
        method(X, y)
    assert caught.value.columns == (1, 2, 3)


def test_cholesky_refuses_where_squaring_the_condition_kills_it():
    x = np.linspace(1, 1 + 1e-6, 20)
    with pytest.raises(RankDeficient, match="not positive definite"):
        cholesky(np.column_stack([np.ones(20), x, x**2]), x)


def test_svd_gives_the_shortest_solution_of_the_seeds_collinear_example():
    fit = svd([[1, 2], [2, 3], [3, 4]] - np.mean([[1, 2], [2, 3], [3, 4]], axis=0), [-1, 0, 1])
    assert fit.coef == pytest.approx([0.5, 0.5])
    assert fit.certificate.rank == 1


# --- weighted and ridge ---


@settings(max_examples=25, deadline=None)
@given(seed=seeds, counts=st.lists(st.integers(1, 4), min_size=8, max_size=8))
def test_whole_weights_are_repeated_rows(seed, counts):
    X, y = problem(seed, n=8)
    repeated = householder(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    assert weighted(X, y, counts).coef == pytest.approx(repeated.coef, rel=1e-9, abs=1e-11)


def test_a_weight_of_zero_is_refused():
    with pytest.raises(BadData, match="Weight 1 is 0; expected weights above 0"):
        weighted([[1.0], [1.0]], [1, 2], [1, 0])


@settings(max_examples=25, deadline=None)
@given(seed=seeds, alpha=st.floats(1e-3, 1e3))
def test_ridge_is_its_closed_form_and_its_gradient_is_zero(seed, alpha):
    X, y = problem(seed)
    fit = ridge(X, y, alpha, free=[0])
    penalty = np.diag([0, alpha, alpha])
    assert fit.coef == pytest.approx(np.linalg.solve(X.T @ X + penalty, X.T @ y), rel=1e-8, abs=1e-11)
    gradient = X.T @ (y - X @ fit.coef) - penalty @ fit.coef
    assert np.abs(gradient).max() < 1e-10 * max(1.0, alpha)


def test_ridge_without_penalty_is_least_squares_with_its_standard_errors():
    X, y = problem(2)
    free, plain = ridge(X, y, 0.0), householder(X, y)
    assert free.coef == pytest.approx(plain.coef)
    assert free.stderr == pytest.approx(plain.stderr)


def test_ridge_solves_collinear_columns_and_more_columns_than_rows():
    assert ridge([[1, 2], [2, 3], [3, 4]], [1, 2, 3], 0.1).certificate.rank == 2
    assert ridge([[1.0, 2.0, 3.0]], [6.0], 1.0).coef == pytest.approx(6 * np.array([1, 2, 3]) / 15)


@settings(deadline=None)
@given(st.floats(0.01, 100))
def test_the_parameters_that_ridge_spends_are_the_sum_over_singular_values(alpha):
    X, _ = problem(7)
    d = np.linalg.svd(X, compute_uv=False)
    assert effective_df(X, alpha) == pytest.approx((d**2 / (d**2 + alpha)).sum())


def test_a_bad_penalty_or_a_column_that_is_not_there_is_refused():
    X, y = problem(1)
    with pytest.raises(BadData, match="alpha is -1; expected a finite number of at least 0"):
        ridge(X, y, -1)
    with pytest.raises(BadData, match=r"free names the columns \[3\]; X has the columns 0 to 2"):
        ridge(X, y, 1, free=[3])


def test_many_well_conditioned_columns_skip_the_refinement_of_their_standard_errors_and_lose_little(monkeypatch):
    X, y = problem(8, n=200, p=5)
    full = refined(X, y)
    monkeypatch.setattr("labkit.numerics.least_squares.REFINED_ERRORS", 1)
    quick = refined(X, y)
    assert (quick.coef == full.coef).all()
    assert worst(quick.stderr, full.stderr) > 13

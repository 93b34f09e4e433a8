"""Support vector machines: gap, KKT, closed forms, and what does not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.svm import SVC

from labkit.numerics.errors import BadData
from labkit.numerics.svm import certified, kernel_svm, linear_svm

seeds = st.integers(0, 2**32 - 1)


def problem(seed, n=40):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 2))
    y = np.where(X[:, 0] + random.normal(size=n) > 0, 1, -1)
    y[:2] = (-1, 1)
    return X, y


@settings(max_examples=12, deadline=None)
@given(seed=seeds, C=st.floats(0.01, 10), intercept=st.booleans())
def test_the_gap_closes_and_every_row_satisfies_the_kkt_conditions(seed, C, intercept):
    X, y = problem(seed)
    fit = linear_svm(X, y, C=C, intercept=intercept)
    found = fit.certificate
    assert -1e-10 <= found.gap <= 1e-6 * max(1.0, found.primal)
    assert found.kkt < 1e-6
    assert not intercept or found.balance < 1e-9
    assert ((fit.alpha >= 0) & (fit.alpha <= C)).all()


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_any_feasible_alpha_bounds_the_optimum_from_below_and_any_plane_from_above(seed):
    X, y = problem(seed)
    best = linear_svm(X, y).certificate
    random = np.random.default_rng(seed)
    alpha = random.random(len(y))
    for side in (-1, 1):
        alpha[y == side] *= 5 / alpha[y == side].sum()
    alpha *= min(1.0, 1 / alpha.max())
    other = certified(X @ X.T, y, alpha, random.normal(), C=1.0)
    assert other.dual <= best.primal + 1e-9
    assert other.primal >= best.dual - 1e-9


def test_two_points_have_their_closed_form():
    a, b = np.array([1.0, 2.0]), np.array([4.0, 6.0])
    fit = linear_svm([a, b], [-1, 1], C=100.0)
    w = 2 * (b - a) / np.sum((b - a) ** 2)
    assert fit.coef == pytest.approx(w)
    assert fit.intercept == pytest.approx(-w @ (a + b) / 2)


def test_rows_that_are_no_support_vectors_can_be_deleted():
    X, y = problem(3)
    fit = linear_svm(X, y)
    again = linear_svm(X[fit.support], y[fit.support])
    assert len(fit.support) < len(y)
    assert again.coef == pytest.approx(fit.coef, abs=1e-6)
    assert again.intercept == pytest.approx(fit.intercept, abs=1e-6)


def test_breast_cancer_agrees_with_libsvm_and_closes_its_gap():
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    fit = linear_svm(X[:, :6], y, tol=1e-9)
    theirs = SVC(kernel="linear", C=1.0, tol=1e-9).fit(X[:, :6], y)
    assert fit.coef == pytest.approx(theirs.coef_[0], abs=1e-6)
    assert fit.intercept == pytest.approx(theirs.intercept_[0], abs=1e-6)
    assert fit.certificate.gap < 1e-6 * fit.certificate.primal


def test_a_polynomial_kernel_is_the_linear_machine_on_explicit_features():
    X, y = problem(5, n=25)
    a, b = X.T
    features = np.column_stack([a**2, np.sqrt(2) * a * b, b**2, np.sqrt(2) * a, np.sqrt(2) * b, np.ones(25)])
    kernel, explicit = kernel_svm((1 + X @ X.T) ** 2, y), linear_svm(features, y)
    assert (1 + X @ X.T) ** 2 @ (kernel.alpha * y) == pytest.approx(features @ explicit.coef, abs=1e-5)


def test_what_is_no_kernel_is_refused():
    with pytest.raises(BadData, match="a kernel has none below 0"):
        kernel_svm([[0.0, 1.0], [1.0, 0.0]], [-1, 1])
    with pytest.raises(BadData, match="expected a symmetric matrix"):
        kernel_svm([[1.0, 0.5], [0.0, 1.0]], [-1, 1])


def test_one_kind_of_label_and_a_penalty_of_zero_are_refused():
    with pytest.raises(BadData, match="1 kinds; expected"):
        linear_svm([[1.0], [2.0]], [1, 1])
    with pytest.raises(BadData, match="C is 0; expected a finite number above 0"):
        linear_svm([[1.0], [2.0]], [0, 1], C=0)

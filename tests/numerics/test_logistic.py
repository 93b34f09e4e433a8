"""Newton's method for two and more classes, and the linear program that finds separation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_expit
from sklearn.datasets import load_iris

from labkit.numerics.digits import worst
from labkit.numerics.errors import BadData, NumericsError, RankDeficient, Separated
from labkit.numerics.layers import checked_gradient
from labkit.numerics.logistic import irls, separating, softmax

seeds = st.integers(0, 2**32 - 1)


def problem(seed, n=60, p=3):
    random = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), random.normal(size=(n, p - 1))])
    return X, (random.random(n) < 1 / (1 + np.exp(-X @ random.normal(size=p)))).astype(float)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_the_gradient_vanishes_or_the_error_says_why(seed):
    X, y = problem(seed)
    try:
        fit = irls(X, y)
    except Separated:
        assert separating(X * (2 * y - 1)[:, None]) is not None or y.min() == y.max()
        return
    assert np.abs(X.T @ (y - 1 / (1 + np.exp(-X @ fit.coef)))).max() < 1e-8
    assert fit.certificate.orthogonality < 1e-10


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_no_small_change_raises_the_likelihood(seed):
    X, y = problem(seed, n=200)
    fit = irls(X, y)
    sign = 2 * y - 1
    assert fit.loglik == pytest.approx(log_expit(sign * (X @ fit.coef)).sum())
    for d in np.random.default_rng(seed).normal(size=(30, 3)):
        assert log_expit(sign * (X @ (fit.coef + 1e-3 * d))).sum() <= fit.loglik


@settings(max_examples=20, deadline=None)
@given(seed=seeds, order=st.permutations([0, 1, 2]))
def test_permuting_columns_permutes_coefficients_and_swapping_classes_turns_their_sign(seed, order):
    X, y = problem(seed, n=200)
    fit = irls(X, y)
    assert irls(X[:, order], y).coef == pytest.approx(fit.coef[order], rel=1e-7, abs=1e-9)
    assert irls(X, 1 - y).coef == pytest.approx(-fit.coef, rel=1e-7, abs=1e-9)


def test_the_score_is_the_derivative_of_the_likelihood():
    X, y = problem(3)
    sign, b = 2 * y - 1, np.array([0.2, -0.4, 1.0])
    score = X.T @ (y - 1 / (1 + np.exp(-X @ b)))
    assert checked_gradient(lambda at: float(log_expit(sign * (X @ at)).sum()), b, score) < 1e-9


def test_scores_beyond_700_overflow_nowhere():
    x = np.array([-2000.0, -1500, -1, 1, 1500, 2000, -0.5, 0.5])
    y = np.array([0.0, 0, 1, 0, 1, 1, 0, 1])
    with np.errstate(all="raise", under="ignore"):
        fit = irls(np.column_stack([np.ones(8), x]), y)
    assert np.isfinite(fit.coef).all()


def test_dependent_columns_are_refused():
    X, y = problem(1)
    with pytest.raises(RankDeficient):
        irls(np.column_stack([X, X[:, 1] + X[:, 2] / 3]), y)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_a_plane_between_the_classes_is_found_and_divides_them(seed):
    random = np.random.default_rng(seed)
    X = random.normal(size=(30, 3))
    sign = np.where(X @ random.normal(size=3) > 0, 1.0, -1.0)
    d = separating(X * sign[:, None])
    assert d is not None
    assert ((X @ d) * sign > -1e-9).all()


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_no_plane_is_found_where_a_row_is_on_both_sides(seed):
    X = np.random.default_rng(seed).normal(size=(12, 3))
    assert separating(np.vstack([X, -X])) is None


def test_without_a_constant_column_only_the_sign_of_a_column_separates_alone():
    x = np.array([1.0, 2, 3, 4, 5, 6])
    y = np.array([0.0, 0, 0, 1, 1, 1])
    fit = irls(x[:, None], y)  # 3.5 would divide them, but the model has no intercept to put it there
    assert fit.certificate.orthogonality < 1e-10
    with pytest.raises(Separated, match="y is 1 only where it is > -1"):
        irls((x - 4)[:, None], y)


# --- several classes ---


def test_two_classes_are_logistic_regression():
    X, y = problem(4)
    both, one = softmax(X, y), irls(X, y)
    assert both.coef[:, 0] == pytest.approx(one.coef, rel=1e-9)
    assert both.stderr[:, 0] == pytest.approx(one.stderr, rel=1e-9)
    assert both.loglik == pytest.approx(one.loglik)


def three_classes(seed, n=150):
    random = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), random.normal(size=(n, 2))])
    scores = X @ random.normal(size=(3, 3)) + random.gumbel(size=(n, 3))
    return X, np.array(list("abc"))[scores.argmax(axis=1)]


def test_statsmodels_multinomial_logit_agrees():
    X, labels = three_classes(0)
    fit = softmax(X, labels)
    theirs = sm.MNLogit(np.searchsorted(list("abc"), labels), X).fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    assert worst(theirs.params, fit.coef) > 9
    assert worst(theirs.bse, fit.stderr) > 9
    assert fit.loglik == pytest.approx(theirs.llf)


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_the_gradient_of_every_class_vanishes(seed):
    X, labels = three_classes(seed)
    try:
        fit = softmax(X, labels)
    except NumericsError:
        return
    powers = np.exp(np.column_stack([np.zeros(len(X)), X @ fit.coef]))
    chances = powers / powers.sum(axis=1, keepdims=True)
    hot = labels[:, None] == np.unique(labels)
    assert np.abs(X.T @ (hot - chances)).max() < 1e-7


def test_iris_has_a_separated_class_and_softmax_says_so():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(Separated, match="separate a class from the others"):
        softmax(np.column_stack([np.ones(len(y)), X]), y)


def test_one_kind_of_label_is_refused():
    with pytest.raises(BadData, match="labels have 1 kinds"):
        softmax([[1.0], [1.0]], ["a", "a"])

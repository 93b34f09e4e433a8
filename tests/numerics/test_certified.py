"""The front functions: all digits, or an error or a warning that says which and why."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_iris

from labkit.numerics import certified_logit, certified_ols, dataset, logit, ols
from labkit.numerics.digits import worst
from labkit.numerics.errors import BadData, DigitsLost, RankDeficient, Separated
from labkit.numerics.exact import exact_ols

seeds = st.integers(0, 2**32 - 1)


def big(n=9_000, p=5, seed=0):
    random = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), random.normal(size=(n, p - 1))])
    return X, X @ np.arange(1.0, p + 1) + random.normal(size=n)


# --- least squares ---


def test_large_data_are_refined_and_agree_with_rational_arithmetic_in_all_digits():
    X, y = big()
    fit = ols(X, y)
    assert fit.certificate.method == "QR, refined"
    again = ols(X[:500], y[:500])
    assert (again.coef == exact_ols(X[:500], y[:500]).coef).all()
    columns = np.column_stack([X, X[:, 1] + 1e-6 * X[:, 2] ** 2])
    hard, exactly = ols(columns, y), exact_ols(columns, y)
    assert hard.certificate.method == "QR, refined"
    assert worst(hard.coef, exactly.coef) > 14
    assert worst(hard.stderr, exactly.stderr) > 14


@pytest.mark.parametrize("degree", [11, 20])
def test_larger_data_are_solved_in_rational_arithmetic_where_a_reading_as_decimals_saves_digits(degree):
    x = np.round(np.linspace(-9, -3, 1500), 2)
    X = np.column_stack([x**k for k in range(degree + 1)])
    y = np.round(np.sin(x), 6)
    with pytest.warns(DigitsLost, match="right for the decimals that they print as"):
        fit = ols(X, y)
    assert fit.certificate.method == "exact rationals"
    assert fit.certificate.reading == "printed"


@pytest.mark.parametrize("scales", [(1e8, 1e-8, 1.0), (1e-150, 1e150, 1.0), (1.0, 3e-300, 7e200)])
def test_scales_of_columns_cost_no_digit(scales):
    random = np.random.default_rng(4)
    X = random.normal(size=(30, 3))
    y = random.normal(size=30)
    coef, stderr = certified_ols(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, errors = certified_ols(X * scales, y)
    assert worst(found * scales, coef) > 14
    assert worst(errors * scales, stderr) > 14


@settings(max_examples=20, deadline=None)
@given(seed=seeds, order=st.permutations([0, 1, 2]))
def test_permuting_columns_permutes_the_answer_bit_by_bit(seed, order):
    random = np.random.default_rng(seed)
    X, y = random.normal(size=(8, 3)), random.normal(size=8)
    for here, there in zip(certified_ols(X, y), certified_ols(X[:, order], y), strict=True):
        assert (here[order] == there).all()


@settings(max_examples=15, deadline=None)
@given(seed=seeds, kappa=st.floats(1, 1e13))
def test_every_digit_is_that_of_the_rational_solution_whatever_the_condition(seed, kappa):
    random = np.random.default_rng(seed)
    X = random.normal(size=(10, 3))
    X[:, 2] = X[:, 0] + X[:, 2] / kappa
    y = random.normal(size=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DigitsLost)
        coef, _ = certified_ols(X, y)
    gram = [[sum(Fraction(a) * Fraction(b) for a, b in zip(c, d, strict=True)) for d in X.T] for c in X.T]
    right = [sum(Fraction(a) * Fraction(b) for a, b in zip(c, y, strict=True)) for c in X.T]
    for j in range(3):
        replaced = [[right[i] if k == j else gram[i][k] for k in range(3)] for i in range(3)]
        assert coef[j] == float(determinant(replaced) / determinant(gram))  # Cramer's rule


def determinant(m):
    return (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )


def test_filip_warns_how_many_digits_the_stored_floats_determine_and_still_gives_all():
    filip = dataset("Filip")
    with pytest.warns(DigitsLost, match=r"stored determine only 7\.\d digits .* decimals that they print as"):
        coef, _ = certified_ols(filip.X, filip.y)
    assert worst(coef, filip.coef) == 15


def test_filip_as_stored_agrees_with_nist_in_as_many_digits_as_the_warning_says():
    filip = dataset("Filip")
    with pytest.warns(DigitsLost, match="Only 7.* digits are left"):
        fit = ols(filip.X, filip.y, reading="stored")
    assert worst(fit.coef, filip.coef) == pytest.approx(fit.certificate.data_digits, abs=0.7)


def test_ordinary_data_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("Norris", "Pontius", "NoInt1", "Wampler5"):
            certified_ols(dataset(name).X, dataset(name).y)


@pytest.mark.parametrize("rows", [40, 9_000])
def test_columns_that_depend_within_rounding_are_an_error_that_names_them(rows):
    X, y = big(rows)
    X = np.column_stack([X, X[:, 1] / 3 + X[:, 4] / 7])
    with pytest.raises(
        RankDeficient,
        match=r"Column \d of X .* combination of columns \d, \d within rounding",
    ) as caught:
        certified_ols(X, y)
    assert caught.value.columns == (1, 4, 5)


def test_a_condition_of_ten_to_the_twelve_is_solved_and_warned_of_in_large_data_too():
    X, y = big()
    columns = np.column_stack([X, X[:, 1] + 3e-12 * X[:, 2] ** 2])
    with pytest.warns(DigitsLost, match="digits are left"):
        fit = ols(columns, y)
    assert fit.certificate.condition > 1e11
    assert 3 < fit.certificate.data_digits < 7


def test_a_full_set_of_dummies_beside_the_ones_is_an_error_that_names_them():
    group = np.arange(12) % 3
    X = np.column_stack([np.ones(12), group == 0, group == 1, group == 2])
    with pytest.raises(RankDeficient, match=r"Column 3 of X .* columns 0, 1, 2"):
        certified_ols(X, np.arange(12))


def test_a_perfect_fit_has_standard_errors_of_zero():
    x = np.arange(6) / 10
    coef, stderr = certified_ols(np.column_stack([np.ones(6), x]), np.round(2 - 3 * x, 10))
    assert (coef.tolist(), stderr.tolist()) == ([2.0, -3.0], [0.0, 0.0])


def test_as_many_rows_as_columns_leave_no_standard_error_and_say_so():
    with pytest.warns(DigitsLost, match="as many rows as columns"):
        coef, stderr = certified_ols([[1, 0], [1, 2]], [1, 5])
    assert coef.tolist() == [1.0, 2.0]
    assert np.isnan(stderr).all()


BAD = [
    ([[1.0, np.nan], [1, 2], [1, 3]], [1, 2, 3], "X holds nan in row 0, column 1"),
    ([[1.0, 1], [1, np.inf], [1, 3]], [0, 1, 1], "X holds inf in row 1, column 1"),
    ([[1.0, 1], [1, 2], [1, 3]], [0, np.nan, 1], "y holds nan in row 1"),
    ([[1.0, 1], [1, 2]], [1, 0, 1], r"y has the shape \(3,\); expected \(2,\)"),
    ([1.0, 2, 3], [0, 1, 1], r"X has the shape \(3,\); expected \(rows, columns\)"),
    ([[1.0, 2, 3], [4, 5, 6]], [0, 1], "X has 2 rows and 3 columns; expected at least 3 rows"),
    ([["a", "b"], ["c", "d"]], [0, 1], "X is no array of numbers"),
    ([[1.0], [1, 2]], [0, 1], "X is no array of numbers"),
    (np.zeros((3, 0)), [0, 1, 1], "at least one row and one column"),
    ([[1j], [2j]], [0, 1], "X holds complex numbers"),
    ([[2**60], [1]], [0, 1], "whole numbers beyond 2"),
]


@pytest.mark.parametrize("front", [certified_ols, certified_logit])
@pytest.mark.parametrize(("X", "y", "found"), BAD)
def test_what_is_no_data_is_refused_with_what_was_found_and_expected(front, X, y, found):
    with pytest.raises(BadData, match=found):
        front(X, y)


def test_an_unknown_reading_is_refused_for_small_and_large_data():
    for rows in (20, 9_000):
        X, y = big(rows)
        with pytest.raises(BadData, match="expected 'printed' or 'stored'"):
            certified_ols(X, y, reading="binary")
        with pytest.raises(BadData, match="expected 'printed' or 'stored'"):
            certified_logit(X, y > 0, reading="binary")


def test_a_warning_points_at_the_line_that_called():
    filip = dataset("Filip")
    for front in (certified_ols, ols):
        with pytest.warns(DigitsLost) as caught:
            front(filip.X, filip.y)
        assert caught[0].filename == __file__


def test_the_callers_arrays_stay_as_they_are_and_the_answer_may_be_changed():
    X, y = big(20)
    before = X.copy()
    coef, _ = certified_ols(X, y)
    coef += 1
    assert (before == X).all()


# --- logistic regression ---


def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    Z = (X[:, :2] - X[:, :2].mean(axis=0)) / X[:, :2].std(axis=0)  # mean radius and mean texture
    return np.column_stack([np.ones(len(y)), Z]), y


def spector():
    data = sm.datasets.spector.load_pandas()
    return sm.add_constant(data.exog.to_numpy()), data.endog.to_numpy()


def test_breast_cancer_has_the_curriculums_digits():
    coef, stderr = certified_logit(*cancer())
    assert coef == pytest.approx([0.70756728, -3.72200349, -0.93740745], abs=5.1e-9)
    assert stderr == pytest.approx([0.15177036, 0.35730831, 0.15928212], abs=5.1e-9)


def test_spector_and_mazzeo_have_the_curriculums_digits():
    fit = logit(*spector())
    assert fit.coef == pytest.approx([-13.02134686, 2.82611259, 0.09515766, 2.37868766], abs=5.1e-9)
    assert fit.loglik == pytest.approx(-12.88963422, abs=5.1e-9)


@pytest.mark.parametrize("data", [cancer, spector])
def test_statsmodels_agrees(data):
    X, y = data()
    theirs = sm.Logit(y, X).fit(disp=0, tol=1e-14, maxiter=100)
    coef, stderr = certified_logit(X, y)
    assert worst(theirs.params, coef) > 11
    assert worst(theirs.bse, stderr) > 11


@pytest.mark.parametrize("data", [cancer, spector])
def test_the_gradient_is_zero_and_the_hessian_gives_the_standard_errors(data):
    X, y = data()
    coef, stderr = certified_logit(X, y)
    p = 1 / (1 + np.exp(-X @ coef))
    assert np.abs(X.T @ (y - p)).max() < 1e-11
    assert np.sqrt(np.diag(np.linalg.inv((X.T * p * (1 - p)) @ X))) == pytest.approx(stderr, rel=1e-10)


@pytest.mark.parametrize("scales", [(1.0, 1e8, 1e-8), (1e-120, 1e120, 1.0)])
def test_scales_of_columns_cost_the_logit_no_digit(scales):
    X, y = cancer()
    coef, stderr = certified_logit(X, y)
    found, errors = certified_logit(X * scales, y)
    assert worst(found * scales, coef) > 14
    assert worst(errors * scales, stderr) > 14


def test_an_ill_conditioned_logit_keeps_its_digits_and_warns():
    X, y = cancer()
    near = np.column_stack([X, X[:, 1] + 1e-11 * X[:, 2] ** 2])
    with pytest.warns(DigitsLost, match="digits are left"):
        coef, _ = certified_logit(near, y)
    # the same model in columns that are not nearly dependent; what remains is the rounding of the sum above
    d = (near[:, 3] - near[:, 1]) / 1e-11
    better, _ = certified_logit(np.column_stack([X, d]), y)
    assert coef[3] * 1e-11 == pytest.approx(better[3], rel=1e-8)
    assert coef[1] + coef[3] == pytest.approx(better[1], rel=1e-6)


def test_large_data_are_fitted_in_double_precision_with_a_certificate():
    X, y = big(17_000, 5)
    labels = (np.random.default_rng(9).random(len(y)) < 1 / (1 + np.exp(-X @ [0.3, 1.0, -2.0, 0.5, 0.0]))).astype(float)
    fit = logit(X, labels)
    assert fit.certificate.method == "Newton"
    assert fit.certificate.orthogonality < 1e-11
    assert np.abs(fit.coef - [0.3, 1.0, -2.0, 0.5, 0.0]).max() < 5 * fit.stderr.max()


@pytest.mark.parametrize("columns", [[0], [2], [0, 1, 2, 3]])
def test_iris_is_separated_and_the_error_names_a_column_that_does_it(columns):
    X, y = load_iris(return_X_y=True)
    X, y = X[y < 2][:, columns], y[y < 2]
    design = np.column_stack([np.ones(len(y)), X])
    if columns == [0]:
        assert certified_logit(design, y)[0][1] > 0
        return
    with pytest.raises(Separated, match=r"Column \d of X \(counted from 0\) separates the classes") as caught:
        certified_logit(design, y)
    assert caught.value.columns == ((1,) if columns == [2] else (3,))


def test_columns_that_separate_only_together_are_named():
    random = np.random.default_rng(2)
    X = np.column_stack([np.ones(60), random.normal(size=(60, 3))])
    y = (X[:, 1] + X[:, 2] > 0.1).astype(float)
    with pytest.raises(Separated, match="together separate the classes") as caught:
        certified_logit(X, y)
    assert {1, 2} <= set(caught.value.columns) <= {1, 2, 3}


def test_quasi_separation_is_separation():
    # at x = 0 both classes occur, elsewhere the sign of x decides
    x = np.array([-2.0, -1, 0, 0, 0, 1, 2])
    with pytest.raises(Separated, match=">= 0"):
        certified_logit(np.column_stack([np.ones(7), x]), [0, 0, 0, 1, 1, 1, 1])


row = st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.booleans())


@settings(max_examples=40, deadline=None)
@example([(1, 1, True), (-1, -2, False), (-1, -2, True), (1, 0, True)])  # Newton's steps become small, and wrong
@given(st.lists(row, min_size=4, max_size=8))
def test_classes_are_separated_if_and_only_if_brute_force_finds_a_plane(rows):
    X = np.array([(1, a, b) for a, b, _ in rows], dtype=float)
    y = np.array([label for *_, label in rows], dtype=float)
    if np.linalg.matrix_rank(X) < 3:
        return
    # the directions d with signed @ d >= 0 are a cone without a line in it: an edge of it is normal to two rows
    signed = X * (2 * y - 1)[:, None]
    normals = [side * np.cross(a, b) for a in signed for b in signed for side in (1, -1)]
    divided = any((signed @ d).min() >= 0 and (signed @ d).max() > 0 for d in normals)
    if divided:
        with pytest.raises(Separated):
            certified_logit(X, y)
    else:
        coef, _ = certified_logit(X, y)
        assert np.abs(X.T @ (y - 1 / (1 + np.exp(-X @ coef)))).max() < 1e-9


@pytest.mark.parametrize("overlap", [1e-2, 1e-4, 1e-6, 1e-9])
def test_near_separation_has_a_maximum_and_it_is_found(overlap):
    x = np.array([-3.0, -2, -1, overlap, -overlap, 1, 2, 3])
    y = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    fit = logit(np.column_stack([np.ones(8), x]), y)
    assert fit.certificate.orthogonality < 1e-12
    # by symmetry the intercept is 0, and the slope solves one equation
    slope = fit.coef[1]
    assert abs(fit.coef[0]) < 1e-12 * slope
    pull = 2 * sum(k / (1 + np.exp(k * slope)) for k in (1, 2, 3)) - 2 * overlap / (1 + np.exp(-overlap * slope))
    assert pull == pytest.approx(0, abs=1e-12)


def test_one_class_alone_has_no_maximum():
    with pytest.raises(Separated, match="Every y is 1: one class alone"):
        certified_logit([[1.0], [1.0]], [1, 1])


def test_labels_other_than_zero_and_one_are_refused():
    with pytest.raises(BadData, match="y holds 2; expected 0 and 1 only"):
        certified_logit([[1.0, 1], [1, 2], [1, 3]], [1, 2, 1])


def test_dependent_columns_of_a_logit_are_named():
    X, y = cancer()
    with pytest.raises(RankDeficient, match="linear combination of columns 1, 2") as caught:
        certified_logit(np.column_stack([X, X[:, 1] - 2 * X[:, 2]]), y)
    assert caught.value.columns == (1, 2, 3)

"""NIST's reference data: the certified values computed again without rounding, and who gets how many digits of them."""

from __future__ import annotations

import warnings
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LinearRegression

from labkit.numerics import certified_ols, cholesky, dataset, householder, normal_equations, svd
from labkit.numerics.digits import lre, worst
from labkit.numerics.errors import BadData
from labkit.numerics.exact import reading, solve
from labkit.numerics.nist import NAMES, accuracy


def rationals_of(name):
    data = dataset(name)
    read, right = reading(data.X), reading(data.y[:, None])
    assert read.certain
    assert right.certain
    return data, solve(read.columns, right.columns[0])


def decimal_root(value: Fraction) -> float:
    with localcontext() as context:
        context.prec = 60
        return float((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())


@pytest.mark.parametrize("name", NAMES)
def test_exact_arithmetic_gives_every_certified_digit_of_coefficients_and_standard_errors(name):
    data, solution = rationals_of(name)
    variance = solution.rss / (len(data.y) - len(data.coef))
    assert worst([float(v) for v in solution.coef], data.coef) == 15
    errors = [decimal_root(variance * solution.inverse[j][j]) for j in range(len(data.coef))]
    assert worst(errors, data.stderr) == 15
    assert lre(decimal_root(variance), data.residual_sd) == 15


@pytest.mark.parametrize("name", NAMES)
def test_exact_arithmetic_gives_every_certified_digit_of_r_squared(name):
    data, solution = rationals_of(name)
    y = reading(data.y[:, None]).columns[0]
    mean = sum(y) / len(y) if "b0" in data.model else Fraction(0)
    total = sum((v - mean) ** 2 for v in y)
    assert lre(float(1 - solution.rss / total), data.r_squared) == 15


def test_the_gram_matrix_of_the_rationals_times_the_solution_is_the_right_side():
    data = dataset("Longley")
    columns, y = reading(data.X).columns, reading(data.y[:, None]).columns[0]
    solution = solve(columns, y)
    for column in columns:
        fitted = [sum(c[i] * b for c, b in zip(columns, solution.coef, strict=True)) for i in range(len(y))]
        assert sum(x * (v - f) for x, v, f in zip(column, y, fitted, strict=True)) == 0


def test_wamplers_disturbances_are_orthogonal_to_every_power_and_symmetric():
    disturbance = dataset("Wampler3").y - dataset("Wampler1").y
    assert disturbance[:11].tolist() == [759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048]
    assert (disturbance == disturbance[::-1]).all()
    assert (dataset("Wampler1").X.T @ disturbance == 0).all()


def test_wampler_2_has_the_decimals_that_nist_prints():
    assert [str(v) for v in dataset("wampler2").y[:5]] == ["1.0", "1.11111", "1.24992", "1.42753", "1.65984"]
    assert dataset("wampler2").y[-2:].tolist() == [51.16209, 63.0]


def lstsq(X, y):
    return with_errors(X, y, np.linalg.lstsq(X, y, rcond=None)[0])


def sklearn(X, y):
    return with_errors(X, y, LinearRegression(fit_intercept=False).fit(X, y).coef_)


def sklearn_with_intercept(X, y):
    if not (X[:, 0] == 1).all():
        return sklearn(X, y)
    fit = LinearRegression().fit(X[:, 1:], y)
    return with_errors(X, y, np.array([fit.intercept_, *fit.coef_]))


def with_errors(X, y, coef):
    # neither numpy nor scikit-learn has standard errors: the textbook's formula, by the pseudoinverse
    s = np.linalg.norm(y - X @ coef) / np.sqrt(len(y) - X.shape[1])
    return coef, s * np.sqrt((np.linalg.pinv(X) ** 2).sum(axis=1))


def statsmodels(X, y):
    fit = sm.OLS(y, X).fit()
    return fit.params, fit.bse


def statsmodels_qr(X, y):
    fit = sm.OLS(y, X).fit(method="qr")
    return fit.params, fit.bse


def ours(method):
    def fitted(X, y):
        fit = method(X, y)
        return fit.coef, fit.stderr

    return fitted


METHODS = {
    "certified_ols": certified_ols,
    "lstsq": lstsq,
    "sklearn": sklearn,
    "sklearn +1": sklearn_with_intercept,
    "statsmodels": statsmodels,
    "statsm. QR": statsmodels_qr,
    "normal eq.": ours(normal_equations),
    "Cholesky": ours(cholesky),
    "Householder": ours(householder),
    "SVD": ours(svd),
}
OTHERS = ("lstsq", "sklearn", "sklearn +1", "statsmodels", "statsm. QR")


@pytest.fixture(scope="module")
def digits():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: {how: accuracy(method, name) for how, method in METHODS.items()} for name in NAMES}


def test_the_table_of_digits_is_printed(digits, capsys):
    with capsys.disabled():
        print("\n\nLRE of coefficients / of standard errors, each the worst of a model (15 is all that NIST certifies)")
        print(f"{'':10s}" + "".join(f"{how:>14s}" for how in METHODS))
        for name, row in digits.items():
            print(f"{name:10s}" + "".join(f"{f'{a:.1f} / {b:.1f}':>14s}" for a, b in row.values()))
    assert len(digits) == 11


@pytest.mark.parametrize("name", NAMES)
def test_certified_ols_has_as_many_digits_as_the_best_of_numpy_scikit_learn_and_statsmodels(digits, name):
    coef, stderr = digits[name]["certified_ols"]
    assert coef >= max(digits[name][other][0] for other in OTHERS)
    assert stderr >= max(digits[name][other][1] for other in OTHERS)


@pytest.mark.parametrize("name", NAMES)
def test_certified_ols_has_every_digit_that_nist_certifies(digits, name):
    assert digits[name]["certified_ols"] == (15, 15)


def test_the_textbooks_methods_lose_what_the_curriculum_says(digits):
    # within a digit and a half of the values measured on another machine: builds of BLAS differ
    floor = {
        "normal eq.": {"Norris": 11.9, "Longley": 7.4, "Wampler1": 6.4, "Wampler2": 10.0, "Wampler4": 6.4},
        "Cholesky": {"Norris": 12.1, "Longley": 7.2, "Wampler1": 6.4, "Wampler2": 10.4, "Wampler4": 6.4},
        "Householder": {"Norris": 12.0, "Longley": 10.9, "Wampler1": 9.4, "Wampler4": 7.8, "Filip": 7.4},
        "SVD": {"Norris": 12.3, "Longley": 10.9, "Wampler1": 9.6, "Wampler4": 7.8},
    }
    for method, row in floor.items():
        for name, stated in row.items():
            assert digits[name][method][0] >= stated - 1.5, (method, name)
    assert digits["Filip"]["normal eq."][0] < 1
    assert digits["Filip"]["Cholesky"][0] == -np.inf


def test_an_unknown_data_set_is_refused_with_those_that_there_are():
    with pytest.raises(BadData, match="'Norrris' is no data set of NIST's that is here; there are Norris, Pontius"):
        dataset("Norrris")


def test_a_data_set_says_what_it_is_and_cannot_be_changed():
    assert repr(dataset("longley")) == "<NIST Longley (higher): y = b0 + b1 x1 + ... + b6 x6, 16 rows>"
    with pytest.raises(ValueError, match="read-only"):
        dataset("longley").X[0, 0] = 2

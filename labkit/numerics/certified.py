"""The front functions: coefficients and standard errors to full double precision, or an error, never wrong digits.

How `ols` proceeds. Small data are solved in rational arithmetic, whatever their condition (`exact`). Others are solved
by pivoted QR with columns scaled, refined with residuals in double-double (`least_squares.refined`), and in rational
arithmetic where that does not converge, or where few digits are left that a reading as decimals may save. `logit`
climbs in double precision; small data finish in decimals of as many digits as the condition asks for.

What no arithmetic can repair is said: dependent columns and separated classes are errors that name the columns, and a
DigitsLost warning says how many digits are left where the rounding of the inputs themselves decides the rest.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from labkit.numerics import exact, inputs, least_squares, logistic
from labkit.numerics.digits import scaled
from labkit.numerics.errors import DigitsLost, NotConverged, RankDeficient
from labkit.numerics.fits import Fit, frozen, made

QUICK_COST, QUICK_COLUMNS = 200_000, 15  # n p² and p up to which rational arithmetic takes some tenths of a second
EXACT_COST, EXACT_COLUMNS = 2_000_000, 40  # up to which it is worth some seconds to save digits
FEW_DIGITS = 8.0


def certified_ols(X: object, y: object, *, reading: str = "printed") -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (p,) and standard errors (p,) of least squares, each right to about 15 digits.

    X (n, p) carries its own column of ones if the model has an intercept; y (n,). Floats are taken as the decimals that
    they print as (`exact.reading`); with `reading="stored"`, as the binary fractions that they are. Standard errors are
    nan if n = p. Raises BadData, RankDeficient. Warns with DigitsLost. `ols` returns the same with its certificate.

    >>> coef, stderr = certified_ols([[1, 0.1], [1, 0.2], [1, 0.4]], [1.3, 1.6, 2.2])
    >>> coef.tolist(), stderr.tolist()
    ([1.0, 3.0], [0.0, 0.0])
    """
    fit = _ols(X, y, reading)
    for complaint in _complaints(fit):
        warnings.warn(complaint, DigitsLost, stacklevel=2)
    return fit.coef.copy(), fit.stderr.copy()


def certified_logit(X: object, y: object, *, reading: str = "printed") -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (p,) and standard errors (p,) of logistic regression by maximum likelihood, to about 15 digits.

    X (n, p) carries its own column of ones if the model has an intercept; y (n,) of 0 and 1. There is no penalty.
    Raises BadData, RankDeficient, Separated, NotConverged. Warns with DigitsLost. `logit` returns the certificate, too.

    >>> coef, stderr = certified_logit([[1, 0.5], [1, 1], [1, 1.5], [1, 2], [1, 2.5], [1, 3]], [0, 0, 1, 0, 1, 1])
    >>> coef.tolist()
    [-4.249096550479971, 2.4280551717028405]
    """
    fit = _logit(X, y, reading)
    for complaint in _complaints(fit):
        warnings.warn(complaint, DigitsLost, stacklevel=2)
    return fit.coef.copy(), fit.stderr.copy()


def ols(X: object, y: object, *, reading: str = "printed") -> Fit:
    """`certified_ols` with its certificate: how it was solved, the condition, the digits, and how data were read.

    >>> ols([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.5]).certificate.method
    'exact rationals'
    """
    fit = _ols(X, y, reading)
    for complaint in _complaints(fit):
        warnings.warn(complaint, DigitsLost, stacklevel=2)
    return fit


def _ols(X: object, y: object, reading: str) -> Fit:
    exact.known_reading(reading)
    table = inputs.table(X)
    response = inputs.response(y, table.shape[0])
    small = _within(table, QUICK_COST, QUICK_COLUMNS)
    return _exact(table, response, reading) if small else _refined(table, response, reading)


def _within(X: np.ndarray, cost: int, columns: int) -> bool:
    n, p = X.shape
    return bool(n * p**2 <= cost and p <= columns)


def _exact(X: np.ndarray, y: np.ndarray, reading: str) -> Fit:
    read = exact.reading(X, reading)
    # what is dependent within the rounding of its numbers has a rational solution, but one that rounding made up
    problem = None if read.certain else least_squares.dependence(X)
    if problem is not None:
        raise problem
    return exact.fitted(X, y, read, reading)


def _refined(X: np.ndarray, y: np.ndarray, reading: str) -> Fit:
    columns, powers = scaled(X)
    size = float(scaled(y[:, None])[1][0])
    try:
        fit = least_squares.refined(columns, y / size)
    except (NotConverged, RankDeficient):
        if not _within(X, EXACT_COST, EXACT_COLUMNS):
            raise
        return _exact(X, y, reading)
    if fit.certificate.data_digits < FEW_DIGITS and _within(X, EXACT_COST, EXACT_COLUMNS):
        return _exact(X, y, reading)
    return made(fit.coef * size / powers, fit.stderr * size / powers, fit.residual_norm * size, fit.certificate)


def logit(X: object, y: object, *, reading: str = "printed") -> Fit:
    """`certified_logit` with its certificate; `loglik` is the log-likelihood at the maximum.

    >>> logit([[1, 0.5], [1, 1], [1, 1.5], [1, 2], [1, 2.5], [1, 3]], [0, 0, 1, 0, 1, 1]).certificate.method
    'Newton in decimals'
    """
    fit = _logit(X, y, reading)
    for complaint in _complaints(fit):
        warnings.warn(complaint, DigitsLost, stacklevel=2)
    return fit


def _logit(X: object, y: object, reading: str) -> Fit:
    exact.known_reading(reading)
    table, response = logistic.checked(X, y)
    read = exact.reading(table, reading) if _within(table, 2 * QUICK_COST, EXACT_COLUMNS) else None
    if read is None:
        return logistic.irls(table, response)
    return _in_decimals(table, response, read, logistic.climb(scaled(table)[0], response))


def _in_decimals(X: np.ndarray, y: np.ndarray, read: exact.Read, found: logistic.Climb) -> Fit:
    start = found.coef / scaled(X)[1]
    done = None
    if found.converged and not found.doubtful:
        kappa = logistic.record(X, y, start, steps=0).certificate.condition
        done = logistic.finished(read.columns, y, start, places=60 + math.ceil(2 * math.log10(kappa)))
    if done is None:
        done = _far_out(X, y, read, start)
    coef, stderr, loglik, steps = done
    at = logistic.record(X, y, coef, steps=steps)
    certificate = replace(
        at.certificate, method="Newton in decimals", digits=16.0, reading="printed" if read.certain else "mixed"
    )
    return Fit(frozen(coef), frozen(stderr), at.residual_norm, certificate, loglik)


def _far_out(
    X: np.ndarray, y: np.ndarray, read: exact.Read, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float, int]:
    """The maximum far out of nearly separated classes; Separated if there is none.

    A strict direction of the linear program proves separation. One with ties is proof only within its tolerance: then
    Newton's method must fail to come to rest, too.
    """
    rows = scaled(X)[0] * (2 * y - 1)[:, None]
    direction = logistic.separating(rows)
    if direction is not None and float((rows @ direction).min()) > 1e-6 * float(np.abs(rows).max()):
        raise logistic.separated(X, y, direction)
    # scores of 90 make a Hessian with entries down to 1e-39
    done = logistic.finished(read.columns, y, start, places=150, most_steps=60)
    if done is not None:
        return done
    if direction is not None:
        raise logistic.separated(X, y, direction)
    raise NotConverged("Newton's method did not converge in decimals either. Try to scale or to drop columns.")


def _complaints(fit: Fit) -> Iterator[str]:
    """What a DigitsLost warning has to say of a fit."""
    certificate = fit.certificate
    if np.isnan(fit.stderr).all():
        yield "X has as many rows as columns: the residuals are zero, and no standard error can be computed (nan)."
    found = min(certificate.digits, certificate.data_digits)
    if found >= FEW_DIGITS:
        return
    if certificate.reading == "printed":
        yield (
            f"The binary floats as stored determine only {found:.1f} digits (condition {certificate.condition:.0e}). "
            "All digits shown are right for the decimals that they print as; if those were rounded before, trust "
            f"{math.floor(found)} digits."
        )
    else:
        yield (
            f"Only {found:.1f} digits are left (condition {certificate.condition:.0e}): the numbers of X and y were "
            "rounded when they were stored, and that decides the rest. Try to drop or to centre columns."
        )

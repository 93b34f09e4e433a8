"""Logistic regression: maximum likelihood by Newton's method, in double precision and, to finish, in decimals.

For y in {0, 1} and p = 1 / (1 + e^(-Xβ)) the gradient of the log-likelihood is Xᵀ(y - p) and minus its Hessian XᵀWX
with W = p (1 - p) (McCullagh and Nelder, Generalized Linear Models, 4.4). Newton's step is a weighted least-squares
problem, hence the name IRLS. It is halved until the likelihood grows. Standard errors are √((XᵀWX)⁻¹ⱼⱼ).

A maximum exists unless some direction d has sᵢ xᵢ·d >= 0 for all rows, sᵢ = ±1 for y = 1, 0, and not only zeros (Albert
and Anderson, Biometrika 71, 1984): a linear program finds it (Konis, Oxford thesis, 2007). Nearly separated classes
have a maximum, far out; what tells them apart is that Newton's steps in Xβ become small there, and else stay near 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import expit, log_expit

from labkit.numerics import inputs
from labkit.numerics.digits import U, condition, data_digits, left, scaled
from labkit.numerics.errors import BadData, NotConverged, Separated
from labkit.numerics.fits import Certificate, Fit, frozen
from labkit.numerics.least_squares import dependence, gram_inverse, householder_qr, orthogonality

FAR = 30.0  # a score beyond which a probability is 1 to 13 digits
SMALL = 1e-9  # a step in the scores that ends Newton's method in double precision


@dataclass(frozen=True, slots=True)
class Climb:
    """Where Newton's method ended: coefficients of scaled columns, whether its last step was small, and its steps.

    `doubtful`: the weights have made the Hessian so ill-conditioned that a small step may be one in the wrong direction
    of those that are quasi-separated.
    """

    coef: np.ndarray
    converged: bool
    steps: int
    doubtful: bool = False


def irls(X: object, y: object) -> Fit:
    """The maximum-likelihood fit in double precision. X (n, p) with its own column of ones, y (n,) of 0 and 1.

    `residual_norm` is ‖y - p‖. Raises BadData, RankDeficient, Separated (with the columns), NotConverged.

    >>> hours = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    >>> fit = irls(np.column_stack([np.ones(6), hours]), [0, 0, 1, 0, 1, 1])
    >>> fit.coef.round(4).tolist(), fit.certificate.orthogonality < 1e-12
    ([-4.2491, 2.4281], True)
    """
    table, response = checked(X, y)
    columns, powers = scaled(table)
    found = climb(columns, response)
    if not found.converged or found.doubtful:
        problem = _no_maximum(table, response, found)
        if not found.converged or isinstance(problem, Separated):
            raise problem
    return record(table, response, found.coef / powers, steps=found.steps)


def checked(X: object, y: object) -> tuple[np.ndarray, np.ndarray]:
    """Data of a logistic regression, or the error that says why not."""
    table = inputs.table(X)
    response = inputs.binary(y, table.shape[0])
    if response.min() == response.max():
        raise Separated(
            f"Every y is {response[0]:g}: one class alone has no maximum of the likelihood. Expected both 0 and 1.", []
        )
    return table, response


def climb(X: np.ndarray, y: np.ndarray, *, most_steps: int = 60) -> Climb:
    """Newton's method with step halving, from 0, on columns that have been scaled."""
    problem = dependence(X)
    if problem is not None:
        raise problem
    sign: np.ndarray = 2 * y - 1
    b = np.zeros(X.shape[1])
    spread = householder_qr(X).spread
    for step in range(1, most_steps + 1):
        margin = sign * (X @ b)
        wrong, right = expit(-margin), expit(margin)
        factor = householder_qr(X * np.sqrt(wrong * right)[:, None])
        if factor.rank < X.shape[1]:
            return Climb(b, False, step)
        gradient = X.T @ (sign * wrong)
        d = np.empty_like(b)
        d[factor.order] = solve_triangular(factor.r, solve_triangular(factor.r, gradient[factor.order], trans="T"))
        d *= _halvings(margin, sign * (X @ d))
        b = b + d
        if float(np.abs(X @ d).max()) <= SMALL * max(1.0, float(np.abs(X @ b).max())):
            return Climb(b, True, step, doubtful=factor.spread > 1e6 * spread)
        if float(np.abs(X @ b).max()) > 12 * FAR:
            break
    return Climb(b, False, most_steps)


def _halvings(margin: np.ndarray, change: np.ndarray) -> float:
    """The largest of 1, 1/2, 1/4, ... by which a step does not lower the likelihood (beyond its own rounding)."""
    before = float(log_expit(margin).sum())
    factor = 1.0
    while factor > 1e-6 and float(log_expit(margin + factor * change).sum()) < before - 1e-12 * abs(before):
        factor /= 2
    return factor


def record(X: np.ndarray, y: np.ndarray, coef: np.ndarray, *, steps: int) -> Fit:
    """The fit at these coefficients, with standard errors from the Hessian by QR of √W X."""
    sign: np.ndarray = 2 * y - 1
    margin = sign * (X @ coef)
    columns, powers = scaled(X)
    weights = expit(margin) * expit(-margin)
    inverse = gram_inverse(householder_qr(columns * np.sqrt(weights)[:, None]))
    residual = sign * expit(-margin)
    kappa = condition(scaled(X * np.sqrt(weights)[:, None])[0])
    certificate = Certificate(
        method="Newton",
        orthogonality=orthogonality(X, y, residual),
        condition=kappa,
        rank=X.shape[1],
        digits=min(left(kappa), -math.log10(SMALL) + 6),
        data_digits=data_digits(
            X, np.zeros_like(y), coef=coef, inverse=inverse, noise=1.0, weights=weights, residual=residual
        ),
        steps=steps,
    )
    likelihood = float(log_expit(margin).sum())
    return Fit(
        frozen(coef),
        frozen(np.sqrt(np.diag(inverse)) / powers),
        float(np.linalg.norm(residual)),
        certificate,
        likelihood,
    )


# --- whether there is a maximum -----------------------------------------------------------------------------


def separating(rows: np.ndarray) -> np.ndarray | None:
    """A direction d with rows @ d >= 0 and rows @ d != 0, within 1e-7 of the largest entry; None if there is none.

    rows (n, p) are sᵢ xᵢ, with columns of similar length. Maximises the smallest rowᵢ·d for |dⱼ| <= 1, and if none can
    make that positive, their sum with all rowᵢ·d >= 0 (Konis 2007).

    >>> separating(np.array([[1.0, 2.0], [-1.0, -1.0]])).round(6).tolist()
    [-1.0, 0.666667]
    >>> separating(np.array([[1.0], [-1.0]])) is None
    True
    """
    from scipy.optimize import linprog  # takes 0.2 s to import, and well-behaved data never need it

    unit = rows / max(float(np.abs(rows).max()), 1e-300)
    n, p = unit.shape
    with_margin = np.hstack([-unit, np.ones((n, 1))])
    found = linprog([0.0] * p + [-1.0], A_ub=with_margin, b_ub=np.zeros(n), bounds=(-1, 1), method="highs")
    if found.status == 0 and -found.fun > 1e-6:
        return np.asarray(found.x[:p])
    found = linprog(-unit.sum(axis=0), A_ub=-unit, b_ub=np.zeros(n), bounds=(-1, 1), method="highs")
    if found.status != 0 or -found.fun <= 1e-6:
        return None
    return np.asarray(found.x)


def _no_maximum(X: np.ndarray, y: np.ndarray, found: Climb) -> Separated | NotConverged:
    columns, _ = scaled(X)
    direction = separating(columns * (2 * y - 1)[:, None])
    if direction is not None:
        return separated(X, y, direction)
    far = float(np.abs(columns @ found.coef).max())
    return NotConverged(
        f"Newton's method has not converged after {found.steps} steps (largest score {far:.0f}), though nothing "
        "separates the classes within 1e-7. Try certified_logit, which goes on in decimals, or ridge-like penalties."
    )


def separated(X: np.ndarray, y: np.ndarray, direction: np.ndarray) -> Separated:
    """The error that names one column that divides the classes alone, or else those that do it together."""
    # with a constant column any threshold separates, without one only 0 does
    constant = bool(((np.ptp(X, axis=0) == 0) & (X[0] != 0)).any())
    for j in range(X.shape[1]):
        low, high = X[y == 0, j], X[y == 1, j]
        for below, above, upper in ((low, high, 1), (high, low, 0)):
            at_zero = below.max() <= 0 <= above.min()
            if below.max() <= above.min() and np.ptp(X[:, j]) > 0 and (constant or at_zero):
                sign = ">" if below.max() < above.min() else ">="
                return Separated(
                    f"Column {j} of X (counted from 0) separates the classes: y is {upper} only where it is {sign} "
                    f"{above.min() if sign == '>=' else below.max():g}. The likelihood has no maximum, its "
                    "coefficients grow for ever. Try more data, fewer columns, or a penalty.",
                    [j],
                )
    used = [j for j in range(X.shape[1]) if abs(direction[j]) > 1e-6 and np.ptp(X[:, j]) > 0]
    return Separated(
        f"Columns {', '.join(map(str, used))} of X (counted from 0) together separate the classes: the likelihood has "
        "no maximum, its coefficients grow for ever. Try more data, fewer columns, or a penalty.",
        used,
    )


# --- decimals -----------------------------------------------------------------------------------------------


def finished(
    columns: list[list[Fraction]], y: np.ndarray, start: np.ndarray, *, places: int, most_steps: int = 12
) -> tuple[np.ndarray, np.ndarray, float, int] | None:
    """Newton's method in decimals of `places` digits, from `start`, until a step changes no score by 1e-25.

    Returns (coef, stderr, log-likelihood, steps), rounded once; None if the steps stay large. The start is for the
    columns as given.
    """
    b: np.ndarray
    with localcontext() as context:
        context.prec = places
        X = np.array([[_decimal(v) for v in column] for column in columns], dtype=object).T
        sign = np.array([Decimal(int(2 * v - 1)) for v in y], dtype=object)
        b = np.array([Decimal(float(v)) for v in start], dtype=object)
        for step in range(1, most_steps + 1):
            margin = sign * (X @ b)
            power = np.array([m.exp() for m in margin], dtype=object)
            wrong = 1 / (1 + power)
            hessian = (X * (power * wrong * wrong)[:, None]).T @ X
            solved = _eliminated(hessian, (X.T @ (sign * wrong))[:, None])
            if solved is None:
                return None
            d = solved[:, 0]
            b = b + d
            change = max(abs(v) for v in X @ d)
            if change > 10_000:
                return None
            if change <= Decimal("1e-25"):
                inverse = _eliminated(hessian, _identity(len(b)))
                if inverse is None:
                    return None
                stderr = [float(v.sqrt()) for v in inverse.diagonal().tolist()]
                return np.array([float(v) for v in b]), np.array(stderr), float(sum(wrong_log(power))), step
    return None


def wrong_log(power: np.ndarray) -> list[Decimal]:
    """log p of what happened, from e^margin: -log(1 + e^-margin)."""
    return [-(1 + 1 / value).ln() for value in power]


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _identity(size: int) -> np.ndarray:
    return np.array([[Decimal(int(i == j)) for j in range(size)] for i in range(size)], dtype=object)


def _eliminated(matrix: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    """The solution of matrix z = right by Gauss-Jordan elimination, without pivoting; None if not positive definite."""
    work = np.hstack([matrix, right])
    p = len(matrix)
    for k in range(p):
        if work[k, k] <= 0:
            return None
        work[k] = work[k] / work[k, k]
        for i in range(p):
            if i != k:
                work[i] = work[i] - work[i, k] * work[k]
    return work[:, p:]


# --- several classes ----------------------------------------------------------------------------------------


def softmax(X: object, labels: object, *, most_steps: int = 60) -> Fit:
    """Multinomial logistic regression by Newton: coefficients (p, K - 1) against the first class in sorted order.

    labels (n,) of K >= 2 kinds. log P(k) / P(first) = X βₖ (Agresti, Categorical Data Analysis, 8.1). Raises BadData,
    RankDeficient, Separated, NotConverged. `residual_norm` is ‖Y - P‖ over all classes but the first.

    >>> X = np.column_stack([np.ones(7), [0.0, 1.0, 2.0, 1.5, 3.0, 2.5, 0.5]])
    >>> softmax(X, list("aabbcac")).coef.shape
    (2, 2)
    """
    table = inputs.table(X)
    kinds, codes = np.unique(np.asarray(labels), return_inverse=True)
    if codes.shape != (table.shape[0],) or len(kinds) < 2:
        raise BadData(
            f"labels have {len(kinds)} kinds and the shape {codes.shape}; expected at least 2 kinds, one a row."
        )
    problem = dependence(table)
    if problem is not None:
        raise problem
    columns, powers = scaled(table)
    hot = (codes[:, None] == np.arange(1, len(kinds))).astype(float)
    b = np.zeros((table.shape[1], len(kinds) - 1))
    for step in range(1, most_steps + 1):
        chances, value = _chances(columns @ b, codes)
        hessian = _softmax_hessian(columns, chances)
        gradient = (columns.T @ (hot - chances)).T.ravel()
        if condition(hessian) > 0.01 / U:
            break
        d = np.linalg.solve(hessian, gradient).reshape(b.T.shape).T
        factor = 1.0
        while factor > 1e-6 and _chances(columns @ (b + factor * d), codes)[1] < value - 1e-12 * abs(value):
            factor /= 2
        b = b + factor * d
        if float(np.abs(columns @ d).max()) <= SMALL * max(1.0, float(np.abs(columns @ b).max())):
            return _softmax_record(table, codes, b / powers[:, None], step)
    raise _softmax_without_maximum(columns, codes, len(kinds))


def _chances(scores: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, float]:
    """Probabilities of all classes but the first, and the log-likelihood; the largest score is taken off first."""
    full = np.column_stack([np.zeros(len(scores)), scores])
    full -= full.max(axis=1, keepdims=True)
    total = np.exp(full).sum(axis=1, keepdims=True)
    value = float((full[np.arange(len(full)), codes] - np.log(total[:, 0])).sum())
    return (np.exp(full) / total)[:, 1:], value


def _softmax_hessian(X: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Minus the Hessian, blocks of Xᵀ diag(pₖ (δₖₗ - pₗ)) X."""
    kinds = range(chances.shape[1])
    return np.block([[X.T @ (X * (chances[:, k] * ((k == m) - chances[:, m]))[:, None]) for m in kinds] for k in kinds])


def _softmax_record(X: np.ndarray, codes: np.ndarray, coef: np.ndarray, steps: int) -> Fit:
    columns, powers = scaled(X)
    kinds = coef.shape[1]
    chances, value = _chances(X @ coef, codes)
    residual = (codes[:, None] == np.arange(1, kinds + 1)) - chances
    hessian = _softmax_hessian(columns, chances)
    stderr = np.sqrt(np.diag(np.linalg.inv(hessian))).reshape(kinds, -1).T / powers[:, None]
    kappa = math.sqrt(condition(hessian))
    certificate = Certificate(
        method="Newton, softmax",
        orthogonality=max(orthogonality(X, codes.astype(float), residual[:, k]) for k in range(kinds)),
        condition=kappa,
        rank=X.shape[1],
        digits=left(kappa, squared=True),
        data_digits=left(kappa),
        steps=steps,
    )
    return Fit(frozen(coef), frozen(stderr), float(np.linalg.norm(residual)), certificate, value)


def _softmax_without_maximum(X: np.ndarray, codes: np.ndarray, kinds: int) -> Separated | NotConverged:
    """Separated if scores can rise for ever: xᵢ·(d of its class - d of another) >= 0 for every row and other class."""
    blocks = np.eye(kinds)[:, 1:]
    rows = [np.kron(blocks[codes[i]] - blocks[k], X[i]) for i in range(len(X)) for k in range(kinds) if k != codes[i]]
    direction = separating(np.array(rows))
    if direction is None:
        return NotConverged("Newton's method has not converged, though nothing separates the classes within 1e-7.")
    weights = np.abs(direction.reshape(kinds - 1, -1)).max(axis=0)
    used = [j for j in range(X.shape[1]) if weights[j] > 1e-6 and np.ptp(X[:, j]) > 0]
    return Separated(
        f"Columns {', '.join(map(str, used))} of X (counted from 0) separate a class from the others: the "
        "likelihood has no maximum. Try more data, fewer columns, or a penalty.",
        used,
    )

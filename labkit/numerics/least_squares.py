"""Least squares in floating point, by every method of the textbooks, each with the digits that it can promise.

Notation: X (n, p) with its own column of ones, y (n,), β the minimiser of ‖y - Xβ‖, s² = RSS / (n - p), and standard
errors s √((XᵀX)⁻¹ⱼⱼ). κ is the condition number with columns scaled to length 1. What the methods keep of 16 digits:

  * `normal_equations`, `cholesky`   16 - 2 log10 κ: forming XᵀX squares κ (Golub and Van Loan, 5.3.8)
  * `householder`, `svd`             16 - log10 κ, as long as the residual is small (Björck 1996, 1.4)
  * `refined`                        all, as long as κ is below 1e15 or so (Björck, BIT 7, 1967)

`householder` scales columns by powers of two first, which costs no digit; the others take them as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from labkit.numerics import doubled, inputs
from labkit.numerics.digits import U, condition, data_digits, left, scaled
from labkit.numerics.errors import BadData, NotConverged, RankDeficient
from labkit.numerics.fits import Certificate, Fit, made


class PivotedQR(NamedTuple):
    """X[:, order] = q r, with q (n, p) orthonormal and r (p, p) upper triangular, its diagonal falling in size."""

    q: np.ndarray
    r: np.ndarray
    order: np.ndarray

    @property
    def rank(self) -> int:
        """How many columns are independent of those before: |rₖₖ| above 16 p u |r₁₁|, some times QR's own rounding."""
        size = np.abs(np.diag(self.r))
        return int((size > 16 * len(size) * U * size[0]).sum()) if size[0] > 0 else 0

    @property
    def spread(self) -> float:
        """|r₁₁| / |rₚₚ|, below κ by little in practice; inf if the last is 0."""
        size = np.abs(np.diag(self.r))
        return float(size[0] / size[-1]) if size[-1] > 0 else math.inf


def householder_qr(X: np.ndarray) -> PivotedQR:
    """QR by Householder's reflections with column pivoting (Businger and Golub, Numerische Mathematik 7, 1965).

    Column norms are computed anew in each step, not updated: updating loses their digits (Drmač and Bujanović, 2008).

    >>> q, r, order = householder_qr(np.array([[1.0, 3.0], [1.0, 4.0]]))
    >>> order.tolist(), bool(np.allclose(q @ r, [[3.0, 1.0], [4.0, 1.0]]))
    ([1, 0], True)
    """
    work = np.array(X, dtype=float)
    n, p = work.shape
    order = np.arange(p)
    mirrors = []
    for k in range(p):
        best = k + int(np.argmax(np.linalg.norm(work[k:, k:], axis=0)))
        work[:, [k, best]] = work[:, [best, k]]
        order[[k, best]] = order[[best, k]]
        v = work[k:, k].copy()
        v[0] += math.copysign(float(np.linalg.norm(v)), v[0])
        length = float(v @ v)
        mirrors.append((v, 2 / length if length > 0 else 0.0))
        work[k:, k:] -= np.outer(mirrors[-1][1] * v, v @ work[k:, k:])
        work[k + 1 :, k] = 0.0
    q = np.eye(n, p)
    for k in reversed(range(p)):
        v, factor = mirrors[k]
        q[k:] -= np.outer(factor * v, v @ q[k:])
    return PivotedQR(q, work[:p].copy(), order)


def normal_equations(X: object, y: object) -> Fit:
    """β from XᵀX β = Xᵀy by Gaussian elimination: what is taught first, and the first to lose digits.

    >>> normal_equations([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0]).coef.round(12).tolist()
    [1.0, 2.0]
    """
    table, response = _checked(X, y)
    gram = table.T @ table
    try:
        inverse = np.linalg.inv(gram)
        coef = np.linalg.solve(gram, table.T @ response)
    except np.linalg.LinAlgError:
        raise _numerically_dependent(table) from None
    return _record("normal equations", table, response, coef=coef, inverse=inverse, squared=True)


def cholesky(X: object, y: object) -> Fit:
    """β from XᵀX = LLᵀ. Raises RankDeficient where XᵀX, as computed, is not positive definite: from κ ≈ 1e8 on.

    >>> cholesky([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0]).coef.round(12).tolist()
    [1.0, 2.0]
    """
    table, response = _checked(X, y)
    gram = table.T @ table
    try:
        lower = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        raise RankDeficient(
            "XᵀX as computed is not positive definite: its condition number is κ(X)² = "
            f"{condition(table) ** 2:.0e}. Try householder or certified_ols.",
            range(table.shape[1]),
        ) from None
    inverse = cho_solve((lower, True), np.eye(table.shape[1]))
    coef = cho_solve((lower, True), table.T @ response)
    return _record("Cholesky", table, response, coef=coef, inverse=inverse, squared=True)


def householder(X: object, y: object) -> Fit:
    """β from X = QR with columns scaled and pivoted: Rβ = Qᵀy. Raises RankDeficient with the columns.

    >>> householder([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0]).coef.round(12).tolist()
    [1.0, 2.0]
    """
    table, response = _checked(X, y)
    columns, powers = scaled(table)
    factor = householder_qr(columns)
    if factor.rank < table.shape[1]:
        raise _numerically_dependent(table)
    coef = np.empty(table.shape[1])
    coef[factor.order] = solve_triangular(factor.r, factor.q.T @ response)
    inverse = gram_inverse(factor) / np.outer(powers, powers)
    return _record("Householder QR", table, response, coef=coef / powers, inverse=inverse)


def svd(X: object, y: object, *, cut: float | None = None) -> Fit:
    """β = V diag(1/dⱼ) Uᵀy over the singular values dⱼ > `cut` d₁: of all solutions the one of least length.

    `cut` is max(n, p) times 2^-52 unless given, as numpy.linalg.lstsq has it; 0 cuts nothing but zeros. Standard
    errors are those of the estimable part, with n - rank degrees of freedom.

    >>> collinear = svd([[1.0, 2.0], [2.0, 3.0], [3.0, 4.0], [0.0, 1.0]], [1.0, 2.0, 3.0, 0.0])
    >>> collinear.coef.round(9).tolist(), collinear.certificate.rank
    ([1.0, 0.0], 2)
    """
    table, response = _checked(X, y, rows_least=1)
    limit = max(table.shape) * 2 * U if cut is None else inputs.positive("cut", cut, zero=True)
    left_vectors, values, right = np.linalg.svd(table, full_matrices=False)
    kept = (values > limit * values[0]) & (values > 0)
    turned = np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)
    coef = right.T @ (turned * (left_vectors.T @ response))
    inverse = (right.T * turned**2) @ right
    return _record("SVD", table, response, coef=coef, inverse=inverse, rank=int(kept.sum()))


def weighted(X: object, y: object, weights: object) -> Fit:
    """The minimiser of Σ wᵢ (yᵢ - xᵢβ)², by QR of the rows times √wᵢ (Aitken 1936). Weights (n,), above 0.

    `residual_norm` is √(Σ wᵢ rᵢ²), and s² = Σ wᵢ rᵢ² / (n - p): weights are 1/variance up to a common factor.

    >>> weighted([[1.0], [1.0]], [0.0, 4.0], [3.0, 1.0]).coef.round(12).tolist()
    [1.0]
    """
    table, response = _checked(X, y)
    w = inputs.response(weights, table.shape[0])
    if (w <= 0).any():
        raise BadData(f"Weight {int(np.argmin(w))} is {w.min():g}; expected weights above 0. Try to drop that row.")
    roots = np.sqrt(w)
    return householder(table * roots[:, None], response * roots)


def ridge(X: object, y: object, alpha: float, *, free: Sequence[int] = ()) -> Fit:
    """The minimiser of ‖y - Xβ‖² + α Σ βⱼ², by QR of X with rows √α eⱼ below it and zeros below y.

    `free` names the columns without a penalty, such as that of ones (Hoerl and Kennard, Technometrics 12, 1970).
    Standard errors are those of the estimator around its own, biased, mean: s √((M XᵀX M)ⱼⱼ) with M = (XᵀX + αD)⁻¹
    and s² = RSS / (n - tr H). Works for n < p. `residual_norm` is of the data rows. Raises BadData, RankDeficient.

    >>> ridge([[1.0], [1.0]], [2.0, 4.0], 1.0).coef.round(12).tolist()
    [2.0]
    """
    table, response = _checked(X, y, rows_least=1)
    n, p = table.shape
    strength = math.sqrt(inputs.positive("alpha", alpha, zero=True))
    if not all(0 <= j < p for j in free):
        raise BadData(f"free names the columns {sorted(free)}; X has the columns 0 to {p - 1}.")
    penalised = np.delete(np.eye(p), list(free), axis=0) * strength
    augmented, padded = np.vstack([table, penalised]), np.concatenate([response, np.zeros(len(penalised))])
    fit = householder(augmented, padded)
    inverse = gram_inverse(householder_qr(augmented))
    residual = response - table @ fit.coef
    spent = effective_df(table, alpha, free=free)
    variance = float(residual @ residual) / (n - spent) if n - spent > 1e-9 else math.nan
    spread = np.diag(inverse @ (table.T @ table) @ inverse)
    return made(fit.coef, np.sqrt(variance * spread), float(np.linalg.norm(residual)), fit.certificate)


def effective_df(X: object, alpha: float, *, free: Sequence[int] = ()) -> float:
    """tr H of ridge, the parameters that it spends: Σ dⱼ² / (dⱼ² + α) if every column is penalised.

    >>> effective_df(np.diag([1.0, 3.0]), 1.0)
    1.4
    """
    table = inputs.table(X, rows_least=1)
    penalty = np.full(table.shape[1], float(alpha))
    penalty[list(free)] = 0.0
    gram = table.T @ table
    return round(float(np.trace(np.linalg.solve(gram + np.diag(penalty), gram))), 12)


def gram_inverse(factor: PivotedQR) -> np.ndarray:
    """(XᵀX)⁻¹ = R⁻¹R⁻ᵀ, rows and columns in the order of X."""
    p = factor.r.shape[0]
    inverse = solve_triangular(factor.r, np.eye(p))
    out = np.empty((p, p))
    out[np.ix_(factor.order, factor.order)] = inverse @ inverse.T
    return out


REFINED_ERRORS = 5_000_000  # n p² from which standard errors are refined only if κ costs more than three digits


def refined(X: np.ndarray, y: np.ndarray, *, most_steps: int = 12) -> Fit:
    """Householder QR, then refinement of β and (XᵀX)⁻¹ with residuals in double-double, until nothing changes.

    Both solve the augmented system r + Xb = f, Xᵀr = g, for (f, g) = (y, 0) and for (0, -eⱼ) (Björck, BIT 7, 1967;
    Demmel, Hida, Li and Riedy, ACM TOMS 35, 2009). Raises NotConverged where κ is beyond double precision. Columns
    should have been scaled. Standard errors keep the digits of the coefficients, and 13 where n p² is above 5e6 and κ
    below 1000: there (XᵀX)⁻¹ comes from R as it is.

    >>> refined(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 3.0, 5.0])).coef.tolist()
    [1.0, 2.0]
    """
    n, p = X.shape
    factor = householder_qr(X)
    if factor.rank < p:
        raise _numerically_dependent(X)
    plain = n * p**2 > REFINED_ERRORS and condition(factor.r) < 1000
    f = y[:, None] if plain else np.hstack([y[:, None], np.zeros((n, p))])
    g = np.zeros((p, 1)) if plain else np.hstack([np.zeros((p, 1)), -np.eye(p)])
    r, b = _augmented(factor, f, g)
    steps, before = 0, math.inf
    for steps in range(1, most_steps + 1):  # noqa: B007
        dr, db = _augmented(factor, doubled.residual(f, r, X, b), doubled.cross(X, r, g))
        r, b = r + dr, b + db
        change = float((np.abs(db).max(axis=0) / np.maximum(np.abs(b).max(axis=0), 1e-300)).max())
        if change <= 4 * U or change > before / 2:
            break
        before = change
    if change > 2.0**-40:
        raise NotConverged(f"Refinement stopped at a relative change of {change:.0e}: κ is {condition(X):.0e}.")
    inverse = gram_inverse(factor) if plain else b[:, 1:]
    return _record("QR, refined", X, y, coef=b[:, 0], inverse=inverse, steps=steps, residual=r[:, 0])


def _augmented(factor: PivotedQR, f: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    h = solve_triangular(factor.r, g[factor.order], trans="T")
    d = factor.q.T @ f
    b = np.empty_like(g)
    b[factor.order] = solve_triangular(factor.r, d - h)
    return f + factor.q @ (h - d), b


def _checked(X: object, y: object, *, rows_least: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    table = inputs.table(X, rows_least=rows_least)
    return table, inputs.response(y, table.shape[0])


def orthogonality(X: np.ndarray, y: np.ndarray, residual: np.ndarray) -> float:
    """The largest |xⱼ·r| / (‖xⱼ‖ ‖r‖); 0 where r is nothing but rounding of y."""
    length = float(np.linalg.norm(residual))
    if length <= 1e-12 * float(np.linalg.norm(y)):
        return 0.0
    norms = np.linalg.norm(X, axis=0)
    norms[norms == 0] = 1.0
    return float((np.abs(X.T @ (residual / length)) / norms).max())


def _record(
    method: str,
    X: np.ndarray,
    y: np.ndarray,
    *,
    coef: np.ndarray,
    inverse: np.ndarray,
    squared: bool = False,
    rank: int | None = None,
    steps: int = 0,
    residual: np.ndarray | None = None,
) -> Fit:
    n, p = X.shape
    rank = p if rank is None else rank
    r = y - X @ coef if residual is None else residual
    rss = float(r @ r)
    noise = math.sqrt(rss / (n - rank)) if n > rank else math.nan
    columns, powers = scaled(X)
    kappa = condition(columns)
    certificate = Certificate(
        method=method,
        orthogonality=orthogonality(X, y, r),
        condition=kappa,
        rank=rank,
        digits=15.9 if steps else left(kappa, squared=squared),
        data_digits=data_digits(X, y, coef=coef, inverse=inverse * np.outer(powers, powers), noise=noise),
        steps=steps,
    )
    with np.errstate(invalid="ignore"):
        stderr = noise * np.sqrt(np.diag(inverse))
    return made(coef, stderr, math.sqrt(rss), certificate)


def _numerically_dependent(X: np.ndarray) -> RankDeficient:
    """The error that names a column which others give within rounding."""
    table = scaled(X)[0]
    factor = householder_qr(table)
    rank = min(factor.rank, X.shape[1] - 1)
    dependent = int(factor.order[rank])
    weights = solve_triangular(factor.r[:rank, :rank], factor.r[:rank, rank]) if rank else np.zeros(0)
    used = sorted(int(factor.order[k]) for k in range(rank) if abs(weights[k]) > 1e-6)
    names = ", ".join(str(j) for j in used)
    if not used:
        message = f"Column {dependent} of X (counted from 0) is zero in every row. Try without it."
    else:
        message = (
            f"Column {dependent} of X (counted from 0) is a linear combination of column{'s' if len(used) > 1 else ''} "
            f"{names} within rounding (condition number {condition(table):.0e}): no digit of their coefficients is "
            "determined. Try without one of them, or ridge."
        )
    return RankDeficient(message, sorted([*used, dependent]))


def dependence(X: np.ndarray) -> RankDeficient | None:
    """The error if X has dependent columns within rounding, scaled columns taken; None if not."""
    table = scaled(X)[0]
    return _numerically_dependent(X) if householder_qr(table).rank < X.shape[1] else None

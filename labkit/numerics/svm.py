"""Support vector machines by dual coordinate ascent, with a duality gap and the KKT conditions as certificate.

Primal: min ½‖w‖² + C Σ max(0, 1 - yᵢ (w·xᵢ + b)), yᵢ = ±1. Dual: max D(α) = Σ αᵢ - ½ Σ αᵢ αⱼ yᵢ yⱼ K(xᵢ, xⱼ) with
0 <= αᵢ <= C and, because b has no penalty, Σ αᵢ yᵢ = 0 (Cortes and Vapnik, Machine Learning 20, 1995). A single αᵢ
cannot move without leaving that plane, so two are moved at a time, to the best place on their line: SMO (Platt 1998),
with the pair chosen by the second-order gain (Fan, Chen and Lin, JMLR 6, 2005), as LIBSVM does. Without b there is no
plane, and one αᵢ after another is moved (Hsieh et al., ICML 2008).

Every feasible α gives D(α) <= optimum <= P(w, b): the gap P - D bounds the error of both, whatever found them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.numerics import inputs
from labkit.numerics.errors import BadData, NotConverged
from labkit.numerics.fits import frozen

STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class DualCertificate:
    """`primal` and `dual` values, `gap` = primal - dual >= 0, and the largest violations of what holds at the optimum.

    `kkt`: of the margins mᵢ = yᵢ f(xᵢ), by 1 - mᵢ where αᵢ = 0, mᵢ - 1 where αᵢ = C, |1 - mᵢ| in between.
    `balance`: |Σ αᵢ yᵢ|, 0 by construction without an intercept.
    """

    primal: float
    dual: float
    gap: float
    kkt: float
    balance: float
    steps: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SupportVectors:
    """α (n,), `support` the rows with αᵢ > 0, and f(x) = `coef`·x + `intercept` (coef is None for a kernel)."""

    alpha: np.ndarray
    coef: np.ndarray | None
    intercept: float
    support: np.ndarray
    certificate: DualCertificate

    def __repr__(self) -> str:
        c = self.certificate
        return f"SupportVectors({len(self.support)} of {len(self.alpha)} rows, gap {c.gap:.1e} of {c.primal:.6g})"


def linear_svm(X: object, y: object, *, C: float = 1.0, intercept: bool = True, tol: float = 1e-8) -> SupportVectors:
    """The soft-margin machine. X (n, p) without a column of ones, y (n,) of two kinds; the larger one is +1.

    Stops when no pair violates the KKT conditions by more than `tol`. Raises BadData, NotConverged.

    >>> two = linear_svm([[0.0, 0.0], [2.0, 0.0]], [-1, 1], C=10.0)
    >>> two.coef.tolist(), two.intercept, two.certificate.gap
    ([1.0, 0.0], -1.0, 0.0)
    """
    table = inputs.table(X, rows_least=2)
    fit = kernel_svm(table @ table.T, y, C=C, intercept=intercept, tol=tol)
    sign = signs(y, len(table))
    w = table.T @ (fit.alpha * sign)
    return SupportVectors(fit.alpha, frozen(w), fit.intercept, fit.support, fit.certificate)


def kernel_svm(K: object, y: object, *, C: float = 1.0, intercept: bool = True, tol: float = 1e-8) -> SupportVectors:
    """The same from the Gram matrix K (n, n) of any kernel (Mercer: symmetric, eigenvalues >= 0).

    f at new rows is K(new, old) @ (alpha y) + intercept. Raises BadData, NotConverged.

    >>> X = np.array([[-1.0], [0.0], [1.0]])
    >>> ring = kernel_svm((1 + X @ X.T) ** 2, [1, -1, 1], C=100.0)
    >>> (((1 + X @ X.T) ** 2) @ (ring.alpha * [1, -1, 1]) + ring.intercept).round(6).tolist()
    [1.0, -1.0, 1.0]
    """
    gram = inputs.table(K, rows_least=2)
    sign = signs(y, len(gram))
    inputs.positive("C", C)
    inputs.positive("tol", tol)
    _checked_kernel(gram)
    solve = _pairs if intercept else _one_by_one
    alpha, steps = solve(gram, sign, C, tol)
    scores = gram @ (alpha * sign)
    b = _middle(alpha, sign, scores, C) if intercept else 0.0
    return SupportVectors(
        frozen(alpha), None, b, np.flatnonzero(alpha > 0), certified(gram, sign, alpha, b, C=C, steps=steps)
    )


def signs(y: object, rows: int) -> np.ndarray:
    """y as -1 and +1: the larger of its two values is +1. Raises BadData."""
    values = np.asarray(y)
    kinds, codes = np.unique(values, return_inverse=True)
    if values.shape != (rows,) or len(kinds) != 2:
        raise BadData(f"y has the shape {values.shape} and {len(kinds)} kinds; expected ({rows},) and two kinds.")
    return 2.0 * codes - 1.0


def certified(
    K: np.ndarray, sign: np.ndarray, alpha: np.ndarray, b: float, *, C: float, steps: int = 0
) -> DualCertificate:
    """Primal and dual values, gap and violations of any α and b, whoever found them."""
    scores = K @ (alpha * sign)
    size = float(alpha * sign @ scores)
    margins = sign * (scores + b)
    primal = size / 2 + C * float(np.maximum(0, 1 - margins).sum())
    dual = float(alpha.sum()) - size / 2
    short, beyond = 1 - margins, margins - 1
    violated = np.where(alpha <= 0, short, np.where(alpha >= C, beyond, np.abs(short)))
    return DualCertificate(
        primal, dual, primal - dual, max(0.0, float(violated.max())), abs(float(alpha @ sign)), steps
    )


def _pairs(K: np.ndarray, sign: np.ndarray, C: float, tol: float) -> tuple[np.ndarray, int]:
    """SMO. `up` may still rise along +yᵢ, `down` along -yᵢ; a pair of them that disagree is moved."""
    alpha = np.zeros(len(sign))
    pull = sign.copy()  # -yᵢ ∂(-D)/∂αᵢ = yᵢ - Σ αⱼ yⱼ K(i, j)
    diagonal = np.diag(K)
    for step in range(1, STEPS + 1):
        up = np.where(sign > 0, alpha < C, alpha > 0)
        down = np.where(sign > 0, alpha > 0, alpha < C)
        i = int(np.argmax(np.where(up, pull, -np.inf)))
        gain = pull[i] - pull
        if gain[down].max() <= tol:
            return alpha, step
        curve = np.maximum(diagonal[i] + diagonal - 2 * K[i], 1e-12)
        j = int(np.argmax(np.where(down & (gain > 0), gain**2 / curve, -np.inf)))
        most_i = C - alpha[i] if sign[i] > 0 else alpha[i]
        most_j = alpha[j] if sign[j] > 0 else C - alpha[j]
        move = min(gain[j] / curve[j], most_i, most_j)
        # a bound that is reached is reached exactly: no αᵢ stays 1e-17 beside it
        alpha[i] = (C if sign[i] > 0 else 0.0) if move == most_i else alpha[i] + sign[i] * move
        alpha[j] = (0.0 if sign[j] > 0 else C) if move == most_j else alpha[j] - sign[j] * move
        pull -= move * (K[i] - K[j])
    raise NotConverged(f"{STEPS} steps were not enough. Try to scale the columns, a smaller C, or a larger tol.")


def _one_by_one(K: np.ndarray, sign: np.ndarray, C: float, tol: float) -> tuple[np.ndarray, int]:
    """The coordinate with the largest projected gradient, to its best value."""
    alpha = np.zeros(len(sign))
    scores = np.zeros(len(sign))
    diagonal = np.maximum(np.diag(K), 1e-12)
    for step in range(1, STEPS + 1):
        slope = 1 - sign * scores
        free = np.where(alpha <= 0, np.maximum(slope, 0), np.where(alpha >= C, np.minimum(slope, 0), slope))
        i = int(np.argmax(np.abs(free)))
        if abs(free[i]) <= tol:
            return alpha, step
        value = min(max(alpha[i] + slope[i] / diagonal[i], 0.0), C)
        scores += (value - alpha[i]) * sign[i] * K[i]
        alpha[i] = value
    raise NotConverged(f"{STEPS} steps were not enough. Try to scale the columns, a smaller C, or a larger tol.")


def _middle(alpha: np.ndarray, sign: np.ndarray, scores: np.ndarray, C: float) -> float:
    """b from the free vectors, on which yᵢ f(xᵢ) = 1; without any, the middle of what the KKT conditions allow."""
    pull = sign - scores
    free = (alpha > 0) & (alpha < C)
    if free.any():
        return float(pull[free].mean())
    up = np.where(sign > 0, alpha < C, alpha > 0)
    down = np.where(sign > 0, alpha > 0, alpha < C)
    ends = [float(pull[up].max())] if up.any() else []
    ends += [float(pull[down].min())] if down.any() else []
    return sum(ends) / len(ends)


def _checked_kernel(K: np.ndarray) -> None:
    if K.shape[0] != K.shape[1] or np.abs(K - K.T).max() > 1e-9 * max(1.0, float(np.abs(K).max())):
        raise BadData(f"K has the shape {K.shape}; expected a symmetric matrix of kernel values, (n, n).")
    lowest = float(np.linalg.eigvalsh(K)[0])
    if lowest < -1e-8 * max(1.0, float(np.trace(K))):
        raise BadData(f"K has the eigenvalue {lowest:.3g}; a kernel has none below 0. Try another kernel.")

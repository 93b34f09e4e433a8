"""How many digits are right: log relative error, condition numbers, and what rounding of the data costs.

Sources: McCullough, "Assessing the reliability of statistical software", The American Statistician 52 (1998), part I,
for LRE; Björck, Numerical Methods for Least Squares Problems (1996), 1.4, for the sensitivity of least squares.
"""

from __future__ import annotations

import math

import numpy as np

U = 2.0**-53  # half a unit in the last place: the largest relative error of storing a number


def lre(value: object, certified: object, *, most: int = 15) -> float | np.ndarray:
    """Log relative error: the number of digits in which `value` agrees with `certified`, elementwise.

    -log10(|value - certified| / |certified|), and -log10|value| where the certified value is 0 (McCullough 1998).
    At most `most`, the significant digits in which the certified value is printed (NIST's 15), and just that if
    `value` rounds to it. Negative where not even the size is right, which McCullough's tables show as 0; -inf for what
    is not finite. A float for two numbers, else an array.

    >>> round(lre(3.1416, 3.14159265358979), 2)
    5.63
    >>> lre(0.25, 0.25)
    15.0
    """
    found, truth = np.asarray(value, dtype=float), np.asarray(certified, dtype=float)
    with np.errstate(all="ignore"):
        difference = np.abs(found - truth)
        digits = -np.log10(np.where(truth == 0, difference, difference / np.abs(truth)))
        last = 10.0 ** (np.floor(np.log10(np.abs(truth))) - most + 1)
        printed = (truth != 0) & (difference <= last * (0.5 + 1e-3))
    digits = np.where(printed, most, np.minimum(digits, most))
    digits = np.where(np.isfinite(found), digits, -np.inf)
    return float(digits) if digits.ndim == 0 else digits


def worst(value: object, certified: object, *, most: int = 15) -> float:
    """The smallest LRE of several numbers, such as all coefficients of a model.

    >>> round(worst([1.0, 2.02], [1.0, 2.0]), 1)
    2.0
    """
    return float(np.min(lre(value, certified, most=most)))


def condition(X: np.ndarray) -> float:
    """κ₂(X), the largest singular value over the smallest: inf if that is 0.

    >>> condition(np.diag([100.0, 1.0]))
    100.0
    """
    values = np.linalg.svd(np.asarray(X, dtype=float), compute_uv=False)
    return float(values[0] / values[-1]) if values[-1] > 0 else math.inf


def scaled(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X with each column divided by a power of two near its length, and those powers: exact, unlike other scaling.

    No choice of scales makes κ smaller by more than √p (van der Sluis, Numerische Mathematik 14, 1969).

    >>> scaled(np.array([[3e8, 1e-8], [4e8, 1e-8]]))[1].tolist()
    [536870912.0, 1.4901161193847656e-08]
    """
    largest = np.abs(X).max(axis=0)
    largest[largest == 0] = 1.0
    rough = np.exp2(np.floor(np.log2(largest)))
    lengths = np.linalg.norm(X / rough, axis=0)
    lengths[lengths == 0] = 1.0
    powers = rough * np.exp2(np.round(np.log2(lengths)))
    return X / powers, powers


def left(kappa: float, *, squared: bool = False) -> float:
    """Decimal digits that a backward stable method keeps at condition κ; `squared` for the normal equations.

    >>> left(1e6), left(1e6, squared=True)
    (9.95, 3.95)
    """
    if not math.isfinite(kappa):
        return 0.0
    lost = math.log10(max(kappa, 1.0)) * (2 if squared else 1)
    return round(min(16.0, max(0.0, -math.log10(U) - lost)), 2)


def data_digits(
    X: np.ndarray,
    y: np.ndarray,
    *,
    coef: np.ndarray,
    inverse: np.ndarray,
    noise: float,
    weights: np.ndarray | None = None,
    residual: np.ndarray | None = None,
) -> float:
    """Digits of the worst coefficient that survive if all floats that are no whole numbers were rounded when stored.

    First order: δβ = H⁻¹Xᵀ W (δy - δX β) + H⁻¹ δXᵀ r with H = XᵀWX (Björck 1996, 1.4; W = I in least squares, p (1 - p)
    in logistic regression), and independent rounding errors, uniform within half an ulp (standard deviation
    u |value| / √3). `inverse` is H⁻¹ of the columns of `scaled(X)`, `noise` the residual standard deviation (1 in
    logistic regression). A coefficient counts relative to |βⱼ|, its standard error, or a thousandth of the largest
    contribution.
    """
    stored, answered = np.rint(X) != X, np.rint(y) != y  # whole numbers are stored exactly
    X, powers = scaled(X)
    size = float(scaled(y[:, None])[1][0])
    y, coef, noise = y / size, coef * (powers / size), noise / size
    rounded = np.where(stored, np.abs(X), 0.0) * U / math.sqrt(3)
    response = np.where(answered, np.abs(y), 0.0) * U / math.sqrt(3)
    r = y - X @ coef if residual is None else residual / size
    through = inverse @ (X.T if weights is None else X.T * weights)
    variance = (through**2) @ (response**2 + (rounded**2) @ coef**2) + (inverse**2) @ ((rounded**2).T @ r**2)
    lengths = np.linalg.norm(X, axis=0)
    lengths[lengths == 0] = 1.0
    share = float((np.abs(coef) * lengths).max()) / lengths / 1000
    spread = noise * np.sqrt(np.maximum(np.diag(inverse), 0)) if math.isfinite(noise) else 0.0
    size = np.maximum(np.maximum(np.abs(coef), spread), share)
    with np.errstate(all="ignore"):
        digits = -np.log10(np.sqrt(variance) / size)
    finite = digits[~np.isnan(digits)]
    return round(float(np.clip(finite.min(), 0.0, 16.0)), 2) if finite.size else 16.0

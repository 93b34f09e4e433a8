"""Double-double arithmetic: sums of products as if with 106 bits, rounded once at the end.

A product and its rounding error are two floats, exactly (Dekker, Numerische Mathematik 18, 1971); so are a sum and its
error (Knuth, The Art of Computer Programming 2, 4.2.2). Carrying the errors along gives a dot product as if computed
with twice the precision (Ogita, Rump and Oishi, SIAM J. Sci. Comput. 26, 2005). Entries must stay below 1e150.
"""

from __future__ import annotations

import numpy as np

_SPLITTER = 2.0**27 + 1


def two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a + b = sum + error, exactly.

    >>> two_sum(1.0, 1e-20)
    (1.0, 1e-20)
    """
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a b = product + error, exactly.

    >>> two_product(1.0 + 2**-30, 1.0 - 2**-30)
    (1.0, -8.673617379884035e-19)
    """
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _split(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spread = _SPLITTER * a
    high = spread - (spread - a)
    return high, a - high


def residual(f: np.ndarray, r: np.ndarray, X: np.ndarray, B: np.ndarray) -> np.ndarray:
    """f - r - X B for f, r of shape (n, k), X (n, p), B (p, k), computed in double-double and then rounded.

    >>> big, one = np.array([[1e16, 1.0]]), np.array([[1.0], [1.0]])
    >>> float(residual(np.array([[1e16]]), np.zeros((1, 1)), big, one)[0, 0])
    -1.0
    """
    high, low = two_sum(f, -r)
    for j in range(X.shape[1]):
        product, error = two_product(-X[:, j : j + 1], B[j : j + 1])
        high, lost = two_sum(high, product)
        low = low + (lost + error)
    return high + low


def cross(X: np.ndarray, R: np.ndarray, g: np.ndarray) -> np.ndarray:
    """g - Xᵀ R for X (n, p), R (n, k), g (p, k), in double-double and then rounded."""
    out = np.empty_like(g)
    for k in range(R.shape[1]):
        product, error = two_product(X, R[:, k : k + 1])
        high, low = _summed(product, error)
        total, lost = two_sum(g[:, k], -high)
        out[:, k] = total + (lost - low)
    return out


def _summed(high: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over rows, by halves: each half's errors are kept."""
    while high.shape[0] > 1:
        odd = high.shape[0] % 2
        half = high.shape[0] // 2
        total, lost = two_sum(high[:half], high[half : 2 * half])
        rest = low[:half] + low[half : 2 * half] + lost
        high = np.concatenate([total, high[-1:]]) if odd else total
        low = np.concatenate([rest, low[-1:]]) if odd else rest
    return high[0], low[0]

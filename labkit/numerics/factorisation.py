"""Matrix factorisation by alternating least squares, for recommendations: R ≈ U Vᵀ on the entries that are known.

Minimises Σ (r - uᵢ·vⱼ)² + α (Σ ‖uᵢ‖² + Σ ‖vⱼ‖²) over the known entries. With V fixed each row of U is a ridge
regression of its own, and the other way round, so every half sweep lowers the objective (Zhou, Wilkinson, Schreiber and
Pan, AAIM 2008, with α not weighted by counts). The end is a stationary point, not the global minimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.numerics import inputs
from labkit.numerics.errors import BadData
from labkit.numerics.fits import frozen


@dataclass(frozen=True, slots=True)
class DescentCertificate:
    """`objective` after each sweep, first to last, never rising; `gradient`: the norm of the objective's gradient at
    the end relative to that at the start; `rmse` over the known entries, in units of R."""

    objective: tuple[float, ...]
    gradient: float
    rmse: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Factors:
    """U (n, rank), V (m, rank): entry (i, j) is estimated by U[i] @ V[j]."""

    U: np.ndarray
    V: np.ndarray
    certificate: DescentCertificate

    def __repr__(self) -> str:
        c = self.certificate
        size = f"{len(self.U)} x {len(self.V)}, rank {self.U.shape[1]}"
        return f"Factors({size}, rmse {c.rmse:.4g}, {len(c.objective)} sweeps)"


def als(R: object, known: object = None, *, rank: int, alpha: float = 0.1, sweeps: int = 12, seed: int = 0) -> Factors:
    """Factors of R (n, m); `known` (n, m) is true where an entry counts, everywhere but at nan unless given.

    alpha > 0 keeps rows without an entry solvable: their factors are 0. The start is drawn from `seed`. Raises BadData.

    >>> R = np.outer([1.0, 2.0, 3.0], [1.0, -1.0])
    >>> factors = als(R, rank=1, alpha=1e-9)
    >>> bool(np.allclose(factors.U @ factors.V.T, R, atol=1e-6))
    True
    """
    table = np.array(R, dtype=float)
    mask = ~np.isnan(table) if known is None else np.asarray(known, dtype=bool)
    if table.ndim != 2 or mask.shape != table.shape or not mask.any():
        raise BadData(
            f"R has the shape {table.shape}, known {mask.shape} with {mask.sum()} entries; expected two alike."
        )
    table = inputs.table(np.where(mask, table, 0.0), rows_least=1, name="R")
    if not 1 <= rank <= min(table.shape) or sweeps < 1:
        raise BadData(
            f"rank is {rank}, sweeps {sweeps}; expected a rank of 1 to {min(table.shape)}, and 1 sweep or more."
        )
    inputs.positive("alpha", alpha)
    random = np.random.default_rng(seed)
    V = random.normal(size=(table.shape[1], rank)) / np.sqrt(rank)
    U = _solved(table, mask, V, alpha)
    first = _gradient(table, mask, U, V, alpha)
    values = []
    for _ in range(sweeps):
        V = _solved(table.T, mask.T, U, alpha)
        U = _solved(table, mask, V, alpha)
        values.append(objective(table, mask, U, V, alpha))
    errors = np.where(mask, table - U @ V.T, 0.0)
    certificate = DescentCertificate(
        tuple(values),
        _gradient(table, mask, U, V, alpha) / first if first > 0 else 0.0,
        float(np.sqrt((errors**2).sum() / mask.sum())),
    )
    return Factors(frozen(U), frozen(V), certificate)


def objective(R: np.ndarray, known: np.ndarray, U: np.ndarray, V: np.ndarray, alpha: float) -> float:
    """Σ (r - u·v)² over known entries + α (‖U‖² + ‖V‖²)."""
    errors = np.where(known, R - U @ V.T, 0.0)
    return float((errors**2).sum() + alpha * ((U**2).sum() + (V**2).sum()))


def gradients(
    R: np.ndarray, known: np.ndarray, U: np.ndarray, V: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """The objective's gradients by U (n, rank) and V (m, rank)."""
    errors = np.where(known, R - U @ V.T, 0.0)
    return 2 * (alpha * U - errors @ V), 2 * (alpha * V - errors.T @ U)


def _gradient(R: np.ndarray, known: np.ndarray, U: np.ndarray, V: np.ndarray, alpha: float) -> float:
    return float(np.sqrt(sum((g**2).sum() for g in gradients(R, known, U, V, alpha))))


def _solved(R: np.ndarray, known: np.ndarray, V: np.ndarray, alpha: float) -> np.ndarray:
    """Every row's ridge regression on the factors of what it knows, all at once: (n, rank, rank) systems."""
    weights: np.ndarray = known.astype(float)
    gram = np.einsum("ij,jk,jl->ikl", weights, V, V, optimize=True) + alpha * np.eye(V.shape[1])
    return np.linalg.solve(gram, ((R * weights) @ V)[:, :, None])[:, :, 0]

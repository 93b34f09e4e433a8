"""What a fit returns: frozen records of the estimate and of its certificate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def frozen(values: np.ndarray) -> np.ndarray:
    """A copy as floats that nobody can change: a record is what was found."""
    copied = np.array(values, dtype=float)
    copied.setflags(write=False)
    return copied


@dataclass(frozen=True, slots=True)
class Certificate:
    """What can be checked of a least-squares or likelihood fit without trusting its method.

    `method`      how it was computed
    `orthogonality` the largest |xⱼ·r| / (‖xⱼ‖ ‖r‖), 0 at the optimum; of a likelihood, r = y - p. Of ridge, of the
                  augmented problem. Where r itself is rounding (‖r‖ < 1e-12 ‖y‖) it says nothing and is 0.
    `condition`   κ of the matrix that was solved, with columns scaled to length 1 (van der Sluis 1969)
    `rank`        how many columns are independent
    `digits`      decimal digits of the worst coefficient that the method can promise, 0 to 16, for the data as read
    `data_digits` those that are left if every float that is no whole number was rounded when it was stored
    `reading`     "stored": the floats are the data; "printed": the decimals are that they print as (`exact.reading`);
                  "mixed": some columns have no short decimals
    `steps`       of an iteration or refinement; 0 of a direct method
    """

    method: str
    orthogonality: float
    condition: float
    rank: int
    digits: float
    data_digits: float
    reading: str = "stored"
    steps: int = 0

    def __repr__(self) -> str:
        return (
            f"<{self.method}: orthogonality {self.orthogonality:.1e}, condition {self.condition:.1e}, "
            f"rank {self.rank}, {self.digits:.1f} digits ({self.data_digits:.1f} if stored rounded), {self.reading}>"
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fit:
    """Coefficients (p,), their standard errors (p,), ‖y - Xβ‖ in units of y, and the certificate.

    `loglik` is the log-likelihood of a classifier, nan of least squares. For several classes, `coef` and `stderr` have
    the shape (p, classes - 1).
    """

    coef: np.ndarray
    stderr: np.ndarray
    residual_norm: float
    certificate: Certificate
    loglik: float = float("nan")

    def __repr__(self) -> str:
        shown = ", ".join(f"{value:.6g}" for value in self.coef.ravel()[:6])
        more = ", ..." if self.coef.size > 6 else ""
        return f"Fit(coef=[{shown}{more}], residual_norm={self.residual_norm:.6g}, certificate={self.certificate!r})"


def made(coef: np.ndarray, stderr: np.ndarray, residual_norm: float, certificate: Certificate) -> Fit:
    """A record of least squares with arrays that cannot be changed."""
    return Fit(frozen(coef), frozen(stderr), float(residual_norm), certificate)

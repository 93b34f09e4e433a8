"""Reference fits with certificates: what a lesson's student, or a deployed model, is held against.

A fit is not believed because of its method. It comes with numbers that anybody can check without trusting it: the
scaled inner products of columns and residuals, a gradient at the optimum, a duality gap, the digits that the rounding
of the data leaves. Importing this package costs nothing: the public names load on first use.

Every error says what was found, what was expected and what to try (`errors`); data as arrays of float, shape (n, p).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.numerics.certified import certified_logit, certified_ols, logit, ols
    from labkit.numerics.digits import condition, lre
    from labkit.numerics.errors import BadData, DigitsLost, NotConverged, NumericsError, RankDeficient, Separated
    from labkit.numerics.exact import exact_ols
    from labkit.numerics.factorisation import als
    from labkit.numerics.fits import Fit
    from labkit.numerics.least_squares import cholesky, householder, normal_equations, ridge, svd, weighted
    from labkit.numerics.logistic import irls, softmax
    from labkit.numerics.nist import dataset
    from labkit.numerics.svm import linear_svm
    from labkit.numerics.trees import grow

_HOMES = {
    "certified": ("certified_logit", "certified_ols", "logit", "ols"),
    "digits": ("condition", "lre"),
    "errors": ("BadData", "DigitsLost", "NotConverged", "NumericsError", "RankDeficient", "Separated"),
    "exact": ("exact_ols",),
    "factorisation": ("als",),
    "fits": ("Fit",),
    "least_squares": ("cholesky", "householder", "normal_equations", "ridge", "svd", "weighted"),
    "logistic": ("irls", "softmax"),
    "nist": ("dataset",),
    "svm": ("linear_svm",),
    "trees": ("grow",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BadData",
    "DigitsLost",
    "Fit",
    "NotConverged",
    "NumericsError",
    "RankDeficient",
    "Separated",
    "als",
    "certified_logit",
    "certified_ols",
    "cholesky",
    "condition",
    "dataset",
    "exact_ols",
    "grow",
    "householder",
    "irls",
    "linear_svm",
    "logit",
    "lre",
    "normal_equations",
    "ols",
    "ridge",
    "softmax",
    "svd",
    "weighted",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'labkit.numerics' has no attribute {name!r}")
    return getattr(import_module(f"labkit.numerics.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])

"""The Statistical Reference Datasets for linear regression, with the values that NIST certifies.

From https://www.itl.nist.gov/div898/strd/ (lls), a work of the US government and in the public domain. NIST computed
the certified values with 500 digits and prints 15. The tests compute them again, in rational arithmetic, from the data
shipped here. Wampler's five are formulas (Wampler, JASA 65, 1970, 549-565): y is a polynomial of degree 5 in
x = 0, ..., 20, plus fixed disturbances that are orthogonal to all its powers, times 1, 100 and 10,000.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from labkit.numerics.digits import worst
from labkit.numerics.errors import BadData, NumericsError
from labkit.numerics.fits import frozen


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """X (n, p) with the powers and the ones of its model, y (n,), and the certified values of the fit.

    `coef` and `stderr` (p,); `residual_sd` is s; `r_squared` is around the mean, or around 0 without an intercept.
    """

    name: str
    difficulty: str
    model: str
    X: np.ndarray
    y: np.ndarray
    coef: np.ndarray
    stderr: np.ndarray
    residual_sd: float
    r_squared: float

    def __repr__(self) -> str:
        return f"<NIST {self.name} ({self.difficulty}): {self.model}, {len(self.y)} rows>"


# name: difficulty, degree of the polynomial in x (0 for several columns, -1 for a line through 0), s, R²
_FACTS = {
    "Norris": ("lower", 1, 0.884796396144373, 0.999993745883712),
    "Pontius": ("lower", 2, 0.205177424076185e-03, 0.999999900178537),
    "NoInt1": ("average", -1, 3.56753034006338, 0.999365492298663),
    "NoInt2": ("average", -1, 0.369274472937998, 0.993348115299335),
    "Filip": ("higher", 10, 0.334801051324544e-02, 0.996727416185620),
    "Longley": ("higher", 0, 304.854073561965, 0.995479004577296),
    "Wampler1": ("higher", 5, 0.0, 1.0),
    "Wampler2": ("higher", 5, 0.0, 1.0),
    "Wampler3": ("higher", 5, 2360.14502379268, 0.999995559025820),
    "Wampler4": ("higher", 5, 236014.502379268, 0.957478440825662),
    "Wampler5": ("higher", 5, 23601450.2379268, 0.224668921574940e-02),
}
NAMES = tuple(_FACTS)

_DISTURBANCES = (759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048)


def dataset(name: str) -> Dataset:
    """One of `NAMES`, in any case. Raises BadData.

    >>> norris = dataset("norris")
    >>> norris.X.shape, norris.coef.tolist()
    ((36, 2), [-0.262323073774029, 1.00211681802045])
    """
    known = {key.lower(): key for key in NAMES}
    if name.lower() not in known:
        raise BadData(f"{name!r} is no data set of NIST's that is here; there are {', '.join(NAMES)}.")
    name = known[name.lower()]
    difficulty, degree, residual_sd, r_squared = _FACTS[name]
    columns, y = _wampler(int(name[-1])) if name.startswith("Wampler") else _read(name)
    certified = np.array([[float(v) for v in row[2:]] for row in _rows("certified") if row[0] == name])
    X, model = _design(columns, degree)
    return Dataset(
        name=name,
        difficulty=difficulty,
        model=model,
        X=frozen(X),
        y=frozen(y),
        coef=frozen(certified[:, 0]),
        stderr=frozen(certified[:, 1]),
        residual_sd=residual_sd,
        r_squared=r_squared,
    )


def _design(columns: np.ndarray, degree: int) -> tuple[np.ndarray, str]:
    if degree == -1:
        return columns, "y = b1 x"
    if degree == 0:
        count = columns.shape[1]
        return np.column_stack([np.ones(len(columns)), columns]), f"y = b0 + b1 x1 + ... + b{count} x{count}"
    x = columns[:, 0]
    powers = ["b0", "b1 x", *(f"b{k} x^{k}" for k in range(2, degree + 1))]
    shown = powers if degree < 4 else [*powers[:2], "...", powers[-1]]
    return np.column_stack([x**k for k in range(degree + 1)]), "y = " + " + ".join(shown)


def _rows(name: str) -> list[list[str]]:
    """A shipped table without its comments and its head."""
    text = (files("labkit.numerics") / "data" / f"{name}.csv").read_text("utf-8")
    return list(csv.reader(line for line in text.splitlines() if not line.startswith("#")))[1:]


def _read(name: str) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([[float(cell) for cell in row] for row in _rows(name.lower())])
    return values[:, 1:], values[:, 0]


def _wampler(number: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(21.0)
    if number == 2:
        # 10^5 y is a whole number, so one division rounds each y once, as reading NIST's decimals would
        return x[:, None], sum(10.0 ** (5 - k) * x**k for k in range(6)) / 1e5
    disturbances = np.array([*_DISTURBANCES, *_DISTURBANCES[-2::-1]], dtype=float)
    size = {1: 0.0, 3: 1.0, 4: 100.0, 5: 10000.0}[number]
    return x[:, None], sum(x**k for k in range(6)) + size * disturbances


Method = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def accuracy(method: Method, name: str) -> tuple[float, float]:
    """The smallest LRE over coefficients, and over standard errors, of `method(X, y) -> (coef, stderr)` on a data set.

    -inf for a method that refuses. A certified standard error of 0 (Wampler1, 2) counts absolutely (McCullough 1998).

    >>> from labkit.numerics import certified_ols
    >>> accuracy(certified_ols, "Norris")
    (15.0, 15.0)
    """
    data = dataset(name)
    try:
        coef, stderr = method(data.X, data.y)
    except (NumericsError, np.linalg.LinAlgError):
        return float("-inf"), float("-inf")
    return worst(coef, data.coef), worst(stderr, data.stderr)

"""Least squares without rounding: floats are rational numbers, and rational arithmetic makes no errors.

How it works. Each column is brought to whole numbers over one denominator. XᵀX and Xᵀy are then whole numbers, and the
normal equations, so harmful in floating point, lose nothing. They are solved by Bareiss's elimination, which stays in
whole numbers (Mathematics of Computation 22, 1968). Standard errors are s √((XᵀX)⁻¹ⱼⱼ), with one root at the end.

Which number does a float mean? Whoever writes 0.1 means a tenth, and 2^-3 times something close to it is stored. A
column of x² holds squares that were rounded. `reading` takes a column for what it says in print, if that is short, or
for the power or product of such columns that rounds to it. On ill-conditioned data this matters: of Filip's
coefficients the stored floats determine seven digits, the decimals all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from labkit.numerics import inputs
from labkit.numerics.digits import condition, data_digits, scaled
from labkit.numerics.errors import BadData, RankDeficient
from labkit.numerics.fits import Certificate, Fit, made

SHORT = 15  # decimal digits that every float can hold
HIGHEST_POWER = 24


@dataclass(frozen=True, slots=True)
class Read:
    """Columns as rationals, and how each was read: "stored", "printed", or the product it is, such as "x1^2"."""

    columns: list[list[Fraction]]
    how: list[str]

    @property
    def certain(self) -> bool:
        """Whether no column had to be taken bit by bit."""
        return "stored" not in self.how


def stored(values: np.ndarray) -> list[Fraction]:
    """The rational numbers that the floats are.

    >>> stored(np.array([0.5, 0.1]))
    [Fraction(1, 2), Fraction(3602879701896397, 36028797018963968)]
    """
    return [Fraction(v) for v in values.tolist()]


def printed(values: np.ndarray) -> list[Fraction] | None:
    """The decimals that the floats print as, or None if one needs more than 15 digits.

    >>> printed(np.array([0.5, 0.1]))
    [Fraction(1, 2), Fraction(1, 10)]
    >>> printed(np.array([1 / 3])) is None
    True
    """
    texts = [repr(v) for v in values.tolist()]
    if any(_significant(text) > SHORT and not _whole_number(float(text)) for text in texts):
        return None
    return [Fraction(text) for text in texts]


def _whole_number(value: float) -> bool:
    """Whether a float is a whole number that prints with all its digits."""
    return value.is_integer() and abs(value) <= 2**53


def reading(X: np.ndarray, how: str = "printed") -> Read:
    """The columns of X (n, p) as rationals: as they print where they all are short, else a product of such columns.

    A column counts as a power or as a product of two when every row is within its rounding (one unit in the last place
    for each factor). What is neither is taken as stored. `how="stored"` takes all that way.

    >>> x = np.array([0.1, 0.2, 0.3, 0.7])
    >>> reading(np.column_stack([np.ones(4), x, x**2, x**3, np.sqrt(x)])).how
    ['printed', 'printed', 'x1^2', 'x1^3', 'stored']
    """
    known_reading(how)
    count = X.shape[1]
    found = [printed(X[:, j]) if how == "printed" else None for j in range(count)]
    short = {j: column for j, column in enumerate(found) if column is not None and np.ptp(X[:, j]) > 0}
    columns, said = [], []
    for j in range(count):
        column = found[j]
        name, values = ("printed", column) if column is not None else _product(X[:, j], X, short)
        columns.append(values)
        said.append(name)
    return Read(columns, said)


def known_reading(how: str) -> None:
    """Raises BadData unless it is one of the two ways to read floats."""
    if how not in ("printed", "stored"):
        raise BadData(f"reading is {how!r}; expected 'printed' or 'stored'.")


def _product(column: np.ndarray, X: np.ndarray, short: dict[int, list[Fraction]]) -> tuple[str, list[Fraction]]:
    for i, base in short.items():
        for power in range(2, HIGHEST_POWER + 1):
            if _near(column, _powered(X[:, i], power), power):
                return f"x{i}^{power}", [value**power for value in base]
        for k, other in short.items():
            if k > i and _near(column, _multiplied(X[:, i], X[:, k]), 1):
                return f"x{i} x{k}", [a * b for a, b in zip(base, other, strict=True)]
    return "stored", stored(column)


def _near(column: np.ndarray, product: np.ndarray, factors: int) -> bool:
    if not np.isfinite(product).all():
        return False
    return bool((np.abs(column - product) <= factors * 2.0**-52 * np.abs(product)).all())


@np.errstate(over="ignore", under="ignore")
def _powered(column: np.ndarray, power: int) -> np.ndarray:
    return column**power


@np.errstate(over="ignore", under="ignore")
def _multiplied(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a * b


def _significant(text: str) -> int:
    digits = text.lower().split("e")[0].replace(".", "").lstrip("-0")
    return len(digits.rstrip("0"))


@dataclass(frozen=True, slots=True)
class Solution:
    """β, (XᵀX)⁻¹ and the residual sum of squares, as rationals."""

    coef: list[Fraction]
    inverse: list[list[Fraction]]
    rss: Fraction
    tss: Fraction


def solve(columns: list[list[Fraction]], y: list[Fraction]) -> Solution:
    """The least-squares solution in rational arithmetic; raises RankDeficient with the columns' relation.

    >>> solve([[Fraction(1)] * 3, [Fraction(v) for v in (0, 1, 2)]], [Fraction(v) for v in (1, 3, 6)]).coef
    [Fraction(5, 6), Fraction(5, 2)]
    """
    whole, scale = _whole(columns)
    right, right_scale = _whole([y])
    p = len(columns)
    matrix: np.ndarray = np.zeros((p, 2 * p + 1), dtype=object)
    matrix[:, :p] = whole @ whole.T
    matrix[:, p] = (whole @ right.T)[:, 0]
    for j in range(p):
        matrix[j, p + 1 + j] = 1
    products = list(matrix[:, p])
    matrix, determinant = _bareiss(matrix, p)
    coef = [Fraction(int(matrix[j, p]) * scale[j], determinant * right_scale[0]) for j in range(p)]
    inverse = [
        [Fraction(int(matrix[i, p + 1 + j]) * scale[i] * scale[j], determinant) for j in range(p)] for i in range(p)
    ]
    squares = int((right @ right.T)[0, 0])
    explained = sum(int(matrix[j, p]) * int(products[j]) for j in range(p))
    total = right_scale[0] ** 2
    return Solution(
        coef, inverse, Fraction(squares * determinant - explained, determinant * total), Fraction(squares, total)
    )


def _whole(columns: list[list[Fraction]]) -> tuple[np.ndarray, list[int]]:
    """Columns times their common denominators, as rows of whole numbers, and those denominators."""
    scale = [math.lcm(*(value.denominator for value in column)) for column in columns]
    rows: np.ndarray = np.empty((len(columns), len(columns[0])), dtype=object)
    for j, (column, factor) in enumerate(zip(columns, scale, strict=True)):
        rows[j] = [value.numerator * (factor // value.denominator) for value in column]
    return rows, scale


def _bareiss(matrix: np.ndarray, p: int) -> tuple[np.ndarray, int]:
    """Gauss-Jordan elimination in whole numbers: in the end d I is on the left, d the determinant.

    A Gram matrix needs no pivoting: a zero on the diagonal means that the column depends on those before it.
    """
    previous: int = 1
    for k in range(p):
        pivot = matrix[k, k]
        if pivot == 0:
            raise _dependent(k, [Fraction(int(v), int(previous)) for v in matrix[:k, k]])
        row = matrix[k].copy()
        matrix = (pivot * matrix - np.multiply.outer(matrix[:, k], row)) // previous
        matrix[k] = row
        previous = int(pivot)
    return matrix, int(previous)


def _dependent(column: int, weights: list[Fraction]) -> RankDeficient:
    used = [j for j, weight in enumerate(weights) if weight]
    if not used:
        return RankDeficient(f"Column {column} of X (counted from 0) is zero in every row. Try without it.", [column])
    names = ", ".join(str(j) for j in used)
    return RankDeficient(
        f"Column {column} of X (counted from 0) is a linear combination of column{'s' if len(used) > 1 else ''} "
        f"{names}: infinitely many coefficients fit equally well. Try without one of them, or ridge.",
        [*used, column],
    )


def root(value: Fraction) -> float:
    """The square root of a rational, rounded once.

    >>> root(Fraction(1, 4)), root(Fraction(2))
    (0.5, 1.4142135623730951)
    """
    if value <= 0:
        return 0.0
    bits = value.numerator.bit_length() - value.denominator.bit_length()
    shift = max(0, 130 - bits)
    shift += shift % 2
    whole = math.isqrt((value.numerator << shift) // value.denominator)
    return float(Fraction(whole, 1 << (shift // 2)))


def exact_ols(X: object, y: object, *, reading_as: str = "printed") -> Fit:
    """Ordinary least squares in rational arithmetic: coefficients and standard errors rounded once, at the end.

    X (n, p) carries its own column of ones, y (n,). Standard errors are nan where n = p. Costs about n p² products
    of long whole numbers: 82 rows of 11 powers take a tenth of a second. Raises BadData, RankDeficient.

    >>> x = np.array([1.0, 2.0, 3.0])
    >>> exact_ols(np.column_stack([np.ones(3), x]), [1.1, 1.9, 3.2])
    Fit(coef=[-0.0333333, 1.05], residual_norm=0.204124, certificate=<exact rationals: ...>)
    """
    table = inputs.table(X)
    response = inputs.response(y, table.shape[0])
    return fitted(table, response, reading(table, reading_as), reading_as)


def fitted(X: np.ndarray, y: np.ndarray, read: Read, how: str) -> Fit:
    """`exact_ols` of columns that have been read already; y is read as `how` says."""
    right = reading(y[:, None], how)
    solution = solve(read.columns, right.columns[0])
    certain = read.certain and right.certain
    return _record(X, y, solution, "printed" if certain else "stored" if how == "stored" else "mixed")


def _record(X: np.ndarray, y: np.ndarray, solution: Solution, said: str) -> Fit:
    n, p = X.shape
    free = n - p
    variance = solution.rss / free if free else None
    try:
        coef = np.array([float(value) for value in solution.coef])
        powers = [Fraction(v) for v in scaled(X)[1].tolist()]
        inverse = np.array(
            [
                [float(v * a * b) for v, b in zip(row, powers, strict=True)]
                for row, a in zip(solution.inverse, powers, strict=True)
            ]
        )
    except OverflowError:
        raise BadData("A coefficient is beyond 1e308. Try other units.") from None
    errors = [root(variance * solution.inverse[j][j]) if variance is not None else math.nan for j in range(p)]
    noise = root(variance) if variance is not None else math.nan
    certificate = Certificate(
        method="exact rationals",
        orthogonality=0.0,
        condition=condition(scaled(X)[0]),
        rank=p,
        digits=16.0,
        data_digits=data_digits(X, y, coef=coef, inverse=inverse, noise=noise),
        reading=said,
    )
    return made(coef, np.array(errors), root(solution.rss), certificate)

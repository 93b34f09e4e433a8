"""The exercises of lesson 03: digits of a result, and who may be trusted to have them."""

# ruff: noqa: E501, N803, N806 - messages are one line; X is the name of a design matrix

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

from labkit.lesson.exercises import Exercises, names_used, reject, require
from labkit.numerics import dataset
from labkit.numerics.digits import worst

exercises = Exercises()
LIBRARY = ("numpy.linalg.qr", "numpy.linalg.lstsq", "numpy.linalg.pinv", "scipy.", "sklearn.", "labkit.numerics")


def random_problem(seed, n=12, p=4):
    """A well-conditioned problem with a residual."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)), rng.normal(size=n)


def no_library(function):
    """Rejects who calls a library for what is to be written."""
    banned = sorted(name for name in names_used(function) if name.startswith(LIBRARY))
    if banned:
        reject("library", f"`{function.__name__}` uses {banned[0]}. Write the steps yourself; np.linalg.norm is fine.")


def untouched(before, after, name):
    require(
        np.array_equal(before, after),
        "mutates",
        f"After the call {name} itself is changed. Whoever called you still needs it: work on a copy.",
    )


exercises.answer(
    "by-hand",
    decimals=1,
    wrong={
        "0.5": "That is −log₁₀ of 0.35, the ratio found / certified. The LRE takes the *difference*: |0.35 − 1| / 1.",
        "-0.2": "The size is right, the sign is not: LRE has a minus before the logarithm.",
        "0.7": "0.65 is the relative error. One step is missing: −log₁₀ of it.",
        "1.0": "−log₁₀ of which number did you take? First |0.35 − 1| / |1|, then −log₁₀ of that.",
    },
    hints={
        "start": ["The relative error is |0.35 − 1| / |1| = 0.65.", "Type -np.log10(0.65) into an empty cell."],
        "0.5": ["What is |0.35 − 1|?", "Now −log₁₀(0.65)."],
        "0.7": ["An error of 0.1 would be one right digit; 0.65 is less than one."],
    },
)

exercises.explain(
    "why-centring",
    words=8,
    hints={"start": ["Compare 1947, 1948, … with −7.5, −6.5, …: which is closer to a column of ones?"]},
)


@exercises.property(
    "another",
    wrong={
        "w1, w2, b = 0.5, 0.5, -0.5": "same-answer",
        "w1, w2, b = 24, -23, 23": "wrong-value",
        "w1, w2, b = 0, 9, 19": "no-fit",
        "w1, w2, b = -23, 24, 0": "no-intercept",
    },
    hints={
        "start": ["All solutions have w1 = 1 − w2 and b = −w2. Which w2 gives 4 + 4·w2 = 100?"],
        "no-fit": ["The rows ask for w1 + w2 = 1 and b = −w2. Choose w2; the other two follow."],
        "no-intercept": ["Put [1, 2] in: w1 + 2·w2 + b must be 1. Solve it for b.", "b = −w2."],
        "same-answer": ["The prediction for [4, 9] is 4 + 4·w2. You want 100.", "w2 = 24."],
        "wrong-value": ["The prediction for [4, 9] is 4 + 4·w2. You want 100.", "w2 = 24."],
    },
)
def check_another(w1, w2, b):
    """Fits three rows, and says 100 where the data say nothing."""
    coef = np.array([float(w1), float(w2), float(b)])
    rows = np.array([[1.0, 2.0, 1.0], [2.0, 3.0, 1.0], [3.0, 4.0, 1.0]])
    error = rows @ coef - [1.0, 2.0, 3.0]
    shifted = not np.allclose(error, 0, atol=1e-9)
    if shifted and np.ptp(error) < 1e-9:
        reject(
            "no-intercept",
            f"All three rows are missed by the same {error[0]:g}. Which of the three numbers can repair that?",
        )
    require(not shifted, "no-fit", f"The three rows give {(rows @ coef).tolist()}; [1, 2, 3] is wanted, exactly.")
    found = 4 * coef[0] + 9 * coef[1] + coef[2]
    require(
        not np.allclose(coef, 0.5 * np.sign(coef)),
        "same-answer",
        "This is scikit-learn's own solution: it says 6 for [4, 9]. Find one that says 100.",
    )
    require(abs(found - 100) < 1e-6, "wrong-value", f"The rows fit, but `[4, 9]` gives {found:g}; 100 is wanted.")


exercises.answer(
    "left",
    decimals=1,
    wrong={
        "7.5": "That is what is *lost*: log₁₀ κ. How many of 16 are left?",
        "1.0": "That is what the normal equations keep: 16 − 2·log₁₀ κ. QR does not square κ.",
        "8.0": "log₁₀(3·10⁷) is between 7 and 8. Keep its first digit after the point.",
        "9.0": "log₁₀ of 3·10⁷ is 7 plus log₁₀ 3, not 7.",
        "16.0": "QR is good, but no method escapes κ itself: the rounding of the data is already magnified κ times.",
    },
    hints={
        "start": ["QR keeps 16 − log₁₀ κ digits.", "log₁₀(3·10⁷) = 7 + log₁₀ 3 ≈ 7.5."],
        "7.5": ["16 − 7.5 = ?"],
        "1.0": ["Subtract log₁₀ κ once, not twice."],
        "9.0": ["log₁₀ 3 ≈ 0.5."],
    },
)

EXACT = """
def exact_fit(X, y):
    p, columns = len(X[0]), list(zip(*X))
    products = [[dot(c, d) for d in (*columns, y)] for c in columns]
    for k in range(p):
        {pivot}
        for i in range(p):
            if i != k:
                factor = products[i][k]
                products[i] = [a {sign} factor * b for a, b in zip(products[i], products[{row}], strict=True)]
    return [{result} for row in products]
"""
DIVIDE = "products[k] = [v / products[k][k] for v in products[k]]"


@exercises.property(
    "exact",
    wrong={
        EXACT.format(pivot=DIVIDE, sign="+", row="k", result="row[p]"): "not-solved",
        EXACT.format(pivot="pass", sign="-", row="k", result="row[p]"): "pivot",
        EXACT.format(pivot=DIVIDE, sign="-", row="k", result="float(row[p])"): "floats",
        "def exact_fit(X, y): return list(np.linalg.lstsq(np.array(X, float), np.array(y, float), rcond=None)[0])": "rounded",
    },
    hints={
        "start": ["Row k divided by its pivot: [v / products[k][k] for v in products[k]].",
                  "Row i: a − factor·b for each a of row i and b of row k."],
        "pivot": ["Print products[k][k] before you subtract: it must be 1.", "[v / products[k][k] for v in products[k]]"],
        "not-solved": ["After row i is done, products[i][k] must be 0. Is factor·row k added, or taken away?"],
        "floats": ["Leave the Fractions as they are; whoever prints them makes floats."],
        "rounded": ["np.linalg works in doubles, so it rounds. Only + − × ÷ of Fractions are exact."],
    },
)  # fmt: skip
def check_exact(exact_fit):
    """Residuals that are orthogonal to every column, exactly: a certificate without a tolerance."""
    from fractions import Fraction

    for seed in range(4):
        rng = np.random.default_rng(seed)
        p = 2 + seed
        X = [[Fraction(int(v), 7) for v in row] for row in rng.integers(-20, 21, size=(p + 4, p))]
        y = [Fraction(int(v), 3) for v in rng.integers(-20, 21, size=p + 4)]
        copy = [list(row) for row in X], list(y)
        coef = list(exact_fit(X, y))
        require(
            copy == ([list(row) for row in X], list(y)), "mutates", "X or y is changed by the call: build new lists."
        )
        require(
            len(coef) == p, "length", f"Found {len(coef)} numbers for {p} columns: one coefficient for each is wanted."
        )
        left = _normal_residual(X, y, [_rational(v) for v in coef])
        if any(left):
            _say_why_inexact(X, y, coef, left)
        kinds = {type(v).__name__ for v in coef}
        require(
            kinds <= {"Fraction", "int"}, "floats", f"The coefficients are {', '.join(kinds)}; Fractions are wanted."
        )


def _rational(value):
    from fractions import Fraction

    return value if isinstance(value, Fraction) else Fraction(float(value))


def _normal_residual(X, y, coef):
    """Xᵀ(y - Xβ), without rounding."""
    residual = [v - sum(a * b for a, b in zip(row, coef, strict=True)) for row, v in zip(X, y, strict=True)]
    return [sum(row[j] * r for row, r in zip(X, residual, strict=True)) for j in range(len(coef))]


def _say_why_inexact(X, y, coef, left):
    if max(abs(float(v)) for v in left) < 1e-9:
        if all(type(v) is float for v in coef):
            reject("floats", "The digits are nearly right, but the result holds floats: keep the Fractions to the end.")
        reject("rounded", "Xᵀ(y − Xβ) is small, but not 0: something rounds on the way. Use Fractions only.")
    biggest = max(abs(float(v)) for v in coef)
    if biggest > 1e3:
        reject("pivot", f"A coefficient is {biggest:.1e}: the pivots are not 1. Divide row k by products[k][k] first.")
    reject(
        "not-solved",
        f"Xᵀ(y − Xβ) should be 0 in each place; the largest is {float(max(map(abs, left))):.3g}. Are the other rows 0 in column k?",
    )


MODIFIED = """
def modified(A):
    Q, p = {start}, A.shape[1]
    R = np.zeros((p, p))
    for k in range(p):
        R[k, k] = np.linalg.norm(Q[:, k])
        Q[:, k] = Q[:, k] / R[k, k]
        for j in range(k + 1, p):
            R[k, j] = {part}
            Q[:, j] = {rest}
    return Q, R
"""
REST = "Q[:, j] - R[k, j] * Q[:, k]"


@exercises.property(
    "modified",
    wrong={
        MODIFIED.format(start="A.copy()", part="Q[:, k] @ A[:, j]", rest=REST): "classical",
        MODIFIED.format(start="A.copy()", part="Q[:, k] @ Q[:, j]", rest="A[:, j] - R[k, j] * Q[:, k]"): "forgets",
        MODIFIED.format(start="A.copy()", part="Q[:, k] @ Q[:, j]", rest="Q[:, j] - R[k, j]"): "no-direction",
        MODIFIED.format(start="A", part="Q[:, k] @ Q[:, j]", rest=REST): "mutates",
        "def modified(A): return np.linalg.qr(A)": "library",
    },
    hints={
        "start": ["The part of a along a unit vector q is q·a.", "What is left of it: a − (q·a) q."],
        "classical": [
            "Which column still holds what earlier directions left over: A[:, j] or Q[:, j]?",
            "R[k, j] = Q[:, k] @ Q[:, j].",
        ],
        "forgets": ["Start from what is left, Q[:, j], not from the original column."],
        "no-direction": ["R[k, j] is a number. In which direction is that part taken away?"],
    },
)
def check_modified(modified):
    """A = QR, R triangular, and Q orthonormal far beyond what the classical order reaches."""
    no_library(modified)
    tilted = np.vstack([np.ones(3), 1e-7 * np.eye(3)])  # Läuchli's matrix: 1 + 1e-14 is hard to tell from 1
    for name, A in {
        "On a random matrix": random_problem(0)[0],
        "On Longley": np.array(dataset("Longley").X),
        "On Läuchli's matrix (ones over 1e-7 times the identity)": tilted,
    }.items():
        given = A.copy()
        Q, R = modified(A)
        untouched(given, A, "A")
        _check_factors(name, A, np.asarray(Q), np.asarray(R))


def _check_factors(name, A, Q, R):
    p = A.shape[1]
    require(
        Q.shape == A.shape and R.shape == (p, p),
        "shape",
        f"{name} found Q {Q.shape} and R {R.shape}; expected {A.shape} and {(p, p)}.",
    )
    require(np.allclose(R, np.triu(R)), "triangular", f"{name} R must be 0 below its diagonal.")
    lengths = np.linalg.norm(Q, axis=0)
    apart = np.abs(Q @ R - A).max() / np.abs(A).max()
    loss = np.abs(Q.T @ Q - np.eye(p)).max()
    if apart > 1e-12:
        if np.allclose(lengths, 1) and name == "On a random matrix" and _last_only(A, Q):
            reject(
                "forgets", f"{name} column 3 of Q is not perpendicular to column 1: only the last part was taken away."
            )
        reject(
            "no-direction",
            f"{name} QR misses A by {apart:.1g} of its size. From Q[:, j] a *vector* along Q[:, k] must go.",
        )
    kappa = np.linalg.cond(A / np.linalg.norm(A, axis=0))
    allowed = 50 * kappa * 2.0**-52
    require(
        loss < allowed,
        "classical",
        f"{name} QR = A holds, but QᵀQ differs from I by {loss:.0e}; modified Gram-Schmidt leaves less than {allowed:.0e}. "
        "From which column do you compute the part R[k, j]?",
    )


def _last_only(A, Q):
    """Whether each column is perpendicular to the one before, and not to all."""
    return abs(Q[:, 1] @ Q[:, 2]) < 1e-9 and abs(Q[:, 0] @ Q[:, 2]) > 1e-6


MIRROR = """
def householder(X, y):
    work = np.column_stack([X, y]).astype(float)
    p = X.shape[1]
    for k in range(p):
        v = work[k:, k].copy()
        v[0] = v[0] {sign} np.copysign(np.linalg.norm(v), v[0])
        {unit}
        work[k:] = work[k:] - {factor}np.outer(v, v @ work[k:])
    return np.linalg.solve(work[:p, :p], {right})
"""
UNIT = "v = v / np.linalg.norm(v)"
RIGHT = "work[:p, p]"


@exercises.differential(
    "mirrors",
    wrong={
        MIRROR.format(sign="-", unit=UNIT, factor="2 * ", right=RIGHT): "cancellation",
        MIRROR.format(sign="+", unit=UNIT, factor="2 * ", right=RIGHT).replace(
            "np.copysign(np.linalg.norm(v), v[0])", "np.sign(v[0]) * np.linalg.norm(v)"
        ): "sign-of-zero",
        MIRROR.format(sign="+", unit=UNIT, factor="", right=RIGHT): "projection",
        MIRROR.format(sign="+", unit="pass", factor="2 * ", right=RIGHT): "no-unit",
        MIRROR.format(sign="+", unit=UNIT, factor="2 * ", right="y[:p]"): "wrong-right-side",
        "def householder(X, y): return np.linalg.lstsq(X, y, rcond=None)[0]": "library",
        "def householder(X, y): return np.linalg.solve(X.T @ X, X.T @ y)": "squared",
    },
    hints={
        "start": ["copysign(a, b) has the size of a and the sign of b.", "A mirror: x − 2 v (v·x)."],
        "cancellation": [
            "If v[0] is positive, add the length; if negative, subtract it.",
            "v[0] + np.copysign(norm, v[0])",
        ],
        "projection": [
            "x − v(v·x) lands on the mirror; the image behind it is twice as far.",
            "Use 2 * np.outer(...).",
        ],
        "no-unit": ["The formula with 2 v vᵀ holds for |v| = 1."],
        "wrong-right-side": ["y ran along as the last column of `work`; which entries of it are Qᵀy?"],
        "squared": ["XᵀX has condition κ². Follow the four comments: mirrors only."],
    },
)
def check_mirrors(householder):
    """Against numpy on random problems, then on data where only a stable method keeps its digits."""
    no_library(householder)
    for seed in range(20):
        X, y = random_problem(seed, n=6 + seed, p=2 + seed % 4)
        given = X.copy(), y.copy()
        found = _or_projection(householder, X, y)
        untouched(given[0], X, "X")
        untouched(given[1], y, "y")
        require(
            found.shape == (X.shape[1],),
            "shape",
            f"Found shape {found.shape}; one coefficient for each column, ({X.shape[1]},), is wanted.",
        )
        if not np.allclose(found, np.linalg.lstsq(X, y, rcond=None)[0], atol=1e-8):
            _say_which_mirror(householder, X, y, found)
    _check_stable_mirrors(householder)


def _say_which_mirror(householder, X, y, found):
    p = X.shape[1]
    if np.allclose(found, np.linalg.solve(_triangle(X, y)[:p, :p], y[:p])):
        reject(
            "wrong-right-side",
            "R is right, but Rβ must equal Qᵀy, the first p entries of the *transformed* last column.",
        )
    if np.allclose(np.sort(found), np.sort(np.linalg.lstsq(X, y, rcond=None)[0])):
        reject("order", "The numbers are right, their order is not: β[0] belongs to the first column.")
    _or_projection(householder, 3.0 * np.eye(4)[:, :1], np.arange(4.0))  # its own mirror image, turned round
    reject(
        "no-unit",
        f"β is off by {np.abs(found - np.linalg.lstsq(X, y, rcond=None)[0]).max():.1e}, so the lengths of columns have changed. Is v a unit vector, and is 2·v(v·x) taken away?",
    )


def _or_projection(householder, X, y):
    """β; what makes R singular was no mirror."""
    try:
        return np.asarray(householder(X, y), dtype=float)
    except np.linalg.LinAlgError:
        reject(
            "projection",
            "R has a zero on its diagonal: x − v(v·x) is a projection, and flattens. A mirror goes twice as far.",
        )


def _triangle(X, y):
    work, p = np.column_stack([X, y]), X.shape[1]
    for k in range(p):
        v = work[k:, k].copy()
        v[0] += np.copysign(np.linalg.norm(v), v[0])
        v /= np.linalg.norm(v)
        work[k:] -= 2 * np.outer(v, v @ work[k:])
    return work


def _check_stable_mirrors(householder):
    for diagnosis, first, why in (
        ("cancellation", (1.0, 0.0, 0.0), "v becomes x minus itself, and that is 0. Which sign makes v[0] larger?"),
        ("sign-of-zero", (0.0, 3.0, 4.0), "np.sign(0) is 0, so v lacks the length. What does np.copysign do with a 0?"),
    ):
        X, y = np.column_stack([first, (1.0, 2.0, 3.0)]), np.array([1.0, 5.0, 0.0])  # y is no combination of them
        with np.errstate(all="ignore"):
            try:
                found = np.asarray(householder(X, y), dtype=float)
            except np.linalg.LinAlgError:
                found = np.full(2, np.nan)
        truth = np.linalg.lstsq(X, y, rcond=None)[0]
        wrong = f"With {first} as first column β is {found.round(6).tolist()}, not {truth.round(6).tolist()}: {why}"
        require(np.allclose(found, truth, atol=1e-9), diagnosis, wrong)
    data = dataset("Longley")
    kept = worst(householder(np.array(data.X), np.array(data.y)), data.coef)
    require(
        kept > 9,
        "squared",
        f"On Longley {kept:.1f} digits are right; mirrors keep more than 9. Is XᵀX formed somewhere?",
    )


@exercises.differential(
    "repair",
    wrong={
        "def lean_fit(X, y): return np.linalg.solve(X.T @ X, X.T @ y)": "still-squared",
        "def lean_fit(X, y):\n    Q, R = np.linalg.qr(X.astype('float32'))\n    return np.linalg.solve(R, Q.T @ y.astype('float32'))": "still-float32",
        "def lean_fit(X, y):\n    X, y = X.astype('float32'), y.astype('float32')\n    return np.linalg.solve(X.T @ X, X.T @ y).astype(float)": "late",
        "def lean_fit(X, y): return LinearRegression().fit(X, y).coef_": "intercept",
        "def lean_fit(X, y): return dataset('Longley').coef": "hard-coded",
    },
    hints={
        "start": ["Fault one: the type. Fault two: XᵀX.", "np.linalg.qr of X as float64, then solve R β = Qᵀy."],
        "still-squared": [
            "float64 repaired the first fault. What squares κ?",
            "Q, R = np.linalg.qr(X); solve(R, Q.T @ y).",
        ],
        "still-float32": ["QR repaired one fault. A float32 holds 7 digits, and κ takes its share of them."],
        "late": [
            "The digits are gone before the cast at the end: rounding cannot be undone.",
            "Do not make X smaller in the first place.",
        ],
        "intercept": ["X has its own column of ones here. What does LinearRegression add by itself?"],
    },
)
def check_repair(lean_fit):
    """Right on easy random data first; then digits on NIST's."""
    X, y = random_problem(7)
    X[:, 0] = 1.0
    given = X.copy()
    found = np.asarray(lean_fit(X, y))
    untouched(given, X, "X")
    require(
        found.shape == (4,), "hard-coded", f"For 4 columns it returns shape {found.shape}: does it look at X at all?"
    )
    apart = np.abs(found - np.linalg.lstsq(X, y, rcond=None)[0]).max()
    if abs(found[0]) < 1e-12 < apart:
        reject(
            "intercept",
            "The coefficient of the column of ones is 0: an intercept was added, and it took over. Use X as it is.",
        )
    require(apart < 1e-2, "wrong-fit", f"On an easy problem β differs by {apart:.1g} from the right one.")
    kept = {
        name: worst(np.asarray(lean_fit(np.array(d.X), np.array(d.y)), dtype=float), d.coef) for name, d in _certified()
    }
    words = ", ".join(f"{name} {digits:.1f}" for name, digits in kept.items())
    if kept["Norris"] > 8 and kept["Longley"] < 3:
        reject("cut", f"Digits: {words}. Something drops small singular values here, as in section 5. Use no cut-off.")
    if kept["Norris"] < 8:
        if np.asarray(found).dtype == np.float64:
            reject("late", f"Digits: {words}. The result *is* float64, but it was computed in float32.")
        reject(
            "still-float32",
            f"Digits: {words}. Norris is easy (κ = 9e2) and a double keeps 12: you still compute in float32.",
        )
    require(
        kept["Longley"] > 9,
        "still-squared",
        f"Digits: {words}. Longley should keep 10 or more; 7 is what XᵀX leaves in double precision.",
    )
    require(kept["Wampler1"] > 7.5, "still-squared", f"Digits: {words}. Wampler1 should keep 9 or so.")


def _certified():
    return [(name, dataset(name)) for name in ("Norris", "Longley", "Wampler1")]


SCALED = """
def scaled_fit(X, y, solve):
    size = np.abs(X).max(axis={axis})
    size = np.where(size == 0, 1.0, size)
    return {result}
"""


@exercises.differential(
    "scaled",
    wrong={
        SCALED.format(axis=0, result="solve(X / size, y)"): "not-back",
        SCALED.format(axis=0, result="solve(X / size, y) * size"): "inverse",
        "def scaled_fit(X, y, solve):\n    size = X.max(axis=0)\n    return solve(X / size, y) / size": "sign",
        "def scaled_fit(X, y, solve):\n    size = np.abs(X).max(axis=0)\n    return solve(X / size, y) / size": "zero-column",
        "def scaled_fit(X, y, solve):\n    size = np.abs(X).max(axis=0)\n    size[size == 0] = 1\n    X /= size\n    return solve(X, y) / size": "mutates",
        "def scaled_fit(X, y, solve): return solve(X, y)": "not-scaled",
    },
    hints={
        "start": ["If x' = x / s, then β x = (β s) x'. So β' = β s; which β do you return?"],
        "not-back": ["β belongs to the scaled columns. In the old unit a step is s times smaller.", "Divide by size."],
        "inverse": ["β' x' = β' (x / s) = (β' / s) x."],
        "sign": ["The largest of (−5, −2) is −2, and of (−5, 0) it is 0.", "np.abs(X).max(axis=0)"],
        "zero-column": ["What is 0 / 0?", "np.where(size == 0, 1.0, size)"],
        "mutates": ["X /= size changes the caller's array; X / size makes a new one."],
        "not-scaled": ["Print np.abs(X).max(axis=0) before and after."],
    },
)
def check_scaled(scaled_fit):
    """`solve` looks at what it is given; then the coefficients must be those of the original columns."""
    for seed in range(10):
        X, y = random_problem(seed)
        X = X * 10.0 ** np.array([0, 3, -4, 6])
        X[:, 1] = -np.abs(X[:, 1])
        _check_scaled(scaled_fit, X, y)
    X[:, 2] = 0.0
    with np.errstate(all="ignore"):
        scaled_fit(X, y, _finite_least_squares)


def _finite_least_squares(columns, answers):
    require(
        np.isfinite(columns).all(),
        "zero-column",
        "If a column is all zeros, `solve` gets nan: 0 / 0. Divide such a column by 1.",
    )
    return _least_squares(columns, answers)


def _check_scaled(scaled_fit, X, y):
    given, seen = X.copy(), []

    def solve(columns, answers):
        seen.append(np.abs(columns).max(axis=0))
        return _least_squares(columns, answers)

    found = np.asarray(scaled_fit(X, y, solve), dtype=float)
    untouched(given, X, "X")
    require(seen, "not-scaled", "`solve` was never called: let it fit the scaled columns.")
    truth = _least_squares(given / np.abs(given).max(axis=0), y) / np.abs(given).max(axis=0)
    size = np.abs(given).max(axis=0)
    if np.allclose(found, truth * size, rtol=1e-6):
        reject("not-back", "These are the coefficients of the *scaled* columns. Bring them back to the original units.")
    if np.allclose(found, truth * size**2, rtol=1e-6):
        reject(
            "inverse",
            "Going back you multiplied where you should divide: test it with one column, y = 2x and x in thousands.",
        )
    if not np.allclose(seen[-1], 1.0, rtol=1e-9):
        largest = ", ".join(f"{v:.3g}" for v in seen[-1])
        if np.allclose(seen[-1], size / np.abs(given.max(axis=0)), rtol=1e-9):
            reject(
                "sign", f"`solve` got columns whose largest absolute values are {largest}. Think of negative numbers."
            )
        reject("not-scaled", f"`solve` got columns whose largest absolute values are {largest}; 1, 1, 1, 1 is wanted.")
    require(np.allclose(found, truth, rtol=1e-6), "wrong-fit", f"Found {found.tolist()}, expected {truth.tolist()}.")


def _least_squares(X, y):
    return np.linalg.lstsq(X, y, rcond=None)[0]


CHEBYSHEV = """
def chebyshev(x, degree):
    t = {t}
    columns = [np.ones_like(t), t]
    for _ in range({count}):
        columns.append({step})
    return np.column_stack(columns)
"""
MAPPED = "(2 * x - (x.max() + x.min())) / (x.max() - x.min())"
STEP = "2 * t * columns[-1] - columns[-2]"


@exercises.differential(
    "chebyshev",
    wrong={
        CHEBYSHEV.format(t="x", count="degree - 1", step=STEP): "not-mapped",
        CHEBYSHEV.format(t="(x - x.min()) / (x.max() - x.min())", count="degree - 1", step=STEP): "half-interval",
        CHEBYSHEV.format(t=MAPPED, count="degree - 1", step="t * columns[-1]"): "powers",
        CHEBYSHEV.format(t=MAPPED, count="degree - 1", step="t * columns[-1] - columns[-2]"): "recurrence",
        CHEBYSHEV.format(t=MAPPED, count="degree", step=STEP): "columns",
    },
    hints={
        "start": [
            "First t, then a list that begins with ones and t.",
            "columns.append(2 * t * columns[-1] - columns[-2])",
        ],
        "not-mapped": ["At the smallest x, t must be −1; at the largest, 1."],
        "half-interval": ["(x − min) / (max − min) goes from 0 to 1. Stretch it by 2 and shift it by 1."],
        "powers": ["t·T_k gives powers of t again: T_2 = 2t² − 1."],
        "recurrence": ["There is a 2 in 2·t·T_k − T_{k−1}: T_2 = 2t² − 1."],
        "columns": ["T_0 … T_degree are degree + 1 columns. Two are there before the loop."],
    },
)
def check_chebyshev(chebyshev):
    """Against numpy's own Chebyshev columns."""
    from numpy.polynomial.chebyshev import chebvander

    for degree, x in (
        (5, np.linspace(-1, 1, 9)),
        (10, np.array(dataset("Filip").X[:, 1])),
        (3, np.array([100.0, 130, 101, 170])),
    ):
        given = x.copy()
        found = np.asarray(chebyshev(x, degree), dtype=float)
        untouched(given, x, "x")
        require(
            found.shape == (len(x), degree + 1),
            "columns",
            f"Degree {degree}, {len(x)} points: found shape {found.shape}; expected {(len(x), degree + 1)}.",
        )
        t = (2 * x - (x.max() + x.min())) / (x.max() - x.min())
        if not np.allclose(found, chebvander(t, degree), atol=1e-8):
            _say_which_columns(found, x, t)


def _say_which_columns(found, x, t):
    second, third = found[:, 1], found[:, 2]
    if not np.allclose(second, t):
        if np.allclose(second, (t + 1) / 2):
            reject("half-interval", f"t goes from {second.min():g} to {second.max():g}; it should go from −1 to 1.")
        reject("not-mapped", f"T_1 should be t, from −1 to 1; yours goes from {second.min():g} to {second.max():g}.")
    if np.allclose(third, t**2):
        reject("powers", "T_2 is t² here, so these are powers of t again; T_2 = 2t² − 1.")
    reject(
        "recurrence", f"T_0 and T_1 are right. T_2 at t = 1 should be 1 (2t² − 1); yours is {third[np.argmax(t)]:g}."
    )


# --- the deployed function ----------------------------------------------------------------------------------

FOLDER = Path(__file__).parent


def _reference():
    """The handler that the course ships."""
    spec = importlib.util.spec_from_file_location("labkit_certifier", FOLDER / "certifier.py")
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
    return module.handler


def _with(changed):
    """A cell like the solved one: the shipped handler, with one function as a student wrote it."""
    name = changed.split("(")[0].removeprefix("def ")
    return f"""%%function certify --include certifier.py --timeout 10
import certifier
import numpy as np
from certifier import EPS, agreement, handler, lengths, solve, reply, request, certificate


{changed}


certifier.{name} = {name}
"""


def _rank(condition):
    return f"""def rank_of(X):
    values = np.linalg.svd(X / lengths(X), compute_uv=False)
    return int(({condition}).sum())"""


def _verdict(agreed, certified):
    return f"""def verdict(claimed, coef, length, limit):
    agreed = agreement({agreed}, coef, length)
    return {{"digits_agreed": agreed, "certified": {certified}}}"""


@exercises.behaviour(
    "certify",
    wrong={
        _with(_rank("values > 0")): "rank-exact",
        _with(_rank("values > 1e-3 * values[0]")): "rank-coarse",
        _with("def expected(X, y, coef):\n    return agreement(solve(X, y), coef, lengths(X))"): "not-nudged",
        _with(_verdict("coef", "limit is not None and agreed >= limit")): "compares-itself",
        _with(_verdict("claimed", "limit is not None")): "believes",
        _with(_verdict("claimed", "agreed >= (limit or 0)")): "certifies-any",
        _with("def handler(event, context):\n    return reply(200, certificate(request(event)))"): "raises",
    },
    hints={
        "start": [
            "PLACE 1: int((values > ...).sum()) counts those above a limit.",
            "PLACE 2: new = solve(nudged_X, nudged_y), then found.append(agreement(new, coef, lengths(X))).",
            "PLACE 3: agreement(claimed, coef, length); then `limit is not None and agreed >= limit`.",
        ],
        "not-nudged": ["Which X and y does your new fit use?"],
        "rank-exact": ["A singular value of a dependent column is about 1e-17, not 0. Use the limit in the comment."],
        "rank-coarse": [
            "The limit is max(X.shape) * EPS * values[0], near 1e-14, and nothing larger: that is the fault of section 1."
        ],
        "believes": ["`agreed` must be part of the condition."],
        "compares-itself": ["Which of the two is the claim?"],
        "certifies-any": ["Below full rank infinitely many coefficients fit: none can be certified."],
    },
)
def check_certify(certify):
    """Real calls: NIST's data, dependent columns, claims, rubbish."""
    reference = _reference()
    _check_nist(certify, reference)
    _check_rank(certify)
    _check_claims(certify)
    _check_rubbish(certify)


def _answer(handler, event):
    outcome = handler.invoke(event)
    if outcome.error is not None:
        reject(
            "raises",
            f"{_short(event)} ends in {outcome.error.error_type}: {outcome.error.message}. Answer with 200 or 400.",
        )
    found = outcome.payload
    require(
        isinstance(found, dict) and "statusCode" in found,
        "no-status",
        f"{_short(event)} is answered {str(found)[:60]}; a statusCode and a body are wanted.",
    )
    return found["statusCode"], json.loads(found["body"])


def _short(event):
    text = json.dumps(event)
    return text if len(text) < 60 else text[:57] + "..."


def _event(name, **more):
    data = dataset(name)
    return {"X": data.X.tolist(), "y": data.y.tolist(), **more}


def _check_nist(certify, reference):
    for name in ("Norris", "Longley", "Wampler1", "Wampler5", "Filip"):
        status, found = _answer(certify, _event(name))
        require(status == 200, "refuses", f"{name} is answered {status}: {found}.")
        wanted = json.loads(reference(_event(name), None)["body"])
        if found["rank"] != wanted["rank"]:
            reject("rank-coarse", f"{name} has rank {wanted['rank']}; found {found['rank']}. The limit is too high.")
        promised, true = found["digits_expected"], worst(found["coef"], dataset(name).coef)
        if promised > true + 2:
            reject(
                "not-nudged",
                f"{name}: {promised} digits are promised, {true:.1f} are right. Is the second fit one of *nudged* data?",
            )
        require(promised > true - 3, "pessimist", f"{name}: {promised} digits are promised, {true:.1f} are right.")


def _check_rank(certify):
    rng = np.random.default_rng(3)
    A = rng.normal(size=(12, 3))
    dependent = np.column_stack([A, A @ [1.0, -2.0, 0.5]])
    _, found = _answer(certify, {"X": dependent.tolist(), "y": rng.normal(size=12).tolist()})
    require(
        found["rank"] == 3,
        "rank-exact",
        f"Column 4 is a combination of the others, so the rank is 3; found {found['rank']}.",
    )
    require(found["warning"], "silent", "At rank 3 of 4 columns `warning` must say so.")
    _, found = _answer(certify, {"X": [[1, 2], [2, 3], [3, 4]], "y": [1, 2, 3], "intercept": True})
    require(
        found["rank"] == 2, "rank-exact", f"Section 6's rows with a column of ones have rank 2; found {found['rank']}."
    )
    _, found = _answer(
        certify, {"X": [[1, 2], [2, 3], [3, 4]], "y": [1, 2, 3], "intercept": True, "coef": found["coef"]}
    )
    require(
        found["certified"] is False,
        "certifies-any",
        "A claim about section 6's rows is certified, though infinitely many fit as well.",
    )


def _check_claims(certify):
    data = dataset("Wampler1")
    wrong = data.coef.copy()
    wrong[1] = 0.35
    _, found = _answer(certify, _event("Wampler1", coef=wrong.tolist()))
    require(
        found["digits_agreed"] < 1,
        "compares-itself",
        f"0.35 is claimed where 1 is right; found {found['digits_agreed']} digits of agreement, expected less than 1.",
    )
    require(found["certified"] is False, "believes", "A coefficient of 0.35 is certified where 1 is right.")
    for name in ("Wampler1", "Longley", "Wampler5"):
        _, found = _answer(certify, _event(name, coef=dataset(name).coef.tolist()))
        require(
            found["certified"] is True,
            "distrusts",
            f"NIST's own coefficients of {name} are not certified: {found['digits_agreed']} digits agree.",
        )
    near = (dataset("Longley").coef * (1 + 1e-4)).tolist()
    _, found = _answer(certify, _event("Longley", coef=near))
    require(
        found["certified"] is False,
        "believes",
        "Longley's coefficients with an error in digit 5 are certified; 6 digits are asked.",
    )


def _check_rubbish(certify):
    good = {"X": [[1, 2], [1, 3], [1, 5]], "y": [1, 2, 4]}
    for event in (
        {},
        good | {"y": [1, "two", 4]},
        good | {"y": [1, 2]},
        {"X": [], "y": []},
        good | {"coef": [1]},
        {"body": "{"},
    ):
        status, found = _answer(certify, event)
        require(
            status == 400 and found.get("error"),
            "accepts-rubbish",
            f"{_short(event)} is answered {status}; 400 and a reason are wanted.",
        )


exercises.explain(
    "why-perfect",
    words=8,
    hints={"start": ["Look at the table of section 5: what does direction 5 hold of R², and what of the coefficient?"]},
)

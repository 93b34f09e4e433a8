"""The exercises of lesson 05: fits against `labkit.numerics` and optimality, deployed functions against rubbish."""
# ruff: noqa: N803, N806 - X, H, B are matrices, as in the text

import json
import math

import numpy as np

from labkit.lesson.exercises import Exercises, names_used, reject, require
from labkit.numerics import irls as reference_irls
from labkit.numerics import softmax as reference_softmax

exercises = Exercises()


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def close(found, expected, digits=9):
    """Whether two arrays agree to so many digits of the largest entry. False if their shapes differ."""
    found, expected = np.asarray(found), np.asarray(expected, dtype=float)
    if found.shape != expected.shape or found.dtype.kind not in "fiu" or not np.isfinite(found).all():
        return False
    return bool(np.abs(found - expected).max() <= 10.0**-digits * max(np.abs(expected).max(), 1e-300))


def problem(seed, n=120, features=1):
    """A generated data set with a maximum: X with its column of ones, y."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=(n, features)) * rng.uniform(0.5, 3, features)])
    b = rng.normal(size=features + 1)
    return X, (rng.random(n) < sigmoid(X @ b / max(1, np.abs(X @ b).std()))).astype(int)


# --- section 2: a step by hand ------------------------------------------------------------------------------

exercises.answer(
    "hand",
    decimals=2,
    wrong={
        "2": "2 is the gradient g. The step is g divided by the curvature h.",
        "0.2": "That is 2 / 10. Each x² in h still has its weight p (1 - p).",
        "0.4": "That is the step of the table, where the second customer bought. Now y = (0, 0, 0, 1).",
        "-0.8": "The size is right. At β = 0, is the residual y - p of the last customer ½ or -½?",
        "5": "That is g times h. The top of the parabola is at g / h.",
    },
    hints={
        "start": [
            "At β = 0 all p are ½. Write the four residuals y - p: each is ½ or -½.",
            "g = (-2)(-½) + (-1)(-½) + (1)(-½) + (2)(½), and h has not changed: it does not contain y.",
        ],
        "2": ["h = (4 + 1 + 1 + 4) · ¼.", "2 divided by 2.5."],
        "0.2": ["p (1 - p) is ¼ at β = 0.", "h = 10 · ¼ = 2.5."],
        "0.4": ["Only the second residual is another one: y - p = 0 - ½.", "Its part of g is (-1)(-½) = +½."],
        "5": ["A sharp top (large h) is near, a flat one (small h) is far: one divides by h."],
        "wrong": ["Write the four residuals first: they are -½, -½, -½, ½.", "g = 1 + ½ - ½ + 1."],
    },
)

# --- sections 3 and 4 ---------------------------------------------------------------------------------------

exercises.explain(
    "odds",
    words=10,
    hints={
        "start": ["Look at the column `times as probable`: which row is near 2.4?"],
        "too-short": ["Two parts are asked: for whom is it nearly right, and why is it wrong for the others?"],
    },
)
exercises.explain(
    "question",
    words=8,
    hints={
        "start": ["Which function has its maximum at those coefficients?"],
        "too-short": ["Say what is maximised, and what that does to large coefficients."],
    },
)

# --- section 6: the log loss --------------------------------------------------------------------------------


def _loss(body):
    return f"def log_loss(z, y):\n    {body}\n"


@exercises.differential(
    "logloss",
    wrong={
        _loss("return np.log1p(np.exp(z)) - y * z"): "overflow",
        _loss(
            "p = np.clip(1 / (1 + np.exp(-z)), 1e-15, 1 - 1e-15); return -(y * np.log(p) + (1 - y) * np.log(1 - p))"
        ): "clipped",
        _loss("return np.maximum(z, 0) - y * z"): "no-log",
        _loss("return np.maximum(z, 0) - y * z + np.log(1 + np.exp(-np.abs(z)))"): "tiny-lost",
        _loss("return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))) - y * z"): "order",
        _loss("return np.mean(np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))) - y * z)"): "one-number",
        _loss("return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))) + y * z"): "sign",
    },
    hints={
        "overflow": [
            "For z = 800 your exp gets 800. Which power of e is safe whatever the sign of z?",
            "e^(-|z|) is between 0 and 1. Use log(1 + e^z) = max(z, 0) + log(1 + e^(-|z|)).",
        ],
        "clipped": [
            "To cut p off at 1 - 1e-15 hides the trouble: a loss of 800 becomes 34.5, and its gradient 0.",
            "Do not compute p at all. Begin with log(1 + e^z) - y z.",
        ],
        "no-log": ["Near z = 0 the corner of max(z, 0) is rounded off. By which term?", "By log(1 + e^(-|z|))."],
        "tiny-lost": ["1 + 1e-17 is 1 in a double. Which function of numpy never forms 1 + t?", "np.log1p(t)."],
        "order": [
            "40 + 4e-18 is 40 in a double, and 40 - 40 is 0. What if 40 - 40 came first?",
            "np.maximum(z, 0) - y * z first, then + np.log1p(...).",
        ],
        "one-number": ["The loss of each customer is asked: no mean, no sum."],
        "sign": ["A buyer (y = 1) with a large score has a small loss: what must be taken off?"],
    },
)
def check_logloss(log_loss):
    """Against logaddexp at moderate scores, then where the definition breaks, then where only small losses are left."""
    rng = np.random.default_rng(6)
    z, y = rng.normal(scale=3, size=50), rng.integers(0, 2, 50)
    z_given, y_given = z.copy(), y.copy()
    with np.errstate(all="ignore"):
        moderate = np.asarray(log_loss(z, y))
        same = np.array_equal(z, z_given) and np.array_equal(y, y_given)
        require(same, "mutates", "`log_loss` changes the z or the y that it gets.")
        _moderate(moderate, z, y)
        far = np.array([40.0, 800.0, -800.0, 800.0, -800.0]), np.array([0, 0, 1, 1, 0])
        found, true = np.asarray(log_loss(*far)), np.array([40.0, 800.0, 800.0, 0.0, 0.0])
        _far(found, true, far)
        tiny = np.asarray(log_loss(np.array([-40.0, 40.0]), np.array([0, 1]))) / np.exp(-40.0)
    told = "the loss is e^-40 = 4.2e-18, and yours has lost its digits"
    require(close(tiny[0], 1, 6), "tiny-lost", f"z = -40, y = 0: {told}. Who forms 1 + t with a tiny t?")
    require(close(tiny[1], 1, 6), "order", f"z = 40, y = 1: {told}. In which order do you add and subtract?")


def _moderate(found, z, y):
    true = np.logaddexp(0, z) - y * z
    require(found.shape == z.shape, "one-number", f"50 customers gave the shape {found.shape}; expected (50,).")
    if close(found, np.logaddexp(0, z) + y * z):
        worst = np.argmax(np.where(y == 1, z, -np.inf))
        reject("sign", f"A buyer with score {z[worst]:.1f} gets the loss {found[worst]:.1f}; it should be near 0.")
    if close(found, np.maximum(z, 0) - y * z):
        reject("no-log", "At z = 0 your loss is 0, but with p = ½ it is log 2 = 0.69: a term is missing.")
    told = f"z = {z[0]:.2f}, y = {y[0]}: found {found[0]:.6f}, expected {true[0]:.6f}."
    require(close(found, true, 8), "differs", told)


def _far(found, true, given):
    if not np.isfinite(found).all():
        k = int(np.flatnonzero(~np.isfinite(found))[0])
        reject("overflow", f"z = {given[0][k]:g}, y = {given[1][k]}: found {found[k]}, expected {true[k]:g}.")
    if found[1] < 100:
        reject("clipped", f"z = 800, y = 0: found {found[1]:.1f}, expected 800. A loss must not stop growing.")
    require(close(found, true), "far", f"At z = 40, 800, -800, 800, -800: found {found.round(2)}, expected {true}.")


# --- section 8: the threshold -------------------------------------------------------------------------------

exercises.answer(
    "threshold",
    decimals=3,
    wrong={
        "0.136": "6 / 44 is a threshold for the odds. For a probability, divide by the sum of both costs.",
        "0.88": "That is m / (a + m): you would let nearly all frauds pass. Which mistake is the needless one here?",
        "0.5": "½ is right only if both mistakes cost the same.",
        "12": "A probability, not per cent.",
    },
    hints={
        "start": ["Block if (1 - p) · (cost of a needless block) ≤ p · (cost of a missed fraud)."],
        "0.136": ["t = a / (a + m), not a / m."],
        "0.88": ["The needless act is to block an honest payment: a = 6.", "t = 6 / (6 + 44)."],
        "0.5": ["a = 6 and m = 44. Put them into t = a / (a + m)."],
        "wrong": ["a is the cost of acting needlessly, m that of not acting when one should.", "a = 6, m = 44."],
    },
)

# --- section 10: steps and fits -----------------------------------------------------------------------------


def _step(g="X.T @ (y - p)", h="X.T @ (X * (p * (1 - p))[:, None])"):
    return (
        "def newton_step(b, x, y):\n    X = np.column_stack([np.ones(len(x)), x])\n    z = X @ b\n    p = sigmoid(z)\n"
        f"    g = {g}\n    H = {h}\n    return b + np.linalg.solve(H, g)\n"
    )


@exercises.differential(
    "step",
    wrong={
        _step(g="X.T @ (p - y)"): "downhill",
        _step(h="X.T @ X"): "no-weights",
        _step(h="X.T @ (X * p[:, None])"): "weights-p",
        _step(g="x @ (y - p)"): "one-slope",
        _step(h="X * (p * (1 - p))[:, None]"): "not-square",
    },
    hints={
        "start": ["Section 2 has g = Σ x (y - p). With a column of ones in X, both sums at once are X.T @ (…)."],
        "downhill": [
            "A buyer (y = 1) with a small p should raise the score: is your residual y - p, or p - y?",
            "If g is right, look at H: it is *minus* the Hessian, so its diagonal is positive.",
        ],
        "no-weights": ["In section 2, what stood beside x² in h?", "Multiply each row of X by p (1 - p) first."],
        "weights-p": ["σ' = p (1 - p), not p."],
        "one-slope": ["There are two coefficients, so two slopes: X has two columns, x is only one of them."],
        "not-square": ["In section 2 h is a sum over customers. Which product with X.T sums over rows?"],
    },
)
def check_step(newton_step):
    """One step from a random point against the formula; typical slips are computed as well, and named."""
    for seed in range(20):
        X, y = problem(seed)
        x, b = X[:, 1].copy(), np.random.default_rng(seed).normal(size=2) / 2
        given = b.copy()
        try:
            found = np.asarray(newton_step(b, x, y), dtype=float)
        except (np.linalg.LinAlgError, ValueError, TypeError) as trouble:
            _shapes(trouble)
        require(np.array_equal(b, given), "mutates", "`newton_step` changes the b that it gets; return a new one.")
        _one_step(found, X, y, given)


def _shapes(trouble):
    text = str(trouble)
    if "square" in text:
        reject("not-square", f"H cannot be solved ({text}); expected a 2 × 2 matrix: the sum over all customers.")
    if "dimension" in text:
        reject("one-slope", "Your gradient g is one number; expected two, a slope for each column of X.")
    reject("raises", f"The step ends in {type(trouble).__name__}: {text}. g needs the shape (2,), H (2, 2).")


def _one_step(found, X, y, b):
    p = sigmoid(X @ b)
    w, g = p * (1 - p), X.T @ (y - p)
    H = X.T @ (X * w[:, None])
    true = b + np.linalg.solve(H, g)
    told = f"From b = {b.round(3)}: found {found.round(4)}, expected {true.round(4)}"
    require(found.shape == (2,), "shape", f"The step gives the shape {found.shape}; expected (2,): two coefficients.")
    require(not close(found, 2 * b - true, 8), "downhill", f"{told}. The length is right, the direction is opposite.")
    slips = {
        "no-weights": (np.linalg.solve(X.T @ X, g), "the step is too short: H seems to be X.T @ X, without weights."),
        "weights-p": (np.linalg.solve(X.T @ (X * p[:, None]), g), "the weights in H seem to be p."),
    }
    for diagnosis, (step, said) in slips.items():
        require(not close(found, b + step, 8), diagnosis, f"{told}: {said}")
    require(close(found, true), "differs", f"{told}.")


def _irls(r="z + (y - p) / w", fit="X * root[:, None], r * root", se="np.sqrt(np.diag(np.linalg.inv(H)))"):
    return (
        "def my_irls(X, y, steps=30):\n    b = np.zeros(X.shape[1])\n    for _ in range(steps):\n        z = X @ b\n"
        f"        p = sigmoid(z)\n        w = p * (1 - p)\n        r = {r}\n        root = np.sqrt(w)\n"
        f"        before, b = b, np.linalg.lstsq({fit}, rcond=None)[0]\n"
        "        if np.abs(X @ (b - before)).max() < 1e-10:\n            break\n"
        f"    H = X.T @ (X * w[:, None])\n    errors = {se}\n    return b, errors\n"
    )


@exercises.differential(
    "irls",
    wrong={
        _irls(fit="X * w[:, None], r * w"): "weights-squared",
        _irls(fit="X * root[:, None], r"): "one-side",
        _irls(r="(y - p) / w"): "only-the-change",
        _irls(r="z + (y - p)"): "residual-unscaled",
        _irls(se="np.diag(np.linalg.inv(H))"): "variance",
        _irls(se="1 / np.sqrt(np.diag(H))"): "diagonal-first",
        _irls(se="np.sqrt(np.diag(np.linalg.inv(X.T @ X)))"): "unweighted",
        (
            "def my_irls(X, y, steps=30):\n    from sklearn.linear_model import LogisticRegression\n"
            "    m = LogisticRegression(C=np.inf, tol=1e-12, fit_intercept=False).fit(X, y)\n"
            "    return m.coef_[0], np.ones(X.shape[1])\n"
        ): "library",
    },
    hints={
        "start": ["Section 9 has all four lines as formulas: p, r, the least-squares problem, the standard errors."],
        "weights-squared": [
            "lstsq minimises Σ (row · b - r)². If a row is multiplied by w, by what is its square multiplied?",
            "By w². Multiply rows by √w: `root`.",
        ],
        "one-side": ["Both sides of a weighted equation get the weight: X * root[:, None] *and* r * root."],
        "only-the-change": [
            "With r = (y - p) / w the least-squares solution is the *change* of b, not the new b.",
            "Either add it to b, or put the scores into r: r = z + (y - p) / w.",
        ],
        "residual-unscaled": ["r is a response on the scale of scores: the residual is divided by its weight w."],
        "variance": ["The diagonal of the inverse holds variances."],
        "unweighted": ["The curvature of section 9 has the weights in it: H = XᵀWX, one line above."],
        "diagonal-first": ["First invert, then take the diagonal: features that overlap make each other less certain."],
        "library": ["Derive it yourself: np.linalg.lstsq is all that is needed."],
    },
)
def check_irls(my_irls):
    """Optimality, then the reference, then standard errors, on 12 generated problems and 1 to 4 features."""
    banned = [
        name for name in names_used(my_irls) if name.startswith(("sklearn", "labkit", "scipy.optimize", "statsmodels"))
    ]
    require(not banned, "library", f"`my_irls` uses {', '.join(sorted(banned)[:1])}; derive it yourself.")
    for seed in range(12):
        X, y = problem(100 + seed, n=200, features=1 + seed % 4)
        answer = _fitted(my_irls, X, y)
        require(
            isinstance(answer, tuple | list) and len(answer) == 2,
            "not-two",
            f"Found {type(answer).__name__}; expected two arrays: return b, errors.",
        )
        b, errors = (np.asarray(part, dtype=float) for part in answer)
        reference = reference_irls(X, y)
        if not close(b, reference.coef):
            _not_at_the_top(b, X, y, reference)
        _errors(errors, X, b, reference)


def _fitted(my_irls, X, y):
    try:
        with np.errstate(all="ignore"):
            return my_irls(X.copy(), y.copy())
    except np.linalg.LinAlgError:
        told = "The steps run away, to scores of which no exponential can be computed."
        reject("one-side", f"{told} Do both sides of the least-squares problem carry their weights?")


def _not_at_the_top(b, X, y, reference):
    shapes = f"Found coefficients of shape {b.shape}, expected {reference.coef.shape}"
    require(b.shape == reference.coef.shape, "shape", shapes + ".")
    require(np.isfinite(b).all(), "not-finite", f"Found coefficients {b}; did a probability become 0 or 1?")
    left = np.abs(X.T @ (y - sigmoid(X @ b))).max()
    told = f"Xᵀ(y - p) is {left:.2g} at your b; at the maximum it is 0."
    for diagnosis, (change, said) in SLIPS.items():
        require(not _passes_through(b, X, y, change), diagnosis, f"{told} {said}")
    reject(
        "not-there", f"{told} Print the largest change of the scores in each turn of the loop: does it become small?"
    )


def _newton(X, weights, score):
    return np.linalg.solve(X.T @ (X * weights[:, None]), X.T @ score)


SLIPS = {
    "weights-squared": (
        lambda X, b, w, e: b + _newton(X, w * w, w * e),
        "It seems that each row has the weight w², not w.",
    ),
    "residual-unscaled": (
        lambda X, b, w, e: b + _newton(X, w, w * e),
        "The steps are too short: is the residual in r divided by w?",
    ),
    "only-the-change": (
        lambda X, b, w, e: _newton(X, w, e),
        "Your b looks like the last change, not like the sum of all changes.",
    ),
}


def _passes_through(b, X, y, change):
    """Whether b is a point of the iteration with this slip."""
    seen = np.zeros_like(b)
    for _ in range(30):
        p = sigmoid(X @ seen)
        try:
            seen = change(X, seen, p * (1 - p), y - p)
        except np.linalg.LinAlgError:
            return False
        if close(b, seen, 8):
            return True
    return False


def _errors(errors, X, b, reference):
    p = sigmoid(X @ b)
    H = X.T @ (X * (p * (1 - p))[:, None])
    told = f"Standard errors: found {errors.round(5)}, expected {reference.stderr.round(5)}."
    require(not close(errors, np.diag(np.linalg.inv(H)), 6), "variance", f"{told} Yours are their squares.")
    require(not close(errors, 1 / np.sqrt(np.diag(H)), 6), "diagonal-first", f"{told} Yours ignore all other features.")
    unweighted = np.sqrt(np.diag(np.linalg.inv(X.T @ X)))
    require(not close(errors, unweighted, 6), "unweighted", f"{told} Yours come from XᵀX, without the weights.")
    require(close(errors, reference.stderr, 6), "errors", told)


def _softmax(powers="np.exp(Z - Z.max(axis=1, keepdims=True))", total="powers.sum(axis=1, keepdims=True)", **step):
    g, h = step.get("g", "X.T @ (Y - P)"), step.get("h", "X.T @ X / 2")
    return (
        f"def softmax(Z):\n    powers = {powers}\n    return powers / {total}\n\n\n"
        f"def softmax_step(B, X, Y):\n    P = softmax(X @ B)\n    return B + np.linalg.solve({h}, {g})\n"
    )


@exercises.property(
    "softmax",
    wrong={
        _softmax(powers="np.exp(Z)"): "overflow",
        "def softmax(Z):\n    Z -= Z.max(axis=1, keepdims=True)\n"
        "    return np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)\n\n\n"
        "def softmax_step(B, X, Y):\n"
        "    return B + np.linalg.solve(X.T @ X / 2, X.T @ (Y - softmax(X @ B)))\n": "mutates",
        _softmax(total="powers.sum()"): "rows",
        _softmax(powers="np.exp(Z - Z.max(axis=0))"): "columns",
        _softmax(g="X.T @ (P - Y)"): "downhill",
        _softmax(h="X.T @ X / 8"): "too-long",
        _softmax(h="X.T @ X"): "too-short",
    },
    hints={
        "start": ["softmax: subtract the largest score of each row (axis=1, keepdims=True), then exp, then divide."],
        "overflow": ["Which number can you subtract from all scores of a row without changing P?", "Its largest one."],
        "mutates": ["`Z -= …` works on the caller's array. `Z = Z - …` makes a new one."],
        "rows": ["Each row is a customer: sum over axis=1, and keep the dimension for the division."],
        "columns": ["axis=0 runs down a column, over customers. Classes stand side by side: axis=1."],
        "downhill": ["As before: observed minus predicted, Y - P."],
        "too-long": ["The curvature must not be underestimated: the bound is ½ XᵀX."],
        "too-short": ["The bound is ½ XᵀX; with XᵀX the steps are half as long as they may be."],
    },
)
def check_softmax(softmax, softmax_step):
    """Rows of probabilities, also of huge scores; the likelihood climbs; the top is the reference's."""
    rng = np.random.default_rng(9)
    Z = rng.normal(scale=2, size=(7, 3))
    true = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        given = Z.copy()
        _probabilities(np.asarray(softmax(given)), true)
        require(
            np.array_equal(given, Z), "mutates", "`softmax` changes the Z that it gets: write Z - ..., not Z -= ..."
        )
        shifted = Z + rng.normal(scale=500, size=(7, 1))
        far = np.asarray(softmax(shifted))
        told = f"With scores such as {shifted.max():.0f} softmax gives {far.max()}."
        require(np.isfinite(far).all() and np.abs(far.sum(axis=1) - 1).max() < 0.1, "overflow", told)
        told = "All scores of one row, moved by the same number, must give the same row, whatever the other rows are."
        require(close(far, true, 8), "columns", told)
    _climb(softmax_step, rng)


def _probabilities(found, true):
    require(found.shape == true.shape, "shape", f"Scores of shape {true.shape} gave {found.shape}.")
    sums = found.sum(axis=-1)
    if close(found.sum(), 1.0, 6):
        reject("rows", f"All 21 numbers together sum to 1; each row should. The first row sums to {sums[0]:.3f}.")
    if np.isfinite(found).all() and np.abs(sums - 1).max() > 1e-9:
        reject("rows", f"The first row sums to {sums[0]:.3f}, and each should sum to 1.")
    if np.isfinite(found).all() and not close(found, true):
        told = f"The first row is {found[0].round(4)}, expected {true[0].round(4)}."
        shifted = np.log(found / true)
        same = close(shifted - shifted.mean(axis=1, keepdims=True), np.tile(_centred(shifted), (len(found), 1)), 6)
        require(not same, "columns", f"{told} Is what you subtract the same for the whole row?")
        reject("differs", f"{told} Exponentials of a row's scores, divided by their sum.")


def _centred(shifted):
    return (shifted - shifted.mean(axis=1, keepdims=True)).mean(axis=0)


def _climb(softmax_step, rng):
    X = np.column_stack([np.ones(150), rng.normal(size=(150, 2))])
    B_true = np.array([[0, 0.5, -0.5], [0, 1.0, -0.5], [0, -0.5, 1.0]])
    labels = (X @ B_true + rng.gumbel(size=(150, 3))).argmax(axis=1)
    Y, B = np.eye(3)[labels], np.zeros((3, 3))
    P = np.full((150, 3), 1 / 3)
    full = np.linalg.solve(X.T @ X / 2, X.T @ (Y - P))
    found = np.asarray(softmax_step(B.copy(), X, Y))
    require(found.shape == (3, 3), "shape", f"From B of shape (3, 3) the step gives {found.shape}.")
    told = f"From B = 0 the first coefficient becomes {found[0, 0]:.4f}, expected {full[0, 0]:.4f}."
    require(not close(found, -full, 6), "downhill", f"{told} The step goes down instead of up.")
    factor = float(np.vdot(found, full) / np.vdot(full, full))
    if factor > 0.01 and abs(factor - 1) > 1e-6 and close(found, factor * full, 6):
        diagnosis = "too-long" if factor > 1 else "too-short"
        reject(diagnosis, f"{told} The direction is right, the length is {factor:.2g} of what the bound allows.")
    require(close(found, full, 8), "differs", told)
    for _ in range(400):
        B = np.asarray(softmax_step(B, X, Y))
    top = reference_softmax(X, labels).coef
    free = (B - B[:, :1])[:, 1:]
    told = f"After 400 steps: {free.round(4).tolist()}, expected {top.round(4).tolist()}."
    require(close(free, top, 7), "not-there", told)


# --- sections 11 and 12: deployed ---------------------------------------------------------------------------

ADA = {"age": 34, "income": 41, "purchases": 1}
OLD = {"age": 70, "income": 20, "purchases": 0}

_BUY = """%%function will_buy --include model.json --env THRESHOLD=0.2
import json
import math
import os

with open("model.json") as file:
    model = json.load(file)


def sigmoid(z):
    SIGMOID


def usable(value):
    return USABLE


def judged(customer):
    if not isinstance(customer, dict):
        raise ValueError(f"expected an object with {list(model['coefficients'])}")
    z = model["intercept"]
    for name, b in model["coefficients"].items():
        value = customer.get(name)
        if not usable(value):
            raise ValueError(f"{name}: expected a number, found {value!r:.40}")
        z += b * value
    p = sigmoid(z)
    offer = OFFER
    return {"probability": p, "offer": offer}


def handler(event, context):
    try:
        if isinstance(event, dict) and "body" in event:
            event = json.loads(event["body"] or "null")
        customers = event if isinstance(event, list) else [event]
        if not 1 <= len(customers) <= 1000:
            raise ValueError(f"expected 1 to 1000 customers, not {len(customers)}")
        body = [judged(customer) for customer in customers]
    except ValueError as problem:
        return {"statusCode": 400, "body": json.dumps({"error": str(problem)})}
    return {"statusCode": 200, "body": json.dumps(body)}
"""


def _buy(
    sigmoid_="return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))",
    usable="type(value) in (int, float) and abs(value) < 1e9",
    offer='p >= float(os.environ["THRESHOLD"])',
):
    return _BUY.replace("SIGMOID", sigmoid_).replace("USABLE", usable).replace("OFFER", offer)


@exercises.behaviour(
    "buy",
    wrong={
        _buy(sigmoid_="return 1 / (1 + math.exp(-z))"): "overflow",
        _buy(usable="type(value) in (int, float)"): "nan",
        _buy(usable="isinstance(value, (int, float)) and abs(value) < 1e9"): "bool",
        _buy(usable="abs(value) < 1e9"): "text",
        _buy(offer="p >= 0.2"): "fixed",
        _buy(offer='p >= os.environ["THRESHOLD"]'): "threshold-text",
        _buy(offer='p < float(os.environ["THRESHOLD"])'): "turned",
    },
    hints={
        "start": ["Three blanks: sigmoid, usable, offer. The text above the cell says what each has to do."],
        "overflow": [
            "math.exp(-z) fails for z below -709. For which sign of z is math.exp(z) safe?",
            "if z < 0: return math.exp(z) / (1 + math.exp(z))",
        ],
        "nan": ["abs(nan) < 1e9 is false, and so is abs(inf) < 1e9: one comparison keeps both out."],
        "bool": ["In Python True is an int. type(value) in (int, float) is stricter than isinstance."],
        "text": ["abs('old') is an error, and so is abs(None). Ask for the type first, and use `and`."],
        "fixed": ["The costs have changed and your function has not noticed: os.environ['THRESHOLD']."],
        "threshold-text": ["An environment variable is always a text: float(os.environ['THRESHOLD'])."],
        "turned": ["An offer if p is at or above the threshold."],
    },
)
def check_buy(will_buy):
    """Right numbers for one and for a batch, then rubbish, then another threshold without another package."""
    first = will_buy.invoke(ADA)
    if first.error is not None and "str" in first.error.message and "float" in first.error.message:
        reject("threshold-text", f"A good customer ends in {first.error.error_type}: {first.error.message}.")
    answers = _body(first, 200, "a good customer", "raises")
    model = _model()
    _same(answers, [ADA], model, 0.2)
    _same(_body(will_buy.invoke([ADA, OLD]), 200, "a list of two", "raises"), [ADA, OLD], model, 0.2)
    _same(_body(will_buy.invoke({"body": json.dumps(OLD)}), 200, "an HTTP request", "raises"), [OLD], model, 0.2)
    _rubbish(will_buy)
    for name in ("age", "income"):
        far = {**ADA, name: 1e6}
        _same(_body(will_buy.invoke(far), 200, f"a customer with {name} 1e6", "overflow"), [far], model, 0.2)
    _threshold(will_buy, model)


def _model():
    with open("model.json") as file:
        return json.load(file)


def _expected(customer, model):
    z = model["intercept"] + sum(b * customer[name] for name, b in model["coefficients"].items())
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def _body(outcome, status, what, diagnosis):
    """The body of an answer, read; rejects what is unhandled or has another status."""
    if outcome.error is not None:
        error = f"{outcome.error.error_type}: {outcome.error.message}"
        reject(diagnosis, f"{what} ends in {error}; expected status {status}.")
    found = outcome.payload
    if not isinstance(found, dict) or found.get("statusCode") != status:
        reject(diagnosis, f"{what} is answered {json.dumps(found)[:90]}; expected status {status}.")
    return json.loads(found["body"])


def _same(found, customers, model, threshold):
    require(
        isinstance(found, list) and len(found) == len(customers),
        "length",
        f"{len(customers)} customers should give a list of {len(customers)} answers; found {str(found)[:60]}.",
    )
    for answer, customer in zip(found, customers, strict=True):
        p = _expected(customer, model)
        told = f"For {customer}: found {answer.get('probability')}, expected the probability {p:.6f}."
        require(abs(answer.get("probability", math.nan) - p) < 1e-6, "probability", told)
        if answer.get("offer") != (p >= threshold):
            near = "turned" if threshold == 0.2 else "fixed"
            told = f"p = {p:.3f} with THRESHOLD={threshold}: expected offer={p >= threshold}"
            reject(near, f"{told}, found {answer.get('offer')}.")


RUBBISH = {
    "an age that is missing": ({"income": 41, "purchases": 1}, "text"),
    "the age 'old'": ({**ADA, "age": "old"}, "text"),
    "the age [34]": ({**ADA, "age": [34]}, "text"),
    "a body with the age NaN": ({"body": json.dumps({**ADA, "age": math.nan})}, "nan"),
    "a body with the income Infinity": ({"body": json.dumps({**ADA, "income": math.inf})}, "nan"),
    "an income of 1e300": ({**ADA, "income": 1e300}, "nan"),
    "the purchases true": ({**ADA, "purchases": True}, "bool"),
    "an empty list": ([], "empty"),
    "a list of numbers": ([34, 41, 1], "not-an-object"),
    "one bad customer among good ones": ([ADA, {**ADA, "age": None}], "text"),
    "5,000 customers": ([ADA] * 5000, "too-many"),
    "a body that is no JSON": ({"body": "age=34"}, "no-json"),
    "nothing": (None, "not-an-object"),
}


def _rubbish(will_buy):
    for what, (event, diagnosis) in RUBBISH.items():
        body = _body(will_buy.invoke(event), 400, what, diagnosis)
        told = f"{what}: status 400, but no `error` that helps its caller."
        require(isinstance(body, dict) and len(str(body.get("error", ""))) > 8, "silent", told)


def _threshold(will_buy, model):
    client = will_buy.lab.boto3("lambda")
    before = dict(will_buy.variables).get("THRESHOLD", "0.2")
    other = 0.9
    _set(client, other)
    try:
        found = _body(will_buy.invoke([ADA, OLD]), 200, f"THRESHOLD={other}", "fixed")
    finally:
        _set(client, before)
    _same(found, [ADA, OLD], model, other)


def _set(client, threshold):
    client.update_function_configuration(
        FunctionName="will_buy", Environment={"Variables": {"THRESHOLD": str(threshold)}}
    )
    client.get_waiter("function_updated_v2").wait(FunctionName="will_buy")


_CAREFUL = """%%function careful --include model.json --env THRESHOLD=0.2
import json
import math
import os

with open("model.json") as file:
    model = json.load(file)


def handler(event, context):
    BEFORE
    terms = [b * event[name] for name, b in model["coefficients"].items()]
    p = 1 / (1 + math.exp(-(model["intercept"] + sum(terms))))
    offer = p >= float(os.environ["THRESHOLD"])
    return {"decision": "offer" if offer else "no offer", "probability": p}
"""


def _careful(*lines):
    return _CAREFUL.replace("BEFORE", "\n    ".join(lines))


_OUTSIDE = "outside = [n for n, (low, high) in model['ranges'].items() if not low <= event[n] <= high]"


@exercises.behaviour(
    "careful",
    wrong={
        _careful("pass"): "answers",
        _careful("event = {n: min(max(event[n], low), high) for n, (low, high) in model['ranges'].items()}"): "clamped",
        _careful(
            _OUTSIDE.replace("not low <= event[n] <= high", "not low < event[n] < high"),
            "if outside:",
            '    return {"decision": "refuse", "outside": outside}',
        ): "edge",
        _careful(
            "for n, (low, high) in model['ranges'].items():",
            "    if not low <= event[n] <= high:",
            '        return {"decision": "refuse", "outside": [n]}',
        ): "first-only",
        _careful(
            "outside = [n for n, (low, high) in model['ranges'].items() if event[n] > high]",
            "if outside:",
            '    return {"decision": "refuse", "outside": outside}',
        ): "one-end",
        _careful(_OUTSIDE, "if outside:", '    raise ValueError(f"outside: {outside}")'): "unhandled",
    },
    hints={
        "start": ["model['ranges'] maps a name to [low, high]. Collect the names whose value is not between."],
        "answers": ["Before the score: is each event[name] within model['ranges'][name]?"],
        "clamped": [
            "To move 900 to 120 answers a question that nobody asked.",
            "Say that you refuse, and which feature is outside.",
        ],
        "edge": ["The model has seen its smallest and largest value: low <= value <= high."],
        "first-only": ["A return inside the loop ends it at the first one. Collect first, then return."],
        "one-end": ["A range has two ends."],
        "unhandled": ["A refusal is an answer: return it."],
    },
)
def check_careful(careful):
    """Within, at the ends, outside at each end and in several features at once."""
    model = _model()
    ranges = model["ranges"]
    low, high = ({name: ends[k] for name, ends in ranges.items()} for k in (0, 1))
    _decides(careful, ADA, model, "differs")
    _decides(careful, {"age": 60, "income": 20, "purchases": 2}, model, "differs")
    _refuses(careful, {**ADA, "income": 900}, ["income"])
    _refuses(careful, {**ADA, "age": ranges["age"][0] - 1}, ["age"], "one-end")
    _decides(careful, low, model, "edge")
    _decides(careful, high, model, "edge")
    _refuses(careful, {"age": 5, "income": 900, "purchases": 40}, ["age", "income", "purchases"], "first-only")


def _decides(careful, customer, model, diagnosis):
    outcome = careful.invoke(customer)
    if outcome.error is not None:
        reject("raises", f"{customer} ends in {outcome.error.error_type}: {outcome.error.message}.")
    p = _expected(customer, model)
    wanted = {"decision": "offer" if p >= 0.2 else "no offer", "probability": round(p, 6)}
    found = outcome.payload
    right = (
        isinstance(found, dict)
        and found.get("decision") == wanted["decision"]
        and abs(found.get("probability", math.nan) - p) < 1e-5
    )
    require(right, diagnosis, f"{customer} is within all ranges. Found {found}, expected {wanted}.")


def _refuses(careful, customer, outside, diagnosis="answers"):
    outcome = careful.invoke(customer)
    told = f"For {customer}"
    if outcome.error is not None:
        reject("unhandled", f"{told} the function fails ({outcome.error.error_type}); a refusal is an answer.")
    found = outcome.payload if isinstance(outcome.payload, dict) else {}
    if found.get("decision") != "refuse":
        if abs(found.get("probability", 0) - _expected(_clamped(customer), _model())) < 1e-5:
            diagnosis = "clamped"
        reject(diagnosis, f"{told}: found {outcome.payload}, expected a refusal: {', '.join(outside)} is outside.")
    named = sorted(found.get("outside") or [])
    require(named == sorted(outside), diagnosis, f"{told}: found outside = {named}, expected {sorted(outside)}.")


def _clamped(customer):
    return {n: min(max(customer[n], low), high) for n, (low, high) in _model()["ranges"].items()}


# --- the exit ticket ----------------------------------------------------------------------------------------

exercises.answer(
    "ticket",
    decimals=2,
    wrong={
        "0.60": "e^1.1 = 3.0 multiplies the odds, not the probability.",
        "0.75": "These are the new odds, 0.25 · 3.0. Which probability has these odds?",
        "1.30": "A probability above 1: 1.1 is added to the score, not to the probability.",
        "0.22": "1.1 is no factor of the probability; it is added to the log-odds.",
    },
    hints={
        "start": ["Three steps: from 0.20 to the odds, multiply by e^1.1, back to a probability."],
        "0.60": ["The odds of 0.20 are 0.20 / 0.80 = 0.25.", "0.25 · 3.0 = 0.75 are the new odds."],
        "0.75": ["p = odds / (1 + odds)."],
        "1.30": ["The score of 0.20 is log(0.25) = -1.39.", "σ(-1.39 + 1.1)."],
        "0.22": ["The score of 0.20 is log(0.25) = -1.39.", "σ(-1.39 + 1.1)."],
        "wrong": ["odds = 0.20 / 0.80", "times e^1.1, then odds / (1 + odds)"],
    },
)

"""The exercises of lesson 02: products that must be zero, a walk downhill, a service that refuses rubbish."""

import inspect
import json
import math

import numpy as np

from labkit.lesson.exercises import Exercises, names_used, reject, require

exercises = Exercises()

exercises.explain(
    "orthogonal",
    words=8,
    hints={
        "start": [
            "Suppose one column still had a positive product with the residuals. What does the RSS do if its "
            "coefficient grows a little?",
            "The derivative of the RSS by a coefficient is minus two times that product.",
        ],
        "too-short": ["Say what could still be gained if one product were not zero."],
    },
)


def _short(problem, most=70):
    said = str(problem)
    return f"{said}." if len(said) <= most else f"{said[:most]}…"


LIBRARIES = (
    "sklearn",
    "scipy",
    "statsmodels",
    "labkit",
    "numpy.polyfit",
    "numpy.polynomial",
    "numpy.linalg.lstsq",
    "numpy.linalg.pinv",
    "numpy.linalg.qr",
    "numpy.linalg.svd",
)


def _judge_own(function, what):
    used = [name for name in sorted(names_used(function)) if name.startswith(LIBRARIES)]
    require(not used, "library", f"It uses {used[:1]}, which fits for you. {what}")


# --- two features -------------------------------------------------------------------------------------------

TWO = """def two_features(u, v, y):
    u0, v0, y0 = u - u.mean(), v - v.mean(), y - y.mean()
    uu, uv, uy = u0 @ u0, u0 @ v0, u0 @ y0
    vv, vy = {vv}
    p = (uy * vv - vy * uv) / (uu * vv - uv**2)
    q = {q}
    return y.mean() - p * u.mean() - q * v.mean(), p, q
"""
RIGHT_VV, RIGHT_Q = "v0 @ v0, v0 @ y0", "(uu * vy - uv * uy) / (uu * vv - uv**2)"


@exercises.differential(
    "two_features",
    wrong={
        TWO.format(vv=RIGHT_VV, q="vy / vv"): "alone",
        TWO.format(vv=RIGHT_VV, q="(uv * uy - uu * vy) / (uu * vv - uv**2)"): "sign",
        TWO.format(vv="v @ v, v @ y", q=RIGHT_Q): "not-centred",
        TWO.format(vv=RIGHT_VV, q="(uy * vv - vy * uv) / (uu * vv - uv**2)"): "same-twice",
        TWO.format(vv="v0 @ y0, v0 @ v0", q=RIGHT_Q): "not-orthogonal",
    },
    hints={
        "alone": [
            "`vy / vv` is the slope of v if there were no u. Section 4 showed what that does to bedrooms.",
            "Both equations together give q. Cramer's rule: replace the second column by the right-hand sides.",
            "The numerator of q is uu·vy − uv·uy.",
        ],
        "sign": ["The size is right. In Cramer's rule for q the product uu·vy comes first."],
        "not-centred": [
            "Look at the line above: from which lists are uu, uv and uy made?",
            "Use v0 and y0, not v and y.",
        ],
        "same-twice": [
            "p replaces the first column by the right-hand sides (uy, vy). Which one does q replace?",
            "The matrix with its second column replaced is [[uu, uy], [uv, vy]]. Its determinant?",
        ],
        "not-orthogonal": [
            "Compare with the second equation above the cell: p (u·v) + q (v·v) = v·y.",
            "vv is v0 @ v0, and vy is v0 @ y0.",
        ],
        "library": ["Leave the other lines as they were, and fill in the two blanks by hand."],
        "raises": ["The first blank is two numbers, separated by a comma."],
    },
)
def check_two_features(two_features):
    _judge_own(two_features, "Two sums and Cramer's rule are all it takes.")
    for seed in range(50):
        rng = np.random.default_rng(seed)
        u, noise = rng.normal(3, 2, size=(2, 12))
        v = 0.6 * u + rng.normal(1, 1, size=12)
        y = 2 - u + 3 * v + noise
        found = two_features(u.copy(), v.copy(), y.copy())
        shape = np.shape(found)
        require(shape == (3,), "shape", f"(intercept, p, q) is wanted: three numbers; found shape {shape}.")
        _judge_two(u, v, y, found, f"seed {seed}")


def _judge_two(u, v, y, found, where):
    u0, v0, y0 = u - u.mean(), v - v.mean(), y - y.mean()
    _, p, q = np.linalg.lstsq(np.column_stack([np.ones(len(y)), u, v]), y, rcond=None)[0]
    _, mine_p, mine_q = found
    if np.allclose(mine_p, p):
        require(not np.isclose(mine_q, v0 @ y0 / (v0 @ v0)), "alone", "q is what v would get without u beside it.")
        require(not np.isclose(mine_q, -q), "sign", f"{where}: q is {mine_q:.4f} and should be {q:.4f}: its sign.")
        require(not np.isclose(mine_q, mine_p), "same-twice", "q is the same number as p: the same formula twice?")
    vv, vy = v @ v, v @ y
    uu, uv, uy = u0 @ u0, u0 @ v0, u0 @ y0
    off = (uy * vv - vy * uv) / (uu * vv - uv**2)
    require(not np.isclose(mine_p, off), "not-centred", "The products of v are taken before its mean is taken away.")
    rest = y - found[0] - mine_p * u - mine_q * v
    for name, column in (("ones", np.ones(len(y))), ("u", u), ("v", v)):
        share = abs(column @ rest) / (np.linalg.norm(column) * np.linalg.norm(y))
        said = f"{where}: residuals times {name} is {share:.1g} of what it can be; at the best fit it is 0."
        require(share < 1e-9, "not-orthogonal", said)


# --- any number of features ---------------------------------------------------------------------------------

FIT = """def fit(features, y):
    X = {X}
    A = {A}
    c = {c}
    beta = {beta}
    return beta
"""
ONES, GRAM, RIGHT, SOLVED = (
    "np.column_stack([np.ones(len(y)), features])",
    "X.T @ X",
    "X.T @ y",
    "np.linalg.solve(A, c)",
)


@exercises.differential(
    "fit",
    wrong={
        FIT.format(X="np.asarray(features)", A=GRAM, c=RIGHT, beta=SOLVED): "no-ones",
        FIT.format(X="np.column_stack([features, np.ones(len(y))])", A=GRAM, c=RIGHT, beta=SOLVED): "order",
        FIT.format(X=ONES, A="X @ X.T", c=RIGHT, beta=SOLVED): "shapes",
        FIT.format(X=ONES, A=GRAM, c=RIGHT, beta="np.linalg.inv(A) * c"): "not-a-list",
        FIT.format(X=ONES, A=GRAM, c=RIGHT, beta="np.linalg.lstsq(X, y, rcond=None)[0]"): "library",
        FIT.format(X="np.hstack([np.ones(len(y)), features])", A=GRAM, c=RIGHT, beta=SOLVED): "raises",
        FIT.format(X=ONES, A=GRAM, c="X.T @ (y - y.mean())", beta=SOLVED): "not-orthogonal",
    },
    hints={
        "no-ones": [
            "Which column of X belongs to the intercept?",
            "A column of ones: np.ones(len(y)). np.column_stack puts it beside the features.",
        ],
        "order": ["The numbers are right, in another order: the intercept is wanted first."],
        "shapes": [
            "How many unknowns are there, and how many equations does your A stand for?",
            "X.T @ X has a row and a column for each coefficient; X @ X.T has them for each house.",
        ],
        "not-a-list": [
            "`*` multiplies element by element; a matrix times a list is `@`.",
            "Better still: np.linalg.solve(A, c) needs no inverse.",
        ],
        "library": ["Steps 2 and 3 are yours: A = …, c = …, and np.linalg.solve for the equations."],
        "not-orthogonal": ["The normal equations are XᵀX β = Xᵀy: compare both sides with your A and c."],
        "changes-input": ["Make a new array for X; do not write into `features` or `y`."],
        "raises": [
            "Print X.shape, A.shape and c.shape for 200 houses with 3 features: (200, 4), (4, 4), (4,).",
            "Xᵀ times X is X.T @ X, and Xᵀ times y is X.T @ y.",
        ],
    },
)
def check_fit(fit):
    _judge_own(fit, "Write the normal equations yourself.")
    for seed in range(50):
        rng = np.random.default_rng(seed)
        features = rng.normal(1, 2, size=(rng.integers(12, 30), rng.integers(1, 6)))
        y = rng.normal(5, 3, size=len(features))
        _judge_fit(fit, features, y, f"seed {seed}")


def _judge_fit(fit, features, y, where):
    given, target = features.copy(), y.copy()
    count = features.shape[1]
    try:
        found = np.asarray(fit(given, target), dtype=float)
    except (ValueError, np.linalg.LinAlgError) as problem:
        solving = isinstance(problem, np.linalg.LinAlgError) or "solve" in str(problem)
        said = f"With {count} features, A has to be {count + 1} by {count + 1}, and c a list of {count + 1} numbers"
        reject("shapes" if solving else "raises", f"{said}; numpy says: {_short(problem, 50)}")
    same = np.array_equal(given, features) and np.array_equal(target, y)
    require(same, "changes-input", "The data are not the same after the call: `fit` writes into what it was given.")
    if found.shape == (count,):
        reject("no-ones", f"{count} features gave {count} numbers; {count + 1} are wanted: where is the intercept?")
    said = f"{count} features give a list of {count + 1} numbers; found shape {found.shape}."
    require(found.shape == (count + 1,), "not-a-list", said)
    columns = np.column_stack([np.ones(len(y)), features])
    reference = np.linalg.lstsq(columns, y, rcond=None)[0]
    last = np.allclose(found, np.roll(reference, -1)) and not np.allclose(found, reference)
    require(not last, "order", "The intercept stands last; it is wanted first.")
    share = abs(columns.T @ (y - columns @ found)) / (np.linalg.norm(columns, axis=0) * np.linalg.norm(y))
    worst = int(share.argmax())
    said = f"{where}: residuals times column {worst} is {share[worst]:.1g} of what it can be; it should be 0."
    require(share.max() < 1e-9, "not-orthogonal", said)


# --- gradient descent ---------------------------------------------------------------------------------------

DESCEND = """def descend(X, y, rate, steps):
    beta = np.zeros(X.shape[1])
    for _ in range(steps):
        gradient = {gradient}
        beta = {beta}
    return beta
"""
DOWN = "-2 / len(y) * X.T @ (y - X @ beta)"
STEP = "beta - rate * gradient"
STALE = """def descend(X, y, rate, steps):
    beta = np.zeros(X.shape[1])
    gradient = -2 / len(y) * X.T @ (y - X @ beta)
    for _ in range(steps):
        beta = beta - rate * gradient
    return beta
"""
EARLY = """def descend(X, y, rate, steps):
    beta = np.zeros(X.shape[1])
    for _ in range(steps):
        gradient = -2 / len(y) * X.T @ (y - X @ beta)
        beta = beta - rate * gradient
        return beta
"""


@exercises.differential(
    "descend",
    wrong={
        DESCEND.format(gradient=DOWN, beta="beta + rate * gradient"): "uphill",
        DESCEND.format(gradient="-1 / len(y) * X.T @ (y - X @ beta)", beta=STEP): "half",
        DESCEND.format(gradient="-2 * X.T @ (y - X @ beta)", beta=STEP): "sum",
        DESCEND.format(gradient="-2 * np.mean(y - X @ beta)", beta=STEP): "one-number",
        STALE: "stale",
        EARLY: "one-step",
        "def descend(X, y, rate, steps): return np.linalg.solve(X.T @ X, X.T @ y)": "solved",
    },
    hints={
        "uphill": [
            "The gradient points to where the loss grows. Which way do you go?",
            "β − η·gradient; and the gradient itself begins with −2/n.",
        ],
        "half": ["The derivative of r² is 2r·r′: where did the 2 go?"],
        "sum": ["The loss is RSS / n, the mean of the squares. Divide by len(y)."],
        "one-number": [
            "The gradient has as many numbers as there are coefficients.",
            "Each column has its own product with the residuals: X.T @ (y − X @ beta).",
        ],
        "stale": ["At each place the slope is another one: compute the gradient inside the loop."],
        "one-step": ["Look how far the `return` is indented.", "It belongs after the loop, at the level of `for`."],
        "solved": ["`rate` and `steps` have to matter: walk, do not solve."],
        "not-there": ["Do one step with pencil and paper for X = [[1, 0], [1, 1]], y = [0, 2] and rate 0.5."],
        "changes-input": ["`beta -= …` is fine for your own zeros; X and y belong to the caller."],
        "raises": ["Start with np.zeros(X.shape[1]): one zero for each column."],
    },
)
def check_descend(descend):
    for seed in range(50):
        rng = np.random.default_rng(seed)
        columns = np.column_stack([np.ones(15), rng.normal(0.5, 1, size=(15, rng.integers(1, 4)))])
        y = rng.normal(3, 2, size=15)
        _judge_first_step(descend, columns, y)
        rate = 1 / np.linalg.eigvalsh(2 / 15 * columns.T @ columns).max()
        for steps in (2, 7, 40):
            _judge_steps(descend, columns, y, rate=rate, steps=steps)


def _judge_first_step(descend, columns, y):
    rate, right = 0.01, 0.01 * 2 / len(y) * columns.T @ y
    given, target = columns.copy(), y.copy()
    found = np.asarray(descend(given, target, rate, 1), dtype=float)
    same = np.array_equal(given, columns) and np.array_equal(target, y)
    require(same, "changes-input", "X or y is not the same after the call.")
    said = (
        f"X has {columns.shape[1]} columns, so {columns.shape[1]} coefficients are wanted; found shape {found.shape}."
    )
    require(found.shape == right.shape, "shape", said)
    best = np.linalg.lstsq(columns, y, rcond=None)[0]
    require(not np.allclose(found, best), "solved", "One step of rate 0.01 lands on the minimum: that is no walk.")
    require(not np.allclose(found, -right), "uphill", "The first step goes up: RSS / n grows.")
    require(not np.allclose(found, right / 2), "half", "The first step is half as long as it should be.")
    require(not np.allclose(found, right * len(y)), "sum", f"The first step is n = {len(y)} times too long.")
    equal = np.allclose(found, found[0]) and not np.allclose(found, right)
    require(not equal, "one-number", "All coefficients move by the same number; each has a derivative of its own.")
    said = f"One step of rate {rate} from zeros leads to {found.round(4)}; expected {right.round(4)}."
    require(np.allclose(found, right, atol=1e-10), "not-there", said)


def _judge_steps(descend, columns, y, *, rate, steps):
    def law(count):
        best = np.linalg.lstsq(columns, y, rcond=None)[0]
        shrink = np.eye(columns.shape[1]) - rate * 2 / len(y) * columns.T @ columns
        return best - np.linalg.matrix_power(shrink, count) @ best

    found, first = np.asarray(descend(columns.copy(), y.copy(), rate, steps), dtype=float), law(1)
    said = f"{steps} steps lead {steps} times as far as one: the gradient of the start is used again and again."
    require(not np.allclose(found, steps * first), "stale", said)
    require(not np.allclose(found, first), "one-step", f"{steps} steps lead no further than one.")
    said = f"After {steps} steps: found {found.round(4)}, expected {law(steps).round(4)}."
    require(np.allclose(found, law(steps), atol=1e-8), "not-there", said)


exercises.answer(
    "rate",
    decimals=3,
    wrong={
        "3.344": "That is the largest eigenvalue; the limit is 2 divided by it.",
        "0.299": "That is 1/λmax, where the error along that direction vanishes in one step. When does it grow?",
        "20.878": "That is 2 divided by the smallest eigenvalue. Which direction runs away first?",
        "1.196": "That is twice the limit: are the 2 and the 1/n of RSS / n both in your matrix?",
        "0.12": "That is the limit for RSS; the loss here is RSS / n.",
    },
    hints={
        "start": ["np.linalg.eigvalsh(hessian) gives both eigenvalues, the smaller one first."],
        "3.344": ["An error times 1 − ηλ shrinks if this lies between −1 and 1. Solve 1 − ηλ = −1 for η."],
        "0.299": ["At η = 1/λ the factor 1 − ηλ is 0. Which η makes it −1?"],
        "20.878": ["At that rate, what is 1 − ηλ for the *other* eigenvalue, 3.34?"],
        "1.196": ["`hessian` has both factors in it already: use it as it is."],
        "0.12": ["`hessian` has the 1/n in it already: use it as it is."],
        "wrong": ["2 / max(np.linalg.eigvalsh(hessian)), with three decimals."],
    },
)


# --- the service --------------------------------------------------------------------------------------------

PRICE = """%%function predict_price --include model.json
import json
import math

with open("model.json") as file:
    model = json.load(file)
NAMES, LARGEST, MOST = ("area", "bedrooms", "baths"), 10_000, 1_000


def checked(house):
{checked}


def price(house):
    terms = zip(NAMES, checked(house), strict=True)
    return model["intercept"] + sum(model["coefficients"][name] * x for name, x in terms)


def handler(event, context):
    http = isinstance(event, dict) and "body" in event
    try:
        found = json.loads(event["body"] or "") if http else event
        houses = found if isinstance(found, list) else [found]
        if not 1 <= len(houses) <= MOST:
            raise ValueError(f"found {{len(houses)}} houses; send 1 to {{MOST}}")
        status, answer = 200, {{"prices": [price(house) for house in houses]}}
    except ValueError as problem:
        status, answer = 400, {{"error": str(problem)}}
    return {{"statusCode": status, "body": json.dumps(answer)}}
"""
BELIEVES = """    return [house[name] for name in NAMES]"""
CONVERTS = """    for name in NAMES:
        if name not in house:
            raise ValueError(f"{name} is missing")
    return [float(house[name]) for name in NAMES]"""
ONLY_TYPES = """    for name in NAMES:
        if name not in house:
            raise ValueError(f"{name} is missing")
        if not isinstance(house[name], (int, float)):
            raise ValueError(f"{name} is not a number")
    return [house[name] for name in NAMES]"""
NO_INFINITY = """    for name in NAMES:
        if name not in house:
            raise ValueError(f"{name} is missing")
        if not isinstance(house[name], (int, float)) or math.isnan(house[name]):
            raise ValueError(f"{name} is not a number")
    return [house[name] for name in NAMES]"""
TRUE_COUNTS = """    if not isinstance(house, dict):
        raise ValueError("a house is an object")
    for name in NAMES:
        if name not in house:
            raise ValueError(f"{name} is missing")
        if not isinstance(house[name], (int, float)) or not 0 <= house[name] <= LARGEST:
            raise ValueError(f"{name} is not a number from 0 to {LARGEST}")
    return [house[name] for name in NAMES]"""
MUTE = """    if not isinstance(house, dict):
        raise ValueError("bad request")
    for name in NAMES:
        value = house.get(name)
        if type(value) not in (int, float) or not 0 <= value <= LARGEST:
            raise ValueError("bad request")
    return [house[name] for name in NAMES]"""
NO_HOUSE = """    for name in NAMES:
        if name not in house:
            raise ValueError(f"{name} is missing")
        value = house[name]
        if type(value) not in (int, float) or not 0 <= value <= LARGEST:
            raise ValueError(f"{name} is {value!r}")
    return [house[name] for name in NAMES]"""
AS_SENT = """    if not isinstance(house, dict):
        raise ValueError("a house is an object")
    for name in NAMES:
        if name not in house:
            raise ValueError(f"{name} is missing")
        value = house[name]
        if type(value) not in (int, float) or not 0 <= value <= LARGEST:
            raise ValueError(f"{name} is {value!r}")
    return list(house.values())"""


@exercises.behaviour(
    "predict_price",
    wrong={
        PRICE.format(checked=BELIEVES): "missing-key",
        PRICE.format(checked=CONVERTS): "text",
        PRICE.format(checked=ONLY_TYPES): "nan",
        PRICE.format(checked=NO_INFINITY): "out-of-range",
        PRICE.format(checked=TRUE_COUNTS): "true-counts",
        PRICE.format(checked=NO_HOUSE): "no-house",
        PRICE.format(checked=MUTE): "mute",
        PRICE.format(checked=AS_SENT): "order",
    },
    hints={
        "missing-key": [
            "`house[name]` raises a KeyError, and the handler turns only a ValueError into a 400.",
            'Before you read it: if name not in house: raise ValueError(f"{name} is missing").',
        ],
        "text": [
            'JSON has texts and numbers, and `"84"` is a text. Whoever sends it has a mistake worth knowing.',
            "Look at the type: type(value) in (int, float).",
        ],
        "nan": [
            "What is `float('nan') > 5`? And `float('nan') <= 5`?",
            "Both are False; NaN is in no range. So `not 0 <= value <= LARGEST` refuses it.",
        ],
        "out-of-range": ["One comparison does it, for NaN too: not 0 <= value <= LARGEST."],
        "true-counts": [
            "In Python, isinstance(True, int) is True: bool is a kind of int.",
            "type(value) in (int, float) takes numbers only.",
        ],
        "no-house": [
            "`name in house` fails for a number, and looks for a part of the word in a text.",
            "First of all: if not isinstance(house, dict): raise ValueError(...).",
        ],
        "mute": ['Put the name into the text: f"{name} is {value!r}; …". Who reads it has to find it in their data.'],
        "order": ["A JSON object has no order that you may rely on. Read by name: [house[name] for name in NAMES]."],
        "wrong-price": ["Return the numbers as they came: no rounding, no int, no default for what is missing."],
        "refuses-good": ["A house with an int and a house with floats are both good, and so is 0 baths."],
        "raises": ["Invoke it with one good house, and read the error's last line."],
    },
)
def check_predict_price(predict_price, numbers):
    house = {"area": 84, "bedrooms": 3, "baths": 1}
    other = {"area": 120.5, "bedrooms": 0, "baths": 2.0}
    wanted = [_price(numbers, one) for one in (house, other)]
    _judge_good(predict_price, house, wanted[:1], "wrong-price")
    _judge_good(predict_price, [house, other], wanted, "wrong-price")
    _judge_good(predict_price, dict(reversed(other.items())), wanted[1:], "order")
    no_baths = {"area": 84, "bedrooms": 3}
    _judge_refused(predict_price, no_baths, "missing-key", "baths")
    _judge_refused(predict_price, [house, {"bedrooms": 3, "baths": 1}], "missing-key", "area")
    for value in ("84", None, [84]):
        _judge_refused(predict_price, {**house, "area": value}, "text", "area")
    _judge_refused(predict_price, {**house, "bedrooms": math.nan}, "nan", "bedrooms")
    for value in (math.inf, -84, 1e300, 10_001):
        _judge_refused(predict_price, {**house, "area": value}, "out-of-range", "area")
    _judge_refused(predict_price, {**house, "baths": True}, "true-counts", "baths")
    for value in ([84, 3, 1], ["area bedrooms baths"], [None]):
        _judge_refused(predict_price, value, "no-house", "")
    for body in ("[]", "area=84", json.dumps([house] * 1001)):
        _judge_refused(predict_price, body, "handler", "")


def _price(numbers, house):
    return numbers["intercept"] + sum(b * house[name] for name, b in numbers["coefficients"].items())


def _judge_good(function, event, wanted, diagnosis):
    outcome = function.invoke(event)
    if outcome.error is not None:
        reject("raises", f"A good house fails: {outcome.error.error_type}: {_short(outcome.error.message)}")
    status, answer = _answer(outcome)
    require(status == 200, "refuses-good", f"{event} is good, and is answered {status}: {answer.get('error')}.")
    found = answer.get("prices")
    if np.shape(found) != (len(wanted),) or not np.allclose(found, wanted):
        said = " The same fields, sent in another order, are another house." if diagnosis == "order" else ""
        reject(diagnosis, f"{event}: found {found}, expected {[round(w, 3) for w in wanted]}.{said}")


def _judge_refused(function, event, diagnosis, name):
    body = event if isinstance(event, str) else json.dumps(event)
    shown = body if len(body) < 60 else body[:57] + "..."
    outcome = function.invoke({"body": body})
    if outcome.error is not None:
        kind = outcome.error.error_type
        reject(diagnosis, f"{shown} makes the function fail ({kind}); answer it with status 400.")
    status, answer = _answer(outcome)
    require(status == 400, diagnosis, f"{shown} is answered with status {status}; it should be 400.")
    said = str(answer.get("error", ""))
    require(name in said, "mute", f"{shown} is answered {said!r}; the message should name the field, {name}.")


def _answer(outcome):
    """Status and content of an answer; `body` is text that holds JSON, as behind a URL."""
    payload = outcome.payload
    if not isinstance(payload, dict) or not {"statusCode", "body"} <= set(payload):
        reject("no-status", f"The answer is {_short(payload, 40)} An object with statusCode and body is wanted.")
    try:
        answer = json.loads(payload["body"])
    except (TypeError, ValueError):
        reject("body", f"The body is {_short(repr(payload['body']), 40)} JSON as text is wanted: json.dumps(...).")
    return payload["statusCode"], answer if isinstance(answer, dict) else {}


# --- the repair shop ----------------------------------------------------------------------------------------

REPAIR = """%%function repaired --include model.json
import json

import numpy as np

with open("model.json") as file:
    model = json.load(file)
weights = np.array(list(model["coefficients"].values()))


def predict(table):
    if table.ndim != 2:
        raise ValueError(f"Expected 2D array, got {{table.ndim}}D array instead")
    return model["intercept"] + table @ weights


def handler(event, context):
    wanted = {wanted}
    return {{"statusCode": 200, "body": json.dumps({{"prediction": {prediction}}})}}
"""
REFUSES_ALL = """%%function repaired --include model.json
import json

import numpy as np

with open("model.json") as file:
    model = json.load(file)
weights = np.array(list(model["coefficients"].values()))


def handler(event, context):
    table = np.array(json.loads(event["body"])["input"])
    if table.ndim != 2:
        return {"statusCode": 400, "body": json.dumps({"error": "a table is wanted"})}
    prices = model["intercept"] + table @ weights
    return {"statusCode": 200, "body": json.dumps({"prediction": prices.tolist()})}
"""
PARSED, LISTED = 'np.array(json.loads(event["body"])["input"])', "predict(wanted).tolist()"


@exercises.behaviour(
    "repaired",
    wrong={
        REPAIR.format(wanted=PARSED, prediction=LISTED): "still-crashes",
        REPAIR.format(wanted=f"{PARSED}.reshape(1, -1)", prediction=LISTED): "table-broken",
        REPAIR.format(wanted=f"{PARSED}.reshape(-1, 1)", prediction=LISTED): "sideways",
        REPAIR.format(wanted=f"np.atleast_2d({PARSED})", prediction=LISTED): "no-400",
        REPAIR.format(wanted=f"np.atleast_2d({PARSED})", prediction="predict(wanted).tolist()[0]"): "no-list",
        REFUSES_ALL: "refuses-one",
    },
    hints={
        "still-crashes": [
            "[84, 3, 1] has one dimension, a table has two: one row.",
            "np.atleast_2d makes a table of one row out of it, and leaves tables as they are.",
        ],
        "table-broken": [
            "reshape(1, -1) puts everything into one row, also two houses.",
            "Reshape only what has one dimension, or use np.atleast_2d.",
        ],
        "sideways": ["reshape(-1, 1) makes three rows with one number each. One house is one *row*."],
        "no-400": [
            "Which exceptions can these lines raise? Catch those, and answer 400.",
            "ValueError for rows of a wrong length, KeyError for a missing `input`, TypeError for null.",
        ],
        "no-list": ["A caller should not need to know how many houses they sent: always a list."],
        "refuses-one": ["One house is what most callers send. Serve it."],
    },
)
def check_repaired(repaired, numbers):
    rows = [[84, 3, 1], [120, 4, 2], [55.5, 1, 1]]
    wanted = [_price(numbers, dict(zip(numbers["coefficients"], row, strict=True))) for row in rows]
    _judge_one_row(repaired, rows[0], wanted[0])
    status, answer = _answer(_called(repaired, rows, "table-broken", "A table of three houses"))
    found = answer.get("prediction")
    right = status == 200 and np.shape(found) == (3,) and np.allclose(found, wanted)
    said = f"A table of three houses: status {status}, found {found}; expected {np.round(wanted, 3).tolist()}."
    require(right, "table-broken", said)
    for rubbish in ([84, 3], [[84, 3, 1], [120, 4]], ["a", "b", "c"], [], None):
        payload = _called(repaired, rubbish, "no-400", f"The input {rubbish}").payload
        status = payload.get("statusCode") if isinstance(payload, dict) else None
        require(status == 400, "no-400", f"The input {rubbish} is answered with status {status}; it should be 400.")


def _judge_one_row(function, row, wanted):
    outcome = function.invoke({"body": json.dumps({"input": row})})
    if outcome.error is not None:
        said = f"One house fails: {outcome.error.error_type}: {_short(outcome.error.message)}"
        reject("sideways" if "matmul" in outcome.error.message else "still-crashes", said)
    status, answer = _answer(outcome)
    require(status == 200, "refuses-one", f"One house is answered with status {status}; it should be 200.")
    found = answer.get("prediction")
    require(np.ndim(found) == 1, "no-list", f"One house is answered {found}; a list with one number is wanted.")
    right = len(found) == 1 and np.allclose(found, [wanted])
    require(right, "wrong-price", f"One house is answered {found}; expected [{wanted:.3f}].")


def _called(function, data, diagnosis, what):
    outcome = function.invoke({"body": json.dumps({"input": data})})
    if outcome.error is not None:
        reject(diagnosis, f"{what} fails: {outcome.error.error_type}: {_short(outcome.error.message)}")
    return outcome


TEST_HEAD = """def test_one_house(call):
    answer = call({"body": json.dumps({"input": %s})})
    %s
"""


@exercises.property(
    "test_one_house",
    wrong={
        TEST_HEAD % ("[[84, 3, 1]]", 'assert answer["statusCode"] == 200'): "passes-article",
        TEST_HEAD % ("[84, 3, 1]", 'assert answer["statusCode"] == 200'): "passes-wrong-price",
        TEST_HEAD % ("[84, 3, 1]", 'assert json.loads(answer["body"])["prediction"] == [308.0]'): "fails-good",
        TEST_HEAD % ("[84, 3, 1]", 'return answer["statusCode"] == 200'): "no-assert",
        TEST_HEAD
        % ("[84, 3, 1]", 'assert np.allclose(json.loads(answer["body"])["prediction"], expected)'): "passes-two",
    },
    hints={
        "passes-article": [
            "Which of the two calls above crashed? Your test has to make that one.",
            'json.dumps({"input": [84, 3, 1]}): one pair of brackets; and send it by `call`, not by `repaired`.',
        ],
        "passes-wrong-price": [
            "Status 200 with a wrong price is the worst answer of all. Look into the body.",
            '[found] = json.loads(answer["body"])["prediction"] takes the one price out of the list.',
            "Then compare it: assert np.isclose(found, expected).",
        ],
        "passes-two": [
            "np.allclose([308, 308], [308]) is True: numpy repeats the shorter list.",
            "Assert the length too, or unpack: [found] = prices fails unless there is exactly one.",
        ],
        "passes-none": [
            "np.allclose([], [308]) is True: there is nothing in it that differs.",
            "Assert the length too, or unpack: [found] = prices fails unless there is exactly one.",
        ],
        "fails-good": [
            "Run it by hand: test_one_house(lambda event: repaired.invoke(event).payload). What does it say?",
            "Compare floats with np.isclose, and with `expected`.",
        ],
        "no-assert": ["A test says no by raising: `assert condition`. What it returns, nobody looks at."],
    },
)
def check_test_one_house(test_one_house, numbers):
    test = inspect.unwrap(test_one_house)  # a test returns nothing, and that is right
    for name, call in (("a repaired handler", _good(numbers)), ("one that rounds to 9 digits", _good(numbers, 9))):
        problem = _failure(test, call)
        require(problem is None, "fails-good", f"Your test refuses {name}, though its answer is right: {problem}.")
    returned = _returned(test, _good(numbers))
    broken = {
        "passes-article": ("the article's handler, which fails with one house", _article(numbers)),
        "passes-wrong-price": ("a handler that answers 200 and a wrong price", _good(numbers, off=1.0)),
        "passes-two": ("a handler that answers one house with two prices", _good(numbers, times=2)),
        "passes-none": ("a handler that answers one house with an empty list", _good(numbers, times=0)),
    }
    for diagnosis, (name, call) in broken.items():
        if _failure(test, call) is None:
            said = " It returns its verdict; a test has to raise." if returned is not None else ""
            reject("no-assert" if returned is not None else diagnosis, f"Your test accepts {name}.{said}")


def _rows(event):
    return json.loads(event["body"])["input"]


def _good(numbers, digits=15, *, off=0.0, times=1):
    """A handler that serves one house and tables; with a mistake of this size, or each price so many times."""

    def call(event):
        table = np.atleast_2d(_rows(event)).tolist()
        prices = [_price(numbers, dict(zip(numbers["coefficients"], row, strict=True))) + off for row in table]
        prices = [float(f"{price:.{digits}g}") for price in prices for _ in range(times)]
        return {"statusCode": 200, "body": json.dumps({"prediction": prices})}

    return call


def _article(numbers):
    """What a caller of the article's handler gets: for one house, the error."""
    good = _good(numbers)

    def call(event):
        if np.ndim(_rows(event)) == 2:
            return good(event)
        said = "Expected 2D array, got 1D array instead"
        return {"errorMessage": said, "errorType": "ValueError", "requestId": "0", "stackTrace": []}

    return call


def _failure(test, call):
    """Why a test fails, or None."""
    try:
        test(call)
    except Exception as problem:  # whatever a test raises is its no
        return f"{type(problem).__name__}: {str(problem)[:70]}".rstrip(": ")
    return None


def _returned(test, call):
    try:
        return test(call)
    except Exception:  # it was asked before
        return None


# --- absolute values ----------------------------------------------------------------------------------------

exercises.answer(
    "waits",
    decimals=1,
    wrong={
        "15": "That is the mean: it makes the sum of squares smallest, and one long wait drags it along.",
        "3": "Count: one customer waited less than 3 minutes, and three waited longer.",
        "2": "All others lie above: moving m up by one makes four distances shorter and one longer.",
        "61": "That is the customer who should count least here.",
        "0": "0 is what has to come out of a sum; which m makes it so?",
    },
    hints={
        "start": ["sign(r) is +1 for those above m and −1 for those below. When do they cancel?"],
        "15": ["Σ rᵢ = 0 belongs to squares. Here it is Σ sign(rᵢ) = 0: how many above, how many below?"],
        "3": ["As many customers have to lie above m as below it."],
        "2": ["As many customers have to lie above m as below it."],
        "61": ["As many customers have to lie above m as below it."],
        "0": ["As many customers have to lie above m as below it: take the one in the middle."],
        "wrong": ["As many above as below: the median. Sort the five and take the middle one."],
    },
)

exercises.explain(
    "squares",
    words=8,
    hints={
        "start": [
            "What did calculus need in section 1, and what kind of equations came out?",
            "Section 11: how many lines were best by absolute residuals, and what did the typing mistake do?",
        ],
        "too-short": ["One advantage and one cost: a full sentence."],
    },
)

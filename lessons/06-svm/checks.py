"""The exercises of lesson 06: streets, their certificates, and what a deployed one owes its callers."""

# ruff: noqa: N803, N806 - X, K and C are the names of the lesson

import json

import numpy as np

from labkit.lesson.exercises import Exercises, names_used, reject, require
from labkit.numerics.svm import kernel_svm

exercises = Exercises()

exercises.answer(
    "street",
    decimals=3,
    wrong={
        "0.2": "That is 2/d, the length of w. α times d gives that length.",
        "0.01": "That is 1/d². The street is d wide, and 2/‖w‖ = d: look where the 2 goes.",
        "10": "That is the distance d, and the width of the street. How hard does each row push?",
        "0.04": "0.04 would be right for d² = 50. The differences here are 6 and 8.",
    },
    hints={
        "0.2": ["w = α (x₊ - x₋), so ‖w‖ = α d.", "‖w‖ = 2/d. Divide by d once more."],
        "0.01": ["The width is 2/‖w‖, not 1/‖w‖: both curbs count.", "α = 2/d² with d = 10."],
        "10": ["The width is 2/‖w‖ = d; so what is ‖w‖?", "‖w‖ = α d. Solve for α."],
        "0.04": ["d² = 6² + 8².", "α = 2/d²."],
        "start": ["First the distance d of the two rows.", "Then α = 2/d²."],
    },
)

exercises.explain("few", words=8)
exercises.explain("losses", words=10)


# --- the kernel ---------------------------------------------------------------------------------------------

PHI = "def phi(rows):\n    x1, x2 = rows[:, 0], rows[:, 1]\n    one, r = np.ones(len(rows)), np.sqrt(2)\n    return "


@exercises.property(
    "phi",
    wrong={
        PHI + "np.column_stack([one, x1, x2, x1**2, x2**2, x1 * x2])": "root",
        PHI + "np.column_stack([one, 2 * x1, 2 * x2, x1**2, x2**2, 2 * x1 * x2])": "twice",
        PHI + "np.column_stack([r * x1, r * x2, x1**2, x2**2, r * x1 * x2])": "shape",
        PHI + "np.array([one, r * x1, r * x2, x1**2, x2**2, r * x1 * x2])": "turned",
    },
    hints={
        "root": [
            "The formula has 2·x₁z₁. Your product has 1·x₁z₁.",
            "The 2 must be shared by both sides: which number times itself is 2?",
        ],
        "twice": ["A 2 in phi(x) meets a 2 in phi(z): 4·x₁z₁. The formula has 2.", "Take the root of 2 on each side."],
        "shape": ["Count the terms of the formula: six.", "The 1 is a feature, too."],
        "turned": ["One row of phi for each row of data: np.column_stack does that."],
        "differs": ["Write the six terms below each other, and split each into (part of x) · (part of z)."],
        "start": ["The first feature is 1 for every row.", "2·x₁z₁ = (√2 x₁)(√2 z₁)."],
    },
)
def check_phi(phi):
    """The kernel of the features is the formula, for random rows."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(5, 2)), rng.normal(size=(4, 2))
    left, right = np.asarray(phi(a), float), np.asarray(phi(b), float)
    if left.shape == (6, 5):
        reject("turned", "phi gives the shape (6, 5) for 5 rows; (5, 6) is wanted: one row for each row.")
    if left.shape != (5, 6):
        reject("shape", f"phi gives the shape {left.shape} for 5 rows; (5, 6) is wanted, one column for each term.")
    found, wanted = left @ right.T, (1 + a @ b.T) ** 2
    dot, own = a @ b.T, (a**2) @ (b**2).T
    cross = (a[:, :1] * a[:, 1:]) @ (b[:, :1] * b[:, 1:]).T
    if np.allclose(found, 1 + dot + own + cross):
        reject("root", "The mixed and the linear terms count once; (1 + x·z)² has them twice. A factor is missing.")
    if np.allclose(found, 1 + 4 * dot + own + 4 * cross):
        reject("twice", "The mixed and the linear terms count four times; (1 + x·z)² has them twice.")
    worst = np.abs(found - wanted).max()
    require(np.allclose(found, wanted, rtol=1e-10), "differs", f"phi(A) @ phi(B).T is off by up to {worst:.2g}.")


# --- the climb ----------------------------------------------------------------------------------------------

PAIR = """def pair_step(K, y, alpha, i, j, C):
    pull = y - K @ (alpha * y)
    bend = {bend}
    step = {step}
    room_i = C - alpha[i] if y[i] > 0 else alpha[i]
    room_j = alpha[j] if y[j] > 0 else C - alpha[j]
    step = {clip}
    moved = {start}
    moved[i] += y[i] * step
    moved[j] -= y[j] * step
    return moved
"""


def _pair(**changed):
    right = {
        "bend": "K[i, i] + K[j, j] - 2 * K[i, j]",
        "step": "(pull[i] - pull[j]) / bend",
        "clip": "min(step, room_i, room_j)",
        "start": "alpha.copy()",
    }
    return PAIR.format(**{**right, **changed})


def _pairs(seeds):
    """Random problems, and a pair that disagrees in each."""
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        n, C = int(rng.integers(4, 9)), (2.0, 100.0)[seed % 2]
        rows = rng.normal(size=(n, 3))
        y = np.where(rng.permutation(n) < n // 2, 1.0, -1.0)
        K, alpha = rows @ rows.T, rng.uniform(0.2, 0.8, n)
        pull = y - K @ (alpha * y)
        yield seed, K, y, alpha, int(np.argmax(pull)), int(np.argmin(pull)), C


@exercises.differential(
    "pair",
    wrong={
        _pair(bend="K[i, i] + K[j, j] + 2 * K[i, j]"): "bend-sign",
        _pair(bend="K[i, i] + K[j, j]"): "bend-cross",
        _pair(step="(pull[i] + pull[j]) / bend"): "pull-sum",
        _pair(step="(pull[i] - pull[j]) / (2 * bend)"): "half",
        _pair(step="pull[i] - pull[j]"): "no-bend",
        _pair(clip="step"): "wall",
        _pair(start="alpha"): "changes-alpha",
    },
    hints={
        "bend-sign": [
            "In section 1 the bend was the squared distance of the two rows.",
            "‖x_i - x_j‖² = K_ii + K_jj - 2 K_ij.",
        ],
        "bend-cross": ["Rows that are not at right angles have K_ij ≠ 0.", "‖x_i - x_j‖² has three terms."],
        "pull-sum": [
            "α_i y_i goes up by t, α_j y_j goes down by t: the slopes are subtracted.",
            "Slope = pull_i - pull_j; two rows that agree should not move.",
        ],
        "half": [
            "D along the pair is slope·t - ½·bend·t². Where is its derivative 0?",
            "slope - bend·t = 0, so t = slope / bend.",
        ],
        "no-bend": ["The slope says where to, not how far.", "The top of slope·t - ½·bend·t² is at slope / bend."],
        "wall": ["min(step, room_i, room_j) keeps both α in the box."],
        "changes-alpha": ["`alpha.copy()` first: the caller still needs the old one."],
        "start": ["The bend is the squared distance of the two rows, written with K.", "The step is slope / bend."],
    },
)
def check_pair(pair_step):
    """The step's length tells which formula was used."""
    hit_a_wall, unnamed = 0, ""
    for seed, K, y, alpha, i, j, C in _pairs(60):
        before = alpha.copy()
        moved = np.asarray(pair_step(K, y, alpha, i, j, C), float)
        require(np.array_equal(alpha, before), "changes-alpha", f"seed {seed}: your step changes its input `alpha`.")
        require(moved.shape == alpha.shape, "shape", f"The shape is {moved.shape}; {alpha.shape} is wanted.")
        pull = y - K @ (alpha * y)
        slope, bend = pull[i] - pull[j], K[i, i] + K[j, j] - 2 * K[i, j]
        room = min(C - alpha[i] if y[i] > 0 else alpha[i], alpha[j] if y[j] > 0 else C - alpha[j])
        hit_a_wall += slope / bend > room
        found, wanted = (moved[i] - alpha[i]) * y[i], min(slope / bend, room)
        if not np.isclose(found, wanted, rtol=1e-9, atol=1e-12):
            unnamed = unnamed or _named(seed, found, wanted, (slope, bend, room), (K, pull, i, j))
        others = np.delete(np.arange(len(y)), [i, j])
        still = np.allclose(moved[others], alpha[others]) and np.isclose(moved @ y, alpha @ y)
        require(still, "others", f"seed {seed}: Σ αy or another α has changed; only α_i and α_j may move, by ±step.")
    require(not unnamed, "differs", f"{unnamed} Look at the pair's slope and its bend.")
    assert 5 < hit_a_wall < 55


def _named(seed, found, wanted, sizes, problem):
    """Rejects if one fault alone explains the step; otherwise says what was found."""
    slope, bend, room = sizes
    K, pull, i, j = problem
    told = f"seed {seed}: the step is {found:.4g}, and should be {wanted:.4g}."
    cross = K[i, i] + K[j, j]
    named = {
        "wall": (slope / bend, "It leaves the box 0..C."),
        "bend-sign": (min(slope / (cross + 2 * K[i, j]), room), "Your bend adds 2·K_ij."),
        "bend-cross": (min(slope / cross, room), "Your bend leaves K_ij out."),
        "pull-sum": (min((pull[i] + pull[j]) / bend, room), "It comes from the sum of the pulls."),
        "half": (min(slope / bend / 2, room), "It goes half of the way to the top."),
        "no-bend": (min(slope, room), "It is the slope alone, however strong the bend is."),
    }
    matching = [(name, words) for name, (step, words) in named.items() if np.isclose(found, step, rtol=1e-9)]
    if len(matching) == 1:
        reject(matching[0][0], f"{told} {matching[0][1]}")
    return told


SMO = """def smo(K, y, C, tol=1e-6):
    alpha = np.zeros(len(y))
    for attempt in range(5000):
        pull = {pull}
        below, above = alpha < C * (1 - 1e-9), alpha > C * 1e-9
        up, down = np.where(y > 0, below, above), np.where(y > 0, above, below)
        i = np.argmax(np.where(up, pull, -np.inf))
        j = {j}
        if {stop}:
            break
        alpha = pair_step(K, y, alpha, i, j, C)
    b = {b}
    return alpha, b
"""


def _smo(**changed):
    right = {
        "pull": "y - K @ (alpha * y)",
        "j": "np.argmin(np.where(down, pull, np.inf))",
        "stop": "pull[i] - pull[j] < tol",
        "b": "(pull[i] + pull[j]) / 2",
    }
    return SMO.format(**{**right, **changed})


@exercises.property(
    "smo",
    wrong={
        _smo(pull="y - K @ alpha"): "not-best",
        _smo(j="np.argmax(np.where(down, pull, -np.inf))"): "not-best",
        _smo(stop="pull[i] - pull[j] > tol"): "no-step",
        _smo(stop="pull[i] - pull[j] < 0.5"): "too-early",
        _smo(b="pull.mean()"): "offset",
        _smo(b="-(pull[i] + pull[j]) / 2"): "offset-sign",
        """def smo(K, y, C, tol=1e-6):
    from sklearn.svm import SVC
    machine = SVC(C=C, kernel="precomputed", tol=tol).fit(K, y)
    alpha = np.zeros(len(y))
    alpha[machine.support_] = np.abs(machine.dual_coef_[0])
    return alpha, machine.intercept_[0]
""": "library",
    },
    hints={
        "not-best": [
            "The score of row k is Σ α_j y_j K_kj. Are the labels in your sum? K @ (alpha * y).",
            "`i` has the largest pull. Who disagrees most with it? The smallest pull of those that may go down.",
            "That is np.argmin, and np.inf for rows that may not go down.",
        ],
        "no-step": ["At the beginning every pair of different labels disagrees by 2. Is that agreement?", "Below tol."],
        "too-early": ["When may it stop? When no pair disagrees by more than `tol`."],
        "offset": [
            "Only rows on the curb say what b is: for them y = score + b.",
            "At the end, pull[i] and pull[j] are equal up to tol. That common pull is b.",
        ],
        "offset-sign": ["On the curb: y = score + b, so b = y - score. What is the pull?"],
        "library": ["No scikit-learn and no labkit.numerics: the four blanks are all you need."],
        "start": ["The pull is the first line of pair_step.", "b is the common pull of i and j at the end."],
    },
)
def check_smo(smo, pair_step):
    """The KKT conditions and the gap, on random problems: nothing to compare with, only what must hold."""
    banned = [name for name in names_used(smo) if name.startswith(("sklearn", "labkit"))]
    require(not banned, "library", f"`smo` uses {banned[0] if banned else ''}; climb by your own steps.")
    for seed in range(12):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(16, 2))
        y = np.where(rows @ [1.0, 0.5] + 0.4 + 0.6 * rng.normal(size=16) > 0, 1.0, -1.0)
        C = (0.3, 1.0, 5.0)[seed % 3]
        K = rows @ rows.T
        result = smo(K, y, C)
        require(isinstance(result, tuple) and len(result) == 2, "shape", "smo should return two things: alpha, b.")
        alpha, b = np.asarray(result[0], float), float(result[1])
        _holds(seed, K, y, alpha, b, C)


def _holds(seed, K, y, alpha, b, C):
    case = f"seed {seed}, C = {C:g}"
    require(alpha.shape == y.shape, "shape", f"{case}: alpha has the shape {alpha.shape}; {y.shape} is wanted.")
    require(alpha.max() > 0, "no-step", f"{case}: all alpha are 0. It stopped before the first step.")
    inside = alpha.min() > -1e-9 and alpha.max() < C + 1e-9 and abs(alpha @ y) < 1e-9
    require(inside, "rules", f"{case}: an alpha is outside of 0..C, or Σ αy is {alpha @ y:.2g} and not 0.")
    pull = y - K @ (alpha * y)
    below, above = alpha < C * (1 - 1e-8), alpha > C * 1e-8
    most = pull[np.where(y > 0, below, above)].max()
    least = pull[np.where(y > 0, above, below)].min()
    if most - least > 1e-3:
        best = kernel_svm(K, y, C=C)
        reached = alpha.sum() - alpha * y @ K @ (alpha * y) / 2
        name = "not-best" if not np.isclose(reached, best.certificate.dual, rtol=0.1) else "too-early"
        reject(
            name,
            f"{case}: D is {reached:.4g}, and {best.certificate.dual:.4g} can be reached: two rows that may still move "
            f"disagree by {most - least:.2g}. "
            + ("Look at the pull, and at the choice of j." if name == "not-best" else "It stopped too early."),
        )
    low, high = min(least, most) - 1e-5, max(least, most) + 1e-5
    if not low <= b <= high:
        turned = low <= -b <= high
        reject(
            "offset-sign" if turned else "offset",
            f"{case}: alpha is right, b is {b:.4g}. On the curb y - score is {(most + least) / 2:.4g}"
            + (": the sign of b is wrong." if turned else ", and that is b."),
        )


ASCEND = """def ascend(K, y, C, tol=1e-8):
    alpha = np.zeros(len(y))
    for _ in range({rounds}):
        pull = 1 - y * (K @ (alpha * y))
        free = np.where(pull > 0, alpha < C, alpha > 0)
        i = np.argmax(np.where(free, np.abs(pull), 0))
        if not free[i] or abs(pull[i]) < tol:
            break
        alpha[i] = {new}
    return alpha
"""


@exercises.differential(
    "origin",
    wrong={
        "def ascend(K, y, C, tol=1e-8): return smo(K, y, C)[0]": "balanced",
        "def ascend(K, y, C, tol=1e-8): return smo(K, y, C)": "shape",
        ASCEND.format(rounds=2000, new="max(alpha[i] + pull[i] / K[i, i], 0)"): "box",
        ASCEND.format(rounds=3, new="np.clip(alpha[i] + pull[i] / K[i, i], 0, C)"): "not-there",
        ASCEND.format(rounds=2000, new="np.clip(pull[i] / K[i, i], 0, C)"): "not-there",
    },
    hints={
        "balanced": [
            "smo keeps Σ αy = 0. Without b nothing asks for that, and D can rise higher.",
            "Move one α at a time: slope 1 - y_i·score_i, bend K_ii.",
        ],
        "shape": ["There is no b here: alpha alone is the result."],
        "box": ["0 ≤ α ≤ C has two walls.", "np.clip(new, 0, C)."],
        "not-there": [
            "Loop until no coordinate that may move has a slope above tol.",
            "A row at 0 may only rise, a row at C only fall; the others may do both.",
            "The step is added to the old alpha[i], and the sum is clipped.",
        ],
        "start": [
            "pull = 1 - y * (K @ (alpha * y)) is the slope of D along each α.",
            "Take the row with the largest |pull| that may move, and set alpha[i] += pull[i] / K[i, i].",
            "Then clip to 0..C, and begin again.",
        ],
    },
)
def check_origin(ascend):
    """Against labkit's reference without an intercept."""
    for seed in range(12):
        rng = np.random.default_rng(100 + seed)
        rows = rng.normal(size=(14, 3)) + 0.5
        y = np.where(rows @ [1.0, -1.0, 0.3] + 0.5 * rng.normal(size=14) > 0, 1.0, -1.0)
        C, K = (0.2, 1.0, 4.0)[seed % 3], rows @ rows.T
        found = ascend(K, y, C)
        if isinstance(found, tuple) or np.shape(found) != y.shape:
            reject("shape", f"ascend should return alpha, of the shape {y.shape}; found {_said(found)}.")
        alpha = np.asarray(found, float)
        best = kernel_svm(K, y, C=C, intercept=False)
        case = f"seed {100 + seed}, C = {C:g}"
        outside = alpha.min() < -1e-9 or alpha.max() > C + 1e-9
        require(not outside, "box", f"{case}: alpha goes from {alpha.min():.3g} to {alpha.max():.3g}, out of 0..{C:g}.")
        reached, top = alpha.sum() - alpha * y @ K @ (alpha * y) / 2, best.certificate.dual
        if top - reached > 1e-5 * top:
            with_b = kernel_svm(K, y, C=C).certificate.dual
            if np.isclose(reached, with_b, rtol=1e-5):
                reject(
                    "balanced", f"{case}: D is {reached:.6g}, the best *with* b. Without b, {top:.6g} can be reached."
                )
            reject("not-there", f"{case}: D is {reached:.6g}; {top:.6g} can be reached. It stopped on the way.")


def _said(value):
    return f"a {type(value).__name__}" if isinstance(value, tuple) else f"the shape {np.shape(value)}"


# --- the deployed line --------------------------------------------------------------------------------------

LINE = """%%function classify_line --include model.line.json
import json

with open("model.line.json") as file:
    line = json.load(file)


def handler(event, context):
    rows, labels = event["rows"], []
    {before}
    for row in rows:
        score = line["b"]
        for w, x, m, s in zip(line["w"], row, {mean}, {scale}, strict=True):
            score += w * {term}
        labels.append("malignant" if score > 0 else "benign")
    return {{"labels": labels}}
"""


def _line(**changed):
    right = {"before": "pass", "mean": "line['mean']", "scale": "line['scale']", "term": "(x - m) / s"}
    return LINE.format(**{**right, **changed})


OWN_MEAN = """columns = list(zip(*rows))
    mean = [sum(c) / len(c) for c in columns]
    scale = [(sum((x - m) ** 2 for x in c) / len(c)) ** 0.5 or 1 for c, m in zip(columns, mean)]"""


@exercises.behaviour(
    "repair",
    wrong={
        _line(term="x"): "unscaled",
        _line(term="x / s"): "no-mean",
        _line(before=OWN_MEAN, mean="mean", scale="scale"): "batch",
        _line(term="(x - m) * s"): "differs",
    },
    hints={
        "unscaled": [
            "The machine was fitted to (x - m)/s. What does your score use?",
            "m and s are in the file: line['mean'], line['scale'].",
        ],
        "no-mean": [
            "Standardised means: minus the mean first, then divided by the scale.",
            "If you fold: b changes, too. b - Σ w·m/s.",
        ],
        "batch": [
            "Send one patient alone: what are its mean and its scale?",
            "The mean and the scale are those of the training rows. They are part of the model.",
        ],
        "differs": [
            "Compare one score with machine.decision_function(Z_test[:1]).",
            "(x - m) / s, feature by feature.",
        ],
        "start": ["Copy classify_broken. One line of it is wrong: the one with the sum."],
    },
)
def check_repair(classify_line, X_test, line_says, line):
    """Raw rows give the notebook's labels, all at once and one by one."""
    found = _labels(classify_line, X_test)
    one = [_labels(classify_line, X_test[k : k + 1])[0] for k in range(4)]
    off = int(np.sum(found != line_says))
    told = f"{off} of {len(found)} labels differ from the notebook's."
    if list(found[:4]) != one:
        reject(
            "batch",
            f"The first patients are {', '.join(one)} alone, and {', '.join(found[:4])} in company. {told} "
            "A patient's label may not depend on who else is asked about.",
        )
    # real patients cannot tell the faults apart: rows that never were can
    w, m, s = (np.array(line[name]) for name in ("w", "mean", "scale"))
    probe = s * np.random.default_rng(5).normal(size=(80, 30))
    answers = _labels(classify_line, probe)
    faults = {
        "unscaled": (probe @ w + line["b"], "They are those of raw rows in a line for standardised ones."),
        "no-mean": (probe / s @ w + line["b"], "They are those of rows divided by the scale, mean and all."),
    }
    for name, (scores, words) in faults.items():
        if np.array_equal(answers, np.where(scores > 0, "malignant", "benign")):
            reject(name, f"{told} {words}")
    right = np.where((probe - m) / s @ w + line["b"] > 0, "malignant", "benign")
    require(off == 0 and np.array_equal(answers, right), "differs", f"{told} Compare the scores, row by row.")


def _labels(function, rows):
    outcome = function.invoke({"rows": rows})
    if outcome.error is not None:
        reject("fails", f"{len(rows)} good rows make it fail: {outcome.error.error_type}: {outcome.error.message}.")
    payload = outcome.payload
    good = isinstance(payload, dict) and isinstance(payload.get("labels"), list) and len(payload["labels"]) == len(rows)
    require(
        good, "form", f'{{"labels": [...]}} is wanted, one for each of the {len(rows)} rows; found {payload!r:.80}.'
    )
    return np.array(payload["labels"])


SAFE = """%%function classify_safe --include model.line.json
import json

with open("model.line.json") as file:
    line = json.load(file)
FEATURES, LARGEST = len(line["w"]), 1e6


def answer(status, **body):
    return {"statusCode": status, "body": json.dumps(body)}


def label(row):
    terms = zip(line["w"], row, line["mean"], line["scale"], strict=True)
    score = line["b"] + sum(w * (x - m) / s for w, x, m, s in terms)
    return "malignant" if score > 0 else "benign"


def fault(rows):
    FAULT


def handler(event, context):
    rows = event.get("rows") if isinstance(event, dict) else None
    found = fault(rows)
    if found:
        return answer(400, message=found)
    return answer(200, labels=[label(row) for row in rows])
"""
FORM = """if not isinstance(rows, list) or not rows:
        return "rows should be a list of patients, and not be empty"
    """
WIDTHS = """for n, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != FEATURES:
            return f"row {n} should be a list of {FEATURES} numbers"
    """
NUMBERS = """for row in rows:
        if not all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in row):
            return "a row holds something that is not a number"
    """
SIZES = """for row in rows:
        if not all(abs(x) <= LARGEST for x in row):
            return "a number is not between -1e6 and 1e6"
    """


def _safe(*parts):
    return SAFE.replace("FAULT", "".join(parts) + 'return ""')


@exercises.behaviour(
    "robust",
    wrong={
        _safe(FORM): "unhandled",
        _safe(FORM, WIDTHS, NUMBERS): "nonsense",
        _safe(FORM, WIDTHS.replace("enumerate(rows)", "enumerate(rows[:1])"), NUMBERS, SIZES): "second-row",
        _safe(FORM, WIDTHS, NUMBERS.replace(" and not isinstance(x, bool)", ""), SIZES): "bool",
        _safe(
            FORM, WIDTHS, NUMBERS, "import math\n    ", SIZES.replace("abs(x)", "math.isfinite(x) and abs(x)")
        ): "overflow",
        _safe(FORM, WIDTHS, NUMBERS, SIZES.replace("LARGEST", "100")): "good",
        _safe(
            "try:\n        [label(row) for row in rows]\n        assert rows\n    ",
            "except Exception:\n        return 'bad'\n    ",
        ): "unhelpful",
    },
    hints={
        "unhandled": [
            "Go from the outside in: is `rows` a list? is each row a list, of 30? is each entry a number?",
            "isinstance(x, (int, float)) asks the last one.",
        ],
        "nonsense": [
            "1e300 is of the type float, and no size of anything in a patient.",
            "not abs(x) <= LARGEST is true for large numbers, and for NaN.",
        ],
        "overflow": [
            "JSON's whole numbers have no limit, Python's either; math.isfinite turns them into floats.",
            "abs(x) <= LARGEST compares a whole number as it is, and needs no math.isfinite.",
        ],
        "second-row": ["`for n, row in enumerate(rows)`: each row is looked at before the first label is made."],
        "bool": ["In Python `True` is an int. isinstance(x, bool) has to be asked first."],
        "good": ["A size of 2,500 is an honest area. Only beyond ±1e6 is rubbish."],
        "unhelpful": ["A caller cannot see your code. Say which row, what was found, and what is expected."],
        "start": ['`fault` returns the first thing that is wrong, as a sentence; "" if nothing is.'],
    },
)
def check_robust(classify_safe, X_test, line_says):
    """Good rows are answered, rubbish is refused in words that help."""
    good = np.asarray(X_test[:5]).tolist()
    refused = {
        "29 numbers": {"rows": [good[0][:29]]},
        "no key `rows`": {"patients": good},
        "rows = []": {"rows": []},
        "rows = 7": {"rows": 7},
        "a bare row": {"rows": good[0]},
        "a word": {"rows": [["high", *good[0][1:]]]},
        "null in a row": {"rows": [[None, *good[0][1:]]]},
        "the word NaN": {"rows": [["NaN", *good[0][1:]]]},
        "a list as event": good,
        "1e300": {"rows": [[1e300, *good[0][1:]]]},
        "a good row, then 29 numbers": {"rows": [good[0], good[1][:29]]},
        "a good row, then a word": {"rows": [good[0], [*good[1][:29], "low"]]},
        "true as a number": {"rows": [[True, *good[0][1:]]]},
        "a whole number of 400 digits": {"rows": [[10**400, *good[0][1:]]]},
    }
    for name, event in refused.items():
        _refused(name, event, classify_safe.invoke(event))
    status, body = _response("five good rows", classify_safe.invoke({"rows": good}))
    require(status == 200, "good", f"Five good rows get status {status}: {body}.")
    wanted = {"labels": list(line_says[:5])}
    require(body == wanted, "labels", f"Five good rows get {body}; expected {wanted}.")


def _response(name, outcome):
    if outcome.error is not None:
        faults = {"OverflowError": "overflow"}
        fault = "second-row" if name.startswith("a good row") else "unhandled"
        kind = outcome.error.error_type
        reject(faults.get(kind, fault), f"{name}: the handler fails with {kind}: {outcome.error.message}.")
    try:
        return outcome.payload["statusCode"], json.loads(outcome.payload["body"])
    except (TypeError, KeyError, ValueError):
        reject("form", f"{name}: a response of `answer(...)` is wanted; found {outcome.payload!r:.80}.")


def _refused(name, event, outcome):
    status, body = _response(name, outcome)
    if status != 400:
        faults = {"true as a number": "bool", "1e300": "nonsense"}
        later = "second-row" if name.startswith("a good row") else "accepted"
        reject(faults.get(name, later), f"{name}: answered with status {status}, {body!r:.60}; 400 is expected.")
    message = str(body.get("message", "")) if isinstance(body, dict) else ""
    helps = len(message.split()) >= 4 and (name != "29 numbers" or "30" in message)
    require(helps, "unhelpful", f"{name}: the message is {message!r}. It should say what is expected (30 numbers).")


# --- the monitor --------------------------------------------------------------------------------------------

MONITOR = """def fit_monitor(normal):
    m, s = {m}, {s}
    machine = OneClassSVM(nu={nu}, gamma={gamma}).fit((normal - m) / s)
    return lambda rows: machine.predict((rows - m) / s) {sign} 0
"""


def _monitor(**changed):
    right = {"m": "normal.mean(axis=0)", "s": "normal.std(axis=0)", "nu": 0.02, "gamma": 0.3, "sign": "<"}
    return MONITOR.format(**{**right, **changed})


@exercises.property(
    "monitor",
    wrong={
        _monitor(m="0", s="1", gamma='"scale"'): "misses",
        _monitor(m="0", s="1"): "false-alarms",
        _monitor(nu=0.3): "nu",
        _monitor(sign=">"): "turned",
        MONITOR.replace("(rows - m) / s", "(rows - rows.mean(axis=0)) / rows.std(axis=0)").format(
            m="normal.mean(axis=0)", s="normal.std(axis=0)", nu=0.02, gamma=0.3, sign="<"
        ): "batch",
        """def fit_monitor(normal):
    low, high = normal.min(axis=0), normal.max(axis=0)
    return lambda rows: ((rows < low) | (rows > high)).any(axis=1)
""": "one-by-one",
        """def fit_monitor(normal):
    m, s = normal.mean(axis=0), normal.std(axis=0)
    return OneClassSVM(nu=0.02, gamma=0.3).fit((normal - m) / s)
""": "no-function",
    },
    hints={
        "misses": [
            "Memory is near 1,100 and load below 1: which of them does a distance see?",
            "Standardise with the mean and the deviation of the normal hours.",
        ],
        "false-alarms": [
            "With raw megabytes every hour is far from all the others, as in section 4.",
            "Standardise, in fit_monitor and in alarm.",
        ],
        "nu": ["nu is about the share of normal hours outside. How many may raise an alarm?"],
        "turned": ["predict says +1 for normal, -1 for unusual."],
        "one-by-one": [
            "An incident here is a combination: slow though idle. Each value alone is ordinary.",
            "OneClassSVM looks at all readings together.",
        ],
        "batch": ["An alarm may not depend on who else is asked about: standardise by the training hours."],
        "no-function": ["`alarm` is a function that you define inside fit_monitor and return."],
        "start": ["Standardise; OneClassSVM(nu=..., gamma=0.3).fit(...); alarm where predict says -1."],
    },
)
def check_monitor(fit_monitor, hours):
    """On three servers: few alarms in normal hours, nearly all incidents found."""
    for seed in (11, 12, 13):
        rng = np.random.default_rng(seed)
        normal, later, incidents = hours(400, rng), hours(800, rng), hours(200, rng, incident=True)
        before = normal.copy()
        alarm = fit_monitor(normal)
        require(callable(alarm), "no-function", f"fit_monitor returns a {type(alarm).__name__}; a function is wanted.")
        require(np.array_equal(normal, before), "changes-data", "fit_monitor changes the rows that it is given.")
        rung = [np.asarray(alarm(rows)) for rows in (later, incidents)]
        for answers, rows in zip(rung, (later, incidents), strict=True):
            form = answers.shape == (len(rows),) and answers.dtype == bool
            require(form, "form", f"alarm gives {answers.dtype}, shape {answers.shape}; True or False for each row.")
        idle = np.argsort(later[:, 0])[:12]
        alone, among = np.asarray(alarm(later[idle])), rung[0][idle]
        told = f"seed {seed}: twelve idle hours give {alone.sum()} alarms alone, and {among.sum()} among all hours."
        require(np.array_equal(alone, among), "batch", f"{told} Each row has to be judged by itself.")
        _judged(seed, *(float(answers.mean()) for answers in rung), limits=_limits(normal, incidents))


def _limits(normal, incidents):
    return float(((incidents < normal.min(axis=0)) | (incidents > normal.max(axis=0))).any(axis=1).mean())


def _judged(seed, false, caught, *, limits):
    told = f"seed {seed}: {false:.1%} of normal hours raise an alarm, {caught:.1%} of the incidents do."
    require(not (false > 0.8 and caught < 0.2), "turned", f"{told} It rings the wrong way round.")
    require(false <= 0.6, "false-alarms", f"{told} Nearly everything is unusual to it.")
    require(false <= 0.06, "nu", f"{told} At most 6 % of normal hours may.")
    alone = caught < 0.5 and abs(caught - limits) < 1e-9
    require(not alone, "one-by-one", f"{told} That is what limits for each single reading find.")
    require(caught >= 0.95, "misses", f"{told} At least 95 % of the incidents must.")

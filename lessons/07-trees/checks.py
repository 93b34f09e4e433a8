"""The exercises of lesson 07: gains, trees that balance, shares that add up, and a function that says why."""

# ruff: noqa: N803, N806 - X and S are the names of the lesson

import json
from itertools import permutations

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from labkit.lesson.exercises import Exercises, reject, require
from labkit.numerics import trees

exercises = Exercises()

exercises.answer(
    "delta",
    decimals=3,
    wrong={
        "0.267": "That is the impurity that is left after the question. The gain is what is gone.",
        "0.258": "The two sides count equally in it. Weigh each by its share of the rows: 6 and 4 of 10.",
        "0.036": "That is 0.48 - 0.444: the left side alone. The right side is pure, and 4 of 10 rows are there.",
        "0.163": "That is the question of the worked example. Here six rows go left.",
    },
    hints={
        "0.267": ["Gain = impurity before - weighted impurity after."],
        "0.258": ["0.6 · i(left) + 0.4 · i(right), and the right side is pure."],
        "0.036": ["Weigh the left side's 0.444 by 6/10, the right side's 0 by 4/10."],
        "0.163": ["Which rows have an income of at most 28.5? Six of them."],
        "start": ["Left: 0, 0, 1, 0, 1, 0, so p = 1/3. Right: all ones.", "0.48 - 0.6 · 2 · (1/3)(2/3)."],
    },
)

exercises.explain("twins", words=8)
exercises.explain("proxy", words=8)


def _gini(y):
    p = float(np.mean(y))
    return 2 * p * (1 - p)


# --- cross-validation ---------------------------------------------------------------------------------------

STOP = """def cross_validated(X, y, min_leaf, folds):
    scores = []
    {before}
    for fit, left_out in folds:
        tree = DecisionTreeClassifier({rule}, random_state=0)
        tree.fit({fit})
        scores.append(tree.score({score}))
    return {result}
"""


def _stop(**changed):
    right = {
        "before": "pass",
        "rule": "min_samples_leaf=min_leaf",
        "fit": "X[fit], y[fit]",
        "score": "X[left_out], y[left_out]",
        "result": "float(np.mean(scores))",
    }
    return STOP.format(**{**right, **changed})


@exercises.differential(
    "stop",
    wrong={
        _stop(score="X[fit], y[fit]"): "training-rows",
        _stop(fit="X, y"): "saw-all",
        _stop(fit="X[left_out], y[left_out]", score="X[fit], y[fit]"): "swapped",
        _stop(rule="min_samples_split=min_leaf + 1"): "rule",
        _stop(result="sum(scores)"): "sum",
        _stop(result="scores"): "list",
    },
    hints={
        "training-rows": ["Which rows has the tree not seen? Score on those."],
        "saw-all": [
            "The tree has seen the rows that it is scored on: they are among all rows.",
            "Fit on X[fit], y[fit] only.",
        ],
        "swapped": ["Each pair is (rows to fit, rows to score): the large part comes first."],
        "rule": ["min_samples_leaf=min_leaf is the stop rule of this exercise."],
        "sum": ["The mean of the scores, not their sum."],
        "list": ["One number is wanted: np.mean(scores)."],
        "start": ["for fit, left_out in folds: a new tree, fitted to X[fit], scored on X[left_out]."],
    },
)
def check_stop(cross_validated):
    """Against the same loop, and against what goes wrong in it."""
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(90, 3))
        y = (X[:, 0] + 0.8 * rng.normal(size=90) > 0).astype(int)
        order = rng.permutation(90)
        folds = [(np.setdiff1d(order, part), part) for part in np.array_split(order, 5)]
        for least in (6, 3):
            found = cross_validated(X, y, least, folds)
            require(np.ndim(found) == 0, "list", f"It returns {found!r:.60}; one number is wanted.")
            _scored(found, X, y, least, folds)


def _scored(found, X, y, least, folds):
    def mean(fit, score, **rule):
        rule = rule or {"min_samples_leaf": least}
        made = [(DecisionTreeClassifier(random_state=0, **rule).fit(*f), s) for f, s in zip(fit, score, strict=True)]
        return float(np.mean([tree.score(*rows) for tree, rows in made]))

    inside, outside = [(X[a], y[a]) for a, _ in folds], [(X[b], y[b]) for _, b in folds]
    wanted = mean(inside, outside)
    told = f"min_leaf = {least}: found {float(found):.4f}, expected {wanted:.4f}."
    if np.isclose(found, wanted, atol=1e-9):
        return
    faults = {
        "training-rows": (mean(inside, inside), "That is the accuracy on the rows that it was fitted to."),
        "saw-all": (mean([(X, y)] * len(folds), outside), "That is what a tree reaches that was fitted to all rows."),
        "swapped": (mean(outside, inside), "It is fitted to the small part and scored on the large one."),
        "sum": (wanted * len(folds), "That is the sum of the five scores."),
    }
    for name, (value, words) in faults.items():
        if np.isclose(found, value, atol=1e-9):
            reject(name, f"{told} {words}")
    reject("rule", f"{told} Is the tree DecisionTreeClassifier(min_samples_leaf=min_leaf, random_state=0)?")


# --- shares -------------------------------------------------------------------------------------------------

SHAPLEY = """def shapley(v, n):
    values = []
    for i in range(n):
        others = [k for k in range(n) if k != i]
        total = 0.0
        for size in range(n):
            for members in combinations(others, size):
                S = frozenset(members)
                ways = {ways}
                brings = {brings}
                total += {term}
        values.append(total)
    return values
"""


def _shapley(**changed):
    right = {
        "ways": "math.factorial(size) * math.factorial(n - size - 1)",
        "brings": "v(S | {i}) - v(S)",
        "term": "ways / math.factorial(n) * brings",
    }
    return SHAPLEY.format(**{**right, **changed})


@exercises.property(
    "shapley",
    wrong={
        _shapley(ways="math.factorial(n) / 2 ** (n - 1)"): "equal-sets",
        _shapley(ways="math.factorial(size) * math.factorial(n - size)"): "one-off",
        _shapley(ways="1"): "efficiency",
        _shapley(brings="v(S) - v(S | {i})"): "sign",
        _shapley(brings="v(S | {i}) - v(frozenset())"): "from-nothing",
        """def shapley(v, n):
    return [v(frozenset({i})) - v(frozenset()) for i in range(n)]
""": "alone",
    },
    hints={
        "equal-sets": [
            "Orders are equally likely, sets are not: few orders put one feature exactly in the middle.",
            "Those before i stand in any of |S|! orders; how many are there for those after it?",
        ],
        "one-off": ["n features: |S| before, i itself, and how many after?", "n - |S| - 1."],
        "efficiency": ["In how many of the n! orders does exactly S stand before i? Not in one."],
        "sign": ["What i brings is the answer with i minus the answer without."],
        "from-nothing": ["i joins S, not an empty room: v(S) is what was there before."],
        "alone": ["Each feature joins after all possible sets of others, not only after none."],
        "start": ["ways: |S|! orders of those before i, times (n - |S| - 1)! orders of those after."],
    },
)
def check_shapley(shapley):
    """Random games, by the definition with all orders; then the axioms."""
    for seed in range(5):
        rng, n = np.random.default_rng(seed), 4 if seed else 3
        worth = {}

        def v(S, worth=worth, rng=rng):
            if S not in worth:
                worth[S] = float(rng.normal())
            return worth[S]

        found = shapley(v, n)
        require(np.shape(found) == (n,), "shape", f"{n} values are wanted; found the shape {np.shape(found)}.")
        everybody, nobody = v(frozenset(range(n))), v(frozenset())
        wanted = _by_orders(v, n)
        if np.allclose(found, wanted, atol=1e-9):
            continue
        told = f"seed {seed}: the values are {np.round(found, 3).tolist()}, expected {np.round(wanted, 3).tolist()}."
        alone = [v(frozenset({i})) - nobody for i in range(n)]
        faults = {
            "sign": (-wanted, "The signs are turned."),
            "alone": (alone, "They are what each feature brings to an empty room."),
            "equal-sets": (_equal_sets(v, n), "Each set counts equally in them; each order should."),
        }
        for name, (value, words) in faults.items():
            if np.allclose(found, value, atol=1e-9):
                reject(name, f"{told} {words}")
        if abs(sum(found) - (everybody - nobody)) > 1e-9:
            name = _by_terms(found, v, n)
            add = f"They add up to {sum(found):.3f}; f(x) - E f is {everybody - nobody:.3f}."
            reject(name, f"{told} {add}")
        reject("differs", told)


def _by_orders(v, n):
    total = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        for place, i in enumerate(order):
            before = frozenset(order[:place])
            total[i] += v(before | {i}) - v(before)
    return total / len(orders)


def _subsets(n, i):
    others = [k for k in range(n) if k != i]
    return [frozenset(k for b, k in enumerate(others) if mask >> b & 1) for mask in range(2 ** (n - 1))]


def _equal_sets(v, n):
    return [np.mean([v(S | {i}) - v(S) for S in _subsets(n, i)]) for i in range(n)]


def _by_terms(found, v, n):
    """Which of the faults that break efficiency it is."""
    ways = {len(S): np.prod(range(1, len(S) + 1)) * np.prod(range(1, n - len(S) + 1)) for S in _subsets(n, 0)}
    size = float(np.prod(range(1, n + 1)))
    late = [sum(ways[len(S)] / size * (v(S | {i}) - v(S)) for S in _subsets(n, i)) for i in range(n)]
    right = {k: ways[k] / (n - k) for k in ways}
    nothing = v(frozenset())
    empty = [sum(right[len(S)] / size * (v(S | {i}) - nothing) for S in _subsets(n, i)) for i in range(n)]
    if np.allclose(found, late, atol=1e-9):
        return "one-off"
    return "from-nothing" if np.allclose(found, empty, atol=1e-9) else "efficiency"


# --- questions ----------------------------------------------------------------------------------------------

GAIN = """def gain(x, y, threshold):
    left = x {sign} threshold
    sides = [side for side in (y[left], y[~left]) if len(side)]
    after = {after}
    won = {won}
    return won
"""


def _gain(**changed):
    right = {
        "sign": "<=",
        "after": "sum(len(side) / len(y) * gini(side) for side in sides)",
        "won": "gini(y) - after",
    }
    return GAIN.format(**{**right, **changed})


@exercises.differential(
    "gain",
    wrong={
        _gain(after="sum(gini(side) for side in sides) / 2"): "unweighted",
        _gain(after="sum(gini(side) for side in sides)"): "summed",
        _gain(won="after"): "left-over",
        _gain(won="after - gini(y)"): "sign",
        _gain(sign="<"): "strict",
    },
    hints={
        "unweighted": ["A side with one row must not count as much as one with a hundred.", "len(side) / len(y)."],
        "summed": ["Shares of rows are weights: they add up to 1.", "len(side) / len(y) * gini(side)."],
        "left-over": ["`after` is what is left. What has the question won?"],
        "sign": ["Before minus after: a question never makes it worse."],
        "strict": ["A row at the threshold goes left: x <= threshold."],
        "start": ["after: each side's gini times its share of the rows, summed.", "won: gini(y) - after."],
    },
)
def check_gain(gain):
    """Random columns, with rows exactly at the threshold among them."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        x, y = rng.integers(0, 9, 25).astype(float), rng.integers(0, 2, 25)
        threshold = (4.0, 2.5)[seed % 2]
        found, left = gain(x, y, threshold), x <= threshold
        a, b, n = _gini(y[left]), _gini(y[~left]), left.mean()
        wanted = _gini(y) - n * a - (1 - n) * b
        if np.isclose(found, wanted, atol=1e-12):
            continue
        told = f"seed {seed}: found {found:.4f}, expected {wanted:.4f}."
        strict = x < threshold
        apart = _gini(y) - strict.mean() * _gini(y[strict]) - (1 - strict.mean()) * _gini(y[~strict])
        faults = {
            "unweighted": (_gini(y) - (a + b) / 2, "Both sides count equally in it, however many rows they have."),
            "summed": (_gini(y) - a - b, "The impurities of the sides are added up without weights."),
            "left-over": (n * a + (1 - n) * b, "That is the impurity after the question."),
            "sign": (-wanted, "The sign is turned."),
            "strict": (apart, "Rows exactly at the threshold went right."),
        }
        for name, (value, words) in faults.items():
            if np.isclose(found, value, atol=1e-12):
                reject(name, f"{told} {words}")
        reject("differs", f"{told} before - Σ share · impurity.")


TIES = """def best_threshold(x, y):
    {order}
    best, threshold = 0.0, None
    for k in range(1, len(labels)):
        {skip}
        low, high = labels[:k], labels[k:]
        after = (k * gini(low) + (len(labels) - k) * gini(high)) / len(labels)
        if gini(labels) - after > best:
            best = gini(labels) - after
            threshold = {threshold}
    return threshold, best
"""
BY_PAIRS = """pairs = sorted(zip(x, y))
    values, labels = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])"""


def _ties(**changed):
    right = {
        "order": "order = np.argsort(x, kind='stable')\n    values, labels = x[order], y[order]",
        "skip": "if values[k - 1] == values[k]: continue",
        "threshold": "(values[k - 1] + values[k]) / 2",
    }
    return TIES.format(**{**right, **changed})


@exercises.differential(
    "ties",
    wrong={
        _ties(order=BY_PAIRS, skip="pass"): "leak",
        _ties(skip="pass"): "order-of-rows",
        _ties(order="values, labels = np.unique(x), y"): "raises",
        _ties(order="values, labels = np.sort(x), y"): "labels-stay",
        _ties(threshold="values[k]"): "edge",
    },
    hints={
        "leak": [
            "Where may a cut be? Only where a threshold could be: between two *different* values.",
            "if values[k - 1] == values[k]: continue",
        ],
        "order-of-rows": [
            "A stable sort looks at no label, but a cut inside of ties is no question all the same.",
            "if values[k - 1] == values[k]: continue",
        ],
        "raises": ["np.unique drops rows. Sort x and y by the same order: np.argsort(x)."],
        "labels-stay": ["x was sorted, y was not. order = np.argsort(x); then x[order] and y[order]."],
        "edge": ["A row with this value goes left by `<=`, but stands right of your cut. Take the middle."],
        "start": ["Two lines change: the sort must not see y, and a cut between equal values is skipped."],
    },
)
def check_ties(best_threshold):
    """Columns with ties: what it claims must be what the threshold does, and the best that can be done."""
    constant = best_threshold(np.ones(12), np.arange(12) % 2)
    sorted_rows = best_threshold(np.ones(12), np.repeat([0, 1], 6))
    for found, what in ((constant, "0, 1, 0, 1 …"), (sorted_rows, "six 0, then six 1")):
        form = isinstance(found, tuple) and len(found) == 2
        require(form, "form", f"It should return (threshold, gain); found {found!r:.50}.")
        name = "order-of-rows" if constant[1] < 0.4 else "leak"
        told = f"A column of ones with the labels {what}: it claims a gain of {found[1]:.3f}; no question can win any."
        require(found[1] < 1e-9, name, told)
        require(found[0] is None, "no-question", f"Without a question the threshold is None; found {found[0]!r}.")
    for seed in range(25):
        rng = np.random.default_rng(seed)
        x, y = rng.integers(0, 6, 30).astype(float), rng.integers(0, 2, 30)
        x[0], x[1] = 0.0, 5.0
        kept = x.copy()
        threshold, claimed = best_threshold(x, y)
        require(np.array_equal(kept, x), "changes-data", "It changes the column that it is given.")
        _honest(seed, x, y, threshold, claimed)


def _honest(seed, x, y, threshold, claimed):
    def won(limit):
        left = x <= limit
        return _gini(y) - sum(np.mean(s) * _gini(y[s]) for s in (left, ~left) if s.any())

    values = np.unique(x)
    best = max(won(limit) for limit in (values[:-1] + values[1:]) / 2)
    told = f"seed {seed}: it claims {claimed:.4f}."
    if threshold is None:
        reject("nothing", f"{told} A question can win {best:.4f} here, and it found none.")
    real = won(threshold)
    if not np.isclose(real, claimed, atol=1e-9):
        edge = np.any(np.isclose(values, threshold)) and np.isclose(claimed, best, atol=1e-9)
        cuts = [int((x <= limit).sum()) for limit in (values[:-1] + values[1:]) / 2]
        stay = max(_gini(y) - (k * _gini(y[:k]) + (len(y) - k) * _gini(y[k:])) / len(y) for k in cuts)
        name = "edge" if edge else "labels-stay" if np.isclose(claimed, stay, atol=1e-9) else "leak"
        reject(name, f"{told} x <= {threshold:g} really wins {real:.4f}; the best possible is {best:.4f}.")
    require(np.isclose(claimed, best, atol=1e-9), "not-best", f"{told} The best question wins {best:.4f}.")


GROW = """def grow(X, y, depth, min_leaf=5):
    node = {{"counts": [int(np.sum(y == 0)), int(np.sum(y == 1))]}}
    split = best_split(X, y, least=min_leaf) if depth and min(node["counts"]) else None
    if split is None:
        return node
    left = X[:, split.column] {sign} split.threshold
    node["low"] = {low}
    node["high"] = {high}
    node["won"] = {won}
    return node | {{"column": split.column, "threshold": split.threshold}}
"""


def _grow(**changed):
    right = {
        "sign": "<=",
        "low": "grow(X[left], y[left], depth - 1, min_leaf)",
        "high": "grow(X[~left], y[~left], depth - 1, min_leaf)",
        "won": "len(y) * split.decrease",
    }
    return GROW.format(**{**right, **changed})


@exercises.property(
    "grow",
    wrong={
        _grow(sign=">"): "turned",
        _grow(low="grow(X[left], y, depth - 1, min_leaf)"): "raises",
        _grow(high="grow(X[left], y[left], depth - 1, min_leaf)"): "rows",
        _grow(low="grow(X[left], y[left], depth, min_leaf)"): "depth",
        _grow(high="grow(X[~left], y[~left], depth - 1)"): "min-leaf",
        _grow(won="split.decrease"): "unweighted",
    },
    hints={
        "turned": ["Low values go to `low`: X[:, split.column] <= split.threshold."],
        "raises": ["X and y have to lose the same rows: X[left] goes with y[left]."],
        "rows": ["Every row of a node goes into exactly one of its children: left, and ~left."],
        "depth": ["Each call may ask one question less: depth - 1, on both sides."],
        "min-leaf": ["min_leaf has to be handed on, or the default takes its place."],
        "unweighted": ["The account counts rows: a question about 10 rows cannot win as much as one about 400."],
        "start": ["left is an array of True and False, one for each row.", "won is n·Δ: len(y) * split.decrease."],
    },
)
def check_grow(grow):
    """The account balances, the rows are all there, the limits hold, and the questions are the reference's."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(120, 4))
        y = ((X[:, 0] > 0.2) ^ (X[:, 2] + 0.7 * rng.normal(size=120) > 0.5)).astype(int)
        depth, least = 2 + seed % 2, (3, 10)[seed % 2]
        node = grow(X, y, depth, least)
        require(isinstance(node, dict), "form", f"grow should return a dict; found a {type(node).__name__}.")
        _same_rows(seed, node, X, y)
        deepest, smallest = _extent(node)
        said = f"seed {seed}: depth {depth} was allowed"
        require(deepest <= depth, "depth", f"{said}, and some path has {deepest} questions.")
        told = f"seed {seed}: leaves of {least} rows at least were asked for; one has {smallest}."
        require(smallest >= least, "min-leaf", told)
        won, kept = _account(node)
        total = len(y) * _gini(y)
        balanced = abs(total - won - kept) < 1e-9
        told = f"seed {seed}: the root has {total:.4f}; questions and leaves have {won:.4f} + {kept:.4f}."
        require(balanced, "unweighted", f"{told} The account does not balance: `won` is wrong.")
        best = trees.grow(X, y, max_depth=depth, min_leaf=least)
        leaves = sum(n.rows * n.impurity for n in best.root.nodes() if n.split is None)
        require(np.isclose(kept, leaves), "differs", f"seed {seed}: {kept:.3f} is left in leaves, not {leaves:.3f}.")


def _same_rows(seed, node, X, y):
    counts = [int(np.sum(y == 0)), int(np.sum(y == 1))]
    if node.get("counts") != counts:
        reject("rows", f"seed {seed}: a node counts {node.get('counts')}, but {counts} rows go there by the questions.")
    if "column" not in node:
        return
    left = X[:, node["column"]] <= node["threshold"]
    low = [int(np.sum(y[left] == k)) for k in (0, 1)]
    high = [int(np.sum(y[~left] == k)) for k in (0, 1)]
    found = [node["low"].get("counts"), node["high"].get("counts")]
    if found == [high, low] and low != high:
        reject("turned", f"seed {seed}: `low` holds the rows above {node['threshold']:.3f}, `high` those below.")
    _same_rows(seed, node["low"], X[left], y[left])
    _same_rows(seed, node["high"], X[~left], y[~left])


def _extent(node):
    """The most questions on a path, and the rows of the smallest leaf."""
    if "column" not in node:
        return 0, sum(node["counts"])
    (a, m), (b, n) = _extent(node["low"]), _extent(node["high"])
    return 1 + max(a, b), min(m, n)


def _account(node):
    zeros, ones = node["counts"]
    if "column" not in node:
        return 0.0, 2 * zeros * ones / (zeros + ones)
    low, high = _account(node["low"]), _account(node["high"])
    return node["won"] + low[0] + high[0], low[1] + high[1]


STUMP = """def stump(x, y):
    best = None
    values = {values}
    for threshold in (values[:-1] + values[1:]) / 2:
        left = x <= threshold
        low, high = {low}, {high}
        errors = {errors}
        if best is None or errors {sign} best[0]:
            best = errors, float(threshold), float(low), float(high)
    return best[1:]
"""


def _stump(**changed):
    right = {
        "values": "np.unique(x)",
        "low": "y[left].mean()",
        "high": "y[~left].mean()",
        "errors": "((y[left] - low) ** 2).sum() + ((y[~left] - high) ** 2).sum()",
        "sign": "<",
    }
    return STUMP.format(**{**right, **changed})


@exercises.differential(
    "stump",
    wrong={
        _stump(errors="y[left].var() + y[~left].var()"): "unweighted",
        _stump(sign=">"): "worst",
        _stump(
            low="y[~left].mean()",
            high="y[left].mean()",
            errors="((y[left] - high) ** 2).sum() + ((y[~left] - low) ** 2).sum()",
        ): "turned",
        _stump(low="np.median(y[left])", high="np.median(y[~left])"): "medians",
        "def stump(x, y):\n    t = float(np.median(x))\n    return t, y[x <= t].mean(), y[x > t].mean()\n": "threshold",
    },
    hints={
        "unweighted": [
            "A side's variance is a mean over its own rows. Weigh it by the number of rows.",
            "n_L·var_L + n_R·var_R is the sum of squared errors.",
        ],
        "worst": ["The squared errors should be smallest: is the comparison turned?"],
        "turned": ["`low` belongs to x <= threshold."],
        "medians": ["The number with the smallest squared errors is the mean, not the median."],
        "threshold": ["Try all thresholds between neighbouring values, and keep the best."],
        "start": ["np.unique(x) are the values; the middles between neighbours are the thresholds."],
    },
)
def check_stump(stump):
    """Against brute force over all middles, with ties."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 12, 30) / 2
        x[:2] = 0.0, 5.5
        y = np.where(x > (1.2, 4.3)[seed % 2], 3.0, 0.0) + rng.normal(0, 2 + seed % 3, 30)
        found = stump(x, y)
        require(np.shape(found) == (3,), "form", f"(threshold, low, high) is wanted; found {found!r:.60}.")
        threshold, low, high = map(float, found)
        left = x <= threshold
        require(0 < left.sum() < 30, "empty", f"seed {seed}: x <= {threshold:g} puts all rows on one side.")
        means = y[left].mean(), y[~left].mean()
        told = f"seed {seed}: found low {low:.3f} and high {high:.3f}"
        if not np.allclose((low, high), means):
            turned = np.allclose((high, low), means)
            reject("turned" if turned else "medians", f"{told}; the sides' means are {means[0]:.3f}, {means[1]:.3f}.")
        _smallest(seed, x, y, threshold)


def _smallest(seed, x, y, threshold):
    def errors(limit, power=1.0):
        sides = (x <= limit, x > limit)
        return sum(s.sum() ** power * y[s].var() for s in sides)

    values = np.unique(x)
    limits = (values[:-1] + values[1:]) / 2
    mine, every = errors(threshold), [errors(limit) for limit in limits]
    if mine <= min(every) + 1e-9:
        return
    told = f"seed {seed}: x <= {threshold:g} leaves {mine:.3f} squared errors; {min(every):.3f} are possible."
    if np.isclose(mine, max(every)):
        reject("worst", f"{told} It is the worst question of all.")
    light = limits[int(np.argmin([errors(limit, 0.0) for limit in limits]))]
    if (x <= light).sum() == (x <= threshold).sum():
        reject("unweighted", f"{told} The sides' variances seem to count equally.")
    reject("threshold", f"{told} Are all thresholds tried?")


# --- the deployed tree --------------------------------------------------------------------------------------

TRIAGE = """%%function triage --include model.py
import json

from model import FEATURES, tree


def answer(status, **body):
    return {"statusCode": status, "body": json.dumps(body)}


def fault(patients):
    FAULT


def decide(patient, explain):
    path = []
    malignant, rows = tree(patient, path)
    said = {"label": LABEL, "share": malignant / rows}
    BECAUSE
    return said


def handler(event, context):
    event = event if isinstance(event, dict) else {}
    found = fault(event.get("patients"))
    if found:
        return answer(400, message=found)
    explain = event.get("explain") is True
    return answer(200, answers=[decide(p, explain) for p in event["patients"]])
"""
FORM = """if not isinstance(patients, list) or not patients:
        return "patients should be a list with at least one patient"
    """
DICTS = """for n, p in enumerate(patients):
        if not isinstance(p, dict):
            return f"patient {n} should be a dict of features"
    """
MISSING = """for n, p in enumerate(patients):
        for name in FEATURES:
            if name not in p:
                return f"patient {n} lacks the feature {name}"
    """
NUMBERS = """for n, p in enumerate(patients):
        for name in FEATURES:
            if isinstance(p[name], bool) or not isinstance(p[name], (int, float)):
                return f"patient {n}: {name} should be a number"
            if not 0 <= p[name] <= 1e6:
                return f"patient {n}: {name} should be from 0 to 1e6"
    """


def _triage(*parts, label='"malignant" if 2 * malignant > rows else "benign"', because=""):
    because = because or 'if explain:\n        said["because"] = path'
    code = TRIAGE.replace("FAULT", "".join(parts) + 'return ""')
    return code.replace("LABEL", label).replace("BECAUSE", because)


@exercises.behaviour(
    "triage",
    wrong={
        _triage(FORM): "unhandled",
        _triage(FORM, DICTS, MISSING.replace("lacks the feature {name}", "is incomplete, sorry"), NUMBERS): "which",
        _triage(FORM, DICTS, MISSING, NUMBERS.replace("0 <= p[name] <= 1e6", "p[name] <= 1e6")): "accepted",
        _triage(FORM, DICTS, MISSING.replace("FEATURES", "p"), NUMBERS.replace("in FEATURES", "in p")): "accepted",
        _triage(FORM, DICTS, MISSING, NUMBERS, because='said["because"] = path'): "always-explains",
        _triage(FORM, DICTS, MISSING, NUMBERS, because="pass"): "no-reason",
        _triage(
            FORM, DICTS, MISSING, NUMBERS, because='said["because"] = [f"{f} is {patient[f]:g}" for f in FEATURES]'
        ): "not-the-path",
        _triage(FORM, DICTS, MISSING, NUMBERS).replace("malignant / rows", "malignant"): "share",
        _triage(FORM, DICTS, MISSING, NUMBERS, label='"malignant" if malignant > 0 else "benign"'): "label",
    },
    hints={
        "unhandled": [
            "From the outside in: a list? not empty? each a dict? each needed feature there? each a number?",
            "Loop over FEATURES: these are what the tree will ask for.",
        ],
        "which": ["The caller has thirty features to choose from. Name the one that is missing."],
        "accepted": [
            "Loop over FEATURES: these are what the tree may ask for, whether this patient's dict has them or not.",
            "Sizes below 0 do not exist, and true is no number: isinstance(x, bool).",
        ],
        "always-explains": ["`because` only if explain is true."],
        "no-reason": ['The path is filled by `ask` while the tree runs: said["because"] = path.'],
        "not-the-path": ["Only what this patient was asked is a reason: `path`, which `ask` has filled."],
        "share": ["The malignant training rows of the leaf, divided by all rows of the leaf."],
        "label": ["The leaf's majority: more than half of its rows are malignant."],
        "start": ["tree(patient, path) fills `path`, and gives the leaf's malignant rows and all its rows."],
    },
)
def check_triage(triage, patients, small, X_test, asked, names):
    """Labels and reasons are the tree's; rubbish is refused, and the message says what is wrong."""
    good = {name: float(patients[0][name]) for name in asked}
    first = asked[0]
    refused = {
        "nothing": {},
        "patients = []": {"patients": []},
        "patients = {}": {"patients": good},
        "a patient as a list": {"patients": [list(good.values())]},
        f"no {asked[-1]}": {"patients": [good, {name: good[name] for name in asked[:-1]}]},
        "no features": {"patients": [{}]},
        "a word": {"patients": [good, good | {first: "large"}]},
        "null": {"patients": [good | {first: None}]},
        "a negative size": {"patients": [good | {first: -1.0}]},
        "true as a number": {"patients": [good | {first: True}]},
        "400 digits": {"patients": [good | {first: 10**400}]},
        "a list as event": [good],
    }
    for name, event in refused.items():
        status, body = _response(name, triage.invoke(event))
        require(status == 400, "accepted", f"{name}: answered with status {status}; 400 is expected.")
        message = str(body.get("message", ""))
        require(len(message.split()) >= 4, "which", f"{name}: the message {message!r} does not help its caller.")
        told = f"{name}: the message is {message!r}; it does not name the missing feature."
        require(not name.startswith("no ") or name == "no features" or asked[-1] in message, "which", told)
    walks = [_walk(small.root, row, names) for row in X_test[:40]]
    _explains(triage, patients[:40], walks)


def _walk(node, row, names):
    """The features that a row is asked about, and the share of ones in its leaf."""
    said = []
    while node.split:
        said.append(names[node.split.column])
        node = node.left if row[node.split.column] <= node.split.threshold else node.right
    return said, node.counts[1] / node.rows


def _response(name, outcome):
    if outcome.error is not None:
        reject("unhandled", f"{name}: the handler fails with {outcome.error.error_type}: {outcome.error.message}.")
    try:
        return outcome.payload["statusCode"], json.loads(outcome.payload["body"])
    except (TypeError, KeyError, ValueError):
        reject("form", f"{name}: a response of `answer(...)` is wanted; found {outcome.payload!r:.80}.")


def _explains(triage, patients, walks):
    plain, told = (
        _response(f"{len(patients)} good patients", triage.invoke({"patients": patients, "explain": explain}))
        for explain in (False, True)
    )
    for status, body in (plain, told):
        fine = status == 200 and len(body.get("answers", ())) == len(patients)
        require(fine, "good", f"{len(patients)} good patients get status {status}: {body!r:.100}.")
    entries = told[1]["answers"]
    labels = ["malignant" if share > 0.5 else "benign" for _, share in walks]
    off = sum(said.get("label") != label for said, label in zip(entries, labels, strict=True))
    require(off == 0, "label", f"{off} of {len(labels)} labels are not the majority of their leaf.")
    for said, (asked, share) in zip(entries, walks, strict=True):
        found, why = said.get("share"), said.get("because")
        fine = isinstance(found, float | int) and abs(found - share) < 1e-9
        require(fine, "share", f"share should be malignant rows / rows of the leaf, {share:.4f}; found {found!r}.")
        require(why, "no-reason", "With explain true an answer has no `because`.")
        path = len(why) == len(asked) and all(name in words for name, words in zip(asked, why, strict=True))
        found = f"`because` has {len(why)} entries, from {why[0]!r} on"
        require(path, "not-the-path", f"{found}; this patient was asked for {', '.join(asked)}.")
    extra = [said for said in plain[1]["answers"] if "because" in said]
    require(not extra, "always-explains", "Without explain the answers have a `because` all the same.")


# --- boosting -----------------------------------------------------------------------------------------------

BOOST = """def boost(x, y, rounds=3, rate=0.5):
    predicted = {start}
    for _ in range(rounds):
        threshold, low, high = stump(x, {target})
        predicted = {update}
    return predicted
"""


def _boost(**changed):
    right = {
        "start": "np.full(len(y), y.mean())",
        "target": "y - predicted",
        "update": "predicted + rate * np.where(x <= threshold, low, high)",
    }
    return BOOST.format(**{**right, **changed})


@exercises.differential(
    "boost",
    wrong={
        _boost(target="y"): "not-residuals",
        _boost(update="predicted + np.where(x <= threshold, low, high)"): "no-rate",
        _boost(start="np.zeros(len(y))"): "zero",
        _boost(update="rate * np.where(x <= threshold, low, high)"): "last-only",
        _boost(target="predicted - y"): "sign",
        "def boost(x, y, rounds=3, rate=0.5):\n    t, low, high = stump(x, y - y.mean())\n"
        "    return y.mean() + rate * np.where(x <= t, low, high)\n": "one-round",
    },
    hints={
        "not-residuals": ["The second stump should repair the first. What is left after it? y - predicted."],
        "no-rate": ["Only a part of each stump is added: rate * …"],
        "zero": ["Before the first stump the best single number is the mean of y."],
        "start": ["predicted = mean; then `rounds` times: stump(x, y - predicted), and add rate times it."],
        "last-only": ["Predictions add up: predicted + rate * …"],
        "sign": ["Residual = what should be minus what is predicted."],
        "one-round": ["There are `rounds` stumps: a loop."],
    },
)
def check_boost(boost, stump):
    """Against the same sum, built from brute-force stumps."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x = rng.uniform(0, 10, 25)
        y = 4 + np.sin(x) + 0.3 * x + rng.normal(0, 0.3, 25)
        rounds, rate = (3, 2)[seed % 2], (0.5, 0.8)[seed % 2]
        found, wanted = np.asarray(boost(x, y, rounds, rate), float), _boosted(x, y, rounds, rate)
        require(found.shape == y.shape, "form", f"One prediction for each row is wanted; found {found.shape}.")
        if np.allclose(found, wanted, atol=1e-8):
            continue
        left = np.sqrt(np.mean((y - found) ** 2)), np.sqrt(np.mean((y - wanted) ** 2))
        case = f"seed {seed}, {rounds} stumps, rate {rate}"
        told = f"{case}: root mean squared error {left[0]:.3f}, expected {left[1]:.3f}."
        faults = {
            "no-rate": (_boosted(x, y, rounds, 1.0), "Each stump is added whole."),
            "zero": (_boosted(x, y, rounds, rate, start=0.0), "It starts from 0."),
            "not-residuals": (_boosted(x, y, rounds, rate, residuals=False), "Each stump is fitted to y itself."),
            "sign": (_boosted(x, y, rounds, rate, sign=-1.0), "The stumps push away from y."),
            "one-round": (_boosted(x, y, 1, rate), "There is one stump in it."),
        }
        for name, (value, words) in faults.items():
            if np.allclose(found, value, atol=1e-8):
                reject(name, f"{told} {words}")
        few = len(np.unique(found.round(9))) <= 2
        require(not few, "last-only", f"{told} There are two different predictions only: those of one stump.")
        reject("differs", f"{told} mean + rate · Σ stumps, each fitted to what is left.")


def _boosted(x, y, rounds, rate, *, start=None, residuals=True, sign=1.0):
    predicted = np.full(len(y), y.mean() if start is None else start)
    for _ in range(rounds):
        target = sign * (y - predicted) if residuals else y
        values = np.unique(x)
        limits = (values[:-1] + values[1:]) / 2
        sides = [(x <= limit, x > limit) for limit in limits]
        errors = [sum(s.sum() * target[s].var() for s in pair) for pair in sides]
        left, right = sides[int(np.argmin(errors))]
        predicted = predicted + rate * np.where(left, target[left].mean(), target[right].mean())
    return predicted

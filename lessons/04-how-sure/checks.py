"""The exercises of lesson 04: intervals, leave-one-out, leakage, and a service that knows its limits."""

# ruff: noqa: N803, N806 - X, A and Z are matrices, as in the lesson

import numpy as np
from scipy import stats

from labkit.lesson.exercises import Exercises, names_used, reject, require

exercises = Exercises()


def close(found, wanted):
    """Whether two results are the same numbers, up to rounding."""
    found = np.asarray(found, dtype=float)
    return found.shape == np.shape(wanted) and np.allclose(found, wanted, rtol=1e-7, atol=1e-9)


def diagnose(found, variants):
    """Rejects a result that is what a known mistake gives: {diagnosis: (what it gives, message)}."""
    for diagnosis, (value, message) in variants.items():
        if close(found, value):
            reject(diagnosis, message)


def numbers_of(found, count, what):
    """The result as floats; rejected if it is not so many numbers."""
    wanted = f"{count} plain numbers are wanted: {what}"
    require(isinstance(found, tuple | list | np.ndarray), "shape", f"Found a {type(found).__name__}; {wanted}.")
    require(len(found) == count, "shape", f"Found {len(found)} things; {wanted}.")
    for place, value in enumerate(found, 1):
        kind = type(value).__name__
        require(
            np.size(value) == 1, "shape", f"Number {place} is no number but {kind} of size {np.size(value)}; {wanted}."
        )
    return np.array([float(np.ravel(value)[0]) for value in found])


# --- section 1 and 2 ----------------------------------------------------------------------------------------

exercises.answer(
    "pencil",
    decimals=2,
    wrong={
        "0.58": "That divides 800 by the 3 rows. Two of the three were spent on the line: divide by n − p.",
        "0.71": "That divides 800 by 2. A line has two coefficients, so n − p = 3 − 2.",
        "28.28": "That is s, the noise of one price. Send it through the matrix: divide by √Σ(x − x̄)².",
        "0.04": "That is 1/√Σ(x − x̄)², what noise of size 1 would do. The noise here has the size s.",
        "1.41": "Is Σ(x − x̄)² = 400 + 0 + 400? Both outer flats count.",
    },
    hints={
        "start": ["s² = 800 / (n − p), with n = 3 rows and p = 2 coefficients.", "Σ(x − x̄)² = 400 + 0 + 400."],
        "wrong": ["s = √(800 / (3 − 2)).", "Σ(x − x̄)² = 400 + 0 + 400 = 800. Divide s by its root."],
        "0.58": ["n is 3, p is 2: a line has an intercept and a slope."],
        "0.71": ["n is 3, p is 2: how many numbers are left over?"],
        "28.28": ["x̄ = 60: the differences are −20, 0 and 20.", "√(400 + 0 + 400) = 28.28."],
        "0.04": ["s = √(800/1) = 28.28. Multiply."],
        "1.41": ["x̄ = 60: the differences are −20, 0 and 20."],
    },
)

exercises.answer(
    "colleague",
    decimals=3,
    wrong={
        "0.954": "That is the normal law. With s in the place of σ it is Student's t.",
        "0.950": "That is what it should be. ± 2 is not the right multiple: which share does it give?",
        "0.919": "That takes 8 degrees of freedom. Three coefficients were paid for out of the eight.",
        "0.914": "That takes 7 degrees of freedom, as for a mean. Here there are three coefficients.",
        "0.907": "That takes 6 degrees of freedom, as for a line. Here there are three coefficients.",
        "0.949": "That leaves out one tail only. An interval can miss on both sides.",
        "0.102": "That is the share that misses.",
        "0.892": "That is ± 1.96; your colleague uses ± 2.",
    },
    hints={
        "start": ["law = 1 - 2 * stats.t.sf(1.96, df=4) was for six flats and ± 1.96. What changes?"],
        "wrong": ["df = n − p.", "1 - 2 * stats.t.sf(2, df=8 - 3)"],
        "0.954": ["1 - 2 * stats.t.sf(2, df=...): with which df?"],
        "0.919": ["df = n − p, and p is 3."],
        "0.914": ["df = n − p, and p is 3."],
        "0.907": ["df = n − p, and p is 3."],
        "0.949": ["sf is one tail; there are two of the same size."],
    },
)

exercises.explain(
    "refer",
    words=8,
    hints={
        "start": ["In the figure, what was the same for all 50 data sets, and what was another one each time?"],
        "too-short": ["What was repeated 2,000 times, and what did we count?"],
    },
)


# --- section 6: the leak ------------------------------------------------------------------------------------

CROSS = """def cross_predict(X, y, folds, alpha):
    predicted = np.full(len(y), np.nan)
    for k in range(folds):
        out = np.arange(len(y)) % folds == k
{lines}
    return predicted
"""


def _ridge(Z, y, alpha):
    centre, level = Z.mean(axis=0), y.mean()
    b = np.linalg.solve((Z - centre).T @ (Z - centre) + alpha * np.eye(Z.shape[1]), (Z - centre).T @ (y - level))
    return b, level - centre @ b


def _crossed(X, y, folds, alpha, *, scale="kept", serve="kept", train="kept", ddof=0, axis=0, start_times=1):
    """Cross-validated predictions, right ones or with a known mistake."""
    predicted = np.full(len(y), np.nan)
    for k in range(folds):
        out = np.arange(len(y)) % folds == k
        rows = {"kept": ~out, "all": np.ones(len(y), bool), "hidden": out}
        learn, fits = X[rows.get(scale, ~out)], rows[train]
        mean, sd = (0.0, 1.0) if scale == "none" else (learn.mean(axis=axis), learn.std(axis=axis, ddof=ddof))
        own_mean, own_sd = (X[out].mean(axis=0), X[out].std(axis=0)) if serve == "own" else (mean, sd)
        b, start = _ridge((X[fits] - mean) / sd, y[fits], alpha)
        predicted[out] = (X[out] - own_mean) / own_sd @ b + start_times * start
    return predicted


def _table(seed, n=40, p=3):
    rng = np.random.default_rng(seed)
    X = np.exp(rng.normal(size=(n, p))) * [1, 10, 100]
    return X, X @ [1, 0.2, -0.01] + rng.normal(size=n)


def _blind(cross_predict, X, y):
    """Whether row 0 is predicted although row 5, hidden with it, is not known."""
    unknown = X.copy()
    unknown[5] = np.nan
    try:
        return np.isfinite(cross_predict(unknown, y, 5, 3.0)[0])
    except (ValueError, np.linalg.LinAlgError):  # a library that refuses nan in the other folds
        return True


@exercises.property(
    "cross_predict",
    wrong={
        CROSS.format(
            lines="""        mean, sd = X.mean(axis=0), X.std(axis=0)
        b, start = ridge_fit((X[~out] - mean) / sd, y[~out], alpha)
        predicted[out] = (X[out] - mean) / sd @ b + start"""
        ): "leak",
        CROSS.format(
            lines="""        train, test = X[~out], X[out]
        b, start = ridge_fit((train - train.mean(axis=0)) / train.std(axis=0), y[~out], alpha)
        predicted[out] = (test - test.mean(axis=0)) / test.std(axis=0) @ b + start"""
        ): "own-scale",
        CROSS.format(
            lines="""        b, start = ridge_fit(X[~out], y[~out], alpha)
        predicted[out] = X[out] @ b + start"""
        ): "no-scale",
        CROSS.format(
            lines="""        mean, sd = X[~out].mean(), X[~out].std()
        b, start = ridge_fit((X[~out] - mean) / sd, y[~out], alpha)
        predicted[out] = (X[out] - mean) / sd @ b + start"""
        ): "axis",
        CROSS.format(
            lines="""        mean, sd = X[~out].mean(axis=0), X[~out].std(axis=0)
        b, start = ridge_fit((X[~out] - mean) / sd, y[~out], alpha)
        predicted[out] = (X[out] - mean) / sd @ b"""
        ): "no-start",
        CROSS.format(
            lines="""        mean, sd = X[~out].mean(axis=0), X[~out].std(axis=0)
        b, start = ridge_fit((X - mean) / sd, y, alpha)
        predicted[out] = (X[out] - mean) / sd @ b + start"""
        ): "fits-hidden",
        CROSS.format(
            lines="""        mean, sd = X[out].mean(axis=0), X[out].std(axis=0)
        b, start = ridge_fit((X[~out] - mean) / sd, y[~out], alpha)
        predicted[out] = (X[out] - mean) / sd @ b + start"""
        ): "wrong-rows",
        CROSS.format(
            lines="""        mean, sd = X[~out].mean(axis=0), X[~out].std(axis=0)
        b, start = ridge_fit((X[~out] - mean) / sd, y[~out], alpha)
        predicted[out] = X[out] @ b + start"""
        ): "unscaled-hidden",
    },
    hints={
        "start": ["Copy the four lines of the loop. Which line of leaky_predict stands outside of the loop, and why?"],
        "leak": [
            "Which rows may the mean be computed from?",
            "`~out` marks the rows that are not hidden: X[~out].mean(axis=0).",
            "Compute mean and sd inside the loop, and use these two for X[~out] and for X[out].",
        ],
        "own-scale": [
            "A real new row comes alone: it has no mean of its own. Which mean does it get?",
            "The scale that was learned from X[~out] is applied to X[out] as well.",
        ],
        "no-scale": ["Scaling itself is right, and ridge needs it. Only its mean and sd must come from X[~out]."],
        "axis": ["X[~out].mean(axis=0) has one number for each column."],
        "no-start": ["ridge_fit returns two things: a prediction is Z @ b + start."],
        "differs": [
            "Three lines are wanted: the scale of X[~out]; a fit of X[~out], scaled; a prediction of X[out], scaled."
        ],
        "fits-hidden": ["ridge_fit gets X[~out] and y[~out], scaled."],
        "wrong-rows": ["`out` marks the hidden rows, `~out` all others."],
        "unscaled-hidden": ["The coefficients are those of scaled columns. What must be done to X[out] first?"],
    },
)
def check_cross_predict(cross_predict):
    X, y = _table(1)
    kept_X, kept_y = X.copy(), y.copy()
    found = cross_predict(X, y, 5, 3.0)
    require(np.shape(found) == (40,), "shape", f"Found shape {np.shape(found)}; one prediction a row is wanted: (40,).")
    require(
        np.array_equal(X, kept_X) and np.array_equal(y, kept_y),
        "changes",
        "Your function changes the X or y that it was given. Make new arrays.",
    )
    require(
        np.all(np.isfinite(found)), "gaps", "Some rows have no prediction (nan): is predicted[out] set in each fold?"
    )
    diagnose(
        found,
        {
            "leak": (
                _crossed(X, y, 5, 3.0, scale="all"),
                "The scale still comes from all rows: when I change a hidden row, the mean of the fit changes.",
            ),
            "own-scale": (
                _crossed(X, y, 5, 3.0, serve="own"),
                "The hidden rows are scaled by their own mean and sd; they must get those of the rows of the fit.",
            ),
            "no-scale": (
                _crossed(X, y, 5, 3.0, scale="none"),
                "Nothing is scaled any more: that avoids the leak and the scale, too.",
            ),
            "axis": (
                _crossed(X, y, 5, 3.0, axis=None),
                "One mean and one sd for the whole table: axis=0 gives one of each column.",
            ),
            "no-start": (
                _crossed(X, y, 5, 3.0, start_times=0),
                "The intercept `start` is missing from the predictions.",
            ),
            "fits-hidden": (
                _crossed(X, y, 5, 3.0, train="all"),
                "The scale is right, but the fit has seen the hidden rows: ridge_fit gets all of X and y.",
            ),
            "wrong-rows": (
                _crossed(X, y, 5, 3.0, scale="hidden"),
                "The scale comes from the hidden rows (`out`); it must come from the others (`~out`).",
            ),
        },
    )
    require(
        not np.nanmax(abs(found - y)) > 50 * np.nanmax(abs(_crossed(X, y, 5, 3.0) - y)),
        "unscaled-hidden",
        f"Predictions go up to {np.max(abs(found)):.0f}, y only to {np.max(abs(y)):.0f}: "
        "are the hidden rows on the scale of the fit?",
    )
    for k in range(5):
        far = X.copy()
        far[5 + k] *= 1000  # hidden together with row k
        moved = abs(cross_predict(far, y, 5, 3.0)[k] - found[k])
        require(
            moved < 1e-8,
            "leak",
            f"Rows {k} and {5 + k} are hidden together. I changed row {5 + k}, and the prediction of row {k} moved by "
            f"{moved:.2g}: something of the fit or the scale has seen it.",
        )
    require(
        _blind(cross_predict, X, y),
        "leak",
        "Rows 0 and 5 are hidden together. I made row 5 unknown (nan), and row 0 became nan, too: the mean or the sd "
        "has seen row 5.",
    )
    for seed in range(2, 12):
        X, y = _table(seed, n=33 + seed)
        folds, alpha = 2 + seed % 4, 10.0 ** (seed % 3 - 1)
        found, wanted = cross_predict(X, y, folds, alpha), _crossed(X, y, folds, alpha)
        require(
            close(found, wanted) or close(found, _crossed(X, y, folds, alpha, ddof=1)),
            "differs",
            f"Table {seed}, {folds} folds, α = {alpha:g}: row 0 is {found[0]:.4g}, expected {wanted[0]:.4g}.",
        )


# --- section 11: an interval --------------------------------------------------------------------------------

LIBRARIES = ("sklearn", "statsmodels", "labkit.numerics", "numpy.polyfit", "scipy.stats.linregress")


def own(function, name):
    """Rejects a function that leaves the work to a library."""
    try:
        used = names_used(function)
    except (OSError, TypeError):  # its source is not there to read
        return
    banned = sorted(u for u in used if u.startswith(LIBRARIES))
    require(not banned, "library", f"`{name}` uses {', '.join(banned[:1])}; the four steps are yours to write.")


INTERVAL = """def interval(X, y, x0, level):
    n, p = X.shape
    Q, R = np.linalg.qr(X)
    a = Q @ np.linalg.solve(R.T, x0)
    r = y - Q @ (Q.T @ y)
    s = {s}
    t = {t}
    half_mean = {mean}
    half_one = {one}
    return {back}
"""


def _interval_code(**changes):
    right = {
        "s": "np.sqrt(r @ r / (n - p))",
        "t": "stats.t.ppf((1 + level) / 2, n - p)",
        "mean": "t * s * np.sqrt(a @ a)",
        "one": "t * s * np.sqrt(1 + a @ a)",
        "back": "a @ y, half_mean, half_one",
    }
    return INTERVAL.format(**(right | changes))


def _interval(X, y, x0, level, *, divide=None, law=None, tail="two"):
    n, p = X.shape
    A = np.linalg.pinv(X)
    a, r = A.T @ x0, y - X @ (A @ y)
    s = np.sqrt(r @ r / (divide or n - p))
    point = (1 + level) / 2 if tail == "two" else level
    t = stats.norm.ppf(point) if law == "normal" else stats.t.ppf(point, n - p)
    return np.array([a @ y, t * s * np.sqrt(a @ a), t * s * np.sqrt(1 + a @ a)])


@exercises.differential(
    "interval",
    wrong={
        _interval_code(s="np.sqrt(r @ r / n)"): "divides-by-n",
        _interval_code(s="np.std(r, ddof=1)"): "one-parameter",
        _interval_code(t="stats.norm.ppf((1 + level) / 2)"): "normal",
        _interval_code(t="stats.t.ppf(level, n - p)"): "one-sided",
        _interval_code(one="t * s * np.sqrt(a @ a)"): "same",
        _interval_code(one="t * s * (1 + np.sqrt(a @ a))"): "adds",
        _interval_code(mean="t * s * (a @ a)", one="t * s * (1 + a @ a)"): "no-root",
        _interval_code(s="r @ r / (n - p)"): "variance",
        _interval_code(t="stats.t.ppf(0.975, n - p)"): "fixed-level",
        _interval_code(t="stats.t.ppf((1 + level) / 2, n - 1)"): "df",
        _interval_code(back="a @ y, half_one, half_mean"): "order",
        _interval_code(
            back="a @ y, (a @ y - half_mean, a @ y + half_mean), (a @ y - half_one, a @ y + half_one)"
        ): "shape",
        _interval_code(mean="s * np.sqrt(a @ a)", one="s * np.sqrt(1 + a @ a)"): "no-t",
    },
    hints={
        "start": ["Step 2 is in section 1, s = …; step 3 is the formula pair of section 3."],
        "divides-by-n": ["The model has p coefficients; how many residuals are free?", "r @ r / (n - p)"],
        "one-parameter": ["np.std with ddof=1 divides by n − 1: right for a mean, where p is 1."],
        "normal": ["s is estimated. Which law has heavier tails, and how many degrees of freedom?"],
        "one-sided": [
            "A 95 % interval leaves 2.5 % out on each side.",
            "For 0.95 you want the point 0.975: how does 0.975 come out of 0.95?",
        ],
        "same": ["A new observation has noise of its own, as large as that of any row: variance σ²."],
        "adds": ["Independent noises: the variances add up, the standard deviations do not."],
        "no-root": ["a @ a is the share of a variance. What is wanted is a standard deviation."],
        "variance": ["s has the unit of y. Which unit has r @ r?"],
        "order": ["Mean first, then one new observation."],
        "fixed-level": ["`level` is an argument: (1 + level) / 2 is 0.975 for 0.95 only."],
        "df": ["The same n − p as in s."],
        "shape": ["A half width is one number: t · s · √(…)."],
        "differs": ["Is s from step 2, t from the level and n − p, and a·a under the root?"],
        "no-t": ["s√(a·a) is a standard error. How many of them make 95 %?"],
    },
)
def check_interval(interval):
    own(interval, "interval")
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p = 1 + seed % 4
        n = p + 3 + seed % 11
        X = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1)) * 3])
        y, x0 = X.sum(axis=1) + rng.normal(size=n) * 5, np.append(1.0, rng.normal(size=p - 1) * 3)
        level = (0.95, 0.9, 0.5, 0.99)[seed % 4]
        before = X.copy(), y.copy(), x0.copy()
        found = numbers_of(interval(X, y, x0, level), 3, "estimate, half width for the mean, half width for one")
        require(
            all(np.array_equal(now, then) for now, then in zip((X, y, x0), before, strict=True)),
            "changes",
            "Your function changes the arrays that it was given. Make new ones.",
        )
        right = _interval(X, y, x0, level)
        if close(found, right):
            continue
        _interval_mistake(found, right, (X, y, x0, level))
        reject("differs", f"Problem {seed}, level {level}: found {found.round(4)}, expected {right.round(4)}.")


def _interval_mistake(found, right, problem):
    X, y, x0, level = problem
    n, p = X.shape
    estimate, mean, one = right
    t = stats.t.ppf((1 + level) / 2, n - p)
    share = mean / np.sqrt(one**2 - mean**2)  # √(a·a)
    s = mean / share / t
    at_95 = stats.t.ppf(0.975, n - p)
    other_df, df_2 = (stats.t.ppf((1 + level) / 2, n - k) for k in (1, 2))
    wide = f"the half width for the mean is {found[1]:.4g}, expected {mean:.4g}"
    diagnose(
        found,
        {
            "divides-by-n": (
                _interval(X, y, x0, level, divide=n),
                f"{wide}: your s divides by n = {n}, not by n − p = {n - p}.",
            ),
            "one-parameter": (
                _interval(X, y, x0, level, divide=n - 1),
                f"{wide}: your s divides by n − 1 = {n - 1}, not by n − p = {n - p}.",
            ),
            "normal": (
                _interval(X, y, x0, level, law="normal"),
                f"{wide}: t is that of the normal law; here s is estimated.",
            ),
            "one-sided": (
                _interval(X, y, x0, level, tail="one"),
                f"{wide}: t leaves {1 - level:.0%} out on one side; it has two.",
            ),
            "same": (
                [estimate, mean, mean],
                "Both half widths are equal; one new observation is less certain than the mean.",
            ),
            "adds": (
                [estimate, mean, t * s + mean],
                "The wider half width is s plus the narrow one: standard deviations do not add up.",
            ),
            "no-root": ([estimate, t * s * share**2, t * s * (1 + share**2)], f"{wide}: a root is missing over a·a."),
            "variance": (right * [1, s, s], f"{wide}: it is too large by a factor s. Is your s a variance?"),
            "fixed-level": (right * [1, at_95 / t, at_95 / t], f"{wide}: that is 95 %, but the level is {level}."),
            "df": (
                right * [1, other_df / t, other_df / t],
                f"{wide}: t has n − 1 = {n - 1} degrees of freedom; n − p is {n - p}.",
            ),
            "df-2": (
                right * [1, df_2 / t, df_2 / t],
                f"{wide}: t has n − 2 = {n - 2} degrees of freedom; n − p is {n - p}.",
            ),
            "order": ([estimate, one, mean], "The two half widths have changed places: the mean comes first."),
            "no-t": (right / [1, t, t], f"{wide}: it is one standard error, whatever the level."),
        },
    )


# --- section 12: a ridge path -------------------------------------------------------------------------------

PATH = """def ridge_path(X, y, alphas):
    n, p = X.shape
    Xc, yc = {centred}
    coefs, errors = [], []
    for alpha in alphas:
        A = np.linalg.solve(Xc.T @ Xc + {penalty} * np.eye(p), Xc.T)
        e = yc - Xc @ (A @ yc)
        h = {h}
        coefs.append(A @ yc)
        errors.append({error})
    return np.array(coefs), np.array(errors)
"""


def _path_code(**changes):
    right = {
        "centred": "X - X.mean(axis=0), y - y.mean()",
        "penalty": "alpha",
        "h": "1 / n + (Xc * A.T).sum(axis=1)",
        "error": "np.sqrt(np.mean((e / (1 - h)) ** 2))",
    }
    return PATH.format(**(right | changes))


def _path(X, y, alphas, *, h="right", root=True, times=1.0, power=1):
    n, p = X.shape
    Xc, yc = X - X.mean(axis=0), y - y.mean()
    coefs, errors = [], []
    for alpha in alphas:
        A = np.linalg.solve(Xc.T @ Xc + times * alpha * np.eye(p), Xc.T)
        e, own_pull = yc - Xc @ (A @ yc), (Xc * A.T).sum(axis=1)
        pull = {"right": 1 / n + own_pull, "no-mean": own_pull, "none": 0 * own_pull}.get(h)
        if h == "average":
            pull = np.full(n, np.mean(1 / n + own_pull))
        coefs.append(A @ yc)
        square = np.mean((e / (1 - pull) ** power) ** 2)
        errors.append(np.sqrt(square) if root else square)
    return np.array(coefs), np.array(errors)


@exercises.differential(
    "ridge_path",
    wrong={
        _path_code(error="np.sqrt(np.mean(e ** 2))"): "fitted-rows",
        _path_code(h="(Xc * A.T).sum(axis=1)"): "no-mean",
        _path_code(penalty="alpha ** 2"): "penalty",
        _path_code(penalty="n * alpha"): "penalty-n",
        _path_code(error="np.mean((e / (1 - h)) ** 2)"): "no-root",
        _path_code(error="np.sqrt(np.mean((e / (1 - h.mean())) ** 2))"): "average",
        _path_code(error="np.sqrt(np.mean(e ** 2 / (1 - h)))"): "half",
        _path_code(error="np.sqrt(np.sum((e / (1 - h)) ** 2))"): "sum",
        _path_code(h="1 / n + Xc @ A"): "whole-matrix",
        """def ridge_path(X, y, alphas):
    from sklearn.linear_model import Ridge
    coefs = np.array([Ridge(alpha=a).fit(X, y).coef_ for a in alphas])
    return coefs, np.ones(len(alphas))
""": "library",
        _path_code(centred="X, y"): "not-centred",
    },
    hints={
        "start": ["A is in section 5. e is step 2 of section 1. h is in section 4, with 1/n added."],
        "fitted-rows": ["Each row pulls the fit towards itself. Which division takes that out?", "e / (1 - h)"],
        "no-mean": [
            "If you hide a row, the means change as well, and with them the intercept.",
            "The leverage of the mean alone is 1/n for each row: add it.",
        ],
        "penalty": ["The diagonal gets α itself; √α stands in the augmented rows."],
        "penalty-n": ["Some books divide the sum of squares by n. Here it is ‖y − Xb‖² + α‖b‖²."],
        "no-root": ["Root of the mean square."],
        "sum": ["The mean over the rows, then the root."],
        "whole-matrix": ["The leverages are the diagonal only: (Xc * A.T).sum(axis=1), or np.diag(Xc @ A)."],
        "library": ["Four steps, one line each: A is in section 5."],
        "differs": ["Look at e (step 2) and h (step 3) for one α: the mean of h is at most (p + 1)/n."],
        "average": ["Each row has a leverage of its own: keep the vector h."],
        "half": ["(e / (1 - h)) ** 2: square the quotient, not only e."],
        "not-centred": ["Keep the line with X.mean and y.mean: without it ridge shrinks the intercept."],
    },
)
def check_ridge_path(ridge_path):
    own(ridge_path, "ridge_path")
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n, p = 12 + seed, 2 + seed % 4
        X = rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) + 3
        y, alphas = X.sum(axis=1) + 20 + rng.normal(size=n) * 2, np.array([0.03, 0.5, 2.0, 40.0])
        before = X.copy(), y.copy()
        found = ridge_path(X, y, alphas)
        shape = "two arrays are wanted: coefficients, a row per α, and one error per α"
        require(isinstance(found, tuple | list) and len(found) == 2, "shape", f"Found {type(found).__name__}; {shape}.")
        coefs, errors = (np.asarray(part, dtype=float) for part in found)
        require(
            coefs.shape == (4, p) and errors.shape == (4,),
            "shape",
            f"Found shapes {coefs.shape} and {errors.shape}; {shape}.",
        )
        same = np.array_equal(X, before[0]) and np.array_equal(y, before[1])
        require(same, "changes", "Your function changes the X or y that it was given. Make new arrays.")
        _path_mistake(coefs, errors, X, y, alphas)


def _path_mistake(coefs, errors, X, y, alphas):
    wanted, wanted_errors = _path(X, y, alphas)
    if close(coefs, wanted) and close(errors, wanted_errors):
        return
    n, p = X.shape
    raw = np.array([np.linalg.solve(X.T @ X + a * np.eye(p), X.T @ y) for a in alphas])
    diagnose(
        coefs,
        {
            "not-centred": (
                raw,
                "The coefficients are those of X and y as they are: centre both, or the intercept is penalised.",
            ),
            "penalty-n": (
                _path(X, y, alphas, times=n)[0],
                f"The coefficients are those of α·n (n = {n}): the diagonal gets α.",
            ),
            "penalty": (_path(X, y, alphas**2)[0], "The coefficients are those of α²: the diagonal gets α itself."),
            "root-alpha": (
                _path(X, y, alphas**0.5)[0],
                "The coefficients are those of √α: the diagonal gets α itself.",
            ),
        },
    )
    require(
        close(coefs, wanted),
        "coefficients",
        f"α = {alphas[0]}: found {coefs[0].round(4)}, expected {wanted[0].round(4)}.",
    )
    said = f"α = {alphas[0]}: the error is {errors[0]:.4g}, expected {wanted_errors[0]:.4g}"
    A = np.linalg.solve((X - X.mean(0)).T @ (X - X.mean(0)) + alphas[0] * np.eye(p), (X - X.mean(0)).T)
    h, e = 1 / n + ((X - X.mean(0)) * A.T).sum(axis=1), y - y.mean() - (X - X.mean(0)) @ (A @ (y - y.mean()))
    require(
        not close(errors[0], np.sqrt(np.mean(e**2 / (1 - h)))),
        "half",
        f"{said}: the division by 1 − h is not squared with e.",
    )
    full = np.mean((e[None, :] / (1 - 1 / n - (X - X.mean(0)) @ A)) ** 2) ** 0.5
    require(not close(errors[0], full), "whole-matrix", f"{said}: h is a whole matrix; only its diagonal is leverage.")
    diagnose(
        errors,
        {
            "sum": (wanted_errors * np.sqrt(n), f"{said}: that is the root of the sum, not of the mean."),
            "fitted-rows": (
                _path(X, y, alphas, h="none")[1],
                f"{said}: that is the error of the rows that were fitted.",
            ),
            "no-mean": (_path(X, y, alphas, h="no-mean")[1], f"{said}: the leverage 1/n of the intercept is missing."),
            "no-root": (_path(X, y, alphas, root=False)[1], f"{said}: that is the mean square, without its root."),
            "average": (
                _path(X, y, alphas, h="average")[1],
                f"{said}: all rows got the mean leverage; each has its own.",
            ),
        },
    )
    reject("differs", f"{said}.")


# --- section 14: a service ----------------------------------------------------------------------------------

QUOTE = """%%function quote --include model.py model.json
import json

from model import number, price_of

with open("model.json") as file:
    model = json.load(file)

M2 = {{"m2": 1.0, "ft2": 0.09290304}}


def in_range(value, name):
    low, high = model["ranges"][name]
    {test}
        raise ValueError(f"{{name}} is {{value:.4g}}; the model knows {{low}} to {{high}} only")
    return value


def flat_of(event):
    if not isinstance(event, dict) or event.get("district") not in model["districts"]:
        raise ValueError(f"district must be one of {{model['districts']}}")
    unit = event.get("unit", "m2")
    {unit}
    area = {area}
    age = {age}
    return {{"area": area, "age": age, "district": event["district"]}}


def handler(event, context):
    try:
        price, {half} = price_of(flat_of(event), model)
    except ValueError as problem:
        return {{"statusCode": 400, "message": str(problem)}}
    low, high = price - half, price + half
    answer = {{"price": price, "low": low, "high": high, "loan": {loan}}}
    return {{"statusCode": 200, "unit": "thousand euros"}} | answer
"""


def _quote_code(**changes):
    right = {
        "test": "if not low <= value <= high:",
        "unit": "if unit not in M2: raise ValueError(f'unit is {unit!r}; known are {sorted(M2)}')",
        "area": 'in_range(number(event, "area") * M2[unit], "area")',
        "age": 'None if event.get("age") is None else in_range(number(event, "age"), "age")',
        "half": "_, half",
        "loan": "0.8 * low",
    }
    return QUOTE.format(**(right | changes))


FLAT = {"area": 75.0, "age": 12, "district": "centre"}


@exercises.behaviour(
    "quote",
    wrong={
        _quote_code(area='in_range(number(event, "area"), "area")'): "unit-ignored",
        _quote_code(area='in_range(number(event, "area"), "area") * M2[unit]'): "range-before-unit",
        _quote_code(area='in_range(number(event, "area") / M2[unit], "area")'): "divides",
        _quote_code(unit="pass"): "unknown-unit",
        _quote_code(test="if value > high:"): "too-small",
        _quote_code(half="half, _"): "mean-interval",
        _quote_code(loan="0.8 * price"): "loan",
        _quote_code(age='in_range(number(event, "age"), "age")'): "unknown-age",
        _quote_code(area='in_range(float(event["area"]) * M2[unit], "area")'): "raises-in-handler",
    },
    hints={
        "start": [
            "Three blanks: in_range, flat_of, the answer. Begin with in_range: model['ranges'][name] is [low, high]."
        ],
        "unit-ignored": ["M2[unit] is how many m² one unit has: multiply."],
        "range-before-unit": ["Convert to m² first: the range is in m²."],
        "divides": ["One ft² is 0.093 m²: is an area in m² a larger or a smaller number than in ft²?"],
        "unknown-unit": [
            "M2[unit] raises a KeyError, and the handler catches ValueError only.",
            "Before M2[unit]: if unit not in M2: raise ValueError(...), with the known units in the message.",
        ],
        "too-small": ["A range has two ends: low <= value <= high."],
        "no-range": ["Call in_range for the area and for the age, and let it raise ValueError."],
        "mean-interval": [
            "price_of returns price, half width for the mean, half width for one sale. The bank sells one flat."
        ],
        "refuses": [
            "Try in_range(75, 'area') in your head: which comparison raises?",
            "raise only if the value lies outside.",
        ],
        "price": ["price_of(flat_of(event), model) is the right call: what do you hand it as area and age?"],
        "interval": ["low = price − half, high = price + half, with the third thing that price_of returns."],
        "shape": ["Return one dictionary: statusCode, price, low, high, loan."],
        "loan": ["80 % of `low`, not of `price`: what if it sells badly?"],
        "unknown-age": ["age = None if event.get('age') is None else ..."],
        "raises-in-handler": ["number(event, 'area') refuses what is no number, and says so with a ValueError."],
        "message": ["Say the value that was found and the one that is expected."],
    },
)
def check_quote(quote, predict_with_interval):
    def ask(event):
        outcome = quote.invoke(event)
        if outcome.error is not None:
            said = f"{outcome.error.error_type}: {outcome.error.message}"
            if isinstance(event, dict) and event.get("age", 0) is None:
                reject("unknown-age", f"An unknown age (null) makes the handler fail: {said}.")
            if isinstance(event, dict) and "unit" in event and event["unit"] not in ("m2", "ft2"):
                reject(
                    "unknown-unit",
                    f"The unit {event['unit']!r} makes the handler fail: {said}. Answer with status 400.",
                )
            reject("raises-in-handler", f"{_short(event)} makes the handler fail: {said}. Answer with status 400.")
        require(
            isinstance(outcome.payload, dict) and "statusCode" in outcome.payload,
            "shape",
            f"To {_short(event)} it answers {_short(outcome.payload)}; a dictionary with statusCode is wanted.",
        )
        return outcome.payload

    plain = ask(FLAT)
    require(
        plain["statusCode"] == 200, "refuses", f"{_short(FLAT)} is a good flat, and is refused: {plain.get('message')}"
    )
    missing = [name for name in ("price", "low", "high", "loan") if name not in plain]
    require(not missing, "shape", f"The answer lacks {missing}; found {sorted(plain)}.")
    numbers = [plain[name] for name in ("price", "low", "high", "loan")]
    require(
        all(isinstance(v, int | float) for v in numbers),
        "shape",
        f"price, low, high, loan are {numbers}; numbers are wanted.",
    )
    _quote_numbers(plain, predict_with_interval.invoke({"flats": [FLAT]}).payload["predictions"][0])
    _quote_units(ask, plain)
    _quote_limits(ask)


def _quote_numbers(plain, served):
    price, low, high, loan = (plain[name] for name in ("price", "low", "high", "loan"))
    near = 0.11  # who rounds to one decimal is right
    found = f"Found price {price:.1f}, low {low:.1f}, high {high:.1f}"
    require(abs(price - served["price"]) < near, "price", f"{found}; predict_with_interval says {served['price']:.1f}.")
    require(low < price < high, "interval", f"{found}: low < price < high is wanted.")
    half = (high - low) / 2
    require(
        abs(half - served["half_mean"]) > near,
        "mean-interval",
        f"{found}: that is ± {half:.1f}, where the mean of such flats lies. One sale is less certain.",
    )
    require(
        abs(half - served["half_one"]) < near and abs(low + high - 2 * price) < 2 * near,
        "interval",
        f"{found}; price ± {served['half_one']:.1f} is wanted.",
    )
    require(
        abs(loan - 0.8 * price) > near,
        "loan",
        f"The loan {loan:.1f} is 80 % of the price; 80 % of low is {0.8 * low:.1f}.",
    )
    require(abs(loan - 0.8 * low) < near, "loan-other", f"The loan is {loan:.1f}; 80 % of low is {0.8 * low:.1f}.")


def _quote_units(ask, plain):
    for area in (75.0, 40.0):
        feet = ask(FLAT | {"area": area / 0.09290304, "unit": "ft2"})
        metres = ask(FLAT | {"area": area, "unit": "m2"})
        asked = f"{area / 0.09290304:.1f} ft² are {area:g} m²"
        if feet["statusCode"] != 200:
            found = str(feet.get("message"))
            tiny = area / 0.09290304**2
            divided = f"{tiny:.4g}" in found
            ranged = f"{area / 0.09290304:.4g}" in found
            require(
                not divided,
                "divides",
                f"{asked}, but it is refused as {tiny:.0f}: multiply by M2[unit], do not divide.",
            )
            other = ask(FLAT | {"area": 100.0, "unit": "ft2"})
            within = other["statusCode"] == 200 and abs(other["price"] - ask(FLAT | {"area": 100.0})["price"]) > 1
            if ranged and within:
                reject(
                    "range-before-unit", f"{asked}, but it is refused: {found}. Convert before you look at the range."
                )
            reject("unit-ignored", f"{asked}, but it is refused: {found}. Is the unit looked at?")
        require(
            abs(feet["price"] - metres["price"]) < 0.11,
            "unit-ignored",
            f"{asked}, but the prices are {feet['price']:.1f} and {metres['price']:.1f}.",
        )
    again = ask(FLAT | {"area": 40.0})
    require(
        abs(again["price"] - plain["price"]) > 50,
        "same-for-all",
        f"40 m² and 75 m² cost {again['price']:.1f} and {plain['price']:.1f}; the price must come from the model.",
    )
    older = ask(FLAT | {"age": 70})
    require(abs(older["price"] - plain["price"]) > 10, "age-ignored", "The age makes no difference to your price.")


def _quote_limits(ask):
    unknown = ask(FLAT | {"age": None})
    require(
        unknown["statusCode"] == 200,
        "unknown-age",
        f"An unknown age (null) is allowed; it is refused: {unknown.get('message')}",
    )
    without = ask({"area": 75.0, "district": "centre"})
    require(without["statusCode"] == 200, "unknown-age", f"Without an age it is refused: {without.get('message')}")
    bad = {
        "an area of 3 m²": ({"area": 3}, "too-small"),
        "an area of 10,000 m²": ({"area": 10_000}, "no-range"),
        "an age of −5": ({"age": -5}, "too-small"),
        "an age of 300": ({"age": 300}, "no-range"),
        "the unit acre": ({"unit": "acre"}, "unknown-unit"),
        "a word as area": ({"area": "large"}, "raises-in-handler"),
        "no area": ({"area": None}, "raises-in-handler"),
        "an area of 1e300": ({"area": 1e300}, "no-range"),
        "true as area": ({"area": True}, "raises-in-handler"),
        "a word as age": ({"age": "old"}, "raises-in-handler"),
        "an unknown district": ({"district": "west"}, "raises-in-handler"),
    }
    for what, (change, diagnosis) in bad.items():
        found = ask(FLAT | change)
        require(
            found["statusCode"] == 400,
            diagnosis,
            f"To {what} the status is {found['statusCode']} and the price {found.get('price')}; 400 is wanted.",
        )
        require(len(str(found.get("message", ""))) > 10, "message", f"{what}: refused without a message that helps.")


def _short(value):
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


# --- section 15: calibration --------------------------------------------------------------------------------

CALIBRATION = """def calibration(predicted, came, level=0.95):
    x, y = {x}, {y}
    X = {X}
    Q, R = np.linalg.qr(X)
    A = np.linalg.solve(R, Q.T)
    b = A @ y
    r = y - X @ b
    s = np.sqrt(r @ r / (len(y) - {spent}))
    half = {t} * s * np.sqrt((A[-1] ** 2).sum())
    return b[{j}], b[{j}] - half, b[{j}] + half
"""


def _calibration_code(**changes):
    right = {
        "x": "np.log10(predicted)",
        "y": "np.log10(came)",
        "X": "np.column_stack([np.ones(len(x)), x])",
        "spent": "2",
        "t": "stats.t.ppf((1 + level) / 2, len(y) - 2)",
        "j": "-1",
    }
    return CALIBRATION.format(**(right | changes))


def _slope(x, y, level, *, start=True, law="t", divide=2, tail="two"):
    if start:
        x, y = x - x.mean(), y - y.mean()
    slope = x @ y / (x @ x)
    r = y - slope * x
    df = len(y) - (2 if start else 1)
    s = np.sqrt(r @ r / (df if start is False else len(y) - divide))
    point = (1 + level) / 2 if tail == "two" else level
    t = stats.norm.ppf(point) if law == "normal" else stats.t.ppf(point, df)
    half = t * s / np.sqrt(x @ x)
    return np.array([slope, slope - half, slope + half])


@exercises.differential(
    "calibration",
    wrong={
        _calibration_code(x="np.log10(came)", y="np.log10(predicted)"): "exchanged",
        _calibration_code(x="np.asarray(predicted)", y="np.asarray(came)"): "no-logs",
        _calibration_code(X="x[:, None]", spent="1", t="stats.t.ppf((1 + level) / 2, len(y) - 1)"): "no-start",
        _calibration_code(t="1.96"): "normal",
        _calibration_code(t="stats.norm.ppf((1 + level) / 2)"): "normal-point",
        _calibration_code(t="stats.t.ppf((1 + 0.95) / 2, len(y) - 2)"): "fixed-level",
        _calibration_code(spent="0"): "divides-by-n",
        _calibration_code(j="0"): "intercept",
        """def calibration(predicted, came, level=0.95):
    line = stats.linregress(np.log10(predicted), np.log10(came))
    half = stats.t.ppf((1 + level) / 2, len(came) - 2) * line.stderr
    return line.slope, line.slope - half, line.slope + half
""": "library",
        _calibration_code(t="1.0"): "no-t",
    },
    hints={
        "start": [
            "X has two columns: ones, and np.log10(predicted). y is np.log10(came). Then section 1.",
            "fit(X, y) does steps 1 and 2.",
        ],
        "exchanged": ["Regress what came *on* what was predicted: what came is y."],
        "no-logs": ["np.log10 of both, first."],
        "no-start": ["X = np.column_stack([np.ones(len(predicted)), ...])"],
        "normal": ["You have few predictions, so s is uncertain. Which law?", "stats.t.ppf((1 + level) / 2, n - 2)"],
        "normal-point": ["s is estimated: stats.t with n − 2 degrees of freedom."],
        "fixed-level": ["`level` is an argument: use it in t."],
        "divides-by-n": ["Start and slope are two parameters: n − 2."],
        "library": ["`fit` of section 1 is yours, and does steps 1 and 2."],
        "one-sample": ["A slope is a parameter, not a new observation: no 1 under the root."],
        "differs": ["Print A[1] @ y: it must be np.polyfit(np.log10(predicted), np.log10(came), 1)[0]."],
        "intercept": ["Row 0 of A belongs to the start, row 1 to the slope."],
        "no-t": ["That is ± one standard error. How many for this level?"],
    },
)
def check_calibration(calibration):
    own(calibration, "calibration")
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n, level = 5 + seed % 9, (0.95, 0.9, 0.6)[seed % 3]
        x = rng.uniform(-2, 3, n)
        y = 0.3 + 0.7 * x + 0.3 * rng.normal(size=n)
        found = calibration(10**x, 10**y) if level == 0.95 else calibration(10**x, 10**y, level)
        found = numbers_of(found, 3, "the slope, the lower end, the upper end")
        right = _slope(x, y, level)
        if close(found, right):
            continue
        _calibration_mistake(found, right, x, y, level)
        reject("differs", f"Record {seed}, level {level}: found {found.round(4)}, expected {right.round(4)}.")


def _calibration_mistake(found, right, x, y, level):
    n = len(x)
    slope, half = right[0], right[2] - right[0]
    t = stats.t.ppf((1 + level) / 2, n - 2)
    start = y.mean() - slope * x.mean()
    ends = f"the interval is {found[1]:.3f} to {found[2]:.3f}, expected {right[1]:.3f} to {right[2]:.3f}"

    def around(times):
        return [slope, slope - half * times / t, slope + half * times / t]

    root = np.sqrt((n - 2) / n)
    diagnose(
        found,
        {
            "exchanged": (
                _slope(y, x, level),
                "That is the slope of what you predicted on what came: exchange the two.",
            ),
            "no-logs": (
                _slope(10**x, 10**y, level),
                "That is the slope of the numbers themselves: take log10 of both first.",
            ),
            "natural": (_slope(x, y * np.log(10), level), "One of the two has the natural logarithm: log10 for both."),
            "no-start": (_slope(x, y, level, start=False), "Your line goes through 0: give X a column of ones."),
            "normal-point": (
                around(stats.norm.ppf((1 + level) / 2)),
                f"{ends}: that is the normal law; s is estimated.",
            ),
            "normal": (around(1.96), f"{ends}: 1.96 is right for very many predictions and 95 % only."),
            "fixed-level": (around(stats.t.ppf(0.975, n - 2)), f"{ends}: that is 95 %, but level is {level}."),
            "one-sided": (_slope(x, y, level, tail="one"), f"{ends}: an interval can miss on two sides."),
            "divides-by-n": (around(t * root), f"{ends}: s divides by n; two parameters are spent."),
            "no-t": (around(1.0), f"{ends}: that is one standard error on each side."),
            "one-sample": (
                around(t * np.sqrt(1 + 1 / ((x - x.mean()) @ (x - x.mean()))) * np.linalg.norm(x - x.mean())),
                f"{ends}: that is a prediction interval; a slope is a parameter.",
            ),
            "order": ([slope, right[2], right[1]], "The two ends have changed places: the lower one comes first."),
            "half": (
                [slope, half, half],
                "The ends of the interval are wanted, not its half width: slope − half, slope + half.",
            ),
        },
    )
    require(
        not np.isclose(found[0], start), "intercept", f"{found[0]:.3f} is where the line starts; its slope is wanted."
    )


exercises.explain(
    "artifact",
    words=8,
    hints={
        "start": ["What did the handler that scales each request by itself answer?"],
        "too-short": ["Where do these numbers come from, and what if the service had others?"],
    },
)

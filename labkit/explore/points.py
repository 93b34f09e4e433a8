"""One point against a least-squares fit: its residuals, its leverage and the condition of the problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labkit.distributions import whole
from labkit.errors import BadLoad
from labkit.explore.view import View
from labkit.show import words
from labkit.show.cards import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = "Which point can turn the line by itself, and what does moving it do to the condition number?"
# y = 2 + 0.5 x and a fixed scatter: the same in every run
X = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
Y = (2.7, 2.8, 3.6, 3.9, 4.8, 4.7, 5.6, 6.2, 6.3, 7.1)
NOTES = (
    "Coefficients by QR (numpy.linalg.qr), never by the normal equations, whose condition number is the square:"
    " κ(X'X) = κ(X)². Leverage is the diagonal of the hat matrix, the sum of squares of the point's row in Q: the share"
    " of a move of y that its own fitted value follows.",
)
MOST_DEGREE = 7


def fit(
    point: int = 10,
    *,
    to_x: float | None = None,
    to_y: float | None = None,
    degree: int = 1,
    x: Sequence[float] = X,
    y: Sequence[float] = Y,
) -> View:
    """A polynomial through points by least squares, after one of them was moved; beside it the fit before.

    `point` counts from 1; without `to_x` or `to_y` it stays where it is. `view` has "coefficients" (constant first),
    "residuals", "leverage", "condition" (of the design matrix, in the 2-norm) and "rss". Raises BadLoad.

    >>> fit(10, to_y=20.0)["coefficients"]
    array([0.35..., 1.09...])
    """
    import numpy as np  # 0.1 s: only when something is fitted

    before_x: np.ndarray = np.asarray(x, float)
    before_y: np.ndarray = np.asarray(y, float)
    _check(point, degree, before_x, before_y)
    now_x, now_y = before_x.copy(), before_y.copy()
    now_x[point - 1] = now_x[point - 1] if to_x is None else to_x
    now_y[point - 1] = now_y[point - 1] if to_y is None else to_y
    before, after = _fitted(before_x, before_y, degree), _fitted(now_x, now_y, degree)
    moved = bool((now_x != before_x).any() or (now_y != before_y).any())
    values = {**after, "x": now_x, "y": now_y, "before": before, "point": point, "moved": moved}
    values["old"] = (before_x, before_y)
    return View(QUESTION, _table(values), _alt(values), NOTES, values, lambda: _drawn(values))


def _check(point: int, degree: int, x: Any, y: Any) -> None:
    import numpy as np

    if x.shape != y.shape or x.ndim != 1 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BadLoad(f"x has the shape {x.shape} and y {y.shape}; expected two lists of finite numbers, equally long.")
    whole("the point", point, least=1)
    whole("the degree", degree, least=1)
    if point > len(x) or degree > min(MOST_DEGREE, len(x) - 1):
        raise BadLoad(
            f"point {point}, degree {degree}: there are {len(x)} points,"
            f" and the degree is at most {min(MOST_DEGREE, len(x) - 1)}."
        )


def _fitted(x: Any, y: Any, degree: int) -> dict[str, Any]:
    import numpy as np

    design = np.vander(x, degree + 1, increasing=True)
    condition = float(np.linalg.cond(design))
    if not condition < 1 / np.finfo(float).eps:
        raise BadLoad("Too many points share one x: the design matrix has no full rank, and no fit is unique.")
    q, r = np.linalg.qr(design)
    coefficients = np.linalg.solve(r, q.T @ y)
    residuals = y - design @ coefficients
    return {
        "coefficients": coefficients,
        "residuals": residuals,
        "leverage": (q**2).sum(axis=1),
        "condition": condition,
        "rss": float(residuals @ residuals),
    }


def _table(v: dict[str, Any]) -> Table:
    before, at = v["before"], v["point"] - 1
    names = ["constant", "slope", *(f"x^{k}" for k in range(2, len(v["coefficients"])))]
    pairs = [
        *zip(names, before["coefficients"], v["coefficients"], strict=True),
        ("residual sum of squares", before["rss"], v["rss"]),
        (f"residual of point {at + 1}", before["residuals"][at], v["residuals"][at]),
        (f"leverage of point {at + 1}", before["leverage"][at], v["leverage"][at]),
        ("condition number κ(X)", before["condition"], v["condition"]),
        ("κ(X'X) = κ(X)²", before["condition"] ** 2, v["condition"] ** 2),
    ]
    where = f"point {at + 1} at ({v['x'][at]:g}, {v['y'][at]:g})"
    rows = tuple((name, f"{float(old):.4g}", f"{float(new):.4g}") for name, old, new in pairs)
    return Table(f"{words.count(len(v['x']), 'point')}, {where}", ("", "before", "now"), rows, frozenset((1, 2)))


def _alt(v: dict[str, Any]) -> str:
    at, old = v["point"] - 1, v["before"]
    change = (
        f"Point {at + 1} was moved to ({v['x'][at]:g}, {v['y'][at]:g}): the slope goes from"
        f" {old['coefficients'][1]:.3g} to {v['coefficients'][1]:.3g}."
        if v["moved"]
        else f"No point was moved; the slope is {v['coefficients'][1]:.3g}."
    )
    largest = int(abs(v["residuals"]).argmax()) + 1
    return (
        f"Left: {len(v['x'])} points and a least-squares fit. {change} Right: their residuals; the largest is that of"
        f" point {largest}. The condition number is {v['condition']:.3g}."
    )


def _drawn(v: dict[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    figure.suptitle("A least-squares fit and one point of it", fontsize=13, fontweight="bold")
    left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    _draw_fit(left, v)
    _draw_residuals(right, v)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    return figure


def _draw_fit(axes: Any, v: dict[str, Any]) -> None:
    import numpy as np

    at, (old_x, old_y) = v["point"] - 1, v["old"]
    low, high = min(v["x"].min(), old_x.min()), max(v["x"].max(), old_x.max())
    grid = np.linspace(low, high, 200)
    powers = np.vander(grid, len(v["coefficients"]), increasing=True)
    if v["moved"]:
        axes.plot(grid, powers @ v["before"]["coefficients"], ":", color="black", label="fit before")
        axes.annotate(
            "", (v["x"][at], v["y"][at]), xytext=(old_x[at], old_y[at]), arrowprops={"arrowstyle": "->", "alpha": 0.5}
        )
        axes.plot(old_x[at], old_y[at], "o", markerfacecolor="none", color="#D55E00", label="where it was")
    axes.plot(grid, powers @ v["coefficients"], color="#0072B2", label="fit")
    axes.plot(v["x"], v["y"], "o", color="#555555", markersize=5)
    axes.plot(v["x"][at], v["y"][at], "D", color="#D55E00", markersize=8, label=f"point {at + 1}")
    axes.set_title(f"Points and fit, κ(X) = {v['condition']:.3g}", fontsize=10.5)
    axes.set_xlabel("x (no unit)")
    axes.set_ylabel("y (no unit)")


def _draw_residuals(axes: Any, v: dict[str, Any]) -> None:
    at, numbers = v["point"] - 1, range(1, len(v["x"]) + 1)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.vlines(numbers, 0, v["residuals"], color="#0072B2", linewidth=2)
    axes.plot(numbers, v["residuals"], "o", color="#0072B2", markersize=5, label="residual")
    axes.plot(at + 1, v["residuals"][at], "D", color="#D55E00", markersize=8, label=f"of point {at + 1}")
    axes.set_xticks(list(numbers))
    axes.set_title("Residuals", fontsize=10.5)
    axes.set_xlabel("point (number)")
    axes.set_ylabel("y minus fit (no unit)")

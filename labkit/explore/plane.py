"""Points that are dragged, by anywidget: the fit follows the pointer, the figure and the table follow when it lets go.

Only the plane is a widget: what it changes below is an ordinary display, as that of the sliders. The front end draws
and tells where a point is; every number is this kernel's. A point can also be reached with Tab and moved by the arrow
keys. Without anywidget there are the sliders, and the plain function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.errors import LabkitError, MissingWidgets
from labkit.explore.points import X, Y, fit
from labkit.explore.view import View

if TYPE_CHECKING:
    import numpy as np

INSTEAD = "`explore.sliders(explore.fit)` moves them by sliders, and `explore.fit(10, to_y=20)` by itself."
MARGIN = 0.25  # of the points' span, on each side, to drag into
CURVE = 60  # places at which the fit is drawn


def drag(degree: int = 1, *, x: Sequence[float] = X, y: Sequence[float] = Y) -> None:
    """Shows points to drag, their least-squares fit with its residuals, and below them the view of `fit`.

    Raises MissingWidgets without anywidget, BadLoad for points that have no fit.

    >>> explore.drag()
    """
    from IPython.display import display

    first = fit(1, degree=degree, x=x, y=y)
    widget = _widget()
    later: list[Callable[[View], object]] = []
    Plane(widget, first, degree, lambda view: [show(view) for show in later])
    display(_Shown(widget))
    later.append(display(first, display_id=True).update)


class Plane:
    """The kernel's half: where the points are, and what each move does to the fit."""

    def __init__(self, widget: Any, first: View, degree: int, show: Callable[[View], object]) -> None:
        self._widget, self._degree, self._show = widget, degree, show
        self._xs, self._ys = list(map(float, first["x"])), list(map(float, first["y"]))
        widget.box = [*_span(self._xs), *_span(self._ys)]
        self._draw(first)
        widget.observe(self._moved, names="moved")

    def _moved(self, change: Any) -> None:
        index, x, y, done, _ = change["new"]
        point = int(index) + 1
        try:
            view = fit(point, to_x=x, to_y=y, degree=self._degree, x=self._xs, y=self._ys)
        except LabkitError as error:
            self._widget.said = str(error)
            return
        self._draw(view)
        if done:
            self._xs, self._ys = list(map(float, view["x"])), list(map(float, view["y"]))
            self._show(view)

    def _draw(self, view: View) -> None:
        import numpy as np

        low, high = self._widget.box[:2]
        grid = np.linspace(low, high, CURVE)
        with self._widget.hold_sync():
            self._widget.xs, self._widget.ys = view["x"].tolist(), view["y"].tolist()
            self._widget.curve = np.column_stack([grid, _values(view, grid)]).tolist()
            self._widget.fitted = _values(view, view["x"]).tolist()
            self._widget.said = said(view)


def said(view: View) -> str:
    """The numbers that one watches while dragging, in a line."""
    slope = f"slope {view['coefficients'][1]:.3g}, " if len(view["coefficients"]) == 2 else ""
    return f"{slope}residual sum of squares {view['rss']:.3g}, condition number {view['condition']:.3g}"


def _values(view: View, at: np.ndarray) -> np.ndarray:
    import numpy as np

    values: np.ndarray = np.polynomial.polynomial.polyval(at, view["coefficients"])
    return values


def _span(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    margin = MARGIN * ((high - low) or 1.0)
    return [low - margin, high + margin]


class _Shown:
    """The widget; where a front end has none, a sentence."""

    def __init__(self, widget: Any) -> None:
        self._widget = widget

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = self._widget._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return {**data, "text/plain": "Points to drag: they need a running kernel."}, metadata


def _widget() -> Any:
    """The front end's half. Raises MissingWidgets."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise MissingWidgets("Dragging", "anywidget", instead=INSTEAD) from None

    class Points(anywidget.AnyWidget):
        _esm = Path(__file__).with_name("plane.js")
        box = traitlets.List(traitlets.Float()).tag(sync=True)
        xs = traitlets.List(traitlets.Float()).tag(sync=True)
        ys = traitlets.List(traitlets.Float()).tag(sync=True)
        fitted = traitlets.List(traitlets.Float()).tag(sync=True)
        curve = traitlets.List().tag(sync=True)
        said = traitlets.Unicode().tag(sync=True)
        moved = traitlets.List([]).tag(sync=True)

    return Points()

"""Sliders over an explorer's function, by ipywidgets where there is one; the figure is a plain output beside them.

Only the sliders are a widget. What they change is an ordinary display, which a notebook keeps as a static figure with
its table: a run without a browser, and a front end without widgets, lose nothing. A slider's message reaches the
kernel when no cell runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.errors import LabkitError
from labkit.explore import points
from labkit.explore.limits import concurrency
from labkit.explore.points import fit
from labkit.explore.rates import traffic
from labkit.explore.sizes import memory
from labkit.explore.view import View

WIDGET = "application/vnd.jupyter.widget-view+json"
WITHOUT = "Without ipywidgets there are no sliders: call the function with other values instead."


@dataclass(frozen=True, slots=True)
class Slider:
    """From where to where, in which steps; `value` is the function's own default."""

    says: str
    low: float
    high: float
    step: float
    value: float


SLIDERS: dict[Callable[..., View], dict[str, Slider]] = {
    fit: {
        "point": Slider("point", 1, 10, 1, 10),
        "to_x": Slider("move it to x", 0.0, 20.0, 0.1, 10.0),
        "to_y": Slider("move it to y", -5.0, 20.0, 0.1, 7.1),
        "degree": Slider("degree", 1, points.MOST_DEGREE, 1, 1),
    },
    memory: {
        "memory_mb": Slider("memory (MB)", 128, 10_240, 64, 512),
        "cpu_s": Slider("CPU time (s)", 0.0, 2.0, 0.01, 0.2),
        "wait_s": Slider("waiting (s)", 0.01, 2.0, 0.01, 0.1),
        "cpus": Slider("CPUs it keeps busy", 1.0, 6.0, 0.5, 1.0),
    },
    traffic: {
        "calls_per_hour": Slider("calls per hour", 0.5, 200.0, 0.5, 12.0),
        "idle_timeout_s": Slider("idle timeout (s)", 60.0, 1800.0, 60.0, 300.0),
    },
    concurrency: {
        "limit": Slider("limit", 1, 40, 1, 8),
        "rate": Slider("calls per second", 1.0, 200.0, 1.0, 60.0),
        "service_s": Slider("mean duration (s)", 0.01, 0.15, 0.01, 0.1),
    },
}


def sliders(explorer: Callable[..., View]) -> None:
    """Shows the explorer's figure and table by its defaults, and sliders that change them.

    Points of a fit are moved by sliders here, and by dragging in `drag`. Raises LabkitError for a function that is no
    explorer.

    >>> sliders(explore.memory)
    """
    from IPython.display import display

    if explorer not in SLIDERS:
        known = ", ".join(sorted(f.__name__ for f in SLIDERS))
        raise LabkitError(f"{explorer!r} is no explorer.", hint=f"Take one of labkit.explore: {known}.")
    said = "; ".join(f"{s.says}, {s.low:,g} to {s.high:,g}" for s in SLIDERS[explorer].values())
    controls = _controls(SLIDERS[explorer])
    if controls is None:
        display(_Line(WITHOUT))
    else:
        display(_bundle(controls, f"Sliders ({said}): they need a running kernel."), raw=True)
    shown = display(explorer(), display_id=True)
    if controls is not None:
        follow(explorer, controls, shown.update)


def follow(explorer: Callable[..., View], controls: Any, show: Callable[[object], None]) -> None:
    """From now on a moved slider shows the view of its values, or what is wrong with them."""
    named: Mapping[str, Any] = controls.named

    def moved(_: object) -> None:
        try:
            show(explorer(**{name: control.value for name, control in named.items()}))
        except LabkitError as error:
            show(_Line(str(error)))

    def chosen(change: Mapping[str, Any]) -> None:
        """Another point begins where it is."""
        for name, values in (("to_x", points.X), ("to_y", points.Y)):
            named[name].unobserve(moved, names="value")
            named[name].value = values[change["new"] - 1]
            named[name].observe(moved, names="value")

    if "point" in named:
        named["point"].observe(chosen, names="value")
    for control in named.values():
        control.observe(moved, names="value")


def _controls(wanted: Mapping[str, Slider]) -> Any:
    """A box of sliders, by name in `named`; None without ipywidgets."""
    try:
        import ipywidgets
    except ImportError:
        return None
    named = {name: _control(ipywidgets, slider) for name, slider in wanted.items()}
    box = ipywidgets.VBox(list(named.values()))
    box.named = named
    return box


def _control(ipywidgets: Any, s: Slider) -> Any:
    whole = all(isinstance(value, int) for value in (s.low, s.high, s.step, s.value))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    return kind(
        value=s.value, min=s.low, max=s.high, step=s.step, description=s.says,
        continuous_update=False,  # a view takes a moment: one per move, none on the way
        style={"description_width": "10em"}, layout={"width": "34em"},
    )  # fmt: skip


def _bundle(controls: Any, said: str) -> dict[str, Any]:
    """The widget; where a front end has none, a sentence."""
    bundle = controls._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    return {WIDGET: data[WIDGET], "text/plain": said}


@dataclass(frozen=True)
class _Line:
    text: str

    def __repr__(self) -> str:
        return self.text

"""Figures over time: one call as a waterfall, and the environments that served several as swim-lanes.

As in `plots`: matplotlib is imported when a figure is drawn, the alternative text is the figure's label, and kinds
differ by hatch, height and word, never by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labkit.model import Trace
from labkit.show import measures, spans, words
from labkit.show.plots import LOOKS, WIDTH_IN, plain, png, shorten
from labkit.show.traces import (
    ENVIRONMENTS_QUESTION,
    MOST_LANES,
    TRACE_QUESTION,
    alt_environments,
    alt_trace,
    short_id,
    title,
    traces_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["alt_environments", "alt_trace", "environments", "png", "trace"]

_PARTS = {**LOOKS, spans.RESTORE: LOOKS[measures.WHOLE_INIT], spans.CALL: LOOKS[measures.FIRST_CALL]}
_KINDS: dict[str, tuple[str, dict[str, Any]]] = {  # label, looks
    spans.INIT: ("init", {"facecolor": "#E69F00", "hatch": "///", "height": 0.5}),
    spans.BUSY: ("call", {"facecolor": "#0072B2", "height": 0.8}),
    spans.FAILED: ("call that failed", {"facecolor": "#FFFFFF", "hatch": "xxxx", "height": 0.8}),
}
NARROWEST = 0.003  # of the axis: a call of a millisecond among minutes is to be seen


def trace(t: Trace) -> Figure:
    """One call's parts, one below the other, each from its begin to its end; times in milliseconds.

    >>> tracks.png(tracks.trace(lab.invoke("predict").trace))
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    found = spans.spans(t)
    with style.context("default"):
        figure = Figure(figsize=(WIDTH_IN, 1.6 + 0.3 * len(found)), layout="constrained")
        figure.suptitle(TRACE_QUESTION, fontsize=13, fontweight="bold")
        axes = figure.subplots(1, 1)
        axes.set_title(shorten(title(t), 100), fontsize=10.5, parse_math=False)
        _draw_spans(axes, found)
    figure.set_label(alt_trace(t))
    return figure


def _draw_spans(axes: Axes, found: Sequence[spans.Span]) -> None:
    end_ms = 1000 * max(s.start_s + s.duration_s for s in found) or 0.001
    for row, span in enumerate(found):
        colour, hatch = _PARTS[measures.PHASES["imports_s"]] if span.inside else _PARTS[span.name]
        start_ms, width_ms = 1000 * span.start_s, 1000 * span.duration_s
        hatch = hatch if width_ms > 0.02 * end_ms else ""
        look: dict[str, Any] = {"facecolor": colour, "hatch": hatch, "edgecolor": "black", "linewidth": 0.7}
        axes.barh(row, width_ms, left=start_ms, height=0.4 if span.inside else 0.7, **look)
        label = words.duration(span.duration_s)
        at = (start_ms + width_ms, row)
        axes.annotate(label, at, xytext=(5, 0), textcoords="offset points", va="center", fontsize=9)
    names = [f"import {shorten(words.clean(s.name), 16)}" if s.inside else s.name for s in found]
    axes.set_yticks(range(len(found)), labels=names, parse_math=False)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_ylabel("part of the call")
    axes.set_xlim(0, end_ms * 1.13)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel("time since the request (ms)")
    plain(axes)
    axes.grid(visible=False, axis="y")


def environments(traces: Sequence[Trace]) -> Figure:
    """Swim-lanes: a line per environment with its init, its calls, and the time that it was frozen between them.

    The first 24 environments, in the order of their first call. Raises ValueError where there is no trace.

    >>> tracks.png(tracks.environments(lab.traces("predict")))
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    found = spans.lanes(traces)
    if not found:
        raise ValueError("no traces: a picture of environments needs at least one call that reached a function")
    shown = found[:MOST_LANES]
    with style.context("default"):
        figure = Figure(figsize=(WIDTH_IN, 1.9 + 0.28 * len(shown)), layout="constrained")
        figure.suptitle(ENVIRONMENTS_QUESTION, fontsize=13, fontweight="bold")
        axes = figure.subplots(1, 1)
        more = f" (the first {len(shown)} are shown)" if len(found) > len(shown) else ""
        axes.set_title(shorten(traces_title(traces), 90) + more, fontsize=10.5, parse_math=False)
        _draw_lanes(axes, shown, spans.end_s(found))
    figure.set_label(alt_environments(traces))
    return figure


def _draw_lanes(axes: Axes, shown: Sequence[spans.Lane], until_s: float) -> None:
    from matplotlib.patches import Patch

    unit, factor = ("s", 1.0) if until_s >= 10 else ("ms", 1000.0)
    end = (until_s or 0.001) * factor
    frozen = axes.hlines(
        range(len(shown)),
        [lane.start_s * factor for lane in shown],
        [lane.end_s * factor for lane in shown],
        color="#777777", linewidth=1.2, label="frozen",
    )  # fmt: skip
    used = [kind for kind in _KINDS if any(s.kind == kind for lane in shown for s in lane.segments)]
    for row, lane in enumerate(shown):
        for kind in used:
            _draw_segments(axes, row, [s for s in lane.segments if s.kind == kind], kind, factor, NARROWEST * end)
    keys = [Patch(label=label, edgecolor="black", **_without_height(look)) for label, look in map(_KINDS.get, used)]  # type: ignore[misc]
    axes.figure.legend(handles=[*keys, frozen], loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    names = [f"{short_id(lane.environment_id)} {shorten(words.clean(lane.function))}" for lane in shown]
    axes.set_yticks(range(len(shown)), labels=names, parse_math=False, fontsize=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_ylabel("environment")
    axes.set_xlim(-0.01 * end, end * 1.02)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel(f"time since the first request ({unit})")
    plain(axes)
    axes.grid(visible=False, axis="y")


def _draw_segments(
    axes: Axes, row: int, segments: Sequence[spans.Segment], kind: str, factor: float, narrowest: float
) -> None:
    _, look = _KINDS[kind]
    height = look["height"]
    bars = [(s.start_s * factor, max(narrowest, (s.end_s - s.start_s) * factor)) for s in segments]
    axes.broken_barh(
        bars, (row - height / 2, height), edgecolor="black", linewidth=0.5, **_without_height(look), zorder=2.5
    )


def _without_height(look: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in look.items() if name != "height"}

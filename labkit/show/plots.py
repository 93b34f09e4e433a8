"""Figures of traces. Matplotlib is imported when a figure is drawn, and never its pyplot: no global state.

A figure carries its alternative text as its label (`Figure.get_label`), and `png` writes it into the picture. Parts
and kinds of calls differ by hatch, marker and label, never by colour alone; the colours are Okabe and Ito's.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labkit.model import Outcomes, Trace
from labkit.show import measures, stats, words
from labkit.show.cards import COLD_START_QUESTION, SIMULATION_QUESTION
from labkit.show.loadtest import LOADTEST_QUESTION
from labkit.show.measures import Series, Summary
from labkit.show.power import POWER_QUESTION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from labkit.loadtest import LoadTest
    from labkit.power import Power, PowerTuning
    from labkit.simulation import Simulation

DOTS_PER_INCH = 160
WIDTH_IN = 9.6
LONGEST_LABEL = 22
HATCHED_SHARE = 0.012  # hatching would fill a narrower part with black
SMALLEST_SHARE = 0.01  # a hand-over below this share of the longest bar is only a speck with an entry in the legend
LABELLED_SHARE = 0.1  # a part narrower than this share of the axis has no room for its number
LOWEST_MS = 0.01  # a logarithmic axis has no place for zero

LOOKS = {  # colour, hatch
    "process start": ("#999999", ""),
    "runtime start": ("#56B4E9", "///"),
    "imports": ("#E69F00", ".."),
    "module init": ("#009E73", "\\\\\\"),
    measures.WHOLE_INIT: ("#F0E442", "xx"),
    measures.HAND_OVER: ("#FFFFFF", "++"),
    measures.FIRST_CALL: ("#CC79A7", "|||"),
}
_COLD, _WARM = ("#D55E00", "D"), ("#0072B2", "o")  # colour, marker


def coldstart(outcomes: Outcomes) -> Figure:
    """Where a cold start's time goes, beside every cold and warm call; times in milliseconds.

    >>> plots.png(plots.coldstart(sklearn.coldstart(10) + plain.coldstart(10)))
    """
    from matplotlib import style

    # a student's own style may have white text: the figure is drawn on white, in black
    with style.context("default"):
        figure = _drawn(outcomes)
    figure.set_label(alt_coldstart(outcomes))
    return figure


def alt_coldstart(outcomes: Outcomes) -> str:
    """What one should see in the figure, in two sentences with their numbers."""
    measured = measures.measure(outcomes)
    cold = "; ".join(_alt_cold(s) for s in measured if s.cold is not None)
    warm = "; ".join(f"{words.clean(s.label)} {_time(s.warm)}" for s in measured if s.warm is not None)
    sentences = [
        f"Median time of a first (cold) call: {cold}." if cold else "No cold call was measured.",
        f"Median time of a warm call: {warm}." if warm else "No warm call was measured.",
    ]
    return " ".join(sentences)


def png(figure: Figure) -> bytes:
    """The figure as a PNG picture, with the alternative text as its `Description`."""
    picture = io.BytesIO()
    description = {"Description": str(figure.get_label())}
    figure.savefig(picture, format="png", dpi=DOTS_PER_INCH, metadata=description, facecolor="white")
    return picture.getvalue()


def _alt_cold(s: Series) -> str:
    largest = s.largest_part
    most = f", most of it {largest[0]}" if largest and largest[2] > 0.5 else ""
    most = most or (f", its longest part {largest[0]}" if largest else "")
    numbers = f" ({words.duration(largest[1])}, {words.percent(largest[2])})" if largest else ""
    return f"{words.clean(s.label)} {_time(s.cold)}{most}{numbers}"


def _time(summary: Summary | None) -> str:
    return words.duration(summary.median_s) if summary else "not measured"


def _drawn(outcomes: Outcomes) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    measured = measures.measure(outcomes)
    height = 2.0 + 0.8 * len(measured)
    figure = Figure(figsize=(WIDTH_IN, height), layout="constrained")
    figure.suptitle(COLD_START_QUESTION, fontsize=13, fontweight="bold")
    if any(s.parts for s in measured):
        bars, dots = figure.subplots(1, 2, sharey=True, width_ratios=(1.25, 1))
        keys = [Patch(label=name, **_look(name)) for name in _draw_bars(bars, measured)]
        figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), fontsize=9, frameon=False)
    else:
        bars = dots = figure.subplots(1, 1)
    _draw_calls(dots, outcomes.series, measured)
    _name_rows(bars, measured)
    return figure


def _name_rows(axes: Axes, measured: Sequence[Series]) -> None:
    labels = [shorten(words.clean(s.label)) for s in measured]
    # a dollar sign in a function's label is no formula
    axes.set_yticks(range(len(measured)), labels=labels, parse_math=False)
    axes.set_ylim(len(measured) - 0.45, -0.55)
    axes.set_ylabel("series")


def shorten(label: str, limit: int = LONGEST_LABEL) -> str:
    """The label, or its beginning, as an axis has room for it."""
    return label if len(label) <= limit else label[: limit - 1] + "…"


# --- distributions ------------------------------------------------------------------------------------------

NAMED_QUANTILES = (0.5, 0.9)
_LINES = ("-", "--", ":", "-.")
DISTRIBUTION_QUESTION = "How long do first and warm calls take, and how much do they vary?"


def distribution(outcomes: Outcomes) -> Figure:
    """The share of cold and of warm calls that ended within a time, in milliseconds; a line per series.

    Medians and 90 % quantiles have their exact 95 % intervals (`stats.quantile_interval`); an arrow has no end there.

    >>> plots.png(plots.distribution(sklearn.coldstart(10) + plain.coldstart(10)))
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context("default"):
        figure = Figure(figsize=(WIDTH_IN, 4.2), layout="constrained")
        figure.suptitle(DISTRIBUTION_QUESTION, fontsize=13, fontweight="bold")
        axes = figure.subplots(1, 1)
        axes.set_xscale("log")
        kinds = [(name, times) for name, times in _kinds(outcomes) if times]
        _log_ticks(axes, [time for _, times in kinds for time in times])
        for place, (name, times) in enumerate(kinds):
            _draw_distribution(axes, name, times, _LINES[place // 2 % len(_LINES)])
        axes.set_title(
            "Share of calls that took at most this long; medians and 90 % with exact 95 % intervals", fontsize=10.5
        )
        axes.set_xlabel("time per call (ms, logarithmic)")
        axes.set_ylabel("share of the calls (%)")
        axes.set_ylim(0, 103)
        plain(axes)
        if kinds:
            figure.legend(loc="outside lower center", ncols=min(4, len(kinds)), fontsize=9, frameon=False)
    figure.set_label(alt_distribution(outcomes))
    return figure


def alt_distribution(outcomes: Outcomes) -> str:
    """What one should see in the figure, with its numbers."""
    said = []
    for name, times in _kinds(outcomes):
        if times:
            middle, most = (words.duration(stats.quantile_interval(times, q)[0] / 1000) for q in NAMED_QUANTILES)
            said.append(f"{name}: half within {middle}, 90 % within {most}")
    return f"Shares of calls over time. {'; '.join(said)}." if said else "No call was measured."


def _kinds(outcomes: Outcomes) -> list[tuple[str, list[float]]]:
    """Cold, then warm calls of each series, in milliseconds."""
    found = []
    for s, of in zip(measures.measure(outcomes), outcomes.series, strict=True):
        for kind, traces in (("cold", of.cold), ("warm", of.warm)):
            label = f"{shorten(words.clean(s.label))}, {kind}"
            found.append((label, [max(LOWEST_MS, time * 1000) for time in measures.total_times(traces)]))
    return found


def _draw_distribution(axes: Axes, name: str, times_ms: Sequence[float], line: str) -> None:
    colour, marker = _COLD if name.endswith("cold") else _WARM
    ordered = sorted(times_ms)
    shares = [100 * (k + 1) / len(ordered) for k in range(len(ordered))]
    label = f"{name} ({words.count(len(ordered), 'call')})".replace("$", r"\$")
    axes.step([ordered[0], *ordered], [0, *shares], where="post", color=colour, linestyle=line, label=label)
    for share in NAMED_QUANTILES:
        _draw_quantile(axes, 100 * share, stats.quantile_interval(ordered, share), (colour, marker))


def _draw_quantile(axes: Axes, y: float, found: tuple[float, float, float], look: tuple[str, str]) -> None:
    """A marker with its interval; a short arrow where the interval has no end."""
    colour, marker = look
    middle, low, high = found
    errors = [[middle - low if math.isfinite(low) else 0.0], [high - middle if math.isfinite(high) else 0.0]]
    axes.errorbar(
        [middle], [y], xerr=errors, fmt=marker, color="black", markerfacecolor=colour, markersize=6, capsize=3,
        linewidth=1.2,
    )  # fmt: skip
    arrow = {"arrowstyle": "<-", "color": "black", "shrinkA": 0, "shrinkB": 0}
    for end, points in ((low, -24), (high, 24)):
        if math.isinf(end):
            axes.annotate("", (middle, y), xytext=(points, 0), textcoords="offset points", arrowprops=arrow)


# --- a simulation -------------------------------------------------------------------------------------------

_MOMENTS = 160
_SHARES = [i / 400 for i in range(401)]
_NAMED_SHARES = (200, 380, 396)  # places of 50, 95 and 99 %


def simulation(s: Simulation) -> Figure:
    """Environments and requests over time, what was throttled or cold, and how long requests took.

    >>> plots.png(plots.simulation(lab.simulate("predict", poisson(50, for_s=600))))
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context("default"):
        figure = Figure(figsize=(WIDTH_IN, 4.6), layout="constrained")
        figure.suptitle(SIMULATION_QUESTION, fontsize=13, fontweight="bold")
        grid = figure.add_gridspec(2, 2, width_ratios=(1.5, 1), height_ratios=(1.6, 1))
        upper = figure.add_subplot(grid[0, 0])
        _draw_moments(upper, figure.add_subplot(grid[1, 0], sharex=upper), s)
        _draw_times(figure.add_subplot(grid[:, 1]), s)
    figure.set_label(alt_simulation(s))
    return figure


def alt_simulation(s: Simulation) -> str:
    """What one should see in the figure, with its numbers."""
    most = max(s.moments(_MOMENTS), key=lambda m: m.environments)
    median = f" Half of the answers came within {words.duration(s.quantiles_s(0.5)[0])}." if s.served else ""
    return (
        f"Requests in the system: {s.mean_in_system:.1f} on average, {s.peak_in_system} at most."
        f" Environments: about {most.environments:.0f} at most, around {most.start_s:,.0f} s."
        f" {s.cold:,} of {len(s):,} requests met a cold start, {s.throttled:,} were throttled.{median}"
    )


def _draw_moments(upper: Axes, lower: Axes, s: Simulation) -> None:
    from matplotlib.ticker import MaxNLocator

    moments = s.moments(_MOMENTS)
    edges = [m.start_s for m in moments] + [s.for_s]
    look: dict[str, Any] = {"edges": edges, "linewidth": 1.4}
    upper.stairs([m.environments for m in moments], label="environments", color="#0072B2", linestyle="--", **look)
    in_system = [m.in_system for m in moments]
    upper.stairs(in_system, label="requests in the system", color="#E69F00", fill=True, alpha=0.6, edges=edges)
    upper.set_title("Environments and the requests that they serve", fontsize=10.5)
    upper.set_ylabel("number")
    upper.yaxis.set_major_locator(MaxNLocator(integer=True))
    width = s.for_s / _MOMENTS
    lower.stairs([m.throttled / width for m in moments], label="throttled", color="#D55E00", hatch="///", **look)
    cold = [((m.start_s + m.end_s) / 2, m.cold / width) for m in moments if m.cold]  # few among many: dots
    lower.plot(*zip(*cold, strict=True) if cold else ([], []), "D", label="cold", color="black", markersize=3.5)
    lower.set_ylabel("requests per s")
    lower.set_xlabel("time since the start (s)")
    lower.set_xlim(0, s.for_s)
    for axes in (upper, lower):
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8.5, frameon=False, loc="upper right", ncols=2)
        plain(axes)
    upper.tick_params(labelbottom=False)
    upper.set_ylim(0, 1.3 * max(1.0, *(m.environments for m in moments), *in_system))


def _draw_times(axes: Axes, s: Simulation) -> None:
    axes.set_title("Share of requests answered within a time", fontsize=10.5)
    axes.set_xlabel("from arrival to answer (ms, logarithmic)")
    axes.set_ylabel("share (%)")
    axes.set_ylim(0, 101)
    axes.set_xscale("log")
    times_ms = [max(LOWEST_MS, time * 1000) for time in s.quantiles_s(*_SHARES)] if s.served else []
    axes.step(times_ms, [100 * share for share in _SHARES[: len(times_ms)]], color="#0072B2", where="post")
    for i in _NAMED_SHARES if times_ms else ():
        at = (times_ms[i], 100 * _SHARES[i])
        axes.plot(*at, marker="D", color="black", markersize=4)
        label = f"{100 * _SHARES[i]:g} %: {words.duration(times_ms[i] / 1000)}"
        axes.annotate(label, at, xytext=(6, -12), textcoords="offset points", fontsize=9)
    _log_ticks(axes, times_ms)
    plain(axes)


def plain(axes: Axes) -> None:
    """A pale grid behind the data, and no frame."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)


# --- a load test --------------------------------------------------------------------------------------------


def loadtest(t: LoadTest) -> Figure:
    """The figure of a simulation, of a load that was sent: so the two can stand side by side.

    >>> plots.png(plots.loadtest(lab.loadtest("predict", poisson(50, for_s=30))))
    """
    figure = simulation(t)
    figure.suptitle(LOADTEST_QUESTION, fontsize=13, fontweight="bold")
    times = figure.axes[2]
    times.set_xlabel("from intended sending to answer (ms, logarithmic)")
    if not t.kept_up:
        for note in list(times.texts):
            note.remove()
        late = f"The sender was late (99 % within {words.duration(t.lag_s)}):\nits own waiting is in these times."
        times.text(0.5, 0.5, late, transform=times.transAxes, ha="center", fontsize=9, fontweight="bold")
    figure.set_label(alt_loadtest(t))
    return figure


def alt_loadtest(t: LoadTest) -> str:
    """What one should see in the figure, with its numbers."""
    late = "" if t.kept_up else f" The sender was late: 99 % within {words.duration(t.lag_s)}."
    return f"{t.throughput:,.1f} requests served per second.{late} {alt_simulation(t)}"


# --- memory sizes -------------------------------------------------------------------------------------------


def power(p: PowerTuning) -> Figure:
    """Duration and cost over memory, as AWS Lambda Power Tuning draws them; sizes that failed are crossed out.

    >>> plots.png(plots.power(lab.power("predict")))
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context("default"):
        figure = Figure(figsize=(WIDTH_IN, 4.2), layout="constrained")
        figure.suptitle(POWER_QUESTION, fontsize=13, fontweight="bold")
        left = figure.subplots(1, 1)
        right = left.twinx()
        _draw_power(left, right, p)
    figure.set_label(alt_power(p))
    return figure


def alt_power(p: PowerTuning) -> str:
    """What one should see in the figure, with its numbers."""
    found = [f"{r.memory_mb} MB {words.duration(r.duration_s)}, {_per_million(r):.3g} USD" for r in p.working]
    failed = [f"{r.memory_mb} MB" for r in p.rows if r.failed]
    best = f" {p.best.memory_mb} MB is best for {p.strategy}." if p.best else ""
    lost = f" Failed: {words.listing(failed)}." if failed else ""
    return f"Modelled duration, and cost of a million calls, by memory: {'; '.join(found)}.{best}{lost}"


def _per_million(row: Power) -> float:
    return row.usd * 1_000_000


def _draw_power(left: Axes, right: Axes, p: PowerTuning) -> None:
    rows = p.working
    sizes = [row.memory_mb for row in rows]
    (speed,) = left.plot(sizes, [row.duration_s * 1000 for row in rows], "o-", color="#D55E00", label="duration")
    (cost,) = right.plot(sizes, [_per_million(row) for row in rows], "s--", color="#0072B2", label="cost")
    keys = [speed, cost]
    if p.best is not None:
        keys.append(left.axvline(p.best.memory_mb, color="#009E73", linestyle=":", label=f"best for {p.strategy}"))
    for row in (row for row in p.rows if row.failed):
        keys += left.plot([row.memory_mb], [0], "x", color="black", markersize=9, clip_on=False, label=_failed(row))
    left.set_xlabel("memory (MB)")
    left.set_ylabel("modelled duration (ms)")
    right.set_ylabel("modelled cost (USD per million calls)")
    left.set_xscale("log", base=2)
    left.set_xticks([row.memory_mb for row in p.rows], labels=[f"{row.memory_mb:,}" for row in p.rows])
    left.minorticks_off()
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.spines["top"].set_visible(False)
    left.grid(alpha=0.3)
    left.figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), fontsize=9, frameon=False)


def _failed(row: Power) -> str:
    return f"{row.memory_mb:,} MB failed"


# --- the parts ----------------------------------------------------------------------------------------------


def _draw_bars(axes: Axes, measured: Sequence[Series]) -> list[str]:
    """Draws a bar per series and returns the names of the parts, for the legend."""
    longest = max(sum(s.parts.values()) for s in measured)
    names = [name for name in measures.PARTS if any(_visible(s, name, longest) for s in measured)]
    for row, s in enumerate(measured):
        left_ms = 0.0
        for name in names:
            left_ms += _draw_part(axes, row, left_ms, name, s.parts.get(name, 0.0) * 1000, longest * 1000)
        if s.cold is not None:
            _label_bar(axes, row, left_ms, s, s.cold.median_s, small=left_ms < LABELLED_SHARE * longest * 1000)
    axes.set_xlim(0, (longest or 0.001) * 1000 * 1.22)
    axes.set_title("Parts of a cold start (medians)", fontsize=10.5)
    axes.set_xlabel("time since the request (ms)")
    axes.xaxis.set_major_formatter("{x:,g}")
    _tidy(axes)
    return names


def _look(name: str) -> dict[str, Any]:
    colour, hatch = LOOKS[name]
    return {"facecolor": colour, "hatch": hatch, "edgecolor": "black", "linewidth": 0.7}


def _label_bar(axes: Axes, row: int, end_ms: float, s: Series, total_s: float, *, small: bool) -> None:
    """The total at the bar's end; where the bar is too small to read, also its longest part."""
    style: dict[str, Any] = {"va": "center", "ha": "left", "textcoords": "offset points"}
    total = words.duration(total_s)
    axes.annotate(total, (end_ms, row), xytext=(6, 6 if small else 0), fontweight="bold", fontsize=10, **style)
    if small and s.largest_part:
        name, seconds, _ = s.largest_part
        axes.annotate(
            f"longest: {name}, {words.duration(seconds)}", (end_ms, row), xytext=(6, -7), fontsize=8.5, **style
        )


def _visible(s: Series, name: str, longest_s: float) -> bool:
    threshold = SMALLEST_SHARE * longest_s if name == measures.HAND_OVER else 0.0
    return s.parts.get(name, 0.0) > threshold


def _draw_part(axes: Axes, row: int, left_ms: float, name: str, width_ms: float, longest_ms: float) -> float:
    """Draws one part and returns its width."""
    look = _look(name)
    if width_ms < HATCHED_SHARE * longest_ms:
        look["hatch"] = ""
    axes.barh(row, width_ms, left=left_ms, height=0.5, **look)
    if width_ms >= LABELLED_SHARE * longest_ms:
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.9}
        middle = left_ms + width_ms / 2
        axes.text(middle, row, words.ms(width_ms / 1000), va="center", ha="center", fontsize=8.5, bbox=box)
    return width_ms


# --- the calls ----------------------------------------------------------------------------------------------


def _draw_calls(axes: Axes, series: Sequence[Outcomes], measured: Sequence[Series]) -> None:
    for row, (outcomes, s) in enumerate(zip(series, measured, strict=True)):
        _draw_kind(axes, row - 0.2, outcomes.cold, s.cold, "cold", _COLD)
        _draw_kind(axes, row + 0.2, outcomes.warm, s.warm, "warm", _WARM)
    axes.set_xscale("log")
    _log_ticks(axes, [t.total_s * 1000 for o in series for t in (*o.cold, *o.warm)])
    axes.set_title("Every call; medians with 95 % intervals", fontsize=10.5)
    axes.set_xlabel("time per call (ms, logarithmic)")
    _tidy(axes)


def _draw_kind(
    axes: Axes, y: float, traces: Sequence[Trace], summary: Summary | None, kind: str, look: tuple[str, str]
) -> None:
    if summary is None:
        return
    colour, marker = look
    jitter = random.Random(0)
    times_ms = [max(LOWEST_MS, s * 1000) for s in measures.total_times(traces)]
    spread = 0.07 if len(times_ms) > 1 else 0.0
    heights = [y + jitter.uniform(-spread, spread) for _ in times_ms]
    axes.scatter(times_ms, heights, s=16, marker=marker, color=colour, alpha=0.45, linewidths=0)
    middle, low, high = (max(LOWEST_MS, s * 1000) for s in (summary.median_s, summary.low_s, summary.high_s))
    errors = [[middle - low], [high - middle]]
    axes.errorbar([middle], [y], xerr=errors, fmt="|", color="black", markersize=13, capsize=4, linewidth=1.6)
    axes.text(
        1.07,
        y,
        f"{kind} {words.duration(summary.median_s)}",
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=9,
        color="black",
    )
    axes.plot([1.035], [y], marker=marker, color=colour, transform=axes.get_yaxis_transform(), clip_on=False)


def _log_ticks(axes: Axes, times_ms: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low = max(LOWEST_MS, min(times_ms, default=1.0))
    high = max(low, max(times_ms, default=1000.0))
    # a plain 1, 10, 100; within two decades also 2 and 5
    steps = (1.0, 2.0, 5.0) if high / low < 60 else (1.0,)
    decade = 10.0 ** math.floor(math.log10(low))
    # with labels so far apart, times below the first of them could not be read
    axes.set_xlim(low / 1.6 if len(steps) > 1 else min(decade / 1.1, low / 1.6), high * 1.6)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)

"""Reserved concurrency against throttles: the emulator's scheduler in virtual time, and Erlang's B beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.distributions import amount, exponential, whole
from labkit.errors import BadLoad
from labkit.explore.view import View
from labkit.load import poisson
from labkit.queueing import Interval, erlang_b, mean_interval
from labkit.show.cards import Table
from labkit.simulate import Limits, simulate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from labkit.simulation import Simulation

QUESTION = "The load needs so many environments on average: why does a limit of just that many refuse so many calls?"
MOST = 200
RUNS = 8
REQUESTS = 400  # of each run, on average
SHOWN_REQUESTS = 400  # of the run over time
MOMENTS = 160
NOTES = (
    "Erlang's B: the share of calls that find all environments busy, if calls come independently of each other; it"
    " depends on the mean duration alone. Beside it the emulator's own scheduler, without cold starts, and the 95 %"
    f" interval of {RUNS} independent runs; they begin empty, so they lose a little less.",
)


@dataclass(frozen=True, slots=True)
class Throttled:
    """The share of throttled calls with one limit: by Erlang's B, and simulated."""

    limit: int
    erlang: float
    simulated: Interval


def concurrency(limit: int = 8, *, rate: float = 60.0, service_s: float = 0.1) -> View:
    """The share of calls that are throttled over the limit of environments; simulated beside Erlang's B.

    `rate` is in calls per second, `service_s` the mean of exponential durations in seconds. `view["here"]` is the
    `Throttled` at the limit. Raises BadLoad.

    >>> concurrency(2, rate=10, service_s=0.1)["here"].erlang
    0.2
    """
    whole("the limit", limit, least=1)
    load = amount("the rate", rate, above_zero=True) * amount("service_s", service_s, unit="s", above_zero=True)
    if max(load, limit) > MOST:
        raise BadLoad(f"A load of {load:g} and a limit of {limit}: this picture goes up to {MOST} environments.")
    most = max(limit, math.ceil(load + 4 * math.sqrt(load))) + 1
    step = max(1, round(most / 8))
    limits = sorted({limit, *range(1, most + 1, step)})
    found = [_throttled(n, rate, service_s) for n in limits]
    here = next(one for one in found if one.limit == limit)
    run = simulate(
        poisson(rate, for_s=SHOWN_REQUESTS / rate), service=exponential(service_s), limits=Limits(reserved=limit)
    )
    return View(
        QUESTION,
        _table(found, here, rate, service_s),
        _alt(here, load, run),
        NOTES,
        {"here": here, "limits": found, "load": load, "run": run},
        lambda: _drawn(here, found, load, run),
    )


def _throttled(limit: int, rate: float, service_s: float) -> Throttled:
    runs = [
        simulate(
            poisson(rate, for_s=REQUESTS / rate, seed=seed),
            service=exponential(service_s),
            limits=Limits(reserved=limit),
            seed=seed,
        )
        for seed in range(RUNS)
    ]
    return Throttled(limit, erlang_b(limit, rate * service_s), mean_interval([r.throttled_share for r in runs]))


def _table(found: Sequence[Throttled], here: Throttled, rate: float, service_s: float) -> Table:
    head = ("limit", "Erlang B", "simulated", "95 % interval", "")
    rows = tuple(
        (
            f"{one.limit}",
            f"{100 * one.erlang:.2f} %",
            f"{100 * one.simulated.mean:.2f} %",
            f"{100 * max(0.0, one.simulated.low):.2f} to {100 * one.simulated.high:.2f} %",
            "← here" if one is here else "",
        )
        for one in found
    )
    load = rate * service_s
    caption = f"Share of throttled calls: {rate:g} per second, {service_s:g} s each, so {load:.3g} at once on average"
    return Table(caption, head, rows, frozenset(range(4)))


def _alt(here: Throttled, load: float, run: Simulation) -> str:
    return (
        f"Left: the share of throttled calls falls as the limit grows. With a limit of {here.limit} and a load of"
        f" {load:.3g}, Erlang's B is {100 * here.erlang:.1f} %, simulated {100 * here.simulated.mean:.1f} %."
        f" Right: one run of {len(run):,} calls, of which {run.throttled:,} were throttled while the limit was reached."
    )


def _drawn(here: Throttled, found: Sequence[Throttled], load: float, run: Simulation) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    figure.suptitle("The limit of environments against throttles", fontsize=13, fontweight="bold")
    left, right = figure.subplots(1, 2)
    _draw_shares(left, here, found, load)
    _draw_run(right, here, run)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=8.5, loc="upper right")
    return figure


def _draw_shares(axes: Any, here: Throttled, found: Sequence[Throttled], load: float) -> None:
    every = range(1, found[-1].limit + 1)
    axes.plot(every, [100 * erlang_b(n, load) for n in every], color="#0072B2", label="Erlang's B")
    below = [100 * (one.simulated.mean - max(0.0, one.simulated.low)) for one in found]
    above = [100 * (one.simulated.high - one.simulated.mean) for one in found]
    axes.errorbar(
        [one.limit for one in found], [100 * one.simulated.mean for one in found], yerr=[below, above],
        fmt="D", color="#D55E00", markersize=5, capsize=3, label=f"simulated, {RUNS} runs, 95 %",
    )  # fmt: skip
    axes.axvline(here.limit, color="#009E73", linestyle="--", linewidth=1.2, label=f"here, {here.limit}")
    axes.axvline(load, color="black", linestyle=":", linewidth=1, label=f"the load, {load:.3g}")
    axes.set_title("Which share is throttled?", fontsize=10.5)
    axes.set_xlabel("limit of environments")
    axes.set_ylabel("throttled calls (%)")


def _draw_run(axes: Any, here: Throttled, run: Simulation) -> None:
    moments = run.moments(MOMENTS)
    edges = [m.start_s for m in moments] + [run.for_s]
    axes.stairs([m.in_system for m in moments], edges, fill=True, color="#E69F00", alpha=0.6, label="busy environments")
    axes.axhline(here.limit, color="#009E73", linestyle="--", linewidth=1.2, label=f"the limit, {here.limit}")
    lost = [((m.start_s + m.end_s) / 2, here.limit) for m in moments if m.throttled]
    axes.plot(*zip(*lost, strict=True) if lost else ([], []), "x", color="black", markersize=5, label="throttled here")
    axes.set_title("One run over time", fontsize=10.5)
    axes.set_xlabel("time since the start (s)")
    axes.set_ylabel("environments")
    axes.set_xlim(0, run.for_s)
    axes.margins(y=0.3)

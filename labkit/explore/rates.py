"""Traffic against the share of cold starts: P(cold) = e^(-λτ) beside simulated runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.distributions import amount
from labkit.explore.view import View
from labkit.load import poisson
from labkit.queueing import Interval, cold_share, mean_interval
from labkit.show import words
from labkit.show.cards import Table
from labkit.simulate import Limits, simulate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = "How often must somebody call, before cold starts are rare? Where do dots leave the line, and why?"
RUNS = 10
REQUESTS = 250  # of each run, on average
AROUND = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)  # of the expected calls in a timeout, beside the chosen rate
NOTES = (
    "The formula is that of one environment and calls that come independently of each other (Poisson): the gap before"
    " a call is longer than the timeout τ with probability e^(-λτ). The simulation is the emulator's own scheduler; its"
    f" interval of 95 % is that of {RUNS} independent runs, without the first call of each, which is always cold.",
    "AWS promises no timeout: 300 s is labkit's default, and AWS's is neither constant nor published.",
)


@dataclass(frozen=True, slots=True)
class Share:
    """Cold starts at one rate: by the formula, and simulated."""

    per_hour: float
    formula: float
    simulated: Interval


def traffic(
    calls_per_hour: float = 12.0, *, idle_timeout_s: float = 300.0, service_s: float = 0.1, init_s: float = 0.5
) -> View:
    """The share of calls that meet a cold start, over the rate of calls; simulated beside the formula.

    `view["here"]` is the `Share` at the chosen rate. Raises BadLoad.

    >>> round(traffic(12.0)["here"].formula, 3)  # λτ = 1
    0.368
    """
    amount("calls_per_hour", calls_per_hour, unit="calls per hour", above_zero=True)
    amount("idle_timeout_s", idle_timeout_s, unit="s", above_zero=True)
    rates = sorted({calls_per_hour, *(3600 * x / idle_timeout_s for x in AROUND)})
    shares = [_share(rate, idle_timeout_s, service_s, init_s) for rate in rates]
    here = next(share for share in shares if share.per_hour == calls_per_hour)
    return View(
        QUESTION,
        _table(shares, here, idle_timeout_s),
        _alt(here, shares, idle_timeout_s),
        NOTES,
        {"here": here, "shares": shares},
        lambda: _drawn(here, shares, idle_timeout_s),
    )


def _share(per_hour: float, idle_timeout_s: float, service_s: float, init_s: float) -> Share:
    rate, limits = per_hour / 3600, Limits(idle_timeout_s=idle_timeout_s)
    found = []
    for seed in range(RUNS):
        load = poisson(rate, for_s=REQUESTS / rate, seed=seed)
        run = simulate(load, service=service_s, init=init_s, limits=limits, seed=seed)
        later = run.requests.cold[1:]
        found.append(later.count(1) / max(1, len(later)))
    return Share(per_hour, cold_share(rate, idle_timeout_s), mean_interval(found))


def _table(shares: Sequence[Share], here: Share, idle_timeout_s: float) -> Table:
    head = ("calls per hour", "λτ", "e^(-λτ)", "simulated", "95 % interval", "")
    rows = tuple(
        (
            f"{s.per_hour:,.4g}",
            f"{s.per_hour / 3600 * idle_timeout_s:.3g}",
            f"{100 * s.formula:.2f} %",
            f"{100 * s.simulated.mean:.2f} %",
            f"{100 * max(0.0, s.simulated.low):.2f} to {100 * s.simulated.high:.2f} %",
            "← here" if s is here else "",
        )
        for s in shares
    )
    caption = f"Share of cold starts, environments idle for at most {words.duration(idle_timeout_s)}"
    return Table(caption, head, rows, frozenset(range(5)))


def _alt(here: Share, shares: Sequence[Share], idle_timeout_s: float) -> str:
    first, last = shares[0], shares[-1]
    return (
        f"The share of cold starts falls as calls become frequent: by the formula from {100 * first.formula:.0f} % at"
        f" {first.per_hour:,.3g} calls per hour to {100 * last.formula:.2f} % at {last.per_hour:,.3g}."
        f" At {here.per_hour:,.3g} it is {100 * here.formula:.1f} % by the formula,"
        f" and {100 * here.simulated.mean:.1f} % simulated."
        f" The last simulated dot is at {100 * last.simulated.mean:.2f} %."
    )


def _drawn(here: Share, shares: Sequence[Share], idle_timeout_s: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    figure.suptitle("Traffic against the share of cold starts", fontsize=13, fontweight="bold")
    axes = figure.subplots(1, 1)
    low, high = math.log(shares[0].per_hour / 1.3), math.log(shares[-1].per_hour * 1.3)
    rates = [math.exp(low + (high - low) * k / 200) for k in range(201)]
    line = [100 * cold_share(rate / 3600, idle_timeout_s) for rate in rates]
    axes.plot(rates, line, color="#0072B2", label="e^(-λτ)")
    middles = [100 * s.simulated.mean for s in shares]
    below = [100 * (s.simulated.mean - max(0.0, s.simulated.low)) for s in shares]
    above = [100 * (s.simulated.high - s.simulated.mean) for s in shares]
    axes.errorbar(
        [s.per_hour for s in shares], middles, yerr=[below, above],
        fmt="D", color="#D55E00", markersize=5, capsize=3, label=f"simulated, mean of {RUNS} runs, 95 %",
    )  # fmt: skip
    axes.axvline(here.per_hour, color="#009E73", linewidth=1.2, linestyle="--", label=f"here, {here.per_hour:,.4g}/h")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel("calls per hour (logarithmic)")
    axes.set_ylabel("share of cold starts (%)")
    axes.set_ylim(0, 101)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    return figure

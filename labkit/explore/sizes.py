"""Memory against cost and duration, by `labkit.power`'s model of CPU shares: no number here was measured on Lambda."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labkit.distributions import amount
from labkit.errors import BadLoad
from labkit.explore.view import View
from labkit.power import LEAST_MB, MB_PER_VCPU, MEMORY_MB, Calibrated, Call, Power, PowerTuning, checked
from labkit.show import words
from labkit.show.cards import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = "Up to which memory does more of it cost nothing more, and why does it cost more beyond?"
CURVE_MB = tuple(round(LEAST_MB * 2 ** (k / 8)) for k in range(51))  # to 9,742 MB
MODEL = (
    f"Every number is a model: Lambda gives memory / {MB_PER_VCPU:,} MB of a vCPU, waiting does not become faster, and"
    " what ran on one CPU cannot use a second one. Compare sizes with each other, not with AWS's bill."
)
LONGEST_S = 900.0


def memory(memory_mb: int = 512, *, cpu_s: float = 0.2, wait_s: float = 0.1, cpus: float = 1.0) -> View:
    """What a call costs and takes at a memory size, beside all others, by the model.

    `cpu_s` is the CPU time of the call, `wait_s` the time it waits for others, both in seconds; `cpus` is how many
    CPUs its code keeps busy. `Lab.power` measures them for a function of yours. `view["rows"]` are records of
    `labkit.power.Power`. Raises BadLoad.

    >>> memory(1769, cpu_s=1.0, wait_s=0.0)["here"].duration_s
    1.0
    """
    sizes = checked((memory_mb, *MEMORY_MB), 1, "cost", 0.5)
    cpu_s, wait_s = amount("cpu_s", cpu_s, unit="s"), amount("wait_s", wait_s, unit="s")
    if amount("cpus", cpus) < 1 or cpu_s + wait_s <= 0:
        raise BadLoad(f"cpus is {cpus:g}, cpu_s {cpu_s:g}, wait_s {wait_s:g}: a call takes time, on one CPU at least.")
    call = _call(cpu_s, wait_s, cpus)
    rows = _modelled(call, sizes)
    here = next(row for row in rows if row.memory_mb == memory_mb)
    curve = _modelled(call, sorted({*CURVE_MB, *sizes}))
    return View(
        QUESTION,
        _table(rows, memory_mb, cpu_s, wait_s, cpus),
        _alt(here, curve),
        (MODEL,),
        {"here": here, "rows": rows, "curve": curve},
        lambda: _drawn(here, curve),
    )


def _call(cpu_s: float, wait_s: float, cpus: float) -> Call:
    """A call as it would be measured where no share is: `cpus` CPUs at a time, then the waiting."""
    return Call(wall_s=wait_s + cpu_s / cpus, cpu_s=cpu_s)


def _modelled(call: Call, sizes: Sequence[int]) -> tuple[Power, ...]:
    return PowerTuning("model", tuple(Calibrated(size, (call,)) for size in sizes), LONGEST_S).rows


def _per_million(row: Power) -> float:
    return row.usd * 1_000_000


def _table(rows: Sequence[Power], chosen: int, cpu_s: float, wait_s: float, cpus: float) -> Table:
    caption = (
        f"A call of {words.duration(cpu_s)} of CPU time on {cpus:g} CPU{'s' if cpus != 1 else ''} and"
        f" {words.duration(wait_s)} of waiting, modelled"
    )
    head = ("memory (MB)", "share (vCPU)", "modelled duration", "modelled USD per million calls", "")
    cells = tuple(
        (
            f"{row.memory_mb:,}",
            f"{row.share:.2f}",
            words.duration(row.duration_s) if not row.failed else row.failed,
            f"{_per_million(row):.3g}",
            "← here" if row.memory_mb == chosen else "",
        )
        for row in rows
    )
    return Table(caption, head, cells, frozenset((0, 1, 2, 3)))


def _alt(here: Power, curve: Sequence[Power]) -> str:
    # three digits: whole milliseconds, which are billed, make a ragged line
    cheapest = min(curve, key=lambda row: (float(f"{row.usd:.3g}"), row.duration_s))
    fastest = min(curve, key=lambda row: (float(f"{row.duration_s:.3g}"), row.usd))
    return (
        f"A model: duration falls and then stays level as memory grows, while cost stays level and then rises."
        f" At {here.memory_mb:,} MB a call takes {words.duration(here.duration_s)} and a million cost"
        f" {_per_million(here):.3g} USD. Cheapest is {cheapest.memory_mb:,} MB, fastest {fastest.memory_mb:,} MB."
    )


def _drawn(here: Power, curve: Sequence[Power]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    figure.suptitle("Memory against duration and cost (a model of CPU shares)", fontsize=13, fontweight="bold")
    left = figure.subplots(1, 1)
    right = left.twinx()
    sizes = [row.memory_mb for row in curve]
    (speed,) = left.plot(sizes, [row.duration_s * 1000 for row in curve], color="#D55E00", label="modelled duration")
    (cost,) = right.plot(sizes, [_per_million(r) for r in curve], "--", color="#0072B2", label="modelled cost")
    left.plot([here.memory_mb], [here.duration_s * 1000], "o", color="#D55E00", markersize=9)
    right.plot([here.memory_mb], [_per_million(here)], "s", color="#0072B2", markersize=9)
    vcpu = left.axvline(MB_PER_VCPU, color="black", linestyle=":", linewidth=1, label=f"one vCPU, {MB_PER_VCPU:,} MB")
    chosen = left.axvline(here.memory_mb, color="#009E73", linewidth=1.2, label=f"here, {here.memory_mb:,} MB")
    _axes(left, right)
    figure.legend(handles=[speed, cost, chosen, vcpu], loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure


def _axes(left: Any, right: Any) -> None:
    left.set_xscale("log", base=2)
    ticks = (128, 256, 512, 1024, 2048, 4096, 10_240)
    left.set_xticks(ticks, labels=[f"{size:,}" for size in ticks])
    left.minorticks_off()
    left.set_xlabel("memory (MB, logarithmic)")
    left.set_ylabel("modelled duration (ms)")
    right.set_ylabel("modelled cost (USD per million calls)")
    left.grid(alpha=0.3)
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.spines["top"].set_visible(False)

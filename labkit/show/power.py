"""What is said about a comparison of memory sizes."""

from __future__ import annotations

from labkit.power import MB_PER_VCPU, Power, PowerTuning
from labkit.show import words
from labkit.show.cards import Table

POWER_QUESTION = "Which memory size is cheapest, and which is fastest?"
WEIGHED = {"cost": "the cheapest", "speed": "the fastest", "balanced": "the best balance of cost and duration"}


def table(p: PowerTuning) -> Table:
    """One row per size; the best is marked."""
    head = ("memory (MB)", "vCPU", "duration (ms)", "USD per million calls", "calls", "")
    rows = tuple(_row(row, best=p.best is not None and row.memory_mb == p.best.memory_mb) for row in p.rows)
    return Table(words.clean(f"{p.label}: modelled, by memory"), head, rows, frozenset(range(5)))


def _row(row: Power, *, best: bool) -> tuple[str, ...]:
    times = (words.ms(row.duration_s), words.few(row.usd * 1_000_000)) if row.n else ("-", "-")
    note = f"failed: {words.clean(row.failed)}" if row.failed else "best" if best else ""
    return (f"{row.memory_mb:,}", f"{row.share:.2f}", *times, str(row.n), note)


def sentences(p: PowerTuning) -> tuple[str, ...]:
    """The choice, and what the numbers are: a model, and of what."""
    best = p.best
    chosen = f"{best.memory_mb:,} MB is {WEIGHED[p.strategy]} (strategy: {p.strategy})." if best else NOTHING_WORKS
    return (chosen, *((modelled(p),) if best else ()))


def modelled(p: PowerTuning) -> str:
    """What was measured here, and what was made of it."""
    working = [row for row in p.rows if row.n]
    cpu_s = sum(row.cpu_s for row in working) / len(working)
    wall_s = sum(row.wall_s for row in working) / len(working)
    return (
        f"Modelled from {words.duration(cpu_s)} of CPU time per call of {words.duration(wall_s)} measured here; not"
        f" AWS's speed. The model: a function has memory / {MB_PER_VCPU:,} MB of a vCPU, CPU time takes the longer the"
        " smaller that share is, waiting does not. Costs are GB-s alone, without USD 0.20 per million requests"
        f" (AWS's prices of {p.prices.as_of})."
    )


NOTHING_WORKS = "No size works: the function failed with each of them."

"""What is said about a bill, about a function's aliases, and of which sample events there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from labkit.billing import Cost, FunctionCost
from labkit.show import words
from labkit.show.cards import Table

NOTHING_RUN = "No function has been called yet: nothing was run, and nothing is to be paid."


class Named(Protocol):
    """What an alias must be able to say."""

    @property
    def function_name(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def routes(self) -> str: ...
    @property
    def description(self) -> str: ...


def cost_table(c: Cost) -> Table:
    """One row per function and memory size, and their sum."""
    head = ("function", "memory (MB)", "requests", "cold", "GB-s", "time (USD)", "requests (USD)", "USD")
    rows = [_row(row) for row in c.rows]
    if len(rows) > 1:
        rows.append(("all", "", *_numbers(c.rows), amount(c.usd)))
    what = f"What {c.projected:,.0f} requests each would cost" if c.projected else "What was run would have cost"
    return Table(f"{what} on AWS" if rows else NOTHING_RUN, head, tuple(rows), frozenset(range(1, 8)))


def _row(row: FunctionCost) -> tuple[str, ...]:
    return (words.clean(row.function_name), f"{row.memory_mb:,}", *_numbers([row]), amount(row.usd))


def _numbers(rows: Sequence[FunctionCost]) -> tuple[str, ...]:
    counts = (sum(row.requests for row in rows), sum(row.cold for row in rows))
    amounts = (
        sum(row.gb_s for row in rows),
        sum(row.usd_for_time for row in rows),
        sum(row.usd_for_requests for row in rows),
    )
    return (*(f"{count:,.0f}" for count in counts), *map(amount, amounts))


def amount(number: float) -> str:
    """Two digits that say something; of what is large, the whole."""
    return f"{number:,.0f}" if number >= 100 else words.few(number)


def cost_sentences(c: Cost) -> tuple[str, ...]:
    """The prices, and what the numbers are not."""
    if not c.rows:
        return ()
    prices = c.prices
    said = [
        f"AWS's prices of {prices.as_of}, {prices.region}, {c.architecture}: USD {prices.per_gb_s[c.architecture]:.10f}"
        f" per GB-s, USD {prices.per_million_requests:.2f} per million requests. The free tier (a million requests and"
        " 400,000 GB-s a month) is not taken off. Billed times were measured on this machine, not on AWS."
    ]
    if c.projected:
        said.append("Projected from the calls of this lab, with the same share of cold starts.")
    return tuple(said)


def aliases_table(name: str, versions: Sequence[str], aliases: Sequence[Named]) -> Table:
    """A function's aliases; the versions that there are stand in the caption."""
    caption = f"{words.clean(name)}: versions {', '.join(versions)}"
    if not aliases:
        caption += "; no alias"
    rows = tuple((words.clean(a.name), a.routes, words.clean(a.description)) for a in aliases)
    return Table(caption, ("alias", "calls go to", "description"), rows)


def events_table(rows: Sequence[tuple[str, str]]) -> Table:
    return Table("Sample events, and what may be chosen of each", ("event", "options"), tuple(rows))

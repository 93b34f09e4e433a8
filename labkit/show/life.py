"""The life of environments: a table of functions, and a lane per environment, as text and as HTML.

A lane is one line of marks in text and one bar in HTML, with the same columns; a bar says in words what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from labkit.life import ABSENT, BUSY, FROZEN, INITIALISING, MOST_LANES, FunctionLife, Lane, Picture
from labkit.loadtest import percentiles
from labkit.show import words
from labkit.show.cards import Table

NAMES = {INITIALISING: "initialising", BUSY: "busy", FROZEN: "frozen", ABSENT: "not there"}
KEY = f"{INITIALISING} initialising   {BUSY} busy   {FROZEN} frozen (waiting, not running)   blank: not there"
NOTHING = "Nothing was called yet, and no environment is there: this picture changes when a function is called."
LOOKED = "Seen by looking a few times a second: a call shorter than that is counted, and may not be seen in its lane."
SHORT_ID = 8
_BARS = {  # a pattern each: colour is never the only difference
    INITIALISING: "background:repeating-linear-gradient(45deg,#E69F00 0 3px,transparent 3px 6px)",
    BUSY: "background:#0072B2",
    FROZEN: "background:linear-gradient(currentColor,currentColor) center/100% 2px no-repeat;opacity:.55",
    ABSENT: "",
}
_BAR = "display:flex;width:30em;max-width:100%;height:.8em;margin:.2em 0;overflow:hidden"
_CELL = "padding:0 .8em 0 .3em;border:none;color:inherit;text-align:left;background:transparent"
_SMALL = "margin:.3em 0;color:inherit;max-width:60em;font-size:.9em;opacity:.85"


def title(p: Picture) -> str:
    """Whose life it is, for how long."""
    until = f"watched for {p.at_s:,.1f} s" if p.over else f"{p.at_s:,.1f} s after the watch began"
    return f"The life of the lab's environments, {until}"


def table(p: Picture) -> Table:
    """A row per function."""
    head = ("function", "calls", "throttled", "initialising", "busy", "frozen", "gone", "50 %", "99 %")
    return Table(title(p), head, tuple(_row(f) for f in p.functions), frozenset(range(1, len(head))))


def _row(f: FunctionLife) -> tuple[str, ...]:
    counts = (f.calls, f.throttled, f.initialising, f.busy, f.frozen, f.gone)
    found = {p.share: words.duration(p.time_s) for p in percentiles(f.recent_s, 0.5, 0.99)}
    return (words.clean(f.name), *(f"{count:,}" for count in counts), found.get(0.5, ""), found.get(0.99, ""))


# --- text ---------------------------------------------------------------------------------------------------


def text(p: Picture) -> str:
    """The table, then the lanes and what their marks mean."""
    from labkit.show.text import aligned_table

    if not p.functions:
        return f"{title(p)}\n{NOTHING}"
    lines = [*aligned_table(table(p)), "", *lane_lines(p.lanes, _columns(p), p.more_lanes), LOOKED]
    return "\n".join(line.rstrip() for line in lines)


def lane_lines(lanes: Sequence[Lane], columns: str = "", more: int = 0) -> list[str]:
    """One line per environment, and the key. Too many are counted."""
    if not lanes:
        return []
    shown, more = lanes[:MOST_LANES], more + max(0, len(lanes) - MOST_LANES)
    width = max(len(words.clean(lane.function)) for lane in shown)
    lines = [f"  {words.clean(n.function):<{width}}  {n.env_id[:SHORT_ID]:<{SHORT_ID}} |{n.marks}|" for n in shown]
    lines += [f"  and {words.count(more, 'environment')} more"] if more else []
    return [*lines, f"  {KEY}", *([f"  {columns}"] if columns else [])]


def _columns(p: Picture) -> str:
    return f"from {p.from_s:,.0f} s to {p.at_s:,.1f} s" if p.lanes else ""


# --- HTML ---------------------------------------------------------------------------------------------------


def html(p: Picture) -> str:
    """The table, then the lanes as bars and what their looks mean; no script."""
    from labkit.show.html import captioned_table

    if not p.functions:
        return f'<div><p style="{_SMALL}">{escape(title(p))}. {escape(NOTHING)}</p></div>'
    lanes = lanes_html(p.lanes, _columns(p), p.more_lanes)
    return f'<div>{captioned_table(table(p))}{lanes}<p style="{_SMALL}">{escape(LOOKED)}</p></div>'


def lanes_html(lanes: Sequence[Lane], columns: str = "", more: int = 0) -> str:
    """A bar per environment, and the key."""
    if not lanes:
        return ""
    shown, more = lanes[:MOST_LANES], more + max(0, len(lanes) - MOST_LANES)
    rows = "".join(
        f'<tr style="background:transparent"><td style="{_CELL}">{_escaped(lane.function)}</td>'
        f'<td style="{_CELL};font-family:monospace">{_escaped(lane.env_id[:SHORT_ID])}</td>'
        f'<td style="{_CELL};width:30em">{bar(lane.marks)}</td></tr>'
        for lane in shown
    )
    rest = f'<p style="{_SMALL}">and {words.count(more, "environment")} more</p>' if more else ""
    return f'<table style="border-collapse:collapse;border:none;margin:.2em 0">{rows}</table>{rest}{_key(columns)}'


def bar(marks: str) -> str:
    """One lane: its parts side by side, and in words for those who do not see them."""
    groups = [(mark, len(list(group))) for mark, group in groupby(marks)]
    said = ", ".join(f"{NAMES[mark]} {100 * length / len(marks):.0f} %" for mark, length in groups)
    parts = "".join(f'<span style="flex:{length} 0 0;{_BARS[mark]}"></span>' for mark, length in groups)
    return f'<div role="img" aria-label="{escape(said)}" style="{_BAR}">{parts}</div>'


def _key(columns: str) -> str:
    marks = "".join(
        f'<span style="display:inline-block;width:2em;height:.8em;margin:0 .4em 0 1em;{_BARS[mark]}"></span>'
        f"<span>{NAMES[mark]}</span>"
        for mark in (INITIALISING, BUSY, FROZEN)
    )
    return f'<p style="{_SMALL}">{marks}{"; " + escape(columns) if columns else ""}</p>'


def _escaped(value: str) -> str:
    return escape(words.clean(value), quote=True)

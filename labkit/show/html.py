"""Records as HTML: small tables with captions, no script, no style sheet, readable in light and dark themes.

Colours are inherited, lines are translucent, and a status or a level is a word; the bar beside a level has Jupyter's
colour for it where there is one. What is long is folded in <details>, which static pages have too. Everything that
comes from a record passes through `_escaped`.
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from textwrap import dedent

from labkit.billing import Cost
from labkit.loadtest import LiveLoad, LoadTest
from labkit.model import Outcome, Outcomes, Trace, Trigger
from labkit.power import PowerTuning
from labkit.show import bills, calls, cards, conformance, life, traces, words
from labkit.show import loadtest as load
from labkit.show import logs as log_lines
from labkit.show import power as power_cards
from labkit.show.cards import Deployed, Published, Table
from labkit.show.logs import Line
from labkit.simulation import Simulation

_LINE = "1px solid var(--jp-border-color2, rgba(128,128,128,.4))"
_TABLE = "border-collapse:collapse;table-layout:auto;margin:.3em 0 .9em 0;color:inherit;font-size:inherit;border:none"
_WIDE = f"{_TABLE};min-width:min(100%, 40em)"  # a caption is only as wide as its table
_CAPTION = "caption-side:top;text-align:left;font-weight:600;padding:.2em 0 .35em .3em;color:inherit"
_CELL = f"vertical-align:top;padding:.25em 1em .25em .3em;color:inherit;border:none;border-bottom:{_LINE}"
_HEAD = "font-weight:600;background:var(--jp-layout-color2, rgba(128,128,128,.12))"
_STRONG = ' style="font-weight:600"'
_PRE = (
    # JupyterLab's own style breaks a line inside a number; here it breaks between words while it can
    "margin:0;padding:0;white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;color:inherit;"
    "background:transparent;"
    "font-family:var(--jp-code-font-family, monospace);font-size:.95em"
)
LONGEST_CAPTION = 64  # one that is longer may be broken
_OPTION = re.compile(r"--[a-z][a-z-]*(?: [\d]+)?")
_DETAILS = "margin:.2em 0;color:inherit"
_SUMMARY = "cursor:pointer;padding:.2em 0 .2em .1em;color:inherit"
_LEVEL_COLOURS = {
    # the fallbacks are seen on white and on black
    "CRITICAL": "var(--jp-error-color1, hsl(0,70%,52%))",
    "FATAL": "var(--jp-error-color1, hsl(0,70%,52%))",
    "ERROR": "var(--jp-error-color1, hsl(0,70%,52%))",
    "WARNING": "var(--jp-warn-color1, hsl(30,90%,48%))",
    "WARN": "var(--jp-warn-color1, hsl(30,90%,48%))",
    "INFO": "var(--jp-info-color1, hsl(200,70%,48%))",
}
TIMES = "time and bill"
MOST_FOLDED = 1000  # lines
MOST_UNFOLDED = 8  # rows of a table below its figure
_TEXT = "margin:.3em 0;color:inherit;max-width:60em"


def function(f: Deployed) -> str:
    """A deployed function: what it is and what its deployment changed."""
    return _rows_table(cards.function_title(f), ((label, _prose(value)) for label, value in cards.function_rows(f)))


def functions(deployed: Sequence[Deployed]) -> str:
    """A table of deployed functions, by name."""
    return _table(cards.functions_table(deployed)) if deployed else _paragraph(cards.NOTHING_DEPLOYED)


def api(a: Published) -> str:
    """An API: its routes with their whole addresses, and the functions that they run."""
    table = _table(cards.routes_table(a))
    return _block([table, _linked(cards.IN_A_BROWSER, a.link)]) if a.link else table


def address(url: str, link: str) -> str:
    """An HTTP address to follow; for programs the other one, where a browser needs one of its own."""
    if not link:
        return _linked("", url)
    return _block([_linked(cards.IN_A_BROWSER, link), _paragraph(f"{cards.ON_THIS_MACHINE} {url}", small=True)])


def trigger(t: Trigger) -> str:
    """What calls a function from now on, and how that was arranged."""
    said = _paragraph(f"{t.source} calls {t.function_name} ({t.source_arn}).")
    return _block([said, _paragraph(cards.TRIGGER_CALLS, small=True), _pre(t.calls)] if t.calls else [said])


def outcome(o: Outcome) -> str:
    """One call: the headline as the caption, the result or the error, the log; folded, the time and the bill."""
    call = calls.call(o)
    rows = [
        ("result", _pre(call.result) + _rest(call.more)),
        ("error", _pre(call.error)),
        ("where", _pre(_dedented(call.where))),
        ("try", _prose(" ".join(call.advice))),
        ("log", _log(log_lines.levelled(call.log))),
    ]
    table = _rows_table(call.headline, [(label, value) for label, value in rows if value])
    times = "".join(_paragraph(f"{label}: {value}", small=True) for label, value in call.times)
    return table + (_details(TIMES, times) if times else "")


def outcomes(o: Outcomes) -> str:
    """Cold and warm calls compared: the tables of the text, and what to read in them."""
    found = cards.comparison(o)
    parts = [_paragraph(found.question), *(_table(table) for table in found.tables)]
    parts += [_paragraph(sentence) for sentence in found.sentences]
    parts += [_paragraph(" ".join(found.notes), small=True)] if found.notes else []
    return _block(parts)


def loadtest(t: LoadTest) -> str:
    """A load that was sent: what became of its requests, and what it took."""
    rows = ((label, _escaped(value)) for label, value in load.rows(t))
    return _block([_rows_table(load.title(t), rows), _paragraph(load.MEASURED, small=True)])


def live(at: LiveLoad) -> str:
    """A load test under way."""
    return _block([_pre(load.live_lines(at)), life.lanes_html(at.lanes)])


def power(p: PowerTuning) -> str:
    """Memory sizes compared: a table, the choice, and what the numbers are."""
    chosen, *rest = power_cards.sentences(p)
    table = _table(power_cards.table(p))
    return _block([table, _paragraph(chosen), *(_paragraph(text, small=True) for text in rest)])


def simulation(s: Simulation) -> str:
    """A simulated load: what became of its requests, and what it took."""
    rows = ((label, _escaped(value)) for label, value in cards.simulation_rows(s))
    return _block([_rows_table(cards.simulation_title(s), rows), _paragraph(cards.SIMULATED, small=True)])


def cost(c: Cost) -> str:
    """A bill by function, and the prices it was made with."""
    notes = [_paragraph(sentence, small=True) for sentence in bills.cost_sentences(c)]
    return _block([_table(bills.cost_table(c)), *notes])


def aliases(name: str, versions: Sequence[str], found: Sequence[bills.Named]) -> str:
    """A function's aliases and versions."""
    return _block([_table(bills.aliases_table(name, versions, found))])


def events(rows: Sequence[tuple[str, str]]) -> str:
    """The sample events: name and options."""
    return _block([_table(bills.events_table(rows))])


def logs(streams: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Log lines by stream: one stream is one execution environment's."""
    found = cards.log_streams(streams)
    if not found:
        return _paragraph(cards.NO_LOG_LINES)
    latest = len(found) - 1
    return _block(_details(caption, _log(lines), unfolded=k == latest) for k, (caption, lines) in enumerate(found))


def trace(t: Trace) -> str:
    """One call's parts with their times, and its bill; the bars are the figure's."""
    rows = _rows_table("Facts of this call", ((label, _prose(value)) for label, value in traces.facts(t)))
    notes = [_paragraph(note, small=True) for note in traces.notes(t)]
    return _block([_table(_without_last(traces.waterfall(t))), rows, *notes])


def environments(found: Sequence[Trace]) -> str:
    """The environments that served these calls; their lives are the figure's."""
    if not found:
        return _paragraph(traces.NO_TRACES)
    table = _without_last(traces.lanes_table(found))
    more = [_paragraph(note, small=True) for note in traces.lanes_notes(found)[1:]]
    content = "".join([_table(replace(table, caption="")), *more])
    return _details(table.caption, content, unfolded=len(table.rows) <= MOST_UNFOLDED)


def conformance_report(report: conformance.Report) -> str:
    """A check of the emulator: a table per section, unfolded where something is to be read."""
    parts = [_paragraph(conformance.title(report))]
    for section in conformance.sections(report):
        table = _table(replace(section.table, caption=""))
        parts.append(_details(section.title, table, unfolded=section.odd))
    return _block([*parts, *(_paragraph(note, small=True) for note in conformance.notes(report))])


def lab(status: Mapping[str, object]) -> str:
    """The emulator, its environments, and what this machine cannot enforce."""
    rows = ((label, _escaped(value)) for label, value in cards.lab_rows(status))
    parts = [_rows_table(cards.lab_title(status), rows)]
    environments = cards.environments_table(status)
    if environments is not None:
        parts.append(_table(environments))
    limits = cards.lab_limits(status)
    if limits:
        items = "".join(f"<li>{_escaped(limit)}</li>" for limit in limits)
        parts += [_paragraph("Not enforced on this machine:"), f'<ul style="{_TEXT}">{items}</ul>']
    return _block(parts)


def view(png: bytes, alt: str, question: str, table: Table, notes: Iterable[str]) -> str:
    """A figure with a question under it, and the table of what it shows."""
    return _block([figure(png, alt, question), _table(table), *(_paragraph(note, small=True) for note in notes)])


def captioned_table(table: Table) -> str:
    """A table of another module's."""
    return _table(table)


def folded(summary: str, content: str) -> str:
    """HTML under a summary that unfolds it."""
    return _details(summary, content)


def figure(png: bytes, alt: str, caption: str) -> str:
    """A PNG picture inside the page itself, with its alternative text and a caption.

    Raises ValueError for bytes that are no PNG.
    """
    source = f"data:image/png;base64,{b64encode(png).decode('ascii')}"
    style = f"width:{_css_width(png)}px;max-width:100%;height:auto"
    image = f'<img src="{source}" alt="{_escaped(alt)}" style="{style}">'
    return f'<figure style="margin:.3em 0">{image}<figcaption style="{_TEXT}">{_escaped(caption)}</figcaption></figure>'


def _css_width(png: bytes) -> int:
    """The picture's width in CSS pixels: its dots, over the resolution it was drawn for."""
    if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
        raise ValueError("not a PNG picture: it does not begin with the signature of one")
    dots = int(struct.unpack(">I", png[16:20])[0])
    at = png.find(b"pHYs", 0, 512)
    per_metre = int(struct.unpack(">I", png[at + 4 : at + 8])[0]) if at > 0 else 0
    return round(dots * 96 * 39.3701 / per_metre) if per_metre else dots


def _without_last(table: Table) -> Table:
    """A table without its column of characters, which a figure shows better."""
    return replace(table, head=table.head[:-1], rows=tuple(row[:-1] for row in table.rows))


def _details(summary: str, content: str, *, unfolded: bool = False) -> str:
    start = "<details open" if unfolded else "<details"
    return (
        f'{start} style="{_DETAILS}"><summary style="{_SUMMARY};font-weight:600">{_escaped(summary)}</summary>'
        f"{content}</details>"
    )


def _rest(lines: Sequence[str]) -> str:
    """The lines that a fold hides; a notebook file does not keep more of them than a person would read."""
    if not lines:
        return ""
    shown, left_out = lines[:MOST_FOLDED], len(lines) - MOST_FOLDED
    last = [f"… {words.count(left_out, 'more line')}"] if left_out > 0 else []
    return _details(words.count(len(lines), "more line"), _pre([*shown, *last]))


def _log(lines: Sequence[Line]) -> str:
    """Log lines with their levels; the earlier of many are folded."""
    earlier, latest = log_lines.folded(lines)
    fold = _details(f"{log_lines.counted(earlier)} before these", _log_block(earlier)) if earlier else ""
    return fold + _log_block(latest)


def _log_block(lines: Sequence[Line]) -> str:
    if not lines:
        return ""
    return f'<pre style="{_PRE}">' + "".join(_log_line(line) for line in lines) + "</pre>"


def _log_line(line: Line) -> str:
    colour = _LEVEL_COLOURS.get(line.level, "transparent")
    faint = ";opacity:.75" if line.level == log_lines.PLATFORM else ""
    style = f"display:block;border-left:.25em solid {colour};padding-left:.5em{faint}"
    # the line break at a block's end is not seen, but copied
    return f'<span style="{style}">{_escaped(line.text)}\n</span>'


def _table(table: Table) -> str:
    if not table.rows:
        return _paragraph(table.caption)
    head = "".join(
        f'<th scope="col" style="{_cell(column in table.numeric)};{_HEAD}">{_escaped(cell)}</th>'
        for column, cell in enumerate(table.head)
    )
    body = "".join(
        f"<tr{_STRONG if k in table.marked else ''}>{_table_row(row, table.numeric)}</tr>"
        for k, row in enumerate(table.rows)
    )
    return f"{_open_table(table.caption)}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _table_row(row: Sequence[str], numeric: frozenset[int]) -> str:
    return "".join(f'<td style="{_cell(column in numeric)}">{_indented(cell)}</td>' for column, cell in enumerate(row))


def _indented(cell: str) -> str:
    """A cell whose leading spaces are kept."""
    text = cell.lstrip(" ")
    return "&nbsp;" * 2 * (len(cell) - len(text)) + _escaped(text)


def _rows_table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """Two columns; the values are HTML already."""
    body = "".join(
        f'<tr><th scope="row" style="{_cell()};font-weight:600;white-space:nowrap;width:1%">{_escaped(label)}</th>'
        f'<td style="{_cell()}">{value}</td></tr>'
        for label, value in rows
    )
    return f"{_open_table(caption, wide=True)}<tbody>{body}</tbody></table>"


def _open_table(caption: str, *, wide: bool = False) -> str:
    start = f'<table style="{_WIDE if wide else _TABLE}">'
    if not caption:  # a table in a fold, whose summary is its caption
        return start
    short = ";white-space:nowrap" if len(caption) <= LONGEST_CAPTION else ""
    return f'{start}<caption style="{_CAPTION}{short}">{_escaped(caption)}</caption>'


def _cell(numeric: bool = False) -> str:
    align = "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap" if numeric else "text-align:left"
    return f"{_CELL};{align}"


def _pre(lines: Sequence[str]) -> str:
    # a line break right after <pre> is swallowed by browsers: one of ours keeps the text's own
    return f'<pre style="{_PRE}">\n{_escaped(chr(10).join(lines))}</pre>' if lines else ""


def _dedented(lines: Sequence[str]) -> list[str]:
    """The lines of a traceback, which are indented as below a heading; in a table the row's label is the heading."""
    return dedent("\n".join(lines)).split("\n") if lines else []


def _paragraph(text: str, *, small: bool = False) -> str:
    return f'<p style="{_TEXT}{";font-size:.9em;opacity:.85" if small else ""}">{_prose(text)}</p>'


def _linked(said: str, address: str) -> str:
    target = _escaped(address)
    link = f'<a href="{target}" target="_blank" rel="noopener noreferrer">{target}</a>'
    return f'<p style="{_TEXT};overflow-wrap:anywhere">{_escaped(said)} {link}</p>'


def _block(parts: Iterable[str]) -> str:
    return f"<div>{''.join(parts)}</div>"


def _prose(text: str) -> str:
    """A sentence whose options are not torn apart at a line's end."""
    return _OPTION.sub(lambda option: f'<span style="white-space:nowrap">{option[0]}</span>', _escaped(text))


def _escaped(text: str) -> str:
    return escape(words.clean(text), quote=True)

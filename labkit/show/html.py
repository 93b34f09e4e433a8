"""Records as HTML: small tables with captions, no script, no style sheet, readable in light and dark themes.

Colours are inherited, lines are translucent, and a status is a word. Everything that comes from a record passes
through `_escaped`.
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from textwrap import dedent

from labkit.billing import Cost
from labkit.loadtest import LiveLoad, LoadTest
from labkit.model import Outcome, Outcomes, Trigger
from labkit.power import PowerTuning
from labkit.show import bills, calls, cards, words
from labkit.show import loadtest as load
from labkit.show import power as power_cards
from labkit.show.cards import Deployed, Published, Table
from labkit.simulation import Simulation

_LINE = "1px solid var(--jp-border-color2, rgba(128,128,128,.4))"
_TABLE = "border-collapse:collapse;table-layout:auto;margin:.3em 0 .9em 0;color:inherit;font-size:inherit;border:none"
_WIDE = f"{_TABLE};min-width:min(100%, 40em)"  # a caption is only as wide as its table
_CAPTION = "caption-side:top;text-align:left;font-weight:600;padding:.2em 0 .35em .3em;color:inherit"
_CELL = f"vertical-align:top;padding:.25em 1em .25em .3em;color:inherit;border:none;border-bottom:{_LINE}"
_HEAD = "font-weight:600;background:var(--jp-layout-color2, rgba(128,128,128,.12))"
_PRE = (
    # JupyterLab's own style breaks a line inside a number; here it breaks between words while it can
    "margin:0;padding:0;white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;color:inherit;"
    "background:transparent;"
    "font-family:var(--jp-code-font-family, monospace);font-size:.95em"
)
_OPTION = re.compile(r"--[a-z][a-z-]*(?: [\d]+)?")
_TEXT = "margin:.3em 0;color:inherit;max-width:60em"


def function(f: Deployed) -> str:
    """A deployed function: what it is and what its deployment changed."""
    return _rows_table(cards.function_title(f), ((label, _prose(value)) for label, value in cards.function_rows(f)))


def functions(deployed: Sequence[Deployed]) -> str:
    """A table of deployed functions, by name."""
    return _table(cards.functions_table(deployed)) if deployed else _paragraph(cards.NOTHING_DEPLOYED)


def api(a: Published) -> str:
    """An API: its routes with their whole addresses, and the functions that they run."""
    return _table(cards.routes_table(a))


def trigger(t: Trigger) -> str:
    """What calls a function from now on, and how that was arranged."""
    said = _paragraph(f"{t.source} calls {t.function_name} ({t.source_arn}).")
    return _block([said, _paragraph(cards.TRIGGER_CALLS, small=True), _pre(t.calls)] if t.calls else [said])


def outcome(o: Outcome) -> str:
    """One call: the headline as the caption, then the result or the error, and the log."""
    call = calls.call(o)
    rows = [
        ("result", _pre(call.result)),
        ("error", _pre(call.error)),
        ("where", _pre(_dedented(call.where))),
        ("try", _prose(" ".join(call.advice))),
        ("log", _pre(call.log)),
    ]
    return _rows_table(call.headline, [(label, value) for label, value in rows if value])


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
    return _pre(load.live_lines(at))


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
    tables = [
        _open_table(caption, wide=True) + f'<tbody><tr><td style="{_cell()}">{_pre(lines)}</td></tr></tbody></table>'
        for caption, lines in cards.log_streams(streams)
    ]
    return _block(tables) if tables else _paragraph(cards.NO_LOG_LINES)


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


def _table(table: Table) -> str:
    if not table.rows:
        return _paragraph(table.caption)
    head = "".join(
        f'<th scope="col" style="{_cell(column in table.numeric)};{_HEAD}">{_escaped(cell)}</th>'
        for column, cell in enumerate(table.head)
    )
    body = "".join(f"<tr>{_table_row(row, table.numeric)}</tr>" for row in table.rows)
    return f"{_open_table(table.caption)}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _table_row(row: Sequence[str], numeric: frozenset[int]) -> str:
    return "".join(f'<td style="{_cell(column in numeric)}">{_escaped(cell)}</td>' for column, cell in enumerate(row))


def _rows_table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """Two columns; the values are HTML already."""
    body = "".join(
        f'<tr><th scope="row" style="{_cell()};font-weight:600;white-space:nowrap;width:1%">{_escaped(label)}</th>'
        f'<td style="{_cell()}">{value}</td></tr>'
        for label, value in rows
    )
    return f"{_open_table(caption, wide=True)}<tbody>{body}</tbody></table>"


def _open_table(caption: str, *, wide: bool = False) -> str:
    return f'<table style="{_WIDE if wide else _TABLE}"><caption style="{_CAPTION}">{_escaped(caption)}</caption>'


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


def _block(parts: Iterable[str]) -> str:
    return f"<div>{''.join(parts)}</div>"


def _prose(text: str) -> str:
    """A sentence whose options are not torn apart at a line's end."""
    return _OPTION.sub(lambda option: f'<span style="white-space:nowrap">{option[0]}</span>', _escaped(text))


def _escaped(text: str) -> str:
    return escape(words.clean(text), quote=True)

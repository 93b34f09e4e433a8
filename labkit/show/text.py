"""Records as plain text: complete alone, in any terminal, and the same in every run but for the measured times."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from labkit.billing import Cost
from labkit.loadtest import LiveLoad, LoadTest
from labkit.model import Outcome, Outcomes, Trace, Trigger
from labkit.power import PowerTuning
from labkit.show import bills, calls, cards, conformance, life, traces
from labkit.show import loadtest as load
from labkit.show import power as power_cards
from labkit.show.cards import Deployed, Published, Rows, Table
from labkit.simulation import Simulation

WIDTH = 100


def function(f: Deployed) -> str:
    """A deployed function: what it is and what its deployment changed."""
    rows = cards.function_rows(f)
    return _join([cards.function_title(f), *_rows(rows)])


def functions(deployed: Sequence[Deployed]) -> str:
    """A table of deployed functions, by name."""
    return _join(_table(cards.functions_table(deployed))) if deployed else cards.NOTHING_DEPLOYED


def api(a: Published) -> str:
    """An API: its routes with their whole addresses, and the functions that they run."""
    return _join([*_table(cards.routes_table(a)), *([f"{cards.IN_A_BROWSER} {a.link}"] if a.link else [])])


def address(url: str, link: str) -> str:
    """An HTTP address; where a browser finds it, if that is somewhere else."""
    return _join([repr(url), f"{cards.IN_A_BROWSER} {link}"] if link else [repr(url)])


def trigger(t: Trigger) -> str:
    """What calls a function from now on, and how that was arranged."""
    calls = [cards.TRIGGER_CALLS, *(f"  {call}" for call in t.calls)] if t.calls else []
    return _join([f"{t.source} calls {t.function_name} ({t.source_arn})", *calls])


def outcome(o: Outcome) -> str:
    """One call: status and timings on the first lines, then the result or the error, then the log.

    >>> print(outcome(lab.deploy("double", "def handler(event, context): return 2 * event").invoke(21)))
    success · double · 0.21 ms · cold, 96.0 ms init · billed 97 ms · 36 of 128 MB
      init  process start 12.1 ms, runtime start 83.6 ms, imports 0.00 ms, module init 0.31 ms
      bill  97 ms of 128 MB = 0.012 GB-s; a million such calls USD 0.40 (AWS's prices of 2025-08-01)
    42
    """
    call = calls.call(o)
    result = calls.with_rest(call.result, call.more)
    log = ["log:", *(f"  {line}" if line else "" for line in call.log)] if call.log else []
    return _join([call.headline, *_rows(call.times), *result, *call.error, *call.where, *_wrapped(call.advice), *log])


def outcomes(o: Outcomes) -> str:
    """Cold and warm calls compared: medians with intervals, the parts of a cold start, the longest imports."""
    found = cards.comparison(o)
    blocks = [[found.question]]
    blocks += [_table(table) for table in found.tables]
    blocks += [block for block in (list(found.sentences), _wrapped(found.notes)) if block]
    return "\n\n".join(_join(block) for block in blocks)


def trace(t: Trace) -> str:
    """One call's parts as a waterfall of characters, and its bill."""
    return _join([*_table(traces.waterfall(t)), *_rows(traces.facts(t)), *_wrapped(traces.notes(t))])


def environments(found: Sequence[Trace]) -> str:
    """The environments that served these calls, as lanes over time."""
    if not found:
        return traces.NO_TRACES
    return _join([*_table(traces.lanes_table(found)), *_wrapped(traces.lanes_notes(found))])


def conformance_report(report: conformance.Report) -> str:
    """A check of the emulator: a line per behaviour, and what was expected and found where they differ."""
    blocks = [[conformance.title(report)]]
    blocks += [[section.title, *_checked(section.table)] for section in conformance.sections(report)]
    return "\n\n".join(_join(block) for block in [*blocks, _wrapped(conformance.notes(report))])


def _checked(table: Table) -> list[str]:
    lines = []
    for verdict, claim, source, note in table.rows:
        lines += [f"  {verdict:<12}  {claim} ({source})", *(f"{'':16}{line}" for line in _fill(note, WIDTH - 16))]
    return lines


def simulation(s: Simulation) -> str:
    """A simulated load: what became of its requests, and what it took."""
    return _join([cards.simulation_title(s), *_rows(cards.simulation_rows(s)), *_wrapped([cards.SIMULATED])])


def loadtest(t: LoadTest) -> str:
    """A load that was sent: what became of its requests, and what it took."""
    return _join([load.title(t), *_rows(load.rows(t)), *_wrapped([load.MEASURED])])


def live(at: LiveLoad) -> str:
    """A load test under way."""
    return _join([*load.live_lines(at), *life.lane_lines(at.lanes)])


def power(p: PowerTuning) -> str:
    """Memory sizes compared: a table, the choice, and what the numbers are."""
    return _join([*_table(power_cards.table(p)), *_wrapped(power_cards.sentences(p))])


def cost(c: Cost) -> str:
    """A bill by function, and the prices it was made with."""
    return _join([*_table(bills.cost_table(c)), *_wrapped(bills.cost_sentences(c))])


def aliases(name: str, versions: Sequence[str], found: Sequence[bills.Named]) -> str:
    """A function's aliases and versions."""
    return _join(_table(bills.aliases_table(name, versions, found)))


def events(rows: Sequence[tuple[str, str]]) -> str:
    """The sample events: name and options."""
    return _join(_table(bills.events_table(rows)))


def logs(streams: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Log lines by stream: one stream is one execution environment's."""
    blocks = [
        _join([caption, *(f"  {line.text}" if line.text else "" for line in lines)])
        for caption, lines in cards.log_streams(streams)
    ]
    return "\n\n".join(blocks) or cards.NO_LOG_LINES


def lab(status: Mapping[str, object]) -> str:
    """The emulator, its environments, and what this machine cannot enforce."""
    blocks = [[cards.lab_title(status), *_rows(cards.lab_rows(status))]]
    environments = cards.environments_table(status)
    if environments is not None:
        blocks.append(_table(environments))
    limits = cards.lab_limits(status)
    if limits:
        blocks.append(["Not enforced on this machine:", *_wrapped(limits, bullet="  - ")])
    return "\n\n".join(_join(block) for block in blocks)


def wrapped(sentences: Iterable[str]) -> list[str]:
    """The lines of another module's sentences."""
    return _wrapped(sentences)


def aligned_table(table: Table) -> list[str]:
    """The lines of another module's table."""
    return _table(table)


def _rows(rows: Rows) -> list[str]:
    width = max((len(label) for label, _ in rows), default=0)
    indent = " " * (width + 4)
    lines: list[str] = []
    for label, value in rows:
        wrapped = _fill(value, WIDTH - len(indent)) or [""]
        lines.append(f"  {label:<{width}}  {wrapped[0]}")
        lines += [indent + line for line in wrapped[1:]]
    return lines


def _table(table: Table) -> list[str]:
    if not table.rows:
        return [table.caption]
    grid = [table.head, *table.rows]
    widths = [max(len(row[column]) for row in grid) for column in range(len(table.head))]
    header, *body = [_aligned(row, widths, table.numeric) for row in grid]
    return [table.caption, header, "  " + "-" * (sum(widths) + 2 * (len(widths) - 1)), *body]


def _aligned(row: Sequence[str], widths: Sequence[int], numeric: frozenset[int]) -> str:
    cells = [
        cell.rjust(width) if column in numeric else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  " + "  ".join(cells)


def _wrapped(sentences: Iterable[str], *, bullet: str = "") -> list[str]:
    indent = " " * len(bullet)
    return [
        (bullet if first == 0 else indent) + line
        for sentence in sentences
        for first, line in enumerate(_fill(sentence, WIDTH - len(bullet)))
    ]


def _fill(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _join(lines: Iterable[str]) -> str:
    return "\n".join(line.rstrip() for line in lines)

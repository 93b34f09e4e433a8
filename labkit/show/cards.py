"""What is said about a function, a lab or a comparison, before it is known whether as text or as HTML.

A card is made of rows, tables and sentences. Of variables only the names are ever said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from labkit.model import Outcomes, Trace
from labkit.show import logs, measures, stats, words
from labkit.show.logs import Line
from labkit.show.measures import Series, Summary
from labkit.simulation import Simulation

COLD_START_QUESTION = "Where does the first call spend its time?"
IN_A_BROWSER = "In a browser, through jupyter-server-proxy:"
ON_THIS_MACHINE = "For programs in the notebook:"
TRIGGER_CALLS = "Arranged by these calls of boto3, which on AWS are the same:"
NOTHING_DEPLOYED = "No function is deployed yet. Begin a cell with %%function NAME to deploy one."
NO_LOG_LINES = "There are no log lines yet: they appear when the function has been called."


class Deployed(Protocol):
    """What a deployed function must be able to say."""

    @property
    def name(self) -> str: ...
    @property
    def arn(self) -> str: ...
    @property
    def handler(self) -> str: ...
    @property
    def runtime(self) -> str: ...
    @property
    def memory_mb(self) -> int: ...
    @property
    def timeout_s(self) -> int: ...
    @property
    def version(self) -> str: ...
    @property
    def code_sha256(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def variables(self) -> Mapping[str, str] | Sequence[tuple[str, str]]: ...
    @property
    def requirements(self) -> Sequence[str]: ...
    @property
    def missing(self) -> Sequence[str]: ...
    @property
    def change(self) -> str: ...


class Published(Protocol):
    """What an API must be able to say."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def link(self) -> str: ...
    @property
    def routes(self) -> Sequence[tuple[str, str]]: ...


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text. `numeric` are the columns that line up at the right, `marked` the rows that stand out."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Cold and warm calls of one or more series: two or three tables and what to read in them."""

    question: str
    tables: tuple[Table, ...]
    sentences: tuple[str, ...]
    notes: tuple[str, ...]


Rows = tuple[tuple[str, str], ...]


# --- functions ----------------------------------------------------------------------------------------------


def function_title(f: Deployed) -> str:
    """The first line: the name and what the deployment changed."""
    return words.clean(f"{f.name}: {f.change}")


def function_rows(f: Deployed) -> Rows:
    """What a student chose, what was packed, and what will go wrong."""
    rows = [
        ("handler", f"{f.handler} ({f.runtime})"),
        ("limits", f"{f.memory_mb:,} MB of memory, {words.count(f.timeout_s, 'second')} per call"),
        ("package", f"{words.size(f.size_bytes)}, SHA-256 {f.code_sha256[:12]}…"),
        ("version", f.version),
        ("requirements", ", ".join(f.requirements) or "none beyond the standard library"),
        ("variables", f"{', '.join(sorted(dict(f.variables)))} (values are not shown)" if f.variables else ""),
        ("ARN", f.arn),
        ("missing", _missing(f.missing) if f.missing else ""),
    ]
    return tuple((label, words.clean(value)) for label, value in rows if value)


def routes_table(api: Published) -> Table:
    """One row per route: how it is called, whom it runs."""
    rows = []
    for route, function in api.routes:
        method, _, path = route.partition(" ")
        rows.append((method, words.clean(f"{api.url}{path}"), words.clean(function)))
    return Table(f"{words.clean(api.name)}: {api.kind} API", ("method", "address", "function"), tuple(rows))


def functions_table(functions: Sequence[Deployed]) -> Table:
    """One row per function, by name."""
    rows = tuple(
        (
            words.clean(f.name),
            words.clean(f.handler),
            f"{f.memory_mb:,}",
            str(f.timeout_s),
            words.size(f.size_bytes),
            words.clean(f.version),
        )
        for f in sorted(functions, key=lambda f: f.name)
    )
    head = ("function", "handler", "memory (MB)", "timeout (s)", "package", "version")
    return Table(f"{words.count(len(rows), 'function')} deployed", head, rows, frozenset({2, 3, 4}))


def _missing(modules: Sequence[str]) -> str:
    was, it = ("were", "They") if len(modules) > 1 else ("was", "It")
    names = words.listing(modules)
    return (
        f"{names} {was} found nowhere. {it} must be installed in the notebook's environment, or shipped with --include."
    )


# --- logs ---------------------------------------------------------------------------------------------------


def log_streams(streams: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[str, list[Line]]]:
    """Each stream's caption and its lines; empty if no stream has a line. A stream may also be one text of lines."""
    shown = [(name, _log_lines([lines] if isinstance(lines, str) else lines)) for name, lines in streams]
    if not any(lines for _, lines in shown):
        return []
    levelled = [(words.clean(name), logs.levelled(lines)) for name, lines in shown]
    return [(f"{name} ({logs.counted(lines)})", lines) for name, lines in levelled]


def _log_lines(entries: Sequence[str]) -> list[str]:
    return [line for entry in entries if entry for line in words.lines(entry.rstrip("\r\n"))]


# --- a lab --------------------------------------------------------------------------------------------------


def lab_title(status: Mapping[str, object]) -> str:
    return words.clean(f"Lab at {status.get('endpoint', 'an unknown endpoint')}")


def lab_rows(status: Mapping[str, object]) -> Rows:
    """The emulator in a few rows; keys that the endpoint does not report are left out."""
    rows = [
        ("account", _known(status, "account_id")),
        ("region", _known(status, "region")),
        ("functions", _known(status, "functions")),
        ("emulator", _emulator(status)),
    ]
    return tuple((label, words.clean(value)) for label, value in rows if value)


def environments_table(status: Mapping[str, object]) -> Table | None:
    """The execution environments that exist now; None if the endpoint does not report them."""
    environments = status.get("environments")
    if not isinstance(environments, Sequence):
        return None
    keys = ("id", "function", "phase", "pid", "memory_mb")
    rows = tuple(
        tuple(words.clean(_known(environment, key)) or "-" for key in keys)
        for environment in environments
        if isinstance(environment, Mapping)
    )
    caption = words.count(len(rows), "execution environment")
    return Table(caption, ("environment", "function", "phase", "process", "memory (MB)"), rows, frozenset({3, 4}))


def lab_limits(status: Mapping[str, object]) -> tuple[str, ...]:
    """What this machine cannot enforce, in the emulator's own sentences."""
    limits = status.get("limits")
    if not isinstance(limits, Sequence) or isinstance(limits, str):
        return ()
    return tuple(words.clean(str(limit)) for limit in limits)


def _known(status: Mapping[str, object], key: str) -> str:
    value = status.get(key)
    if value is None:
        return ""
    return f"{value:,.0f}" if isinstance(value, float) else str(value)


def _emulator(status: Mapping[str, object]) -> str:
    uptime, memory = status.get("uptime_s"), _known(status, "memory_mb")
    facts = [
        f"process {status['pid']}" if status.get("pid") is not None else "",
        f"up {words.age(uptime)}" if isinstance(uptime, int | float) else "",
        f"{memory} MB" if memory else "",
    ]
    return ", ".join(fact for fact in facts if fact)


# --- a simulation -------------------------------------------------------------------------------------------

SIMULATION_QUESTION = "How many environments does this load need, and what do its requests meet?"
SIMULATED = (
    "Simulated in virtual time by the emulator's own scheduler. Service and init times are those that were given or"
    " measured here, never AWS's."
)


def simulation_title(s: Simulation) -> str:
    return words.clean(f"{s.label}: {s.load}, for {s.for_s:,g} s")


def simulation_rows(s: Simulation) -> Rows:
    """What became of the requests, how long they took, how many environments that took, and what it costs."""
    bill = s.bill()
    peak = max((m.environments for m in s.moments()), default=0.0)
    rows = [
        ("requests", f"{len(s):,}: {s.served:,} served, {s.throttled:,} throttled, {s.failed:,} failed"),
        ("cold starts", f"{s.cold:,} ({words.percent(s.cold_share)} of the calls)"),
        ("time", _simulated_times(s)),
        ("concurrency", f"{words.few(s.mean_in_system)} on average, {s.peak_in_system:,} at most"),
        ("environments", f"{len(s.environments.started):,} started, about {peak:,.0f} alive at most"),
        ("throttled", f"{words.percent(s.throttled_share)}: {_throttles(s)}" if s.throttled else ""),
        ("cost", f"USD {words.few(bill.usd)} for {words.few(bill.gb_s)} GB-s (AWS's prices of {bill.prices.as_of})"),
    ]
    return tuple((label, words.clean(value)) for label, value in rows if value)


def _simulated_times(s: Simulation) -> str:
    if not s.served:
        return ""
    middle, p95, p99 = (words.duration(time) for time in s.quantiles_s(0.5, 0.95, 0.99))
    return f"median {middle}, 95 % within {p95}, 99 % within {p99}"


def _throttles(s: Simulation) -> str:
    return (
        words.listing(f"{count:,} {reason}" for reason, count in s.reasons) if s.reasons else "still in line at the end"
    )


# --- cold and warm calls ------------------------------------------------------------------------------------


def comparison(outcomes: Outcomes) -> Comparison:
    """The tables and sentences for `%coldstart`."""
    series = measures.measure(outcomes)
    tables = (_calls_table(series), _parts_table(series), _imports_table(series))
    return Comparison(
        COLD_START_QUESTION,
        tuple(table for table in tables if table is not None),
        (
            *(_ratio_sentence(words.clean(s.label), s.ratio) for s in series if s.ratio is not None),
            *_compared(outcomes, series),
        ),
        _notes(series),
    )


def _calls_table(series: Sequence[Series]) -> Table:
    rows = []
    for s in series:
        label = words.clean(s.label)
        for kind, summary in (("cold", s.cold), ("warm", s.warm)):
            rows.append((label, kind, *_summary_cells(summary)))
            label = ""
    head = ("series", "start", "calls", "median (ms)", "95 % interval (ms)")
    return Table(
        "Time per call, from the request's arrival to the handler's end", head, tuple(rows), frozenset({2, 3, 4})
    )


def _summary_cells(summary: Summary | None) -> tuple[str, str, str]:
    if summary is None:
        return "0", "-", "-"
    interval = words.interval_ms(summary.low_s, summary.high_s) if summary.n > 1 else "one call: none"
    return str(summary.n), words.ms(summary.median_s), interval


def _parts_table(series: Sequence[Series]) -> Table | None:
    shown = [s for s in series if s.parts]
    if not shown:
        return None
    names = [name for name in measures.PARTS if any(name in s.parts for s in shown)]
    head = ("part", *(cell for s in shown for cell in (f"{words.clean(s.label)} (ms)", "share")))
    rows = tuple((name, *(cell for s in shown for cell in _part_cells(s, name))) for name in names)
    return Table("Parts of a cold start (medians)", head, rows, frozenset(range(1, len(head))))


def _part_cells(series: Series, name: str) -> tuple[str, str]:
    if name not in series.parts:
        return "-", "-"
    total = sum(series.parts.values())
    return words.ms(series.parts[name]), words.percent(series.parts[name] / total) if total else "-"


def _imports_table(series: Sequence[Series]) -> Table | None:
    rows = []
    for s in series:
        label = words.clean(s.label)
        for name, seconds in s.imports:
            rows.append((label, words.clean(name), words.ms(seconds)))
            label = ""
    if not rows:
        return None
    return Table("The longest imports (medians)", ("series", "import", "time (ms)"), tuple(rows), frozenset({2}))


def _ratio_sentence(label: str, ratio: tuple[float, float, float]) -> str:
    return f"{label}: the first call takes {_as_long(ratio)} as a warm one."


def _as_long(ratio: tuple[float, float, float]) -> str:
    """ "31 (28 to 35) times as long"; an interval that holds 1 is no difference."""
    middle, low, high = (words.times(value) for value in ratio)
    if ratio[1] <= 1 <= ratio[2] and ratio[1] < ratio[2]:
        return f"about as long ({middle} times, {low} to {high})"
    return f"{middle} times as long" if low == middle == high else f"{middle} ({low} to {high}) times as long"


def _compared(outcomes: Outcomes, series: Sequence[Series]) -> list[str]:
    """How much longer the slowest series takes than each of the others: first calls, then warm ones."""
    labels = [words.clean(s.label) for s in series]
    kinds = {
        "First calls": [(label, o.cold) for label, o in zip(labels, outcomes.series, strict=True)],
        "Warm calls": [(label, o.warm) for label, o in zip(labels, outcomes.series, strict=True)],
    }
    return [sentence for kind, measured in kinds.items() for sentence in _kind_compared(kind, measured)]


def _kind_compared(kind: str, measured: Sequence[tuple[str, Sequence[Trace]]]) -> list[str]:
    known = [(label, traces) for label, traces in measured if traces]
    if len(known) < 2:
        return []
    known.sort(key=lambda pair: -stats.median_interval(measures.total_times(pair[1]))[0])
    (slowest, times), *others = known
    compared = [(label, measures.ratio_of(times, traces)) for label, traces in others]
    return [
        f"{kind} compared: {slowest} takes {_as_long(ratio)} as {label}."
        for label, ratio in compared
        if ratio is not None
    ]


def _notes(series: Sequence[Series]) -> tuple[str, ...]:
    notes = [_failures_note(s) for s in series if s.failures]
    few = [
        s.n
        for pair in series
        for s in (pair.cold, pair.warm)
        if s is not None and 1 < s.n < stats.FEWEST_FOR_95_PERCENT
    ]
    if few:
        notes.append(
            f"With {min(few)} calls even the whole range can miss the true median:"
            f" 95 % needs at least {stats.FEWEST_FOR_95_PERCENT}."
        )
    if any(s.parts for s in series):
        notes.append("Each part is a median of its own: they need not add up to the median of the whole call.")
        notes.append("Hand-over is what is left of the wait: taking the request in and passing it on.")
    if any(s.cold or s.warm for s in series):
        notes.append("Intervals are bootstrap percentile intervals of the median.")
    return tuple(notes)


def _failures_note(s: Series) -> str:
    kinds = words.listing(f"{number} {status}" for status, number in s.failures.items())
    failed = sum(s.failures.values())
    return (
        f"{words.clean(s.label)}: {failed} of {words.count(s.calls, 'call')} did not succeed ({kinds});"
        " where they ran, their times count above."
    )

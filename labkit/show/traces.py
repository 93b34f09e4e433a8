"""What is said about one invocation's waterfall, and about the environments that served several."""

from __future__ import annotations

from collections.abc import Sequence

from labkit.model import Trace
from labkit.show import calls, spans, words
from labkit.show.cards import Table

TRACE_QUESTION = "Where does this call spend its time?"
ENVIRONMENTS_QUESTION = "Which environment served which call, and when?"
NO_TRACES = "There are no traces yet: every call that reaches a function leaves one."
MOST_LANES = 24
LEGEND = (
    "A line is one environment: i is its init, # a call, x a call that failed, - frozen. Each mark is the most telling"
    " of its moment; what an environment did after its last call is not in the traces."
)
HAND_OVER = "Hand-over is measured as a whole, and drawn between the init and the handler."


def title(trace: Trace) -> str:
    """How the call ended, and how long it took from the request to the handler's end."""
    start = "warm" if not trace.cold else "cold, restored from a snapshot" if trace.restore_s is not None else "cold"
    facts = [str(trace.status), trace.function_name, f"{words.duration(trace.total_s)} from the request on", start]
    return calls.SEPARATOR.join([*(words.clean(fact) for fact in facts)])


def waterfall(trace: Trace) -> Table:
    """One row per part: when it began, how long it took, and a bar in its place."""
    found = spans.spans(trace)
    total = max((span.start_s + span.duration_s for span in found), default=0.0)
    rows = tuple(
        (
            f"  {words.clean(span.name)}" if span.inside else span.name,
            words.ms(span.start_s),
            words.ms(span.duration_s),
            spans.bar(span, total),
        )
        for span in found
    )
    return Table(title(trace), ("part", "begins (ms)", "takes (ms)", ""), rows, frozenset({1, 2}))


def facts(trace: Trace) -> tuple[tuple[str, str], ...]:
    """What else a trace knows."""
    rows = [
        ("bill", calls.billed(trace)),
        ("memory", f"{trace.max_memory_mb:,} of {trace.memory_mb:,} MB"),
        ("error", trace.error_type or ""),
        ("request", trace.request_id),
        ("environment", trace.environment_id),
    ]
    return tuple((label, words.clean(value)) for label, value in rows if value)


def notes(trace: Trace) -> tuple[str, ...]:
    return (HAND_OVER,) if trace.cold else ()


def traces_title(traces: Sequence[Trace]) -> str:
    """How many calls, environments and functions."""
    found = spans.lanes(traces)
    names = sorted({trace.function_name for trace in traces})
    of = words.clean(words.listing(names)) if len(names) <= 3 else words.count(len(names), "function")
    took = words.duration(spans.end_s(found))
    return f"{of}: {words.count(len(traces), 'call')} in {words.count(len(found), 'environment')}, {took} in all"


def lanes_table(traces: Sequence[Trace]) -> Table:
    """One row per environment: whom it served, how much of its time, and its life as marks."""
    found = spans.lanes(traces)
    until = spans.end_s(found)
    rows = tuple(_lane_row(lane, until) for lane in found[:MOST_LANES])
    head = ("environment", "function", "calls", "failed", "busy (ms)", f"0 to {words.duration(until)}")
    return Table(traces_title(traces), head, rows, frozenset({2, 3, 4}))


def _lane_row(lane: spans.Lane, until_s: float) -> tuple[str, ...]:
    return (
        short_id(lane.environment_id),
        words.clean(lane.function),
        f"{lane.calls:,}",
        f"{lane.failed:,}" if lane.failed else "",
        words.ms(lane.busy_s),
        spans.marks(lane, until_s),
    )


def short_id(environment_id: str) -> str:
    return words.clean(environment_id)[:8]


def lanes_notes(traces: Sequence[Trace]) -> tuple[str, ...]:
    """The marks' meaning, and what is not shown."""
    found = spans.lanes(traces)
    more = len(found) - MOST_LANES
    return (LEGEND, *((f"{words.count(more, 'more environment')} not shown.",) if more > 0 else ()))


def alt_trace(trace: Trace) -> str:
    """What one should see in the waterfall, with its numbers."""
    parts = [s for s in spans.spans(trace) if not s.inside]
    longest = max(parts, key=lambda s: s.duration_s)
    said = ", ".join(f"{s.name} {words.duration(s.duration_s)}" for s in parts)
    name = words.clean(trace.function_name)
    return f"One call of {name}, one part after the other: {said}. The longest is {longest.name}."


def alt_environments(traces: Sequence[Trace]) -> str:
    """What one should see in the lanes, with their numbers."""
    found = spans.lanes(traces)
    cold = sum(trace.cold for trace in traces)
    most = max(found, key=lambda lane: lane.calls)
    return (
        f"{traces_title(traces)}. {cold:,} of them began with an init. Environment {short_id(most.environment_id)}"
        f" served the most calls, {most.calls:,}."
    )

"""The facts of a record as plain JSON, under a MIME type of our own: what programs read from a notebook's outputs."""

from __future__ import annotations

import json
from dataclasses import asdict

from labkit.billing import billed_ms
from labkit.loadtest import LoadTest
from labkit.model import Outcome, Outcomes, Trace
from labkit.power import PowerTuning
from labkit.show import spans
from labkit.show.cards import Deployed
from labkit.show.measures import Series, Summary, measure
from labkit.simulation import Simulation

MIME = "application/vnd.labkit.v1+json"
LONGEST_PAYLOAD = 2000

Facts = dict[str, object]


def function(f: Deployed) -> Facts:
    """A deployed function; of its variables, nothing."""
    return {
        "kind": "function",
        "name": f.name,
        "handler": f.handler,
        "memory_mb": f.memory_mb,
        "timeout_s": f.timeout_s,
        "size_bytes": f.size_bytes,
        "requirements": list(f.requirements),
        "change": f.change,
    }


def outcome(o: Outcome) -> Facts:
    """One call; its payload as JSON, or cut to 2,000 characters of text."""
    trace = o.trace
    return {
        "kind": "outcome",
        "function": o.function_name,
        "status": str(o.status),
        "payload": _payload(o.payload),
        "error": None if o.error is None else {"type": _text(o.error.error_type), "message": _text(o.error.message)},
        "cold": None if trace is None else trace.cold,
        "duration_s": None if trace is None else trace.duration_s,
        "init_s": None if trace is None else trace.init_s,
        "billed_ms": None if trace is None else billed_ms(trace.duration_s, trace.startup_s),
    }


def trace(t: Trace) -> Facts:
    """One call's parts: name, begin and duration in seconds."""
    return {
        "kind": "trace",
        "function": t.function_name,
        "status": str(t.status),
        "cold": t.cold,
        "spans": [[s.name, s.start_s, s.duration_s] for s in spans.spans(t)],
        "billed_ms": billed_ms(t.duration_s, t.startup_s),
    }


def outcomes(o: Outcomes) -> Facts:
    """A comparison: medians with their 95 % intervals, in seconds."""
    return {"kind": "outcomes", "series": [_series(series) for series in measure(o)]}


def simulation(s: Simulation) -> Facts:
    """A simulated load: counts, times in seconds, concurrency, cost."""
    middle, p99 = s.quantiles_s(0.5, 0.99) if s.served else (None, None)
    return {
        "kind": "simulation",
        "function": s.label,
        "load": s.load,
        "for_s": s.for_s,
        "requests": len(s),
        "served": s.served,
        "throttled": s.throttled,
        "failed": s.failed,
        "cold": s.cold,
        "median_s": middle,
        "p99_s": p99,
        "mean_in_system": s.mean_in_system,
        "peak_in_system": s.peak_in_system,
        "usd": s.bill().usd,
    }


def loadtest(t: LoadTest) -> Facts:
    """A load that was sent: a simulation's facts, and whether the sender was on time."""
    return {
        **simulation(t),
        "kind": "loadtest",
        "planned": t.planned,
        "unanswered": t.unanswered,
        "interrupted": t.interrupted,
        "throttles": dict(t.reasons),
        "per_s": t.throughput,
        "kept_up": t.kept_up,
        "lag_s": t.lag_s if len(t) else None,
        "percentiles": [[p.share, p.time_s, p.beyond] for p in t.percentiles()] if t.kept_up else [],
    }


def power(p: PowerTuning) -> Facts:
    """Memory sizes compared, with AWS Lambda Power Tuning's own record of the best."""
    rows = [
        {
            "memory_mb": row.memory_mb,
            "usd": row.usd if row.n else None,
            "duration_s": row.duration_s if row.n else None,
            "cpu_s": row.cpu_s if row.n else None,
            "failed": row.failed,
        }
        for row in p.rows
    ]
    return {"kind": "power", "function": p.label, "strategy": p.strategy, "rows": rows, "result": p.as_dict()}


def _series(series: Series) -> Facts:
    return {
        "label": series.label,
        "cold": _summary(series.cold),
        "warm": _summary(series.warm),
        "phases": series.phases,
        "imports": [[name, seconds] for name, seconds in series.imports],
    }


def _summary(summary: Summary | None) -> Facts | None:
    return None if summary is None else asdict(summary)


def _payload(payload: object) -> object:
    try:
        # a notebook file must be JSON that browsers read too: NaN is not
        text = json.dumps(payload, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return _text(repr(payload))
    plain = _encodable(text)
    return json.loads(plain) if len(plain) <= LONGEST_PAYLOAD else plain[:LONGEST_PAYLOAD]


def _text(text: str) -> str:
    return _encodable(text)[:LONGEST_PAYLOAD]


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")

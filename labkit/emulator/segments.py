"""X-Ray: whether an invocation is traced, the header that its handler gets, and Lambda's own segments of it. Pure.

With `TracingConfig` `Active` a trace header that comes with a request is respected; without one, or one that decides
nothing, Lambda samples the first request of each second and 5 % of the others (API reference, "TracingConfig";
developer guide, "Visualize Lambda function invocations using AWS X-Ray"). With `PassThrough` the header goes on as
it came, and Lambda itself says nothing (compute blog, "Streamlining trace sampling behavior").

A traced invocation has two segments, as recorded from BatchGetTraces: the service's (`AWS::Lambda`) and the function's
(`AWS::Lambda::Function`) with the subsegments Initialization, Invocation and Overhead. What a handler records itself
comes under Invocation: that is the Parent in its header. Overhead is not measured here, and has no length.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from typing import NamedTuple

from labkit.emulator.logstream import Entry
from labkit.model import Status, Trace

RATE_OF_THE_REST = 0.05
PARENTS = 10_000  # of traced invocations that are not sent yet
ROOT = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
SEGMENT = re.compile(r"[0-9a-f]{16}")


class _Ids(NamedTuple):
    """Of one attempt's segments. All attempts of an event have one request id, and one header."""

    service: str
    function: str
    init: str
    overhead: str
    cause: str

    @staticmethod
    def of(entry: Entry) -> _Ids:
        digits = hashlib.sha512(f"{entry.request_id} {entry.began_at}".encode()).hexdigest()
        return _Ids(*(digits[at : at + 16] for at in range(0, 80, 16)))


def fields_of(header: str) -> dict[str, str]:
    """`Root=...;Parent=...;Sampled=...`, of which only what is valid."""
    found = dict(part.strip().split("=", 1) for part in header.split(";") if "=" in part)
    checks = (("Root", ROOT), ("Parent", SEGMENT), ("Sampled", re.compile("[01]")))
    return {name: found[name] for name, valid in checks if valid.fullmatch(found.get(name, ""))}


class Sampler:
    """Decides for functions with active tracing. Remembers for each invocation whose child its segment is."""

    def __init__(self) -> None:
        self._last_second: dict[str, int] = {}
        self._parents: OrderedDict[str, str] = OrderedDict()

    def header(self, given: str, request_id: str, function_name: str, now: float) -> str:
        """What the handler gets."""
        known = fields_of(given)
        digits = hashlib.sha256(request_id.encode()).hexdigest()
        root = known.get("Root") or f"1-{int(now):08x}-{digits[:24]}"
        sampled = known.get("Sampled") or str(int(self._samples(function_name, request_id, now)))
        if sampled == "1" and "Parent" in known:
            self._parents[request_id] = known["Parent"]
            if len(self._parents) > PARENTS:
                self._parents.popitem(last=False)
        return f"Root={root};Parent={digits[-16:]};Sampled={sampled}"

    def _samples(self, function_name: str, request_id: str, now: float) -> bool:
        if self._last_second.get(function_name) != int(now):
            self._last_second[function_name] = int(now)
            return True
        chance = int(hashlib.sha256(f"sampled {request_id}".encode()).hexdigest()[:8], 16) / 2**32
        return chance < RATE_OF_THE_REST

    def parent_of(self, request_id: str) -> str:
        """The caller's segment, "" if there is none."""
        return self._parents.get(request_id, "")


def segments(entry: Entry, account_id: str, parent: str = "") -> list[str]:
    """The documents of an invocation that is over; none if it is not traced."""
    known = fields_of(entry.tracing)
    trace = entry.trace
    if trace is None or not entry.origin.traced or known.get("Sampled") != "1" or len(known) < 3:
        return []
    ids = _Ids.of(entry)
    began, ended = entry.began_at, entry.began_at + trace.duration_s
    arn = entry.function_arn
    common = {"name": trace.function_name, "trace_id": known["Root"]}
    service = {
        **common,
        "id": ids.service,
        **({"parent_id": parent} if parent else {}),
        "start_time": began - trace.queued_s,
        "end_time": ended,
        "http": {"response": {"status": 200}},
        "aws": {"request_id": entry.request_id},
        "origin": "AWS::Lambda",
        "resource_arn": arn,
    }
    function = {
        **common,
        "id": ids.function,
        "parent_id": ids.service,
        "start_time": began,
        "end_time": ended,
        "aws": {"account_id": account_id, "function_arn": arn, "resource_names": [trace.function_name]},
        "origin": "AWS::Lambda::Function",
        **_fault(ids, trace),
        "subsegments": _subsegments(ids, known["Parent"], entry, trace),
    }
    return [json.dumps(service), json.dumps(function)]


def _subsegments(ids: _Ids, invocation: str, entry: Entry, trace: Trace) -> list[dict[str, object]]:
    began, ended = entry.began_at, entry.began_at + trace.duration_s
    parts = [(invocation, "Invocation", began, ended), (ids.overhead, "Overhead", ended, ended)]
    if trace.startup_s is not None:
        name = "Initialization" if trace.restore_s is None else "Restore"
        parts.insert(0, (ids.init, name, began - trace.startup_s, began))
    aws = {"function_arn": entry.function_arn}
    return [{"id": own, "name": name, "start_time": at, "end_time": end, "aws": aws} for own, name, at, end in parts]


def _fault(ids: _Ids, trace: Trace) -> dict[str, object]:
    """Only if there was one: the key alone is taken for a fault."""
    if trace.status is Status.SUCCESS:
        return {}
    return {"fault": True, "cause": {"exceptions": [{"id": ids.cause, "type": trace.error_type or "Unknown"}]}}

"""What is asked of the emulator's records of past calls: one trace, or the bill of them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from labkit.billing import US_EAST_1, Cost, cost
from labkit.client.endpoint import trace_of
from labkit.errors import BadLoad, NotInvoked
from labkit.model import Trace

if TYPE_CHECKING:
    from labkit.client.lab import Lab

REQUEST_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def trace_named(lab: Lab, page: Callable[..., Any], which: str) -> Trace:
    """By a request id, or the last of a function, or of all. Raises NotInvoked, UnknownFunction."""
    if REQUEST_ID.fullmatch(which):
        found = trace_of(page(f"traces/{which}"))
    else:
        found = max(lab.traces(which), key=lambda trace: trace.arrived_at, default=None)
        if found is None and which:
            lab.function(which)
    if found is None:
        raise NotInvoked(f"There is no trace of {which or 'any function'}.")
    return found


def bill_of(lab: Lab, names: Sequence[str], requests: float | None, architecture: str) -> Cost:
    """Of these functions' calls, or of all. Raises BadLoad, NotInvoked, UnknownFunction."""
    if architecture not in US_EAST_1.per_gb_s:
        known = ", ".join(US_EAST_1.per_gb_s)
        raise BadLoad(f"{architecture} has no price.", hint=f"The architectures are: {known}.")
    if requests is not None and not 0 < requests < float("inf"):
        raise BadLoad(f"{requests:g} requests: expected more than 0.", hint="For example 1e6")
    traces = lab.traces()
    for name in names:
        if all(trace.function_name != name for trace in traces):
            lab.function(name)
            raise NotInvoked(f"There is no trace of {name}.")
    chosen = [trace for trace in traces if not names or trace.function_name in names]
    bill = cost(chosen, architecture=architecture)
    return bill if requests is None else bill.for_requests(requests)

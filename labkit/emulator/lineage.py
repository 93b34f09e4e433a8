"""PURE: how often a chain of events has come back to a function, and when that is a loop.

Lambda writes it into the X-Ray header: `Lineage=a87bd80c:1|68fd508a:5`, a function's hash and how often it was invoked
again in this chain (X-Ray developer guide, "Tracing header"). An SDK inside of a handler sends the header on with each
call (`_X_AMZN_TRACE_ID`), the services keep it with what they send, and so it comes back. After 16 invocations Lambda
stops the next one (developer guide, "Use Lambda recursive loop detection to prevent infinite loops").
"""

from __future__ import annotations

import zlib
from functools import lru_cache

MOST_INVOCATIONS = 16  # of one function in one chain
KEY = "Lineage="
MOST_FUNCTIONS = 16  # that a header remembers; the newest


def continued(trace_id: str, function_name: str) -> str:
    """The header for this invocation, with its function counted.

    >>> continued("Root=1-5759e988-bd862e3fe1be46a994272793", "f")
    'Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=76d32be0:0'
    >>> continued("Root=1;Lineage=76d32be0:3|11111111:0", "f")
    'Root=1;Lineage=11111111:0|76d32be0:4'
    """
    own = digest(function_name)
    if KEY not in trace_id:
        return f"{trace_id};Lineage={own}:0"
    fields = [field for field in trace_id.split(";") if not field.startswith(KEY)]
    known = _counts(trace_id)
    known[own] = known.pop(own, -1) + 1
    newest = list(known.items())[-MOST_FUNCTIONS:]
    return ";".join([*fields, KEY + "|".join(f"{name}:{count}" for name, count in newest)])


def is_loop(trace_id: str, function_name: str) -> bool:
    """Whether an invocation under this header, with itself counted, is one too many."""
    return KEY in trace_id and _counts(trace_id).get(digest(function_name), 0) >= MOST_INVOCATIONS


@lru_cache(1024)  # on the way of every call
def digest(function_name: str) -> str:
    return f"{zlib.crc32(function_name.encode()):08x}"


def _counts(trace_id: str) -> dict[str, int]:
    """By function, the newest last; what cannot be read is nobody's. `|` may have come encoded."""
    lineage = next((field[len(KEY) :] for field in trace_id.split(";") if field.startswith(KEY)), "")
    pairs = (entry.rpartition(":") for entry in lineage.replace("%7C", "|").split("|"))
    return {name: int(count) for name, _, count in pairs if count.isdecimal() and len(count) < 10}

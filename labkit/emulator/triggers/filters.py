"""PURE: which records of a queue or a stream a mapping's filters let through.

A record passes if one of the filters matches it. What a message or a record carries is read as JSON where the filter
wants an object there, and taken as a text where it wants a text; one that is the other is dropped (developer guide,
"Control which events Lambda sends to your function", the tables "Properly filtering Amazon SQS messages" and "Kinesis
Data Streams messages").
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from labkit.emulator.triggers.patterns import InvalidPattern, check, is_choice, matches

Record = Mapping[str, Any]


def parsed(pattern: str) -> Mapping[str, Any]:
    """Raises InvalidPattern for a text that is no JSON, or no pattern."""
    try:
        found: Any = json.loads(pattern)
    except (ValueError, RecursionError):
        raise InvalidPattern("the pattern is no JSON") from None
    check(found)
    return found  # type: ignore[no-any-return]


_parsed = lru_cache(maxsize=256)(parsed)


def passes(filters: Sequence[str], record: Record) -> bool:
    """Whether one of the filters matches; without filters, always."""
    if not filters:
        return True
    seen, carrier = _as_filters_see(record)
    return any(_matches(_parsed(each), seen, carrier) for each in filters)


def _as_filters_see(record: Record) -> tuple[Record, str]:
    """The record, and the name of the field that is read as JSON; of a table's stream there is none."""
    if "kinesis" in record:
        text = base64.b64decode(record["kinesis"]["data"]).decode("utf-8", "replace")
        return {**record, **record["kinesis"], "data": text}, "data"
    return record, "body" if "body" in record else ""


def _matches(pattern: Mapping[str, Any], seen: Record, carrier: str) -> bool:
    if not carrier:
        return matches(pattern, seen)
    document = _object(seen[carrier])
    wants = {_wants_object(each) for each in _said_of(pattern, carrier)}
    if wants and wants != {document is not None}:
        return False
    return matches(pattern, seen if document is None else {**seen, carrier: document})


def _said_of(pattern: Mapping[str, Any], field: str) -> list[Any]:
    """All that a pattern says of a field, in `$or`, too."""
    found = [pattern[field]] if field in pattern else []
    for key, wanted in pattern.items():
        if is_choice(key, wanted):
            found += [said for each in wanted for said in _said_of(each, field)]
    return found


def _wants_object(said: Any) -> bool:
    return isinstance(said, Mapping)


def _object(text: str) -> Any | None:
    """The JSON object that a text is, if it is one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None

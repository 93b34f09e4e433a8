"""PURE: what a target of an EventBridge rule gets: the event, a part of it, a constant, or a text made of it.

EventBridge user guide, "Amazon EventBridge input transformation": a variable outside of quotes becomes JSON (a string
with its quotes), inside of quotes its text. Predefined are `aws.events.rule-arn`, `rule-name`, `event` (without its
detail), `event.json` (whole) and `event.ingestion-time`. A path that leads nowhere makes no variable: its place stays
empty inside quotes, and `null` outside, so that the result is JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

PLACE = re.compile(r"<([A-Za-z0-9_.\-]+)>")
STEP = re.compile(r"\.([^.\[\]]+)|\['([^']+)'\]|\[(\d+)\]")


class NoPath(Exception):
    """A path that leads nowhere in this event."""


def input_of(target: Mapping[str, Any], event: Mapping[str, Any], predefined: Mapping[str, Any]) -> str:
    """The payload, as JSON.

    >>> input_of({"InputPath": "$.detail"}, {"id": "1", "detail": {"x": 1}}, {})
    '{"x":1}'
    """
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        return _json(at(target["InputPath"], event))
    transformer = target.get("InputTransformer")
    if not transformer:
        return _json(event)
    known = dict(predefined)
    for name, path in (transformer.get("InputPathsMap") or {}).items():
        try:
            known[name] = at(path, event)
        except NoPath:
            known.pop(name, None)
    return filled(transformer["InputTemplate"], known)


def at(path: str, event: Any) -> Any:
    """The value that a JSON path leads to. Raises NoPath.

    >>> at("$.detail.tags[0]", {"detail": {"tags": ["a"]}})
    'a'
    """
    if not path.startswith("$"):
        raise NoPath(path)
    place, value = 1, event
    while place < len(path):
        step = STEP.match(path, place)
        if step is None:
            raise NoPath(path)
        name, place = step[1] or step[2] or int(step[3]), step.end()
        try:
            value = value[name]
        except (KeyError, IndexError, TypeError):
            raise NoPath(path) from None
    return value


def filled(template: str, known: Mapping[str, Any]) -> str:
    """The template with its variables' values.

    >>> filled('{"who": <who>, "says": "hello <who>"}', {"who": "Ann"})
    '{"who": "Ann", "says": "hello Ann"}'
    """
    parts, after = [], 0
    for place in PLACE.finditer(template):
        before = template[after : place.start()]
        parts.append(before)
        inside = _quotes(template[: place.start()]) % 2 == 1
        parts.append(_inside(known.get(place[1])) if inside else _json(known.get(place[1])))
        after = place.end()
    return "".join([*parts, template[after:]])


def _quotes(text: str) -> int:
    """Quotes that begin or end a string."""
    return len(re.findall(r'(?<!\\)(?:\\\\)*"', text))


def _inside(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value if isinstance(value, str) else _json(value))[1:-1]


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))

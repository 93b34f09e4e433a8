"""PURE: what a target gets: AWS's `Scheduled Event`, or what the rule or the schedule makes of it.

Event and transformer: EventBridge user guide, "Creating a rule that runs on a schedule" and "Amazon EventBridge input
transformation"; context attributes: Scheduler user guide, "Adding context attributes".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from labkit.emulator.timed.entries import Entry, Target

STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\['([^']+)'\]|\[(\d+)\]")
PLACE = re.compile(r"<([\w.-]+)>")
MISSING = object()


@dataclass(frozen=True, slots=True)
class Firing:
    """One firing of an entry, with the ids that belong to it."""

    entry: Entry
    at: datetime
    event_id: str
    execution_id: str
    account_id: str


class BadPath(ValueError):
    """Not a JSON path of the kind that EventBridge takes."""


def timestamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def scheduled_event(firing: Firing) -> dict[str, Any]:
    """What a target gets that asks for nothing else. The Scheduler's `detail` is a string, as seen on AWS."""
    entry = firing.entry
    by_rule = entry.service == "events"
    return {
        "version": "0",
        "id": firing.event_id,
        "detail-type": "Scheduled Event",
        "source": "aws.events" if by_rule else "aws.scheduler",
        "account": firing.account_id,
        "time": timestamp(firing.at),
        "region": entry.region,
        "resources": [entry.arn],
        "detail": {} if by_rule else "{}",
    }


def payload_of(firing: Firing, target: Target, attempt: int) -> str:
    """The text that goes to a target. Raises BadPath."""
    event = scheduled_event(firing)
    if firing.entry.service == "scheduler":
        given = target.get("Input")
        return _with_context(given, firing, attempt) if given else json.dumps(event)
    if target.get("Input"):
        return str(target["Input"])
    if path := target.get("InputPath"):
        found = at_path(event, path)
        return json.dumps(None if found is MISSING else found)
    if transformer := target.get("InputTransformer"):
        return transformed(event, transformer, firing.entry)
    return json.dumps(event)


def _with_context(given: str, firing: Firing, attempt: int) -> str:
    known = {
        "aws.scheduler.schedule-arn": firing.entry.arn,
        "aws.scheduler.scheduled-time": timestamp(firing.at),
        "aws.scheduler.execution-id": firing.execution_id,
        "aws.scheduler.attempt-number": str(attempt),
    }
    return PLACE.sub(lambda found: known.get(found[1], found[0]), given)


def transformed(event: Mapping[str, Any], transformer: Mapping[str, Any], entry: Entry) -> str:
    """The template with its variables. Raises BadPath.

    Outside quotes a variable becomes JSON; inside, a string without its quotes. A path that finds nothing is null.
    """
    known = {name: at_path(event, path) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    known |= {
        "aws.events.rule-arn": entry.arn,
        "aws.events.rule-name": entry.name,
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.event.json": event,
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
    }
    template: str = transformer["InputTemplate"]
    pieces, quoted, end = [], False, 0
    for found in PLACE.finditer(template):
        if found[1] in known:
            before = template[end : found.start()]
            quoted ^= len(re.findall(r'(?<!\\)"', before)) % 2 == 1
            pieces += [before, _inserted(known[found[1]], quoted=quoted)]
            end = found.end()
    return "".join([*pieces, template[end:]])


def _inserted(value: object, *, quoted: bool) -> str:
    if value is MISSING:
        return "" if quoted else "null"
    if not quoted:
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(value)[1:-1]
    return json.dumps(value).replace('"', "")  # the guide: quotes are removed


def at_path(event: Mapping[str, Any], path: str) -> Any:
    """What stands at a path such as `$.detail.items[0]`; MISSING if nothing does. Raises BadPath."""
    steps = list(STEP.finditer(path))
    if not path.startswith("$") or "".join(step[0] for step in steps) != path[1:]:
        raise BadPath(f"{path!r} is no JSON path of names and numbers")
    found: Any = event
    for step in steps:
        name, index = step[1] or step[2], step[3]
        if name and isinstance(found, Mapping) and name in found:
            found = found[name]
        elif index and isinstance(found, list) and int(index) < len(found):
            found = found[int(index)]
        else:
            return MISSING
    return found


def delayed(firing: Firing) -> datetime:
    """When a schedule with a flexible window is carried out: anywhere in it, the same place whenever it is asked."""
    window_s = firing.entry.window_s
    if not window_s:
        return firing.at
    digest = hashlib.sha256(f"{firing.entry.arn} {firing.at.timestamp()}".encode()).digest()
    return firing.at + timedelta(seconds=int.from_bytes(digest[:4], "big") % window_s)

"""PURE: what has to be done for a target: a function's run, or one operation of another service.

Which parameters go with a target's ARN: API references, `Target` of EventBridge and of EventBridge Scheduler; the
Scheduler's universal targets (`arn:aws:scheduler:::aws-sdk:SERVICE:ACTION`) name an operation of any service, and their
Input is its parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore import xform_name

from labkit.emulator.timed.entries import Target
from labkit.model import InvocationType

UNIVERSAL = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:([a-z0-9]+):([A-Za-z0-9]+)")
# names of the SDK for Java that botocore spells otherwise
SERVICES = {"sfn": "stepfunctions", "eventbridge": "events", "cloudwatchlogs": "logs"}
READING = (
    "get",
    "describe",
    "list",
    "poll",
    "receive",
    "search",
    "scan",
    "query",
    "select",
    "read",
    "lookup",
    "batchGet",
)


class Unsupported(Exception):
    """No target of the kind that labkit serves."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a function."""

    function: str
    payload: bytes
    kind: str = InvocationType.EVENT
    by_policy: bool = True
    """Whether the function's resource policy must allow it; a schedule comes with a role of its own."""


@dataclass(frozen=True, slots=True)
class Call:
    """An operation of a service, by its names in boto3."""

    service: str
    region: str
    operation: str
    params: dict[str, Any]


def request_of(target: Target, body: str, *, source: str, event_id: str) -> Run | Call:
    """Raises Unsupported. `source` is the service, `events` or `scheduler`."""
    arn: str = target["Arn"]
    if found := UNIVERSAL.fullmatch(arn):
        return _universal(found[1], found[2], body)
    parts = arn.split(":", 5)
    if len(parts) == 6 and parts[2] == "lambda":
        return Run(arn, body.encode(), by_policy=source == "events")
    make = TEMPLATED.get(parts[2]) if len(parts) == 6 else None
    if make is None:
        raise Unsupported(f"labkit does not reach targets like {arn}")
    operation, params = make(target, body, event_id)
    return Call(SERVICES_OF_ARNS.get(parts[2], parts[2]), parts[3], operation, params)


def _universal(service: str, action: str, body: str) -> Run | Call:
    try:
        params = json.loads(body)
    except ValueError as error:
        raise Unsupported(f"the Input of {service}:{action} is not JSON: {error}") from None
    if not isinstance(params, dict):
        raise Unsupported(f"the Input of {service}:{action} is not an object")
    if action.startswith(READING):
        raise Unsupported(f"{action} only reads; EventBridge Scheduler does not take it")
    if (service, action) == ("lambda", "invoke") and "FunctionName" in params:
        name, qualifier, payload = params["FunctionName"], params.get("Qualifier"), params.get("Payload", "")
        text = payload if isinstance(payload, str) else json.dumps(payload)
        kind = params.get("InvocationType", InvocationType.REQUEST_RESPONSE)
        return Run(f"{name}:{qualifier}" if qualifier else name, text.encode(), kind, by_policy=False)
    return Call(SERVICES.get(service, service), "", xform_name(action), params)


def queue_url(arn: str) -> str:
    """The host is the endpoint's, whatever stands here: the SDK sends to the endpoint."""
    _, _, _, region, account, name = arn.split(":", 5)
    return f"https://sqs.{region}.amazonaws.com/{account}/{name}"


Made = tuple[str, dict[str, Any]]


def _message(target: Target, body: str, event_id: str) -> Made:
    params: dict[str, Any] = {"QueueUrl": queue_url(target["Arn"]), "MessageBody": body}
    if group := (target.get("SqsParameters") or {}).get("MessageGroupId"):
        params |= {"MessageGroupId": group, "MessageDeduplicationId": event_id}
    return "send_message", params


def _publication(target: Target, body: str, event_id: str) -> Made:
    return "publish", {"TopicArn": target["Arn"], "Message": body}


def _execution(target: Target, body: str, event_id: str) -> Made:
    return "start_execution", {"stateMachineArn": target["Arn"], "name": event_id, "input": body}


def _record(target: Target, body: str, event_id: str) -> Made:
    key = (target.get("KinesisParameters") or {}).get("PartitionKey") or event_id
    return "put_record", {"StreamARN": target["Arn"], "Data": body.encode(), "PartitionKey": key}


def _event(target: Target, body: str, event_id: str) -> Made:
    given = target.get("EventBridgeParameters")
    if not given:
        raise Unsupported("an event bus as a target needs EventBridgeParameters")
    entry = {
        "EventBusName": target["Arn"],
        "Detail": body,
        "DetailType": given["DetailType"],
        "Source": given["Source"],
    }
    return "put_events", {"Entries": [entry]}


TEMPLATED: dict[str, Callable[[Target, str, str], Made]] = {
    "sqs": _message,
    "sns": _publication,
    "states": _execution,
    "kinesis": _record,
    "events": _event,
}
SERVICES_OF_ARNS = {"states": "stepfunctions"}

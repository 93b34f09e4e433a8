"""EventBridge: events that match a rule go to its targets, in AWS's shape and as the target wants its input.

moto calls no function here and knows neither `Input` nor `InputPath`; functions, queues, topics and state machines
get theirs from this module, all other targets from moto. A rule that is disabled, or has a schedule and no pattern,
sends nothing. Shape: EventBridge user guide, "Events"; the time is in whole seconds.
PutEvents on AWS does not tell of a target that cannot be reached: what goes wrong is a line on standard error.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from labkit.mockaws.corrections import Corrections
from labkit.mockaws.seam import SOURCE_IP, Delivery, cause, deliver, say
from labkit.mockaws.templates import NoPath, input_of

EVENTS = "events.amazonaws.com"


def correct(module: ModuleType, corrections: Corrections) -> None:
    """moto.events.models"""
    corrections.replace(module.Rule, "send_to_targets", _sending)


def correct_notifications(module: ModuleType, corrections: Corrections) -> None:
    """moto.events.notifications: that a bucket was created, which CloudTrail tells on AWS."""
    corrections.replace(module, "_send_safe_notification", lambda _: _bucket_created)


def publish(account_id: str, region: str, event: dict[str, Any]) -> None:
    """An event of AWS's own to the default bus, where they all go."""
    from moto.events.models import events_backends  # moto is loaded where it is used

    told = {"version": "0", "id": str(uuid.uuid4()), **event}
    told["ingestion-time"] = told["time"]
    for rule in list(events_backends[account_id][region].event_buses["default"].rules.values()):
        rule.send_to_targets(copy.deepcopy(told))


def document(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as targets see it; moto's carries its time as a number, and when it came in."""
    names = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")
    told = {name: event.get(name) for name in names}
    told["time"] = _spelt(event.get("time"))
    return told | ({"replay-name": event["replay-name"]} if "replay-name" in event else {})


def _sending(send: Callable[..., None]) -> Callable[..., None]:
    def send_to_targets(rule: Any, original_event: Any, transform_input: bool = True) -> None:
        if rule.state != "ENABLED" or not rule.event_pattern.get_pattern():
            return
        if not rule.event_pattern.matches_event(original_event):
            return
        for target in list(rule.targets):
            try:
                to = TARGETS.get(target["Arn"].split(":")[2])
                if to:
                    to(rule, target, _input(rule, target, original_event))
                else:
                    alone = copy.copy(rule)
                    alone.targets = [target]
                    send(alone, original_event, transform_input)
            except NoPath as error:
                say(f"not delivered to {target['Arn']} by {rule.arn}: its InputPath {error} is not in the event")
            except Exception as error:
                say(f"not delivered to {target['Arn']} by {rule.arn}: {error!r}")

    return send_to_targets


def _input(rule: Any, target: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    told = document(event)
    predefined = {
        "aws.events.rule-arn": rule.arn,
        "aws.events.rule-name": rule.name,
        "aws.events.event": {name: value for name, value in told.items() if name != "detail"},
        "aws.events.event.json": told,
        "aws.events.event.ingestion-time": _spelt(event.get("ingestion-time", event.get("time"))),
    }
    return input_of(target, told, predefined)


def _to_function(rule: Any, target: Mapping[str, Any], payload: str) -> None:
    deliver(Delivery(target["Arn"], EVENTS, rule.arn, rule.account_id, payload, trace_id=cause().trace_id))


def _to_queue(rule: Any, target: Mapping[str, Any], payload: str) -> None:
    from moto.sqs.models import sqs_backends  # as above

    _, _, _, region, account_id, name = target["Arn"].split(":")
    group = target.get("SqsParameters", {}).get("MessageGroupId")
    sqs_backends[account_id][region].send_message(queue_name=name, message_body=payload, group_id=group)


def _to_topic(rule: Any, target: Mapping[str, Any], payload: str) -> None:
    from moto.sns.models import sns_backends  # as above

    _, _, _, region, account_id, _ = target["Arn"].split(":")
    sns_backends[account_id][region].publish(arn=target["Arn"], message=payload)


def _to_state_machine(rule: Any, target: Mapping[str, Any], payload: str) -> None:
    from moto.stepfunctions.responses import get_backend  # as above

    region, account_id = target["Arn"].split(":")[3:5]
    get_backend(account_id, region).start_execution(
        state_machine_arn=target["Arn"], name=str(uuid.uuid4()), execution_input=payload
    )


TARGETS: dict[str, Callable[[Any, Mapping[str, Any], str], None]] = {
    "lambda": _to_function,
    "sqs": _to_queue,
    "sns": _to_topic,
    "states": _to_state_machine,
}


def _bucket_created(source: str, event_name: str, region: str, resources: Any, detail: Any) -> None:
    """Stands for moto's own, which sends something like an S3 event to every account."""
    account_id, now, request = detail["requester"], datetime.now(UTC).timestamp(), cause()
    told = {
        "eventVersion": "1.08",
        "eventTime": _spelt(now),
        "eventSource": "s3.amazonaws.com",
        "eventName": event_name,
        "awsRegion": region,
        "sourceIPAddress": SOURCE_IP,
        "requestParameters": {"bucketName": detail["bucket"]["name"]},
        "requestID": request.request_id,
        "eventType": "AwsApiCall",
        "recipientAccountId": account_id,
    }
    event = {
        "detail-type": "AWS API Call via CloudTrail",
        "source": source,
        "account": account_id,
        "time": int(now),
        "region": region,
        "resources": [],
        "detail": told,
    }
    publish(account_id, region, event)


def _spelt(at: Any) -> str:
    """A time as it stands in an event. PutEvents gives numbers, or text if the caller's was text."""
    try:
        return datetime.fromtimestamp(float(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (TypeError, ValueError):
        return str(at)

"""Where events end: the record that a destination gets, what a dead-letter queue gets, and the way to both.

The record's shape is AWS's (developer guide, "Capturing records of Lambda asynchronous invocations", and records of
real invocations). Where the handler did not run at all there is no `responsePayload`; a throttle leaves
`responseContext` with its status alone. A dead-letter queue gets the event as it was, and three message attributes.

Queues and topics get the record as their message, a bucket as an object. An event bus gets an event whose detail is the
record; its source, detail type and resources (the bus, then the function) are those of events that AWS has sent (2021,
2022; the developer guide now says that the source is `aws.lambda`).
A delivery that fails is a line in the log, and never more: the caller is long gone.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from labkit.emulator.clients import CallFailed
from labkit.emulator.registry import REFERENCE, Reference, Registry
from labkit.emulator.retries import EndCondition
from labkit.errors import ServiceError
from labkit.model import LATEST

MESSAGE_CHARS = 1024  # what the dead-letter queue gets of an error message: its first KB
# AWS's own words, the missing space included
NO_CONCURRENCY = "Function not invoked. Function isconfigured with zero reserved concurrent executions"


class Ending(msgspec.Struct, frozen=True):
    """How an event ended. `payload` and `version` are the last run's; without one, `status` is the last refusal's."""

    condition: EndCondition
    request_id: str
    function_arn: str
    event: bytes
    at: float
    runs: int
    status: int | None = None
    version: str = ""
    payload: bytes | None = None
    message: str = ""

    @property
    def failed(self) -> bool:
        return self.condition is not EndCondition.SUCCESS


class DeadLetter(msgspec.Struct, frozen=True):
    """A message for a dead-letter queue: the event, with the attributes ErrorCode, ErrorMessage and RequestID."""

    target_arn: str
    event: bytes
    error_code: str
    error_message: str
    request_id: str


def record(ending: Ending) -> bytes:
    """The JSON document that a destination gets."""
    document: dict[str, Any] = {
        "version": "1.0",
        "timestamp": _timestamp(ending.at),
        "requestContext": {
            "requestId": ending.request_id,
            "functionArn": _qualified(ending.function_arn),
            "condition": ending.condition.value,
            "approximateInvokeCount": ending.runs,
        },
        "requestPayload": _json(ending.event),
    }
    if ending.status is not None:
        context: dict[str, Any] = {"statusCode": ending.status}
        document["responseContext"] = context
        if ending.payload is not None:
            context["executedVersion"] = ending.version
            if ending.failed:
                context["functionError"] = "Unhandled"
            document["responsePayload"] = _json(ending.payload)
    return json.dumps(document, separators=(",", ":")).encode()


def dead_letter(ending: Ending, target_arn: str) -> DeadLetter:
    return DeadLetter(
        target_arn,
        ending.event,
        error_code=str(ending.status or 429),
        error_message=_error_message(ending)[:MESSAGE_CHARS],
        request_id=ending.request_id,
    )


def _error_message(ending: Ending) -> str:
    if ending.condition is EndCondition.ZERO_RESERVED_CONCURRENCY:
        return NO_CONCURRENCY
    said = _json(ending.payload) if ending.payload is not None else None
    return str(said.get("errorMessage", "")) if isinstance(said, dict) else ending.message


def _json(text: bytes) -> Any:
    """The value; what cannot be read as JSON is kept as text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.decode("utf-8", "replace")


def _timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _qualified(function_arn: str) -> str:
    """A record names the version or alias that was asked for, `$LATEST` if none was."""
    return function_arn if function_arn.count(":") == 7 else f"{function_arn}:{LATEST}"


# --- the way there


def function_of(arn: str, registry: Registry) -> Reference | None:
    """The function that an ARN names, if it is one of this account and region."""
    match = REFERENCE.fullmatch(arn)
    ours = match and match["account"] == registry.account_id and match["region"] == registry.region
    return Reference(match["name"], match["qualifier"]) if match and ours else None


class Call(Protocol):
    """One operation of another service. Raises CallFailed."""

    async def __call__(self, service: str, operation: str, *, region: str = "", **params: Any) -> dict[str, Any]: ...


def delivery(
    registry: Registry, invoke: Callable[[Reference, bytes, str], Awaitable[object]], call: Call
) -> Callable[[str, bytes, str], Awaitable[bool]]:
    """Brings a record to its destination, and says whether it arrived; the log says what could not be delivered.

    A function gets the event's X-Ray header, too: functions that are each other's destinations are a loop.
    """

    async def deliver(arn: str, body: bytes, trace_id: str = "") -> bool:
        try:
            if function := function_of(arn, registry):
                await invoke(function, body, trace_id)
            else:
                await _sent(call, arn, RECORDS, body)
        except (ServiceError, CallFailed) as error:
            undelivered(arn, str(error))
            return False
        return True

    return deliver


def burial(call: Call) -> Callable[[DeadLetter], Awaitable[bool]]:
    """Brings a dead letter to its queue or topic; the log says what is lost."""

    async def bury(letter: DeadLetter) -> bool:
        try:
            await _sent(call, letter.target_arn, DEAD_LETTERS, letter)
        except CallFailed as error:
            why = f"{error}; the event {letter.request_id} failed with {letter.error_message!r}"
            undelivered(letter.target_arn, why)
            return False
        return True

    return bury


class _Target(msgspec.Struct, frozen=True):
    """What an ARN names: a resource of a service."""

    arn: str
    service: str
    region: str
    account_id: str
    name: str


Message = tuple[str, dict[str, Any]]  # an operation, and its parameters


async def _sent(
    call: Call, arn: str, messages: Mapping[str, Callable[[_Target, Any], Message]], content: object
) -> None:
    """Raises CallFailed."""
    parts = arn.split(":", 5)
    target = _Target(arn, *parts[2:]) if len(parts) == 6 else _Target(arn, "", "", "", "")
    if target.service not in messages:
        raise CallFailed("UnsupportedTarget", "no resource that could take it has this name")
    operation, params = messages[target.service](target, content)
    answer = await call(target.service, operation, region=target.region, **params)
    if answer.get("FailedEntryCount"):
        entry = answer["Entries"][0]
        raise CallFailed(entry.get("ErrorCode", ""), entry.get("ErrorMessage", ""))


def _queue_url(target: _Target) -> str:
    """The host is the endpoint's, whatever stands here: the SDK sends to the endpoint."""
    return f"https://sqs.{target.region}.amazonaws.com/{target.account_id}/{target.name}"


def _to_queue(target: _Target, body: bytes) -> Message:
    return "send_message", {"QueueUrl": _queue_url(target), "MessageBody": body.decode()}


def _to_topic(target: _Target, body: bytes) -> Message:
    return "publish", {"TopicArn": target.arn, "Message": body.decode()}


def _to_bus(target: _Target, body: bytes) -> Message:
    context = json.loads(body)["requestContext"]
    result = "Success" if context["condition"] == EndCondition.SUCCESS else "Failure"
    entry = {
        "EventBusName": target.arn,
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {result}",
        "Resources": [target.arn, context["functionArn"]],
        "Detail": body.decode(),
    }
    return "put_events", {"Entries": [entry]}


def _to_bucket(target: _Target, body: bytes) -> Message:
    """The key is AWS's: `aws/lambda/async/FUNCTION/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-UUID` (developer guide)."""
    document = json.loads(body)
    function = document["requestContext"]["functionArn"].split(":")[6]
    at = datetime.fromisoformat(document["timestamp"])
    key = f"aws/lambda/async/{function}/{at:%Y/%m/%d}/{at:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
    return "put_object", {"Bucket": target.name, "Key": key, "Body": body}


def _letter_to_queue(target: _Target, letter: DeadLetter) -> Message:
    body = letter.event.decode("utf-8", "replace")
    params = {"QueueUrl": _queue_url(target), "MessageBody": body, "MessageAttributes": _attributes(letter)}
    return "send_message", params


def _letter_to_topic(target: _Target, letter: DeadLetter) -> Message:
    message = letter.event.decode("utf-8", "replace")
    return "publish", {"TopicArn": target.arn, "Message": message, "MessageAttributes": _attributes(letter)}


def _attributes(letter: DeadLetter) -> dict[str, dict[str, str]]:
    """An attribute may not be empty: an error without a message has none."""
    attributes = {
        "RequestID": {"DataType": "String", "StringValue": letter.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": letter.error_code},
    }
    if letter.error_message:
        attributes["ErrorMessage"] = {"DataType": "String", "StringValue": letter.error_message}
    return attributes


RECORDS: dict[str, Callable[[_Target, Any], Message]] = {
    "sqs": _to_queue,
    "sns": _to_topic,
    "events": _to_bus,
    "s3": _to_bucket,
}
DEAD_LETTERS: dict[str, Callable[[_Target, Any], Message]] = {"sqs": _letter_to_queue, "sns": _letter_to_topic}


def undelivered(arn: str, why: str) -> None:
    print(f"labkit: not delivered to {arn}: {why}", file=sys.stderr, flush=True)  # noqa: T201

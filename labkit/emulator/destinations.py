"""Where events end: the record that a destination gets, what a dead-letter queue gets, and the way to a function.

The record's shape is AWS's (developer guide, "Capturing records of Lambda asynchronous invocations", and records of
real invocations). Where the handler did not run at all there is no `responsePayload`; a throttle leaves
`responseContext` with its status alone. A dead-letter queue gets the event as it was, and three message attributes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labkit.emulator.registry import REFERENCE, Reference, Registry
from labkit.emulator.retries import EndCondition
from labkit.errors import ServiceError
from labkit.model import LATEST

MESSAGE_CHARS = 1024  # what the dead-letter queue gets of an error message: its first KB
# AWS's own words, the missing space included
NO_CONCURRENCY = "Function not invoked. Function isconfigured with zero reserved concurrent executions"


@dataclass(frozen=True, slots=True)
class Ending:
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


@dataclass(frozen=True, slots=True)
class DeadLetter:
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


def delivery(
    registry: Registry, invoke: Callable[[Reference, bytes], Awaitable[object]]
) -> Callable[[str, bytes], Awaitable[None]]:
    """Brings a record to a function, by an asynchronous invocation; the log says what could not be delivered."""

    async def deliver(arn: str, body: bytes) -> None:
        function = function_of(arn, registry)
        if function is None:
            undelivered(arn, "only functions of this account can be reached yet")
            return
        try:
            await invoke(function, body)
        except ServiceError as error:
            undelivered(arn, str(error))

    return deliver


async def lose_dead_letter(letter: DeadLetter) -> None:
    """Queues and topics, the only targets of dead letters, cannot be reached yet: the log says what is lost."""
    why = f"queues and topics cannot be reached yet; the event {letter.request_id} failed with {letter.error_message!r}"
    undelivered(letter.target_arn, why)


def undelivered(arn: str, why: str) -> None:
    print(f"labkit: not delivered to {arn}: {why}", file=sys.stderr, flush=True)  # noqa: T201

"""Brings one firing to one target: tries, waits on the clock and tries again, or gives it to the dead-letter queue.

What a target cannot take (no such function, no permission, a bad path) is not tried again; what it could not take now
is, until the retry policy ends it: by default 185 times within a day, at growing distances (AWS gives no numbers).
Attributes of dead letters: "Using dead-letter queues" in the EventBridge guide, "Configuring a schedule's dead-letter
queue" in the Scheduler's. Whatever is not delivered is a line in the log as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from labkit.emulator.clients import CallFailed
from labkit.emulator.clock import Clock
from labkit.emulator.destinations import Call as Calling
from labkit.emulator.destinations import function_of, undelivered
from labkit.emulator.permissions import permits
from labkit.emulator.registry import Reference, Registry, parse_reference
from labkit.emulator.timed.entries import Target
from labkit.emulator.timed.payloads import BadPath, Firing, payload_of, scheduled_event, timestamp
from labkit.emulator.timed.requests import Call, Run, Unsupported, queue_url, request_of
from labkit.errors import ServiceError
from labkit.model import LATEST

MOST_RETRIES, OLDEST_S = 185, 86_400
LONGEST_WAIT_S = 900
TOO_MANY, SERVER_FAULT = 429, 500
PRINCIPAL = "events.amazonaws.com"
PASSING = frozenset(
    {"ServiceUnavailableException", "ServiceUnavailable", "Throttling", "ThrottlingException", "InternalFailure"}
    | {"TooManyRequestsException", "InternalError", "EndpointConnectionError", "ConnectionClosedError"}
    | {"ConnectTimeoutError", "ReadTimeoutError"}
)
"""Errors that may be over in a while: of services, and botocore's own."""


class Failed(Exception):
    """A target did not take what was brought."""

    def __init__(self, code: str, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.passing = code, message, passing


@dataclass(frozen=True, slots=True)
class GivenUp:
    """No further attempt. `condition` is the limit of the retry policy that was reached; none, if trying is no use."""

    condition: str = ""


def next_step(failed: Failed, retries: int, age_s: float, policy: Mapping[str, Any]) -> float | GivenUp:
    """PURE: after how many seconds the next attempt comes, or none."""
    if not failed.passing:
        return GivenUp()
    if retries >= policy.get("MaximumRetryAttempts", MOST_RETRIES):
        return GivenUp("MaximumRetryAttempts")
    wait_s = float(min(LONGEST_WAIT_S, 2**retries))
    if age_s + wait_s > policy.get("MaximumEventAgeInSeconds", OLDEST_S):
        return GivenUp("MaximumEventAgeInSeconds")
    return wait_s


class Invoke(Protocol):
    async def __call__(self, reference: Reference, payload: bytes, *, kind: str) -> object: ...


class Delivery:
    """See the module's docstring."""

    def __init__(self, clock: Clock, registry: Registry, invoke: Invoke, call: Calling) -> None:
        self._clock = clock
        self._registry = registry
        self._invoke = invoke
        self._call = call

    async def deliver(self, firing: Firing, target: Target) -> None:
        """Returns when the target has it, or nobody ever will."""
        policy: Mapping[str, Any] = target.get("RetryPolicy") or {}
        begun, retries = self._clock.now(), 0
        while True:
            try:
                await self._brought(firing, target, attempt=retries + 1)
                return
            except Failed as failed:
                step = next_step(failed, retries, self._clock.now() - begun, policy)
                if isinstance(step, GivenUp):
                    await self._bury(firing, target, failed, step, retries)
                    return
            await self._clock.wait_until(self._clock.now() + step)
            retries += 1

    async def _brought(self, firing: Firing, target: Target, *, attempt: int) -> None:
        """Raises Failed."""
        source = firing.entry.service
        try:
            body = payload_of(firing, target, attempt)
            wanted = request_of(target, body, source=source, event_id=firing.event_id)
        except (BadPath, Unsupported) as error:
            raise Failed("INVALID_TARGET", str(error)) from None
        try:
            if isinstance(wanted, Run):
                await self._run(wanted, firing)
            else:
                await self._called(wanted, firing)
        except CallFailed as error:
            raise Failed(error.code, error.message, passing=error.code in PASSING) from None
        except ServiceError as error:
            passing = error.status == TOO_MANY or error.status >= SERVER_FAULT
            raise Failed(error.code, error.message, passing=passing) from None

    async def _run(self, run: Run, firing: Firing) -> None:
        if run.function.startswith("arn:"):
            reference = function_of(run.function, self._registry)
            if reference is None:
                raise Failed("NO_RESOURCE", f"{run.function} is no function of this account and region")
        else:
            reference = parse_reference(run.function)
        if run.by_policy:
            self._check_permission(run.function, reference, firing)
        await self._invoke(reference, run.payload, kind=run.kind)

    def _check_permission(self, arn: str, reference: Reference, firing: Firing) -> None:
        function = self._registry.functions.get(reference.name)
        if function is None:
            raise Failed("NO_RESOURCE", f"Function not found: {arn}")
        statements = function.policies.get(reference.qualifier or LATEST, ())
        if not permits(statements, principal=PRINCIPAL, source_arn=firing.entry.arn, source_account=firing.account_id):
            raise Failed(
                "NO_PERMISSIONS",
                f"no resource-based policy of {arn} allows lambda:InvokeFunction to {PRINCIPAL} for {firing.entry.arn};"
                " AddPermission writes one",
            )

    async def _called(self, wanted: Call, firing: Firing) -> None:
        region = wanted.region or firing.entry.region
        try:
            answer = await self._call(wanted.service, wanted.operation, region=region, **wanted.params)
        except (AttributeError, TypeError, ValueError) as error:  # botocore knows no such service or operation
            raise Failed("INVALID_TARGET", f"{wanted.service}:{wanted.operation}: {error}") from None
        for entry in answer.get("Entries", ()) if answer.get("FailedEntryCount") else ():
            if "ErrorCode" in entry:
                raise Failed(entry["ErrorCode"], entry.get("ErrorMessage", ""))

    async def _bury(self, firing: Firing, target: Target, failed: Failed, end: GivenUp, retries: int) -> None:
        arn: str = target["Arn"]
        undelivered(arn, f"{failed.code}: {failed.message} ({firing.entry.arn} at {timestamp(firing.at)})")
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if not queue:
            return
        attributes = dead_letter_attributes(firing, arn, failed, end, retries)
        try:
            await self._call(
                "sqs",
                "send_message",
                region=queue.split(":")[3],
                QueueUrl=queue_url(queue),
                MessageBody=_letter(firing, target),
                MessageAttributes={k: {"DataType": "String", "StringValue": v} for k, v in attributes.items() if v},
            )
        except (CallFailed, IndexError, ValueError) as error:
            undelivered(queue, f"{error}; the dead letter of {firing.entry.arn} is lost")


def dead_letter_attributes(firing: Firing, arn: str, failed: Failed, end: GivenUp, retries: int) -> dict[str, str]:
    """PURE: by name; those that are empty are left out."""
    both = {
        "ERROR_CODE": failed.code,
        "ERROR_MESSAGE": failed.message[:1024],
        "EXHAUSTED_RETRY_CONDITION": end.condition,
        "RETRY_ATTEMPTS": str(retries),
        "TARGET_ARN": arn,
    }
    if firing.entry.service == "events":
        return {**both, "RULE_ARN": firing.entry.arn}
    return {
        **both,
        "EXECUTION_ID": firing.execution_id,
        "IS_PAYLOAD_TRUNCATED": "false",
        "SCHEDULED_TIME": timestamp(firing.at),
        "SCHEDULE_ARN": firing.entry.arn,
    }


def _letter(firing: Firing, target: Target) -> str:
    """A rule's is the event, a schedule's is what the target should have got."""
    if firing.entry.service == "events":
        return json.dumps(scheduled_event(firing))
    return payload_of(firing, target, 1)

"""A firing on its way to a target: permission, retries on the clock, and the dead-letter queue."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from labkit.emulator.clients import CallFailed
from labkit.emulator.clock import Clock
from labkit.emulator.registry import Registry
from labkit.emulator.timed.delivery import Delivery, Failed, GivenUp, next_step
from labkit.emulator.timed.entries import rule_entry, schedule_entry
from labkit.emulator.timed.payloads import Firing

NOON = 1_800_000_000.0
AT = datetime.fromtimestamp(NOON, UTC)
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
LETTERS = "arn:aws:sqs:us-east-1:123456789012:letters"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
RULE = {"Arn": "arn:aws:events:us-east-1:123456789012:rule/r", "Name": "r", "ScheduleExpression": "rate(5 minutes)"}
SCHEDULE = {
    "Arn": "arn:aws:scheduler:us-east-1:123456789012:schedule/default/s",
    "ScheduleExpression": "rate(5 minutes)",
    "Target": {"Arn": QUEUE},
}
BY_RULE = Firing(rule_entry(RULE, [], "us-east-1", AT), AT, "id-1", "ex-1", "123456789012")
BY_SCHEDULE = Firing(schedule_entry(SCHEDULE, "us-east-1", AT), AT, "id-1", "ex-1", "123456789012")
THROTTLED, FAULT = Failed("ThrottlingException", "slow down", passing=True), Failed("NO_RESOURCE", "gone")


@pytest.mark.parametrize(
    ("failed", "retries", "age_s", "policy", "step"),
    [
        (FAULT, 0, 0, {}, GivenUp()),
        (THROTTLED, 0, 0, {}, 1.0),
        (THROTTLED, 3, 0, {}, 8.0),
        (THROTTLED, 20, 0, {}, 900.0),
        (THROTTLED, 185, 0, {}, GivenUp("MaximumRetryAttempts")),
        (THROTTLED, 0, 0, {"MaximumRetryAttempts": 0}, GivenUp("MaximumRetryAttempts")),
        (THROTTLED, 6, 59, {"MaximumEventAgeInSeconds": 60}, GivenUp("MaximumEventAgeInSeconds")),
        (THROTTLED, 6, 86_400, {}, GivenUp("MaximumEventAgeInSeconds")),
    ],
)
def test_the_retry_policy_says_when_the_next_attempt_comes(failed, retries, age_s, policy, step):
    assert next_step(failed, retries, age_s, policy) == step


class Account:
    """Stands for the services: refuses so many calls, then takes what it gets, with the clock's time."""

    def __init__(self, refusals: int = 0, code: str = "ThrottlingException", dead: bool = False) -> None:
        self.taken: list[tuple[float, dict]] = []
        self.clock: Clock | None = None
        self._refusals, self._code, self._dead = refusals, code, dead

    async def call(self, service, operation, *, region="", **params):
        queue = params["QueueUrl"].rsplit("/", 1)[1]
        if self._dead or (queue == "q" and self._refusals > 0):
            self._refusals -= 1
            raise CallFailed(self._code, "no")
        self.taken.append((self.clock.now() - NOON, params))
        return {}

    async def invoke(self, reference, payload, *, kind):
        raise AssertionError("nothing here runs")


def delivered(account, firing, target, seconds=3600):
    async def scene():
        clock = account.clock = Clock(time_of_day=lambda: NOON)
        registry = Registry(account_id="123456789012", region="us-east-1")
        delivery = Delivery(clock, registry, account.invoke, account.call)
        task = asyncio.ensure_future(delivery.deliver(firing, target))
        clock.follow(task)
        await clock.advance(seconds)
        assert task.done()
        await task

    asyncio.run(asyncio.wait_for(scene(), 10))
    return account.taken


def attributes(params):
    return {name: value["StringValue"] for name, value in params["MessageAttributes"].items()}


def test_what_is_refused_for_a_while_is_brought_again():
    taken = delivered(Account(refusals=3), BY_SCHEDULE, {"Arn": QUEUE, "Input": "try <aws.scheduler.attempt-number>"})
    assert [(at, params["MessageBody"]) for at, params in taken] == [(1 + 2 + 4, "try 4")]


def test_when_the_retries_are_used_up_the_input_goes_to_the_dead_letter_queue(capfd):
    target = {
        "Arn": QUEUE,
        "Input": '{"a": 1}',
        "RetryPolicy": {"MaximumRetryAttempts": 2},
        "DeadLetterConfig": {"Arn": LETTERS},
    }
    [(at, params)] = delivered(Account(refusals=9), BY_SCHEDULE, target)
    assert at == 3
    assert params["MessageBody"] == '{"a": 1}'
    assert attributes(params) == {
        "ERROR_CODE": "ThrottlingException",
        "ERROR_MESSAGE": "no",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "RETRY_ATTEMPTS": "2",
        "TARGET_ARN": QUEUE,
        "EXECUTION_ID": "ex-1",
        "IS_PAYLOAD_TRUNCATED": "false",
        "SCHEDULED_TIME": "2027-01-15T08:00:00Z",
        "SCHEDULE_ARN": SCHEDULE["Arn"],
    }
    assert f"labkit: not delivered to {QUEUE}: ThrottlingException: no" in capfd.readouterr().err


def test_the_letter_of_a_rule_is_the_event():
    target = {"Arn": FUNCTION, "Input": "1", "DeadLetterConfig": {"Arn": LETTERS}}
    [(at, params)] = delivered(Account(), BY_RULE, target)
    assert at == 0
    assert json.loads(params["MessageBody"])["id"] == "id-1"
    assert attributes(params) == {
        "ERROR_CODE": "NO_RESOURCE",
        "ERROR_MESSAGE": f"Function not found: {FUNCTION}",
        "RETRY_ATTEMPTS": "0",
        "TARGET_ARN": FUNCTION,
        "RULE_ARN": RULE["Arn"],
    }


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ({"Arn": FUNCTION.replace("us-east-1", "eu-west-1")}, "NO_RESOURCE"),
        ({"Arn": QUEUE, "InputPath": "$..x"}, "INVALID_TARGET"),
        ({"Arn": "arn:aws:ecs:us-east-1:123456789012:cluster/c"}, "INVALID_TARGET"),
    ],
)
def test_what_nobody_can_take_is_a_line_in_the_log(target, says, capfd):
    assert delivered(Account(), BY_RULE, target) == []
    assert f"labkit: not delivered to {target['Arn']}: {says}" in capfd.readouterr().err


def test_a_dead_letter_that_is_lost_is_said(capfd):
    target = {"Arn": QUEUE, "DeadLetterConfig": {"Arn": LETTERS}}
    delivered(Account(dead=True, code="QueueDoesNotExist"), BY_RULE, target)
    assert f"not delivered to {LETTERS}" in capfd.readouterr().err

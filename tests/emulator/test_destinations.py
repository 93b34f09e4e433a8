"""The record of an event's end, the dead letter, and the way to a function."""

from __future__ import annotations

import asyncio
import json

import pytest

from labkit.emulator.destinations import DeadLetter, Ending, dead_letter, delivery, lose_dead_letter, record
from labkit.emulator.registry import Reference, Registry
from labkit.emulator.retries import EndCondition
from labkit.errors import RequestTooLarge

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
ERROR = b'{"errorMessage": "no luck", "errorType": "Exception", "requestId": "r", "stackTrace": []}'


def ended(condition, **more):
    facts = {"request_id": "r", "function_arn": ARN, "event": b'{"x": 1}', "at": 1573755365.568, "runs": 3}
    return Ending(condition, **{**facts, **more})


def test_the_record_of_a_failure_has_exactly_awss_shape():
    failed = ended(EndCondition.RETRIES_EXHAUSTED, status=200, version="$LATEST", payload=ERROR)
    document = json.loads(record(failed))
    assert document == {
        "version": "1.0",
        "timestamp": "2019-11-14T18:16:05.568Z",
        "requestContext": {
            "requestId": "r",
            "functionArn": f"{ARN}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"x": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": json.loads(ERROR),
    }
    assert list(document) == [
        "version", "timestamp", "requestContext", "requestPayload", "responseContext", "responsePayload",
    ]  # fmt: skip


def test_the_record_of_a_success_names_no_error():
    document = json.loads(record(ended(EndCondition.SUCCESS, runs=1, status=200, version="3", payload=b"null")))
    assert document["responseContext"] == {"statusCode": 200, "executedVersion": "3"}
    assert document["requestContext"]["condition"] == "Success"
    assert document["responsePayload"] is None


def test_the_record_names_the_alias_that_was_asked_for():
    document = json.loads(record(ended(EndCondition.SUCCESS, function_arn=f"{ARN}:live")))
    assert document["requestContext"]["functionArn"] == f"{ARN}:live"


def test_an_event_that_never_ran_has_no_response():
    document = json.loads(record(ended(EndCondition.ZERO_RESERVED_CONCURRENCY, runs=0)))
    assert document["requestContext"]["approximateInvokeCount"] == 0
    assert set(document) == {"version", "timestamp", "requestContext", "requestPayload"}


def test_an_event_that_was_throttled_to_its_end_says_so():
    document = json.loads(record(ended(EndCondition.EVENT_AGE_EXCEEDED, runs=0, status=429)))
    assert document["responseContext"] == {"statusCode": 429}
    assert "responsePayload" not in document


@pytest.mark.parametrize("payload", [b"no json", b"\xff", b"[" * 100_000])
def test_a_response_that_cannot_be_read_is_kept_as_text(payload):
    document = json.loads(record(ended(EndCondition.SUCCESS, status=200, payload=payload)))
    assert document["responsePayload"] == payload.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("ending", "code", "message"),
    [
        (ended(EndCondition.RETRIES_EXHAUSTED, status=200, payload=ERROR), "200", "no luck"),
        (
            ended(
                EndCondition.RETRIES_EXHAUSTED, status=200, payload=json.dumps({"errorMessage": "é" * 2000}).encode()
            ),
            "200",
            "é" * 1024,
        ),
        (ended(EndCondition.EVENT_AGE_EXCEEDED, status=429, message="Rate Exceeded."), "429", "Rate Exceeded."),
        (
            ended(EndCondition.ZERO_RESERVED_CONCURRENCY),
            "429",
            "Function not invoked. Function isconfigured with zero reserved concurrent executions",
        ),
    ],
)
def test_a_dead_letter_is_the_event_itself_with_the_error_beside_it(ending, code, message):
    assert dead_letter(ending, QUEUE) == DeadLetter(QUEUE, b'{"x": 1}', code, message, "r")


class FakeInvoke:
    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[tuple[Reference, bytes]] = []
        self._error = error

    async def __call__(self, function: Reference, body: bytes) -> None:
        self.seen.append((function, body))
        if self._error:
            raise self._error


def delivered(arn: str, invoke: FakeInvoke) -> None:
    registry = Registry(account_id="123456789012", region="us-east-1")
    asyncio.run(delivery(registry, invoke)(arn, b"{}"))


@pytest.mark.parametrize(("arn", "function"), [(ARN, Reference("f")), (f"{ARN}:live", Reference("f", "live"))])
def test_a_function_of_this_account_is_invoked(arn, function, capsys):
    invoke = FakeInvoke()
    delivered(arn, invoke)
    assert invoke.seen == [(function, b"{}")]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arn",
    [QUEUE, "arn:aws:sns:us-east-1:123456789012:t", "arn:aws:events:us-east-1:123456789012:event-bus/b",
     ARN.replace("123456789012", "210987654321"), ARN.replace("us-east-1", "eu-west-1"), "f"],
)  # fmt: skip
def test_what_cannot_be_reached_is_named_in_the_log(arn, capsys):
    invoke = FakeInvoke()
    delivered(arn, invoke)
    assert invoke.seen == []
    assert f"not delivered to {arn}: only functions of this account" in capsys.readouterr().err


def test_a_function_that_refuses_the_record_is_named_in_the_log(capsys):
    delivered(ARN, FakeInvoke(RequestTooLarge("Request must be smaller")))
    assert f"not delivered to {ARN}: Request must be smaller" in capsys.readouterr().err


def test_a_lost_dead_letter_is_named_in_the_log(capsys):
    asyncio.run(lose_dead_letter(DeadLetter(QUEUE, b"{}", "200", "no luck", "r")))
    said = capsys.readouterr().err
    assert f"not delivered to {QUEUE}" in said
    assert "no luck" in said

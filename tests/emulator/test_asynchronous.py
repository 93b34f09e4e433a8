"""Asynchronous invocation through boto3 on a running emulator, on the lab's clock."""

from __future__ import annotations

import json

import boto3
import pytest

pytestmark = pytest.mark.process

FAILING = """
def handler(event, context):
    with open(event["note"], "a") as file: file.write(context.aws_request_id + "\\n")
    raise ValueError("again")
"""
KEEPING = """
import json
def handler(event, context):
    with open(event["requestPayload"]["note"] + ".record", "w") as file: json.dump(event, file)
"""


@pytest.fixture
def aws(own_lab):
    """A lab whose clock only this test moves."""
    return boto3.client("lambda", **own_lab.connection)


def test_the_number_of_attempts_can_be_set(own_lab, aws, tmp_path, wait_until):
    note = tmp_path / "note"
    own_lab.deploy("f", FAILING)
    aws.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1)
    own_lab.invoke("f", {"note": str(note)}, kind="Event")
    wait_until(note.exists)
    own_lab.advance("10m")
    ids = note.read_text().split()
    assert (len(ids), len(set(ids))) == (2, 1)


def test_a_failed_event_ends_at_the_destination_with_awss_record(own_lab, aws, tmp_path, wait_until):
    note, record_file = tmp_path / "note", tmp_path / "note.record"
    own_lab.deploy("f", FAILING)
    keeper = own_lab.deploy("keeper", KEEPING)
    aws.put_function_event_invoke_config(
        FunctionName="f", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": keeper.arn}}
    )
    request_id = own_lab.invoke("f", {"note": str(note)}, kind="Event").request_id
    wait_until(lambda: record_file.exists() and record_file.read_text().endswith("}"))
    record = json.loads(record_file.read_text())
    assert record["requestContext"]["requestId"] == request_id
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorType"] == "ValueError"


def test_reserved_zero_sends_an_event_straight_to_the_destination(own_lab, aws, tmp_path, wait_until):
    note, record_file = tmp_path / "note", tmp_path / "note.record"
    own_lab.deploy("f", FAILING)
    keeper = own_lab.deploy("keeper", KEEPING)
    aws.put_function_event_invoke_config(FunctionName="f", DestinationConfig={"OnFailure": {"Destination": keeper.arn}})
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    own_lab.invoke("f", {"note": str(note)}, kind="Event")
    wait_until(lambda: record_file.exists() and record_file.read_text().endswith("}"))
    context = json.loads(record_file.read_text())["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("ZeroReservedConcurrency", 0)
    assert not note.exists()


def test_a_dead_letter_queue_is_kept_with_the_function(own_lab, aws):
    own_lab.deploy("f", FAILING)
    arn = "arn:aws:sqs:us-east-1:123456789012:q"
    updated = aws.update_function_configuration(FunctionName="f", DeadLetterConfig={"TargetArn": arn})
    assert updated["DeadLetterConfig"] == {"TargetArn": arn}

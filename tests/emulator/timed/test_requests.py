"""Which operation a target's ARN stands for."""

from __future__ import annotations

import pytest

from labkit.emulator.timed.requests import Call, Run, Unsupported, request_of

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:q"
TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:m"
STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
BUS = "arn:aws:events:us-east-1:123456789012:event-bus/b"
SDK = "arn:aws:scheduler:::aws-sdk:"


def made(arn, body="{}", source="scheduler", **more):
    return request_of({"Arn": arn, **more}, body, source=source, event_id="id-1")


def test_a_rule_runs_a_function_by_the_functions_policy_a_schedule_by_its_own_role():
    assert made(FUNCTION, source="events") == Run(FUNCTION, b"{}", "Event", by_policy=True)
    assert made(FUNCTION) == Run(FUNCTION, b"{}", "Event", by_policy=False)


URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/q"


@pytest.mark.parametrize(
    ("arn", "more", "service", "operation", "params"),
    [
        (QUEUE, {}, "sqs", "send_message", {"QueueUrl": URL, "MessageBody": "x"}),
        (
            QUEUE,
            {"SqsParameters": {"MessageGroupId": "g"}},
            "sqs",
            "send_message",
            {"QueueUrl": URL, "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "id-1"},
        ),
        (TOPIC, {}, "sns", "publish", {"TopicArn": TOPIC, "Message": "x"}),
        (
            MACHINE,
            {},
            "stepfunctions",
            "start_execution",
            {"stateMachineArn": MACHINE, "name": "id-1", "input": "x"},
        ),
        (
            STREAM,
            {"KinesisParameters": {"PartitionKey": "k"}},
            "kinesis",
            "put_record",
            {"StreamARN": STREAM, "Data": b"x", "PartitionKey": "k"},
        ),
        (
            BUS,
            {"EventBridgeParameters": {"DetailType": "d", "Source": "s"}},
            "events",
            "put_events",
            {"Entries": [{"EventBusName": BUS, "Detail": "x", "DetailType": "d", "Source": "s"}]},
        ),
    ],
)
def test_other_services_get_their_own_operation(arn, more, service, operation, params):
    assert made(arn, "x", **more) == Call(service, arn.split(":")[3], operation, params)


@pytest.mark.parametrize(
    ("action", "body", "wanted"),
    [
        ("sqs:sendMessage", '{"QueueUrl": "u", "MessageBody": "m"}', ("sqs", "send_message")),
        ("sfn:startExecution", "{}", ("stepfunctions", "start_execution")),
        ("eventbridge:putEvents", "{}", ("events", "put_events")),
        ("rds:createDBSnapshot", "{}", ("rds", "create_db_snapshot")),
        ("lambda:deleteFunction", '{"FunctionName": "f"}', ("lambda", "delete_function")),
    ],
)
def test_a_universal_target_names_any_operation(action, body, wanted):
    request = made(SDK + action, body)
    assert (request.service, request.operation) == wanted


@pytest.mark.parametrize(
    ("body", "run"),
    [
        ('{"FunctionName": "f"}', Run("f", b"", "RequestResponse", by_policy=False)),
        (
            '{"FunctionName": "f", "Qualifier": "v", "InvocationType": "Event", "Payload": "{\\"a\\": 1}"}',
            Run("f:v", b'{"a": 1}', "Event", by_policy=False),
        ),
        ('{"FunctionName": "f", "Payload": {"a": 1}}', Run("f", b'{"a": 1}', "RequestResponse", by_policy=False)),
    ],
)
def test_a_universal_invoke_runs_a_function(body, run):
    assert made(f"{SDK}lambda:invoke", body) == run


@pytest.mark.parametrize(
    ("arn", "body"),
    [
        ("arn:aws:ecs:us-east-1:123456789012:cluster/c", "{}"),
        ("no arn", "{}"),
        (BUS, "{}"),
        (f"{SDK}s3:listBuckets", "{}"),
        (f"{SDK}sqs:sendMessage", "no json"),
        (f"{SDK}sqs:sendMessage", "[]"),
    ],
)
def test_what_cannot_be_reached_is_said(arn, body):
    with pytest.raises(Unsupported):
        made(arn, body)

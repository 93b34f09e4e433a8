"""CloudWatch Logs: what a subscription filter sends to a function, and whom it may be set on."""

from __future__ import annotations

import base64
import gzip
import json
import time

import boto3
import pytest
from botocore.exceptions import ClientError

from labkit.mockaws.seam import Reply

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
NOW_MS = int(time.time() * 1000)


@pytest.fixture
def logs(moto_here):
    client = boto3.client("logs")
    client.create_log_group(logGroupName="/app")
    client.create_log_stream(logGroupName="/app", logStreamName="s")
    return client


def subscribe(logs, pattern=""):
    logs.put_subscription_filter(logGroupName="/app", filterName="mine", filterPattern=pattern, destinationArn=ARN)


def write(logs, *messages):
    events = [{"timestamp": NOW_MS + i, "message": message} for i, message in enumerate(messages)]
    logs.put_log_events(logGroupName="/app", logStreamName="s", logEvents=events)


def unpacked(delivery):
    return json.loads(gzip.decompress(base64.b64decode(json.loads(delivery.payload)["awslogs"]["data"])))


def test_a_function_gets_the_batch_packed_as_aws_packs_it(logs, moto_here):
    subscribe(logs)
    write(logs, "one", "zwei ü")
    (delivery,) = moto_here.deliveries
    assert delivery.principal == "logs.amazonaws.com"
    assert delivery.source_arn == "arn:aws:logs:us-east-1:123456789012:log-group:/app:*"
    document = unpacked(delivery)
    events = document.pop("logEvents")
    assert document == {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/app",
        "logStream": "s",
        "subscriptionFilters": ["mine"],
    }
    assert [(event["timestamp"], event["message"]) for event in events] == [
        (NOW_MS, "one"),
        (NOW_MS + 1, "zwei ü"),
    ]
    assert {len(event["id"]) for event in events} == {56}


def test_only_what_matches_the_filter_is_sent(logs, moto_here):
    subscribe(logs, "ERROR")
    write(logs, "fine")
    write(logs, "ERROR one", "fine", "ERROR two")
    assert [[event["message"] for event in unpacked(d)["logEvents"]] for d in moto_here.deliveries] == [
        ["ERROR one", "ERROR two"]
    ]


@pytest.mark.parametrize("reply", [Reply("no statement"), Reply("Function not found", missing=True)])
def test_a_function_that_cannot_be_called_is_refused(logs, moto_here, reply):
    moto_here.refusals[ARN] = reply
    with pytest.raises(ClientError, match="Could not execute the lambda function"):
        subscribe(logs)
    assert logs.describe_subscription_filters(logGroupName="/app")["subscriptionFilters"] == []

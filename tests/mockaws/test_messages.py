"""SQS: the X-Ray header of a request stays with the message that it sent."""

from __future__ import annotations

import boto3
import pytest

from labkit.mockaws import seam

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=11111111:3"


@pytest.fixture
def received(moto_here):
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]

    def header(trace_id, **attributes):
        with seam.answering(seam.Cause(trace_id)):
            sqs.send_message(QueueUrl=url, MessageBody="m", **attributes)
        (message,) = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
        return message["Attributes"].get("AWSTraceHeader")

    return header


def test_it_is_a_system_attribute_of_the_message(received):
    assert received(HEADER) == HEADER


def test_a_sender_says_its_own(received):
    own = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-0-0"}}
    assert received(HEADER, MessageSystemAttributes=own) == "Root=1-0-0"


def test_without_one_there_is_none(received):
    assert received("") is None

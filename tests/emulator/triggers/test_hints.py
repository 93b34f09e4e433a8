"""Which requests wake which pollers."""

from __future__ import annotations

import pytest

from labkit.emulator.triggers.hints import sources_fed


@pytest.mark.parametrize(
    ("service", "method", "target", "expected"),
    [
        ("sqs", "POST", b"AmazonSQS.SendMessage", {"sqs"}),
        ("sqs", "POST", b"AmazonSQS.ReceiveMessage", set()),
        ("sqs", "POST", b"AmazonSQS.DeleteMessageBatch", set()),
        ("sqs", "POST", b"AmazonSQS.ChangeMessageVisibilityBatch", set()),
        ("sqs", "POST", b"", {"sqs"}),
        ("kinesis", "POST", b"Kinesis_20131202.PutRecords", {"kinesis"}),
        ("kinesis", "POST", b"Kinesis_20131202.GetRecords", set()),
        ("dynamodb", "POST", b"DynamoDB_20120810.TransactWriteItems", {"dynamodb"}),
        ("dynamodb", "POST", b"DynamoDB_20120810.GetItem", set()),
        ("dynamodb", "POST", b"DynamoDBStreams_20120810.GetRecords", set()),
        ("sns", "POST", b"", {"sqs", "kinesis"}),
        ("s3", "PUT", b"", {"sqs", "kinesis"}),
        ("s3", "GET", b"", set()),
        ("iam", "POST", b"", set()),
    ],
)
def test_what_may_have_brought_something_new_is_a_hint(service, method, target, expected):
    assert sources_fed(service, method, target) == expected

"""SNS: what a function gets for a message, and that one subscriber's failure is nobody else's."""

from __future__ import annotations

import json

import boto3
import pytest

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


@pytest.fixture
def sns(moto_here):
    return boto3.client("sns")


@pytest.fixture
def topic(sns):
    return sns.create_topic(Name="t")["TopicArn"]


def test_a_message_is_a_record_with_every_part_that_aws_gives_it(sns, topic, moto_here):
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=f"{ARN}:live")["SubscriptionArn"]
    attributes = {
        "n": {"DataType": "Number", "StringValue": "3"},
        "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = sns.publish(TopicArn=topic, Message="grüße", Subject="hello", MessageAttributes=attributes)
    (delivery,) = moto_here.deliveries
    assert (delivery.function_arn, delivery.principal, delivery.source_arn) == (
        f"{ARN}:live",
        "sns.amazonaws.com",
        topic,
    )
    (record,) = json.loads(delivery.payload)["Records"]
    message = record.pop("Sns")
    assert record == {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription}
    assert message.pop("Timestamp").endswith("Z")
    assert message.pop("UnsubscribeUrl").endswith(f"SubscriptionArn={subscription}")
    for name in ("Signature", "SigningCertUrl"):
        assert message.pop(name)
    assert message == {
        "Type": "Notification",
        "MessageId": sent["MessageId"],
        "TopicArn": topic,
        "Subject": "hello",
        "Message": "grüße",
        "SignatureVersion": "1",
        "MessageAttributes": {"n": {"Type": "Number", "Value": "3"}, "b": {"Type": "Binary", "Value": "AP8="}},
    }


def test_without_a_subject_it_is_null(sns, topic, moto_here):
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN)
    sns.publish(TopicArn=topic, Message="m")
    assert json.loads(moto_here.deliveries[0].payload)["Records"][0]["Sns"]["Subject"] is None


def test_a_filter_policy_decides(sns, topic, moto_here):
    policy = {"FilterPolicy": '{"kind": ["cat"]}'}
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN, Attributes=policy)
    for kind in ("cat", "dog"):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        sns.publish(TopicArn=topic, Message=kind, MessageAttributes=attributes)
    assert [json.loads(d.payload)["Records"][0]["Sns"]["Message"] for d in moto_here.deliveries] == ["cat"]


def test_of_a_structured_message_a_function_gets_its_part(sns, topic, moto_here):
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN)
    text = json.dumps({"default": "for all", "lambda": "for functions"})
    sns.publish(TopicArn=topic, Message=text, MessageStructure="json")
    assert json.loads(moto_here.deliveries[0].payload)["Records"][0]["Sns"]["Message"] == "for functions"


def test_a_queue_that_is_not_there_is_a_line_and_the_next_subscriber_gets_the_message(sns, topic, moto_here, capsys):
    gone = "arn:aws:sqs:us-east-1:123456789012:none"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=gone)
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN)
    assert sns.publish(TopicArn=topic, Message="m")["MessageId"]
    assert len(moto_here.deliveries) == 1
    assert f"a message of {topic} was not delivered to {gone}" in capsys.readouterr().err

"""S3's notifications: which are sent, what stands in them, which configurations are taken."""

from __future__ import annotations

import io
import json

import boto3
import pytest
from botocore.exceptions import ClientError

from labkit.mockaws.seam import Reply

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
ALL = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]


@pytest.fixture
def s3(moto_here):
    client = boto3.client("s3")
    client.create_bucket(Bucket="photos")
    return client


def listen(s3, events=ALL, **rules):
    wanted = {"Id": "mine", "LambdaFunctionArn": ARN, "Events": list(events)}
    if rules:
        named = [{"Name": name, "Value": value} for name, value in rules.items()]
        wanted["Filter"] = {"Key": {"FilterRules": named}}
    s3.put_bucket_notification_configuration(
        Bucket="photos", NotificationConfiguration={"LambdaFunctionConfigurations": [wanted]}
    )


def records(kept):
    return [record for delivery in kept.deliveries for record in json.loads(delivery.payload)["Records"]]


def names(kept):
    return [record["eventName"] for record in records(kept)]


def test_an_event_has_every_part_that_aws_gives_it(s3, moto_here):
    listen(s3)
    s3.put_object(Bucket="photos", Key="in/a b+ü.jpg", Body=b"meow")
    (delivery,) = moto_here.deliveries
    assert (delivery.function_arn, delivery.principal, delivery.source_arn, delivery.source_account) == (
        ARN,
        "s3.amazonaws.com",
        "arn:aws:s3:::photos",
        "123456789012",
    )
    (record,) = records(moto_here)
    ids = record.pop("responseElements")
    assert list(ids) == ["x-amz-request-id", "x-amz-id-2"]
    assert record.pop("eventTime").endswith("Z")
    assert len(record["s3"]["object"].pop("sequencer")) == 18
    assert record == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:123456789012"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "mine",
            "bucket": {
                "name": "photos",
                "ownerIdentity": {"principalId": "123456789012"},
                "arn": "arn:aws:s3:::photos",
            },
            "object": {"key": "in/a+b%2B%C3%BC.jpg", "size": 4, "eTag": "4a4be40c96ac6314e91d93f38043a634"},
        },
    }


def test_sequencers_of_one_key_grow(s3, moto_here):
    listen(s3)
    for _ in range(20):
        s3.put_object(Bucket="photos", Key="k")
    found = [record["s3"]["object"]["sequencer"] for record in records(moto_here)]
    assert sorted(found) == found
    assert len(set(found)) == 20


@pytest.mark.parametrize("names", [("prefix", "suffix"), ("Prefix", "Suffix")])
def test_only_keys_with_the_prefix_and_the_suffix_are_told(s3, moto_here, names):
    listen(s3, **dict(zip(names, ("in/", ".jpg"), strict=True)))
    for key in ("in/a.jpg", "in/a.png", "out/a.jpg"):
        s3.put_object(Bucket="photos", Key=key)
    assert [record["s3"]["object"]["key"] for record in records(moto_here)] == ["in/a.jpg"]


def test_a_multipart_upload_is_one_event(s3, moto_here):
    listen(s3)
    s3.upload_fileobj(io.BytesIO(b"z" * 9_000_000), "photos", "large")
    assert names(moto_here) == ["ObjectCreated:CompleteMultipartUpload"]


def test_a_copy_and_a_deletion_are_told(s3, moto_here):
    s3.put_object(Bucket="photos", Key="a")
    listen(s3)
    s3.copy_object(Bucket="photos", Key="b", CopySource="photos/a")
    s3.delete_object(Bucket="photos", Key="b")
    assert names(moto_here) == ["ObjectCreated:Copy", "ObjectRemoved:Delete"]
    assert set(records(moto_here)[1]["s3"]["object"]) == {"key", "sequencer"}


def test_deleting_in_a_versioned_bucket_makes_a_marker(s3, moto_here):
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    listen(s3)
    version = s3.put_object(Bucket="photos", Key="a")["VersionId"]
    s3.delete_object(Bucket="photos", Key="a")
    assert names(moto_here) == ["ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated"]
    assert records(moto_here)[0]["s3"]["object"]["versionId"] == version


def test_tags_that_come_with_an_object_are_no_event_of_their_own(s3, moto_here):
    listen(s3)
    s3.put_object(Bucket="photos", Key="a", Tagging="x=1")
    assert names(moto_here) == ["ObjectCreated:Put"]
    s3.put_object_tagging(Bucket="photos", Key="a", Tagging={"TagSet": [{"Key": "x", "Value": "2"}]})
    assert names(moto_here) == ["ObjectCreated:Put", "ObjectTagging:Put"]
    assert records(moto_here)[1]["eventVersion"] == "2.3"


def only(prefix):
    return {"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}}


def test_queues_topics_and_the_bus_are_told_too(s3, moto_here):
    sqs, sns, events = (boto3.client(name) for name in ("sqs", "sns", "events"))
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("direct", "by-topic", "by-bus")}
    topic = sns.create_topic(Name="t")["TopicArn"]
    arn = "arn:aws:sqs:us-east-1:123456789012:"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"{arn}by-topic", Attributes={"RawMessageDelivery": "true"})
    events.put_rule(Name="r", EventPattern='{"source": ["aws.s3"], "detail-type": ["Object Created"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": f"{arn}by-bus"}])
    s3.put_bucket_notification_configuration(
        Bucket="photos",
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": f"{arn}direct", "Events": ["s3:ObjectCreated:*"], **only("a")}],
            "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"], **only("b")}],
            "EventBridgeConfiguration": {},
        },
    )
    for name in ("direct", "by-topic"):  # s3:TestEvent
        sqs.receive_message(QueueUrl=urls[name])
        sqs.purge_queue(QueueUrl=urls[name])
    for key in ("a b", "b"):
        s3.put_object(Bucket="photos", Key=key, Body=b"meow")
    told = {name: json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]) for name, url in urls.items()}
    assert told["direct"]["Records"][0]["s3"]["object"]["key"] == "a+b"
    assert told["by-topic"]["Records"][0]["eventName"] == "ObjectCreated:Put"
    detail = told["by-bus"]["detail"]
    assert (detail["object"]["key"], detail["object"]["size"], detail["reason"]) == ("a b", 4, "PutObject")
    assert told["by-bus"]["resources"] == ["arn:aws:s3:::photos"]


def test_a_destination_that_has_gone_is_a_line_and_the_put_succeeds(s3, moto_here, capsys):
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    queue = {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:q", "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="photos", NotificationConfiguration={"QueueConfigurations": [queue]}
    )
    sqs.delete_queue(QueueUrl=url)
    s3.put_object(Bucket="photos", Key="a")
    assert "a notification of S3 was not delivered to arn:aws:sqs:us-east-1:123456789012:q" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        (Reply("Function not found", missing=True), "The destination Lambda function does not exist"),
        (Reply("no statement"), f"Not authorized to invoke function [{ARN}]"),
    ],
)
def test_a_function_that_s3_could_not_call_is_refused_and_the_old_configuration_stays(s3, moto_here, reply, value):
    listen(s3, ["s3:ObjectCreated:Put"])
    moto_here.refusals[ARN] = reply
    with pytest.raises(ClientError) as caught:
        listen(s3, ["s3:ObjectRemoved:*"])
    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"]) == (
        "InvalidArgument",
        "Unable to validate the following destination configurations",
    )
    assert (error["ArgumentName"], error["ArgumentValue"]) == (ARN, value)
    kept = s3.get_bucket_notification_configuration(Bucket="photos")["LambdaFunctionConfigurations"]
    assert kept[0]["Events"] == ["s3:ObjectCreated:Put"]


@pytest.mark.parametrize(
    ("kind", "arn", "value"),
    [
        ("Queue", "arn:aws:sqs:us-east-1:123456789012:none", "The destination queue does not exist"),
        ("Topic", "arn:aws:sns:us-east-1:123456789012:none", "The destination topic does not exist"),
    ],
)
def test_a_queue_or_topic_that_is_not_there_is_refused(s3, kind, arn, value):
    wanted = {f"{kind}Configurations": [{f"{kind}Arn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration=wanted)
    assert caught.value.response["Error"]["ArgumentValue"] == value


def test_two_notifications_for_one_event_are_refused(s3):
    wanted = [
        {"LambdaFunctionArn": ARN, "Events": ["s3:ObjectCreated:*"]},
        {"LambdaFunctionArn": f"{ARN}2", "Events": ["s3:ObjectCreated:Put"]},
    ]
    with pytest.raises(ClientError, match=r"InvalidArgument.*Configuration is ambiguously defined"):
        s3.put_bucket_notification_configuration(
            Bucket="photos", NotificationConfiguration={"LambdaFunctionConfigurations": wanted}
        )

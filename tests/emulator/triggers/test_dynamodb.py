"""Streams of tables that feed a function, through unmodified boto3 on a running lab."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.process


@pytest.fixture
def table(fed_lab):
    client = fed_lab.boto3("dynamodb")
    client.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    return client


def stream_of(table):
    return table.describe_table(TableName="t")["Table"]["LatestStreamArn"]


def changes(feed):
    return [record for event in feed.events for record in event["Records"]]


def test_changes_of_a_table_arrive_in_order_and_in_awss_shape(feed, table):
    arn = stream_of(table)
    feed.deploy()
    feed.map(arn, StartingPosition="TRIM_HORIZON")
    table.put_item(TableName="t", Item={"k": {"S": "1"}, "b": {"B": b"\x00"}, "l": {"L": [{"BS": [b"\x01"]}]}})
    table.put_item(TableName="t", Item={"k": {"S": "1"}, "n": {"N": "2"}})
    table.delete_item(TableName="t", Key={"k": {"S": "1"}})
    feed.wait_until(lambda: len(changes(feed)) == 3)
    insert, modify, remove = changes(feed)
    assert [change["eventName"] for change in (insert, modify, remove)] == ["INSERT", "MODIFY", "REMOVE"]
    assert {name: insert[name] for name in ("eventSource", "eventVersion", "awsRegion", "eventSourceARN")} == {
        "eventSource": "aws:dynamodb", "eventVersion": "1.1", "awsRegion": "us-east-1", "eventSourceARN": arn,
    }  # fmt: skip
    assert insert["dynamodb"]["NewImage"] == {"k": {"S": "1"}, "b": {"B": "AA=="}, "l": {"L": [{"BS": ["AQ=="]}]}}
    assert insert["dynamodb"]["Keys"] == {"k": {"S": "1"}}
    assert isinstance(insert["dynamodb"]["ApproximateCreationDateTime"], int)
    assert modify["dynamodb"]["NewImage"] == {"k": {"S": "1"}, "n": {"N": "2"}}
    assert remove["dynamodb"]["OldImage"] == modify["dynamodb"]["NewImage"]


def test_what_a_filter_drops_is_passed_over(feed, table):
    feed.deploy()
    pattern = '{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": [{"anything-but": "1"}]}}}}'
    feed.map(stream_of(table), StartingPosition="TRIM_HORIZON", FilterCriteria={"Filters": [{"Pattern": pattern}]})
    for number in "123":
        table.put_item(TableName="t", Item={"k": {"S": number}, "n": {"N": number}})
    feed.wait_until(lambda: len(changes(feed)) == 2)
    assert [change["dynamodb"]["Keys"]["k"]["S"] for change in changes(feed)] == ["2", "3"]


def test_a_batch_that_is_given_up_leaves_a_record_in_a_bucket_with_its_payload(feed, table):
    feed.deploy("1 / 0")
    s3 = feed.lab.boto3("s3")
    s3.create_bucket(Bucket="lost")
    mapping_id = feed.map(
        stream_of(table), StartingPosition="TRIM_HORIZON", MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::lost"}},
    )  # fmt: skip
    table.put_item(TableName="t", Item={"k": {"S": "1"}})
    feed.wait_until(lambda: s3.list_objects_v2(Bucket="lost")["KeyCount"])
    (found,) = s3.list_objects_v2(Bucket="lost")["Contents"]
    assert found["Key"].startswith(f"aws/lambda/{mapping_id}/shardId-")
    record = json.loads(s3.get_object(Bucket="lost", Key=found["Key"])["Body"].read())
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1
    assert json.loads(record["payload"]) == feed.events[0]

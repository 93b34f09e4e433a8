"""Streams of Kinesis that feed a function, through unmodified boto3 on a running lab."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

pytestmark = pytest.mark.process

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"
GONE = "ResourceNotFoundException"
POISON = """
import base64
for r in event["Records"]:
    if base64.b64decode(r["kinesis"]["data"]) == b"bad": raise ValueError("poison")
"""
REPORTING = """
import base64
bad = [r for r in event["Records"] if base64.b64decode(r["kinesis"]["data"]) == b"bad"]
return {"batchItemFailures": [{"itemIdentifier": r["kinesis"]["sequenceNumber"]} for r in bad]}
"""


@pytest.fixture
def kinesis(fed_lab):
    client = fed_lab.boto3("kinesis")
    client.create_stream(StreamName="s", ShardCount=1)
    return client


def put(kinesis, *texts, key="k"):
    records = [{"Data": text.encode(), "PartitionKey": key} for text in texts]
    kinesis.put_records(StreamName="s", Records=records)


def data(event):
    return [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]


def calls(feed):
    return [data(event) for event in feed.events]


def seen(feed):
    return [text for call in calls(feed) for text in call]


def buried(feed, url):
    return [json.loads(m["Body"]) for m in feed.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]


def test_a_record_arrives_in_awss_shape(feed, kinesis):
    feed.deploy()
    put(kinesis, "hello")
    feed.map(STREAM, StartingPosition="TRIM_HORIZON")
    feed.wait_until(lambda: feed.events)
    (record,) = feed.events[0]["Records"]
    assert abs(record["kinesis"].pop("approximateArrivalTimestamp") - datetime.now(UTC).timestamp()) < 60
    number = record["kinesis"]["sequenceNumber"]
    assert record == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": "k", "sequenceNumber": number, "data": "aGVsbG8=",
        },
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": f"shardId-000000000000:{number}",
        "eventName": "aws:kinesis:record", "invokeIdentityArn": "arn:aws:iam::123456789012:role/labkit",
        "awsRegion": "us-east-1", "eventSourceARN": STREAM,
    }  # fmt: skip


def test_latest_begins_with_what_comes_and_a_time_with_what_came_since(feed, kinesis):
    feed.deploy()
    put(kinesis, "old")
    feed.map(STREAM, StartingPosition="LATEST")
    put(kinesis, "new")
    feed.wait_until(lambda: feed.events)
    assert calls(feed) == [["new"]]
    feed.lab.deploy("g", "def handler(event, context): pass")
    since = datetime.fromtimestamp(feed.events[0]["Records"][0]["kinesis"]["approximateArrivalTimestamp"], UTC)
    feed.aws.create_event_source_mapping(
        EventSourceArn=STREAM, FunctionName="g", StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=since
    )
    feed.wait_until(lambda: feed.lab.traces("g"))


def test_a_poison_record_is_cut_out_of_its_batch_and_told_of(feed, kinesis):
    feed.deploy(POISON)
    url = feed.queue("dead")
    put(kinesis, "a", "b", "bad", "c")
    mapping_id = feed.map(
        STREAM, StartingPosition="TRIM_HORIZON", MaximumRetryAttempts=1, BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": DEAD}},
    )  # fmt: skip
    feed.wait_until(lambda: feed.events)
    feed.lab.advance("1m")
    feed.wait_until(lambda: feed.count(url) == 1 and "c" in calls(feed)[-1])
    assert calls(feed) == [["a", "b", "bad", "c"], ["a", "b"], ["bad", "c"], ["bad"], ["bad"], ["c"]]
    (record,) = buried(feed, url)
    info = record["KinesisBatchInfo"]
    assert (info["startSequenceNumber"], info["endSequenceNumber"], info["batchSize"]) == ("3", "3", 1)
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    feed.wait_until(lambda: feed.mapping(mapping_id)["LastProcessingResult"] == "OK")


def test_from_the_lowest_failed_record_on_all_comes_again(feed, kinesis):
    feed.deploy(REPORTING)
    put(kinesis, "a", "bad", "c")
    feed.map(
        STREAM, StartingPosition="TRIM_HORIZON", MaximumRetryAttempts=0,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )  # fmt: skip
    feed.wait_until(lambda: feed.events)
    feed.lab.advance(10)
    feed.wait_until(lambda: len(feed.events) == 2)
    assert calls(feed) == [["a", "bad", "c"], ["bad", "c"]]


def test_records_that_have_become_too_old_are_given_up(feed, kinesis):
    feed.deploy("1 / 0")
    url = feed.queue("dead")
    put(kinesis, "a")
    feed.map(
        STREAM, StartingPosition="TRIM_HORIZON", MaximumRecordAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": DEAD}},
    )  # fmt: skip
    feed.wait_until(lambda: feed.events)
    feed.lab.advance("3m")
    feed.wait_until(lambda: feed.count(url) == 1)
    (record,) = buried(feed, url)
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == len(feed.events) > 3


def test_lanes_run_at_once_and_keep_each_keys_order(feed, kinesis):
    feed.deploy("import time; time.sleep(0.02)")
    for number in range(10):
        for key in "pqrs":
            kinesis.put_record(StreamName="s", Data=f"{key}{number}".encode(), PartitionKey=key)
    feed.map(STREAM, StartingPosition="TRIM_HORIZON", ParallelizationFactor=4, BatchSize=2)
    feed.wait_until(lambda: len(seen(feed)) == 40)
    for key in "pqrs":
        assert [text for text in seen(feed) if text[0] == key] == [f"{key}{number}" for number in range(10)]


def test_a_window_gathers_records_until_the_clock_says_so(feed, kinesis):
    feed.deploy()
    feed.map(STREAM, StartingPosition="TRIM_HORIZON", MaximumBatchingWindowInSeconds=200)
    put(kinesis, "a")
    put(kinesis, "b")
    feed.lab.advance(1)
    assert feed.events == []
    feed.wait_until(lambda: feed.lab.advance(100) and feed.events)
    assert calls(feed) == [["a", "b"]]


def test_children_of_a_shard_that_was_split_come_after_their_parent_and_nothing_twice(feed, kinesis):
    feed.deploy()
    feed.map(STREAM, StartingPosition="LATEST", BatchSize=3)
    for number in range(30):
        kinesis.put_record(StreamName="s", Data=f"{number}".encode(), PartitionKey=str(number % 5))
        if number == 9:
            kinesis.split_shard(StreamName="s", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**126))
        if number == 19:
            shards = ["shardId-000000000001", "shardId-000000000002"]
            kinesis.merge_shards(StreamName="s", ShardToMerge=shards[0], AdjacentShardToMerge=shards[1])
    feed.wait_until(lambda: len(seen(feed)) >= 30)
    assert sorted(map(int, seen(feed))) == list(range(30))
    for key in range(5):
        of_key = [int(text) for text in seen(feed) if int(text) % 5 == key]
        assert of_key == sorted(of_key)


def test_a_filter_works_on_the_data(feed, kinesis):
    feed.deploy()
    feed.map(STREAM, StartingPosition="TRIM_HORIZON", FilterCriteria={"Filters": [{"Pattern": '{"data": {"n": [1]}}'}]})
    put(kinesis, "plain", '{"n": 2}', '{"n": 1}')
    feed.wait_until(lambda: feed.events)
    assert calls(feed) == [['{"n": 1}']]


def test_a_stream_that_was_deleted_and_made_again_is_read_from_its_beginning(feed, kinesis, wait_until):
    feed.deploy()
    feed.map(STREAM, StartingPosition="LATEST")
    put(kinesis, "a", "b", "c")
    feed.wait_until(lambda: seen(feed) == ["a", "b", "c"])
    before = feed.lab.messages()
    kinesis.delete_stream(StreamName="s")
    feed.wait_until(lambda: feed.lab.messages() != before and GONE in feed.lab.messages()[-1])  # its poller has noticed
    kinesis.create_stream(StreamName="s", ShardCount=1)
    put(kinesis, "d")
    feed.wait_until(lambda: seen(feed)[-1] == "d")

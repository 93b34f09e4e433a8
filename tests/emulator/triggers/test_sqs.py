"""Queues that feed a function, through unmodified boto3 on a running lab."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from labkit.emulator.registry import EventSourceMapping
from labkit.emulator.triggers.batch import Delivery, Means
from labkit.emulator.triggers.sqs import QueueSource, delay_s, event_record, shown_at

QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
FIFO = "arn:aws:sqs:us-east-1:123456789012:q.fifo"
DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"
REPORTS = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
BAD_FAIL = """
return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event["Records"] if "bad" in r["body"]]}
"""


def test_a_message_is_shown_again_a_moment_before_moto_would():
    for received_at in (1000.0, 1000.3, 1000.99):
        at = shown_at(received_at, 30)
        assert received_at + 28.9 <= at <= received_at + 29.9
    assert shown_at(1000.5, 1) >= 1000.5


def test_an_advance_while_messages_are_received_does_not_shorten_their_timeout():
    """Their visibility timeout begins when they are received, which is after it."""
    mapping = EventSourceMapping("id", QUEUE, "f", batch_size=10, batching_window_s=0, last_modified=0)
    ahead, waits = [0.0], []

    async def call(service, operation, **params):
        if operation == "get_queue_attributes":
            return {"Attributes": {"VisibilityTimeout": "30"}}
        ahead[0] += 1000
        return {"Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": "x", "MD5OfBody": ""}]}

    def now():
        return time.time() + ahead[0]

    async def failed():
        means = Means(
            call, now, lambda at, work: waits.append(at - now()), None, lambda: ahead[0], lambda: mapping, str
        )
        source = QueueSource(means)
        await source.open(mapping)
        batch = await source.read(mapping)
        await source.settle(mapping, batch, Delivery(frozenset(batch.ids), error=True))

    asyncio.run(failed())
    assert 28 < waits[-1] < 30


def test_a_throttled_batch_waits_longer_each_time_up_to_a_limit():
    assert [delay_s(n) for n in (0, 1, 2, 50)] == [0.25, 0.5, 1.0, 20.0]


def test_a_message_without_attributes_says_null_for_their_digest():
    message = {"MessageId": "m", "ReceiptHandle": "h", "Body": "b", "MD5OfBody": "d", "Attributes": {"SenderId": "s"}}
    assert event_record(message, QUEUE) == {
        "messageId": "m", "receiptHandle": "h", "body": "b", "attributes": {"SenderId": "s"}, "messageAttributes": {},
        "md5OfMessageAttributes": None, "md5OfBody": "d", "eventSource": "aws:sqs", "eventSourceARN": QUEUE,
        "awsRegion": "us-east-1",
    }  # fmt: skip


pytestmark = pytest.mark.process


def test_a_function_that_feeds_its_own_queue_is_stopped(feed):
    """Its 17th invocation of one chain does not happen; the message goes where the queue's redrive says."""
    dead = feed.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 1})
    url = feed.queue(RedrivePolicy=policy, VisibilityTimeout="3")
    feed.deploy(f'import boto3; boto3.client("sqs").send_message(QueueUrl={url!r}, MessageBody="again")')
    feed.map()
    feed.sqs.send_message(QueueUrl=url, MessageBody="first")
    feed.wait_until(lambda: any("f is in a recursive loop" in line for line in feed.lab.messages()))
    assert len(feed.events) == 16
    feed.wait_until(lambda: feed.lab.advance("4s") and feed.count(dead) == 1)


def test_a_message_arrives_in_awss_shape_and_is_deleted(feed):
    feed.deploy()
    url = feed.queue()
    feed.map()
    attributes = {
        "n": {"DataType": "Number", "StringValue": "7"},
        "b": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    sent = feed.sqs.send_message(QueueUrl=url, MessageBody="hello", MessageAttributes=attributes)
    feed.wait_until(lambda: feed.events)
    (record,) = feed.events[0]["Records"]
    assert record["messageId"] == sent["MessageId"]
    assert (record["body"], record["md5OfBody"]) == ("hello", sent["MD5OfMessageBody"])
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert record["messageAttributes"] == {
        "n": {"stringValue": "7", "stringListValues": [], "binaryListValues": [], "dataType": "Number"},
        "b": {"binaryValue": "AAE=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
    }
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == ("aws:sqs", QUEUE, "us-east-1")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert all(isinstance(value, str) for value in record["attributes"].values())
    feed.wait_until(lambda: feed.count(url) == 0)


def test_a_batch_has_no_more_than_its_size(feed):
    feed.deploy()
    url = feed.queue()
    for number in range(7):
        feed.sqs.send_message(QueueUrl=url, MessageBody=str(number))
    feed.map(BatchSize=3)
    feed.wait_until(lambda: feed.count(url) == 0)
    assert sorted(feed.seen) == list("0123456")
    assert max(map(len, feed.bodies)) == 3


def test_a_window_gathers_messages_until_the_clock_says_so(feed):
    feed.deploy()
    url = feed.queue()
    feed.map(BatchSize=100, MaximumBatchingWindowInSeconds=300)
    for number in range(25):
        feed.sqs.send_message(QueueUrl=url, MessageBody=str(number))
    feed.wait_until(lambda: feed.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0).get("Messages") is None)
    assert feed.events == []
    feed.lab.advance(301)
    feed.wait_until(lambda: feed.events)
    assert [len(each) for each in feed.bodies] == [25]


def test_a_full_batch_does_not_wait_for_its_window(feed):
    feed.deploy()
    url = feed.queue()
    feed.map(BatchSize=12, MaximumBatchingWindowInSeconds=300)
    for number in range(12):
        feed.sqs.send_message(QueueUrl=url, MessageBody=str(number))
    feed.wait_until(lambda: feed.events)
    assert [len(each) for each in feed.bodies] == [12]


def test_what_no_filter_matches_is_deleted_and_never_seen(feed):
    feed.deploy()
    url = feed.queue()
    feed.map(FilterCriteria={"Filters": [{"Pattern": '{"body": {"kind": ["order"]}}'}]})
    for body in ("plain", '{"kind": "bill"}', '{"kind": "order"}'):
        feed.sqs.send_message(QueueUrl=url, MessageBody=body)
    feed.wait_until(lambda: feed.events and feed.count(url) == 0)
    assert feed.bodies == [['{"kind": "order"}']]


def test_only_what_failed_comes_again_and_ends_in_the_dead_letter_queue(feed):
    feed.deploy(BAD_FAIL)
    dead = feed.queue("dead")
    url = feed.queue(RedrivePolicy={"deadLetterTargetArn": DEAD, "maxReceiveCount": 3})
    entries = [{"Id": body, "MessageBody": body} for body in ("good1", "bad1", "good2", "bad2")]
    feed.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    feed.map(**REPORTS)
    feed.wait_until(lambda: feed.count(url) == 2)
    feed.lab.advance("3m")
    feed.wait_until(lambda: feed.count(url) == 0)
    assert feed.count(dead) == 2
    seen = feed.seen
    assert {body: seen.count(body) for body in set(seen)} == {"good1": 1, "good2": 1, "bad1": 3, "bad2": 3}


def test_a_crash_brings_the_whole_batch_again(feed):
    feed.deploy("1 / 0")
    url = feed.queue()
    mapping_id = feed.map()
    feed.sqs.send_message(QueueUrl=url, MessageBody="x")
    feed.wait_until(lambda: feed.events)
    feed.lab.advance(31)
    feed.wait_until(lambda: len(feed.events) == 2)
    counts = [event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in feed.events]
    assert counts == ["1", "2"]
    assert feed.mapping(mapping_id)["LastProcessingResult"] == "PROBLEM: Function call failed"


@pytest.mark.parametrize("answer", ["['x']", "{'batchItemFailures': [{'itemIdentifier': 'strange'}]}"])
def test_a_wrong_answer_fails_the_batch(feed, answer):
    feed.deploy(f"return {answer}")
    url = feed.queue()
    feed.map(**REPORTS)
    feed.sqs.send_message(QueueUrl=url, MessageBody="x")
    feed.wait_until(lambda: feed.events)
    feed.lab.advance(31)
    feed.wait_until(lambda: len(feed.events) == 2)


def test_a_throttled_batch_is_no_failure_and_runs_when_it_may(feed):
    feed.deploy()
    url = feed.queue(VisibilityTimeout="600")
    feed.aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    mapping_id = feed.map()
    feed.sqs.send_message(QueueUrl=url, MessageBody="x")
    feed.wait_until(lambda: "throttled" in feed.mapping(mapping_id).get("LastProcessingResult", ""))
    feed.aws.delete_function_concurrency(FunctionName="f")
    feed.lab.advance("1m")
    feed.wait_until(lambda: feed.events)
    assert feed.events[0]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"
    feed.wait_until(lambda: feed.count(url) == 0)


def test_a_fifo_groups_order_holds_and_what_follows_a_failure_waits(feed):
    feed.deploy('r, = event["Records"]; r["attributes"]["ApproximateReceiveCount"] + r["body"] == "1a1" and 1 / 0')
    url = feed.queue("q.fifo")
    feed.map(FIFO, BatchSize=1)
    for body in ("a1", "a2", "a3", "b1", "b2"):
        feed.sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=body[0])
    feed.wait_until(lambda: len(feed.events) >= 3 and feed.count(url) == 3)
    assert [body for (body,) in feed.bodies if body[0] == "a"] == ["a1"]
    assert [body for (body,) in feed.bodies if body[0] == "b"] == ["b1", "b2"]
    feed.lab.advance(31)
    feed.wait_until(lambda: feed.count(url) == 0)
    assert [body for (body,) in feed.bodies if body[0] == "a"] == ["a1", "a1", "a2", "a3"]
    record = feed.events[0]["Records"][0]["attributes"]
    assert {"MessageGroupId", "MessageDeduplicationId"} <= record.keys()


def test_a_fifo_batch_that_fails_comes_again_in_its_order(feed):
    feed.deploy('if event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1": 1 / 0')
    url = feed.queue("q.fifo")
    mapping_id = feed.map(FIFO, enabled=False)
    for number in range(5):
        feed.sqs.send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId="g")
    feed.aws.update_event_source_mapping(UUID=mapping_id, Enabled=True)
    feed.wait_until(lambda: feed.events)
    feed.lab.advance(31)
    feed.wait_until(lambda: feed.count(url) == 0)
    assert feed.seen[5:] == list("01234")


def test_no_more_batches_run_at_once_than_the_mapping_allows(feed):
    feed.deploy("import time; time.sleep(0.05)")
    url = feed.queue()
    for number in range(12):
        feed.sqs.send_message(QueueUrl=url, MessageBody=str(number))
    feed.map(BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    feed.wait_until(lambda: feed.count(url) == 0)
    assert len({trace.environment_id for trace in feed.lab.traces("f")[-12:]}) <= 2


def test_of_many_messages_each_is_processed_or_in_the_dead_letter_queue(feed):
    """A tenth of the records fails each time. `tests/bench/pull.py` does it with 10,000 and says how fast."""
    count = 1000
    feed.deploy(BAD_FAIL)
    dead = feed.queue("dead")
    url = feed.queue(RedrivePolicy={"deadLetterTargetArn": DEAD, "maxReceiveCount": 3})
    bodies = [f"{number}{'bad' if number % 10 == 0 else ''}" for number in range(count)]
    for start in range(0, count, 10):
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
        feed.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    feed.map(**REPORTS)
    feed.wait_until(lambda: feed.count(url) == count // 10)
    feed.lab.advance("2m")
    feed.wait_until(lambda: feed.count(url) == 0)
    seen = feed.seen
    assert sorted(body for body in set(seen) if "bad" not in body) == sorted(b for b in bodies if "bad" not in b)
    assert {seen.count(body) for body in set(seen) if "bad" in body} == {3}
    buried = []
    while found := feed.sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages"):
        buried += [message["Body"] for message in found]
    assert sorted(buried) == sorted(body for body in bodies if "bad" in body)

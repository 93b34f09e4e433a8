"""The life of pollers: they begin and end with their mappings, rest, wake, and survive what they depend on."""

from __future__ import annotations

import time

import psutil
import pytest

pytestmark = pytest.mark.process

QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"


def mocked_account(lab):
    processes = psutil.Process(lab.status()["pid"]).children()
    return [p for p in processes if "labkit.mockaws" in " ".join(p.cmdline())]


def test_a_mapping_that_is_disabled_reads_nothing_and_goes_on_when_it_is_enabled(feed):
    feed.deploy()
    url = feed.queue()
    mapping_id = feed.map(enabled=False)
    feed.sqs.send_message(QueueUrl=url, MessageBody="x")
    assert feed.mapping(mapping_id)["State"] == "Disabled"
    assert feed.events == []
    feed.aws.update_event_source_mapping(UUID=mapping_id, Enabled=True)
    feed.wait_until(lambda: feed.events)
    feed.aws.update_event_source_mapping(UUID=mapping_id, Enabled=False)
    feed.wait_until(lambda: feed.mapping(mapping_id)["State"] == "Disabled")


def test_what_is_on_its_way_ends_before_a_mapping_is_disabled(feed):
    feed.deploy("import time; time.sleep(0.5)")
    url = feed.queue()
    mapping_id = feed.map()
    feed.sqs.send_message(QueueUrl=url, MessageBody="x")
    feed.wait_until(lambda: feed.events)
    feed.aws.update_event_source_mapping(UUID=mapping_id, Enabled=False)
    assert feed.mapping(mapping_id)["State"] == "Disabling"
    feed.wait_until(lambda: feed.mapping(mapping_id)["State"] == "Disabled")
    assert feed.count(url) == 0


def test_a_deleted_mapping_reads_no_more(feed):
    feed.deploy()
    url = feed.queue()
    feed.aws.delete_event_source_mapping(UUID=feed.map())
    feed.lab.deploy("g", "def handler(event, context): pass")
    feed.aws.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="g")
    feed.sqs.send_message(QueueUrl=url, MessageBody="x")
    feed.wait_until(lambda: feed.count(url) == 0)
    assert feed.events == []


def test_a_changed_batch_size_holds_from_the_next_batch_on(feed):
    feed.deploy()
    url = feed.queue()
    mapping_id = feed.map()
    feed.aws.update_event_source_mapping(UUID=mapping_id, BatchSize=1)
    entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(5)]
    feed.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    feed.wait_until(lambda: feed.count(url) == 0)
    assert [len(call) for call in feed.bodies] == [1] * 5


def test_without_its_function_a_mapping_leaves_messages_alone(feed):
    feed.deploy()
    url = feed.queue()
    mapping_id = feed.map()
    feed.lab.delete("f")
    feed.sqs.send_message(QueueUrl=url, MessageBody="x")
    feed.wait_until(lambda: feed.mapping(mapping_id).get("LastProcessingResult") == "PROBLEM: Function not found")
    assert feed.count(url) == 1
    feed.deploy()
    feed.wait_until(lambda: feed.events)
    assert feed.events[0]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"


def test_a_queue_that_was_deleted_and_made_again_feeds_on(feed):
    feed.deploy()
    url = feed.queue()
    feed.map()
    feed.sqs.delete_queue(QueueUrl=url)
    url = feed.queue()
    feed.sqs.send_message(QueueUrl=url, MessageBody="x")
    feed.wait_until(lambda: feed.events and feed.count(url) == 0)


def test_a_message_that_another_service_sends_on_is_found(feed):
    feed.deploy()
    feed.queue()
    feed.map()
    sns = feed.lab.boto3("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)
    sns.publish(TopicArn=topic, Message="news")
    feed.wait_until(lambda: feed.events)


def test_a_mocked_account_that_dies_is_started_again_and_its_mappings_go_on(own_lab, wait_until):
    own_lab.deploy("f", "def handler(event, context): pass")
    sqs = own_lab.boto3("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    own_lab.boto3("lambda").create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="f")
    for number in range(20):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    (process,) = mocked_account(own_lab)
    process.kill()
    psutil.wait_procs([process], timeout=15)
    before = len(own_lab.traces("f"))
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    wait_until(lambda: len(own_lab.traces("f")) > before)


def test_a_lab_that_stops_while_messages_flow_ends_at_once(own_lab, wait_until):
    own_lab.deploy("f", "import time\ndef handler(event, context): time.sleep(30)", timeout_s=30)
    sqs = own_lab.boto3("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    own_lab.boto3("lambda").create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="f")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    wait_until(lambda: own_lab.status()["functions"])
    processes = psutil.Process(own_lab.status()["pid"]).children(recursive=True)
    started = time.monotonic()
    own_lab.stop()
    assert psutil.wait_procs(processes, timeout=15)[1] == []
    assert time.monotonic() - started < 20  # the handler would have slept on


def test_an_idle_mapping_costs_few_looks(feed, wait_until):
    feed.deploy()
    feed.queue()
    feed.map()
    (process,) = mocked_account(feed.lab)

    def used():
        times = process.cpu_times()
        return times.user + times.system

    time_before, used_before = time.monotonic(), used()
    wait_until(lambda: time.monotonic() - time_before > 3)
    assert used() - used_before < 0.5 * (time.monotonic() - time_before)


def test_a_lab_without_mappings_starts_no_mocked_account(own_lab):
    own_lab.deploy("f", "def handler(event, context): return 1")
    own_lab.invoke("f")
    own_lab.boto3("lambda").list_event_source_mappings()
    assert mocked_account(own_lab) == []

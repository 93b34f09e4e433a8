"""moto's queues with what labkit puts into them: the same answers, for many messages and many threads.

A contract with the installed moto: if it renames or changes what is replaced, these fail.
"""

from __future__ import annotations

import inspect
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend, sqs_backends

from labkit.mockaws import queues

ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.fixture
def backend():
    queues.improve()
    yield sqs_backends[ACCOUNT][REGION]
    sqs_backends[ACCOUNT][REGION].reset()


@pytest.fixture
def queue(backend):
    return backend.create_queue("q")


def send(backend, *bodies, name="q", **more):
    return [backend.send_message(name, body, **more) for body in bodies]


def received(backend, count=10, *, wait_s=0, hidden_s=30, name="q"):
    return backend.receive_message(name, count, wait_s, hidden_s, ["All"])


def test_what_is_replaced_is_still_there():
    for owner, names in (
        (Message, ("visible", "delayed", "mark_received", "had_receipt_handle", "all_receipt_handles")),
        (Queue, ("attributes", "messages", "delete_message", "pending_messages", "wait_for_messages")),
        (SQSBackend, (*queues.GUARDED, "receive_message")),
    ):
        assert all(hasattr(owner, name) for name in names)
    assert list(inspect.signature(queues._receive).parameters)[:4] == [
        "self", "queue_name", "count", "wait_seconds_timeout",
    ]  # fmt: skip


def test_a_message_is_hidden_while_it_is_received_and_shown_when_it_is_put_back(backend, queue):
    send(backend, "a")
    (message,) = received(backend)
    assert (message.body, received(backend)) == ("a", [])
    backend.change_message_visibility("q", message.receipt_handle, 0)
    assert [again.approximate_receive_count for again in received(backend)] == [2]


def test_a_delayed_message_is_not_there_yet(backend, queue):
    send(backend, "a", delay_seconds=60)
    assert received(backend) == []
    assert queue.attributes["ApproximateNumberOfMessagesDelayed"] == 1


def test_a_message_is_deleted_once_by_any_of_its_handles_and_a_strange_handle_is_refused(backend, queue):
    send(backend, "a", "b")
    first = received(backend, 1, hidden_s=0)[0].receipt_handle
    received(backend, hidden_s=0)
    backend.delete_message("q", first)
    backend.delete_message("q", first)
    assert [message.body for message in received(backend)] == ["b"]
    with pytest.raises(ReceiptHandleIsInvalid):
        backend.delete_message("q", "strange")


def test_a_handle_of_another_queue_deletes_nothing(backend, queue):
    backend.create_queue("other")
    send(backend, "a")
    (message,) = received(backend)
    with pytest.raises(ReceiptHandleIsInvalid):
        backend.delete_message("other", message.receipt_handle)


def test_the_attributes_are_motos(backend, queue):
    send(backend, "a", "b")
    received(backend, 1)
    found = dict(queue.attributes)
    assert found == dict(queues._all_attributes(queue))
    assert (found["ApproximateNumberOfMessages"], found["ApproximateNumberOfMessagesNotVisible"]) == (1, 1)
    assert queue.attributes.get("MessageRetentionPeriod") == 345600
    assert "ContentBasedDeduplication" not in queue.attributes
    fifo = backend.create_queue("q.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    assert dict(fifo.attributes) == dict(queues._all_attributes(fifo))


def test_the_same_queue_may_be_made_twice(backend):
    assert backend.create_queue("q") is backend.create_queue("q")


def test_a_message_that_was_received_too_often_goes_to_the_dead_letter_queue(backend):
    dead = backend.create_queue("dead")
    policy = f'{{"deadLetterTargetArn": "{dead.queue_arn}", "maxReceiveCount": 1}}'
    backend.create_queue("q", RedrivePolicy=policy)
    send(backend, "a")
    received(backend, hidden_s=0)
    assert received(backend) == []
    assert [message.body for message in received(backend, name="dead")] == ["a"]


def test_who_waits_for_a_message_gets_it_when_it_comes_and_holds_nobody_up(backend, queue):
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(received, backend, wait_s=20)
        send(backend, "a")
        assert [message.body for message in waiting.result(timeout=10)] == ["a"]


def test_who_waits_in_vain_comes_back(backend, queue):
    assert received(backend, wait_s=1) == []


def test_no_message_is_lost_or_handed_out_twice_between_threads(backend, queue):
    """moto's own list of messages is replaced by a delete while a send appends to the old one."""
    sent, got, ends = 2000, [], time.monotonic() + 30
    lock = threading.Lock()

    def produce(start):
        for number in range(start, start + sent // 4):
            send(backend, str(number))

    def consume():
        while len(got) < sent and time.monotonic() < ends:
            for message in received(backend, hidden_s=600):
                with lock:
                    got.append(int(message.body))
                backend.delete_message("q", message.receipt_handle)

    with ThreadPoolExecutor(8) as pool:
        for start in range(0, sent, sent // 4):
            pool.submit(produce, start)
            pool.submit(consume)
    assert sorted(got) == list(range(sent))
    assert dict(queue.attributes)["ApproximateNumberOfMessages"] == 0


def test_ten_thousand_messages_come_in_and_go_out(backend, queue):
    """Without what is replaced, this is an hour."""
    for start in range(0, 10_000, 10):
        entry = {"MessageBody": "x", "MessageAttributes": {}, "DelaySeconds": None}
        backend.send_message_batch("q", {str(n): {"Id": str(n), **entry} for n in range(start, start + 10)})
    count = 0
    while messages := received(backend):
        count += len(messages)
        entries = [{"Id": message.id, "ReceiptHandle": message.receipt_handle} for message in messages]
        assert backend.delete_message_batch("q", entries)[1] == []
    assert count == 10_000

"""moto's queues, made fit for many messages and many callers at once. Applied when SQS is first asked for.

As moto has them, a send, a receive and a delete each look at every message of the queue several times, with a time
of day in between: ten messages into a queue of 2,000 take half a second, and 10,000 messages never get through. And
its threads change one list without a lock: a message that is sent while another is deleted may be lost.

So one thread at a time works on the queues, a message knows whether it is visible without asking for the date, and
a receipt handle leads to its message. A contract test pins what is replaced here to the installed moto.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary

from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend

from labkit.mockaws.guarded import guarded

GUARDED = (
    "change_message_visibility",
    "change_message_visibility_batch",
    "delete_message",
    "delete_message_batch",
    "get_queue_attributes",
    "purge_queue",
    "send_message",
    "send_message_batch",
)
LOOK_AGAIN_S = 1.0

_lock = threading.RLock()
_by_handle: WeakValueDictionary[str, Any] = WeakValueDictionary()
_all_attributes: Callable[[Any], dict[str, Any]] = Queue.attributes.fget
_mark_received: Callable[..., None] = Message.mark_received
_receive: Callable[..., list[Any]] = SQSBackend.receive_message


@functools.cache
def improve() -> None:
    """Puts what is below into moto's classes."""
    Message.visible = property(lambda message: time.time() * 1000 > message.visible_at)
    Message.delayed = property(lambda message: time.time() * 1000 < message.delayed_until)
    Message.mark_received = mark_received
    Message.had_receipt_handle = lambda message, handle: _by_handle.get(handle) is message
    Queue.attributes = property(Attributes)
    Queue.messages = property(visible_messages)
    Queue.delete_message = delete_message
    SQSBackend.receive_message = receive_message
    for name in GUARDED:
        setattr(SQSBackend, name, guarded(getattr(SQSBackend, name), _lock))


class Attributes(Mapping[str, Any]):
    """A queue's attributes. The counts of messages are made when somebody wants them, not with each message."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def __getitem__(self, name: str) -> Any:
        if name == "ContentBasedDeduplication" and self._queue.fifo_queue:
            return str(self._queue.content_based_deduplication).lower()
        if name == "MessageRetentionPeriod":
            return self._queue.message_retention_period
        if name == "ContentBasedDeduplication":
            raise KeyError(name)
        return self._all[name]

    @functools.cached_property
    def _all(self) -> dict[str, Any]:
        return _all_attributes(self._queue)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def visible_messages(queue: Any) -> list[Any]:
    now = time.time() * 1000
    return [message for message in queue._messages if message.visible_at < now and message.delayed_until <= now]


def mark_received(message: Any, visibility_timeout: int | None = None) -> None:
    _mark_received(message, visibility_timeout)
    _by_handle[message.receipt_handle] = message


def delete_message(queue: Any, receipt_handle: str) -> None:
    """As moto's, in one pass: the second delete of a message is fine, a handle of no message here is not."""
    if receipt_handle in queue.deleted_messages:
        return
    message: Any = _by_handle.get(receipt_handle)
    try:
        queue._messages.remove(message)
    except ValueError:
        raise ReceiptHandleIsInvalid() from None
    queue.pending_messages.discard(message)
    queue.deleted_messages.update(message.all_receipt_handles)


def receive_message(
    backend: Any, queue_name: str, count: int, wait_seconds_timeout: int, *rest: Any, **more: Any
) -> list[Any]:
    """As moto's, but who waits for a message holds nobody up."""
    ends = time.monotonic() + wait_seconds_timeout
    while True:
        with _lock:
            found = _receive(backend, queue_name, count, 0, *rest, **more)
        left = ends - time.monotonic()
        if found or left <= 0:
            return found
        backend.get_queue(queue_name).wait_for_messages(min(left, LOOK_AGAIN_S))

"""Queues: receive, hand over, delete what is done, and let the rest appear again when its visibility timeout ends.

Messages are received without waiting: a long poll would hold one of the few threads of the emulator's calls, and one
of moto's, for every mapping; the poller is woken when something is sent. More than ten messages in a batch are several
receives within the batching window. The queue counts receives and moves messages to its dead-letter queue itself.

Visibility timeouts run on the emulator's clock as well: moto's own cannot be advanced, so what a batch did not get
done is made visible again when the clock says so, a moment before moto would do it. What another consumer has received
appears again by moto's time only, and so do delayed messages.

A throttled batch is tried again until the timeout of its messages, and is no failure (developer guide, "Backoff
strategy for failed invocations"). Of a FIFO queue's groups moto hands out nothing while one of their messages is on
its way or waits for its timeout: so order holds, and what follows a failed message is not processed.
"""

from __future__ import annotations

import base64
import functools
import math
import time
from dataclasses import dataclass
from typing import Any

from labkit.emulator.registry import EventSourceMapping
from labkit.emulator.triggers.batch import Batch, Delivery, Item, Means, encoded, fitting, in_tens
from labkit.emulator.triggers.filters import passes
from labkit.emulator.triggers.scaling import Concurrency

AT_ONCE = 10  # messages of one ReceiveMessage
BEFORE_MOTO_S = 0.1
FIRST_DELAY_S, LONGEST_DELAY_S = 0.25, 20.0
FRESH_S = 5.0


@dataclass(frozen=True, slots=True)
class Message(Item):
    receipt: str
    received_at: float  # by the clock
    really_at: float  # by moto's
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Messages(Batch):
    items: tuple[Message, ...]
    refusals: int = 0

    @property
    def trace_id(self) -> str:
        """The first message's: of several chains one is followed."""
        return next((message.trace_id for message in self.items if message.trace_id), "")


@dataclass(slots=True)
class _Again:
    """A batch that was throttled."""

    due_at: float
    batch: Messages


class QueueSource:
    """See the module's docstring."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._url = ""
        self._region = ""
        self._visibility_s = 0.0
        self._asked_at = float("-inf")
        self._open: list[Message] = []
        self._window_ends: float | None = None
        self._again: list[_Again] = []
        self._hidden: dict[float, list[Message]] = {}  # by when they are shown
        self._concurrency = Concurrency()

    async def open(self, mapping: EventSourceMapping) -> None:
        _, _, _, self._region, account_id, name = mapping.source_arn.split(":")
        self._url = f"https://sqs.{self._region}.amazonaws.com/{account_id}/{name}"
        await self._ask()

    async def _ask(self) -> None:
        if time.monotonic() - self._asked_at < FRESH_S:
            return
        answer = await self._call("get_queue_attributes", AttributeNames=["VisibilityTimeout"])
        self._visibility_s = float(answer["Attributes"]["VisibilityTimeout"])
        self._asked_at = time.monotonic()

    async def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        return await self._means.call("sqs", operation, region=self._region, QueueUrl=self._url, **params)

    def room(self, mapping: EventSourceMapping, in_flight: int, now: float) -> bool:
        if in_flight < self._concurrency.allowed(mapping.maximum_concurrency):
            return True
        self._concurrency = self._concurrency.busy(now)
        return in_flight < self._concurrency.allowed(mapping.maximum_concurrency)

    async def read(self, mapping: EventSourceMapping) -> Messages | None:
        due = next((each for each in self._again if each.due_at <= self._means.now()), None)
        if due:
            self._again.remove(due)
            return due.batch
        while len(self._open) < mapping.batch_size:
            found = await self._receive(mapping, min(AT_ONCE, mapping.batch_size - len(self._open)))
            if self._open and self._window_ends is None:
                self._start_window(mapping)
            if not found or (self._open and not mapping.batching_window_s):
                break
        return self._closed_batch(mapping)

    def _start_window(self, mapping: EventSourceMapping) -> None:
        self._window_ends = self._means.now() + mapping.batching_window_s
        if mapping.batching_window_s:
            self._means.later(self._window_ends, _nothing)

    def _closed_batch(self, mapping: EventSourceMapping) -> Messages | None:
        """What was gathered, if it is a batch: full, or its window is over."""
        count = fitting(self._open, mapping.batch_size)
        full = count == mapping.batch_size or count < len(self._open)
        ended = self._window_ends is not None and self._means.now() >= self._window_ends
        if not count or not (full or ended):
            self._concurrency = self._concurrency if count else self._concurrency.idle()
            return None
        batch = Messages(tuple(self._open[:count]))
        del self._open[:count]
        self._window_ends = None
        if self._open:
            self._start_window(mapping)
        return batch

    async def _receive(self, mapping: EventSourceMapping, most: int) -> bool:
        """Adds what passes the filters to what is open, and deletes the rest. Whether there was anything."""
        really_at = time.time()
        answer = await self._call(
            "receive_message",
            MaxNumberOfMessages=most,
            WaitTimeSeconds=0,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        # an advance during the call counts as before it: its messages' timeouts have not begun to run
        at = self._means.now() - (time.time() - really_at)
        dropped: list[Message] = []
        for given in answer.get("Messages", ()):
            record = event_record(given, mapping.source_arn)
            trace_id = given.get("Attributes", {}).get("AWSTraceHeader", "")
            message = Message(given["MessageId"], encoded(record), given["ReceiptHandle"], at, really_at, trace_id)
            (self._open if passes(mapping.filters, record) else dropped).append(message)
        await self._delete(dropped)
        return bool(answer.get("Messages"))

    async def settle(self, mapping: EventSourceMapping, batch: Batch, delivery: Delivery) -> None:
        assert isinstance(batch, Messages)
        if delivery.refused:
            self._concurrency = self._concurrency.throttled()
            await self._ask()
            if self._try_again(batch):
                return
        elif delivery.error:
            self._concurrency = self._concurrency.failed()
        else:
            self._concurrency = self._concurrency.succeeded()
        failed = frozenset(batch.ids) if delivery.refused else delivery.failed
        await self._delete([message for message in batch.items if message.item_id not in failed])
        if failed:
            await self._ask()
            self._show_later([message for message in batch.items if message.item_id in failed])

    def _try_again(self, batch: Messages) -> bool:
        """Whether the messages are this batch's for long enough."""
        due_at = self._means.now() + delay_s(batch.refusals)
        if due_at >= min(message.received_at for message in batch.items) + self._visibility_s:
            return False
        self._again.append(_Again(due_at, Messages(batch.items, batch.refusals + 1)))
        self._means.later(due_at, _nothing)
        return True

    def _show_later(self, messages: list[Message]) -> None:
        """Makes them visible when their time has come, in the order in which they were received."""
        for message in messages:
            at = shown_at(message.received_at, self._visibility_s)
            if at not in self._hidden:
                self._hidden[at] = []
                self._means.later(at, functools.partial(self._show_due, at))
            self._hidden[at].append(message)

    async def _show_due(self, at: float) -> None:
        await self._show(sorted(self._hidden.pop(at), key=lambda message: message.received_at))

    async def _show(self, messages: list[Message]) -> None:
        """Not those that moto shows again already: another consumer may have them."""
        now = time.time()
        for ten in in_tens(message for message in messages if now - message.really_at < self._visibility_s):
            entries = [
                {"Id": str(n), "ReceiptHandle": message.receipt, "VisibilityTimeout": 0}
                for n, message in enumerate(ten)
            ]
            await self._call("change_message_visibility_batch", Entries=entries)

    async def _delete(self, messages: list[Message]) -> None:
        for ten in in_tens(messages):
            entries = [{"Id": str(n), "ReceiptHandle": message.receipt} for n, message in enumerate(ten)]
            await self._call("delete_message_batch", Entries=entries)

    async def close(self) -> None:
        waiting = [*self._open, *(message for again in self._again for message in again.batch.items)]
        self._open, self._again, self._window_ends = [], [], None
        await self._show(waiting)


async def _nothing() -> None:
    """The source reads again, that is all."""


def shown_at(received_at: float, visibility_s: float) -> float:
    """A moment before moto would show a message again: one for many messages, which are shown together."""
    grid_s = min(1.0, visibility_s / 30)
    return max(received_at, math.floor((received_at + visibility_s - BEFORE_MOTO_S) / grid_s) * grid_s)


def delay_s(refusals: int) -> float:
    """Until a throttled batch is tried again."""
    return min(FIRST_DELAY_S * 2.0 ** min(refusals, 10), LONGEST_DELAY_S)


def event_record(message: dict[str, Any], queue_arn: str) -> dict[str, Any]:
    """A received message as a handler gets it (developer guide, "Using Lambda with Amazon SQS"; recorded events)."""
    attributes = message.get("MessageAttributes") or {}
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {name: str(value) for name, value in (message.get("Attributes") or {}).items()},
        "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
        "md5OfMessageAttributes": message.get("MD5OfMessageAttributes"),
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }


def _attribute(given: dict[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": given["DataType"]}
    if "StringValue" in given:
        attribute["stringValue"] = given["StringValue"]
    if "BinaryValue" in given:
        attribute["binaryValue"] = base64.b64encode(given["BinaryValue"]).decode()
    return attribute

"""PURE: what comes after an invocation with records of a stream, and the record of those that are given up.

Developer guide, "Configuring error handling controls for Kinesis event sources" and "Configuring partial batch
response": order is kept, so a batch that fails is tried again before anything behind it. Of failed items the lowest
sequence number is the checkpoint: what stands before it is done, and the rest is a new batch. A batch that is split
in two does not use up an attempt. A throttle is no attempt; it is tried again until the records are too old.

How long Lambda waits between attempts is not written down; here it is half a second, doubled up to a minute.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from labkit.emulator.registry import StreamSettings
from labkit.emulator.triggers.batch import Batch, Delivery, Item

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 60.0


@dataclass(frozen=True, slots=True)
class StreamItem(Item):
    """`arrived_at` is the clock's time. Records of one `lane_key` stay in order, whatever is processed in parallel."""

    arrived_at: float
    lane_key: str


@dataclass(frozen=True, slots=True)
class Work(Batch):
    """Records of one shard, in order. `runs` counts invocations that failed with exactly these."""

    items: tuple[StreamItem, ...]
    shard_id: str
    lane: int
    runs: int = 0
    refusals: int = 0
    due_at: float = 0.0
    last: Delivery | None = None


class Why(StrEnum):
    """Why records were given up, in the words of the destination record."""

    RETRIES_EXHAUSTED = "RetryAttemptsExhausted"
    TOO_OLD = "RecordAgeExceeded"


@dataclass(frozen=True, slots=True)
class GivenUp:
    work: Work
    why: Why


def after(work: Work, delivery: Delivery, settings: StreamSettings, *, now: float) -> tuple[list[Work], GivenUp | None]:
    """What is tried again, in order, and what is given up."""
    if delivery.refused:
        return [_again(work, work.items, delivery, runs=work.runs, refusals=work.refusals + 1, now=now)], None
    if not delivery.failed:
        return [], None
    checkpoint = next(n for n, item in enumerate(work.items) if item.item_id in delivery.failed)
    rest = work.items[checkpoint:]
    if checkpoint:
        return [_again(work, rest, delivery, runs=0, refusals=0, now=now)], None
    if settings.bisects_batches and len(rest) > 1:
        middle = len(rest) // 2
        halves = (rest[:middle], rest[middle:])
        return [_again(work, half, delivery, runs=work.runs, refusals=0, now=now) for half in halves], None
    again = _again(work, rest, delivery, runs=work.runs + 1, refusals=0, now=now)
    if -1 < settings.maximum_retry_attempts <= work.runs:
        return [], GivenUp(again, Why.RETRIES_EXHAUSTED)
    return [again], None


def _again(
    work: Work, items: Sequence[StreamItem], delivery: Delivery, *, runs: int, refusals: int, now: float
) -> Work:
    due_at = now + delay_s(max(runs, refusals, 1))
    return Work(tuple(items), work.shard_id, work.lane, runs, refusals, due_at, delivery)


def delay_s(failures: int) -> float:
    return min(FIRST_DELAY_S * 2.0 ** min(failures - 1, 10), LONGEST_DELAY_S)


def without_old(work: Work, settings: StreamSettings, *, now: float) -> tuple[Work | None, GivenUp | None]:
    """What may still be tried, and the records that have become too old."""
    most = settings.maximum_record_age_s
    old = 0 if most < 0 else sum(now - item.arrived_at > most for item in work.items)
    if not old:
        return work, None
    facts = (work.shard_id, work.lane, work.runs, work.refusals, work.due_at, work.last)
    given_up = GivenUp(Work(work.items[:old], *facts), Why.TOO_OLD)
    return (Work(work.items[old:], *facts) if old < len(work.items) else None), given_up


def record(given_up: GivenUp, *, info: str, stream_arn: str, function_arn: str, at: float) -> dict[str, Any]:
    """What an on-failure destination gets; `info` is KinesisBatchInfo or DDBStreamBatchInfo (developer guide)."""
    work, last = given_up.work, given_up.work.last or Delivery()
    document: dict[str, Any] = {
        "requestContext": {
            "requestId": last.request_id,
            "functionArn": function_arn,
            "condition": given_up.why.value,
            "approximateInvokeCount": work.runs,
        },
        "responseContext": {"statusCode": last.status, "executedVersion": last.version}
        | ({"functionError": "Unhandled"} if last.error else {}),
        "version": "1.0",
        "timestamp": spelt(at),
        info: {
            "shardId": work.shard_id,
            "startSequenceNumber": work.items[0].item_id,
            "endSequenceNumber": work.items[-1].item_id,
            "approximateArrivalOfFirstRecord": spelt(work.items[0].arrived_at),
            "approximateArrivalOfLastRecord": spelt(work.items[-1].arrived_at),
            "batchSize": len(work.items),
            "streamArn": stream_arn,
        },
    }
    if work.last is None:
        del document["responseContext"]
    return document


def with_payload(document: dict[str, Any], work: Work) -> bytes:
    """What a bucket gets: also the records themselves, as the text of the invocation's payload."""
    return json.dumps({**document, "payload": work.payload.decode()}).encode()


def spelt(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

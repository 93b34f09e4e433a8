"""PURE: which kinds of sources may have something new after a request that passed the front door.

A hint makes a poller look at once instead of at its next turn. What only reads, and what pollers do themselves, is
none; what another service may have sent on to a queue or a stream (a topic, a bucket, a bus) is one.
"""

from __future__ import annotations

NONE: frozenset[str] = frozenset()
QUEUES, STREAMS, TABLES = frozenset({"sqs"}), frozenset({"kinesis"}), frozenset({"dynamodb"})
BY_OPERATION = {
    "ChangeMessageVisibility": QUEUES,
    "CreateQueue": QUEUES,
    "SendMessage": QUEUES,
    "SendMessageBatch": QUEUES,
    "StartMessageMoveTask": QUEUES,
    "CreateStream": STREAMS,
    "MergeShards": STREAMS,
    "PutRecord": STREAMS,
    "PutRecords": STREAMS,
    "SplitShard": STREAMS,
    "UpdateShardCount": STREAMS,
    "BatchExecuteStatement": TABLES,
    "BatchWriteItem": TABLES,
    "CreateTable": TABLES,
    "DeleteItem": TABLES,
    "ExecuteStatement": TABLES,
    "ExecuteTransaction": TABLES,
    "PutItem": TABLES,
    "TransactWriteItems": TABLES,
    "UpdateItem": TABLES,
    "UpdateTable": TABLES,
}
OF_A_SOURCE = frozenset({"sqs", "kinesis", "dynamodb"})
SENDING_ON = frozenset({"events", "logs", "s3", "scheduler", "sns", "states"})


def sources_fed(service: str, method: str, target: bytes) -> frozenset[str]:
    """`target` is the header X-Amz-Target; without one, an operation of a queue may be any."""
    if service in OF_A_SOURCE:
        if not target:
            return frozenset({service})
        return BY_OPERATION.get(target.rpartition(b".")[2].decode("latin-1"), NONE)
    return QUEUES | STREAMS if service in SENDING_ON and method not in ("GET", "HEAD") else NONE

"""Streams of DynamoDB's tables, as `streams` reads them; a record as a handler gets it (developer guide, "Using Lambda
with DynamoDB"). moto's streams have one shard, and what it gives as the region and version of a record is its own."""

from __future__ import annotations

import json
from typing import Any

from labkit.emulator.clients import CallFailed
from labkit.emulator.triggers.batch import Means, encoded
from labkit.emulator.triggers.filters import passes
from labkit.emulator.triggers.retrying import StreamItem
from labkit.emulator.triggers.streams import Shard, Start, StreamSource, plain

MOST_RECORDS = 1000  # of one GetRecords


class TableStream:
    info = "DDBStreamBatchInfo"

    def __init__(self, means: Means) -> None:
        self._means = means

    async def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        region = self._means.mapping().source_arn.split(":")[3]
        return await self._means.call("dynamodbstreams", operation, region=region, **params)

    async def shards(self) -> list[Shard]:
        arn = self._means.mapping().source_arn
        stream = (await self._call("describe_stream", StreamArn=arn))["StreamDescription"]
        if stream.get("StreamLabel", "") != arn.rpartition("/")[2]:
            raise CallFailed("ResourceNotFoundException", f"Requested resource not found: Stream: {arn} not found")
        return [_shard(each) for each in stream["Shards"]]

    async def iterator(self, shard_id: str, start: Start) -> str:
        more = {"SequenceNumber": start.sequence_number} if start.sequence_number else {}
        arn = self._means.mapping().source_arn
        answer = await self._call(
            "get_shard_iterator", StreamArn=arn, ShardId=shard_id, ShardIteratorType=start.kind, **more
        )
        return str(answer["ShardIterator"])

    async def read(self, shard_id: str, iterator: str, most: int) -> tuple[list[tuple[StreamItem, bool]], str]:
        answer = await self._call("get_records", ShardIterator=iterator, Limit=min(most, MOST_RECORDS))
        mapping = self._means.mapping()
        found = []
        for given in answer["Records"]:
            record = event_record(given, mapping.source_arn)
            change = given["dynamodb"]
            key = json.dumps(record["dynamodb"]["Keys"], sort_keys=True)
            arrived_at = change["ApproximateCreationDateTime"].timestamp() + self._means.ahead_s()
            item = StreamItem(change["SequenceNumber"], encoded(record), arrived_at, key)
            found.append((item, passes(mapping.filters, record)))
        return found, answer.get("NextShardIterator") or iterator


def _shard(given: dict[str, Any]) -> Shard:
    parents = (given["ParentShardId"],) if given.get("ParentShardId") else ()
    return Shard(given["ShardId"], parents, "EndingSequenceNumber" in given["SequenceNumberRange"])


def event_record(given: dict[str, Any], stream_arn: str) -> dict[str, Any]:
    change = plain(given["dynamodb"])
    change["ApproximateCreationDateTime"] = int(given["dynamodb"]["ApproximateCreationDateTime"].timestamp())
    return {
        "eventID": given["eventID"],
        "eventName": given["eventName"],
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": stream_arn.split(":")[3],
        "dynamodb": change,
        "eventSourceARN": stream_arn,
    }


def table_source(means: Means) -> StreamSource:
    return StreamSource(means, TableStream(means))

"""Streams of Kinesis, as `streams` reads them; a record as a handler gets it (developer guide, "Using Lambda with
Kinesis")."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from labkit.emulator.registry import EventSourceMapping
from labkit.emulator.triggers.batch import Means, encoded
from labkit.emulator.triggers.filters import passes
from labkit.emulator.triggers.retrying import StreamItem
from labkit.emulator.triggers.streams import Shard, Start, StreamSource

MOST_RECORDS = 10_000  # of one GetRecords


class Kinesis:
    info = "KinesisBatchInfo"

    def __init__(self, means: Means) -> None:
        self._means = means

    @property
    def _mapping(self) -> EventSourceMapping:
        return self._means.mapping()

    async def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        region = self._mapping.source_arn.split(":")[3]
        return await self._means.call("kinesis", operation, region=region, **params)

    @property
    def _name(self) -> str:
        return self._mapping.source_arn.rpartition("/")[2]

    async def shards(self) -> list[Shard]:
        found: list[Shard] = []
        page: dict[str, Any] = {"StreamName": self._name}
        while page:
            answer = await self._call("list_shards", **page)
            found += [_shard(each) for each in answer["Shards"]]
            page = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else {}
        return found

    async def iterator(self, shard_id: str, start: Start) -> str:
        more: dict[str, Any] = {"StartingSequenceNumber": start.sequence_number} if start.sequence_number else {}
        if start.kind == "AT_TIMESTAMP":
            more["Timestamp"] = datetime.fromtimestamp(start.at, UTC)
        answer = await self._call(
            "get_shard_iterator", StreamName=self._name, ShardId=shard_id, ShardIteratorType=start.kind, **more
        )
        return str(answer["ShardIterator"])

    async def read(self, shard_id: str, iterator: str, most: int) -> tuple[list[tuple[StreamItem, bool]], str]:
        answer = await self._call("get_records", ShardIterator=iterator, Limit=min(most, MOST_RECORDS))
        mapping, role = self._mapping, self._means.role()
        found = []
        for given in answer["Records"]:
            record = event_record(given, mapping.source_arn, shard_id, role)
            arrived_at = given["ApproximateArrivalTimestamp"].timestamp() + self._means.ahead_s()
            item = StreamItem(given["SequenceNumber"], encoded(record), arrived_at, given["PartitionKey"])
            found.append((item, passes(mapping.filters, record)))
        return found, answer.get("NextShardIterator") or iterator


def _shard(given: dict[str, Any]) -> Shard:
    parents = tuple(given[name] for name in ("ParentShardId", "AdjacentParentShardId") if given.get(name))
    return Shard(given["ShardId"], parents, "EndingSequenceNumber" in given["SequenceNumberRange"])


def event_record(given: dict[str, Any], stream_arn: str, shard_id: str, role: str) -> dict[str, Any]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": given["PartitionKey"],
            "sequenceNumber": given["SequenceNumber"],
            "data": base64.b64encode(given["Data"]).decode(),
            "approximateArrivalTimestamp": round(given["ApproximateArrivalTimestamp"].timestamp(), 3),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{given['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role,
        "awsRegion": stream_arn.split(":")[3],
        "eventSourceARN": stream_arn,
    }


def kinesis_source(means: Means) -> StreamSource:
    return StreamSource(means, Kinesis(means))

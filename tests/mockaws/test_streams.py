"""moto's streams with what labkit puts into them. A contract with the installed moto."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodbstreams.models import dynamodbstreams_backends
from moto.kinesis.models import KinesisBackend

from labkit.mockaws import streams

ACCOUNT, REGION = "123456789012", "us-east-1"
HALF = str(2**126)


@pytest.fixture
def stream():
    streams.improve_kinesis()
    backend = KinesisBackend(REGION, ACCOUNT)
    backend.create_stream("s", 1, stream_mode=None)
    return backend.describe_stream(stream_arn=None, stream_name="s")


def counts(stream):
    return [len(shard.records) for shard in stream.shards.values()]


def put(stream, count=1):
    for number in range(count):
        stream.put_record(str(number), "", "eA==")


def test_a_shard_that_is_split_keeps_its_records_and_takes_no_more(stream):
    put(stream, 10)
    stream.split_shard("shardId-000000000000", HALF)
    assert counts(stream) == [10, 0, 0]
    put(stream, 20)
    parent, *children = counts(stream)
    assert (parent, sum(children)) == (10, 20)
    assert all(children)


def test_shards_that_are_merged_keep_their_records(stream):
    stream.split_shard("shardId-000000000000", HALF)
    put(stream, 20)
    before = counts(stream)
    stream.merge_shards("shardId-000000000001", "shardId-000000000002")
    assert counts(stream) == [*before, 0]
    put(stream, 3)
    assert counts(stream) == [*before, 3]


def test_no_record_is_lost_between_threads(stream):
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(put, stream, 500)
    assert counts(stream) == [4000]


def test_a_tables_stream_does_not_keep_every_iterator(monkeypatch):
    streams.improve_table_streams()
    monkeypatch.setattr(streams, "MOST_ITERATORS", 5)
    table = dynamodb_backends[ACCOUNT][REGION].create_table(
        "t", schema=[{"AttributeName": "k", "KeyType": "HASH"}], attr=[{"AttributeName": "k", "AttributeType": "S"}],
        throughput=None, billing_mode="PAY_PER_REQUEST", indexes=None, global_indexes=None, sse_specification=None,
        tags=[], deletion_protection_enabled=False, warm_throughput=None,
        streams={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )  # fmt: skip
    backend = dynamodbstreams_backends[ACCOUNT][REGION]
    arn = f"{table.table_arn}/stream/{table.latest_stream_label}"
    iterator = backend.get_shard_iterator(arn, table.stream_shard.id, "TRIM_HORIZON").arn
    for _ in range(20):
        iterator = backend.get_records(iterator, 10)["NextShardIterator"]
    assert len(backend.shard_iterators) <= 5

"""moto's streams, made fit for many writers, for readers without an end, and for resharding.

As moto has them, two records that are put into a shard at once may get one sequence number, and one of them is lost;
a shard that is split or merged gives its records to its children, where they have other numbers and look new, and
still takes new ones, while AWS does neither; and each look at a table's stream leaves an iterator for ever, where
AWS's live for 15 minutes. Applied when such a service is first asked for; a contract test pins what is replaced here
to the installed moto.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

from labkit.mockaws.guarded import guarded

MOST_ITERATORS = 5000

R = TypeVar("R")
_lock = threading.RLock()


@functools.cache
def improve_kinesis() -> None:
    from moto.kinesis.models import Stream  # moto is loaded where it is served only

    Stream.get_shard_for_key = _among_open(Stream.get_shard_for_key)
    Stream.put_record = guarded(Stream.put_record, _lock)
    Stream.split_shard = guarded(_keeping_records(Stream.split_shard), _lock)
    Stream.merge_shards = guarded(_keeping_records(Stream.merge_shards), _lock)


@functools.cache
def improve_tables() -> None:
    from moto.dynamodb.models.table import StreamShard  # as above

    StreamShard.add = guarded(StreamShard.add, _lock)


@functools.cache
def improve_table_streams() -> None:
    from moto.dynamodbstreams.models import DynamoDBStreamsBackend  # as above

    improve_tables()
    DynamoDBStreamsBackend.get_records = _forgetting(DynamoDBStreamsBackend.get_records)


def _among_open(shard_for_key: Callable[..., R]) -> Callable[..., R]:
    """The same, but a shard that is closed takes no more records."""

    @functools.wraps(shard_for_key)
    def among_open(stream: Any, *args: Any, **more: Any) -> R:
        shards = {shard_id: shard for shard_id, shard in stream.shards.items() if shard.is_open}
        return shard_for_key(SimpleNamespace(shards=shards), *args, **more)

    return among_open


def _keeping_records(reshard: Callable[..., R]) -> Callable[..., R]:
    """The same, but the shards that are closed keep their records."""

    @functools.wraps(reshard)
    def kept(stream: Any, *args: Any, **more: Any) -> R:
        records = {shard_id: shard.records for shard_id, shard in stream.shards.items()}
        for shard in stream.shards.values():
            shard.records = OrderedDict()
        try:
            return reshard(stream, *args, **more)
        finally:
            for shard_id, own in records.items():
                stream.shards[shard_id].records = own

    return kept


def _forgetting(get_records: Callable[..., R]) -> Callable[..., R]:
    @functools.wraps(get_records)
    def forgetting(backend: Any, *args: Any, **more: Any) -> R:
        with _lock:
            found = get_records(backend, *args, **more)
            for oldest in list(backend.shard_iterators)[:-MOST_ITERATORS]:
                del backend.shard_iterators[oldest]
        return found

    return forgetting


IMPROVEMENTS: dict[str, Callable[[], None]] = {
    "dynamodb": improve_tables,
    "dynamodbstreams": improve_table_streams,
    "kinesis": improve_kinesis,
}

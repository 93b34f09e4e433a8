"""Puts what is old on disk: records go there by the dozen, and come back when somebody reads them.

Memory stays flat, however many invocations there were. A `Reel` is one file without a name, in blocks that are used
again: it goes with the process, whatever ends that. A `Tape` on it is a row of numbered records, of which the oldest
are dropped. Both are used on the loop: a dozen records are written in some 50 us.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from typing import IO, Any, Generic, TypeVar

import msgspec

BLOCK_BYTES = 8192
BATCH = 32  # records that go to a tape together

T = TypeVar("T")


class Reel:
    """Blocks of one temporary file, which is made when the first is needed."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._free: list[int] = []
        self._blocks = 0  # that the file has

    def write(self, data: bytes) -> tuple[int, ...]:
        """The blocks that hold it. Raises OSError, and nothing was kept."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="labkit-", buffering=0)  # noqa: SIM115 it ends with the reel
        blocks = tuple(self._take() for _ in range(0, len(data), BLOCK_BYTES))
        try:
            for place, block in enumerate(blocks):
                piece = data[place * BLOCK_BYTES : (place + 1) * BLOCK_BYTES]
                if os.pwrite(self._file.fileno(), piece, block * BLOCK_BYTES) < len(piece):
                    raise OSError("the disk took a part of it only")
        except OSError:
            self.give_back(blocks)
            raise
        return blocks

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
        self._blocks += 1
        return self._blocks - 1

    def read(self, blocks: Sequence[int], length: int) -> bytes:
        assert self._file is not None
        pieces = [os.pread(self._file.fileno(), BLOCK_BYTES, block * BLOCK_BYTES) for block in blocks]
        return b"".join(pieces)[:length]

    def give_back(self, blocks: Sequence[int]) -> None:
        self._free += blocks

    @property
    def used_bytes(self) -> int:
        return (self._blocks - len(self._free)) * BLOCK_BYTES


class Segment(msgspec.Struct, frozen=True):
    """Records that were written together. `size` is their writer's word for how much they are."""

    first: int
    count: int
    size: int
    blocks: tuple[int, ...]  # none: the disk did not take it
    length: int

    @property
    def end(self) -> int:
        return self.first + self.count


class Tape(Generic[T]):
    """Records of one kind (anything msgspec can encode), numbered from 0: `first` to `end - 1` are there."""

    def __init__(self, reel: Reel, kind: type[T]) -> None:
        self._reel = reel
        self._kind: Any = kind
        self._segments: deque[Segment] = deque()
        self.end = 0
        self.size = 0

    @property
    def first(self) -> int:
        return self._segments[0].first if self._segments else self.end

    def __len__(self) -> int:
        return self.end - self.first

    def append(self, records: Sequence[T], size: int = 0) -> None:
        """What the disk does not take is lost: `since` leaves it out."""
        data = _encoder.encode(records)
        try:
            blocks = self._reel.write(data)
        except OSError as error:
            print(f"labkit: {len(records)} records of old calls are lost: {error}", file=sys.stderr)  # noqa: T201
            blocks = ()
        self._segments.append(Segment(self.end, len(records), size, blocks, len(data)))
        self.end += len(records)
        self.size += size

    def skip(self, count: int = 1) -> None:
        """So many records never come here; none may be here."""
        assert not self._segments
        self.end += count

    def since(self, number: int) -> Iterator[T]:
        """The records from this number on, oldest first."""
        for segment in tuple(self._segments):
            if segment.end > max(number, self.first):  # it may have been dropped since
                yield from self._decoded(segment, self._read(segment))[max(0, number - segment.first) :]

    def holding(self, text: str) -> Iterator[T]:
        """The records of the segments that hold this text, newest first."""
        for segment in reversed(self._segments):
            data = self._read(segment)
            if text.encode() in data:
                yield from reversed(self._decoded(segment, data))

    def _read(self, segment: Segment) -> bytes:
        return self._reel.read(segment.blocks, segment.length) if segment.blocks else b""

    def _decoded(self, segment: Segment, data: bytes) -> list[T]:
        return _decoder(self._kind).decode(data) if segment.blocks else []

    def drop(self) -> int:
        """Forgets the oldest segment; its size."""
        segment = self._segments.popleft()
        self._reel.give_back(segment.blocks)
        self.size -= segment.size
        return segment.size

    @property
    def oldest(self) -> Segment | None:
        return self._segments[0] if self._segments else None

    def clear(self) -> None:
        while self._segments:
            self.drop()


_encoder = msgspec.msgpack.Encoder()


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[list[Any]]:
    return msgspec.msgpack.Decoder(list[kind])

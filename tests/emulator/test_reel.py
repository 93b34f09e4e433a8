"""Records on disk: all of them come back, and the file does not grow beyond what is kept."""

from __future__ import annotations

import os

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.reel import BLOCK_BYTES, Reel, Tape


class Record(msgspec.Struct):
    name: str
    data: bytearray


def record(number: int, size: int = 3) -> Record:
    return Record(f"<{number}>", bytearray(b"x" * size))


def names(records) -> list[str]:
    return [each.name for each in records]


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 5 * BLOCK_BYTES])
def test_what_is_written_is_read(size):
    reel = Reel()
    first, second = os.urandom(size), os.urandom(size)
    blocks = [reel.write(first), reel.write(second)]
    assert [reel.read(each, size) for each in blocks] == [first, second]


def test_blocks_that_are_given_back_are_used_again():
    reel = Reel()
    for _ in range(100):
        reel.give_back(reel.write(b"x" * 3 * BLOCK_BYTES))
    assert reel.used_bytes == 0
    assert len(reel.write(b"x" * 3 * BLOCK_BYTES)) == 3
    assert reel.used_bytes == 3 * BLOCK_BYTES


def test_a_reel_that_nobody_writes_to_has_no_file():
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc") else set()
    reel = Reel()
    Tape(reel, Record)
    assert set(os.listdir("/proc/self/fd")) == before if before else True


@given(
    st.lists(
        st.one_of(st.tuples(st.just("append"), st.lists(st.integers(0, 20_000), max_size=5)), st.just(("drop", [])))
    )
)
def test_a_tape_is_a_list_that_forgets_its_beginning(steps):
    reel, batches, dropped = Reel(), [], 0
    tapes = [Tape(reel, Record), Tape(reel, Record)]  # the other one must not be touched
    tapes[1].append([record(-1)], size=1)
    number = 0
    for what, sizes in steps:
        if what == "drop" and batches:
            assert tapes[0].drop() == sum(len(each.data) for each in batches[0])
            dropped += len(batches.pop(0))
        elif sizes:
            batches.append([record(number + place, size) for place, size in enumerate(sizes)])
            tapes[0].append(batches[-1], size=sum(sizes))
            number += len(sizes)
    kept = [each for batch in batches for each in batch]
    assert (tapes[0].end, len(tapes[0]), tapes[0].size) == (number, len(kept), sum(len(each.data) for each in kept))
    for since in {0, dropped, dropped + 1, number}:
        assert list(tapes[0].since(since)) == kept[max(0, since - dropped) :]
    assert names(tapes[1].since(0)) == ["<-1>"]


def test_the_newest_segment_with_a_text_comes_first():
    tape = Tape(Reel(), Record)
    tape.append([record(1), record(2)])
    tape.append([record(2), record(3)])
    assert names(tape.holding("<2>")) == ["<3>", "<2>", "<2>", "<1>"]
    assert names(tape.holding("<4>")) == []


def test_a_reader_goes_on_while_the_beginning_is_dropped_behind_it():
    tape = Tape(Reel(), Record)
    for number in range(4):
        tape.append([record(number)])
    reader = tape.since(0)
    assert next(reader).name == "<0>"
    tape.drop()
    tape.drop()
    tape.append([record(4), record(5)])  # over <1>, in the file
    assert names(reader) == ["<2>", "<3>"]


def test_what_the_disk_does_not_take_is_said_and_left_out(monkeypatch, capsys):
    tape = Tape(Reel(), Record)
    tape.append([record(0)])
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: len(data) // 2)
    tape.append([record(1)])
    monkeypatch.undo()
    tape.append([record(2)])
    assert "1 records of old calls are lost" in capsys.readouterr().err
    assert names(tape.since(0)) == ["<0>", "<2>"]
    assert tape.end == 3

"""The emulator's own log stays short."""

from __future__ import annotations

import os

import pytest

from labkit.emulator.own_log import KEPT_BYTES, LOG_BYTES, shorten


@pytest.fixture
def log(tmp_path):
    fd = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield fd
    os.close(fd)


def test_a_long_log_is_cut_to_its_newest_part_and_goes_on_from_there(log):
    os.write(log, b"old\n" + b"x" * LOG_BYTES + b"newest\n")
    assert shorten(log)
    os.write(log, b"next\n")
    text = os.pread(log, 2 * LOG_BYTES, 0)
    assert len(text) == KEPT_BYTES + len(b"next\n")
    assert text.endswith(b"xnewest\nnext\n")


def test_a_short_log_stays_whole(log):
    os.write(log, b"x" * LOG_BYTES)
    assert not shorten(log)
    assert os.fstat(log).st_size == LOG_BYTES


def test_what_is_no_file_is_left_alone():
    out, into = os.pipe()
    try:
        assert not shorten(into)
    finally:
        os.close(out)
        os.close(into)

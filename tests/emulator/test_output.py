"""What processes write, put together line by line."""

from __future__ import annotations

import asyncio
import os

import pytest

from labkit.emulator.output import DRAIN_READS, LINE_BYTES, Output


@pytest.fixture
def told():
    """Runs a story of an output, its runtime's end and an extension's; returns what was passed on, piece by piece."""

    def run(story, tell=None):
        pieces = []

        async def tale():
            output = Output(tell or pieces.append)
            ends = [output.pipe(), output.pipe_beside()]
            try:
                story(output, *ends)
                output.close()
            finally:
                for end in ends:
                    os.close(end)

        asyncio.run(tale())
        return pieces

    return run


def test_draining_ends_even_if_more_comes_as_fast_as_it_is_read(told):
    """A thread of the handler that prints without end must not hold up the answer."""
    reads, ends = [], []

    def print_more(output):
        reads.append(output)
        assert len(reads) <= DRAIN_READS
        os.write(ends[0], b"more\n")

    def story(output, runtime, _):
        ends.append(runtime)
        os.write(runtime, b"first\n")
        output.drain()

    told(story, print_more)
    assert reads[0] == b"first\n"


def test_an_extension_s_line_waits_for_the_end_of_the_runtime_s(told):
    def story(output, runtime, extension):
        os.write(runtime, b"hand")
        output._read(output._runtime)
        os.write(extension, b"event\n")
        output._read_beside(*output._beside)
        os.write(runtime, b"led\n")
        output._read(output._runtime)

    assert told(story) == [b"hand", b"led\n", b"event\n"]


def test_an_extension_s_line_is_passed_on_when_it_is_whole(told):
    def story(output, _, extension):
        os.write(extension, b"one\ntwo")
        output.drain()
        os.write(extension, b" and a half\nthree")
        output.drain()

    assert told(story) == [b"one\n", b"two and a half\n", b"three\n"]


def test_a_line_without_end_is_passed_on_in_pieces(told):
    def story(output, _, extension):
        os.set_blocking(extension, False)
        for _ in range(2):
            os.write(extension, b"x" * (LINE_BYTES - 1))
            output.drain()

    assert told(story) == [b"x" * (2 * LINE_BYTES - 2) + b"\n"]


def test_draining_does_not_wait_for_the_end_of_the_runtime_s_line(told):
    def story(output, runtime, extension):
        os.write(runtime, b"no end")
        os.write(extension, b"event\n")
        output.drain()

    assert told(story) == [b"no end", b"event\n"]

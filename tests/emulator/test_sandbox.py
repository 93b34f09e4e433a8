"""The sandbox's reading of output."""

from __future__ import annotations

import asyncio
import os

from labkit.emulator.sandbox import DRAIN_READS, Sandbox


def test_draining_ends_even_if_more_comes_as_fast_as_it_is_read(tmp_path):
    """A thread of the handler that prints without end must not hold up the answer."""
    package = tmp_path / "package"
    package.mkdir()
    out, into = os.pipe()
    os.set_blocking(out, False)
    reads = []

    def print_more(output: bytes) -> None:
        reads.append(output)
        assert len(reads) <= DRAIN_READS
        os.write(into, b"more\n")

    async def drain() -> None:
        sandbox = Sandbox(tmp_path / "e", package, on_output=print_more, on_exit=print)
        sandbox._output = out
        os.write(into, b"first\n")
        sandbox.drain()

    asyncio.run(drain())
    os.close(out)
    os.close(into)
    assert reads[0] == b"first\n"

"""The X-Ray daemon: what it takes, and what it keeps."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from labkit.emulator.daemon import KEPT_BYTES, Daemon, document_of

HEAD = b'{"format":"json","version":1}\n'
SEGMENT = {"id": "0123456789abcdef", "name": "x", "trace_id": "1-1-1", "start_time": 1.0, "end_time": 2.0}


def datagram(**changes):
    return HEAD + json.dumps({**SEGMENT, **changes}).encode()


def test_a_document_stands_behind_a_line_that_says_its_format():
    assert json.loads(document_of(datagram())) == SEGMENT


@pytest.mark.parametrize(
    "sent",
    [b"", HEAD, b"x" * 10, HEAD + b"{}", HEAD + b"[1]", HEAD + b"\xff", b"[]\n" + datagram()[len(HEAD) :], b"\n\n"],
)
def test_anything_else_is_dropped(sent):
    assert document_of(sent) is None


def test_it_keeps_the_newest():
    daemon = Daemon()
    for number in range(10):
        daemon.receive(datagram(id=f"{number}", name="y" * (KEPT_BYTES // 8)))
    kept = [json.loads(document)["id"] for document in daemon.take()]
    assert kept == [str(number) for number in range(10 - len(kept), 10)]
    assert (daemon.lost, len(kept)) == (3, 7)
    assert daemon.take() == []


def test_what_was_sent_before_it_is_asked_is_there():
    async def scene():
        daemon = Daemon()
        address = daemon.address()
        assert daemon.address() == address
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as library:
            for number in range(5):
                library.sendto(datagram(id=str(number)), address)
        found = daemon.take()
        daemon.stop()
        return [json.loads(document)["id"] for document in found]

    assert asyncio.run(scene()) == list("01234")


def test_it_has_no_socket_until_somebody_needs_it_and_none_afterwards():
    async def scene():
        daemon = Daemon()
        daemon.stop()
        address = daemon.address()
        daemon.stop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(address)  # it is free again

    asyncio.run(scene())

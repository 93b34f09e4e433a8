"""The sockets of the front door, with an application of the test's behind them."""

from __future__ import annotations

import asyncio
import socket

from labkit.emulator.exchange import Conversation
from labkit.emulator.listening import Listening


class FakeDoor:
    """Answers with the client's address, or never."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), []

    def answering(self, line, request, about):
        return Conversation(line, request, self.never if request.path == b"/never" else self.soon, about)

    async def soon(self, scope, receive, send):
        body = repr(scope["client"]).encode()
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})

    async def never(self, scope, receive, send):
        self.begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended.append(True)


def listeners(tmp_path):
    network, local = socket.socket(), socket.socket(socket.AF_UNIX)
    network.bind(("127.0.0.1", 0))
    local.bind(str(tmp_path / "door"))
    return network, local


async def asked(reader, writer, path):
    writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    head = await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(int(head.rpartition(b"content-length: ")[2].split()[0]))


def test_a_network_address_and_a_unix_socket_are_answered(tmp_path):
    async def visit():
        network, local = listeners(tmp_path)
        async with Listening(FakeDoor(), [network, local]):
            by_network = await asyncio.open_connection(*network.getsockname())
            by_path = await asyncio.open_unix_connection(local.getsockname())
            answers = [await asked(*by_network, b"/"), await asked(*by_path, b"/")]
        ends = [await reader.read() for reader, _ in (by_network, by_path)]
        return answers, ends

    assert asyncio.run(visit()) == ([b"('127.0.0.1', 0)", b"None"], [b"", b""])


def test_what_does_not_end_in_time_is_ended(tmp_path):
    async def visit():
        network, _ = listeners(tmp_path)
        door = FakeDoor()
        async with Listening(door, [network], grace_s=0):
            reader, writer = await asyncio.open_connection(*network.getsockname())
            writer.write(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
            await door.begun.wait()
        left = await reader.read()
        return left, door.ended

    assert asyncio.run(visit()) == (b"", [True])

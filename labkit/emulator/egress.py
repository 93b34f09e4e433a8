"""What the processes of one network namespace want to reach: each call of theirs waits until it is decided here.

What listens inside is reached inside; whatever else the `rules` permit is reached by a socket from outside
(`labkit/confinement.py`). What they do not permit fails at once, and the environment's log says why; a UDP socket that
is only connected sends nothing yet, and the C library connects some to see where an address lies, so that fails without
a word. Rules are asked for one call after the other, a few milliseconds each.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress

from labkit.confinement import Call, Listener
from labkit.emulator import proc
from labkit.emulator.network import is_loopback

Rules = Callable[[str, str, int], Awaitable[str]]
"""Protocol, host, port: why not, or nothing."""
REFUSED = (
    "labkit: {protocol} to {host}:{port} was not let out: {why} (on AWS a client waits here until its time is over)\n"
)


async def supervise(listener: Listener, rules: Rules) -> None:
    """Until the last process of the namespace has ended; closes the listener."""
    loop = asyncio.get_running_loop()
    calls: asyncio.Queue[Call | None] = asyncio.Queue()

    def receive() -> None:
        try:
            call = listener.receive()
        except (EOFError, OSError):
            loop.remove_reader(listener.fd)
            calls.put_nowait(None)
        else:
            if call and _stays_inside(call):
                listener.go_on(call)
            elif call:
                calls.put_nowait(call)

    loop.add_reader(listener.fd, receive)
    try:
        while call := await calls.get():
            try:
                await _decide(listener, call, rules)
            except (OSError, ValueError, LookupError) as error:  # ours; its caller must not wait for ever
                traceback.print_exception(error, file=sys.stderr)
                listener.fail(call, errno.EIO)
    finally:
        loop.remove_reader(listener.fd)
        listener.close()


def _stays_inside(call: Call) -> bool:
    """Whether it is not the internet's, or for whoever listens in the namespace itself."""
    return not call.protocol or (is_loopback(call.host) and proc.listens(call.pid, call.protocol, call.port))


async def _decide(listener: Listener, call: Call, rules: Rules) -> None:
    why = await rules(call.protocol, call.host, call.port)
    if not why:
        listener.let_out(call)
    elif call.protocol == "udp" and not call.sends:
        listener.fail(call, errno.ENETUNREACH)
    else:
        _note(call, why)
        listener.fail(call, errno.ETIMEDOUT)


def _note(call: Call, why: str) -> None:
    """On the standard error of the environment's first process; lost if that is gone, or has no room."""
    words = REFUSED.format(protocol=call.protocol, host=call.host, port=call.port, why=why)
    with suppress(OSError):
        log = os.open(f"/proc/{os.getpgid(call.pid)}/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            os.write(log, words.encode())
        finally:
            os.close(log)

"""Keeps out who is not us: whose process is at the other end of a connection over loopback.

Loopback is open to every user of a machine. Linux tells the owner of each TCP socket (`/proc/net/tcp`, proc(5)): it is
looked up once for a connection, never for a request. Root comes in, who could anyway. Where the system does not tell
(macOS, some sandboxes) nobody is kept out, and `labkit doctor` says so.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

TABLE = Path("/proc/net/tcp")
ROOT = 0
OWNER = 7  # the column, counted from local_address
ANYBODY = (None, ROOT)


def is_foreign(peer: object, here: object, table: Path = TABLE) -> bool:
    """Whether the connected socket at `peer`, whose other end is `here`, is known to be another user's.

    The two are addresses as `getpeername` and `getsockname` give them; a UNIX socket has its folder's rights.
    """
    if not (isinstance(peer, tuple) and isinstance(here, tuple)):
        return False
    return owner_of(peer, here, table) not in (*ANYBODY, os.getuid())


def owner_of(end: tuple[str, int], other: tuple[str, int], table: Path = TABLE) -> int | None:
    """The user id of the connected IPv4 socket at `end`; None where nobody can say."""
    try:
        data = table.read_bytes()
        wanted = f" {_hexadecimal(end)} {_hexadecimal(other)} ".encode()
    except OSError:
        return None
    at = data.find(wanted)
    return None if at < 0 else int(data[at:].split(maxsplit=OWNER)[OWNER - 1])


def _hexadecimal(address: tuple[str, int]) -> str:
    """As the kernel writes it: the address as a number in the machine's order."""
    return f"{int.from_bytes(socket.inet_aton(address[0]), sys.byteorder):08X}:{address[1]:04X}"

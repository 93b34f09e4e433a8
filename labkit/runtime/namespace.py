"""A network namespace of this process's own: Linux, as root or wherever anybody may make user namespaces.

Inside there is a loopback interface of its own and nothing else: no packet leaves, whoever sends it. Two system calls,
connect, and sendto with an address, stop in the kernel (seccomp) until the emulator has answered them, for this process
and for all that it will start. What may be reached gets out because the emulator puts a socket from outside in the
place of the caller's before the call goes on (`labkit/confinement.py`, `emulator/egress.py`).

    python -I -S namespace.py PORT      tries it, with a server at this port outside
"""

from __future__ import annotations

import os
import sys
from _socket import AF_INET, SOCK_DGRAM, SOCK_STREAM, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Linux, <sched.h>, <linux/if.h>, <linux/sockios.h>, <linux/seccomp.h>, <linux/filter.h>, <linux/prctl.h>
CLONE_NEWUSER, CLONE_NEWNET = 0x1000_0000, 0x4000_0000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
SET_MODE_FILTER, NEW_LISTENER, UNINTERRUPTED = 1, 8, 0x20
ALLOW, NOTIFY = 0x7FFF_0000, 0x7FC0_0000
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, ARCHITECTURE, ADDRESS = 0, 4, 48  # offsets in struct seccomp_data; sendto's address is its fifth argument
SET_NO_NEW_PRIVS = 38
MACHINES = {
    "x86_64": (0xC000_003E, 42, 44, 317),
    "aarch64": (0xC000_00B7, 203, 206, 277),
}
"""How the kernel calls the machine, and the numbers of connect, sendto and seccomp there."""


def leave_network() -> None:
    """Enters a new namespace. OSError: this machine does not let us, and nothing has changed."""
    import ctypes

    if os.uname().machine not in MACHINES:
        raise OSError(f"no numbers of system calls are known for {os.uname().machine}")
    uid, gid = os.geteuid(), os.getegid()
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.unshare(CLONE_NEWNET) == 0:
        return
    if kernel.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        raise _error(ctypes.get_errno())
    for name, content in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(content)


def be_asked_for() -> int:
    """In the new namespace: its loopback works, and every attempt to get out goes to who reads this descriptor.

    Close it here when the reader has it: with the last one open, whoever waits gets ENOSYS.
    """
    import ctypes
    import fcntl

    used = socket(AF_INET, SOCK_DGRAM)
    fcntl.ioctl(used.fileno(), SIOCSIFFLAGS, b"lo".ljust(16, b"\0") + IFF_UP.to_bytes(2, sys.byteorder) + bytes(22))
    used.close()
    architecture, connect, sendto, seccomp = MACHINES[os.uname().machine]
    code = _program(architecture, connect, sendto)
    kept = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    kernel = ctypes.CDLL(None, use_errno=True)
    kernel.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = Program(len(code) // 8, ctypes.addressof(kept))
    for flags in (NEW_LISTENER | UNINTERRUPTED, NEW_LISTENER):  # before 5.19 a signal may end a call that waits
        listener = kernel.syscall(seccomp, SET_MODE_FILTER, flags, ctypes.byref(program))
        if listener >= 0:
            return int(listener)
    raise _error(ctypes.get_errno())


def _program(architecture: int, connect: int, sendto: int) -> bytes:
    """In the kernel's packet filter language: which calls of this machine stop."""
    lines = (
        (LOAD, 0, 0, ARCHITECTURE),
        (IF_EQUAL, 0, 7, architecture),
        (LOAD, 0, 0, NUMBER),
        (IF_EQUAL, 6, 0, connect),
        (IF_EQUAL, 0, 4, sendto),
        (LOAD, 0, 0, ADDRESS),
        (IF_EQUAL, 0, 3, 0),
        (LOAD, 0, 0, ADDRESS + 4),
        (IF_EQUAL, 0, 1, 0),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, NOTIFY),
    )
    return b"".join(_line(*line) for line in lines)


def _line(operation: int, if_so: int, if_not: int, value: int) -> bytes:
    order = sys.byteorder
    return operation.to_bytes(2, order) + bytes((if_so, if_not)) + value.to_bytes(4, order)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def main(arguments: Sequence[str]) -> str:
    """Says which descriptor is to be read, and when that has been done well, what the server outside said."""
    try:
        leave_network()
        listener = be_asked_for()
        os.write(1, f"{listener}\n".encode())
        os.read(0, 1)  # until it has been taken
        os.close(listener)
        outside = socket(AF_INET, SOCK_STREAM)
        outside.connect(("127.0.0.1", int(arguments[0])))
        return outside.recv(64).decode()
    except OSError as error:
        return f"{error.strerror or error}"


if __name__ == "__main__":
    os.write(1, f"{main(sys.argv[1:])}\n".encode())

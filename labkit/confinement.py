"""The kernel's side of a process that stands in a network namespace of its own (`runtime/namespace.py`).

Its calls of connect and sendto arrive at a `Listener` (seccomp's user notification) and wait there. Each is answered:
it goes on as it is, and so inside; it fails with an error; or it goes on with a socket from outside, which gets the
caller's options and takes its place under the same number, not yet connected. A socket belongs to the namespace that
it was made in, so the caller's own call then reaches the world, blocking or not, with its own errors and times.

What holds then, for every program in whatever language: no packet leaves by a socket that was made inside. Rules are
asked for TCP, for UDP that is connected, and for datagrams sent by sendto. A datagram with an address by sendmsg is not
sent, unless its socket has been let out before; nor does an event loop hear of answers on a UDP socket that it watched
before the first datagram was sent. A signal that a program handles ends a call that has not been received yet (EINTR).
It is no security boundary: a handler is a process of this user's, with files, and with a socket that was let out it
may do what it likes.

What this needs of Linux: namespaces, seccomp's listeners that can place descriptors (5.9), and sockets that tell
their namespace (5.14). `obstacle` tries it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

NAMESPACE = Path(__file__).parent / "runtime" / "namespace.py"
TRIAL_S = 10.0
GREETING = b"outside"

# Linux, <linux/seccomp.h>: struct seccomp_notif, seccomp_notif_resp, seccomp_notif_addfd, and what takes them
NOTIFICATION = struct.Struct("=QII iIQ 6Q")
ANSWER = struct.Struct("=QqiI")
PLACED = struct.Struct("=QIIII")
RECEIVE, SEND, VALID, PLACE = 0xC050_2100, 0xC018_2101, 0x4008_2102, 0x4018_2103
GO_ON, IN_ITS_PLACE = 1, 1
SENDTO = (44, 206)  # on x86_64 and on aarch64
PIDFD_GETFD = 438
ADDRESS_BYTES = 128
SO_NETNS_COOKIE = 71
OPTIONS = {
    socket.AF_INET: (
        (socket.IPPROTO_IP, socket.IP_TOS),
        (socket.IPPROTO_IP, socket.IP_TTL),
        (socket.IPPROTO_IP, 11),  # IP_RECVERR
    ),
    socket.AF_INET6: (
        (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY),
        (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
        (socket.IPPROTO_IPV6, 25),  # IPV6_RECVERR
    ),
}
ALL_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_REUSEADDR),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.SOL_SOCKET, socket.SO_BROADCAST),
    (socket.SOL_SOCKET, socket.SO_LINGER),
    (socket.SOL_SOCKET, 20),  # SO_RCVTIMEO
    (socket.SOL_SOCKET, 21),  # SO_SNDTIMEO
    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    *(
        (socket.IPPROTO_TCP, option) for option in (4, 5, 6, 7, 18)
    ),  # KEEPIDLE, KEEPINTVL, KEEPCNT, SYNCNT, USER_TIMEOUT
)
OPTION_BYTES = 16


@dataclass(frozen=True, slots=True)
class Call:
    """A call that waits. `protocol` is "tcp" or "udp", and "" if it does not want to leave the machine by IP."""

    number: int
    pid: int
    fd: int
    sends: bool  # a datagram, at once
    protocol: str
    host: str
    port: int


class Listener:
    """See the module's docstring. Raises OSError if it cannot be taken from the process that has it."""

    def __init__(self, pid: int, fd: int) -> None:
        self.fd = _descriptor_of(pid, fd)

    def receive(self) -> Call | None:
        """The call that waits longest; None if its caller is gone. EOFError if nobody is left who could call."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        events = poll.poll(0)
        if events and not events[0][1] & select.POLLIN:
            raise EOFError("nobody is left who could call")
        if not events:
            return None
        try:
            said = NOTIFICATION.unpack(fcntl.ioctl(self.fd, RECEIVE, bytes(NOTIFICATION.size)))
        except FileNotFoundError:
            return None
        number, thread, _, system_call, _, _, *arguments = said
        sends = system_call in SENDTO
        fd = arguments[0] & 0xFFFF_FFFF
        where, size = arguments[4:6] if sends else arguments[1:3]
        try:
            pid = _process_of(thread)
            protocol, host, port = _destination(pid, fd, _memory(thread, where, size))
            fcntl.ioctl(self.fd, VALID, number.to_bytes(8, sys.byteorder))  # else it was another process's memory
        except OSError:
            pid, protocol, host, port = 0, "", "", 0
        return Call(number, pid, fd, sends, protocol, host, port)

    def go_on(self, call: Call) -> None:
        self._answer(call, 0, GO_ON)

    def fail(self, call: Call, error: int) -> None:
        self._answer(call, -error, 0)

    def let_out(self, call: Call) -> None:
        """The call goes on, outside."""
        try:
            self._place_outside(call)
        except OSError as error:
            self.fail(call, error.errno or errno.ENETUNREACH)
        else:
            self.go_on(call)

    def _place_outside(self, call: Call) -> None:
        with (
            closing(socket.socket(fileno=_descriptor_of(call.pid, call.fd))) as inside,
            closing(socket.socket(inside.family, inside.type, inside.proto)) as outside,
        ):
            if _namespace_of(inside) == _namespace_of(outside):
                return  # it has been let out before
            _resemble(outside, inside)
            flags = os.O_CLOEXEC if _closes_on_exec(call.pid, call.fd) else 0
            fcntl.ioctl(self.fd, PLACE, PLACED.pack(call.number, IN_ITS_PLACE, outside.fileno(), call.fd, flags))

    def _answer(self, call: Call, error: int, flags: int) -> None:
        with suppress(FileNotFoundError):  # a signal has ended the call meanwhile, or its caller is gone
            fcntl.ioctl(self.fd, SEND, ANSWER.pack(call.number, 0, error, flags))

    def close(self) -> None:
        os.close(self.fd)


def _descriptor_of(pid: int, fd: int) -> int:
    process = os.pidfd_open(pid)
    try:
        kernel = ctypes.CDLL(None, use_errno=True)
        found = kernel.syscall(PIDFD_GETFD, process, fd, 0)
        if found < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return int(found)
    finally:
        os.close(process)


def _process_of(thread: int) -> int:
    status = Path(f"/proc/{thread}/status").read_text(errors="replace")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Tgid:"))


def _memory(thread: int, where: int, size: int) -> bytes:
    if where == 0 or where >= 1 << 63:
        return b""
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        return os.pread(memory.fileno(), min(size & 0xFFFF_FFFF, ADDRESS_BYTES), where)


def _destination(pid: int, fd: int, address: bytes) -> tuple[str, str, int]:
    """Protocol, host and port of a struct sockaddr; ("", "", 0) if it is none of the internet's."""
    family = int.from_bytes(address[:2], sys.byteorder)
    if family == socket.AF_INET and len(address) >= 8:
        host = str(ip_address(address[4:8]))
    elif family == socket.AF_INET6 and len(address) >= 24:
        host = str(ip_address(address[8:24]))
    else:
        return "", "", 0
    with closing(socket.socket(fileno=_descriptor_of(pid, fd))) as used:
        protocol = "tcp" if used.type == socket.SOCK_STREAM else "udp"
    return protocol, host, int.from_bytes(address[2:4], "big")


def _namespace_of(used: socket.socket) -> bytes:
    return used.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)


def _resemble(outside: socket.socket, inside: socket.socket) -> None:
    """Options that programs set before they connect, where they have set them."""
    for level, option in (*ALL_OPTIONS, *OPTIONS.get(inside.family, ())):
        with suppress(OSError):  # not every kind of socket has all of them
            value = inside.getsockopt(level, option, OPTION_BYTES)
            if value != outside.getsockopt(level, option, OPTION_BYTES):
                outside.setsockopt(level, option, value)
    bound = inside.getsockname()
    if bound[1]:
        with suppress(OSError):  # then it leaves by another port
            outside.bind(bound)
    os.set_blocking(outside.fileno(), os.get_blocking(inside.fileno()))


def _closes_on_exec(pid: int, fd: int) -> bool:
    for line in Path(f"/proc/{pid}/fdinfo/{fd}").read_text().splitlines():
        if line.startswith("flags:"):
            return bool(int(line.split()[1], 8) & os.O_CLOEXEC)
    return False


# --- whether this machine can -------------------------------------------------------------------------------


def obstacle(program: Path = NAMESPACE) -> str:
    """Why processes cannot be confined here, "" if they can: one is, and reaches a server outside by being let out."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if sys.maxsize < 1 << 32:
        return "this is a 32-bit Python"
    try:
        return _tried(program)
    except (OSError, ValueError, AttributeError, EOFError) as error:
        return f"a process in a network namespace could not be supervised: {error}"


def _tried(program: Path) -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-I", "-S", str(program), str(server.getsockname()[1])]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as child:
            try:
                return _supervised(child, server)
            finally:
                child.kill()


def _supervised(child: subprocess.Popen[bytes], server: socket.socket) -> str:
    assert child.stdin is not None
    assert child.stdout is not None
    said = _line(child.stdout.fileno())
    if not said.isdigit():
        return said.decode() or "a process in a network namespace ended without a word"
    with closing(Listener(child.pid, int(said))) as listener:
        child.stdin.close()
        if not _readable(listener.fd):
            return "the kernel does not tell of system calls"
        call = listener.receive()
        if call is None or (call.protocol, call.port) != ("tcp", server.getsockname()[1]):
            return "the kernel does not tell system calls as they are"
        listener.let_out(call)
        if _readable(server.fileno()):
            with closing(server.accept()[0]) as outside:
                outside.sendall(GREETING)
                said = _line(child.stdout.fileno())
                return "" if said == GREETING else said.decode()
        return f"a socket from outside could not be placed: {_line(child.stdout.fileno()).decode()}"


def _line(fd: int) -> bytes:
    return os.read(fd, 256).strip() if _readable(fd) else b""


def _readable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(TRIAL_S * 1000))

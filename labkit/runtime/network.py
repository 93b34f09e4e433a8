"""The network rules of a function in a VPC, inside its environment: loaded for such a function only.

Where the emulator says that this machine can, the process stands in a network namespace of its own from now on, and
the kernel holds it, and all that it starts, to the rules (namespace.py). Environments that are forked from one template
share the template's. Else, and for a function with extensions, which are processes outside, a hook does what follows.

Before the process connects or sends anywhere, an audit hook asks the emulator, by a UNIX socket, whether the function's
security groups and routes let it (`emulator/vpc.py`). If not, the call fails at once with TimeoutError, where on AWS it
would wait for nothing, and the log says why. The hook sees what Python's `socket` does, and it is no security boundary:
a library in C that opens its own connections, and a program that a handler starts, do not pass it.

Where Linux has Landlock with network rules (6.7), the kernel refuses, for all of them too, TCP connections to ports
that no rule permits. It knows no addresses, and cannot be loosened later: what is opened meanwhile needs a fresh
environment.
"""

from __future__ import annotations

import os
import sys
from _socket import AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, getaddrinfo, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

EVENTS = frozenset(("socket.connect", "socket.sendto", "socket.sendmsg"))
LOOPBACK = ("127.0.0.1", "::1")
LISTENING = "0A"
ANSWER_BYTES = 4096
ETIMEDOUT = 110
# Linux, <linux/landlock.h> and <linux/prctl.h>; the numbers of system calls are those of all architectures
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION, CONNECT_TCP, NET_PORT = 1, 2, 2
NETWORK_ABI = 4
SET_NO_NEW_PRIVS = 38


class Rules:
    """See the module's docstring. `told`: the socket's path, the version's key, and whether it has extensions."""

    def __init__(self, told: str) -> None:
        self._path, self._key, self._extensions = told.split("\n")
        self._xray = os.environ.get("AWS_XRAY_DAEMON_ADDRESS", "")

    def restrict(self, neighbour: Callable[[str], ModuleType]) -> None:
        """From now on. A handler must reach the servers of its extensions, whose ports only they know."""
        if not self._extensions and self._ask("how") == "namespace" and self._confine(neighbour("namespace")):
            return
        ports = "all" if self._extensions else self._ask("ports")
        if ports != "all":
            api = int(os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")[2])
            keep_to_ports([api, *map(int, ports.split(",") if ports != "none" else ())])
        sys.addaudithook(self._audit)

    def _confine(self, namespace: ModuleType) -> bool:
        """False where it has to be the hook, after all; SystemExit if it ends halfway."""
        asking = socket(AF_UNIX, SOCK_STREAM)
        asking.connect(self._path)  # once there is a listener this would wait for the emulator to let it
        try:
            namespace.leave_network()
        except OSError as error:
            print(f"labkit: no network namespace, so that a hook keeps the rules: {error}", file=sys.stderr)  # noqa: T201
            return False
        listener = namespace.be_asked_for()
        problem = self._answer(asking, f"confined {os.getpid()} {listener}")
        asking.close()
        os.close(listener)
        if problem:
            raise SystemExit(f"labkit: {problem}")
        return True

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event in EVENTS and args[0].family in (AF_INET, AF_INET6) and args[1] is not None:
            self._check(args[0], args[1])

    def _check(self, used: Any, address: tuple[Any, ...]) -> None:
        protocol = "tcp" if used.type & 0xF == SOCK_STREAM else "udp"
        host, port = _resolved(used, address)
        if f"{host}:{port}" in (os.environ.get("AWS_LAMBDA_RUNTIME_API"), self._xray):
            return
        obstacle = self._ask(f"{protocol} {host} {port}")
        if obstacle and not (host in LOOPBACK and is_inside(port, protocol)):
            note = f"labkit: {protocol} to {host}:{port} was not let out: {obstacle}"
            print(f"{note} (on AWS a client waits here until its time is over)", file=sys.stderr, flush=True)  # noqa: T201
            raise TimeoutError(ETIMEDOUT, "Connection timed out")

    def _ask(self, question: str) -> str:
        asking = socket(AF_UNIX, SOCK_STREAM)
        try:
            asking.connect(self._path)
            return self._answer(asking, question)
        except OSError as error:
            return f"the emulator could not be asked: {error}"
        finally:
            asking.close()

    def _answer(self, asking: socket, question: str) -> str:
        asking.sendall(f"{self._key} {question}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            more = asking.recv(ANSWER_BYTES)
            if not more:
                return "the emulator did not say whether it may"
            answer += more
        return answer.decode().rstrip("\n")


def is_inside(port: int, protocol: str) -> bool:
    """Whether who listens there belongs to this environment, its process group: that traffic never leaves it."""
    wanted = set()
    for name in (protocol, f"{protocol}6"):
        try:
            with open(f"/proc/net/{name}", encoding="ascii") as table:
                fields = [line.split() for line in table]
        except OSError:
            continue
        listening = (f for f in fields[1:] if protocol == "udp" or f[3] == LISTENING)
        wanted |= {f"socket:[{f[9]}]" for f in listening if int(f[1].rpartition(":")[2], 16) == port}
    return any(wanted & _open_files(pid) for pid in _group()) if wanted else False


def _group() -> list[str]:
    own, found = os.getpgrp(), []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.getpgid(int(name)) == own:
                found.append(name)
        except OSError:
            continue
    return found


def _open_files(pid: str) -> set[str]:
    found = set()
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                found.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except OSError:  # closed meanwhile
                continue
    except OSError:
        pass
    return found


def _resolved(used: Any, address: tuple[Any, ...]) -> tuple[str, int]:
    """A name is looked up, as connecting would: rules are about addresses."""
    host, port = str(address[0]), int(address[1])
    found = getaddrinfo(host or "127.0.0.1", port, used.family, used.type)
    return str(found[0][4][0]), port


def keep_to_ports(ports: list[int]) -> bool:
    """Lets this process, and all that it starts, connect by TCP to these ports only; False where the kernel cannot."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    call = ctypes.CDLL(None, use_errno=True)
    if call.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION) < NETWORK_ABI:
        return False
    handled = (ctypes.c_uint64 * 2)(0, CONNECT_TCP)  # of files nothing, of the network this
    ruleset = call.syscall(CREATE_RULESET, handled, ctypes.c_size_t(ctypes.sizeof(handled)), 0)
    if ruleset < 0:
        return False
    try:
        for port in ports:
            rule = (ctypes.c_uint64 * 2)(CONNECT_TCP, port)
            if call.syscall(ADD_RULE, ruleset, NET_PORT, rule, 0):
                return False
        call.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return bool(call.syscall(RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)

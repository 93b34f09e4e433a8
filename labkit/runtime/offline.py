"""Keeps a process on this machine: an audit hook that refuses every connection, datagram and look-up that leaves it.

In the kernel of a lesson, and each Python that it starts, `lesson/offline/sitecustomize.py` calls it; in environments
the emulator does, where LABKIT_NETWORK is `local`. It is a net for mistakes, not for malice: code that calls the
operating system by other means than Python's sockets passes under it.
"""

import os
import sys

LOCAL_NAMES = ("localhost", "0.0.0.0", "::", "::1", "", "<broadcast>")


def keep() -> None:
    """From now on."""
    sys.addaudithook(refuse)


def is_local(host: object) -> bool:
    """Whether a host is this machine."""
    if host is None:
        return True
    name = (host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)).rstrip(".").lower()
    own = os.uname().nodename.lower() if hasattr(os, "uname") else ""
    numeric = name.removeprefix("::ffff:")
    loopback = numeric.startswith("127.") and numeric.replace(".", "").isdigit()
    return loopback or name in LOCAL_NAMES or name == own or name.endswith(".localhost")


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """The hook: raises PermissionError for what would leave the machine."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) and address else None  # a UNIX socket's address is no tuple
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not is_local(host):
        raise PermissionError(f"Nothing leaves this machine here: a connection to {host} was refused.")

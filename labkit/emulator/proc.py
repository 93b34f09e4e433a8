"""Reads what the kernel says about processes: /proc on Linux, psutil elsewhere. No state, no decisions."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LISTENING = "0A"  # a state in /proc/net/tcp
HAS_PROC = Path("/proc/self/statm").exists()
HAS_CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children").exists()


def _known(pid: int) -> psutil.Process | None:
    """What psutil knows of a process, where there is no /proc; None if it is gone."""
    import psutil  # a cold path on Linux, and a twentieth of the emulator's start

    with suppress(psutil.Error):
        return psutil.Process(pid)
    return None


def children(pid: int) -> list[int]:
    """Direct children of a process, of all its threads."""
    if not HAS_CHILDREN:
        known = _known(pid)
        return [child.pid for child in known.children()] if known else []
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_bytes().split())
    return found


def descendants(pid: int) -> list[int]:
    """All processes below one, parents before children."""
    found: list[int] = []
    queue = children(pid)
    while queue:
        child = queue.pop()
        found.append(child)
        queue += children(child)
    return found


def newest() -> int:
    """The process or thread that was started last on this machine; 0 where nobody tells.

    As long as it is the same nobody has a child that he had not before.
    """
    fields = _read("/proc/loadavg").split()
    return int(fields[4]) if len(fields) == 5 else 0


def proportional_bytes(pids: list[int]) -> int:
    """Memory of several processes together; a page that k of them share counts 1/k for each (PSS)."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
                if line.startswith(b"Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            total += _resident_bytes(pid)
    return total


def _resident_bytes(pid: int) -> int:
    """0 if the process is gone, as it is on Linux if /proc does not have it."""
    known = None if HAS_PROC else _known(pid)
    return int(known.memory_info().rss) if known else 0


def cpu_s(pid: int) -> float | None:
    """CPU time of a process so far, all threads and the children it has waited for; None if it is gone.

    On Linux from the process's own clock, in nanoseconds (clock_getcpuclockid(3) makes its number like this) and for
    the price of one system call; only the children's time comes in ticks of 10 ms.
    """
    if not HAS_PROC:
        known = _known(pid)
        times = known.cpu_times() if known else None
        return float(times.user + times.system) if times else None
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return time.clock_gettime((~pid << 3) | 2) + (int(fields[13]) + int(fields[14])) / TICKS_PER_S
    return None


def has_variable(pid: int, assignment: bytes) -> bool:
    """Whether a process was started with this `NAME=value` in its environment."""
    try:
        return assignment in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def listens(pid: int, protocol: str, port: int) -> bool:
    """Whether somebody in this process's network listens there, by TCP or UDP."""
    for name in (protocol, f"{protocol}6"):
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{name}").read_text("ascii").splitlines()[1:]:
                _, local, _, state, *_ = line.split()
                if int(local.rpartition(":")[2], 16) == port and (protocol == "udp" or state == LISTENING):
                    return True
    return False


class Resident:
    """A process's resident set, now (one system call, 4 microseconds) and at most; 0 if it is gone."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC) if HAS_PROC else -1

    def read_bytes(self) -> int:
        if self._fd < 0:
            return _resident_bytes(self.pid)
        try:
            fields = os.pread(self._fd, 128, 0).split()
        except OSError:
            return 0
        return int(fields[1]) * PAGE if fields else 0

    def peak_bytes(self) -> int:
        """VmHWM; 0 where there is no /proc, too."""
        _, _, peak = _read(f"/proc/{self.pid}/status").partition(b"VmHWM:")
        return int(peak.split(None, 1)[0]) * 1024 if peak else 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _read(path: str) -> bytes:
    """A short file of the kernel's, a third as dear as by pathlib; empty if there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 8192)
    except OSError:
        return b""
    finally:
        os.close(fd)

"""What the processes of one sandbox write: the runtime's pipe, and one for each extension beside it.

The runtime's output is passed on as it comes, in whatever pieces: a `print` is two writes, a record of the logging
module a frame. An extension's is passed on in whole lines, and never into the middle of a line of the runtime's: on
Lambda each has a pipe of its own, too, and the log is made of lines.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial

READ_BYTES = 65_536
DRAIN_READS = 16  # a pipe holds at most 1 MiB; what comes after that was written later
LINE_BYTES = 65_536  # a longer one is passed on in pieces


class Output:
    """See the module's docstring. `tell` gets bytes."""

    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._runtime = -1
        self._beside: dict[int, bytes] = {}  # an extension's pipe -> its last line, which is not whole yet
        self._lines = b""  # of extensions, which wait for the end of the runtime's line
        self._open_line = False

    def pipe(self) -> int:
        """Opens the runtime's; returns the end to write to, which the caller closes."""
        self._runtime, end = self._opened(self._read)
        return end

    def pipe_beside(self) -> int:
        """Opens an extension's; returns the end to write to, which the caller closes."""
        fd, end = self._opened(self._read_beside)
        self._beside[fd] = b""
        return end

    def _opened(self, read: Callable[[int], bool]) -> tuple[int, int]:
        fd, end = os.pipe()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, partial(read, fd))
        return fd, end

    def drain(self) -> None:
        """Reads what was written up to now; a response must not overtake its own log."""
        for fd, read in [(self._runtime, self._read), *((fd, self._read_beside) for fd in self._beside)]:
            for _ in range(DRAIN_READS):
                if fd < 0 or not read(fd):
                    break
        self._pass_on()

    def close(self) -> None:
        """Closes the pipes; what is left of extensions' lines is passed on."""
        self._lines += b"".join(rest + b"\n" for rest in self._beside.values() if rest)
        self._pass_on()
        for fd in (self._runtime, *self._beside):
            if fd >= 0:
                self._loop.remove_reader(fd)
                os.close(fd)
        self._runtime, self._beside = -1, {}

    def _read(self, fd: int) -> bool:
        data = self._data(fd)
        if not data:
            return False
        self._tell(data)
        self._open_line = not data.endswith(b"\n")
        if not self._open_line:
            self._pass_on()
        return True

    def _read_beside(self, fd: int) -> bool:
        data = self._data(fd)
        if not data:
            return False
        whole, newline, rest = (self._beside[fd] + data).rpartition(b"\n")
        if len(rest) > LINE_BYTES:
            whole, newline, rest = whole + newline + rest, b"\n", b""
        self._beside[fd] = rest
        self._lines += whole + newline
        if not self._open_line:
            self._pass_on()
        return True

    def _pass_on(self) -> None:
        lines, self._lines = self._lines, b""
        if lines:
            self._tell(lines)

    def _data(self, fd: int) -> bytes:
        """What can be read now; nothing is the end, or for now."""
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            self._loop.remove_reader(fd)
        return data

"""Keeps the emulator's own words short: its standard error, where that is a file of the process that started it.

The file is the client's (client/process.py), opened for appending, read only when the emulator is gone. It is cut in
place, so nobody has to reopen it, and a client that is busy does not make the emulator wait, as a pipe would.
"""

from __future__ import annotations

import os
import stat

LOG_BYTES = 1024 * 1024
KEPT_BYTES = 64 * 1024


def shorten(fd: int = 2) -> bool:
    """Cuts a file that has grown past LOG_BYTES to its newest KEPT_BYTES. True if it did."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_size <= LOG_BYTES:
        return False
    newest = os.pread(fd, KEPT_BYTES, status.st_size - KEPT_BYTES)
    os.ftruncate(fd, 0)
    os.write(fd, newest)
    return True

"""The operating system's side of one environment: its folder, its process group, its output, its memory.

Nobody else in the emulator starts, signals or measures a process. A sandbox outlives its process: after a crash
or a timeout the folder stays (as `/tmp` does on Lambda) and `start` runs a new process in it.

What is enforced, everywhere without privileges: own session of files (a task folder of links to the package, a
`tmp`), only the variables given, freeze and thaw of the whole process tree, open files, resident memory (watched,
see environment.py). Not enforced: the network, the file system outside the folder, the number of processes.

Nothing outlives the emulator: each process group holds the read end of a pipe, and the kernel kills the group when
its write end, which only the emulator has, is closed (runtime/bootstrap.py). Processes that left the group are
found by their environment variables: the emulator adopts orphans (PR_SET_CHILD_SUBREAPER).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from labkit.emulator import proc

OPEN_FILES = 1024  # recorded inside a real environment
READ_BYTES = 65536
DRAIN_READS = 16  # a pipe holds at most 1 MiB; what comes after that was written later
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> bool:
    """Makes this process the parent of every descendant that loses its own; False where the kernel cannot."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def reap_orphans(known: Iterable[int]) -> None:
    """Collects adopted processes that ended, so that none stays as a zombie."""
    for pid in set(proc.children(os.getpid())).difference(known):
        with suppress(OSError):
            os.waitpid(pid, os.WNOHANG)


class Sandbox:
    """See the module's docstring. `on_output` gets bytes as they come, `on_exit` the return code once per process."""

    def __init__(
        self,
        folder: Path,
        package: Path,
        *,
        on_output: Callable[[bytes], None],
        on_exit: Callable[[int], None],
    ) -> None:
        self.folder, self.task, self.tmp = folder, folder / "task", folder / "tmp"
        self._on_output, self._on_exit = on_output, on_exit
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._resident: proc.Resident | None = None
        self._output = self._lifeline = self._report = self._pidfd = -1
        self._strays: set[int] = set()  # descendants outside the process group
        self._mark = f"TMPDIR={self.tmp}".encode()  # a variable that only this sandbox's processes have
        self._make_folders(package)

    def _make_folders(self, package: Path) -> None:
        self.task.mkdir(parents=True)
        self.tmp.mkdir()
        self.tmp.chmod(0o1777)
        for entry in package.iterdir():
            (self.task / entry.name).symlink_to(entry)
        # /var/task is read-only on Lambda; root is above this
        self.task.chmod(0o555)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self, argv: Sequence[str], variables: Mapping[str, str]) -> None:
        """Starts `argv LIFELINE REPORT ...`; the two descriptors replace `{lifeline}` and `{report}` in argv."""
        output, output_end = os.pipe()
        lifeline_end, lifeline = os.pipe()
        report, report_end = os.pipe()
        telemetry_end = os.dup(output_end)
        os.set_blocking(output, False)
        ends = {"{lifeline}": str(lifeline_end), "{report}": str(report_end)}
        try:
            self._process = subprocess.Popen(
                [ends.get(word, word) for word in argv],
                cwd=self.task,
                env={**variables, "TMPDIR": str(self.tmp), "_LAMBDA_TELEMETRY_LOG_FD": str(telemetry_end)},
                stdin=subprocess.DEVNULL,
                stdout=output_end,
                stderr=output_end,
                pass_fds=(lifeline_end, report_end, telemetry_end),
                process_group=0,
            )
        except BaseException:
            for fd in (output, lifeline, report):
                os.close(fd)
            raise
        finally:
            for fd in (output_end, lifeline_end, report_end, telemetry_end):
                os.close(fd)
        self._output, self._lifeline, self._report = output, lifeline, report
        self._limit(self._process.pid)
        self._resident = proc.Resident(self._process.pid)
        self._loop.add_reader(output, self._read_output)
        self._watch_exit(self._process)

    def _limit(self, pid: int) -> None:
        if hasattr(resource, "prlimit"):
            with suppress(OSError, ValueError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
                resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))

    def _watch_exit(self, process: subprocess.Popen[bytes]) -> None:
        if hasattr(os, "pidfd_open"):
            self._pidfd = os.pidfd_open(process.pid)
            self._loop.add_reader(self._pidfd, self._exited, process)
            return

        def wait() -> None:
            process.wait()
            with suppress(RuntimeError):  # the loop may be closed by now
                self._loop.call_soon_threadsafe(self._exited, process)

        threading.Thread(target=wait, daemon=True).start()

    def _exited(self, process: subprocess.Popen[bytes]) -> None:
        if self._process is not process:
            return
        returncode = process.wait()
        self.kill()
        self.drain()
        self._close()
        self._process = None
        self._on_exit(returncode)

    def _close(self) -> None:
        for fd in (self._output, self._pidfd):
            if fd >= 0:
                self._loop.remove_reader(fd)
        for fd in (self._output, self._pidfd, self._lifeline, self._report):
            if fd >= 0:
                os.close(fd)
        self._output = self._lifeline = self._report = self._pidfd = -1
        if self._resident:
            self._resident.close()
            self._resident = None
        self._strays.clear()

    def _read_output(self) -> bool:
        try:
            data = os.read(self._output, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._output)
            return False
        self._on_output(data)
        return True

    def drain(self) -> None:
        """Reads what the process has written up to now; a response must not overtake its own log."""
        for _ in range(DRAIN_READS):
            if self._output < 0 or not self._read_output():
                return

    def read_report(self) -> bytes:
        """What the bootstrap measured, complete by the time it asks for its first event; b"" if nothing came."""
        os.set_blocking(self._report, False)
        with suppress(BlockingIOError):
            return os.read(self._report, READ_BYTES)
        return b""

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends the whole tree at once, also what left the process group."""
        if self._process is None:
            return
        self._strays.update(self._outside_the_group())
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
        for pid in self._strays:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def _outside_the_group(self) -> set[int]:
        """Descendants that called setsid or were orphaned: by ancestry, and by a variable."""
        assert self._process is not None
        orphans = [pid for pid in proc.children(os.getpid()) if proc.has_variable(pid, self._mark)]
        family = [*proc.descendants(self._process.pid), *orphans]
        return {pid for pid in family if pid != self._process.pid and _group_of(pid) != self._process.pid}

    def resident_bytes(self) -> int:
        """Memory of the process, and of its children as long as it has any (shared pages counted once)."""
        if self._process is None or self._resident is None:
            return 0
        family = proc.descendants(self._process.pid)
        if not family:
            return self._resident.read_bytes()
        self._strays.update(pid for pid in family if _group_of(pid) != self._process.pid)
        return proc.proportional_bytes([self._process.pid, *family])

    def own_resident_bytes(self) -> int:
        return self._resident.read_bytes() if self._resident else 0

    def peak_bytes(self) -> int:
        return proc.peak_resident_bytes(self._process.pid) if self._process else 0

    def remove(self) -> None:
        """Deletes the folder. The process must have ended."""
        with suppress(OSError):
            self.task.chmod(stat.S_IRWXU)
        shutil.rmtree(self.folder, ignore_errors=True)


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1

"""The operating system's side of one environment: its folder, its process group, its output, its memory.

Nobody else in the emulator starts, signals or measures a process. A sandbox outlives its process: after a crash
or a timeout the folder stays (as `/tmp` does on Lambda) and `start` runs a new process in it.

What is enforced, everywhere without privileges: own session of files (a task folder of links to the package, a
`tmp`), only the variables given, freeze and thaw of the whole process tree, open files, resident memory (watched,
see environment.py). Not enforced: the network, the file system outside the folder, the number of processes.

A runtime may have company: the executables of external extensions, in the runtime's process group, so that what
freezes, kills or outlives one does so to all. The runtime leads the group and waits, before it does anything, until
`release` (its lifeline's first byte); an extension inherits the lifeline too, so that the group stays tied to the
emulator when the runtime has ended and the extensions have not.

A process may also be forked by a template (`restore`, see template.py): then it is another's child until its parent
ends and the emulator adopts it, and waits, as with company, until the emulator knows its id.

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
from functools import partial
from pathlib import Path
from typing import Protocol

from labkit.emulator import proc
from labkit.emulator.output import READ_BYTES, Output

FAMILY_S = 0.05  # a child that grows is noticed so much later than the runtime itself
OPEN_FILES = 1024  # recorded inside a real environment
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


class Process(Protocol):
    """What a sandbox needs of subprocess.Popen."""

    @property
    def pid(self) -> int: ...
    def wait(self) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def kill(self) -> None: ...


class Adopted:
    """A process that somebody else started and whose parent we have become."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:  # it ended before anybody knew whose it was
            return -signal.SIGKILL

    def send_signal(self, sig: int, /) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forks(Protocol):
    """A template: forks a process with these variables and descriptors (output, lifeline), answers its id or None."""

    def fork(
        self, variables: Mapping[str, str], descriptors: Sequence[int], answer: Callable[[int | None], None]
    ) -> None: ...


class Sandbox:
    """See the module's docstring.

    `on_output` gets bytes as they come. `on_exit` gets the runtime's return code once, when its whole company has
    ended; `on_member_exit` hears of each that ended before the last: its name, "" for the runtime, and its code.
    """

    def __init__(
        self,
        folder: Path,
        package: Path,
        *,
        on_output: Callable[[bytes], None],
        on_exit: Callable[[int], None],
        on_member_exit: Callable[[str, int], None] = lambda name, returncode: None,
    ) -> None:
        self.folder, self.task, self.tmp = folder, folder / "task", folder / "tmp"
        self._on_exit, self._on_member_exit = on_exit, on_member_exit
        self._output = Output(on_output)
        self._loop = asyncio.get_running_loop()
        self._process: Process | None = None
        self._forking = self._condemned = False  # a fork is ordered and not answered; it has to end when it is
        self._resident: proc.Resident | None = None
        self._lifeline = self._report = -1
        self._shared = -1  # the lifeline's end that extensions get
        self._pidfds: dict[int, int] = {}
        self._extensions: dict[str, subprocess.Popen[bytes]] = {}
        self._returncode: int | None = None  # of a runtime that ended before its company
        self._family: list[int] = []  # extensions and descendants, when somebody `_looked` last
        self._looked = -FAMILY_S
        self._newest = -1  # process on the machine at that look; -1: nobody tells
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

    @property
    def pids(self) -> list[int]:
        """Of the runtime and of its extensions, as long as they run."""
        company = [process.pid for process in self._extensions.values()]
        return [self._process.pid, *company] if self._process else company

    def start(
        self, argv: Sequence[str], variables: Mapping[str, str], *, company: bool = False, passed: tuple[int, ...] = ()
    ) -> None:
        """Starts `argv LIFELINE REPORT ...`; the two descriptors replace `{lifeline}` and `{report}` in argv.

        `company`: the runtime waits for `release`, and extensions may be started meanwhile. `passed`: more descriptors.
        """
        output_end = self._output.pipe()
        lifeline_end, lifeline = os.pipe()
        report, report_end = os.pipe()
        telemetry_end = os.dup(output_end)
        ends = {"{lifeline}": f"{lifeline_end},wait" if company else str(lifeline_end), "{report}": str(report_end)}
        try:
            self._process = subprocess.Popen(
                [ends.get(word, word) for word in argv],
                cwd=self.task,
                env={**variables, "TMPDIR": str(self.tmp), "_LAMBDA_TELEMETRY_LOG_FD": str(telemetry_end)},
                stdin=subprocess.DEVNULL,
                stdout=output_end,
                stderr=output_end,
                pass_fds=(lifeline_end, report_end, telemetry_end, *passed),
                process_group=0,
            )
            if company:
                self._shared = os.dup(lifeline_end)
        except BaseException:
            self._output.close()
            for fd in (lifeline, report):
                os.close(fd)
            raise
        finally:
            for fd in (output_end, lifeline_end, report_end, telemetry_end):
                os.close(fd)
        self._lifeline, self._report = lifeline, report
        self._watch(self._process)

    def _watch(self, process: Process) -> None:
        self._returncode = None
        self._limit(process.pid)
        self._resident = proc.Resident(process.pid)
        self._newest = 0 if proc.newest() >= process.pid else -1  # in some containers it is a few seconds old
        self._watch_exit(process, self._exited)

    def restore(self, template: Forks, variables: Mapping[str, str], *, otherwise: Callable[[], None]) -> None:
        """Gets its process from a template; `otherwise` is called, later, when that cannot give one."""
        output_end = self._output.pipe()
        lifeline_end, self._lifeline = os.pipe()
        self._forking, self._condemned = True, False
        try:
            template.fork(
                {**variables, "TMPDIR": str(self.tmp)}, (output_end, lifeline_end), partial(self._forked, otherwise)
            )
        finally:
            os.close(output_end)
            os.close(lifeline_end)

    def _forked(self, otherwise: Callable[[], None], pid: int | None) -> None:
        self._forking = False
        if pid is not None:
            self._adopt(Adopted(pid))
            return
        self._close()
        if self._condemned:
            self._on_exit(-signal.SIGKILL)
        else:
            otherwise()

    def _adopt(self, process: Process) -> None:
        self._process = process
        try:
            self._watch(process)
        except OSError:  # it is gone
            self._returncode = process.wait()
            self._over()
            return
        if self._condemned:
            self.kill()
        else:
            self.release()

    def start_extension(self, path: str, variables: Mapping[str, str]) -> None:
        """Starts an executable beside the runtime that waits. Raises OSError if it cannot be run."""
        assert self._process is not None
        output_end = self._output.pipe_beside()
        try:
            process = subprocess.Popen(
                [path],
                cwd=self.task,
                env={**variables, "TMPDIR": str(self.tmp)},
                stdin=subprocess.DEVNULL,
                stdout=output_end,
                stderr=output_end,
                pass_fds=(self._shared,),
                process_group=self._process.pid,
            )
        finally:
            os.close(output_end)
        name = Path(path).name
        self._extensions[name] = process
        self._limit(process.pid)
        self._watch_exit(process, partial(self._extension_exited, name))

    def release(self) -> None:
        """Lets the runtime begin: every extension has registered."""
        self._close_shared()
        with suppress(OSError):
            os.write(self._lifeline, b"\0")

    def _close_shared(self) -> None:
        if self._shared >= 0:
            os.close(self._shared)
        self._shared = -1

    def _limit(self, pid: int) -> None:
        if hasattr(resource, "prlimit"):
            with suppress(OSError, ValueError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
                resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))

    def _watch_exit(self, process: Process, exited: Callable[[Process], None]) -> None:
        if hasattr(os, "pidfd_open"):
            pidfd = self._pidfds[process.pid] = os.pidfd_open(process.pid)
            self._loop.add_reader(pidfd, exited, process)
            return

        def wait() -> None:
            process.wait()
            with suppress(RuntimeError):  # the loop may be closed by now
                self._loop.call_soon_threadsafe(exited, process)

        threading.Thread(target=wait, daemon=True).start()

    def _forget_pidfd(self, pid: int) -> None:
        pidfd = self._pidfds.pop(pid, None)
        if pidfd is not None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)

    def _exited(self, process: Process) -> None:
        if self._process is not process or self._returncode is not None:
            return
        self._returncode = process.wait()
        self._forget_pidfd(process.pid)
        if self._extensions:
            self.drain()
            self._on_member_exit("", self._returncode)
        else:
            self._over()

    def _extension_exited(self, name: str, process: Process) -> None:
        if self._extensions.get(name) is not process:
            return
        returncode = process.wait()
        self._forget_pidfd(process.pid)
        self.drain()
        del self._extensions[name]
        if self._returncode is None or self._extensions:
            self._on_member_exit(name, returncode)
        else:
            self._over()

    def _over(self) -> None:
        """The last of the company has ended."""
        assert self._returncode is not None
        self.kill()
        self.drain()
        self._close()
        self._process, returncode = None, self._returncode
        self._on_exit(returncode)

    def _close(self) -> None:
        self._output.close()
        self._close_shared()
        for fd in (self._lifeline, self._report):
            if fd >= 0:
                os.close(fd)
        self._lifeline = self._report = -1
        if self._resident:
            self._resident.close()
            self._resident = None
        self._strays.clear()
        self._family, self._looked = [], -FAMILY_S

    def drain(self) -> None:
        """Reads what the processes have written up to now."""
        self._output.drain()

    def read_report(self) -> bytes:
        """What the bootstrap measured, complete by the time it asks for its first event; b"" if nothing came."""
        if self._report < 0:  # a forked one had its init elsewhere
            return b""
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
        self._condemned = self._forking
        if self._process is None:
            return
        self._strays.update(self._outside_the_group())
        self._signal(signal.SIGKILL)

    @property
    def runtime_alive(self) -> bool:
        return self._process is not None and self._returncode is None

    def terminate_runtime(self) -> None:
        """Asks the runtime alone to end."""
        if self._process is not None and self._returncode is None:
            _signal_main_thread(self._process, signal.SIGTERM)

    def kill_members(self, spared: Iterable[str]) -> None:
        """Ends the runtime and all extensions but these."""
        condemned: list[Process] = [process for name, process in self._extensions.items() if name not in set(spared)]
        if self._process is not None and self._returncode is None:
            condemned.append(self._process)
        for process in condemned:
            process.kill()

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
        self._look_for_family(self._process.pid)
        if not self._family:
            return self._resident.read_bytes()
        return proc.proportional_bytes([self._process.pid, *self._family])

    def _look_for_family(self, runtime: int) -> None:
        """Finds out who belongs to the runtime: dear, and so not at each look at its memory."""
        now = self._loop.time()
        if now - self._looked < FAMILY_S:
            return
        self._looked = now
        if self._newest >= 0 and not self._family:
            before, self._newest = self._newest, proc.newest()
            if self._newest == before:
                return
        pids = self.pids
        self._family = [pid for pid in pids if pid != runtime] + [d for pid in pids for d in proc.descendants(pid)]
        self._strays.update(pid for pid in self._family if _group_of(pid) != runtime)

    def own_resident_bytes(self) -> int:
        return self._resident.read_bytes() if self._resident else 0

    def peak_bytes(self) -> int:
        return self._resident.peak_bytes() if self._resident else 0

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


def _signal_main_thread(process: Process, number: int) -> None:
    """Python's signal handlers run in the main thread, which does not wake for a signal that another thread took.

    A signal to the whole process may go to another one: a main thread that was just thawed has one pending already.
    """
    tgkill = getattr(ctypes.CDLL(None), "tgkill", None)
    if tgkill is None:
        process.send_signal(number)
    else:
        tgkill(process.pid, process.pid, number)

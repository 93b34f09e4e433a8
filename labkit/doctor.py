"""What this machine can do: each ability is really tried, on a short-lived child, and becomes one `Finding`.

`missing` is essential: lessons cannot run without it. `limited` means that labkit runs and something is less exact,
slower or absent; the finding says what. Nothing is changed on the machine, and no child outlives its examination.
"""

from __future__ import annotations

import fcntl
import getpass
import itertools
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

import psutil

from labkit import __version__, confinement
from labkit.errors import NoScratchFolder
from labkit.neighbours import owner_of
from labkit.settings import Settings

OLDEST_PYTHON = (3, 11)
ESSENTIAL = (
    "ipython", "ipykernel", "nbclient", "nbformat", "jupytext", "matplotlib", "rich", "pyflakes", "boto3", "requests",
    "httptools", "uvloop", "starlette", "psutil", "moto", "flask", "httpcore", "numpy", "scikit-learn",
)  # fmt: skip
OPTIONAL = {"ipywidgets": "The explorers in lessons show their first state only."}
RUNTIME_CLIENTS = ("auto", "awslambdaric", "fallback")
OPEN_TO_ALL = "calls are signed, but what has the authorization NONE is open to every user of this machine, as on AWS"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ENOUGH_BYTES = 500_000_000
OPEN_FILES = 256
LANDLOCK_NETWORK = 4
TRIAL_S = 5.0
POLL_S = 0.005
ORPHANAGES = ("systemd", "init", "launchd", "tini", "dumb-init")
"""Who becomes the parent of a process whose own parent is gone, besides process 1."""


class Verdict(StrEnum):
    OK = "ok"
    LIMITED = "limited"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One ability of this machine; `advice` is empty where there is nothing to do."""

    topic: str
    verdict: Verdict
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A running process, as far as telling a stale one from a busy one needs it."""

    pid: int
    command: tuple[str, ...]
    parent_pid: int
    parent_name: str = ""


def examine(settings: Settings | None = None) -> list[Finding]:
    """Tries everything, in a second or two; the order is the order to read it in."""
    settings = settings or Settings()
    return [
        python(sys.version_info[:3]),
        *packages(),
        runtime_client(settings.runtime_client),
        *abilities(),
        network_rules(namespace_obstacle(settings), kernel=kernel_rules_network()),
        scratch(settings.scratch_folder()),
        port(),
        leftovers(running()),
        jupyterlab(),
        *hub(settings.proxy_prefix),
        other_users(settings.users),
        chromium(),
    ]


def complete(findings: Iterable[Finding]) -> bool:
    """Whether nothing essential is missing."""
    return all(finding.verdict is not Verdict.MISSING for finding in findings)


def _finding(topic: str, works: bool, *, yes: str, no: str, advice: str, without: Verdict) -> Finding:
    return Finding(topic, Verdict.OK, yes) if works else Finding(topic, without, no, advice)


# --- what is installed --------------------------------------------------------------------------------------


def python(version: tuple[int, ...]) -> Finding:
    found = ".".join(map(str, version))
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return _finding(
        "Python",
        version >= OLDEST_PYTHON,
        yes=f"{found}, labkit {__version__}",
        no=f"{found}, but labkit {__version__} needs {oldest}",
        advice=f"Make a new environment with Python {oldest} or later.",
        without=Verdict.MISSING,
    )


def packages(installed: Callable[[str], str | None] | None = None) -> list[Finding]:
    """One finding for all that is there, and one for each package that is not."""
    versions = {name: (installed or _version)(name) for name in (*ESSENTIAL, *OPTIONAL)}
    present = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    absent = [name for name, version in versions.items() if not version]
    return [Finding("packages", Verdict.OK, present), *map(_absent, absent)]


def _absent(name: str) -> Finding:
    verdict = Verdict.LIMITED if name in OPTIONAL else Verdict.MISSING
    advice = f"{OPTIONAL.get(name, '')} {_pip(name)}".strip()
    return Finding(f"package {name}", verdict, "not installed", advice)


def runtime_client(wanted: str, installed: Callable[[str], str | None] | None = None) -> Finding:
    """Who would drive a handler: AWS's own client, or labkit's."""
    version = (installed or _version)("awslambdaric")
    if wanted not in RUNTIME_CLIENTS:
        known = ", ".join(RUNTIME_CLIENTS)
        return Finding("runtime client", Verdict.MISSING, f"LABKIT_RUNTIME_CLIENT={wanted}", f"Choose one of: {known}.")
    if wanted == "fallback":
        return Finding("runtime client", Verdict.LIMITED, "labkit's own, as LABKIT_RUNTIME_CLIENT says")
    return _finding(
        "runtime client",
        version is not None,
        yes=f"awslambdaric {version}, AWS's own",
        no="labkit's own; awslambdaric is not installed",
        advice=_pip("awslambdaric") if sys.platform == "linux" else "AWS publishes its client for Linux only.",
        without=Verdict.MISSING if wanted == "awslambdaric" else Verdict.LIMITED,
    )


def jupyterlab(installed: Callable[[str], str | None] | None = None) -> Finding:
    version = (installed or _version)("jupyterlab")
    return _finding(
        "JupyterLab",
        version is not None,
        yes=f"{version}: `labkit lab` opens the lessons",
        no="not installed; other notebook programs work as well",
        advice=_pip("jupyterlab"),
        without=Verdict.LIMITED,
    )


def hub(prefix: str, installed: Callable[[str], str | None] | None = None) -> list[Finding]:
    """On a hub: how a browser reaches function URLs and APIs. Elsewhere there is nothing to say."""
    if not prefix:
        return []
    version = (installed or _version)("jupyter-server-proxy")
    found = _finding(
        "hub",
        version is not None,
        yes=f"a browser reaches function URLs and APIs at {prefix}proxy/PORT/, by jupyter-server-proxy {version}",
        no=f"links go to {prefix}proxy/PORT/, but jupyter-server-proxy is not installed in this environment",
        advice=f"They work if the server's environment has it. {_pip('jupyter-server-proxy')}",
        without=Verdict.LIMITED,
    )
    return [found]


def other_users(users: str = "mine", owner: Callable[..., int | None] = owner_of) -> Finding:
    """Whether the system tells whose connections are: else other users of the machine reach a lab's open addresses."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as made:
        told = owner(made.getsockname(), made.getpeername()) is not None
    return _finding(
        "other users",
        told and users == "mine",
        yes="their connections are refused, by the front door and by every Runtime API",
        no=OPEN_TO_ALL if told else f"this system does not tell whose connections are; {OPEN_TO_ALL}",
        advice='With function_url(..., auth="AWS_IAM") only who has this lab\'s credentials may call a function.',
        without=Verdict.LIMITED,
    )


def chromium(find: Callable[[str], str | None] = shutil.which) -> Finding:
    path = next(filter(None, map(find, CHROMIUMS)), None)
    return _finding(
        "Chromium",
        path is not None,
        yes=str(path),
        no="not found",
        advice="Only labkit's own browser tests need it.",
        without=Verdict.LIMITED,
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _pip(name: str) -> str:
    return f"Run: {sys.executable} -m pip install {name}"


# --- what the emulator says of itself ------------------------------------------------------------------------


def not_enforced(limits: Sequence[str]) -> Finding:
    """What Lambda enforces and environments on this machine may do nevertheless."""
    return _finding(
        "sandbox",
        not limits,
        yes="everything that Lambda enforces",
        no=f"not enforced here: {', '.join(limits)}",
        advice="Run only handlers that you trust.",
        without=Verdict.LIMITED,
    )


def api(served: Sequence[str], missing: Sequence[str]) -> Finding:
    """How much of the Lambda API is answered, by the names of operations."""
    every = f"{len(served)} of {len(served) + len(missing)} operations"
    return _finding(
        "Lambda API",
        not missing,
        yes=every,
        no=every,
        advice=f"Answered with 501: {', '.join(sorted(missing))}.",
        without=Verdict.LIMITED,
    )


# --- what the operating system lets us do, tried on a child --------------------------------------------------


def abilities() -> list[Finding]:
    """Freezing, watching, limiting and ending a process that stands for an environment."""
    with _child("import sys; sys.stdin.read()") as child:
        findings = [freezing(child), memory_watching(child.pid), exit_watching(child.pid), limiting(child.pid)]
    return [*findings, lifeline()]


def freezing(child: subprocess.Popen[bytes]) -> Finding:
    """Stops a child and continues it, as an environment is between two invocations."""
    with suppress(OSError):  # a machine may forbid it
        child.send_signal(signal.SIGSTOP)
    stopped = _within(TRIAL_S, lambda: _changed(child, os.WUNTRACED, os.WIFSTOPPED))
    with suppress(OSError):
        child.send_signal(signal.SIGCONT)
    continued = stopped and _within(TRIAL_S, lambda: _changed(child, os.WCONTINUED, os.WIFCONTINUED))
    return _finding(
        "freezing",
        continued,
        yes="a child process was stopped and continued",
        no="a stopped child did not continue" if stopped else "a child process did not stop",
        advice="Environments run on between two invocations: what a lesson says about background work will not show.",
        without=Verdict.LIMITED,
    )


def _changed(child: subprocess.Popen[bytes], wanted: int, claim: Callable[[int], bool]) -> bool:
    try:
        pid, status = os.waitpid(child.pid, wanted | os.WNOHANG)
    except ChildProcessError:
        return False
    return pid == child.pid and claim(status)


def memory_watching(pid: int) -> Finding:
    """Whether resident memory can be read quickly, from /proc."""
    try:
        readable = len(Path(f"/proc/{pid}/statm").read_bytes().split()) > 1
        exact = readable and b"Pss:" in Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except OSError:
        readable = exact = Path(f"/proc/{pid}/statm").exists()
    return _finding(
        "memory watching",
        exact,
        yes="/proc tells a process's memory in microseconds, shared pages counted once",
        no="/proc tells resident memory, but not who shares it" if readable else "there is no /proc",
        advice="Reported memory is less exact, and a function over its limit is stopped a little later.",
        without=Verdict.LIMITED,
    )


def exit_watching(pid: int) -> Finding:
    with suppress(AttributeError, OSError):
        os.close(os.pidfd_open(pid))
        return Finding("exit watching", Verdict.OK, "pidfd: the end of a process is an event")
    return Finding(
        "exit watching",
        Verdict.LIMITED,
        "no pidfd: a thread per environment waits for its end",
        "Nothing to do; labkit needs a little more memory.",
    )


def limiting(pid: int) -> Finding:
    """Lowers a running child's limit of open files and reads it back."""
    with suppress(AttributeError, OSError, ValueError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (OPEN_FILES, hard))
        if resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] == OPEN_FILES:
            return Finding("limits", Verdict.OK, "open files of a running child can be limited (prlimit)")
    return Finding(
        "limits",
        Verdict.LIMITED,
        "prlimit does not work on a child",
        "A handler may open more files here than on AWS, which allows 1,024.",
    )


LANDLOCK = """
import ctypes
call = ctypes.CDLL(None).syscall
print(call(444, None, ctypes.c_size_t(0), 1))
"""


def kernel_rules_network() -> bool:
    """Whether Linux has Landlock with rules for TCP, version 4 or later of its interface, and lets us use it."""
    if sys.platform != "linux":
        return False
    with _child(LANDLOCK) as child:
        assert child.stdout is not None
        said = child.stdout.read().strip()
    return said.isdigit() and int(said) >= LANDLOCK_NETWORK


def namespace_obstacle(settings: Settings) -> str:
    """Why no function in a VPC is put into a network namespace; "" if all without extensions are."""
    if settings.network_rules == "hook":
        return "LABKIT_NETWORK_RULES=hook"
    return confinement.obstacle()


def network_rules(obstacle: str, *, kernel: bool) -> Finding:
    """How far a function in a VPC is held to its security groups (runtime/network.py); `kernel`: by Landlock, too."""
    landlock = "Landlock (TCP ports)" if kernel else "nothing else: the kernel has no Landlock with network rules"
    return _finding(
        "network rules",
        not obstacle,
        yes="VpcConfig: enforced in a network namespace (with extensions: by an audit hook in Python)",
        no=f"VpcConfig: enforced by an audit hook in Python and {landlock}; no network namespace: {obstacle}",
        advice="Libraries in C and programs that a handler starts may connect where its security groups forbid it.",
        without=Verdict.LIMITED,
    )


LIFELINE = """
import fcntl, os, signal, sys
fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
print("ready", flush=True)
signal.pause()
"""


def lifeline() -> Finding:
    """Closes a pipe that a child holds and sees whether the kernel ends the child for it."""
    died = False
    if hasattr(os, "O_ASYNC") and hasattr(fcntl, "F_SETSIG"):
        with _child(LIFELINE) as child:
            assert child.stdout is not None
            assert child.stdin is not None
            child.stdout.readline()
            child.stdin.close()
            died = _within(TRIAL_S, lambda: child.poll() == -signal.SIGKILL)
    return _finding(
        "lifeline",
        died,
        yes="the kernel ends a child as soon as a pipe of its parent's closes (O_ASYNC, F_SETSIG)",
        no="a closed pipe does not end a child; a thread in each environment watches it instead",
        advice="After a crash of the emulator a busy or frozen environment may stay; `labkit doctor` finds it.",
        without=Verdict.LIMITED,
    )


@contextmanager
def _child(code: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-I", "-S", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        try:
            yield child
        finally:
            child.kill()


def _within(seconds: float, claim: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


# --- places and leftovers -----------------------------------------------------------------------------------


def scratch(folder: Path) -> Finding:
    """Writes a file where environments will live, and looks how much room there is."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as trial:
            trial.write(b"labkit")
        free = shutil.disk_usage(place).free
    except OSError as problem:
        said = NoScratchFolder(str(place), problem.strerror or str(problem))
        return Finding("scratch folder", Verdict.MISSING, said.message, said.advice)
    return _finding(
        "scratch folder",
        free >= ENOUGH_BYTES,
        yes=f"{folder}, {free / 1e9:,.1f} GB free",
        no=f"{folder}, only {free / 1e6:,.0f} MB free",
        advice="Free some space, or set LABKIT_SCRATCH to a folder with more.",
        without=Verdict.LIMITED,
    )


def port() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            number = server.getsockname()[1]
    except OSError as problem:
        advice = "labkit talks to itself over 127.0.0.1: allow that in this machine's firewall or sandbox."
        return Finding("loopback", Verdict.MISSING, f"cannot listen on 127.0.0.1: {problem}", advice)
    return Finding("loopback", Verdict.OK, f"a port is free on 127.0.0.1 ({number}, for one)")


def leftovers(processes: Iterable[Seen]) -> Finding:
    stale = [seen.pid for seen in processes if is_stale(seen)]
    pids = " ".join(map(str, sorted(stale)))
    return _finding(
        "leftovers",
        not stale,
        yes="no process of an earlier session",
        no=f"processes of an earlier session that nobody waits for: {pids}",
        advice=f"End them with: kill {pids}",
        without=Verdict.LIMITED,
    )


def is_stale(seen: Seen) -> bool:
    """A process of labkit's whose parent is gone, so that somebody who adopts orphans has it now."""
    return is_labkits(seen.command) and (seen.parent_pid <= 1 or seen.parent_name in ORPHANAGES)


def is_labkits(command: Sequence[str]) -> bool:
    """Whether a command line starts an emulator, or the inside of an environment."""
    starts_emulator = any(pair == ("-m", "labkit.emulator") for pair in itertools.pairwise(command))
    return starts_emulator or any(Path(part).parts[-3:] == ("labkit", "runtime", "bootstrap.py") for part in command)


def running() -> Iterator[Seen]:
    """This user's processes."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.username() == getpass.getuser():
                yield Seen(process.pid, tuple(process.cmdline()), process.ppid(), _parent_name(process))


def _parent_name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        parent = process.parent()
        return parent.name() if parent else ""
    return ""

"""The peers: other ways to run the same handlers behind HTTP on this machine, started for one comparison.

FastAPI + uvicorn runs the handler in the server's own process: no isolation, so the nearest thing to a floor.
functions-framework is Google's own server, with gunicorn as its command line starts it: one process per function.
serverless-offline keeps one Python process per environment beside a Node server. It is called at the address that it
has for AWS's SDKs, with labkit's own path and body; its other door would add API Gateway's event and response.

A peer that cannot be had here is `Absent`, with the reason; the others are measured without it.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from npm import SERVERLESS_OFFLINE, Absent, installed
from stage import EVENTS, FUNCTIONS, HERE, TIMEOUT_S, Line, Stage, alive, last_words, running, wait_until

from labkit.emulator.proc import children, descendants


@dataclass(frozen=True, slots=True)
class Peer:
    """`key` is its part of a row's key, `words` its name in the table."""

    key: str
    words: str
    line: Callable[[str], Line]


def enter(stack: ExitStack, stage: Stage, names: Sequence[str], *, npm: bool) -> list[Peer]:
    """All peers that are here, until the stack ends; the stage's notes say which are not."""
    found = [stack.enter_context(fastapi(stage.folder, names, workers=1))]
    for peer in (functions_framework, *([serverless_offline] if npm else [])):
        try:
            found.append(stack.enter_context(peer(stage.folder, names)))
        except Absent as absent:
            stage.notes.append(f"not measured: {absent}")
    return found


@contextmanager
def fastapi(folder: Path, names: Sequence[str], *, workers: int) -> Iterator[Peer]:
    with running(str(HERE / "peer.py"), str(workers), *names, folder=folder) as (_, address):
        words = "FastAPI + uvicorn" + (f", {workers} workers" if workers > 1 else "")
        yield Peer("fastapi", words, lambda name: Line(address, f"/{name}", EVENTS[name]))


@contextmanager
def functions_framework(folder: Path, names: Sequence[str]) -> Iterator[Peer]:
    """Raises Absent if it is not installed."""
    if find_spec("functions_framework") is None:
        raise Absent("functions-framework: not installed (pip install 'labkit[gcp]')")
    with ExitStack() as stack:
        ports = {}
        for name in names:
            ports[name] = free_port()
            command = [sys.executable, str(HERE / "peer_functions.py"), str(ports[name]), name]
            stack.enter_context(serving("functions-framework", command, ports[name], folder=folder, variables={}))
        yield Peer("functions", "functions-framework", lambda name: Line(address(ports[name]), "/", EVENTS[name]))


# --- serverless-offline ---------------------------------------------------------------------------------------

CONFIGURATION = """\
service: bench
frameworkVersion: "3"
provider: {{name: aws, runtime: python3.11}}
plugins: [serverless-offline]
functions:
{functions}
"""
FUNCTION = "  {name}: {{name: {name}, handler: {name}.handler, timeout: {timeout}}}"
WITH_PARENT = "data:text/javascript,process.stdin.resume().on('end', () => process.exit())"
QUIET = {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off"}


@contextmanager
def serverless_offline(folder: Path, names: Sequence[str]) -> Iterator[Peer]:
    """Raises Absent if it is neither installed nor can be."""
    project = installed()
    modules = project / "node_modules"
    fill_project(folder, modules, names)
    port = free_port()
    command = [
        "node", f"--import={WITH_PARENT}", str(modules / "serverless/bin/serverless.js"), "offline", "start",
        "--host", "127.0.0.1", "--lambdaPort", str(port), "--httpPort", str(free_port()),
    ]  # fmt: skip
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    variables = {**QUIET, "HOME": str(folder), "PATH": path}
    with serving("serverless-offline", command, port, folder=folder, variables=variables) as process:
        try:
            yield Peer(
                "serverless", f"serverless-offline {SERVERLESS_OFFLINE.partition('.')[0]}",
                lambda name: Line(address(port), f"{FUNCTIONS}{name}/invocations", EVENTS[name]),
            )  # fmt: skip
        finally:
            end_handlers(process.pid)


def fill_project(folder: Path, modules: Path, names: Sequence[str]) -> None:
    """The handlers' folder as a project of Serverless's, whose `python3` is this interpreter."""
    functions = "\n".join(FUNCTION.format(name=name, timeout=TIMEOUT_S) for name in names)
    (folder / "serverless.yml").write_text(CONFIGURATION.format(functions=functions))
    (folder / "node_modules").symlink_to(modules)
    (folder / "bin").mkdir()
    python = folder / "bin" / "python3"
    # no link: a virtual environment is found by where its interpreter was called
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)


def end_handlers(pid: int) -> None:
    """While Node still runs, which waits for them: else nobody would, and their time would count as a neighbour's."""
    for child in descendants(pid):
        if not children(child):  # the shells between end with them
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
    with suppress(RuntimeError):
        wait_until(lambda: not children(pid), "serverless-offline's handlers have ended")


# --- ports ----------------------------------------------------------------------------------------------------


@contextmanager
def serving(
    name: str, command: Sequence[str], port: int, *, folder: Path, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that accepts connections there. Raises Absent, with its last words, if it does not come to that."""
    with (
        tempfile.TemporaryFile() as log,
        alive(command, folder=folder, variables=variables, stdout=log, log=log) as process,
    ):
        with suppress(RuntimeError):
            wait_until(lambda: process.poll() is not None or listening(port), "it accepts connections")
        if not listening(port):
            raise Absent(f"{name} did not start; it said: {last_words(log) or 'nothing'}")
        yield process


def listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def address(port: int) -> str:
    return f"http://127.0.0.1:{port}"

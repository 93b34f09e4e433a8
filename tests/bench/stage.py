"""What is measured: handlers in a folder, a lab that has them, processes that end with us, and calls.

A temporary folder holds the handlers' modules, their pickles and byte code. The lab gets them by `Lab.deploy`; the
peers and the floors run them from the folder. All of them run this interpreter, and numpy's libraries use one thread
everywhere, as in a labkit environment. Every process started here ends when its standard input closes, so nothing
outlives this one, however it ends.
"""

from __future__ import annotations

import compileall
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

import labkit
from labkit import Lab
from labkit.emulator.proc import proportional_bytes
from labkit.model import Phase
from labkit.settings import Settings

HERE = Path(__file__).resolve().parent
HANDLERS = HERE / "handlers"
ROW = {"row": [0.5, -1.0, 0.25, 2.0, 0.0, 1.5, -0.75, 1.0]}
EVENTS: dict[str, dict[str, object]] = {
    "echo": {"name": "Ada", "values": [1, 2, 3]},
    "numpy_price": ROW,
    "sklearn_price": ROW,
}
INCLUDED = {"echo": (), "numpy_price": ("coefficients.pickle",), "sklearn_price": ("model.pickle",)}
MEMORY_MB = 1024
TIMEOUT_S = 60
STOP_S = 10.0
WAIT_S = 60.0
POLL_S = 0.01
SETTLE_S = 0.03
LAST_WORDS = 2000
MIB = 1024 * 1024
WAITING = "import sys; print('ready', flush=True); sys.stdin.read()"
FUNCTIONS = "/2015-03-31/functions/"
SERVE = ("-m", "labkit.cli", "serve", "--port", "0", "--parent-pipe", "--unsigned")
GATED_NAME = "_gated"
GATED = """

import os
import time

ungated = handler


def handler(event, context):
    # held until the caller has seen that every call has an environment of its own
    while "gate" in event and not os.path.exists(event["gate"]):
        time.sleep(0.005)
    return ungated(event, context)
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """The running lab, the folder of the handlers, and what a reader must know of what was not measured."""

    lab: Lab
    folder: Path
    notes: list[str] = field(default_factory=list)


@contextmanager
def stage(*, light: bool = False) -> Iterator[Stage]:
    """Builds the folder, starts the lab, and ends all of it. Light, the sklearn handler is numpy's, which loads fast."""
    prepare_interpreter()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labkit-bench-")))
        fill(folder, light=light)
        lab = stack.enter_context(own_lab())
        deploy(lab, folder)
        yield Stage(lab, folder)


def own_lab(**settings: Any) -> Lab:
    """A new lab, wherever the notebooks of this machine are attached to."""
    return Lab(settings=replace(Settings.from_environment(os.environ), endpoint="", **settings))


def prepare_interpreter() -> None:
    """Byte code for labkit, as an installation has; one thread for numpy's libraries."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    compileall.compile_dir(Path(labkit.__file__).parent, quiet=2)


def fill(folder: Path, *, light: bool) -> None:
    for source in sorted(HANDLERS.glob("*.py")):
        shutil.copy(source, folder)
    subprocess.run([sys.executable, "train.py"], cwd=folder, check=True)
    if light:
        numpy = (folder / "numpy_price.py").read_text()
        (folder / "sklearn_price.py").write_text(numpy.replace("coefficients.pickle", "model.pickle"))
        shutil.copy(folder / "coefficients.pickle", folder / "model.pickle")
    compileall.compile_dir(folder, quiet=2)


def deploy(lab: Lab, folder: Path, names: Sequence[str] = tuple(INCLUDED)) -> None:
    for name in names:
        deploy_source(lab, folder, name, name, (folder / f"{name}.py").read_text())


def deploy_source(lab: Lab, folder: Path, handler: str, name: str, source: str) -> None:
    include = INCLUDED[handler]
    lab.deploy(name, source, include=include, folder=folder, memory_mb=MEMORY_MB, timeout_s=TIMEOUT_S)


def deploy_gated(lab: Lab, folder: Path, handler: str) -> str:
    """The handler in a form that `at_once` can hold; returns the function's name."""
    name = handler + GATED_NAME
    deploy_source(lab, folder, handler, name, (folder / f"{handler}.py").read_text() + GATED)
    return name


def event_of(function: str) -> dict[str, object]:
    return EVENTS[function.removesuffix(GATED_NAME)]


# --- processes ----------------------------------------------------------------------------------------------


@contextmanager
def alive(
    command: Sequence[str],
    *,
    folder: Path | None,
    variables: Mapping[str, str],
    stdout: int | IO[bytes],
    log: IO[bytes],
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is asked to end by the end of its standard input, and made to if it does not.

    In a session of its own, as a lab's emulator is: Linux shares the processor among sessions (autogroup), so on a busy
    machine the forms would else not have the same part of it.
    """
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **variables}, stdin=subprocess.PIPE, stdout=stdout, stderr=log,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def running(*arguments: str, folder: Path | None = None) -> Iterator[tuple[int, str]]:
    """A process of this interpreter that has printed its first line: (pid, line)."""
    with (
        tempfile.TemporaryFile() as log,
        alive([sys.executable, *arguments], folder=folder, variables={}, stdout=subprocess.PIPE, log=log) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline().decode().strip()
        if not line:
            raise RuntimeError(f"{' '.join(arguments)[:80]} ended before it printed anything: {last_words(log)}")
        yield process.pid, line


def resident_mib(*pids: int) -> float:
    """The proportional set size: a page that k processes share counts 1/k."""
    return proportional_bytes(list(pids)) / MIB


def last_words(log: IO[bytes]) -> str:
    log.seek(max(0, log.seek(0, os.SEEK_END) - LAST_WORDS))
    return log.read().decode("utf-8", "replace").strip()


def whole_process_s(code: str, *, folder: Path | None = None) -> float:
    """From the start of `python -c` until it is gone. Raises CalledProcessError if it fails."""
    time.sleep(SETTLE_S)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=folder, stdin=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def printed_by(code: str, *, folder: Path | None = None) -> str:
    """What `python -c` prints."""
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True
    )
    return answer.stdout.decode()


# --- calls --------------------------------------------------------------------------------------------------


class Line:
    """One keep-alive connection that posts the same event again and again.

    It is signed once for each connection and each flood: a signature is good for five minutes.
    """

    def __init__(self, address: str, path: str, event: object, *, keys: Mapping[str, str] | None = None) -> None:
        self._address = address
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT_S)
        self._path, self._body = path, json.dumps(event).encode()
        self._keys = keys
        self._headers = self._signed()

    def _signed(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if not self._keys:
            return headers
        request = AWSRequest("POST", self._address + self._path, headers=headers, data=self._body)
        credentials = Credentials(self._keys["aws_access_key_id"], self._keys["aws_secret_access_key"])
        SigV4Auth(credentials, "lambda", self._keys["region_name"]).add_auth(request)
        return dict(request.headers)

    def flood(self, connections: int, seconds: float) -> float:
        """Requests per second over so many connections. Raises RuntimeError if one was not answered with 200."""
        return max(self._flooded(connections, "--seconds", str(seconds)), 1) / seconds

    def send(self, connections: int, count: int) -> None:
        """At least so many requests over so many connections. Raises RuntimeError as `flood` does."""
        self._flooded(connections, "--count", str(count))

    def _flooded(self, connections: int, *until: str) -> int:
        port = self._address.rpartition(":")[2]
        fields = {"Host": urlsplit(self._address).netloc, "Content-Length": str(len(self._body)), **self._signed()}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        request = f"POST {self._path} HTTP/1.1\r\n{head}\r\n".encode() + self._body
        answer = subprocess.run(
            [sys.executable, str(HERE / "flood.py"), port, str(connections), *until],
            input=request, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        count, failed = map(int, answer.stdout.split())
        if failed:
            raise RuntimeError(f"{self._path}: {failed} of {count} requests were not answered with 200")
        return count

    def call(self) -> bytes:
        if self._connection.sock is None:
            self._headers = self._signed()
        self._connection.request("POST", self._path, self._body, self._headers)
        with self._connection.getresponse() as answer:
            body = answer.read()
            failed = answer.status != 200 or answer.getheader("X-Amz-Function-Error")
        if failed:
            raise RuntimeError(f"POST {self._path} answered {answer.status}: {body[:300]!r}")
        return body

    def close(self) -> None:
        self._connection.close()


def invocation_line(lab: Lab, name: str) -> Line:
    """Lambda's Invoke over plain HTTP."""
    return Line(lab.endpoint, f"{FUNCTIONS}{name}/invocations", event_of(name), keys=lab.connection)


def agree(name: str, calls: Sequence[Callable[[], bytes]]) -> None:
    """Raises RuntimeError unless all ways to call a handler give the same answer."""
    answers = [json.loads(call()) for call in calls]
    if any(answer != answers[0] for answer in answers):
        raise RuntimeError(f"{name}: the answers differ: {answers}")


def environments(lab: Lab, name: str) -> list[int]:
    """Process ids of a function's environments."""
    return [e["pid"] for e in lab.status()["environments"] if e["function"] == name]


def recycle(lab: Lab, name: str) -> None:
    """Ends a function's environments and waits until they are gone and the machine is quiet again."""
    lab._page(f"functions/{name}/recycle", method="POST")
    wait_until(lambda: not environments(lab, name), f"{name}: no environment is left after it was recycled")
    time.sleep(SETTLE_S)


def wait_until(true: Callable[[], bool], claim: str) -> None:
    """Raises RuntimeError if it does not become true."""
    deadline = time.monotonic() + WAIT_S
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not after {WAIT_S:.0f} s: {claim}")
        time.sleep(POLL_S)


# --- many environments of one function ----------------------------------------------------------------------


def wide_client(lab: Lab, connections: int) -> Any:
    """A boto3 client that can call so often at once."""
    return boto3.client("lambda", **lab.connection, config=Config(max_pool_connections=connections))


def at_once(lab: Lab, client: Any, name: str, *, folder: Path, count: int, qualifier: str = "$LATEST") -> None:
    """So many calls of a gated function, none of which ends before each has an environment of its own."""
    gate = folder / f"gate-{uuid.uuid4().hex}"
    payload = json.dumps({**event_of(name), "gate": str(gate)}).encode()

    def call(_: int) -> None:
        answer = client.invoke(FunctionName=name, Qualifier=qualifier, Payload=payload)
        body = answer["Payload"].read()
        if "FunctionError" in answer:
            raise RuntimeError(f"{name}: {body[:300]!r}")

    with ThreadPoolExecutor(count) as pool:
        calls = [pool.submit(call, i) for i in range(count)]
        try:
            wait_until(lambda: busy(lab, name) == count, f"{name}: {count} calls at once have environments")
        finally:
            gate.touch()
        for each in calls:
            each.result()
    gate.unlink()


def busy(lab: Lab, name: str) -> int:
    """Environments of the function that run a call."""
    phases = [e["phase"] for e in lab.status()["environments"] if e["function"] == name]
    return phases.count(Phase.INVOKE.value)

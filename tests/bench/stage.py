"""What is measured and what it is measured against, started and ended together.

A temporary folder holds the handlers' modules, their pickles and byte code. The lab gets them by `Lab.deploy`; the
peer and the floors run them from the folder. All of them run this interpreter, and numpy's libraries use one thread
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import labkit
from labkit import Lab
from labkit.settings import Settings

HERE = Path(__file__).resolve().parent
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
WAIT_S = 30.0
POLL_S = 0.01
SETTLE_S = 0.03


@dataclass(frozen=True, slots=True)
class Stage:
    """The running lab, the peers' addresses and the folder of the handlers."""

    lab: Lab
    peer: str
    peers: str  # the same with two workers
    folder: Path


@contextmanager
def stage() -> Iterator[Stage]:
    """Builds the folder, starts the lab and the peer, and ends all of it."""
    prepare_interpreter()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labkit-bench-")))
        fill(folder)
        # a lab of our own, wherever the notebooks of this machine are attached to
        lab = stack.enter_context(Lab(settings=replace(Settings.from_environment(os.environ), endpoint="")))
        deploy(lab, folder)
        _, peer = stack.enter_context(running(str(HERE / "peer.py"), "1", "echo", "sklearn_price", folder=folder))
        _, peers = stack.enter_context(running(str(HERE / "peer.py"), "2", "echo", folder=folder))
        yield Stage(lab, peer, peers, folder)


def prepare_interpreter() -> None:
    """Byte code for labkit, as an installation has; one thread for numpy's libraries."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    compileall.compile_dir(Path(labkit.__file__).parent, quiet=2)


def fill(folder: Path) -> None:
    for source in sorted((HERE / "handlers").glob("*.py")):
        shutil.copy(source, folder)
    subprocess.run([sys.executable, "train.py"], cwd=folder, check=True)
    compileall.compile_dir(folder, quiet=2)


def deploy(lab: Lab, folder: Path) -> None:
    for name, include in INCLUDED.items():
        source = (folder / f"{name}.py").read_text()
        lab.deploy(name, source, include=include, folder=folder, memory_mb=MEMORY_MB, timeout_s=TIMEOUT_S)


# --- processes ----------------------------------------------------------------------------------------------


@contextmanager
def running(*arguments: str, folder: Path | None = None) -> Iterator[tuple[int, str]]:
    """A process of this interpreter that has printed its first line: (pid, line). It ends with its standard input."""
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"{' '.join(arguments)[:80]} ended before it printed anything")
        yield process.pid, line
    finally:
        process.stdin.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


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
    """One keep-alive connection that posts the same event again and again, signed once (good for five minutes)."""

    def __init__(self, address: str, path: str, event: object, *, keys: Mapping[str, str] | None = None) -> None:
        self._address = address
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT_S)
        self._path, self._body = path, json.dumps(event).encode()
        self._headers = {"Content-Type": "application/json"}
        if keys:
            request = AWSRequest("POST", address + path, headers=self._headers, data=self._body)
            credentials = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"])
            SigV4Auth(credentials, "lambda", keys["region_name"]).add_auth(request)
            self._headers = dict(request.headers)

    def flood(self, connections: int, seconds: float) -> float:
        """Requests per second over so many connections. Raises RuntimeError if one was not answered with 200."""
        port = self._address.rpartition(":")[2]
        fields = {"Host": urlsplit(self._address).netloc, "Content-Length": str(len(self._body)), **self._headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        request = f"POST {self._path} HTTP/1.1\r\n{head}\r\n".encode() + self._body
        answer = subprocess.run(
            [sys.executable, str(HERE / "flood.py"), port, str(connections), str(seconds)],
            input=request, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        count, failed = map(int, answer.stdout.split())
        if failed:
            raise RuntimeError(f"{self._path}: {failed} of {count} requests were not answered with 200")
        return max(count, 1) / seconds

    def call(self) -> bytes:
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
    return Line(lab.endpoint, f"/2015-03-31/functions/{name}/invocations", EVENTS[name], keys=lab.connection)


def peer_line(peer: str, name: str) -> Line:
    return Line(peer, f"/{name}", EVENTS[name])


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
    deadline = time.monotonic() + WAIT_S
    while environments(lab, name):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name}: an environment still runs {WAIT_S:.0f} s after it was recycled")
        time.sleep(POLL_S)
    time.sleep(SETTLE_S)

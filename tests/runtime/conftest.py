"""A Runtime API to talk to, and environments to talk: real bootstrap processes against a server in this process."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

RUNTIME = Path(__file__).parents[2] / "labkit" / "runtime"
PATIENCE_S = 20  # only a broken runtime waits this long
INSTALLED = [p for p in sys.path if "python3" in p and Path(p).exists()]
CLIENTS = ["awslambdaric", "native", "fallback"]
REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    head: bytes = field(repr=False)

    def json(self) -> dict:
        return json.loads(self.body)


class RuntimeApi:
    """One environment's API: answers `/next` from `events` and posts with `post_status`; `requests` keeps all."""

    def __init__(self) -> None:
        self.events: queue.Queue[bytes] = queue.Queue()
        self.posts: queue.Queue[Request] = queue.Queue()
        self.requests: list[Request] = []
        self.post_status = 202
        self.hang_up = "never"  # "after": behind the next answer; "before": instead of answering a post
        self.connections = 0
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def send(self, body: bytes, **headers: str) -> None:
        """Offers an event. Header names are given in Python's spelling: lambda_runtime_trace_id."""
        defaults = {
            "lambda_runtime_aws_request_id": REQUEST_ID,
            "lambda_runtime_deadline_ms": "4102444800000",
            "lambda_runtime_invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
            "lambda_runtime_trace_id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
            "content_type": "application/json",
            "content_length": str(len(body)),
        }
        lines = [f"{k.replace('_', '-').title()}: {v}\r\n" for k, v in {**defaults, **headers}.items() if v]
        self.send_raw(b"HTTP/1.1 200 OK\r\n" + "".join(lines).encode() + b"\r\n" + body)

    def send_raw(self, answer: bytes) -> None:
        """Offers these very bytes as an answer to `/next`; none at all: closes the connection instead."""
        self.events.put(answer)

    def close(self) -> None:
        for connection in [self._server, *self._open]:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with connection, connection.makefile("rb") as stream:
                while request := read_request(stream):
                    self.requests.append(request)
                    answer = self._answer(request)
                    connection.sendall(answer)
                    if not answer or self.hang_up == "after":
                        connection.shutdown(socket.SHUT_RDWR)
                        return
        except (OSError, ValueError):
            return

    def _answer(self, request: Request) -> bytes:
        if request.method == "GET":
            return self.events.get()
        self.posts.put(request)
        if self.hang_up == "before":
            return b""
        return b"HTTP/1.1 %d Status\r\nContent-Length: 0\r\n\r\n" % self.post_status


def read_request(stream) -> Request | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
    return Request(method, path, headers, stream.read(int(headers.get("content-length", 0))), head)


@dataclass
class Environment:
    """One running bootstrap process, its folder, and what it writes.

    A pipe is always open for telemetry frames; its descriptor is in the variable FRAMES. Processes that inherit it
    can tell the test something, and the pipe's end says that the last of them is gone.
    """

    api: RuntimeApi
    process: subprocess.Popen[bytes]
    folder: Path
    report_fd: int
    frames_fd: int

    def invoke(self, event: object = None, **headers: str) -> Request:
        """Sends an event (JSON, or bytes as they are) and returns what the process posts for it."""
        self.api.send(event if isinstance(event, bytes) else json.dumps(event).encode(), **headers)
        return self.posted()

    def posted(self) -> Request:
        """The next post. A process that ends without one fails the test with its output."""
        for _ in range(PATIENCE_S * 4):
            ended = self.process.poll() is not None
            try:
                return self.api.posts.get(timeout=0.25)
            except queue.Empty:
                assert not ended, f"exit {self.process.returncode}: {self.output()}"
        raise AssertionError(f"nothing posted: {self.output()}")

    def exit_status(self) -> int:
        return self.process.wait(timeout=PATIENCE_S)

    def output(self) -> str:
        return (self.folder / "output").read_bytes().decode()

    def report(self) -> dict:
        with open(self.report_fd, "rb", closefd=False) as stream:
            return json.loads(stream.read())

    def wait_frame(self) -> None:
        """Waits until something has been written to the frames' pipe."""
        assert select.select([self.frames_fd], [], [], PATIENCE_S)[0], self.output()

    def wait_all_gone(self) -> None:
        """Waits until no process holds the frames' pipe any more."""
        self.wait_frame()
        while os.read(self.frames_fd, 1 << 16):
            self.wait_frame()

    def frames(self) -> list[tuple[int, str]]:
        """The telemetry frames so far, as (type, message); call it when the process has posted what follows them."""
        frames = []
        try:
            data = os.read(self.frames_fd, 1 << 16)
        except BlockingIOError:
            data = b""
        while data:
            kind, size, _ = struct.unpack(">IIQ", data[:16])
            frames.append((kind, data[16 : 16 + size].decode()))
            data = data[16 + size :]
        return frames


def neighbour(name: str) -> ModuleType:
    """A module of labkit/runtime, loaded by path as bootstrap does it."""
    loader = SourceFileLoader(name, str(RUNTIME / f"{name}.py"))
    module = ModuleType(name)
    module.__file__, module.__spec__ = loader.path, ModuleSpec(name, loader)
    loader.exec_module(module)
    return module


def write_files(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def load() -> Callable[[str], ModuleType]:
    return neighbour


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    server = RuntimeApi()
    yield server
    server.close()


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Environment]]:
    """Starts environments: `start(client, "source of app.py")`, or a dict of files; variables by keyword."""
    started: list[Environment] = []

    def starter(
        client: str,
        files: str | dict[str, str],
        *,
        handler: str = "app.handler",
        lifeline: int | None = None,
        waits: bool = False,
        framed: bool = False,
        path: list[str] = INSTALLED,
        argv: list[str] | None = None,
        **variables: str,
    ) -> Environment:
        folder, api = tmp_path / str(len(started)), RuntimeApi()
        (folder / "task").mkdir(parents=True)
        task = write_files(folder / "task", {"app.py": files} if isinstance(files, str) else files)
        (report_fd, report), (frames_fd, frames) = os.pipe(), os.pipe()
        os.set_blocking(frames_fd, False)  # an empty log is an answer too
        environ = {
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
            "LAMBDA_TASK_ROOT": str(task),
            "_HANDLER": handler,
            "LANG": "en_US.UTF-8",
            "PATH": os.environ["PATH"],
            "FRAMES": str(frames),
            **({"_LAMBDA_TELEMETRY_LOG_FD": str(frames)} if framed else {}),
            **variables,
        }
        script = [
            str(RUNTIME / "bootstrap.py"),
            f"{lifeline or '-'}{',wait' * waits}",
            str(report),
            client,
            sys.prefix,
            *path,
        ]
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                argv or [sys.executable, "-I", "-S", *script],
                cwd=task,
                env=environ,
                stdout=output,
                stderr=output,
                pass_fds=[report, frames, *([lifeline] if lifeline else [])],
                process_group=0,
            )
        os.close(report)
        os.close(frames)
        started.append(Environment(api, process, folder, report_fd, frames_fd))
        return started[-1]

    yield starter
    for environment in started:
        end(environment)


def end(environment: Environment) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(environment.process.pid, signal.SIGKILL)
    environment.process.wait()
    environment.api.close()
    for fd in (environment.report_fd, environment.frames_fd):
        with contextlib.suppress(OSError):
            os.close(fd)

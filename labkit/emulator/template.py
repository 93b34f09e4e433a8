"""SnapStart: one initialised process per published version, from which its environments are forked.

On AWS a version with SnapStart is initialised when it is published, an image of it is kept, and environments are
restored from that. Here the image is a process, the template, which stands still where the client asks for its
restore (runtime/template.py), and a restore is a fork of it. `Templates` keeps them: one is made when its version is
published, or at first need after a restart, and ends when nothing uses the version any more.

A template that dies takes its environments with it, and the next ones are started plainly. To the memory limit counts
an environment's whole resident set, pages that it shares with the template included: on AWS each has all of the image
to itself. Pages of files that it has not touched since the fork are not in it.

What cannot be forked is started as any other environment, and the log says why: a module that left threads running
(they would be missing after the fork), a version with extensions (processes and threads of their own), and a system
that is not Linux. So is what failed in the template: its caller gets the error of the init that is then his own.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from labkit.emulator.logstream import LogStream
from labkit.emulator.registry import FunctionVersion
from labkit.emulator.runtime_api import Channel, Verdict, port_of
from labkit.emulator.sandbox import Sandbox
from labkit.emulator.streaming import Reception
from labkit.model import LATEST

INIT_TIMEOUT_S = 130.0  # the function's timeout if that is longer (developer guide, "execution environment lifecycle")
ANSWER_BYTES = 4096
THREADS = "{} threads run when the init is over, and a fork would not have them"


class Init:
    """What a template answers at its Runtime API: that its init failed. Nothing else is in order before a restore."""

    def __init__(self) -> None:
        self.error_type: str | None = None

    def on_init_error(self, error_type: str, body: bytes) -> Verdict:
        self.error_type = error_type
        return True

    def on_next(self, channel: Channel) -> None:
        channel.close()

    def on_extension(self, channel: Channel, method: bytes, path: bytes, body: bytes) -> None:
        channel.close()

    def on_response(self, request_id: str, body: bytes) -> Verdict:
        return False

    def on_error(self, request_id: str, error_type: str, body: bytes) -> Verdict:
        return False

    def on_stream(self, request_id: str, content_type: str) -> Reception | None:
        return None

    def on_restore_next(self) -> Verdict:
        return False

    def on_restore_error(self, error_type: str, body: bytes) -> Verdict:
        return False


class Template:
    """One version's. `obstacle`: why it cannot have one. `argv` takes the control socket's number for `{control}`."""

    def __init__(
        self,
        version: FunctionVersion,
        *,
        sandbox: Callable[[Template], Sandbox],
        stream: LogStream,
        argv: Sequence[str],
        variables: Mapping[str, str],
        obstacle: str = "",
    ) -> None:
        self.ready = self.failed = False  # failed: the init did
        self._version, self._stream, self._argv, self._variables = version, stream, argv, variables
        self._loop = asyncio.get_running_loop()
        self._settled, self._ended = asyncio.Event(), asyncio.Event()
        self._init = Init()
        self._answers: deque[Callable[[int | None], None]] = deque()  # of orders, in their order
        self._control: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sandbox: Sandbox | None = None
        self._spawned, self._overdue, self._stopped = 0.0, False, False
        if obstacle:
            self._warn(obstacle)
            self._ended.set()
        else:
            self._making = self._loop.create_task(self._make(sandbox))

    @property
    def pids(self) -> list[int]:
        return self._sandbox.pids if self._sandbox else []

    @property
    def api_port(self) -> int:
        return port_of(self._server)

    async def settled(self) -> None:
        """Waits until it is ready, or it is clear that it will not be."""
        await self._settled.wait()

    async def stop(self) -> None:
        """Ends it and what it left behind; returns when that is done."""
        self._stopped, self.ready = True, False
        if self._sandbox and not self._ended.is_set():
            self._sandbox.kill()
        await self._ended.wait()

    def fork(
        self, variables: Mapping[str, str], descriptors: Sequence[int], answer: Callable[[int | None], None]
    ) -> None:
        """Orders an environment; `answer` is called later, with its process id, or None if there is none."""
        order = json.dumps(variables).encode()
        try:
            if self._control is None:
                raise BrokenPipeError
            socket.send_fds(self._control, [order], list(descriptors))
        except OSError:
            self._loop.call_soon(answer, None)
        else:
            self._answers.append(answer)

    # --- its process

    async def _make(self, sandbox: Callable[[Template], Sandbox]) -> None:
        try:
            self._server = await self._loop.create_server(lambda: Channel(self._init), "127.0.0.1", 0)
            self._sandbox = sandbox(self)
            self._spawn(self._sandbox, self._server)
        except OSError as error:
            self._warn(str(error))
            self._close()
            self._ended.set()
        if self._stopped and self._sandbox:
            self._sandbox.kill()

    def _spawn(self, sandbox: Sandbox, server: asyncio.Server) -> None:
        host, port = server.sockets[0].getsockname()[:2]
        variables = {
            **self._variables,
            "AWS_LAMBDA_RUNTIME_API": f"{host}:{port}",
            "AWS_LAMBDA_LOG_STREAM_NAME": self._stream.name,
            "LAMBDA_TASK_ROOT": str(sandbox.task),
        }
        self._spawned = time.monotonic()
        self._stream.begin_init()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        with theirs:
            argv = [word.replace("{control}", str(theirs.fileno())) for word in self._argv]
            sandbox.start(argv, variables, passed=(theirs.fileno(),))
        self._loop.add_reader(self._control, self._read)
        limit_s = max(INIT_TIMEOUT_S, self._version.config.timeout_s)
        self._timer = self._loop.call_later(limit_s, self._give_up_waiting)

    def _give_up_waiting(self) -> None:
        assert self._sandbox is not None
        self._overdue = True
        self._sandbox.kill()

    def _read(self) -> None:
        assert self._control is not None
        try:
            said = self._control.recv(ANSWER_BYTES)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._loop.remove_reader(self._control)  # its end is told by on_exit
            return
        match json.loads(said):
            case {"threads": threads}:
                self._initialised(threads)
            case {"pid": pid} if self._answers:
                self._answers.popleft()(pid or None)

    def _initialised(self, threads: int) -> None:
        assert self._sandbox is not None
        if self._timer:
            self._timer.cancel()
        self._stream.end_init(time.monotonic() - self._spawned)
        if threads > 1:
            self._warn(THREADS.format(threads))
            self._sandbox.kill()
            return
        self.ready = not self._stopped
        self._settled.set()

    def _warn(self, why: str) -> None:
        words = f"[WARN] labkit: no snapshot, so that every environment of this version goes through its init: {why}."
        self._stream.write_line(words)
        self._settled.set()

    def on_output(self, output: bytes) -> None:
        self._stream.write(output)

    def on_exit(self, returncode: int) -> None:
        self.ready = False
        if not self._settled.is_set() and not self._stopped:
            status, error_type = ("timeout", None) if self._overdue else ("error", self._init.error_type)
            fallen = error_type or (None if self._overdue else "Runtime.ExitError")
            self._stream.end_init(time.monotonic() - self._spawned, status=status, error_type=fallen)
            self.failed = True
        self._close()
        self._ended.set()
        if self._sandbox:
            self._loop.run_in_executor(None, self._sandbox.remove)

    def _close(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._server:
            self._server.close()
        if self._control:
            with suppress(OSError, ValueError):
                self._loop.remove_reader(self._control)
            self._control.close()
            self._control = None
        self._settled.set()
        while self._answers:
            self._answers.popleft()(None)


class Templates:
    """See the module's docstring."""

    def __init__(self, make: Callable[[FunctionVersion], Template]) -> None:
        self._make = make
        self._known: dict[str, Template] = {}
        self._ending: dict[asyncio.Task[None], Template] = {}

    def of(self, version: FunctionVersion) -> Template | None:
        """The version's template, which is begun if it is not there; None where there is nothing to snapshot."""
        if sys.platform != "linux" or version.version == LATEST or not version.config.snap_start:
            return None
        if version.key not in self._known:
            self._known[version.key] = self._make(version)
        return self._known[version.key]

    def known(self, version: FunctionVersion) -> Template | None:
        """The version's template, if it was ever begun."""
        return self._known.get(version.key)

    def forget(self, key: str) -> None:
        """Nothing will ask for this version any more."""
        template = self._known.pop(key, None)
        if template:
            task = asyncio.get_running_loop().create_task(template.stop())
            self._ending[task] = template
            task.add_done_callback(self._ending.pop)

    async def stop(self) -> None:
        for key in list(self._known):
            self.forget(key)
        await asyncio.gather(*self._ending)

    def pids(self) -> Iterator[int]:
        """Of their processes."""
        for template in (*self._known.values(), *self._ending.values()):
            yield from template.pids

    def api_ports(self) -> Iterator[int]:
        """Of their Runtime APIs."""
        for template in self._known.values():
            yield template.api_port

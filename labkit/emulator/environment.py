"""One execution environment: the state machine between the Runtime API, the sandbox and the dispatcher.

    start -> INIT --first /next--> IDLE --assign--> INVOKE --response--> IDLE ... --stop--> SHUTDOWN

The process inside may die while the environment lives: after a crash, a timeout or a failed init, `/tmp` and the
log stream stay, and the next `assign` starts a new process whose init counts against that call's timeout
("suppressed init"). A failing import therefore runs twice, as on Lambda.

Free from its *response* on, not from its next poll: the official client needs 118 microseconds in between.
Frozen (SIGSTOP of the tree) when it has polled and nothing came for FREEZE_AFTER_S, so that a caller in a loop does
not pay for two signals a call; thawed before the next event is written.
Deadlines, memory and freezing are looked at by `watch`, which the dispatcher calls every few milliseconds until all
environments stand still; nothing is scheduled per invocation.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from labkit.emulator.recorder import Entry, LogStream, phases_of
from labkit.emulator.registry import FunctionVersion
from labkit.emulator.runtime_api import Channel, event_message
from labkit.emulator.sandbox import Sandbox
from labkit.emulator.streaming import Reception, ResponseStream
from labkit.model import InitPhases, Phase, Status, Trace

INIT_TIMEOUT_S = 10.0
FREEZE_AFTER_S = 0.004
MIB = 1024 * 1024


@dataclass(slots=True)
class Invocation:
    """One request on its way. `arrived` is monotonic, `arrived_at` the time of day; `result` is answered once."""

    request_id: str
    version: FunctionVersion
    function_arn: str
    payload: bytes
    arrived: float
    arrived_at: float
    result: asyncio.Future[Result]
    client_context: str = ""
    trace_id: str = ""
    stream: ResponseStream | None = None  # of a caller that wants the response piece by piece


@dataclass(frozen=True, slots=True)
class Result:
    payload: bytes
    failed: bool
    entry: Entry
    trace: Trace


@dataclass(slots=True)
class _Run:
    """What one process of the environment is doing."""

    spawned: float
    initialised: bool = False
    init_error: tuple[str, bytes] | None = None
    killed_for: Status | None = None
    out_of_memory: bool = False
    parked: Channel | None = None  # a `next` that waits for an event, since `parked_at`
    parked_at: float = 0.0
    frozen: bool = False
    channels: list[Channel] = field(default_factory=list)


class Environment:
    """See the module's docstring. `notify` tells the dispatcher "ready", "init_failed", "finished" or "exited"."""

    def __init__(
        self,
        env_id: str,
        version: FunctionVersion,
        *,
        sandbox: Callable[[Environment], Sandbox],
        stream: LogStream,
        argv: Sequence[str],
        variables: Mapping[str, str],
        record: Callable[[Trace], None],
        notify: Callable[[Environment, str], None],
    ) -> None:
        self.env_id = env_id
        self.version = version
        self.phase = Phase.INIT
        self.stream = stream
        self.invocation: Invocation | None = None
        self.max_memory = 0
        self._argv = argv
        self._variables = variables
        self._notify = notify
        self._record = record
        self._sandbox = sandbox(self)
        self._server: asyncio.Server | None = None
        self._run: _Run | None = None
        self._entry = Entry()
        self._began = 0.0
        self._init_s: float | None = None  # of a successful init phase, until the first invocation reports it
        self._phases: InitPhases | None = None
        self._waited_s = 0.0
        self._delivered = False
        self._reception: Reception | None = None  # of a response that is streamed
        self._last_resident = 0

    # --- what the dispatcher tells

    async def start(self) -> None:
        """Opens the Runtime API and starts the first process. Raises OSError if the machine cannot."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._channel, "127.0.0.1", 0)
        if self.phase is Phase.INIT:
            self.stream.begin_init()
            self._spawn()
        else:  # stopped meanwhile
            self._server.close()

    def assign(self, invocation: Invocation) -> None:
        self.invocation = invocation
        self.phase = Phase.INVOKE
        self._delivered = False
        self._began = time.monotonic()
        self._waited_s = self._began - invocation.arrived
        run = self._run
        if run is None:
            self._spawn_again()
        elif run.parked is not None:
            if run.frozen:
                run.frozen = False
                self._sandbox.thaw()
            self._deliver(run.parked)

    def stop(self) -> None:
        """Ends the environment; "exited" follows, also when no process is left."""
        self.abort("the environment was stopped")

    def abort(self, message: str) -> None:
        """Ends the environment with what runs in it, which is answered with this message."""
        if self.phase is Phase.SHUTDOWN:
            return
        self.phase = Phase.SHUTDOWN  # from here on it is not "finished", which would bring it the next invocation
        if self.invocation:
            self._fail("Runtime.ExitError", f"RequestId: {self.invocation.request_id} Error: {message}")
        if self._run is None:
            self._close()
        else:
            self._sandbox.kill()

    def watch(self, now: float) -> None:
        """Looks at deadlines and memory while something runs, and freezes what has nothing to do."""
        run = self._run
        if run is None or run.killed_for or run.out_of_memory or self.phase is Phase.SHUTDOWN:
            return
        if self.phase is Phase.IDLE:
            self._freeze_when_due(run, now)
            return
        resident = self._sandbox.resident_bytes()
        self.max_memory = max(self.max_memory, resident)
        if resident > self.version.config.memory_mb * MIB:
            run.out_of_memory = True
            self._sandbox.kill()
        elif self.phase is Phase.INIT:
            if now - run.spawned > INIT_TIMEOUT_S:
                run.killed_for = Status.TIMEOUT
                self._sandbox.kill()
        elif now - self._began > self.version.config.timeout_s:
            run.killed_for = Status.TIMEOUT
            self._sandbox.kill()

    def _freeze_when_due(self, run: _Run, now: float) -> None:
        if run.parked is not None and not run.frozen and now - run.parked_at >= FREEZE_AFTER_S:
            run.frozen = True
            self._sandbox.freeze()

    @property
    def moving(self) -> bool:
        """Whether there is something to watch: a process that is not frozen."""
        return self._run is not None and not self._run.frozen

    @property
    def pid(self) -> int | None:
        return self._sandbox.pid

    def memory_bytes(self) -> int:
        return self._sandbox.resident_bytes()

    # --- the process

    def _channel(self) -> Channel:
        channel = Channel(self)
        if self._run:
            self._run.channels.append(channel)
        return channel

    def _spawn(self) -> None:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        variables = {
            **self._variables,
            "AWS_LAMBDA_RUNTIME_API": f"{host}:{port}",
            "AWS_LAMBDA_LOG_STREAM_NAME": self.stream.name,
            "LAMBDA_TASK_ROOT": str(self._sandbox.task),
        }
        self._run = _Run(spawned=time.monotonic())
        self._sandbox.start(self._argv, variables)

    def _spawn_again(self) -> None:
        try:
            self._spawn()
        except OSError as error:
            self._run = None
            self.abort(str(error))

    def on_output(self, output: bytes) -> None:
        self.stream.write(output)

    def on_exit(self, returncode: int) -> None:
        """The process ended, by itself or by us."""
        run, self._run = self._run, None
        assert run is not None
        for channel in run.channels:
            channel.close()
        if self.phase is Phase.SHUTDOWN:
            self._close()
        elif self.phase is Phase.INIT:
            self._init_ended_badly(run)
        elif self.invocation:
            self._crashed(self.invocation, run, returncode)

    def _init_ended_badly(self, run: _Run) -> None:
        self._report_init(run, "init")
        self.phase = Phase.IDLE
        self._notify(self, "init_failed")

    def _report_init(self, run: _Run, phase: str) -> None:
        status, error_type = ("timeout", None) if run.killed_for else ("error", _init_error_type(run))
        self.stream.end_init(time.monotonic() - run.spawned, phase=phase, status=status, error_type=error_type)

    def _crashed(self, invocation: Invocation, run: _Run, returncode: int) -> None:
        request = f"RequestId: {invocation.request_id} Error: "
        if not run.initialised:
            self._report_init(run, "invoke")
        self._open_entry(invocation)
        if run.killed_for is Status.TIMEOUT:
            words = f"Task timed out after {self.version.config.timeout_s:.2f} seconds"
            now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
            self._entry.closing = f"{now}.{int(time.time() * 1000) % 1000:03d}Z {invocation.request_id} {words}\n\n"
            self._fail("Sandbox.Timedout", request + words, status=Status.TIMEOUT)
        elif run.out_of_memory:
            self._fail(
                "Runtime.ExitError",
                request + "Runtime exited with error: signal: killed",
                reported="Runtime.OutOfMemory",
            )
        elif run.init_error:
            error_type, body = run.init_error
            self._finish(body, failed=True, status=Status.ERROR, error_type=error_type)
        else:
            self._fail("Runtime.ExitError", request + exit_words(returncode))

    def _close(self) -> None:
        if self._server:
            self._server.close()
        self._notify(self, "exited")

    def remove(self) -> None:
        """Deletes what it leaves on disk; blocking."""
        self._sandbox.remove()

    # --- what the runtime says

    def on_next(self, channel: Channel) -> None:
        run = self._run
        if run is None:
            channel.close()
            return
        if self._reception:
            self._end_reception(self._reception)
        run.parked, run.parked_at = channel, time.monotonic()
        if not run.initialised:
            self._initialised(run)
        if self.phase is Phase.INVOKE and not self._delivered:
            self._deliver(channel)

    def _initialised(self, run: _Run) -> None:
        run.initialised = True
        if self.phase is not Phase.INIT:
            return  # suppressed init: part of the invocation's duration
        now = time.monotonic()
        self._init_s = now - run.spawned
        self.stream.end_init(self._init_s)
        self._phases = _phases(self._sandbox.read_report(), run.spawned, now)
        self._note_memory()
        self.phase = Phase.IDLE
        self._notify(self, "ready")

    def _deliver(self, channel: Channel) -> None:
        assert self.invocation is not None
        assert self._run is not None
        invocation, version = self.invocation, self.version
        self._run.parked = None
        self._open_entry(invocation)
        deadline_s = time.time() + version.config.timeout_s - (time.monotonic() - self._began)
        channel.write(
            event_message(
                request_id=invocation.request_id,
                deadline_ms=int(deadline_s * 1000),
                function_arn=invocation.function_arn,
                trace_id=invocation.trace_id,
                client_context=invocation.client_context,
                payload=invocation.payload,
            )
        )

    def _open_entry(self, invocation: Invocation) -> None:
        """Begins the invocation's part of the log: with its event, or when it fails without ever getting one."""
        if not self._delivered:
            self._delivered = True
            self._entry = self.stream.begin(invocation.request_id, invocation.function_arn, invocation.trace_id)

    def on_response(self, request_id: str, body: bytes) -> bool:
        if not self._runs(request_id):
            return False
        if self._reception:
            self._end_reception(self._reception)
        else:
            self._finish(body, failed=False, status=Status.SUCCESS)
        return True

    def on_stream(self, request_id: str, content_type: str) -> Reception | None:
        """A response begins to come in pieces; None if nobody waits for it."""
        if self.invocation is None or self._reception or not self._runs(request_id):
            return None
        self._reception = Reception(self.invocation.stream, content_type)
        return self._reception

    def _end_reception(self, reception: Reception) -> None:
        """After a stream its client still posts what the handler returned or raised, or polls: then it is over."""
        if reception.failure is None:
            self._finish(reception.body, failed=False, status=Status.SUCCESS)
        else:
            error_type, body = reception.failure
            said = _error_type_of(body) or error_type
            self._finish(body, failed=True, status=Status.ERROR, error_type=said)

    def on_error(self, request_id: str, error_type: str, body: bytes) -> bool:
        if not self._runs(request_id):
            return False
        if self._reception:
            self._end_reception(self._reception)
        else:
            said = _error_type_of(body) or error_type
            self._finish(body, failed=True, status=Status.ERROR, error_type=said)
        return True

    def on_init_error(self, error_type: str, body: bytes) -> bool:
        if self._run is None or self._run.initialised:
            return False
        self._run.init_error = (_error_type_of(body) or error_type, body)
        return True

    def _runs(self, request_id: str) -> bool:
        return self._delivered and self.invocation is not None and self.invocation.request_id == request_id

    # --- the end of an invocation

    def _fail(
        self, error_type: str, message: str, *, status: Status = Status.ERROR, reported: str | None = None
    ) -> None:
        body = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
        self._finish(body, failed=True, status=status, error_type=reported or error_type)

    def _finish(self, body: bytes, *, failed: bool, status: Status, error_type: str | None = None) -> None:
        now = time.monotonic()
        invocation, self.invocation = self.invocation, None
        self._reception = None
        assert invocation is not None
        self._open_entry(invocation)
        self._sandbox.drain()
        self._note_memory()
        config = self.version.config
        init_s, self._init_s = self._init_s, None
        trace = Trace(
            request_id=invocation.request_id,
            function_name=config.name,
            version=self.version.version,
            environment_id=self.env_id,
            log_stream=self.stream.name,
            arrived_at=invocation.arrived_at,
            queued_s=self._waited_s,
            duration_s=min(now - self._began, config.timeout_s) if status is Status.TIMEOUT else now - self._began,
            memory_mb=config.memory_mb,
            max_memory_mb=min(-(-self.max_memory // MIB), config.memory_mb),
            status=status,
            error_type=error_type,
            init_s=init_s,
            phases=self._phases if init_s is not None else None,
        )
        self._entry.trace, self._entry.produced_bytes = trace, 0 if failed else len(body)
        self._record(trace)
        if not invocation.result.done():
            invocation.result.set_result(Result(body, failed, self._entry, trace))
        if self.phase is Phase.INVOKE:
            self.phase = Phase.IDLE
            self._notify(self, "finished")

    def _note_memory(self) -> None:
        """The peak changes only when the resident set does: one cheap look says whether to take the dear one."""
        resident = self._sandbox.own_resident_bytes()
        if resident and resident != self._last_resident:
            self._last_resident = resident
            self.max_memory = max(self.max_memory, self._sandbox.peak_bytes())


def exit_words(returncode: int) -> str:
    """Lambda's words for a runtime that ended without an answer."""
    if returncode < 0:
        return f"Runtime exited with error: signal: {SIGNAL_WORDS.get(-returncode, str(-returncode))}"
    if returncode > 0:
        return f"Runtime exited with error: exit status {returncode}"
    return "Runtime exited without providing a reason"


SIGNAL_WORDS = {1: "hangup", 2: "interrupt", 6: "aborted", 9: "killed", 11: "segmentation fault", 15: "terminated"}


def _init_error_type(run: _Run) -> str:
    if run.out_of_memory:
        return "Runtime.OutOfMemory"
    return run.init_error[0] if run.init_error else "Runtime.ExitError"


def _error_type_of(body: bytes) -> str | None:
    with suppress(ValueError):
        said = json.loads(body)
        if isinstance(said, dict) and isinstance(said.get("errorType"), str):
            return str(said["errorType"])
    return None


def _phases(report: bytes, spawned: float, ready: float) -> InitPhases | None:
    with suppress(ValueError):
        said = json.loads(report)
        if isinstance(said, dict):
            return phases_of(said, spawned, ready)
    return None

"""One execution environment: the state machine between the Runtime API, the sandbox and the dispatcher.

    start -> INIT --first /next--> IDLE --assign--> INVOKE --response--> IDLE ... --stop--> SHUTDOWN

The process inside may die while the environment lives: after a crash, a timeout or a failed init, `/tmp` and the
log stream stay, and the next `assign` starts a new process whose init counts against that call's timeout
("suppressed init"). A failing import therefore runs twice, as on Lambda.

Free from its *response* on, not from its next poll: the official client needs 118 microseconds in between.
Frozen (SIGSTOP of the tree) when it has polled and nothing came for FREEZE_AFTER_S, so that a caller in a loop does
not pay for two signals a call; thawed before the next event is written. Where several move, each is given so many
times longer: under load each waits for its turn, and signals would take a third of the emulator's time.
With extensions a caller has its answer at the runtime's response too, but the environment is free only when the
runtime and all that hear of invocations have asked again. That time is in REPORT's duration and under the function's
timeout (Lambda bills it: docs "Lambda extensions"). What ends is shut down as run.py says; no caller waits for that.
Deadlines, memory and freezing are looked at by `watch`, which the dispatcher calls every few milliseconds until all
environments stand still; nothing is scheduled per invocation.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from labkit.emulator.endings import error_body, error_type_of, extension_words
from labkit.emulator.extensions import Extensions, about_function
from labkit.emulator.invocation import Invocation, Result
from labkit.emulator.logstream import Entry, LogStream
from labkit.emulator.registry import FunctionVersion
from labkit.emulator.run import Run
from labkit.emulator.runtime_api import Channel, Verdict, event_message, port_of
from labkit.emulator.sandbox import Sandbox
from labkit.emulator.streaming import Reception
from labkit.emulator.template import Template
from labkit.model import InitPhases, Phase, Status, Trace

INIT_TIMEOUT_S = 10.0
LONG_INIT_TIMEOUT_S = 130.0  # provisioned or with SnapStart; the function's timeout if that is longer
MIB = 1024 * 1024
CHANNELS = 64  # before those that are closed are forgotten


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
        extensions: Sequence[str],
        record: Callable[[Trace], None],
        lengthen: Callable[[Trace], None],
        notify: Callable[[Environment, str], None],
        provisioned: bool = False,
        template: Template | None = None,
    ) -> None:
        self.env_id = env_id
        self.provisioned = provisioned
        self.version = version
        self.phase = Phase.INIT
        self.stream = stream
        self.invocation: Invocation | None = None
        self.max_memory = 0
        self._argv = argv
        self._variables = variables
        self._paths = extensions  # the executables of external ones
        self._notify = notify
        self._record = record
        self._record_longer = lengthen
        self._sandbox = sandbox(self)
        self._template = template  # of SnapStart: it is forked from this one, if that is ready
        self._server: asyncio.Server | None = None
        self._run: Run | None = None
        self._entry = Entry()
        self._began = 0.0
        self._init_s: float | None = None  # of a successful init phase, until the first invocation reports it
        self._restore_s: float | None = None  # likewise, where SnapStart restored it
        self._phases: InitPhases | None = None
        self._answered: Trace | None = None  # of an invocation that extensions still work on
        self._waited_s = 0.0
        self._delivered = False
        self._reception: Reception | None = None  # of a response that is streamed
        self._last_resident = 0

    # --- what the dispatcher tells

    async def start(self) -> None:
        """Opens the Runtime API and starts the first process. Raises OSError if the machine cannot."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._channel, "127.0.0.1", 0)
        if self._template:
            await self._template.settled()
        if self.phase is Phase.INIT:
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
        elif run.parked is not None and not run.over:  # else it waits for the run's end
            run.thaw()
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
            body = error_body("Runtime.ExitError", f"RequestId: {self.invocation.request_id} Error: {message}")
            self._finish(body, failed=True, status=Status.ERROR, error_type="Runtime.ExitError")
        elif self._answered is not None:
            self._lengthen(self._answered)  # its REPORT waits for extensions no more
        if self._run is None:
            self._close()
        elif self._run.shutdown is None:
            self._run.end("spindown")

    def watch(self, now: float, *, crowd: int = 1) -> None:
        """Looks at deadlines and memory while something runs, and freezes what has nothing to do.

        `crowd`: how many environments move now, this one included.
        """
        run = self._run
        if run is None:
            return
        if run.shutdown is not None:
            run.shut_down(now)
        elif run.over:
            return
        elif self.phase is Phase.IDLE:
            run.freeze_when_due(now, crowd)
        else:
            self._check_limits(run, now)

    def _check_limits(self, run: Run, now: float) -> None:
        resident = self._sandbox.resident_bytes()
        self.max_memory = max(self.max_memory, resident)
        if resident > self.version.config.memory_mb * MIB:
            run.out_of_memory = True
            self._give_up(run, "failure")
        elif now > self._deadline(run):
            run.killed_for = Status.TIMEOUT
            self._give_up(run, "timeout")

    def _deadline(self, run: Run) -> float:
        timeout_s = self.version.config.timeout_s
        if self.phase is Phase.INVOKE:
            return self._began + timeout_s
        long = self.provisioned or run.snap_start  # developer guide, "execution environment lifecycle"
        return run.init_deadline(max(LONG_INIT_TIMEOUT_S, timeout_s) if long else INIT_TIMEOUT_S)

    @property
    def moving(self) -> bool:
        """Whether there is something to watch: a process that is not frozen."""
        return self._run is not None and not self._run.frozen

    @property
    def api_port(self) -> int:
        """Where its processes reach the Runtime API; 0 while they do not."""
        return port_of(self._server)

    @property
    def pid(self) -> int | None:
        return self._sandbox.pid

    @property
    def pids(self) -> list[int]:
        return self._sandbox.pids

    def memory_bytes(self) -> int:
        return self._sandbox.resident_bytes()

    # --- the process

    def _channel(self) -> Channel:
        channel = Channel(self)
        if self._run:
            if len(self._run.channels) > CHANNELS:
                self._run.channels = [known for known in self._run.channels if known.open]
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
        version, snap_start = self.version, self._variables.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"
        about = about_function(version.config, version.version, version.arn)
        extensions = Extensions(self, [Path(path).name for path in self._paths], about)
        run = self._run = Run(self._sandbox, time.monotonic(), extensions, snap_start)
        if self._template and self._template.ready:
            self.stream.begin_restore()
            run.restore(self._template, variables, otherwise=lambda: self._spawn_again(without_template=True))
            return
        if self.phase is Phase.INIT:
            self.stream.begin_init()
        if not run.start(self._argv, variables, self._paths):
            self._give_up(run, "failure")

    def _spawn_again(self, *, without_template: bool = False) -> None:
        if without_template:
            self._template = None
        try:
            self._spawn()
        except OSError as error:
            self._run = None
            self.abort(str(error))

    def on_output(self, output: bytes) -> None:
        self.stream.write(output)

    def on_exit(self, returncode: int) -> None:
        """The process and its extensions ended, by themselves or by us."""
        run, self._run = self._run, None
        assert run is not None
        for channel in run.channels:
            channel.close()
        if self.phase is Phase.SHUTDOWN:
            self._close()
        elif self.phase is Phase.INIT:
            self._init_ended_badly(run)
        elif self.invocation and (run.ended_idle or self._died_in_between(run)):
            self._spawn_again()
        elif self.invocation:
            self._crashed(self.invocation, run, returncode)
        elif self.phase is Phase.INVOKE:
            self._free()
        elif self.provisioned:  # died idle: who promised it ready needs another
            self.phase = Phase.SHUTDOWN
            self._close()

    def _died_in_between(self, run: Run) -> bool:
        """By itself, after an answer and before it asked for the event that waits: that one was never its own."""
        return run.initialised and not run.over and not self._delivered

    def on_member_exit(self, name: str, returncode: int) -> None:
        """One process of several ended: the runtime (""), or an extension, which no environment survives."""
        run = self._run
        assert run is not None
        if run.shutdown is not None:
            run.shut_down(time.monotonic())
        elif not run.over:
            if name:
                run.extensions.failed(name, "Exited", "")
                run.extension_failed("Extension.Crash", extension_words(returncode))
            self._give_up(run, "failure", returncode)

    def _give_up(self, run: Run, reason: str, returncode: int = 0) -> None:
        """What runs is over. Where extensions must be shut down its caller does not wait for that."""
        if run.over:
            return
        run.over = True
        run.ended_idle = self.phase is Phase.IDLE
        if run.extensions and self.invocation and self.phase is Phase.INVOKE:
            self._crashed(self.invocation, run, returncode)
        elif self._answered is not None:
            self._lengthen(self._answered, status=run.killed_for)
        run.end(reason)

    def _init_ended_badly(self, run: Run) -> None:
        self._report_init(run, "init")
        self.phase = Phase.IDLE
        self._notify(self, "init_failed")

    def _report_init(self, run: Run, phase: str) -> None:
        for line in run.extensions.lines():
            self.stream.write_line(line)
        status, error_type = ("timeout", None) if run.killed_for else ("error", run.error_type())
        now = time.monotonic()
        if run.restoring is None:
            self.stream.end_init(now - run.spawned, phase=phase, status=status, error_type=error_type)
        else:
            self.stream.end_restore(now - run.restoring, status=status, error_type=error_type)

    def _crashed(self, invocation: Invocation, run: Run, returncode: int) -> None:
        if not run.initialised:
            self._report_init(run, "invoke")
        self._open_entry(invocation)
        failure = run.failure(invocation.request_id, self.version.config.timeout_s, returncode)
        self._entry.closing = failure.closing
        self._finish(failure.body, failed=True, status=failure.status, error_type=failure.reported)

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
        run.extensions.closed, run.answered = True, ""
        run.parked, run.parked_at = channel, time.monotonic()
        self._advance(run)

    def on_extensions_registered(self) -> None:
        self._sandbox.release()

    def on_extension_next(self) -> None:
        if self._run:
            self._run.parked_at = time.monotonic()
            self._advance(self._run)

    def on_extension_error(self, error_type: str) -> None:
        """An extension says that it cannot go on; it is about to exit."""
        run = self._run
        if run and not run.over:
            run.extension_failed(error_type, extension_words(0))
            self._give_up(run, "failure")

    def on_extension(self, channel: Channel, method: bytes, path: bytes, body: bytes) -> None:
        if self._run is None:
            channel.close()
        else:
            self._run.extensions.answer(channel, method, path, body)

    def _advance(self, run: Run) -> None:
        """Goes on when everybody has asked for an event who must have."""
        if run.over or run.parked is None:
            return
        if not run.initialised and run.ready:
            self._initialised(run)
        if self.phase is not Phase.INVOKE or not run.initialised or run.parked is None:
            return  # a dispatcher that heard "ready" may have handed the next event out already
        if self.invocation:
            self._deliver(run.parked)  # once more, if it is asked for twice, as Lambda does
        elif not run.lingers:
            self._free()

    def _free(self) -> None:
        if self._answered is not None:
            self._lengthen(self._answered)
        self.phase = Phase.IDLE
        self._notify(self, "finished")

    def _initialised(self, run: Run) -> None:
        run.initialised = True
        now = time.monotonic()
        for line in run.extensions.lines():
            self.stream.write_line(line)
        if run.restored(now) is not None:
            self.stream.end_restore(run.restored_s or 0.0)
        if self.phase is not Phase.INIT:
            return  # suppressed init: part of the invocation's duration
        if run.restored_s is None:
            self.stream.end_init(now - run.spawned)
        if not self.provisioned:  # that is done ahead: no invocation is cold for it
            self._init_s = now - run.spawned if run.restored_s is None else None
            self._restore_s = run.restored_s
            self._phases = run.phases(now)
        self._note_memory()
        self.phase = Phase.IDLE
        self._notify(self, "ready")

    def on_restore_next(self) -> Verdict:
        verdict = self._run.restore_begins() if self._run else False
        if verdict is True:
            self.stream.begin_restore()
        return verdict

    def on_restore_error(self, error_type: str, body: bytes) -> Verdict:
        return self._run.restore_failed(error_type, body) if self._run else False

    def _deliver(self, channel: Channel) -> None:
        assert self.invocation is not None
        assert self._run is not None
        invocation, version = self.invocation, self.version
        self._run.parked = None
        deadline_s = time.time() + version.config.timeout_s - (time.monotonic() - self._began)
        deadline_ms = int(deadline_s * 1000)
        self._run.extensions.send_invoke(
            deadline_ms=deadline_ms,
            request_id=invocation.request_id,
            function_arn=invocation.function_arn,
            trace_id=invocation.trace_id,
        )
        channel.write(
            event_message(
                request_id=invocation.request_id,
                deadline_ms=deadline_ms,
                function_arn=invocation.function_arn,
                trace_id=invocation.trace_id,
                client_context=invocation.client_context,
                payload=invocation.payload,
            )
        )
        self._open_entry(invocation)  # what the handler writes is read later

    def _open_entry(self, invocation: Invocation) -> None:
        """Begins the invocation's part of the log: with its event, or when it fails without ever getting one."""
        if not self._delivered:
            self._delivered = True
            self._entry = self.stream.begin(invocation.request_id, invocation.function_arn, invocation.trace_id)

    def on_response(self, request_id: str, body: bytes) -> Verdict:
        if not self._runs(request_id):
            return self._run.answered_twice(request_id, "InvocationResponse") if self._run else False
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
            self._finish_with_error(*reception.failure)

    def on_error(self, request_id: str, error_type: str, body: bytes) -> Verdict:
        if not self._runs(request_id):
            return self._run.answered_twice(request_id, "InvocationErrorResponse") if self._run else False
        if self._reception:
            self._end_reception(self._reception)
        else:
            self._finish_with_error(error_type, body)
        return True

    def _finish_with_error(self, error_type: str, body: bytes) -> None:
        said = error_type_of(body) or error_type
        self._finish(body, failed=True, status=Status.ERROR, error_type=said)

    def on_init_error(self, error_type: str, body: bytes) -> Verdict:
        return self._run.init_failed(error_type, body) if self._run else False

    def _runs(self, request_id: str) -> bool:
        return self._delivered and self.invocation is not None and self.invocation.request_id == request_id

    # --- the end of an invocation

    def _finish(self, body: bytes, *, failed: bool, status: Status, error_type: str | None = None) -> None:
        now = time.monotonic()
        invocation, self.invocation = self.invocation, None
        self._reception = None
        assert invocation is not None
        if invocation.on_answer:
            invocation.on_answer(invocation, body, failed)
        if self._run:
            self._run.answered = invocation.request_id
        self._open_entry(invocation)
        entry = self._entry
        self._sandbox.drain()
        self._note_memory()
        config = self.version.config
        init_s, self._init_s = self._init_s, None
        restore_s, self._restore_s = self._restore_s, None
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
            restore_s=restore_s,
            function_arn=invocation.function_arn,
        )
        entry.trace, entry.produced_bytes = trace, 0 if failed else len(body)
        self._record(trace)
        if self.phase is Phase.INVOKE:
            if self._run is not None and self._run.lingers:
                self._answered, entry.lingers = trace, True
            else:
                self._free()
        if not invocation.ending.done():  # last: who hears of it may have the next one for this environment
            invocation.ending.set_result(Result(body, failed, entry, trace))

    def _lengthen(self, trace: Trace, status: Status | None = None) -> None:
        """Extensions have finished after the answer: the log and the bill hold their time too."""
        self._answered = None
        self._sandbox.drain()
        longer = replace(trace, duration_s=time.monotonic() - self._began, status=status or trace.status)
        self._entry.trace, self._entry.lingers = longer, False
        self._record_longer(longer)

    def _note_memory(self) -> None:
        """The peak changes only when the resident set does: one cheap look says whether to take the dear one."""
        resident = self._sandbox.own_resident_bytes()
        if resident and resident != self._last_resident:
            self._last_resident = resident
            self.max_memory = max(self.max_memory, self._sandbox.peak_bytes())

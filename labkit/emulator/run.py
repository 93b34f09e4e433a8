"""One run of an environment: the runtime's process with its extensions, from their start to the last one's end.

Owns what is true of these processes and is over with them; the environment owns what outlives them. It knows the
order of the Runtime API's calls, when an init or an answered invocation is over, and how processes are ended.

The runtime begins when the external extensions have registered; the init is over when it and all extensions have
asked for an event. With SnapStart the runtime is forked from its version's template (template.py), and its restore is
over when it asks for an event. Where there is no template it goes through its init and both kinds of hooks every time:
then the init's time is saved on the bill and in REPORT, not on the clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from labkit.emulator import shutdown
from labkit.emulator.endings import error_body, error_type_of, exit_words, timeout_line
from labkit.emulator.extensions import NOT_ALLOWED, RUNTIME_ONLY, Extensions
from labkit.emulator.recorder import phases_of
from labkit.emulator.runtime_api import Channel, Verdict
from labkit.emulator.sandbox import Forks, Sandbox
from labkit.emulator.shutdown import Due, Shutdown
from labkit.model import InitPhases, Status

FREEZE_AFTER_S = 0.004
RESTORE_TIMEOUT_S = 10.0
OWN_VARIABLES = ("AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_LOG_STREAM_NAME")  # of an environment that is forked


class Failure(msgspec.Struct, frozen=True):
    """An answer of the platform's own: the type in REPORT, the payload, what the log says before END."""

    reported: str
    body: bytes
    closing: str = ""
    status: Status = Status.ERROR


class Run(msgspec.Struct):
    """See the module's docstring. `snap_start`: there is a restore between the init and the first event."""

    sandbox: Sandbox
    spawned: float
    extensions: Extensions
    snap_start: bool = False
    initialised: bool = False
    init_error: tuple[str, bytes] | None = None
    killed_for: Status | None = None
    out_of_memory: bool = False
    parked: Channel | None = None  # a `next` that waits for an event, since `parked_at`
    parked_at: float = 0.0
    frozen: bool = False
    over: bool = False  # it is being ended
    ended_idle: bool = False  # no invocation had to do with its end
    shutdown: Shutdown | None = None
    extension_error: tuple[str, str] | None = None  # type, and Lambda's words
    answered: str = ""  # the request id that has its answer, until the next one is asked for
    restoring: float | None = None  # since SnapStart's snapshot would have been taken
    restored_s: float | None = None
    channels: list[Channel] = msgspec.field(default_factory=list)

    def start(self, argv: Sequence[str], variables: Mapping[str, str], paths: Sequence[str]) -> bool:
        """Starts the runtime and the executables; False if one of these cannot run. Raises OSError if that."""
        self.sandbox.start(argv, variables, company=bool(paths))
        theirs = {name: value for name, value in variables.items() if name not in RUNTIME_ONLY}
        for path in paths:
            try:
                self.sandbox.start_extension(path, theirs)
            except OSError as error:
                why = "PermissionDenied" if isinstance(error, PermissionError) else "UnknownError"
                self.extensions.failed(Path(path).name, "LaunchError", why)
                self.extension_failed("Extension.LaunchError", str(error))
                return False
        return True

    def restore(self, template: Forks, variables: Mapping[str, str], *, otherwise: Callable[[], None]) -> None:
        """Has the runtime forked from a template. What all environments share is the template's own already."""
        self.restoring = self.spawned
        own = {name: variables[name] for name in OWN_VARIABLES}
        self.sandbox.restore(template, own, otherwise=otherwise)

    # --- when something is over

    @property
    def ready(self) -> bool:
        """Whether the runtime and every extension wait for an event."""
        return self.parked is not None and self.extensions.ready

    @property
    def lingers(self) -> bool:
        """Whether an answered invocation still occupies the environment."""
        return self.over or (self.extensions.follow and (self.parked is None or self.extensions.busy))

    def init_deadline(self, limit_s: float) -> float:
        return self.spawned + limit_s if self.restoring is None else self.restoring + RESTORE_TIMEOUT_S

    def freeze_when_due(self, now: float, crowd: int = 1) -> None:
        """Freezes what has been waiting for long enough, among so many that move."""
        if self.parked is not None and not self.frozen and now - self.parked_at >= FREEZE_AFTER_S * crowd:
            self.frozen = True
            self.sandbox.freeze()

    def thaw(self) -> None:
        if self.frozen:
            self.frozen = False
            self.sandbox.thaw()

    def restored(self, now: float) -> float | None:
        """The restore is over, with the init: how long it took, if there was one."""
        if self.restoring is not None:
            self.restored_s, self.restoring = now - self.restoring, None
        return self.restored_s

    def error_type(self) -> str:
        """Of an init that failed, for INIT_REPORT."""
        if self.out_of_memory:
            return "Runtime.OutOfMemory"
        if self.extension_error:
            return self.extension_error[0]
        return self.init_error[0] if self.init_error else "Runtime.ExitError"

    def phases(self, ready: float) -> InitPhases | None:
        """Where the init's time went; None if the process said nothing of it."""
        with suppress(ValueError, TypeError, RecursionError):
            said = json.loads(self.sandbox.read_report())
            if isinstance(said, dict):
                return phases_of(said, self.spawned, ready)
        return None

    # --- the end of the processes

    def failure(self, request_id: str, timeout_s: int, returncode: int) -> Failure:
        """What an invocation is answered whose processes ended before it did."""
        request = f"RequestId: {request_id} Error: "
        if self.killed_for is Status.TIMEOUT:
            words = f"Task timed out after {timeout_s:.2f} seconds"
            closing = timeout_line(request_id, words, time.time())
            return Failure("Sandbox.Timedout", error_body("Sandbox.Timedout", request + words), closing, Status.TIMEOUT)
        if self.out_of_memory:
            words = "Runtime exited with error: signal: killed"
            return Failure("Runtime.OutOfMemory", error_body("Runtime.ExitError", request + words))
        if self.extension_error:
            error_type, words = self.extension_error
            return Failure(error_type, error_body(error_type, request + words), f"{request}{words}\n{error_type}\n")
        if self.init_error:
            return Failure(*self.init_error)
        return Failure("Runtime.ExitError", error_body("Runtime.ExitError", request + exit_words(returncode)))

    def extension_failed(self, error_type: str, words: str) -> None:
        """The first error counts: an extension that reports one exits afterwards."""
        if self.extension_error is None:
            self.extension_error = (error_type, words)

    def end(self, reason: str) -> None:
        """Ends the processes, at once or, with extensions, in Lambda's order."""
        now = time.monotonic()
        self.over = True
        extensions = self.extensions
        self.shutdown = shutdown.begin(now, reason, external=extensions.external, internal=bool(extensions))
        if self.shutdown is None:
            self.sandbox.kill()
            return
        self.thaw()
        self.sandbox.terminate_runtime()
        self.shut_down(now)

    def shut_down(self, now: float) -> None:
        """Does what is due of a shutdown under way."""
        assert self.shutdown is not None
        match self.shutdown.due(now, runtime_alive=self.sandbox.runtime_alive):
            case Due.KILL:
                self.sandbox.kill()
            case Due.TELL:
                self.sandbox.kill_members(spared=self.extensions.wants_shutdown())
                deadline_ms = int((time.time() + self.shutdown.until - now) * 1000)
                self.extensions.send_shutdown(deadline_ms=deadline_ms, reason=self.shutdown.reason)
            case Due.NOTHING:
                pass

    # --- the order of calls

    def init_failed(self, error_type: str, body: bytes) -> Verdict:
        if self.initialised or self.init_error:
            return out_of_order("Ready" if self.initialised else "InitError", "InitError")
        hook = error_type == "Runtime.BeforeSnapshotError"  # its payload names the exception
        self.init_error = (error_type if hook else error_type_of(body) or error_type, body)
        return True

    def restore_begins(self) -> Verdict:
        """The runtime has run its hooks before the snapshot. The restore follows at once."""
        if not self.snap_start:
            return False
        if self.initialised or self.restoring is not None:
            return out_of_order("Ready" if self.initialised else "Restoring", "RestoreReady")
        self.restoring = time.monotonic()
        return True

    def restore_failed(self, error_type: str, body: bytes) -> Verdict:
        if not self.snap_start:
            return False
        if self.restoring is None:
            return out_of_order("Ready" if self.initialised else "Started", "RestoreError")
        self.init_error = (error_type, body)
        return True

    def answered_twice(self, request_id: str, wanted: str) -> Verdict:
        """A second answer to the same invocation is out of order; any other id is unknown."""
        return out_of_order("ResponseSent", wanted) if self.answered == request_id else False


def out_of_order(state: str, wanted: str) -> str:
    return f"State transition from {state} to {wanted} failed for runtime. Error: {NOT_ALLOWED}"

"""The Extensions API of one set of processes (2020-01-01): who registered, for what, and who waits for an event.

Owns the states of extensions, not their processes: it answers requests and tells its `Host` what changed. Routes,
error types, words and order are those of AWS's open-source runtime interface emulator
(aws/aws-lambda-runtime-interface-emulator, lambda/rapi/handler and lambda/core):

    external (an executable of /opt/extensions):   Started -> Registered -> Ready <-> Running -> ...
    internal (a thread of the runtime's process):  registers itself, for INVOKE only, until the runtime is ready

The Telemetry API and the Logs API accept a subscription with 202 and the body that the same emulator answers ("not
supported"): nothing is ever sent to a subscriber here.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

import msgspec

from labkit.emulator.runtime_api import Channel
from labkit.model import FunctionConfig

MOST_EXTENSIONS = 10
INVOKE, SHUTDOWN = "INVOKE", "SHUTDOWN"
NOT_ALLOWED = "State transition is not allowed"
NOT_SUPPORTED = {
    b"/2022-07-01/telemetry": ("Telemetry.NotSupported", "Telemetry API is not supported"),
    b"/2020-08-15/logs": ("Logs.NotSupported", "Logs API is not supported"),
}
# a runtime's own variables, which an extension does not see (Lambda Extensions API, "Environment variables")
RUNTIME_ONLY = frozenset(
    [
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_AWS_XRAY_DAEMON_ADDRESS",
        "_AWS_XRAY_DAEMON_PORT",
        "_HANDLER",
    ]
)


class Host(Protocol):
    """Whom extensions belong to."""

    def on_extensions_registered(self) -> None: ...
    def on_extension_next(self) -> None: ...
    def on_extension_error(self, error_type: str) -> None: ...


class Refused(Exception):
    """A request against the protocol: 403 with a type and a message."""

    def __init__(self, error_type: str, message: str) -> None:
        self.error_type = error_type
        super().__init__(message)


class Extension(msgspec.Struct):
    name: str
    identifier: str
    external: bool
    events: tuple[str, ...] = ()
    state: str = "Started"
    error_type: str = ""
    waiting: Channel | None = None

    def line(self) -> str:
        """What the function's log says of it when the init is over."""
        error = f"\tError Type: {self.error_type}" if self.error_type else ""
        return f"EXTENSION\tName: {self.name}\tState: {self.state}\tEvents: [{', '.join(self.events)}]{error}"


class Extensions:
    """See the module's docstring. `names`: the external extensions, which are about to be started."""

    def __init__(self, host: Host, names: Iterable[str], about: Mapping[str, str]) -> None:
        self._host = host
        self._about = about
        self.closed = False  # no registration any more
        self._shutdown: Mapping[str, object] | None = None  # what is told to who asks from now on
        self._all = {name: Extension(name, str(uuid.uuid4()), external=True) for name in names}

    def __bool__(self) -> bool:
        return bool(self._all)

    @property
    def external(self) -> bool:
        return any(e.external for e in self._all.values())

    @property
    def ready(self) -> bool:
        """Whether every extension has asked for its first event."""
        return all(e.state in ("Ready", "Running") for e in self._all.values())

    @property
    def busy(self) -> bool:
        """Whether an extension still works on an invocation's event."""
        return any(e.state == "Running" for e in self._all.values())

    @property
    def follow(self) -> bool:
        """Whether any extension hears of invocations."""
        return any(INVOKE in e.events for e in self._all.values())

    def lines(self) -> list[str]:
        return [e.line() for e in self._all.values()]

    def failed(self, name: str, state: str, error_type: str) -> None:
        """Its process could not be started, or ended."""
        extension = self._all[name]
        extension.state, extension.error_type = state, error_type

    def wants_shutdown(self) -> set[str]:
        """The external extensions that are told of the end, at once or when they next ask; the others are killed."""
        alive = ("Registered", "Ready", "Running")
        return {e.name for e in self._all.values() if e.external and SHUTDOWN in e.events and e.state in alive}

    # --- events

    def send_invoke(self, *, deadline_ms: int, request_id: str, function_arn: str, trace_id: str) -> None:
        if not self._all:
            return  # the way of nearly every call
        event = {
            "eventType": INVOKE,
            "deadlineMs": deadline_ms,
            "requestId": request_id,
            "invokedFunctionArn": function_arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": trace_id},
        }
        self._send(INVOKE, event)

    def send_shutdown(self, *, deadline_ms: int, reason: str) -> None:
        self._shutdown = {"eventType": SHUTDOWN, "shutdownReason": reason, "deadlineMs": deadline_ms}
        self._send(SHUTDOWN, self._shutdown)

    def _send(self, kind: str, event: Mapping[str, object]) -> None:
        for extension in self._all.values():
            if kind in extension.events and extension.waiting is not None:
                channel, extension.waiting = extension.waiting, None
                extension.state = "Running"
                event_id = {"Lambda-Extension-Event-Identifier": str(uuid.uuid4())}
                channel.reply(HTTPStatus.OK, event, event_id)

    # --- requests

    def answer(self, channel: Channel, method: bytes, path: bytes, body: bytes) -> None:
        """Answers one request, now or, for `event/next`, when there is an event."""
        try:
            self._route(channel, method, path, body)
        except Refused as refused:
            channel.refuse(HTTPStatus.FORBIDDEN, refused.error_type, str(refused))

    def _route(self, channel: Channel, method: bytes, path: bytes, body: bytes) -> None:
        match method, path:
            case b"POST", b"/2020-01-01/extension/register":
                self._register(channel, body)
            case b"GET", b"/2020-01-01/extension/event/next":
                self._next(channel)
            case b"POST", b"/2020-01-01/extension/init/error":
                self._error(channel, "InitError", ("Registered",))
            case b"POST", b"/2020-01-01/extension/exit/error":
                self._error(channel, "ExitError", ("Registered", "Ready", "Running"))
            case b"PUT", _ if path in NOT_SUPPORTED:
                self._known(channel)
                error_type, message = NOT_SUPPORTED[path]
                channel.reply(HTTPStatus.ACCEPTED, {"errorMessage": message, "errorType": error_type})
            case _:
                channel.refuse(HTTPStatus.NOT_FOUND, "NotFound", "The Extensions API has no such path.")

    def _register(self, channel: Channel, body: bytes) -> None:
        name = channel.extension_headers.get("name", "")
        if not name:
            raise Refused("Extension.InvalidExtensionName", "Empty extension name")
        events = _events_of(body)
        extension = self._all.get(name)
        if extension is None:
            extension = self._internal(name, events)
        _check_events(events, (INVOKE, SHUTDOWN) if extension.external else (INVOKE,))
        if extension.state != "Started":
            if not extension.external:
                raise Refused("Extension.InvalidExtensionState", "Extension with this name already registered")
            raise _wrong_state(extension, "Registered", name)
        self._all[name] = extension
        extension.events, extension.state = events, "Registered"
        accepted = [f.strip() for f in channel.extension_headers.get("accept-feature", "").split(",")]
        about = {k: v for k, v in self._about.items() if k != "accountId" or "accountId" in accepted}
        channel.reply(HTTPStatus.OK, about, {"Lambda-Extension-Identifier": extension.identifier})
        if extension.external and all(e.state != "Started" for e in self._all.values() if e.external):
            self._host.on_extensions_registered()

    def _internal(self, name: str, events: tuple[str, ...]) -> Extension:
        _check_events(events, (INVOKE,))
        if self.closed:
            raise Refused("Extension.RegistrationClosed", "Extension registration closed already")
        if len(self._all) >= MOST_EXTENSIONS:
            raise Refused("Extension.TooManyExtensions", f"Extension limit ({MOST_EXTENSIONS}) reached")
        return Extension(name, str(uuid.uuid4()), external=False)

    def _next(self, channel: Channel) -> None:
        extension = self._known(channel)
        if extension.state not in ("Registered", "Running"):
            raise _wrong_state(extension, "Ready", extension.identifier)
        extension.state, extension.waiting = "Ready", channel
        if self._shutdown:  # it was still at work when the others were told
            self._send(SHUTDOWN, self._shutdown)
        else:
            self._host.on_extension_next()

    def _error(self, channel: Channel, state: str, allowed: Sequence[str]) -> None:
        extension = self._known(channel)
        said = channel.extension_headers.get("function-error-type", "")
        if not said:
            missing = "Lambda-Extension-Function-Error-Type not found"
            raise Refused("Extension.MissingHeader", missing)
        if extension.state not in (*allowed, state):
            raise _wrong_state(extension, "Exited" if state == "ExitError" else state, extension.identifier)
        first = extension.state != state
        channel.reply(HTTPStatus.ACCEPTED, {"status": "OK"})
        if first:
            extension.state, extension.error_type = state, said
            self._host.on_extension_error(f"Extension.{state}")

    def _known(self, channel: Channel) -> Extension:
        given = channel.extension_headers.get("identifier", "")
        if not given:
            raise Refused("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
        try:
            wanted = str(uuid.UUID(given))
        except ValueError:
            message = "Invalid Lambda-Extension-Identifier"
            raise Refused("Extension.InvalidExtensionIdentifier", message) from None
        found = next((e for e in self._all.values() if e.identifier == wanted), None)
        if found is None:
            raise Refused("Extension.UnknownExtensionIdentifier", f"Unknown extension {wanted}")
        return found


def _events_of(body: bytes) -> tuple[str, ...]:
    try:
        said = json.loads(body)
        events = tuple(said.get("events") or ())
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise Refused("InvalidRequestFormat", str(error)) from None
    if not all(isinstance(event, str) for event in events):
        raise Refused("InvalidRequestFormat", "events must be a list of strings")
    if said.get("configurationKeys"):
        message = "configurationKeys are deprecated; use environment variables instead"
        raise Refused("InvalidRequestFormat", message)
    return tuple(dict.fromkeys(events))


def _check_events(events: Iterable[str], allowed: Collection[str]) -> None:
    wrong = next((event for event in events if event not in allowed), None)
    if wrong is not None:
        raise Refused("Extension.InvalidEventType", f"{wrong}: ErrorInvalidEventType")


def _wrong_state(extension: Extension, wanted: str, who: str) -> Refused:
    words = f"State transition from {extension.state} to {wanted} failed for extension {who}. Error: {NOT_ALLOWED}"
    return Refused("Extension.InvalidExtensionState", words)


def executables(opt: Path) -> tuple[str, ...]:
    """The external extensions in the folder that stands for /opt, in order of their names."""
    folder = opt / "extensions"
    return tuple(str(path) for path in sorted(folder.iterdir()) if path.is_file()) if folder.is_dir() else ()


def about_function(config: FunctionConfig, version: str, arn: str) -> dict[str, str]:
    """What a registration is answered."""
    return {
        "functionName": config.name,
        "functionVersion": version,
        "handler": config.handler,
        "accountId": arn.split(":")[4],
    }

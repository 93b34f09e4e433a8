"""A Runtime API client of our own, for systems that awslambdaric has no wheel for (macOS, for one).

Does what `awslambdaric.bootstrap.run` does in the standard mode, one event at a time, over the module
`runtime_client` (our transport): finds the handler, builds the context, converts JSON, posts results and errors,
writes the error lines; logging itself is next door, in logs.py. tests/runtime runs the same contract over both and
compares payloads byte for byte. What a handler can see decides what is here, oddities included: named tuples become
objects, bytes inside a result become text, a Decimal keeps its digits.

Not here: multi-concurrent mode. SnapStart's hooks need AWS's package snapshot_restore_py, as handlers do that have any.
"""

from __future__ import annotations

import decimal
import importlib
import json
import logging
import math
import os
import sys
import time
import traceback

import runtime_client

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs two milliseconds of cold start
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any

    from labkit.runtime.logs import Logs

    Handler = Callable[[Any, Any], Any]
    Frame = tuple[str, int, str, str | None]

# From Python 3.12 on, Lambda writes characters beyond ASCII as they are.
UNICODE_RUNTIMES = tuple(f"AWS_Lambda_python3.{minor}" for minor in range(12, 16))
W3C_FIELDS = ("traceparent", "tracestate", "baggage")


class Fault(Exception):
    """An error that Lambda has a name for. No trace of it reaches the payload but the one it brings."""

    def __init__(self, error_type: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.error_type, self.message, self.trace = f"Runtime.{error_type}", message, trace


# --- the handler --------------------------------------------------------------------------------------------


def load_handler(handler: str) -> Handler:
    """Imports `module.function`. Raises Fault, or whatever else the module's top level raises."""
    module_name, dot, name = handler.rpartition(".")
    if not dot:
        raise Fault("MalformedHandlerName", f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)")
    if module_name.partition(".")[0] in sys.builtin_module_names:
        raise Fault("BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [where]) from error
    try:
        found: Handler = getattr(module, name)
    except AttributeError:
        raise Fault("HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'") from None
    return found


class Record:
    """An object with fixed attributes, from a dict that may lack some."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, values: Mapping[str, object]) -> None:
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self) -> str:
        fields = ",".join(f"{name}={getattr(self, name, None)}" for name in self.__slots__)
        return f"{type(self).__name__}([{fields}])"


class CognitoIdentity(Record):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(Record):
    __slots__ = (  # noqa: RUF023 - the order in which repr shows them
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    )


class ClientContext(Record):
    __slots__ = ("custom", "env", "client")  # noqa: RUF023
    client: Any


class LambdaContext:
    """The handler's second argument. `memory_limit_in_mb` is a string, as on AWS."""

    def __init__(self, headers: Mapping[str, Any]) -> None:
        client_context = _json_header(headers.get("Lambda-Runtime-Client-Context"), "Client Context")
        identity = _json_header(headers.get("Lambda-Runtime-Cognito-Identity"), "Cognito Identity") or {}
        self.aws_request_id = headers.get("Lambda-Runtime-Aws-Request-Id")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("Lambda-Runtime-Invoked-Function-Arn")
        w3c = client_context.pop("w3c", None) if isinstance(client_context, dict) else None
        self._w3c = {k: w3c[k] for k in W3C_FIELDS if isinstance(w3c.get(k), str)} if isinstance(w3c, dict) else {}
        self.client_context = None if client_context is None else ClientContext(client_context)
        if self.client_context is not None and self.client_context.client is not None:
            self.client_context.client = Client(self.client_context.client)
        self.identity = CognitoIdentity({})
        if identity:
            ids = {"cognito_identity_id": "cognitoIdentityId", "cognito_identity_pool_id": "cognitoIdentityPoolId"}
            self.identity = CognitoIdentity({name: identity.get(key) for name, key in ids.items()})
        self.tenant_id = headers.get("Lambda-Runtime-Aws-Tenant-Id")
        self._deadline_ms = headers.get("Lambda-Runtime-Deadline-Ms", 0)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(self._deadline_ms) - int(time.time() * 1000))

    def w3c(self) -> dict[str, str]:
        return dict(self._w3c)

    def log(self, msg: object) -> None:
        for handler in logging.getLogger().handlers:
            if hasattr(handler, "sink"):
                handler.sink.log(str(msg))
                return
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        fields = ",".join(f"{name}={value}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"LambdaContext([{fields}])"


def _json_header(text: str | None, name: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except Exception as error:
        raise Fault("LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {error}") from error


# --- JSON ---------------------------------------------------------------------------------------------------

# `json` cannot write a Decimal as a number, so it is written as a string that nobody else writes, then unquoted.
_DIGITS = f"decimal-{os.urandom(12).hex()}:"


def to_json(value: object) -> str:
    """What awslambdaric's encoder writes. TypeError and ValueError as from `json`."""
    ascii_only = os.environ.get("AWS_EXECUTION_ENV") not in UNICODE_RUNTIMES
    text = json.dumps(_plain(value, ()), ensure_ascii=ascii_only)
    if _DIGITS in text:
        first, *others = text.split(f'"{_DIGITS}')
        text = first + "".join(digits + rest for digits, _, rest in (part.partition('"') for part in others))
    return text


class BytesKey(str):
    """A key that was bytes. Equal to no other: {"a": 1, b"a": 2} is written with both entries."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def _plain(value: Any, above: tuple[int, ...]) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, decimal.Decimal):
        return math.nan if value.is_nan() else f"{_DIGITS}{value}"
    if value is None or isinstance(value, str | int | float):
        return value
    if id(value) in above:
        raise ValueError("Circular reference detected")
    above = (*above, id(value))
    if callable(as_dict := getattr(value, "_asdict", None)):
        value = as_dict()
    if isinstance(value, list | tuple):
        return [_plain(item, above) for item in value]
    if isinstance(value, dict):
        return {_key(key): _plain(item, above) for key, item in value.items()}
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _key(key: Any) -> Any:
    if isinstance(key, bytes):
        return BytesKey(key.decode())
    if key is None or isinstance(key, str | int | float):
        return key
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def read_event(body: bytes, content_type: object) -> object:
    """The event that a body holds: JSON, or the bytes themselves if it says that it is something else."""
    if content_type != "application/json":
        return body
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except Exception as error:
        raise Fault("UnmarshalError", f"Unable to unmarshal input: {error}") from error


def write_result(result: object) -> tuple[str | bytes, str]:
    """A result's body and content type."""
    if isinstance(result, bytes):
        return result, "application/unknown"
    try:
        return to_json(result), "application/json"
    except Exception as error:
        raise Fault("MarshalError", f"Unable to marshal response: {error}") from error


# --- errors -------------------------------------------------------------------------------------------------


def error_result(error_type: str, message: str, trace: list[str] | None, request_id: str = "") -> dict[str, Any]:
    return {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": trace or []}


def fault_result(exc_info: tuple[Any, Any, Any], message: str | None = None) -> dict[str, Any]:
    """The payload of an exception at import that Lambda has no name for."""
    kind, error, trace = exc_info
    return error_result(kind.__name__, message or str(error), traceback.format_list(student_frames(trace)))


def student_frames(trace: TracebackType | None) -> list[Frame]:
    """The frames from the student's first on; all of them if there is none, as when a handler takes no arguments."""
    frames: list[Frame] = [(f.filename, f.lineno or 0, f.name, f.line) for f in traceback.extract_tb(trace)]
    first = (i for i, frame in enumerate(frames) if frame[0] != __file__ and "/bootstrap.py" not in frame[0])
    return frames[next(first, 0) :]


def xray_cause(error_type: str, message: str, frames: list[Frame]) -> str:
    """X-Ray's form of an error, for a header; empty if it would not fit."""
    stack = [{"label": name, "path": path, "line": line} for path, line, name, _ in frames]
    cause = to_json(
        {
            "working_directory": os.getcwd(),
            "exceptions": [{"message": message, "type": error_type, "stack": stack}],
            "paths": list({frame[0] for frame in frames}),
        }
    )
    return cause if len(cause.encode()) < 1024 * 1024 else ""


# --- the loop -----------------------------------------------------------------------------------------------


def run(handler: str, logs: Logs) -> None:
    """Serves events until the process is killed. SystemExit(1) when the handler cannot be loaded."""
    connect()
    logs.set_up()
    try:
        function = load_handler(handler)
    except Fault as fault:
        refuse(logs, error_result(fault.error_type, fault.message, fault.trace))
    except Exception:
        refuse(logs, fault_result(sys.exc_info()))
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        snap_start(logs)
    while True:
        body, headers = runtime_client.next()
        logs.start(headers)
        _set_trace_id(headers.get("Lambda-Runtime-Trace-Id"))
        answer(logs, function, body, headers)


def connect() -> None:
    """Takes the Runtime API's address from the environment, at the start and after a restore."""
    runtime_client.initialize_client(f"aws-lambda-python/{sys.version.split()[0]}-labkit")


def refuse(logs: Logs, result: dict[str, Any]) -> None:
    """Reports an init that failed, and ends the process."""
    logging.warning(
        "LAMBDA_WARNING: Unhandled exception while the function was loading, most likely in its own code.\r"
    )
    logs.error(result)
    headers = f"Lambda-Runtime-Function-Error-Type: {result['errorType']}\r\n"
    runtime_client.connection().post("/init/error", headers, to_json(result).encode())
    sys.exit(1)


def snap_start(logs: Logs) -> None:
    """Runs the hooks before the snapshot, waits for the restore, and runs those after it. SystemExit 64 or 65."""
    try:
        from snapshot_restore_py import get_after_restore, get_before_snapshot  # a cold path
    except ImportError:  # then no handler can have registered any
        before, after = [], []
    else:
        before, after = get_before_snapshot(), get_after_restore()
    try:
        while before:
            hook, args, kwargs = before.pop()
            hook(*args, **kwargs)
        restore_next()
    except BaseException:
        _hook_failed(logs, "/init/error", "Runtime.BeforeSnapshotError", 64)
    try:
        for hook, args, kwargs in after:
            hook(*args, **kwargs)
    except BaseException:
        _hook_failed(logs, "/restore/error", "Runtime.AfterRestoreError", 65)


def restore_next() -> None:
    status = runtime_client.connection().get("/restore/next")[0]
    if status != 200:
        raise RuntimeError(f"Failed to wait for the restore: {status}")


def _hook_failed(logs: Logs, path: str, error_type: str, exit_status: int) -> None:
    result = fault_result(sys.exc_info())
    logs.error(result)
    headers = f"Lambda-Runtime-Function-Error-Type: {error_type}\r\n"
    runtime_client.connection().post(path, headers, to_json(result).encode())
    sys.exit(exit_status)


def answer(logs: Logs, function: Handler, body: bytes, headers: Mapping[str, Any]) -> None:
    """Runs the handler on one event and posts what came of it. BaseExceptions end the process."""
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    invocation_id = headers.get("Lambda-Runtime-Invocation-Id")
    try:
        context = LambdaContext(headers)
        result, content_type = write_result(function(read_event(body, headers.get("Content-Type")), context))
    except Fault as fault:
        failure = error_result(fault.error_type, fault.message, fault.trace, request_id)
        cause = xray_cause("LambdaValidationError", fault.message, [])
    except Exception as error:
        name, message, frames = type(error).__name__, str(error), student_frames(error.__traceback__)
        failure = error_result(name, message, traceback.format_list(frames), request_id)
        cause = xray_cause(name, message, frames)
    else:
        # A lone surrogate cannot be encoded: that ends the process, here as in awslambdaric.
        data = result if isinstance(result, bytes) else result.encode()
        runtime_client.post_invocation_result(request_id, data, content_type, invocation_id)
        return
    logs.error(failure)
    runtime_client.post_error(request_id, to_json(failure), cause, invocation_id)


def _set_trace_id(trace_id: str | None) -> None:
    if trace_id is None:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    else:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id

"""Writes log lines as Lambda does: what the platform says, in Text and JSON, and what levels let through.

Owns the words and shapes; keeps nothing and knows no clock. Sources: Text lines as they stand in public CloudWatch
logs. JSON records by the Telemetry API's schema (docs: telemetry-schema-reference), fields in the order of recorded
CloudWatch logs (LogFormat JSON, 2024 to 2026). Which record passes at which `SystemLogLevel` is the table "System log
level event mapping" (docs: monitoring-cloudwatchlogs-log-level). Levels filter JSON only; Text is never filtered.

A handler's output is one byte stream of prints and of the runtime client's frames (`_LAMBDA_TELEMETRY_LOG_FD`), which
carry their level. With JSON, the `logging` module writes JSON by itself; a print stays the line that it is, and counts
as INFO unless it is an object with a valid `level` and `timestamp` (same page).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

import msgspec

from labkit.billing import billed_ms
from labkit.model import LATEST, FunctionConfig, LoggingConfig, Status, Trace

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
DEBUG, INFO, WARN = (LEVELS.index(level) for level in ("DEBUG", "INFO", "WARN"))
PYTHONS_NAMES = {"WARNING": "WARN", "CRITICAL": "FATAL"}
FRAME_MAGIC = b"\xa5\x5a\x00"  # frame types are 0xa55a00NN; not valid UTF-8, so no print begins with it
FRAME_HEAD = 16  # type 4, length 4, microseconds 8
FRAME_TYPES = frozenset(level * 4 + kind for level in range(len(LEVELS) + 1) for kind in (2, 3))  # JSON, Text
PLATFORMS = ("Runtime.", "Sandbox.", "Function.")  # error types of what the platform ended

TEXT = LoggingConfig()


class Origin(msgspec.Struct, frozen=True):
    """What all lines of one log stream have in common."""

    function_name: str = ""
    version: str = LATEST
    memory_mb: int = 128
    instance_id: str = ""
    region: str = "us-east-1"
    initialization_type: str = "on-demand"
    logging: LoggingConfig = TEXT
    traced: bool = False

    @property
    def as_json(self) -> bool:
        return self.logging.format == "JSON"

    @property
    def group(self) -> str:
        return _group(self.function_name, self.logging)

    @property
    def lowest(self) -> int:
        """The lowest application level that is kept; JSON's default is INFO."""
        return LEVELS.index(self.logging.application_level or "INFO") if self.as_json else 0


def log_group(config: FunctionConfig) -> str:
    return _group(config.name, config.logging)


def _group(name: str, logging: LoggingConfig) -> str:
    return logging.group or f"/aws/lambda/{name}"


def log_variables(config: FunctionConfig) -> dict[str, str]:
    """What a process is told about its log; the runtime client reads format and level."""
    group = {"AWS_LAMBDA_LOG_GROUP_NAME": log_group(config)}
    if config.logging.format != "JSON":
        return group
    level = config.logging.application_level or "INFO"
    return {**group, "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": level}


def stream_name(config: FunctionConfig, version: str, day: datetime, instance: str) -> str:
    """`YYYY/MM/DD/[VERSION]INSTANCE`; in a log group of one's own, which functions may share, with the name."""
    name = config.name if config.logging.group else ""
    return f"{day:%Y/%m/%d}/{name}[{version}]{instance}"


@cache
def runtime_version() -> str:
    """The interpreter that really runs, as Lambda writes versions: `python:3.13.v5` is CPython 3.13.5."""
    return f"python:{sys.version_info.major}.{sys.version_info.minor}.v{sys.version_info.micro}"


@cache
def runtime_version_arn(region: str) -> str:
    """The same for the same build of Python, as on Lambda for the same runtime."""
    return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(sys.version.encode()).hexdigest()}"


# --- what the platform says ---------------------------------------------------------------------------------


def init_start(origin: Origin, now: float) -> str:
    """The first line of a stream."""
    return _started(origin, now, "init", initializationType=origin.initialization_type, phase="init")


def restore_start(origin: Origin, now: float) -> str:
    """The first line of an environment that is restored from a snapshot."""
    return _started(origin, now, "restore")


def _started(origin: Origin, now: float, what: str, **first: str) -> str:
    version, arn = runtime_version(), runtime_version_arn(origin.region)
    if not origin.as_json:
        return f"{what.upper()}_START Runtime Version: {version}\tRuntime Version ARN: {arn}\n"
    record = {
        **first,
        "runtimeVersion": version,
        "runtimeVersionArn": arn,
        "functionName": origin.function_name,
        "functionVersion": origin.version,
        "instanceId": origin.instance_id,
        "instanceMaxMemory": origin.memory_mb * 1024 * 1024,
    }
    return _event(origin, INFO, now, f"{what}Start", record)


def init_report(
    origin: Origin,
    now: float,
    init_s: float,
    *,
    phase: str = "init",
    status: str = "success",
    error_type: str | None = None,
) -> str:
    """How an init ended. In Text a good one leaves no line, unless its environment is provisioned."""
    if not origin.as_json:
        silent = status == "success" and origin.initialization_type != "provisioned-concurrency"
        return "" if silent else f"{init_report_line(init_s, phase, status, error_type)}\n"
    error = {"errorType": error_type} if error_type else {}
    record = {"initializationType": origin.initialization_type, "phase": phase, "status": status, **error}
    failed = status != "success"
    rank = INFO if origin.initialization_type != "on-demand" else DEBUG
    return _event(origin, WARN if failed else DEBUG, now, "initRuntimeDone", record) + _event(
        origin, WARN if failed else rank, now, "initReport", {**record, "metrics": {"durationMs": _ms(init_s)}}
    )


def init_report_line(init_s: float, phase: str, status: str, error_type: str | None = None) -> str:
    ended = "" if status == "success" else f"\tStatus: {status}"
    error = f"\tError Type: {error_type}" if error_type else ""
    return f"INIT_REPORT Init Duration: {init_s * 1000:.2f} ms\tPhase: {phase}{ended}{error}"


def restore_report(
    origin: Origin, now: float, restore_s: float, *, status: str = "success", error_type: str | None = None
) -> str:
    """One for each restore; the text has a status only if it failed."""
    if not origin.as_json:
        failed = "" if status == "success" else f"\tStatus: {status}"
        failed += f"\tError Type: {error_type}" if error_type else ""
        return f"RESTORE_REPORT Restore Duration: {restore_s * 1000:.2f} ms{failed}\n"
    rank = INFO if status == "success" else WARN
    record = {"status": status, **({"errorType": error_type} if error_type else {})}
    return _event(origin, rank, now, "restoreReport", {**record, "metrics": {"durationMs": _ms(restore_s)}})


def start(origin: Origin, now: float, request_id: str, function_arn: str = "", tracing: str = "") -> str:
    if not origin.as_json:
        return f"START RequestId: {request_id} Version: {origin.version}\n"
    arn = {"functionArn": function_arn} if function_arn else {}
    record = {"requestId": request_id, **arn, "version": origin.version, **_tracing(tracing)}
    return _event(origin, INFO, now, "start", record)


def end(origin: Origin, trace: Trace, *, produced_bytes: int = 0, tracing: str = "") -> str:
    """END and REPORT; in JSON what the runtime did, and the report."""
    if not origin.as_json:
        return f"END RequestId: {trace.request_id}\n{report_line(trace)}\n"
    status, error_type = platform_status(trace)
    error = {"errorType": error_type} if error_type and status == "error" else {}
    done = {
        "requestId": trace.request_id,
        "status": status,
        **error,
        **_tracing(tracing),
        "metrics": {"durationMs": _ms(trace.duration_s), "producedBytes": produced_bytes},
    }
    report = {
        "requestId": trace.request_id,
        "metrics": _metrics(trace),
        **_tracing(tracing),
        "status": status,
        **error,
    }
    now = trace.arrived_at + trace.total_s
    failed = status != "success"
    return _event(origin, WARN if failed else DEBUG, now, "runtimeDone", done) + _event(
        origin, WARN if failed else INFO, now, "report", report
    )


def platform_status(trace: Trace) -> tuple[str, str | None]:
    """Status and error type of what the platform itself ended; a handler's own exception is a success to it."""
    if trace.status is Status.TIMEOUT:
        return "timeout", trace.error_type
    if trace.error_type and trace.error_type.startswith(PLATFORMS):
        return "error", trace.error_type
    return "success", None


def report_line(trace: Trace) -> str:
    """REPORT, with its trailing tab; `Max Memory Used` is measured."""
    parts = [
        f"REPORT RequestId: {trace.request_id}",
        f"Duration: {trace.duration_s * 1000:.2f} ms",
        f"Billed Duration: {billed_ms(trace.duration_s, trace.startup_s)} ms",
        f"Memory Size: {trace.memory_mb} MB",
        f"Max Memory Used: {trace.max_memory_mb} MB",
    ]
    if trace.init_s is not None:
        parts.append(f"Init Duration: {trace.init_s * 1000:.2f} ms")
    if trace.restore_s is not None:
        parts.append(f"Restore Duration: {trace.restore_s * 1000:.2f} ms")
        parts.append(f"Billed Restore Duration: {billed_ms(trace.restore_s, None)} ms")
    line = "\t".join(parts) + "\t"
    status, error_type = platform_status(trace)
    ends = {"timeout": "Status: timeout", "error": f"Status: error\tError Type: {error_type}"}
    return line + ends.get(status, "")


def _metrics(trace: Trace) -> dict[str, float]:
    init = {} if trace.init_s is None else {"initDurationMs": _ms(trace.init_s)}
    return {
        "durationMs": _ms(trace.duration_s),
        "billedDurationMs": billed_ms(trace.duration_s, trace.startup_s),
        "memorySizeMB": trace.memory_mb,
        "maxMemoryUsedMB": trace.max_memory_mb,
        **init,
    }


def _tracing(header: str) -> dict[str, object]:
    """The record's trace context. Recorded logs have one only where the request was sampled."""
    return {"tracing": {"type": "X-Amzn-Trace-Id", "value": header}} if "Sampled=1" in header else {}


def _event(origin: Origin, rank: int, now: float, kind: str, record: Mapping[str, object]) -> str:
    if rank < LEVELS.index(origin.logging.system_level or "INFO"):
        return ""
    time = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    event = {"time": f"{time}Z", "type": f"platform.{kind}", "record": record}
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False) + "\n"


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


# --- what the handler says ----------------------------------------------------------------------------------


def application(output: bytes, lowest: int = 0) -> str:
    """Text of a handler's output without what is below the lowest level; it ends with a line's end."""
    text = b"".join(_kept(rank, part, lowest) for rank, part in _parts(output)).decode("utf-8", "replace")
    return text if text.endswith("\n") or not text else text + "\n"


def _kept(rank: int | None, part: bytes, lowest: int) -> bytes:
    if rank is not None:
        return part if rank >= lowest else b""
    if lowest == 0 or (lowest <= INFO and b"{" not in part):
        return part
    return b"".join(line for line in part.splitlines(keepends=True) if level_of(line) >= lowest)


def _parts(output: bytes) -> Iterator[tuple[int | None, bytes]]:
    """Prints, which have no level, and frames' messages with theirs."""
    at = 0
    for frame in frames(output):
        message = output[frame.message : frame.end]
        yield None, output[at : frame.begin]
        yield frame.rank, message if message.endswith(b"\n") else message + b"\n"
        at = frame.end
    yield None, output[at:]


class Frame(NamedTuple):
    """Where a frame stands in an output: its head, its message and its end, which may be still to come."""

    begin: int
    message: int
    end: int
    rank: int | None
    at_s: float


def frames(output: bytes) -> Iterator[Frame]:
    """Those whose heads are whole. What only looks like a frame is a print."""
    at = 0
    while (found := output.find(FRAME_MAGIC, at)) >= 0:
        at = found + len(FRAME_MAGIC)
        head = output[found : found + FRAME_HEAD]
        if len(head) < FRAME_HEAD or head[3] not in FRAME_TYPES:
            continue
        begin = found + FRAME_HEAD
        at = begin + int.from_bytes(head[4:8], "big")
        rank = head[3] // 4 - 1 if head[3] >= 4 else None
        yield Frame(found, begin, at, rank, int.from_bytes(head[8:16], "big") / 1e6)


def level_of(line: bytes) -> int:
    """A printed line's level: its own if it is an object with a known `level` and a valid `timestamp`."""
    if not line.startswith(b"{"):
        return INFO
    try:
        said = json.loads(line)
        level = str(said["level"]).upper()
        if datetime.fromisoformat(said["timestamp"]).tzinfo is None:
            return INFO
    except (ValueError, TypeError, KeyError, RecursionError):
        return INFO
    level = PYTHONS_NAMES.get(level, level)
    return LEVELS.index(level) if level in LEVELS else INFO

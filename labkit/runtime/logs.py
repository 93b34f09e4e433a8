"""Logging as Lambda's Python runtime sets it up: sinks, formats, levels. Used by the fallback client only.

Owns where a line goes and how it looks: standard output, or telemetry frames when the emulator offers a descriptor
for them; text, or JSON by AWS_LAMBDA_LOG_FORMAT; filtered by AWS_LAMBDA_LOG_LEVEL. Formats are AWS's to the byte,
so that what reads one reads the other.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from json import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs two milliseconds of cold start
    from collections.abc import Callable, Mapping
    from typing import Any

NO_BREAK_SPACE = "\u00a0"
FRAME_JSON, FRAME_TEXT = 0xA55A0002, 0xA55A0003  # plus four for each ten of the level, from DEBUG's eight on
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"
STANDARD_FIELDS = {*vars(logging.makeLogRecord({})), "aws_request_id", "tenant_id", "frame_type"} - {"taskName"}


def frame_type(level: int, *, as_json: bool) -> bytes:
    """The telemetry frame's first four bytes for a log level."""
    base = FRAME_JSON if as_json else FRAME_TEXT
    return (base + (4 + level // 10 * 4 if level else 0)).to_bytes(4, "big")


def tens(level: int) -> int:
    """The standard level at or below this one."""
    return min(50, max(0, level)) // 10 * 10


class StandardSink:
    """Log lines on standard output. Lines of one message are joined by carriage returns, so that it stays one."""

    def log(self, message: str, kind: bytes = b"") -> None:
        sys.stdout.write(message)

    def log_lines(self, lines: list[str], kind: bytes) -> None:
        sys.stdout.write("\r".join(lines) + "\n")


class FramedSink:
    """Log lines as telemetry frames: type, length, microseconds since the epoch, message; big-endian."""

    def __init__(self, fd: int) -> None:
        self._file = open(fd, "wb", 0)  # noqa: SIM115 - open as long as the process lives

    def log(self, message: str, kind: bytes = b"") -> None:
        data = message.encode()
        stamp = (time.time_ns() // 1000).to_bytes(8, "big")
        self._file.write((kind or frame_type(0, as_json=False)) + len(data).to_bytes(4, "big") + stamp + data)

    def log_lines(self, lines: list[str], kind: bytes) -> None:
        self.log("\n".join(lines), kind)


class LogHandler(logging.Handler):
    """Sends records to the sink; `framed` by their level, else as plain text."""

    def __init__(self, sink: StandardSink | FramedSink, framed: bool) -> None:
        super().__init__()
        self.sink, self._framed = sink, framed

    def emit(self, record: logging.LogRecord) -> None:
        message = self.format(record)
        text_kind = frame_type(tens(record.levelno), as_json=False) if self._framed else b""
        self.sink.log(message, getattr(record, "frame_type", text_kind))


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        record.levelno = tens(record.levelno)
        record.levelname = logging.getLevelName(record.levelno)
        record.frame_type = frame_type(record.levelno, as_json=True)
        kind, error, trace = record.exc_info or (None, None, None)
        fields = {
            "timestamp": self.formatTime(record, f"{TIME_FORMAT}Z"),
            "level": record.levelname,
            "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(trace) if record.exc_info else None,
            "errorType": kind.__name__ if kind else None,
            "errorMessage": str(error) if record.exc_info else None,
            "requestId": getattr(record, "aws_request_id", None),
            "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if record.exc_info else None,
            "tenantId": getattr(record, "tenant_id", None),
        }
        extra = {k: v for k, v in vars(record).items() if k not in STANDARD_FIELDS and k not in fields}
        written = {name: value for name, value in {**fields, **extra}.items() if value is not None}
        return dumps(written, ensure_ascii=False, default=str) + "\n"


class Unbuffered:
    """A stream that is flushed after every write: a killed process has said what it said."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()

    def writelines(self, lines: list[str]) -> None:
        self.stream.writelines(lines)
        self.stream.flush()


class Logs:
    """The sink, and the request that log lines belong to. `to_json` writes the payloads of errors."""

    def __init__(self, to_json: Callable[[object], str]) -> None:
        self._to_json = to_json
        self.as_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "")
        self._level = "DEBUG" if level == "TRACE" else level.upper()
        fd = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
        self._sink = StandardSink() if fd is None else FramedSink(int(fd))
        self._request: Mapping[str, Any] = {}

    def set_up(self) -> None:
        """Makes the root logger and the standard streams behave as on AWS."""
        sys.stdout, sys.stderr = Unbuffered(sys.stdout), Unbuffered(sys.stderr)
        logging.Formatter.converter = staticmethod(time.gmtime)
        handler = LogHandler(self._sink, framed=bool(self.as_json or self._level))
        line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
        handler.setFormatter(JsonFormatter() if self.as_json else logging.Formatter(line, TIME_FORMAT))
        handler.addFilter(self._stamp)
        if self._level in logging.getLevelNamesMapping():
            logging.getLogger().setLevel(self._level)
        logging.getLogger().addHandler(handler)

    def start(self, request: Mapping[str, Any]) -> None:
        self._request = request

    def _stamp(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self._request.get("Lambda-Runtime-Aws-Request-Id", "")
        record.tenant_id = self._request.get("Lambda-Runtime-Aws-Tenant-Id")
        return True

    def error(self, result: Mapping[str, Any]) -> None:
        """Writes a failure's line, or its JSON."""
        kind = frame_type(logging.ERROR, as_json=self.as_json)
        if self.as_json:
            now = time.strftime(f"{TIME_FORMAT}Z", time.gmtime())
            self._sink.log_lines([self._to_json({"timestamp": now, "level": "ERROR", **result})], kind)
            return
        what = ": ".join(part for part in (result["errorType"], result["errorMessage"]) if part)
        lines = [f"[ERROR] {what}".rstrip(), "Traceback (most recent call last):"]
        for line in (line for entry in result["stackTrace"] for line in entry.splitlines()):
            indent = len(line) - len(line.lstrip(" "))
            lines.append(NO_BREAK_SPACE * indent + line[indent:])  # log viewers keep these
        self._sink.log_lines(lines, kind)

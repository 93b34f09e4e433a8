"""Lambda's words for how processes and invocations end. Pure functions."""

from __future__ import annotations

import json
import time
from contextlib import suppress

MOST_LETTERS = 1000  # of an error's type
SIGNAL_WORDS = {1: "hangup", 2: "interrupt", 6: "aborted", 9: "killed", 11: "segmentation fault", 15: "terminated"}


def exit_words(returncode: int) -> str:
    """Of a runtime that ended without an answer."""
    if returncode:
        return f"Runtime exited with error: {_status(returncode)}"
    return "Runtime exited without providing a reason"


def extension_words(returncode: int) -> str:
    """Of an extension that ended by itself; "exit code 0" is recorded in public logs."""
    return _status(returncode) if returncode else "exit code 0"


def _status(returncode: int) -> str:
    if returncode < 0:
        return f"signal: {SIGNAL_WORDS.get(-returncode, str(-returncode))}"
    return f"exit status {returncode}"


def timeout_line(request_id: str, words: str, now: float) -> str:
    """The line of a timeout in the function's log."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{at}.{int(now * 1000) % 1000:03d}Z {request_id} {words}\n\n"


def error_body(error_type: str, message: str) -> bytes:
    """The payload of an error that the platform reports: it has no stack."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def error_type_of(body: bytes) -> str | None:
    """The type that an error's JSON names, as a log line can hold it: anybody may post anything."""
    with suppress(ValueError, RecursionError):
        said = json.loads(body)
        if isinstance(said, dict) and isinstance(said.get("errorType"), str):
            return str(said["errorType"])[:MOST_LETTERS].encode("utf-8", "replace").decode()
    return None

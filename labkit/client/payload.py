"""Events and results between Python and JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from labkit.errors import PayloadUnreadable
from labkit.model import FunctionError, Outcome, Status, Trace


def as_json(event: object) -> bytes:
    """The event as it goes over the wire. Raises PayloadUnreadable."""
    try:
        return json.dumps({} if event is None else event, default=_plain, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise PayloadUnreadable(f"This event cannot be sent as JSON: {error}.") from None


def _plain(value: Any) -> object:
    """numpy's arrays and scalars, pandas' series: everything that can list itself."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")


def decoded(body: bytes) -> object:
    """JSON if it is JSON that Python can read, else the bytes."""
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return body


def function_error(payload: object) -> FunctionError:
    """What a failed invocation's payload says."""
    if not isinstance(payload, dict):
        return FunctionError("Unhandled", str(payload))
    return FunctionError(
        error_type=str(payload.get("errorType", "Unhandled")),
        message=str(payload.get("errorMessage", "")),
        stack_trace=tuple(map(str, payload.get("stackTrace") or ())),
        request_id=str(payload.get("requestId", "")),
    )


def outcome_of(name: str, answer: Mapping[str, Any], trace: Trace | None) -> Outcome:
    """What an answer of Invoke means; `trace` is what the emulator measured of it."""
    payload = decoded(answer["Payload"].read())
    failed = "FunctionError" in answer
    error = function_error(payload) if failed else None
    timed_out = error is not None and error.error_type == "Sandbox.Timedout"
    return Outcome(
        name,
        Status.TIMEOUT if timed_out else Status.ERROR if failed else Status.SUCCESS,
        payload=payload,
        error=error,
        log_tail=base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace"),
        trace=trace,
        request_id=answer["ResponseMetadata"]["RequestId"],
    )

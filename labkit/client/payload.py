"""Events and results between Python and JSON."""

from __future__ import annotations

import json
from typing import Any

from labkit.errors import PayloadUnreadable
from labkit.model import FunctionError


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

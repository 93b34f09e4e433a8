"""InvokeAsync: AWS's first asynchronous invocation, deprecated since there is Invoke with the type Event.

The same queue, the same retries; the answer is only a status. It takes smaller payloads, and hands no trace id on (API
reference, InvokeAsync).
"""

from __future__ import annotations

from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.registry import parse_reference
from labkit.errors import RequestTooLarge

PAYLOAD_BYTES = 256 * 1024


async def invoke_async(account: Account, params: Params) -> dict[str, Any]:
    payload = params["InvokeArgs"]
    if len(payload) > PAYLOAD_BYTES:
        raise RequestTooLarge(f"Request must be smaller than {PAYLOAD_BYTES} bytes for the InvokeAsync operation")
    await account.accept_event(parse_reference(params["FunctionName"]), payload)
    return {"Status": 202}


OPERATIONS: dict[str, Operation] = {"InvokeAsync": invoke_async}

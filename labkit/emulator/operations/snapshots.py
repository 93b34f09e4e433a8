"""The state of a published version with SnapStart: Pending until its snapshot is made, Failed if its init was.

Code and words of the failure are AWS's, from public reports: hashicorp/terraform-provider-aws issue 49904 (the code),
aws-samples/bedrock-chat issue 653 (the reason). An invocation of a version that failed is not refused here: it goes
through the init itself and answers with its error, which says more.
"""

from __future__ import annotations

import asyncio
from typing import Any

from labkit.emulator.account import Account
from labkit.emulator.operations.configuration import PENDING
from labkit.emulator.registry import FunctionVersion

LOOK_S = 3.0  # botocore's waiters look again after five seconds, which is longer than nearly every init
REASON, CODE = "An error occurred during function initialization.", "FunctionError"
FAILED = {
    "State": "Failed",
    "StateReason": REASON,
    "StateReasonCode": CODE,
    "LastUpdateStatus": "Failed",
    "LastUpdateStatusReason": REASON,
    "LastUpdateStatusReasonCode": CODE,
}


async def snapshot_state(account: Account, version: FunctionVersion, look_s: float = LOOK_S) -> dict[str, Any]:
    """What differs in its description; waits a little for a snapshot that is being made."""
    snapshot = account.dispatcher.snapshot(version)
    if snapshot is None:
        return {}
    try:
        await asyncio.wait_for(snapshot.settled(), look_s)
    except TimeoutError:
        return PENDING
    return FAILED if snapshot.failed else {}

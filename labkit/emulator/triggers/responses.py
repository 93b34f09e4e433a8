"""PURE: what a handler's response says of the records of its batch (`ReportBatchItemFailures`).

Recorded against AWS (LocalStack's tests of SQS and Kinesis mappings) and by the developer guide, "Implementing partial
batch responses": an empty list, null, or no `batchItemFailures` at all is success, and so is an empty or null
response. An id that is not in the batch, an empty or null id, a wrong shape or no JSON make the whole batch fail.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any


def failed_items(payload: bytes, ids: Collection[str]) -> frozenset[str]:
    """The ids of the records that failed: all of them, if the response cannot be understood."""
    everything = frozenset(ids)
    try:
        response: Any = json.loads(payload)
    except (ValueError, RecursionError):
        return everything
    if not response:
        return frozenset()
    if not isinstance(response, dict):
        return everything
    failures = response.get("batchItemFailures")
    if not failures:
        return frozenset()
    if not isinstance(failures, list):
        return everything
    named = [each.get("itemIdentifier") if isinstance(each, dict) else None for each in failures]
    failed = frozenset(name for name in named if isinstance(name, str) and name in everything)
    return failed if len(failed) == len(frozenset(map(str, named))) else everything

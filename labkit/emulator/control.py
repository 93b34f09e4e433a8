"""Finds the function that performs an operation of the Lambda API.

Parameters are parsed and validated, results serialised, by the wire; in `operations` is only what each one does. What
is not in OPERATIONS answers 501. To add one: write the function, add its line to its file's OPERATIONS.
"""

from __future__ import annotations

from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations import (
    code_signing,
    concurrency,
    durable_executions,
    event_invoke,
    functions,
    invoke_async,
    layer_policies,
    layers,
    managed_instances,
    mappings,
    policies,
    provisioned,
    resource_policies,
    settings,
    tags,
    urls,
    versions,
)
from labkit.emulator.registry import ASKED_FOR
from labkit.errors import NotImplementedHere

OPERATIONS: dict[str, Operation] = {
    **functions.OPERATIONS,
    **versions.OPERATIONS,
    **concurrency.OPERATIONS,
    **provisioned.OPERATIONS,
    **layers.OPERATIONS,
    **event_invoke.OPERATIONS,
    **mappings.OPERATIONS,
    **policies.OPERATIONS,
    **settings.OPERATIONS,
    **tags.OPERATIONS,
    **urls.OPERATIONS,
    **code_signing.OPERATIONS,
    **layer_policies.OPERATIONS,
    **resource_policies.OPERATIONS,
    **invoke_async.OPERATIONS,
    **managed_instances.OPERATIONS,
    **durable_executions.OPERATIONS,
}


async def perform(account: Account, operation: str, params: Params) -> dict[str, Any]:
    """Runs an operation by its AWS name, and keeps what it changed before it is answered. Raises ServiceError."""
    if operation not in OPERATIONS:
        raise NotImplementedHere(operation)
    asked_for: set[tuple[str, str]] = set()
    token = ASKED_FOR.set(asked_for)
    try:
        return await OPERATIONS[operation](account, params)
    finally:
        ASKED_FOR.reset(token)
        account.keep(asked_for)

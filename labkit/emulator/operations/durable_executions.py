"""Durable executions. labkit has none: CreateFunction refuses DurableConfig, and only such functions begin them.

So lists are empty, and no execution, callback or checkpoint token that a caller names is there. A checkpoint, which
would make one go on, is not implemented. Which error an operation answers with is from its list of exceptions in the
API reference; the words are labkit's own.
"""

from __future__ import annotations

from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.errors import InvalidParameterValue, ResourceNotFound


async def list_executions(account: Account, params: Params) -> dict[str, Any]:
    account.registry.named(params["FunctionName"], params.get("Qualifier"))
    return {"DurableExecutions": []}


async def find_execution(account: Account, params: Params) -> dict[str, Any]:
    """Whatever is asked of an execution: it is not there."""
    raise ResourceNotFound(f"Durable execution not found: {params['DurableExecutionArn']}")


async def find_callback(account: Account, params: Params) -> dict[str, Any]:
    raise ResourceNotFound(f"Callback not found: {params['CallbackId']}")


async def execution_state(account: Account, params: Params) -> dict[str, Any]:
    """The token is looked at first: the operation knows no ResourceNotFoundException."""
    raise InvalidParameterValue("Invalid checkpoint token")


OPERATIONS: dict[str, Operation] = {
    "DeleteDurableExecution": find_execution,
    "GetDurableExecution": find_execution,
    "GetDurableExecutionHistory": find_execution,
    "GetDurableExecutionState": execution_state,
    "ListDurableExecutionsByFunction": list_executions,
    "PauseDurableExecution": find_execution,
    "ResumeDurableExecution": find_execution,
    "SendDurableExecutionCallbackFailure": find_callback,
    "SendDurableExecutionCallbackHeartbeat": find_callback,
    "SendDurableExecutionCallbackSuccess": find_callback,
    "StopDurableExecution": find_execution,
}

"""Reserved concurrency: a function's own share of the account's, a limit and a guarantee at once."""

from __future__ import annotations

from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.registry import Function, parse_reference
from labkit.errors import InvalidParameterValue

UNRESERVED_AT_LEAST = 100  # of 1,000; a smaller account keeps a tenth


async def put_function_concurrency(account: Account, params: Params) -> dict[str, Any]:
    function = _function(account, params)
    wanted = params["ReservedConcurrentExecutions"]
    others = {name: n for name, n in account.dispatcher.reserved.items() if name != function.name}
    minimum = unreserved_minimum(account.dispatcher.account_limit)
    if account.dispatcher.account_limit - sum(others.values()) - wanted < minimum:
        raise InvalidParameterValue(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{minimum}]."
        )
    account.dispatcher.reserve({**others, function.name: wanted})
    return {"ReservedConcurrentExecutions": wanted}


async def get_function_concurrency(account: Account, params: Params) -> dict[str, Any]:
    """An empty answer where nothing is reserved."""
    function = _function(account, params)
    reserved = account.dispatcher.reserved
    return {"ReservedConcurrentExecutions": reserved[function.name]} if function.name in reserved else {}


async def delete_function_concurrency(account: Account, params: Params) -> dict[str, Any]:
    release(account, _function(account, params))
    return {}


def release(account: Account, function: Function) -> None:
    """Gives back what the function reserved, if anything."""
    kept = {name: n for name, n in account.dispatcher.reserved.items() if name != function.name}
    account.dispatcher.reserve(kept)


def unreserved_minimum(account_limit: int) -> int:
    return min(UNRESERVED_AT_LEAST, account_limit // 10)


def _function(account: Account, params: Params) -> Function:
    return account.registry.function(parse_reference(params["FunctionName"]))


OPERATIONS: dict[str, Operation] = {
    "DeleteFunctionConcurrency": delete_function_concurrency,
    "GetFunctionConcurrency": get_function_concurrency,
    "PutFunctionConcurrency": put_function_concurrency,
}

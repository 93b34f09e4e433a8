"""Reserved concurrency: a function's own share of the account's, a limit and a guarantee at once.

Words: LocalStack's provider, whose tests were recorded against AWS; the spaces in the second message are AWS's own.
"""

from __future__ import annotations

from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.registry import Function, parse_reference
from labkit.errors import InvalidParameterValue

UNRESERVED_AT_LEAST = 100  # of 1,000; a smaller account keeps a tenth


async def put_function_concurrency(account: Account, params: Params) -> dict[str, Any]:
    if parse_reference(params["FunctionName"]).qualifier:
        raise InvalidParameterValue(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
            "Please specify either a function name or an unqualified function ARN."
        )
    function = _function(account, params)
    wanted = params["ReservedConcurrentExecutions"]
    minimum = unreserved_minimum(account.dispatcher.account_limit)
    if unreserved(account, but=function) - wanted < minimum:
        raise InvalidParameterValue(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{minimum}]."
        )
    provisioned = provisioned_sum(function)
    if wanted < provisioned:
        raise InvalidParameterValue(
            f" ReservedConcurrentExecutions  {wanted} should not be lower than function's total provisioned "
            f"concurrency [{provisioned}]."
        )
    account.dispatcher.reserve({**account.dispatcher.reserved, function.name: wanted})
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


def unreserved(account: Account, *, but: Function | None = None) -> int:
    """What functions without a pool of their own share, less what is provisioned of it; `but` takes nothing."""
    left = account.dispatcher.account_limit
    reserved = account.dispatcher.reserved
    for function in account.registry.functions.values():
        if function is not but:
            left -= reserved[function.name] if function.name in reserved else provisioned_sum(function)
    return left


def provisioned_sum(function: Function, *, but: str = "") -> int:
    """What the function's versions and aliases ask for, one of them left out."""
    return sum(config.requested for qualifier, config in function.provisioned.items() if qualifier != but)


def unreserved_minimum(account_limit: int) -> int:
    return min(UNRESERVED_AT_LEAST, account_limit // 10)


def _function(account: Account, params: Params) -> Function:
    return account.registry.function(parse_reference(params["FunctionName"]))


OPERATIONS: dict[str, Operation] = {
    "DeleteFunctionConcurrency": delete_function_concurrency,
    "GetFunctionConcurrency": get_function_concurrency,
    "PutFunctionConcurrency": put_function_concurrency,
}

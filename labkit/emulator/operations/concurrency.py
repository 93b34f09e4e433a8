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
    function.reserved = wanted
    apply(account)
    return {"ReservedConcurrentExecutions": wanted}


async def get_function_concurrency(account: Account, params: Params) -> dict[str, Any]:
    """An empty answer where nothing is reserved."""
    return {"ReservedConcurrentExecutions": _function(account, params).reserved}


async def delete_function_concurrency(account: Account, params: Params) -> dict[str, Any]:
    _function(account, params).reserved = None
    apply(account)
    return {}


def apply(account: Account) -> None:
    """Tells the dispatcher what is reserved now, of functions that are there."""
    functions = account.registry.functions.values()
    account.dispatcher.reserve({f.name: f.reserved for f in functions if f.reserved is not None})


def unreserved(account: Account, *, but: Function | None = None) -> int:
    """What functions without a pool of their own share, less what is provisioned of it; `but` takes nothing."""
    left = account.dispatcher.account_limit
    for function in account.registry.functions.values():
        if function is not but:
            left -= provisioned_sum(function) if function.reserved is None else function.reserved
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

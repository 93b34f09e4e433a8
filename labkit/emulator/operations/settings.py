"""The account's limits and use, and settings of a function that change little in how labkit runs it.

- Recursion: Lambda stops a function that reaches itself through SQS, SNS or S3, unless this is set to Allow
  (developer guide, "Use Lambda recursive loop detection"); `lineage` finds the loop.
- Runtime management: labkit runs functions with the Python it was started with, which never changes while it runs, so
  Auto and FunctionUpdate are kept and Manual, which pins another build of the runtime, is refused.

Limits: developer guide, "Lambda quotas"; concurrency is this lab's own, from its settings.
"""

from __future__ import annotations

from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations.concurrency import unreserved
from labkit.errors import InvalidParameterValue
from labkit.model import UNZIPPED_BYTES, ZIP_BYTES

TOTAL_CODE_BYTES = 80_530_636_800


async def get_account_settings(account: Account, params: Params) -> dict[str, Any]:
    functions = account.registry.functions.values()
    return {
        "AccountLimit": {
            "TotalCodeSize": TOTAL_CODE_BYTES,
            "CodeSizeUnzipped": UNZIPPED_BYTES,
            "CodeSizeZipped": ZIP_BYTES,
            "ConcurrentExecutions": account.dispatcher.account_limit,
            "UnreservedConcurrentExecutions": unreserved(account),
        },
        "AccountUsage": {
            "TotalCodeSize": sum(v.package.size_bytes for function in functions for v in function.versions()),
            "FunctionCount": len(functions),
        },
    }


async def get_function_recursion_config(account: Account, params: Params) -> dict[str, Any]:
    function, _ = account.registry.named(params["FunctionName"])
    return {"RecursiveLoop": function.recursive_loop}


async def put_function_recursion_config(account: Account, params: Params) -> dict[str, Any]:
    function, _ = account.registry.named(params["FunctionName"])
    function.recursive_loop = params["RecursiveLoop"]
    return {"RecursiveLoop": function.recursive_loop}


async def get_runtime_management_config(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = account.registry.named(params["FunctionName"], params.get("Qualifier"))
    return {
        "UpdateRuntimeOn": function.runtime_updates.get(qualifier, "Auto"),
        "FunctionArn": f"{account.registry.arn(function.name)}:{qualifier}",
    }


async def put_runtime_management_config(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = account.registry.named(params["FunctionName"], params.get("Qualifier"))
    if params["UpdateRuntimeOn"] == "Manual" or params.get("RuntimeVersionArn"):
        raise InvalidParameterValue(
            "labkit runs functions with its own Python and cannot pin another runtime version: "
            "use Auto or FunctionUpdate, without RuntimeVersionArn."
        )
    function.runtime_updates[qualifier] = params["UpdateRuntimeOn"]
    return await get_runtime_management_config(account, params)


OPERATIONS: dict[str, Operation] = {
    "GetAccountSettings": get_account_settings,
    "GetFunctionRecursionConfig": get_function_recursion_config,
    "GetRuntimeManagementConfig": get_runtime_management_config,
    "PutFunctionRecursionConfig": put_function_recursion_config,
    "PutRuntimeManagementConfig": put_runtime_management_config,
}

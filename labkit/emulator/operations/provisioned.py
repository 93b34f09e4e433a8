"""Provisioned concurrency: environments that are started ahead of requests and kept.

The records (what somebody asked for, by version or alias) belong to the function; how far the environments are, the
scheduler knows by way of the dispatcher. It counts by version: what an alias asks for is asked of its version. A
weighted alias asks for all of them from its main version; on AWS they move with the weights.

Rules and words: LocalStack's provider, whose tests were recorded against AWS, and the developer guide's "Configuring
provisioned concurrency". `Available` is the same as `Allocated` here, busy environments included: no page says more.
Not documented, so labkit's choice: an alias with provisioned concurrency may not move to a version that has its own;
deleting an alias or a version deletes its provisioned concurrency.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations.concurrency import provisioned_sum, unreserved, unreserved_minimum
from labkit.emulator.operations.pagination import page
from labkit.emulator.registry import Alias, Function, ProvisionedConcurrency, parse_reference
from labkit.errors import InvalidParameterValue, ProvisionedConcurrencyNotFound, ResourceConflict, ResourceNotFound
from labkit.model import LATEST

PAGE = 50
FAILURE = "FUNCTION_ERROR_INIT_FAILURE"
UNPUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."


async def put_config(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _named(account, params, UNPUBLISHED)
    requested = params["ProvisionedConcurrentExecutions"]
    number = _version_of(function, qualifier)
    if number == LATEST:
        raise InvalidParameterValue(UNPUBLISHED)
    _check_limits(account, function, qualifier, requested)
    _check_alone(function, qualifier, number)
    # the CLI reference shows these times without a fraction, unlike a function's
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
    function.provisioned[qualifier] = ProvisionedConcurrency(requested, now)
    settle(account, function, number)
    return {**_described(account, function, qualifier), "Status": "IN_PROGRESS", "StatusReason": None}


async def get_config(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _named(account, params)
    if qualifier not in function.provisioned:
        raise ProvisionedConcurrencyNotFound("No Provisioned Concurrency Config found for this function")
    return _described(account, function, qualifier)


async def delete_config(account: Account, params: Params) -> dict[str, Any]:
    """Deleting one that is not there is no error, as on AWS."""
    function, qualifier = _named(account, params)
    forget(account, function, qualifier)
    return {}


async def list_configs(account: Account, params: Params) -> dict[str, Any]:
    function = account.registry.function(parse_reference(params["FunctionName"]))
    qualifiers, more = page(sorted(function.provisioned), params, most=PAGE)
    arn = account.registry.arn(function.name)
    listed = [{"FunctionArn": f"{arn}:{q}", **_described(account, function, q)} for q in qualifiers]
    return {"ProvisionedConcurrencyConfigs": listed} | more


# --- for other operations -----------------------------------------------------------------------------------


def settle(account: Account, function: Function, number: str) -> None:
    """Tells the dispatcher what is now asked of a version, by its own number and by aliases."""
    if number in function.published:
        asking = [q for q in function.provisioned if _version_of(function, q) == number]
        count = sum(function.provisioned[q].requested for q in asking)
        account.dispatcher.provision(function.published[number], count)


def resume(account: Account) -> None:
    """Starts what is asked for by functions that were there before the emulator."""
    for function in account.registry.functions.values():
        for number in {_version_of(function, qualifier) for qualifier in function.provisioned}:
            settle(account, function, number)


def forget(account: Account, function: Function, qualifier: str) -> None:
    """Ends the provisioned concurrency of a version or an alias, if it has one; before it is itself deleted."""
    if function.provisioned.pop(qualifier, None):
        settle(account, function, _version_of(function, qualifier))


def check_move(function: Function, alias: Alias) -> None:
    """Refuses an alias that cannot take its provisioned concurrency with it."""
    if alias.name not in function.provisioned:
        return
    if alias.version == LATEST:
        raise InvalidParameterValue(UNPUBLISHED)
    if alias.version in function.provisioned:
        raise ResourceConflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        )


# --- how they do it -----------------------------------------------------------------------------------------


def _named(
    account: Account,
    params: Params,
    latest: str = "The function resource provided must be an alias or a published version.",
) -> tuple[Function, str]:
    """The function and its version or alias; `latest` is what to say about $LATEST."""
    reference = parse_reference(params["FunctionName"], params["Qualifier"])
    qualifier = str(reference.qualifier)
    if qualifier == LATEST:
        raise InvalidParameterValue(latest)
    function = account.registry.functions.get(reference.name)
    if function and (qualifier in function.published or qualifier in function.aliases):
        return function, qualifier
    what = "Function not found" if qualifier.isdigit() else "Cannot find alias arn"
    raise ResourceNotFound(f"{what}: {account.registry.arn(reference.name)}:{qualifier}")


def _version_of(function: Function, qualifier: str) -> str:
    alias = function.aliases.get(qualifier)
    return alias.version if alias else qualifier


def _check_limits(account: Account, function: Function, qualifier: str, requested: int) -> None:
    reserved = function.reserved
    if reserved is not None:
        if requested + provisioned_sum(function, but=qualifier) > reserved:
            raise InvalidParameterValue(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                "function"
            )
        return
    limit = account.dispatcher.account_limit
    if requested > limit:
        raise InvalidParameterValue(
            f"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{limit}]."
        )
    left = unreserved(account, but=function) - provisioned_sum(function, but=qualifier) - requested
    if left < unreserved_minimum(limit):
        raise InvalidParameterValue(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            f"minimum value of [{unreserved_minimum(limit)}]."
        )


def _check_alone(function: Function, qualifier: str, number: str) -> None:
    """A version and an alias that names it cannot both have one."""
    if qualifier in function.aliases and number in function.provisioned:
        raise ResourceConflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        )
    aliases = [alias.name for alias in function.aliases.values() if alias.version == qualifier]
    if any(name in function.provisioned for name in aliases):
        raise ResourceConflict("Version is pointed by a Provisioned Concurrency alias")


def _described(account: Account, function: Function, qualifier: str) -> dict[str, Any]:
    config = function.provisioned[qualifier]
    state = account.dispatcher.allocation(function.published[_version_of(function, qualifier)])
    allocated = min(config.requested, state.allocated)  # two aliases may share a version
    status = "READY" if state.allocated >= state.requested else "IN_PROGRESS"
    return {
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": allocated,
        "AllocatedProvisionedConcurrentExecutions": allocated,
        "Status": "FAILED" if state.failed else status,
        "StatusReason": FAILURE if state.failed else None,
        "LastModified": config.last_modified,
    }


OPERATIONS: dict[str, Operation] = {
    "DeleteProvisionedConcurrencyConfig": delete_config,
    "GetProvisionedConcurrencyConfig": get_config,
    "ListProvisionedConcurrencyConfigs": list_configs,
    "PutProvisionedConcurrencyConfig": put_config,
}

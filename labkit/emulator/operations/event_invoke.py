"""How asynchronous invocations of a function are retried, and where the records of their ends go.

The settings only; whoever runs the events reads `Function.event_invoke`, where None means that nobody set the value
and AWS's default holds (two retries, six hours, no destination).

Put replaces all settings, Update those that it names; both need one at least. Words, and the `$LATEST` at the end of
every FunctionArn: LocalStack's provider and its tests, which were recorded against AWS. Kinds of destinations:
PutFunctionEventInvokeConfig in AWS's API reference; S3 takes records of failures only.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations.pagination import page
from labkit.emulator.registry import Function, FunctionEventInvokeConfig, parse_reference
from labkit.errors import InvalidParameterValue, ResourceNotFound
from labkit.model import LATEST

PAGE = 50
SUCCESS_SERVICES = frozenset({"lambda", "sqs", "sns", "events"})
FAILURE_SERVICES = SUCCESS_SERVICES | {"s3"}
SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")


async def put_config(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _changed_function(account, params)
    return _keep(account, function, qualifier, _changed(FunctionEventInvokeConfig(None, None, None, None, 0), params))


async def update_config(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _changed_function(account, params)
    if qualifier not in function.event_invoke:
        raise _no_config(account, function.name, qualifier)
    return _keep(account, function, qualifier, _changed(function.event_invoke[qualifier], params))


async def get_config(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _configured_function(account, params)
    return _describe(account, function, qualifier)


async def delete_config(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _configured_function(account, params)
    del function.event_invoke[qualifier]
    return {}


async def list_configs(account: Account, params: Params) -> dict[str, Any]:
    function, _ = _known(account, params)
    qualifiers, more = page(sorted(function.event_invoke), params, most=PAGE)
    return {"FunctionEventInvokeConfigs": [_describe(account, function, q) for q in qualifiers]} | more


# --- how they do it -----------------------------------------------------------------------------------------


def _changed_function(account: Account, params: Params) -> tuple[Function, str]:
    """The function whose settings a request changes, with everything checked that the request says."""
    if all(params.get(name) is None for name in SETTINGS):
        raise InvalidParameterValue("You must specify at least one of error handling or destination setting.")
    function, qualifier = _known(account, params)
    _check_destinations(account, function, params)
    return function, qualifier


def _known(account: Account, params: Params) -> tuple[Function, str]:
    try:
        return account.registry.named(params["FunctionName"], params.get("Qualifier"))
    except ResourceNotFound:
        raise ResourceNotFound("The function doesn't exist.") from None


def _configured_function(account: Account, params: Params) -> tuple[Function, str]:
    reference = parse_reference(params["FunctionName"], params.get("Qualifier"))
    qualifier = reference.qualifier or LATEST
    function = account.registry.functions.get(reference.name)
    if function is None or qualifier not in function.event_invoke:
        raise _no_config(account, reference.name, qualifier)
    return function, qualifier


def _no_config(account: Account, name: str, qualifier: str) -> ResourceNotFound:
    return ResourceNotFound(f"The function {account.registry.arn(name)}:{qualifier} doesn't have an EventInvokeConfig")


def _destinations(params: Params) -> tuple[str | None, str | None]:
    """The ARNs for successes and for failures; an empty one takes a destination away."""
    config = params.get("DestinationConfig") or {}
    success, failure = ((config.get(kind) or {}).get("Destination") or None for kind in ("OnSuccess", "OnFailure"))
    return success, failure


def _check_destinations(account: Account, function: Function, params: Params) -> None:
    success, failure = _destinations(params)
    for arn, services in ((failure, FAILURE_SERVICES), (success, SUCCESS_SERVICES)):
        if arn is None:
            continue
        if not arn.startswith("arn:") or arn.split(":")[2] not in services:
            shown = (_shown("OnSuccess", success), _shown("OnFailure", failure))
            raise InvalidParameterValue(
                "The provided destination config DestinationConfig("
                f"onSuccess={shown[0]}, onFailure={shown[1]}) is invalid."
            )
        if arn.split(":")[2] == "lambda":
            _check_function_destination(account, function, arn)


def _check_function_destination(account: Account, function: Function, arn: str) -> None:
    try:
        target, _ = account.registry.named(arn)
    except (ResourceNotFound, InvalidParameterValue):
        raise InvalidParameterValue(f"The destination ARN {arn} is invalid.") from None
    if target is function:
        raise InvalidParameterValue("You can't specify the function as a destination for itself.")


def _shown(kind: str, arn: str | None) -> str:
    return f"{kind}(destination={arn})" if arn else "null"


def _changed(config: FunctionEventInvokeConfig, params: Params) -> FunctionEventInvokeConfig:
    changes: dict[str, Any] = {}
    if params.get("MaximumRetryAttempts") is not None:
        changes["maximum_retry_attempts"] = params["MaximumRetryAttempts"]
    if params.get("MaximumEventAgeInSeconds") is not None:
        changes["maximum_event_age_s"] = params["MaximumEventAgeInSeconds"]
    if params.get("DestinationConfig") is not None:
        changes["on_success"], changes["on_failure"] = _destinations(params)
    return msgspec.structs.replace(config, last_modified=time.time(), **changes)


def _keep(account: Account, function: Function, qualifier: str, config: FunctionEventInvokeConfig) -> dict[str, Any]:
    function.event_invoke[qualifier] = config
    return _describe(account, function, qualifier)


def _describe(account: Account, function: Function, qualifier: str) -> dict[str, Any]:
    """FunctionEventInvokeConfig, as every operation returns it; what nobody set is absent."""
    config = function.event_invoke[qualifier]
    return {
        "LastModified": config.last_modified,
        "FunctionArn": f"{account.registry.arn(function.name)}:{qualifier}",
        "MaximumRetryAttempts": config.maximum_retry_attempts,
        "MaximumEventAgeInSeconds": config.maximum_event_age_s,
        "DestinationConfig": {
            "OnSuccess": {"Destination": config.on_success},
            "OnFailure": {"Destination": config.on_failure},
        },
    }


OPERATIONS: dict[str, Operation] = {
    "DeleteFunctionEventInvokeConfig": delete_config,
    "GetFunctionEventInvokeConfig": get_config,
    "ListFunctionEventInvokeConfigs": list_configs,
    "PutFunctionEventInvokeConfig": put_config,
    "UpdateFunctionEventInvokeConfig": update_config,
}

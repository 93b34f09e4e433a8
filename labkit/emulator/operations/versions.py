"""Published versions, and aliases that name them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations import provisioned
from labkit.emulator.operations.configuration import listed_versions
from labkit.emulator.operations.functions import changeable, publish
from labkit.emulator.operations.pagination import listed
from labkit.emulator.registry import Alias, Function, parse_reference
from labkit.errors import InvalidParameterValue, PreconditionFailed, ResourceConflict, ResourceNotFound
from labkit.model import LATEST


async def publish_version(account: Account, params: Params) -> dict[str, Any]:
    """Unchanged code and configuration publish no new version; the newest one is the answer."""
    function = changeable(account, params)
    expected = params.get("CodeSha256")
    if expected and expected != function.latest.package.sha256:
        raise InvalidParameterValue(
            f"CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST "
            f"({function.latest.package.sha256}). Please try again with the CodeSHA256 in $LATEST."
        )
    return publish(account, function, params.get("Description") or None)


async def list_versions_by_function(account: Account, params: Params) -> dict[str, Any]:
    versions = _function(account, params).versions()
    return listed_versions("Versions", versions, params)


async def create_alias(account: Account, params: Params) -> dict[str, Any]:
    function, name = _function(account, params), params["Name"]
    if name in function.aliases:
        raise ResourceConflict(f"Alias already exists: {_alias_arn(account, function, name)}")
    alias = Alias(name, params["FunctionVersion"], params.get("Description") or "", _weights(params))
    return _put(account, function, alias)


async def update_alias(account: Account, params: Params) -> dict[str, Any]:
    function = _function(account, params)
    alias = _alias(account, function, params["Name"])
    wanted = params.get("RevisionId")
    if wanted and wanted != alias.revision_id:
        raise PreconditionFailed("The RevisionId provided does not match the latest RevisionId.")
    changes: dict[str, Any] = {"revision_id": str(uuid.uuid4())}
    if params.get("FunctionVersion"):
        changes["version"] = params["FunctionVersion"]
    if params.get("Description") is not None:
        changes["description"] = params["Description"]
    if params.get("RoutingConfig") is not None:
        changes["weights"] = _weights(params)
    return _put(account, function, msgspec.structs.replace(alias, **changes))


async def get_alias(account: Account, params: Params) -> dict[str, Any]:
    function = _function(account, params)
    return _described(account, function, _alias(account, function, params["Name"]))


async def delete_alias(account: Account, params: Params) -> dict[str, Any]:
    """With all that belongs to it. Deleting one that is not there is no error, as on AWS."""
    function = _function(account, params)
    if params["Name"] in function.aliases:
        provisioned.forget(account, function, params["Name"])
        function.forget(params["Name"])
        del function.aliases[params["Name"]]
    return {}


async def list_aliases(account: Account, params: Params) -> dict[str, Any]:
    function = _function(account, params)
    only = params.get("FunctionVersion")
    named = [alias for _, alias in sorted(function.aliases.items()) if only in (None, alias.version, *alias.weights)]
    return listed("Aliases", [_described(account, function, alias) for alias in named], params, key="AliasArn")


def _function(account: Account, params: Params) -> Function:
    return account.registry.function(parse_reference(params["FunctionName"]))


def _alias(account: Account, function: Function, name: str) -> Alias:
    if name not in function.aliases:
        raise ResourceNotFound(f"Cannot find alias arn: {_alias_arn(account, function, name)}")
    return function.aliases[name]


def _weights(params: Params) -> Mapping[str, float]:
    return dict((params.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})


def _put(account: Account, function: Function, alias: Alias) -> dict[str, Any]:
    """Checks what the alias names, keeps it, and describes it."""
    if alias.weights and LATEST in (alias.version, *alias.weights):
        raise InvalidParameterValue("$LATEST is not supported for an alias pointing to more than 1 version")
    if alias.version in alias.weights:
        raise InvalidParameterValue(
            f"Invalid function version {alias.version}. Function version {alias.version} is already included in "
            "routing configuration."
        )
    if len(alias.weights) > 1 or any(not 0 <= weight <= 1 for weight in alias.weights.values()):
        raise InvalidParameterValue("An alias routes to at most one more version, with a weight from 0 to 1.")
    for version in (alias.version, *alias.weights):
        if version != LATEST and version not in function.published:
            raise ResourceNotFound(f"Function not found: {account.registry.arn(function.name)}:{version}")
    provisioned.check_move(function, alias)
    old, function.aliases[alias.name] = function.aliases.get(alias.name), alias
    if old and old.version != alias.version and alias.name in function.provisioned:
        provisioned.settle(account, function, old.version)
        provisioned.settle(account, function, alias.version)
    return _described(account, function, alias)


def _described(account: Account, function: Function, alias: Alias) -> dict[str, Any]:
    routing = {"RoutingConfig": {"AdditionalVersionWeights": dict(alias.weights)}} if alias.weights else {}
    return routing | {
        "AliasArn": _alias_arn(account, function, alias.name),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }


def _alias_arn(account: Account, function: Function, name: str) -> str:
    return f"{account.registry.arn(function.name)}:{name}"


OPERATIONS: dict[str, Operation] = {
    "CreateAlias": create_alias,
    "DeleteAlias": delete_alias,
    "GetAlias": get_alias,
    "ListAliases": list_aliases,
    "ListVersionsByFunction": list_versions_by_function,
    "PublishVersion": publish_version,
    "UpdateAlias": update_alias,
}

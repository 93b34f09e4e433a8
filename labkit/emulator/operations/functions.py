"""Functions: their code and configuration."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations import code_signing, concurrency
from labkit.emulator.operations.code import package_of
from labkit.emulator.operations.configuration import IN_PROGRESS, PENDING, configured, describe, listed_versions
from labkit.emulator.operations.layers import referenced
from labkit.emulator.operations.snapshots import snapshot_state
from labkit.emulator.registry import Function, FunctionVersion, LayerVersion, now_spelt, parse_reference
from labkit.errors import InvalidParameterValue, ResourceConflict
from labkit.model import LATEST, DeploymentPackage, FunctionConfig


async def create_function(account: Account, params: Params) -> dict[str, Any]:
    name = parse_reference(params["FunctionName"]).name
    if name in account.registry.functions:
        raise ResourceConflict(f"Function already exist: {name}")
    config = await _attached(
        account, configured(FunctionConfig(name=name, handler="", role=params["Role"]), params), params
    )
    if not config.handler:
        raise InvalidParameterValue("Handler is required for functions with package type Zip.")
    signing = params.get("CodeSigningConfigArn")
    code_signing_arn = code_signing.named(account, signing) if signing else ""
    package = await package_of(account, params["Code"])
    latest = await _latest(account, config, package)
    await check_role(account, latest, params)
    if name in account.registry.functions:  # another request was faster while the package was unpacked
        raise ResourceConflict(f"Function already exist: {name}")
    function = Function(latest, tags=dict(params.get("Tags") or {}), code_signing_arn=code_signing_arn)
    account.registry.functions[name] = function
    account.changes.begin(function, previous=None)
    return _answer(account, function, publishes=bool(params.get("Publish")))


async def update_function_code(account: Account, params: Params) -> dict[str, Any]:
    changeable(account, params)
    package = await package_of(account, params)
    function = changeable(account, params)  # others may have been faster meanwhile
    architecture = (params.get("Architectures") or [function.latest.config.architecture])[0]
    config = dataclasses.replace(function.latest.config, architecture=architecture)
    if params.get("DryRun"):
        return describe(msgspec.structs.replace(function.latest, config=config, package=package))
    await _replace(account, params, config, package)
    return _answer(account, function, publishes=bool(params.get("Publish")))


async def update_function_configuration(account: Account, params: Params) -> dict[str, Any]:
    function = changeable(account, params)
    config = await _attached(account, configured(function.latest.config, params), params)
    await _replace(account, params, config, function.latest.package)
    return _answer(account, function)


async def get_function(account: Account, params: Params) -> dict[str, Any]:
    reference = parse_reference(params["FunctionName"], params.get("Qualifier"))
    function = account.registry.function(reference)
    account.changes.seen(function)
    version = account.registry.version(reference)
    reserved = None if function.reserved is None else {"ReservedConcurrentExecutions": function.reserved}
    return {
        "Concurrency": reserved,
        "Configuration": describe(version, reference.qualifier) | await snapshot_state(account, version),
        "Code": {"RepositoryType": "S3", "Location": account.location(version.package.sha256)},
        "Tags": dict(function.tags),
    }


async def get_function_configuration(account: Account, params: Params) -> dict[str, Any]:
    reference = parse_reference(params["FunctionName"], params.get("Qualifier"))
    account.changes.seen(account.registry.function(reference))
    version = account.registry.version(reference)
    return describe(version, reference.qualifier) | await snapshot_state(account, version)


async def list_functions(account: Account, params: Params) -> dict[str, Any]:
    """`MasterRegion` asks for replicas of Lambda@Edge, of which there are none, or with ALL for every function."""
    master, every = params.get("MasterRegion"), params.get("FunctionVersion") == "ALL"
    if master and not every:
        raise InvalidParameterValue("FunctionVersion must be set to ALL if MasterRegion is specified.")
    if master not in (None, "ALL"):
        return {"Functions": []}
    functions = sorted(account.registry.functions.values(), key=lambda function: function.name)
    if every:
        versions = [version for function in functions for version in function.versions()]
    else:
        versions = [function.latest for function in functions]
    return listed_versions("Functions", versions, params)


async def delete_function(account: Account, params: Params) -> dict[str, Any]:
    """The function, or one published version of it; a version that is not there is no error (measured on AWS)."""
    reference = parse_reference(params["FunctionName"], params.get("Qualifier"))
    function = account.registry.function(reference)
    if reference.qualifier:
        _delete_version(account, function, reference.qualifier)
        return {"StatusCode": 204}
    del account.registry.functions[function.name]
    concurrency.apply(account)
    replaced = [function.change.previous] if function.change and function.change.previous else []
    for version in (*function.versions(), *replaced):
        account.dispatcher.retire(version)
    account.recorder.forget(function.name)
    return {"StatusCode": 204}


def _delete_version(account: Account, function: Function, qualifier: str) -> None:
    if qualifier == LATEST:
        raise InvalidParameterValue("$LATEST version cannot be deleted without deleting the function.")
    if not qualifier.isdigit():
        raise InvalidParameterValue("Deletion of aliases is not currently supported.")
    users = sorted(alias.name for alias in function.aliases.values() if qualifier in (alias.version, *alias.weights))
    if users:
        raise ResourceConflict(f"Unable to delete version because the following aliases reference it: {_list(users)}")
    function.provisioned.pop(qualifier, None)
    function.forget(qualifier)
    version = function.published.pop(qualifier, None)
    if version:
        account.dispatcher.retire(version)


def _list(names: list[str]) -> str:
    return f"[{', '.join(names)}]"


# --- how they do it -----------------------------------------------------------------------------------------


def changeable(account: Account, params: Params) -> Function:
    """The function that an update or a publication means.

    Raises ResourceConflict while another change of it is not done.
    """
    function = account.registry.function(parse_reference(params["FunctionName"], params.get("Qualifier")))
    if function.change:
        raise _in_progress(account, function)
    function.check_revision(params.get("RevisionId"))
    return function


def _in_progress(account: Account, function: Function) -> ResourceConflict:
    pending = function.change and function.change.previous is None
    said = "The function is currently in the following state: Pending"
    if not pending:
        said = f"An update is in progress for resource: {account.registry.arn(function.name)}"
    return ResourceConflict(f"The operation cannot be performed at this time. {said}")


def _answer(account: Account, function: Function, *, publishes: bool = False) -> dict[str, Any]:
    """What a change answers: it is under way."""
    if publishes:
        return publish(account, function)
    change = function.change
    if change is None:
        return describe(function.latest)
    if change.previous is None:
        return describe(function.latest) | PENDING
    return describe(function.latest) | IN_PROGRESS


async def _attached(account: Account, config: FunctionConfig, params: Params) -> FunctionConfig:
    """The configuration, attached to the network that the request names, if it does."""
    if not params.get("VpcConfig") or account.vpc is None:
        return config
    return dataclasses.replace(config, vpc=await account.vpc.checked(config.vpc))


async def check_role(account: Account, version: FunctionVersion, params: Params) -> None:
    """With `--iam`: whether the role fits what a request sets. Raises InvalidParameterValue."""
    checks = account.role_checks
    if checks is None:
        return
    if "Role" in params:
        await checks.check_role(version.config.role)
    if params.get("VpcConfig") and version.config.vpc.subnet_ids:
        await checks.check_network(version)
    if params.get("DeadLetterConfig") and version.config.dead_letter_arn:
        await checks.check_dead_letters(version)


async def _latest(
    account: Account, config: FunctionConfig, package: DeploymentPackage, kept: Sequence[LayerVersion] = ()
) -> FunctionVersion:
    revision_id = str(uuid.uuid4())
    layers = referenced(account, config.layers, package, kept=kept)
    await asyncio.to_thread(account.packages.layered, [layer.package for layer in layers])
    return FunctionVersion(
        key=f"{config.name}:{revision_id}",
        arn=account.registry.arn(config.name),
        config=config,
        package=package,
        version=LATEST,
        last_modified=now_spelt(),
        revision_id=revision_id,
        layers=layers,
    )


def publish(account: Account, function: Function, description: str | None = None) -> dict[str, Any]:
    """A snapshot of $LATEST under the next number; the newest one again if nothing changed since it was made.

    A new one gives $LATEST a new revision, too (recorded).
    """
    latest = function.latest
    newest = function.published.get(str(function.last_number))
    if newest and newest.package == latest.package and _same_but_description(newest.config, latest.config):
        return describe(newest)
    function.last_number += 1
    number, revision_id = str(function.last_number), str(uuid.uuid4())
    config = latest.config if description is None else dataclasses.replace(latest.config, description=description)
    version = msgspec.structs.replace(
        latest,
        key=f"{config.name}:{revision_id}",
        config=config,
        version=number,
        revision_id=revision_id,
    )
    function.published[number] = version
    account.dispatcher.published(version)
    function.touch()
    return describe(version) | PENDING


def _same_but_description(one: FunctionConfig, other: FunctionConfig) -> bool:
    return dataclasses.replace(one, description="") == dataclasses.replace(other, description="")


async def _replace(account: Account, params: Params, config: FunctionConfig, package: DeploymentPackage) -> None:
    """The new version serves when the change is done; then the old one's environments end as soon as they are free.

    An update that changes nothing is an update too, as on AWS (recorded: test_redundant_updates of LocalStack).
    Raises ResourceConflict if another request changed the function since `config` was made of what it was.
    """
    old = changeable(account, params).latest
    new = await _latest(account, config, package, old.layers)
    await check_role(account, new, params)
    function = changeable(account, params)
    if function.latest.key != old.key:
        raise _in_progress(account, function)
    previous, function.latest = function.latest, new
    account.changes.begin(function, previous)


OPERATIONS: dict[str, Operation] = {
    "CreateFunction": create_function,
    "DeleteFunction": delete_function,
    "GetFunction": get_function,
    "GetFunctionConfiguration": get_function_configuration,
    "ListFunctions": list_functions,
    "UpdateFunctionCode": update_function_code,
    "UpdateFunctionConfiguration": update_function_configuration,
}

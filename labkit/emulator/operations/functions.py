"""Functions: their code and configuration."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.extensions import executables
from labkit.emulator.operations.concurrency import release
from labkit.emulator.operations.layers import referenced
from labkit.emulator.operations.pagination import listed
from labkit.emulator.registry import Function, FunctionVersion, LayerVersion, parse_reference
from labkit.errors import InvalidParameterValue, PreconditionFailed, ResourceConflict
from labkit.model import ENVIRONMENT_BYTES, LATEST, DeploymentPackage, FunctionConfig

RESERVED = frozenset(
    [
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    ]
)
NOT_YET = ("ImageConfig", "VpcConfig", "LoggingConfig", "CapacityProviderConfig", "TenancyConfig")
NOT_YET_FLAGS = ("FileSystemConfigs", "KMSKeyArn", "CodeSigningConfigArn", "DurableConfig")
ZIP_SOURCES = ("ZipFile", "S3Bucket", "ImageUri")


async def create_function(account: Account, params: Params) -> dict[str, Any]:
    name = parse_reference(params["FunctionName"]).name
    if name in account.registry.functions:
        raise ResourceConflict(f"Function already exist: {name}")
    config = _configured(FunctionConfig(name=name, handler="", role=params["Role"]), params)
    if not config.handler:
        raise InvalidParameterValue("Handler is required for functions with package type Zip.")
    package = await _package(account, params["Code"])
    if name in account.registry.functions:  # another request was faster while the package was unpacked
        raise ResourceConflict(f"Function already exist: {name}")
    function = Function(_latest(account, config, package), tags=dict(params.get("Tags") or {}))
    account.registry.functions[name] = function
    return describe(publish(account, function) if params.get("Publish") else function.latest)


async def update_function_code(account: Account, params: Params) -> dict[str, Any]:
    function = _function(account, params)
    check_revision(function, params)
    package = await _package(account, params)
    if params.get("DryRun"):
        return describe(function.latest) | {"CodeSha256": package.sha256, "CodeSize": package.size_bytes}
    if package.sha256 != function.latest.package.sha256:
        _replace(account, function, function.latest.config, package)
    return describe(publish(account, function) if params.get("Publish") else function.latest)


async def update_function_configuration(account: Account, params: Params) -> dict[str, Any]:
    function = _function(account, params)
    check_revision(function, params)
    config = _configured(function.latest.config, params)
    if config != function.latest.config:
        _replace(account, function, config, function.latest.package)
    return describe(function.latest)


async def get_function(account: Account, params: Params) -> dict[str, Any]:
    reference = parse_reference(params["FunctionName"], params.get("Qualifier"))
    function, version = account.registry.function(reference), account.registry.version(reference)
    reserved = account.dispatcher.reserved
    concurrency = {"ReservedConcurrentExecutions": reserved[function.name]} if function.name in reserved else {}
    return ({"Concurrency": concurrency} if concurrency else {}) | {
        "Configuration": describe(version, reference.qualifier),
        "Code": {"RepositoryType": "S3", "Location": account.location(version.package.sha256)},
        "Tags": dict(function.tags),
    }


async def get_function_configuration(account: Account, params: Params) -> dict[str, Any]:
    reference = parse_reference(params["FunctionName"], params.get("Qualifier"))
    return describe(account.registry.version(reference), reference.qualifier)


async def list_functions(account: Account, params: Params) -> dict[str, Any]:
    functions = [account.registry.functions[name] for name in sorted(account.registry.functions)]
    if params.get("FunctionVersion") == "ALL":
        versions = [version for function in functions for version in function.versions()]
    else:
        versions = [function.latest for function in functions]
    return listed("Functions", [_listed(version) for version in versions], params)


async def delete_function(account: Account, params: Params) -> dict[str, Any]:
    """The function, or one published version of it; a version that is not there is no error (measured on AWS)."""
    reference = parse_reference(params["FunctionName"], params.get("Qualifier"))
    function = account.registry.function(reference)
    if reference.qualifier:
        _delete_version(account, function, reference.qualifier)
        return {"StatusCode": 204}
    del account.registry.functions[function.name]
    release(account, function)
    for version in function.versions():
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
    version = function.published.pop(qualifier, None)
    if version:
        account.dispatcher.retire(version)


def _list(names: list[str]) -> str:
    return f"[{', '.join(names)}]"


# --- how they do it -----------------------------------------------------------------------------------------


def _function(account: Account, params: Params) -> Function:
    return account.registry.function(parse_reference(params["FunctionName"], params.get("Qualifier")))


def check_revision(function: Function, params: Params) -> None:
    wanted = params.get("RevisionId")
    if wanted and wanted != function.revision_id:
        raise PreconditionFailed(
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
        )


async def _package(account: Account, code: Params) -> DeploymentPackage:
    content = code.get("ZipFile")
    if content is None:
        given = next((k for k in ZIP_SOURCES if code.get(k)), None)
        raise InvalidParameterValue(
            f"labkit takes code as ZipFile; {given} is not implemented yet."
            if given
            else "Please provide a source for function code."
        )
    return await asyncio.to_thread(account.packages.add, content)


def _configured(config: FunctionConfig, params: Params) -> FunctionConfig:
    """A configuration with what the parameters change. Raises InvalidParameterValue."""
    changes: dict[str, Any] = {
        field: params[name]
        for name, field in {
            "Handler": "handler",
            "Role": "role",
            "Runtime": "runtime",
            "MemorySize": "memory_mb",
            "Timeout": "timeout_s",
            "Description": "description",
        }.items()
        if params.get(name) is not None
    }
    if "Environment" in params:
        changes["variables"] = _checked_variables((params["Environment"] or {}).get("Variables") or {})
    if params.get("DeadLetterConfig") is not None:
        changes["dead_letter_arn"] = params["DeadLetterConfig"].get("TargetArn") or ""
    if params.get("Architectures"):
        changes["architecture"] = params["Architectures"][0]
    if params.get("Layers") is not None:
        changes["layers"] = tuple(params["Layers"])
    if params.get("EphemeralStorage"):
        changes["ephemeral_storage_mb"] = params["EphemeralStorage"]["Size"]
    _refuse_what_would_be_ignored(params)
    if params.get("PackageType", "Zip") != "Zip":
        raise InvalidParameterValue("labkit runs functions packaged as Zip; container images need Docker.")
    runtime = changes.get("runtime", config.runtime)
    if not runtime.startswith("python3."):
        raise InvalidParameterValue(f"labkit runs Python functions; the runtime {runtime} is not available here.")
    return dataclasses.replace(config, **changes)


def _refuse_what_would_be_ignored(params: Params) -> None:
    """A setting that changes nothing here must not look as if it did."""
    given = next((name for name in NOT_YET if any((params.get(name) or {}).values())), None)
    given = given or next((name for name in NOT_YET_FLAGS if params.get(name)), None)
    if given:
        raise InvalidParameterValue(f"labkit does not implement {given} yet: leave it out.")


def _checked_variables(variables: Mapping[str, str]) -> dict[str, str]:
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > ENVIRONMENT_BYTES:
        raise InvalidParameterValue(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {measured}"
        )
    reserved = sorted(RESERVED.intersection(variables))
    if reserved:
        raise InvalidParameterValue(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    return dict(variables)


def _latest(
    account: Account, config: FunctionConfig, package: DeploymentPackage, kept: Sequence[LayerVersion] = ()
) -> FunctionVersion:
    revision_id = str(uuid.uuid4())
    layers = referenced(account, config.layers, package, kept=kept)
    paths, opt = _layer_paths(account, layers)
    return FunctionVersion(
        key=f"{config.name}:{revision_id}",
        arn=account.registry.arn(config.name),
        config=config,
        package=package,
        folder=account.packages.folder_of(package),
        version=LATEST,
        variables=_process_variables(account, config, LATEST, paths, opt),
        last_modified=_now(),
        revision_id=revision_id,
        layers=layers,
        paths=paths,
        extensions=executables(opt),
    )


def _layer_paths(account: Account, layers: Sequence[LayerVersion]) -> tuple[tuple[str, ...], str]:
    """Where Python looks for modules of layers, in Lambda's order, and the folder that stands for `/opt`."""
    if not layers:
        return (), ""
    opt = account.packages.layered([layer.package for layer in layers])
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = (opt / "python" / "lib" / version / "site-packages", opt / "python")
    return tuple(str(folder) for folder in folders if folder.is_dir()), str(opt)


def publish(account: Account, function: Function, description: str | None = None) -> FunctionVersion:
    """A snapshot of $LATEST under the next number; the newest one again if nothing changed since it was made."""
    latest = function.latest
    newest = function.published.get(str(function.last_number))
    if newest and newest.package == latest.package and _same_but_description(newest.config, latest.config):
        return newest
    function.last_number += 1
    number, revision_id = str(function.last_number), str(uuid.uuid4())
    config = latest.config if description is None else dataclasses.replace(latest.config, description=description)
    version = dataclasses.replace(
        latest,
        key=f"{config.name}:{revision_id}",
        config=config,
        version=number,
        variables={**latest.variables, "AWS_LAMBDA_FUNCTION_VERSION": number},
        revision_id=revision_id,
    )
    function.published[number] = version
    return version


def _same_but_description(one: FunctionConfig, other: FunctionConfig) -> bool:
    return dataclasses.replace(one, description="") == dataclasses.replace(other, description="")


def _process_variables(
    account: Account, config: FunctionConfig, version: str, paths: Sequence[str], opt: str
) -> dict[str, str]:
    """What every environment of this version has in common; nothing of the host's own variables."""
    region = account.registry.region
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": config.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.name}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "ASIALABKITENVIRONMENT",
        "AWS_SECRET_ACCESS_KEY": "labkit",
        "AWS_SESSION_TOKEN": "labkit",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": config.handler,
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin" + (f":{opt}/bin" if opt else ""),
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/task/lib" + f":{opt or '/opt'}/lib",
        "PYTHONPATH": ":".join((*paths, *account.paths)),
        "OPENBLAS_NUM_THREADS": "1",
        **config.variables,
    }


def _replace(account: Account, function: Function, config: FunctionConfig, package: DeploymentPackage) -> None:
    """The new version serves from now on; the old one's environments end as soon as they are free."""
    old = function.latest
    function.latest = _latest(account, config, package, old.layers)
    account.dispatcher.retire(old)


def _listed(version: FunctionVersion) -> dict[str, Any]:
    """In lists every ARN carries its version."""
    return describe(version, version.version)


def describe(version: FunctionVersion, qualifier: str | None = None) -> dict[str, Any]:
    """FunctionConfiguration, as every operation returns it; a published version's ARN always names it."""
    config, package = version.config, version.package
    named = qualifier or (version.version if version.version != LATEST else None)
    environment = {"Environment": {"Variables": dict(config.variables)}} if config.variables else {}
    return environment | {
        "FunctionName": config.name,
        "FunctionArn": f"{version.arn}:{named}" if named else version.arn,
        "Runtime": config.runtime,
        "Role": config.role,
        "Handler": config.handler,
        "CodeSize": package.size_bytes,
        "CodeSha256": package.sha256,
        "Description": config.description,
        "Timeout": config.timeout_s,
        "MemorySize": config.memory_mb,
        "LastModified": version.last_modified,
        "Version": version.version,
        "TracingConfig": {"Mode": "PassThrough"},
        "DeadLetterConfig": {"TargetArn": config.dead_letter_arn} if config.dead_letter_arn else None,
        "RevisionId": version.revision_id,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Layers": [{"Arn": layer.arn, "CodeSize": layer.package.size_bytes} for layer in version.layers] or None,
        "Architectures": [config.architecture],
        "EphemeralStorage": {"Size": config.ephemeral_storage_mb},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{config.name}"},
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


OPERATIONS: dict[str, Operation] = {
    "CreateFunction": create_function,
    "DeleteFunction": delete_function,
    "GetFunction": get_function,
    "GetFunctionConfiguration": get_function_configuration,
    "ListFunctions": list_functions,
    "UpdateFunctionCode": update_function_code,
    "UpdateFunctionConfiguration": update_function_configuration,
}

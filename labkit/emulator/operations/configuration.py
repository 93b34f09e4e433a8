"""A function's configuration: from parameters to a FunctionConfig, and from a version to its description.

What is kept and shown although nothing here acts on it: tracing (there is no X-Ray to report to). What could not even
be kept truthfully is refused.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labkit.emulator.account import Params
from labkit.emulator.loglines import runtime_version_arn
from labkit.emulator.operations.logging_config import checked_logging, describe_logging
from labkit.emulator.operations.pagination import PAGE, page
from labkit.emulator.registry import FunctionVersion
from labkit.emulator.variables import RESERVED
from labkit.errors import InvalidParameterValue
from labkit.model import ENVIRONMENT_BYTES, LATEST, FunctionConfig, VpcConfig

NOT_YET = ("ImageConfig", "CapacityProviderConfig", "TenancyConfig", "DurableConfig")
CREATING = "The function is being created."
PENDING = {"State": "Pending", "StateReason": CREATING, "StateReasonCode": "Creating", "LastUpdateStatus": None}
IN_PROGRESS = {
    "LastUpdateStatus": "InProgress",
    "LastUpdateStatusReason": CREATING,
    "LastUpdateStatusReasonCode": "Creating",
}


def configured(config: FunctionConfig, params: Params) -> FunctionConfig:
    """A configuration with what the parameters change. Raises InvalidParameterValue."""
    _refuse_what_would_be_ignored(params)
    if params.get("PackageType", "Zip") != "Zip":
        raise InvalidParameterValue("labkit runs functions packaged as Zip; container images need Docker.")
    given = {name: params[name] for name in FIELDS if params.get(name) is not None}
    changes = {FIELDS[name][0]: FIELDS[name][1](value) for name, value in given.items()}
    runtime = changes.get("runtime", config.runtime)
    if not runtime.startswith("python3."):
        raise InvalidParameterValue(f"labkit runs Python functions; the runtime {runtime} is not available here.")
    return dataclasses.replace(config, **changes)


def _same(value: Any) -> Any:
    return value


def _handler(given: str) -> str:
    if "\0" in given:
        raise InvalidParameterValue("The handler contains a NUL, which no process's variable can hold.")
    return given


def _variables(given: Params) -> dict[str, str]:
    variables: Mapping[str, str] = given.get("Variables") or {}
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > ENVIRONMENT_BYTES:
        raise InvalidParameterValue(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {measured}"
        )
    if any("\0" in value for value in variables.values()):
        raise InvalidParameterValue(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contain a NUL, which no process's variable can hold."
        )
    reserved = sorted(RESERVED.intersection(variables))
    if reserved:
        raise InvalidParameterValue(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    return dict(variables)


def _vpc(given: Params) -> VpcConfig:
    return VpcConfig(
        tuple(given.get("SubnetIds") or ()),
        tuple(given.get("SecurityGroupIds") or ()),
        bool(given.get("Ipv6AllowedForDualStack")),
    )


FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "Handler": ("handler", _handler),
    "Role": ("role", _same),
    "Runtime": ("runtime", _same),
    "MemorySize": ("memory_mb", _same),
    "Timeout": ("timeout_s", _same),
    "Description": ("description", _same),
    "KMSKeyArn": ("kms_key_arn", _same),
    "Layers": ("layers", tuple),
    "Environment": ("variables", _variables),
    "Architectures": ("architecture", lambda given: given[0]),
    "DeadLetterConfig": ("dead_letter_arn", lambda given: given.get("TargetArn") or ""),
    "EphemeralStorage": ("ephemeral_storage_mb", lambda given: given["Size"]),
    "TracingConfig": ("tracing", lambda given: given.get("Mode") or "PassThrough"),
    "SnapStart": ("snap_start", lambda given: given.get("ApplyOn") == "PublishedVersions"),
    "VpcConfig": ("vpc", _vpc),
    "LoggingConfig": ("logging", checked_logging),
}
"""Parameters of CreateFunction and UpdateFunctionConfiguration: the field of each, and how its value is read."""


def _refuse_what_would_be_ignored(params: Params) -> None:
    """A setting that changes nothing here must not look as if it did."""
    given = next((name for name in NOT_YET if any((params.get(name) or {}).values())), None)
    if given:
        raise InvalidParameterValue(f"labkit does not implement {given} yet: leave it out.")
    if params.get("FileSystemConfigs"):
        raise InvalidParameterValue(
            "labkit has no file system to mount: leave FileSystemConfigs out, and keep files in the package, a layer, "
            "/tmp or S3."
        )


# --- what operations answer ---------------------------------------------------------------------------------


def listed_versions(name: str, versions: Sequence[FunctionVersion], params: Params) -> dict[str, Any]:
    """In lists every ARN carries its version; state and runtime version are missing (API reference; recorded)."""
    missing = {"State": None, "LastUpdateStatus": None, "RuntimeVersionConfig": None}
    shown, more = page(versions, params, most=PAGE, name_of=lambda version: f"{version.arn}:{version.version}")
    return {name: [describe(version, version.version) | missing for version in shown], **more}


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
        "TracingConfig": {"Mode": config.tracing},
        "KMSKeyArn": config.kms_key_arn or None,
        "VpcConfig": _described_vpc(config.vpc),
        "DeadLetterConfig": {"TargetArn": config.dead_letter_arn} if config.dead_letter_arn else None,
        "RevisionId": version.revision_id,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Layers": [{"Arn": layer.arn, "CodeSize": layer.package.size_bytes} for layer in version.layers] or None,
        "Architectures": [config.architecture],
        "EphemeralStorage": {"Size": config.ephemeral_storage_mb},
        "SnapStart": _described_snap_start(version),
        "RuntimeVersionConfig": {"RuntimeVersionArn": runtime_version_arn(version.arn.split(":")[3])},
        "LoggingConfig": describe_logging(config),
    }


def _described_vpc(vpc: VpcConfig) -> dict[str, Any] | None:
    if vpc == VpcConfig():
        return None
    return {
        "SubnetIds": list(vpc.subnet_ids),
        "SecurityGroupIds": list(vpc.security_group_ids),
        "VpcId": vpc.vpc_id,
        "Ipv6AllowedForDualStack": vpc.ipv6,
    }


def _described_snap_start(version: FunctionVersion) -> dict[str, str]:
    optimised = version.config.snap_start and version.version != LATEST
    return {
        "ApplyOn": "PublishedVersions" if version.config.snap_start else "None",
        "OptimizationStatus": "On" if optimised else "Off",
    }

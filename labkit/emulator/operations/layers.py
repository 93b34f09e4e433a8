"""Layers: files that several functions share, really on the path of their environments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations.code import package_of
from labkit.emulator.operations.pagination import listed
from labkit.emulator.registry import Layer, LayerVersion, now_spelt
from labkit.errors import InvalidParameterValue, ResourceNotFound
from labkit.model import UNZIPPED_BYTES, DeploymentPackage

MOST_LAYERS = 5
ARN = re.compile(r"arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:layer:(?P<name>[a-zA-Z0-9-_]+)(?::(?P<number>\d+))?")
NOT_THERE = "The resource you requested does not exist."


async def publish_layer_version(account: Account, params: Params) -> dict[str, Any]:
    """Every call makes a new version."""
    package = await package_of(account, params["Content"])
    name = layer_name(params["LayerName"])
    layer = account.registry.layers.setdefault(name, Layer())
    layer.last_number += 1
    version = LayerVersion(
        name=name,
        number=layer.last_number,
        layer_arn=f"arn:aws:lambda:{account.registry.region}:{account.registry.account_id}:layer:{name}",
        package=package,
        created=now_spelt(),
        description=params.get("Description") or "",
        license_info=params.get("LicenseInfo") or "",
        runtimes=tuple(params.get("CompatibleRuntimes") or ()),
        architectures=tuple(params.get("CompatibleArchitectures") or ()),
    )
    layer.versions[version.number] = version
    return _with_content(account, version)


async def get_layer_version(account: Account, params: Params) -> dict[str, Any]:
    return _with_content(account, _find(account, params["LayerName"], params["VersionNumber"]))


async def get_layer_version_by_arn(account: Account, params: Params) -> dict[str, Any]:
    return _with_content(account, by_arn(account, params["Arn"]))


async def delete_layer_version(account: Account, params: Params) -> dict[str, Any]:
    """Functions that use it keep it. Deleting what is not there is no error."""
    layer = account.registry.layers.get(layer_name(params["LayerName"]))
    if layer:
        layer.versions.pop(params["VersionNumber"], None)
        layer.policies.pop(params["VersionNumber"], None)
    return {}


async def list_layers(account: Account, params: Params) -> dict[str, Any]:
    """Each layer with the newest of its versions that fit; one without any is left out."""
    fitting = [[v for v in layer.versions.values() if _fits(v, params)] for layer in account.registry.layers.values()]
    newest = [max(versions, key=lambda v: v.number) for versions in fitting if versions]
    shown = [
        {"LayerName": v.name, "LayerArn": v.layer_arn, "LatestMatchingVersion": _described(v)}
        for v in sorted(newest, key=lambda v: v.name)
    ]
    return listed("Layers", shown, params, key="LayerArn")


async def list_layer_versions(account: Account, params: Params) -> dict[str, Any]:
    """The newest first."""
    layer = account.registry.layers.get(layer_name(params["LayerName"]), Layer())
    versions = sorted(layer.versions.values(), key=lambda v: -v.number)
    described = [_described(v) for v in versions if _fits(v, params)]
    return listed("LayerVersions", described, params, key="LayerVersionArn")


def by_arn(account: Account, arn: str) -> LayerVersion:
    """Raises ResourceNotFound."""
    match = ARN.fullmatch(arn)
    if match is None or match["number"] is None:
        raise ResourceNotFound(NOT_THERE)
    return _find(account, match["name"], int(match["number"]))


def referenced(
    account: Account, arns: Sequence[str], code: DeploymentPackage, *, kept: Sequence[LayerVersion] = ()
) -> tuple[LayerVersion, ...]:
    """The layers a function names, in its order; those it has already may be deleted by now.

    Raises InvalidParameterValue if it may not have them all.
    """
    has = {layer.arn: layer for layer in kept}
    if len(arns) > MOST_LAYERS:
        raise InvalidParameterValue(f"Cannot reference more than {MOST_LAYERS} layers.")
    layers = []
    for arn in arns:
        try:
            layers.append(has.get(arn) or by_arn(account, arn))
        except ResourceNotFound:
            raise InvalidParameterValue(f"Layer version {arn} does not exist.") from None
    names = [layer.name for layer in layers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InvalidParameterValue(
            "Two different versions of the same layer are not allowed to be referenced in the same function. "
            f"{' and '.join(layer.arn for layer in layers if layer.name == twice)}."
        )
    size = sum(account.packages.unpacked_bytes(package) for package in (code, *(layer.package for layer in layers)))
    if size > UNZIPPED_BYTES:
        raise InvalidParameterValue(
            f"Function code combined with layers exceeds the maximum allowed size of {UNZIPPED_BYTES} bytes. "
            f"The actual size is {size} bytes."
        )
    return tuple(layers)


def _find(account: Account, name: str, number: int) -> LayerVersion:
    layer = account.registry.layers.get(layer_name(name))
    if layer is None or number not in layer.versions:
        raise ResourceNotFound(NOT_THERE)
    return layer.versions[number]


def layer_name(text: str) -> str:
    """The name of a layer that a caller means by its name or ARN."""
    match = ARN.fullmatch(text)
    return match["name"] if match else text


def _fits(version: LayerVersion, params: Params) -> bool:
    runtime, architecture = params.get("CompatibleRuntime"), params.get("CompatibleArchitecture")
    return (runtime is None or runtime in version.runtimes) and (
        architecture is None or architecture in version.architectures
    )


def _described(version: LayerVersion) -> dict[str, Any]:
    return {
        "LayerVersionArn": version.arn,
        "Version": version.number,
        "Description": version.description,
        "CreatedDate": version.created,
        "CompatibleRuntimes": list(version.runtimes) or None,
        "CompatibleArchitectures": list(version.architectures) or None,
        "LicenseInfo": version.license_info or None,
    }


def _with_content(account: Account, version: LayerVersion) -> dict[str, Any]:
    package = version.package
    content = {
        "Location": account.location(package.sha256),
        "CodeSha256": package.sha256,
        "CodeSize": package.size_bytes,
    }
    return {"Content": content, "LayerArn": version.layer_arn, **_described(version)}


OPERATIONS: dict[str, Operation] = {
    "DeleteLayerVersion": delete_layer_version,
    "GetLayerVersion": get_layer_version,
    "GetLayerVersionByArn": get_layer_version_by_arn,
    "ListLayerVersions": list_layer_versions,
    "ListLayers": list_layers,
    "PublishLayerVersion": publish_layer_version,
}

"""Tags of functions, event source mappings and code signing configurations, addressed by ARN.

Words and the change of the revision: LocalStack's provider and its tests, which were recorded against AWS. A limit of
50 tags: developer guide, "Using tags on Lambda functions".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.registry import CodeSigningConfig, EventSourceMapping, Function
from labkit.errors import InvalidParameterValue, ResourceNotFound

MOST_TAGS = 50
Tagged = Function | EventSourceMapping | CodeSigningConfig


async def tag_resource(account: Account, params: Params) -> dict[str, Any]:
    if not params["Tags"]:
        raise InvalidParameterValue("An error occurred and the request cannot be processed.")
    resource = _resource(account, params["Resource"])
    tags = {**resource.tags, **params["Tags"]}
    if len(tags) > MOST_TAGS:
        raise InvalidParameterValue("Number of tags exceeds resource tag limit.")
    _keep(account, resource, tags)
    return {}


async def untag_resource(account: Account, params: Params) -> dict[str, Any]:
    resource = _resource(account, params["Resource"])
    _keep(account, resource, {key: value for key, value in resource.tags.items() if key not in params["TagKeys"]})
    return {}


async def list_tags(account: Account, params: Params) -> dict[str, Any]:
    return {"Tags": dict(_resource(account, params["Resource"]).tags)}


# --- how they do it -----------------------------------------------------------------------------------------


def _resource(account: Account, arn: str) -> Tagged:
    """What an ARN names. Raises ResourceNotFound, or InvalidParameterValue for what takes no tags."""
    kind, name, *qualifier = arn.split(":")[5:]
    if qualifier and kind == "function":
        raise InvalidParameterValue(
            "Tags on function aliases and versions are not supported. Please specify a function ARN."
        )
    if kind == "function":
        function = account.registry.functions.get(name)
        if function is None or arn != account.registry.arn(name):
            raise ResourceNotFound(f"Function not found: {arn}")
        return function
    if kind == "event-source-mapping":
        mapping = account.registry.mappings.get(name)
        if mapping is None:
            raise ResourceNotFound("The resource you requested does not exist.")
        return mapping
    if kind == "code-signing-config":
        config = account.registry.code_signing.get(name)
        if config is None:
            raise ResourceNotFound("The resource you requested does not exist.")
        return config
    if kind == "layer":
        raise InvalidParameterValue("Unsupported resource type for tagging")
    raise ResourceNotFound("The resource you requested does not exist.")


def _keep(account: Account, resource: Tagged, tags: Mapping[str, str]) -> None:
    if isinstance(resource, EventSourceMapping):
        account.registry.mappings[resource.mapping_id] = msgspec.structs.replace(resource, tags=dict(tags))
    elif isinstance(resource, CodeSigningConfig):
        account.registry.code_signing[resource.config_id] = msgspec.structs.replace(resource, tags=dict(tags))
    elif tags != resource.tags:
        resource.tags = dict(tags)
        resource.touch()


OPERATIONS: dict[str, Operation] = {
    "ListTags": list_tags,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
}

"""Permissions of layer versions: which accounts may use one. The record only: here is one account, the owner's.

Words, the revision and which error comes first: LocalStack's provider and its tests, which were recorded against AWS.
A policy whose last statement was removed stays, empty (same source).
"""

from __future__ import annotations

import uuid
from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations.layers import layer_name
from labkit.emulator.operations.policies import document, policy_text, principal_of, text_of
from labkit.emulator.registry import Layer, LayerPolicy, LayerVersion, PolicyStatement
from labkit.errors import PreconditionFailed, ResourceConflict, ResourceNotFound

NO_POLICY = "No policy is associated with the given resource."


async def add_permission(account: Account, params: Params) -> dict[str, Any]:
    layer, version = _version(account, params)
    policy = layer.policies.get(version.number, LayerPolicy())
    statement = _statement(version, params)
    if any(known.sid == statement.sid for known in policy.statements):
        raise ResourceConflict(
            f"The statement id ({statement.sid}) provided already exists. Please provide a new statement id, "
            "or remove the existing statement."
        )
    _check_revision(policy, params)
    changed = _changed((*policy.statements, statement))
    layer.policies[version.number] = changed
    return {"Statement": text_of(document(statement)), "RevisionId": changed.revision_id}


async def remove_permission(account: Account, params: Params) -> dict[str, Any]:
    layer, version = _version(account, params)
    policy, sid = _policy(layer, version), params["StatementId"]
    _check_revision(policy, params)
    left = tuple(statement for statement in policy.statements if statement.sid != sid)
    if len(left) == len(policy.statements):
        raise ResourceNotFound(f"Statement {sid} is not found in resource policy.")
    layer.policies[version.number] = _changed(left)
    return {}


async def get_policy(account: Account, params: Params) -> dict[str, Any]:
    policy = _policy(*_version(account, params))
    return {"Policy": policy_text(policy.statements), "RevisionId": policy.revision_id}


# --- how they do it -----------------------------------------------------------------------------------------


def _version(account: Account, params: Params) -> tuple[Layer, LayerVersion]:
    name, number = layer_name(params["LayerName"]), params["VersionNumber"]
    layer = account.registry.layers.get(name)
    if layer is None or number not in layer.versions:
        arn = f"arn:aws:lambda:{account.registry.region}:{account.registry.account_id}:layer:{name}:{number}"
        raise ResourceNotFound(f"Layer version {arn} does not exist.")
    return layer, layer.versions[number]


def _policy(layer: Layer, version: LayerVersion) -> LayerPolicy:
    if version.number not in layer.policies:
        raise ResourceNotFound(NO_POLICY)
    return layer.policies[version.number]


def _check_revision(policy: LayerPolicy, params: Params) -> None:
    wanted = params.get("RevisionId")
    if wanted and wanted != policy.revision_id:
        raise PreconditionFailed(
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetLayerPolicy API to retrieve the latest Revision Id"
        )


def _changed(statements: tuple[PolicyStatement, ...]) -> LayerPolicy:
    return LayerPolicy(statements, str(uuid.uuid4()))


def _statement(version: LayerVersion, params: Params) -> PolicyStatement:
    principal_of(params["Principal"])
    return PolicyStatement(
        sid=params["StatementId"],
        action=params["Action"],
        principal=params["Principal"],
        resource=version.arn,
        organisation=params.get("OrganizationId") or None,
    )


OPERATIONS: dict[str, Operation] = {
    "AddLayerVersionPermission": add_permission,
    "GetLayerVersionPolicy": get_policy,
    "RemoveLayerVersionPermission": remove_permission,
}

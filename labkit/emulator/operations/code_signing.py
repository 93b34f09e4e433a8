"""Code signing configurations: whose signatures a function's code should bear. Records only.

Nothing is verified here: there is no AWS Signer whose profiles could be asked, and packages come unsigned. A function
with a configuration is deployed as AWS deploys it under the policy `Warn`, under `Enforce` too, where AWS refuses code
without a valid signature.

Words and the order of the checks: LocalStack's provider and its tests, which were recorded against AWS. That a
configuration in use cannot be deleted: API reference, DeleteCodeSigningConfig; the words of it are labkit's own. The
default policy, and 10,000 a page: API reference, CodeSigningPolicies and ListCodeSigningConfigs.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations.pagination import listed, page
from labkit.emulator.registry import CodeSigningConfig, Function, now_spelt, parse_reference
from labkit.errors import CodeSigningConfigNotFound, ResourceConflict, ResourceNotFound

PAGE = 10_000


async def create_config(account: Account, params: Params) -> dict[str, Any]:
    registry, config_id = account.registry, f"csc-{secrets.token_hex(9)[:17]}"
    config = CodeSigningConfig(
        config_id=config_id,
        arn=f"arn:aws:lambda:{registry.region}:{registry.account_id}:code-signing-config:{config_id}",
        profiles=tuple(params["AllowedPublishers"]["SigningProfileVersionArns"]),
        last_modified=now_spelt(),
        policy=_policy(params) or "Warn",
        description=params.get("Description") or "",
        tags=dict(params.get("Tags") or {}),
    )
    registry.code_signing[config_id] = config
    return {"CodeSigningConfig": _described(config)}


async def get_config(account: Account, params: Params) -> dict[str, Any]:
    return {"CodeSigningConfig": _described(_config(account, params))}


async def update_config(account: Account, params: Params) -> dict[str, Any]:
    """What the request does not name stays."""
    config = _config(account, params)
    changes: dict[str, Any] = {"last_modified": now_spelt()}
    if params.get("Description") is not None:
        changes["description"] = params["Description"]
    if params.get("AllowedPublishers") is not None:
        changes["profiles"] = tuple(params["AllowedPublishers"]["SigningProfileVersionArns"])
    if _policy(params):
        changes["policy"] = _policy(params)
    changed = msgspec.structs.replace(config, **changes)
    account.registry.code_signing[config.config_id] = changed
    return {"CodeSigningConfig": _described(changed)}


async def delete_config(account: Account, params: Params) -> dict[str, Any]:
    config = _config(account, params)
    users = _users(account, config.arn)
    if users:
        raise ResourceConflict(
            f"The code signing configuration {config.arn} cannot be deleted: {len(users)} functions use it."
        )
    del account.registry.code_signing[config.config_id]
    return {}


async def list_configs(account: Account, params: Params) -> dict[str, Any]:
    described = [_described(config) for config in account.registry.code_signing.values()]
    return listed("CodeSigningConfigs", described, params, key="CodeSigningConfigArn", most=PAGE)


async def list_functions(account: Account, params: Params) -> dict[str, Any]:
    shown, more = page(_users(account, _config(account, params).arn), params, most=PAGE)
    return {"FunctionArns": list(shown), **more}


async def put_function_config(account: Account, params: Params) -> dict[str, Any]:
    arn = named(account, params["CodeSigningConfigArn"])
    function = _function(account, params)
    function.code_signing_arn = arn
    return {"CodeSigningConfigArn": arn, "FunctionName": function.name}


async def get_function_config(account: Account, params: Params) -> dict[str, Any]:
    """An empty object for a function without one, although the model requires both members (recorded)."""
    function = _function(account, params)
    arn = function.code_signing_arn
    return {"CodeSigningConfigArn": arn, "FunctionName": function.name} if arn else {}


async def delete_function_config(account: Account, params: Params) -> dict[str, Any]:
    """Taking away what is not there is no error, as on AWS."""
    _function(account, params).code_signing_arn = ""
    return {}


def named(account: Account, arn: str) -> str:
    """The ARN of a configuration that a function may have. Raises CodeSigningConfigNotFound."""
    if _found(account, arn) is None:
        raise CodeSigningConfigNotFound(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
            f"{arn}."
        )
    return arn


# --- how they do it -----------------------------------------------------------------------------------------


def _found(account: Account, arn: str) -> CodeSigningConfig | None:
    config = account.registry.code_signing.get(arn.rpartition(":")[2])
    return config if config and config.arn == arn else None


def _config(account: Account, params: Params) -> CodeSigningConfig:
    arn = params["CodeSigningConfigArn"]
    config = _found(account, arn)
    if config is None:
        raise ResourceNotFound(f"The Lambda code signing configuration {arn} can not be found.")
    return config


def _function(account: Account, params: Params) -> Function:
    name = parse_reference(params["FunctionName"]).name
    if name not in account.registry.functions:
        raise ResourceNotFound(f"Function not found: {account.registry.arn(name)}")
    return account.registry.functions[name]


def _users(account: Account, arn: str) -> list[str]:
    functions = account.registry.functions.values()
    return sorted(account.registry.arn(function.name) for function in functions if function.code_signing_arn == arn)


def _policy(params: Params) -> str | None:
    return (params.get("CodeSigningPolicies") or {}).get("UntrustedArtifactOnDeployment")


def _described(config: CodeSigningConfig) -> dict[str, Any]:
    return {
        "CodeSigningConfigId": config.config_id,
        "CodeSigningConfigArn": config.arn,
        "Description": config.description,
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.profiles)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.policy},
        "LastModified": config.last_modified,
    }


OPERATIONS: dict[str, Operation] = {
    "CreateCodeSigningConfig": create_config,
    "DeleteCodeSigningConfig": delete_config,
    "DeleteFunctionCodeSigningConfig": delete_function_config,
    "GetCodeSigningConfig": get_config,
    "GetFunctionCodeSigningConfig": get_function_config,
    "ListCodeSigningConfigs": list_configs,
    "ListFunctionsByCodeSigningConfig": list_functions,
    "PutFunctionCodeSigningConfig": put_function_config,
    "UpdateCodeSigningConfig": update_config,
}

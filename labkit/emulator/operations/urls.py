"""Function URLs: an HTTP address for a function or one of its aliases. The records; `doors` answers the requests.

Words and statuses: LocalStack's provider and its tests, which were recorded against AWS. A version has no URL: the
model's own pattern of the qualifier refuses numbers and `$LATEST`. An update leaves what it does not name (recorded).
On AWS an address is `https://ID.lambda-url.REGION.on.aws/`; here it is `http://127.0.0.1:PORT/lambda-url/ID/`, because
no name service has to know it. `http://ID.lambda-url.REGION.localhost:PORT/` is answered too.
"""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations.pagination import listed
from labkit.emulator.registry import Cors, Function, FunctionUrl, parse_reference
from labkit.errors import ResourceConflict, ResourceNotFound
from labkit.model import LATEST

ALPHABET = string.ascii_lowercase + string.digits
ID_LENGTH = 32
CORS_MEMBERS = {
    "AllowCredentials": "allow_credentials",
    "AllowHeaders": "allow_headers",
    "AllowMethods": "allow_methods",
    "AllowOrigins": "allow_origins",
    "ExposeHeaders": "expose_headers",
    "MaxAge": "max_age_s",
}
CREATED = ("FunctionUrl", "FunctionArn", "AuthType", "Cors", "CreationTime", "InvokeMode")


async def create_config(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _function(account, params)
    arn = _arn(account, function, qualifier)
    if qualifier in function.urls:
        raise ResourceConflict(
            f"Failed to create function url config for [functionArn = {arn}]. "
            "Error message:  FunctionUrlConfig exists for this Lambda function"
        )
    if qualifier != LATEST and qualifier not in function.aliases:
        raise ResourceNotFound("Function does not exist")
    now = time.time()
    url_id = "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))
    url = FunctionUrl(url_id, params["AuthType"], now, now)
    function.urls[qualifier] = _changed(url, params)
    described = _described(account, function, qualifier)
    return {name: described[name] for name in CREATED}


async def update_config(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _with_url(account, params)
    url = msgspec.structs.replace(function.urls[qualifier], last_modified=time.time())
    function.urls[qualifier] = _changed(url, params)
    return _described(account, function, qualifier)


async def get_config(account: Account, params: Params) -> dict[str, Any]:
    return _described(account, *_with_url(account, params))


async def delete_config(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _with_url(account, params)
    del function.urls[qualifier]
    return {}


async def list_configs(account: Account, params: Params) -> dict[str, Any]:
    function, _ = _function(account, params)
    described = [_described(account, function, qualifier) for qualifier in sorted(function.urls)]
    return listed("FunctionUrlConfigs", described, params, key="FunctionArn")


# --- how they do it -----------------------------------------------------------------------------------------


def _function(account: Account, params: Params) -> tuple[Function, str]:
    reference = parse_reference(params["FunctionName"], params.get("Qualifier"))
    function = account.registry.functions.get(reference.name)
    if function is None:
        raise ResourceNotFound("Function does not exist")
    return function, reference.qualifier or LATEST


def _with_url(account: Account, params: Params) -> tuple[Function, str]:
    reference = parse_reference(params["FunctionName"], params.get("Qualifier"))
    function, qualifier = account.registry.functions.get(reference.name), reference.qualifier or LATEST
    if function is None or qualifier not in function.urls:
        raise ResourceNotFound("The resource you requested does not exist.")
    return function, qualifier


def _changed(url: FunctionUrl, params: Params) -> FunctionUrl:
    changes: dict[str, Any] = {}
    if params.get("AuthType"):
        changes["auth_type"] = params["AuthType"]
    if params.get("InvokeMode"):
        changes["invoke_mode"] = params["InvokeMode"]
    if params.get("Cors") is not None:
        changes["cors"] = _cors(params["Cors"])
    return msgspec.structs.replace(url, **changes)


def _cors(given: Mapping[str, Any]) -> Cors | None:
    """An empty structure takes the settings away."""
    values = {field: given.get(member) for member, field in CORS_MEMBERS.items()}
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    cors = Cors(**plain)
    return None if cors == Cors() else cors


def _arn(account: Account, function: Function, qualifier: str) -> str:
    arn = account.registry.arn(function.name)
    return arn if qualifier == LATEST else f"{arn}:{qualifier}"


def _described(account: Account, function: Function, qualifier: str) -> dict[str, Any]:
    url = function.urls[qualifier]
    cors = {member: getattr(url.cors, field) for member, field in CORS_MEMBERS.items()} if url.cors else None
    return {
        "FunctionUrl": f"{account.endpoint}/lambda-url/{url.url_id}/",
        "FunctionArn": _arn(account, function, qualifier),
        "AuthType": url.auth_type,
        "Cors": cors,
        "CreationTime": _spelt(url.created),
        "LastModifiedTime": _spelt(url.last_modified),
        "InvokeMode": url.invoke_mode,
    }


def _spelt(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


OPERATIONS: dict[str, Operation] = {
    "CreateFunctionUrlConfig": create_config,
    "DeleteFunctionUrlConfig": delete_config,
    "GetFunctionUrlConfig": get_config,
    "ListFunctionUrlConfigs": list_configs,
    "UpdateFunctionUrlConfig": update_config,
}

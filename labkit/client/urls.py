"""A function's HTTP address: made, or changed to what is wanted, with the permissions that a public one needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labkit.client.endpoint import ApiError

# What AWS's console grants with a public function URL: since October 2025 it takes both.
PUBLIC: tuple[dict[str, Any], ...] = (
    {
        "StatementId": "FunctionURLAllowPublicAccess",
        "Action": "lambda:InvokeFunctionUrl",
        "FunctionUrlAuthType": "NONE",
    },
    {"StatementId": "FunctionURLAllowInvokeAction", "Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
)

Call = Callable[..., dict[str, Any]]


def function_address(call: Call, name: str, auth: str, invoke_mode: str) -> str:
    """Raises ApiError."""
    settings = {"FunctionName": name, "AuthType": auth, "InvokeMode": invoke_mode}
    made = _unless_there(call, "create_function_url_config", **settings)
    made = made or call("update_function_url_config", **settings)
    for permission in PUBLIC if auth == "NONE" else ():
        _unless_there(call, "add_permission", FunctionName=name, Principal="*", **permission)
    return str(made["FunctionUrl"])


def _unless_there(call: Call, operation: str, **params: Any) -> dict[str, Any]:
    """One operation that makes something; an empty answer if it exists already."""
    try:
        return call(operation, **params)
    except ApiError as error:
        if error.code != "ResourceConflictException":
            raise
        return {}

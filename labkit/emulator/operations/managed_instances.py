"""Lambda Managed Instances: capacity providers and the scaling of functions that run on them.

labkit has no instances to provide, and no function can name a provider (CreateFunction refuses
CapacityProviderConfig). So there are none to list, none is found, and creating one is not implemented. Which error an
operation answers with is from its list of exceptions in the API reference; the words are labkit's own.
"""

from __future__ import annotations

from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.errors import InvalidParameterValue, ResourceNotFound


async def list_providers(account: Account, params: Params) -> dict[str, Any]:
    return {"CapacityProviders": []}


async def find_provider(account: Account, params: Params) -> dict[str, Any]:
    """Whatever is asked of a provider: it is not there."""
    name = params["CapacityProviderName"].rpartition(":")[2]
    registry = account.registry
    arn = f"arn:aws:lambda:{registry.region}:{registry.account_id}:capacity-provider:{name}"
    raise ResourceNotFound(f"Capacity provider not found: {arn}")


async def get_scaling_config(account: Account, params: Params) -> dict[str, Any]:
    """A function that runs on no provider has no scaling of its own."""
    function, qualifier = account.registry.named(params["FunctionName"], params["Qualifier"])
    return {"FunctionArn": f"{account.registry.arn(function.name)}:{qualifier}"}


async def put_scaling_config(account: Account, params: Params) -> dict[str, Any]:
    account.registry.named(params["FunctionName"], params["Qualifier"])
    raise InvalidParameterValue(
        "A scaling configuration is for functions of a capacity provider, of which labkit has none: "
        "use PutProvisionedConcurrencyConfig and PutFunctionConcurrency."
    )


OPERATIONS: dict[str, Operation] = {
    "DeleteCapacityProvider": find_provider,
    "GetCapacityProvider": find_provider,
    "GetFunctionScalingConfig": get_scaling_config,
    "ListCapacityProviders": list_providers,
    "ListFunctionVersionsByCapacityProvider": find_provider,
    "PutFunctionScalingConfig": put_scaling_config,
    "UpdateCapacityProvider": find_provider,
}

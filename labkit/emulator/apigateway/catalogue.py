"""The APIs of the account as the data plane sees them: read from moto on first use, kept until somebody changes one.

`changed` is told of each change that passes the front door, before its caller hears of it. A deployment is answered
when the definition that it freezes has been read, so that what is changed next is not in it. A deployment that did not
pass by (CloudFormation's) freezes what there is when it is first used. What moto held is gone when moto is, and so is
this.

Only the account's own control plane is asked, through the front door, as everybody asks it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from labkit.emulator.apigateway import configuration
from labkit.emulator.apigateway.configuration import HttpApi, RestApi, RestDefinition, Stage
from labkit.emulator.apigateway.usage import UsagePlan, usage_plan
from labkit.emulator.clients import CallFailed

PAGE = 500
MOST_KEPT = 1024
K = TypeVar("K")
T = TypeVar("T")


class Call(Protocol):
    """`Clients.call`."""

    async def __call__(self, service: str, operation: str, *, region: str = "", **params: Any) -> dict[str, Any]: ...


class Catalogue:
    """See the module's docstring. `incarnation` says which moto runs: None if there is none. APIs are looked for in
    `regions`, one after the other.
    """

    def __init__(self, call: Call, incarnation: Callable[[], object], regions: Collection[str]) -> None:
        self._call = call
        self._incarnation = incarnation
        self._regions = regions
        self._of: object = None
        self._apis: dict[str, asyncio.Task[RestApi | HttpApi | None]] = {}
        self._plans: dict[str, asyncio.Task[tuple[UsagePlan, ...]]] = {}
        self._deployed: dict[tuple[str, str], asyncio.Task[RestDefinition]] = {}

    async def find(self, api_id: str, region: str = "") -> RestApi | HttpApi | None:
        """The API, or None. Asks nobody if moto does not run: then nobody has made one."""
        self._forget_the_dead()
        if self._of is None:
            return None
        if len(self._apis) >= MOST_KEPT:  # of ids that nobody has, too
            self._apis.clear()
        return await self._kept(
            self._apis, api_id, lambda: self._read(api_id, [region] if region else [*self._regions])
        )

    async def definition(self, api: RestApi, stage: Stage) -> RestDefinition:
        """What a stage serves."""
        key = (api.api_id, stage.deployment_id)
        return await self._kept(self._deployed, key, lambda: self._definition(api.api_id, api.region))

    async def plans(self, region: str) -> tuple[UsagePlan, ...]:
        return await self._kept(self._plans, region, lambda: self._read_plans(region))

    async def changed(self, api_id: str, region: str, *, deployed: bool) -> None:
        """Somebody changed this API, or (without an id) made one, or changed what belongs to none."""
        self._forget_the_dead()
        self._plans.clear()
        if api_id:
            self._apis.pop(api_id, None)
        else:
            self._apis.clear()
        if deployed:
            found = await self._call("apigateway", "get_deployments", region=region, restApiId=api_id, limit=PAGE)
            definition = asyncio.create_task(self._definition(api_id, region))
            for deployment in found.get("items", ()):
                self._deployed.setdefault((api_id, deployment["id"]), definition)
            await definition

    def _forget_the_dead(self) -> None:
        now = self._incarnation()
        if now != self._of:
            self._of = now
            self._apis.clear()
            self._plans.clear()
            self._deployed.clear()

    async def _kept(self, kept: dict[K, asyncio.Task[T]], key: K, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What was read before; all who want it first wait for the same reading, and a failed one is not kept."""
        if key not in kept:
            kept[key] = asyncio.create_task(read())
        reading = kept[key]
        try:
            return await asyncio.shield(reading)
        finally:
            if kept.get(key) is reading and reading.done() and (reading.cancelled() or reading.exception()):
                del kept[key]

    # --- reading

    async def _read(self, api_id: str, regions: list[str]) -> RestApi | HttpApi | None:
        for region in regions:
            if found := await self._unless_missing("apigateway", "get_rest_api", region, restApiId=api_id):
                stages = await self._call("apigateway", "get_stages", region=region, restApiId=api_id)
                return configuration.rest_api(found, stages["item"], region=region)
            if found := await self._unless_missing("apigatewayv2", "get_api", region, ApiId=api_id):
                return await self._http_api(found, region)
        return None

    async def _http_api(self, found: Mapping[str, Any], region: str) -> HttpApi:
        names = ("get_routes", "get_integrations", "get_authorizers", "get_stages")
        parts = await asyncio.gather(
            *(self._items("apigatewayv2", name, region, ApiId=found["ApiId"]) for name in names)
        )
        return configuration.http_api(found, *parts, region=region)

    async def _definition(self, api_id: str, region: str) -> RestDefinition:
        api, resources, *others = await asyncio.gather(
            self._call("apigateway", "get_rest_api", region=region, restApiId=api_id),
            self._items("apigateway", "get_resources", region, restApiId=api_id, limit=PAGE, embed=["methods"]),
            *(
                self._items("apigateway", name, region, restApiId=api_id)
                for name in ("get_authorizers", "get_request_validators", "get_models", "get_gateway_responses")
            ),
        )
        return configuration.rest_definition(api, resources, *others)

    async def _read_plans(self, region: str) -> tuple[UsagePlan, ...]:
        keys = {key["id"]: key for key in await self._items("apigateway", "get_api_keys", region, includeValues=True)}
        plans = []
        for plan in await self._items("apigateway", "get_usage_plans", region):
            members = await self._items("apigateway", "get_usage_plan_keys", region, usagePlanId=plan["id"])
            plans.append(usage_plan(plan, [keys[member["id"]] for member in members if member["id"] in keys]))
        return tuple(plans)

    async def _items(self, service: str, operation: str, region: str, **params: Any) -> list[dict[str, Any]]:
        answer = await self._call(service, operation, region=region, **params)
        return list(answer.get("items") or answer.get("Items") or ())

    async def _unless_missing(self, service: str, operation: str, region: str, **params: Any) -> dict[str, Any] | None:
        try:
            return await self._call(service, operation, region=region, **params)
        except CallFailed as error:
            if error.code in ("NotFoundException", "NotFound", "404"):
                return None
            raise

"""When configurations are read, kept and forgotten; moto's answers are a fake's."""

from __future__ import annotations

import asyncio

import pytest

from labkit.emulator.apigateway.catalogue import Catalogue
from labkit.emulator.clients import CallFailed

HERE, THERE = "us-east-1", "eu-west-1"


class Account:
    """A REST API `r` in one region and an HTTP API `h` in another, and what was asked about them."""

    def __init__(self):
        self.asked = []
        self.pid = 1
        self.paths = ["/"]
        self.deployments = ["d1"]
        self.broken = False

    async def call(self, service, operation, *, region="", **params):
        self.asked.append(operation)
        await asyncio.sleep(0)
        if self.broken:
            raise CallFailed("InternalFailure", "broken")
        api_id = params.get("restApiId") or params.get("ApiId")
        if operation in ("get_rest_api", "get_api") and (operation, api_id, region) not in (
            ("get_rest_api", "r", HERE),
            ("get_api", "h", THERE),
        ):
            raise CallFailed("NotFoundException", "no")
        return {
            "get_rest_api": {"id": "r"},
            "get_api": {"ApiId": "h"},
            "get_stages": {"item": [{"stageName": "prod", "deploymentId": "d1"}], "Items": []},
            "get_resources": {"items": [{"id": path, "path": path} for path in self.paths]},
            "get_deployments": {"items": [{"id": found} for found in self.deployments]},
        }.get(operation, {})

    def count(self, operation):
        return self.asked.count(operation)


@pytest.fixture
def account():
    return Account()


def run(account, scenario):
    catalogue = Catalogue(account.call, lambda: account.pid, [HERE, THERE])
    return asyncio.run(scenario(catalogue))


def paths(definition):
    return [resource.path for resource in definition.resources]


async def deployed(catalogue):
    api = await catalogue.find("r")
    return paths(await catalogue.definition(api, api.stages["prod"]))


def test_nobody_is_asked_when_no_moto_runs(account):
    account.pid = None
    assert run(account, lambda catalogue: catalogue.find("r")) is None
    assert account.asked == []


def test_an_api_is_found_in_its_region_and_read_once(account):
    async def scenario(catalogue):
        found = await asyncio.gather(*(catalogue.find("h") for _ in range(3)))
        return [*found, await catalogue.find("h")]

    assert {(api.api_id, api.region) for api in run(account, scenario)} == {("h", THERE)}
    assert account.count("get_routes") == 1


def test_what_was_changed_is_read_again(account):
    async def scenario(catalogue):
        await catalogue.find("h")
        await catalogue.changed("r", HERE, deployed=False)
        await catalogue.find("h")
        before = account.count("get_routes")
        await catalogue.changed("h", THERE, deployed=False)
        await catalogue.find("h")
        return before

    assert run(account, scenario) == 1
    assert account.count("get_routes") == 2


def test_an_api_that_was_made_after_it_was_asked_for_is_found(account):
    async def scenario(catalogue):
        assert await catalogue.find("later") is None
        assert await catalogue.find("later") is None
        asked = account.count("get_api")
        await catalogue.changed("", HERE, deployed=False)
        await catalogue.find("later")
        return asked

    assert run(account, scenario) == 2  # one for each region
    assert account.count("get_api") == 4


def test_a_deployment_keeps_what_there_was_when_it_was_made(account):
    async def scenario(catalogue):
        await catalogue.changed("r", HERE, deployed=True)
        account.paths = ["/", "/new"]
        await catalogue.changed("r", HERE, deployed=False)
        before = await deployed(catalogue)
        account.deployments = ["d1", "d2"]
        await catalogue.changed("r", HERE, deployed=True)
        api = await catalogue.find("r")
        stage = api.stages["prod"]
        return before, await deployed(catalogue), paths(await catalogue.definition(api, replaced(stage)))

    def replaced(stage):
        return type(stage)(stage.name, "d2")

    assert run(account, scenario) == (["/"], ["/"], ["/", "/new"])


def test_a_deployment_that_nobody_saw_keeps_what_there_is_at_its_first_use(account):
    async def scenario(catalogue):
        first = await deployed(catalogue)
        account.paths = ["/", "/new"]
        await catalogue.changed("r", HERE, deployed=False)
        return first, await deployed(catalogue)

    assert run(account, scenario) == (["/"], ["/"])


def test_with_moto_all_is_forgotten(account):
    async def scenario(catalogue):
        await deployed(catalogue)
        account.pid, account.paths = 2, ["/", "/again"]
        return await deployed(catalogue)

    assert run(account, scenario) == ["/", "/again"]


def test_a_reading_that_failed_is_not_kept(account):
    async def scenario(catalogue):
        account.broken = True
        with pytest.raises(CallFailed):
            await catalogue.find("r")
        account.broken = False
        return await catalogue.find("r")

    assert run(account, scenario).api_id == "r"

"""What the dispatcher makes of the scheduler's decisions, with environments that are no processes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from labkit.emulator.dispatcher import Dispatcher
from labkit.model import Phase
from labkit.scheduler import Allocation, Scheduler

VERSION: Any = SimpleNamespace(key="f:1", config=SimpleNamespace(name="f"))


class FakeEnvironment:
    """Says "ready" or "init_failed" when it is told to, and "exited" as soon as it is ended."""

    moving = False

    def __init__(self, env_id: str, version: Any, notify: Any, *, provisioned: bool) -> None:
        self.env_id, self.version, self.provisioned = env_id, version, provisioned
        self.phase = Phase.INIT
        self._notify = notify

    async def start(self) -> None: ...

    def end_init(self, what: str) -> None:
        self.phase = Phase.IDLE
        self._notify(self, what)

    def abort(self, message: str) -> None:
        if self.phase is not Phase.SHUTDOWN:
            self.phase = Phase.SHUTDOWN
            self._notify(self, "exited")

    def stop(self) -> None:
        self.abort("")

    def remove(self) -> None: ...


def kept(dispatcher: Dispatcher, count: int, what: str = "ready") -> list[Any]:
    dispatcher.provision(VERSION, count)
    environments: list[Any] = list(dispatcher.environments.values())
    for environment in environments:
        environment.end_init(what)
    return environments


def dispatching() -> Dispatcher:
    make: Any = FakeEnvironment
    return Dispatcher(Scheduler(account_limit=4), make)


def test_provisioned_environments_are_made_as_such():
    async def run() -> None:
        dispatcher = dispatching()
        assert [e.provisioned for e in kept(dispatcher, 2)] == [True, True]
        assert dispatcher.allocation(VERSION) == Allocation(requested=2, allocated=2)

    asyncio.run(run())


def test_the_end_waits_for_provisioned_environments_and_replaces_none():
    async def run() -> None:
        dispatcher = dispatching()
        kept(dispatcher, 2)
        await asyncio.wait_for(dispatcher.stop(), timeout=5)
        assert dispatcher.environments == {}

    asyncio.run(run())


def test_a_provisioned_environment_that_ends_by_itself_is_replaced():
    async def run() -> None:
        dispatcher = dispatching()
        [environment] = kept(dispatcher, 1)
        environment.abort("it died")
        [replacement] = dispatcher.environments.values()
        assert replacement is not environment
        assert replacement.provisioned

    asyncio.run(run())


def test_an_init_that_fails_is_not_repeated():
    async def run() -> None:
        dispatcher = dispatching()
        kept(dispatcher, 1, "init_failed")
        assert dispatcher.environments == {}
        assert dispatcher.allocation(VERSION).failed

    asyncio.run(run())


def test_a_machine_that_can_start_nothing_fails_the_allocation():
    def make(*args: object, **more: object) -> Any:
        raise OSError("no more processes")

    async def run() -> None:
        dispatcher = Dispatcher(Scheduler(account_limit=4), make)
        dispatcher.provision(VERSION, 2)
        assert dispatcher.allocation(VERSION) == Allocation(requested=2, allocated=0, failed=True)

    asyncio.run(run())


class FakeSnapshots:
    def __init__(self) -> None:
        self.said: list[str] = []

    def of(self, version: Any) -> None:
        self.said.append(f"of {version.key}")

    def known(self, version: Any) -> None: ...

    def forget(self, key: str) -> None:
        self.said.append(f"forget {key}")

    async def stop(self) -> None:
        self.said.append("stop")


def test_a_snapshot_is_forgotten_when_nothing_uses_its_retired_version():
    async def run() -> None:
        dispatcher, snapshots = dispatching(), FakeSnapshots()
        dispatcher._snapshots = snapshots
        dispatcher.published(VERSION)
        kept(dispatcher, 1, "ready")
        dispatcher.tick()
        assert snapshots.said == ["of f:1"]
        dispatcher.provision(VERSION, 0)
        dispatcher.retire(VERSION)
        dispatcher.tick()
        assert snapshots.said == ["of f:1", "forget f:1"]
        await dispatcher.stop()
        assert snapshots.said[-1] == "stop"

    asyncio.run(run())

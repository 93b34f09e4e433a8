"""Performs what the scheduler decides, and tells it what happened. Owns the environments and the watch over them.

Every invocation that enters `submit` leaves it once: with a Result, or with TooManyRequests or ServiceFault.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from labkit import actions as rules
from labkit.emulator.environment import Environment
from labkit.emulator.invocation import Invocation
from labkit.emulator.registry import FunctionVersion
from labkit.errors import ServiceFault, TooManyRequests
from labkit.model import Phase
from labkit.scheduler import Allocation, Scheduler

WATCH_S = 0.005  # how often deadlines and memory are looked at while anything runs
TICK_S = 1.0
EVENTS: dict[str, Callable[[str], rules.Event]] = {
    "ready": rules.Ready,
    "init_failed": rules.InitFailed,
    "finished": rules.Finished,
    "exited": rules.Exited,
}


class Maker(Protocol):
    """Builds an environment, which tells `notify` what happens to it. Raises OSError if the machine cannot."""

    def __call__(
        self, env_id: str, version: FunctionVersion, notify: Callable[[Environment, str], None], *, provisioned: bool
    ) -> Environment: ...


class Snapshot(Protocol):
    """A template, ready or not. `failed`: its init did."""

    failed: bool

    async def settled(self) -> None: ...


class Snapshots(Protocol):
    """The templates of versions with SnapStart."""

    def of(self, version: FunctionVersion) -> Snapshot | None: ...
    def known(self, version: FunctionVersion) -> Snapshot | None: ...
    def forget(self, key: str) -> None: ...
    async def stop(self) -> None: ...


class Dispatcher:
    """See the module's docstring."""

    def __init__(
        self,
        scheduler: Scheduler,
        make: Maker,
        snapshots: Snapshots | None = None,
        *,
        throttled: Callable[[Invocation], None] = lambda invocation: None,
    ) -> None:
        self.environments: dict[str, Environment] = {}
        self.throttles: Counter[str] = Counter()  # of functions
        self._scheduler = scheduler
        self._make = make
        self._snapshots = snapshots
        self._throttled = throttled
        self._waiting: dict[str, Invocation] = {}
        self._versions: dict[str, FunctionVersion] = {}
        self._retired: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._starts: set[asyncio.Task[None]] = set()
        self._watching = False
        self._ended = asyncio.Event()

    @property
    def account_limit(self) -> int:
        return self._scheduler.account_limit

    def submit(self, invocation: Invocation) -> None:
        """Sets the invocation going; its `ending` hears of it later."""
        version = invocation.version
        self._versions[version.key] = version
        self._waiting[invocation.request_id] = invocation
        self._tell(rules.Arrived(invocation.request_id, version.key, version.config.name))

    def published(self, version: FunctionVersion) -> None:
        """A version was published: the snapshot that it may ask for is made."""
        if self._snapshots:
            self._snapshots.of(version)

    def snapshot(self, version: FunctionVersion) -> Snapshot | None:
        """What was begun when it was published."""
        return self._snapshots.known(version) if self._snapshots else None

    def reserve(self, reserved: Mapping[str, int]) -> None:
        """What functions have for themselves, of the account's concurrency."""
        self._tell(rules.LimitsChanged(self.account_limit, reserved))

    def provision(self, version: FunctionVersion, count: int) -> None:
        """So many environments of this version are kept ready from now on."""
        self._versions[version.key] = version
        self._tell(rules.ProvisionedChanged(version.key, version.config.name, count))

    def allocation(self, version: FunctionVersion) -> Allocation:
        """How far the provisioned environments of this version are."""
        return self._scheduler.allocation(version.key)

    def retire(self, version: FunctionVersion) -> None:
        """This version's environments end, the busy ones when they are free."""
        self._tell(rules.VersionRetired(version.key))
        self._retired.add(version.key)

    def recycle(self, version: FunctionVersion) -> None:
        """The next invocation of this version meets a fresh environment."""
        self._tell(rules.Recycled(version.key))

    def abort(self, version: FunctionVersion, message: str) -> int:
        """Ends what this version is starting or running now; returns how many environments that were.

        A provisioned environment that is starting is no work of anybody's.
        """
        mine = [e for e in self.environments.values() if e.version.key == version.key]
        busy = [e for e in mine if e.phase is Phase.INVOKE or (e.phase is Phase.INIT and not e.provisioned)]
        for environment in busy:
            if environment.phase is Phase.INIT:
                self._tell(rules.Aborted(environment.env_id))
            environment.abort(message)
            self._watch_soon()
        return len(busy)

    def tick(self) -> None:
        self._tell(rules.Tick())
        used = {e.version.key for e in self.environments.values()} | {i.version.key for i in self._waiting.values()}
        for key in self._retired - used:
            self._versions.pop(key, None)
            if self._snapshots:
                self._snapshots.forget(key)
        self._retired &= used

    async def stop(self) -> None:
        """Ends every environment and waits until the last one is gone."""
        for version in list(self._versions.values()):  # else provisioned ones would be replaced as they end
            self.provision(version, 0)
        for environment in list(self.environments.values()):
            environment.abort("the emulator stops")
        self._watch_soon()
        while self.environments:
            self._ended.clear()
            await self._ended.wait()
        if self._snapshots:
            await self._snapshots.stop()

    # --- what the scheduler says

    def _tell(self, event: rules.Event) -> None:
        for action in self._scheduler.handle(event, time.monotonic()):
            match action:
                case rules.Assign(request_id, env_id):
                    self._assign(request_id, env_id)
                case rules.Start(env_id, key, provisioned):
                    self._start(env_id, self._versions[key], provisioned=provisioned)
                case rules.Throttle(request_id, reason):
                    self.throttles[self._waiting[request_id].version.config.name] += 1
                    self._throttled(self._waiting[request_id])
                    self._refuse(request_id, TooManyRequests(reason))
                case rules.Fail(request_id):
                    self._refuse(
                        request_id, ServiceFault("No environment could be started; the emulator's log says why.")
                    )
                case rules.Stop(env_id):
                    self.environments[env_id].stop()
                    self._watch_soon()  # extensions have a deadline for their shutdown

    def _assign(self, request_id: str, env_id: str) -> None:
        self._watch_soon()
        self.environments[env_id].assign(self._waiting.pop(request_id))

    def _refuse(self, request_id: str, error: Exception) -> None:
        invocation = self._waiting.pop(request_id)
        if not invocation.ending.done():
            invocation.ending.set_exception(error)

    def _start(self, env_id: str, version: FunctionVersion, *, provisioned: bool) -> None:
        try:
            environment = self._make(env_id, version, self._notified, provisioned=provisioned)
        except OSError as error:
            print(f"labkit: no environment for {version.config.name}: {error}", file=sys.stderr, flush=True)  # noqa: T201
            self._tell(rules.Exited(env_id))
            return
        self.environments[env_id] = environment
        self._watch_soon()
        task = self._loop.create_task(self._started(environment))
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    async def _started(self, environment: Environment) -> None:
        try:
            await environment.start()
        except OSError as error:
            environment.stream.write_line(f"labkit: this environment could not be started: {error}")
            environment.stop()

    def _notified(self, environment: Environment, what: str) -> None:
        if what == "exited":
            self.environments.pop(environment.env_id, None)
            self._ended.set()
            self._loop.run_in_executor(None, environment.remove)
        self._tell(EVENTS[what](environment.env_id))

    # --- the watch

    def _watch_soon(self) -> None:
        if not self._watching:
            self._watching = True
            self._loop.call_later(WATCH_S, self._watch)

    def _watch(self) -> None:
        now = time.monotonic()
        moving = [e for e in self.environments.values() if e.moving]
        for environment in moving:
            environment.watch(now, crowd=len(moving))
        self._watching = bool(moving) or bool(self._starts)
        if self._watching:
            self._loop.call_later(WATCH_S, self._watch)


async def keep_time(tick: Callable[[], None]) -> None:
    """Calls `tick` every second until cancelled."""
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(TICK_S)
            tick()

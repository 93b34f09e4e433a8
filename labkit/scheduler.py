"""PURE: which environment serves which request. `handle(event, now) -> [Action]`, and nothing else.

No I/O, clock, randomness, asyncio or locks: the emulator performs the actions in real time, the simulation in
virtual time, and the two cannot disagree. Events and actions are in `actions`, limits and what is taken of them in
`pools`.

The rules, Lambda's own (developer guide, "Understanding Lambda function scaling", "Configuring provisioned
concurrency"):
  * one environment serves one request at a time, and only its own version of a function;
  * a request takes an idle provisioned environment, else the warm one that was used last, else it waits while a new
    one starts; an environment that becomes free earlier takes the request that waits longest, and the one that was
    started for it serves a later one;
  * concurrency counts initialising and busy environments, and provisioned ones always. A request beyond the limit, or
    beyond the rate of growth, is throttled, never queued;
  * idle environments count against nothing, but a machine holds only so many: at `environment_limit` the one idle
    for longest makes room, or one that starts and is no longer needed;
  * an environment lives until nobody used it for `idle_timeout_s`, or until its version is retired;
  * provisioned environments are started as soon as their pool has room, replaced when they end, never idle for too
    long, and stopped when fewer are wanted (busy ones when they are free). One whose init fails ends the allocation:
    no more are started until the count is set again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import msgspec

from labkit.actions import (
    Aborted,
    Action,
    Arrived,
    Assign,
    Event,
    Exited,
    Fail,
    Finished,
    InitFailed,
    LimitsChanged,
    ProvisionedChanged,
    Ready,
    Recycled,
    Start,
    Stop,
    Throttle,
    Tick,
    VersionRetired,
)
from labkit.model import Phase
from labkit.pools import Pools

INIT, IDLE, INVOKE, SHUTDOWN = Phase.INIT, Phase.IDLE, Phase.INVOKE, Phase.SHUTDOWN  # looked up once: Enum is slow
STOPPED_FIRST = (INIT, IDLE, INVOKE)  # of provisioned environments that are too many


class _Environment(msgspec.Struct):
    env_id: str
    version: str
    function: str
    provisioned: bool = False
    phase: Phase = INIT
    idle_since: float = 0.0
    outdated: bool = False


class _Version(msgspec.Struct):
    """One version's environments that are idle (last used last), its waiting requests, and how many are starting."""

    function: str
    idle: dict[str, _Environment] = msgspec.field(default_factory=dict)
    waiting: deque[str] = msgspec.field(default_factory=deque)
    starting: int = 0  # on demand
    retired: bool = False
    wanted: int = 0  # provisioned
    provisioned: int = 0  # of them alive
    provisioned_idle: dict[str, _Environment] = msgspec.field(default_factory=dict)
    failed: bool = False  # the allocation

    @property
    def missing(self) -> int:
        return 0 if self.failed else self.wanted - self.provisioned


class Allocation(msgspec.Struct, frozen=True):
    """A version's provisioned environments: asked for, and initialised."""

    requested: int = 0
    allocated: int = 0
    failed: bool = False


class Scheduler:
    """Holds what is known about environments; see the module's docstring for the rules."""

    def __init__(
        self,
        *,
        account_limit: int,
        idle_timeout_s: float = 300.0,
        environment_limit: int | None = None,
        growth_environments: int = 1000,
        growth_period_s: float = 10.0,
    ) -> None:
        self.idle_timeout_s = idle_timeout_s
        self.environment_limit = environment_limit or account_limit
        self.environments: dict[str, _Environment] = {}
        self.in_use = 0  # requests that have an environment or wait for one
        self._pools = Pools(
            account_limit=account_limit, growth_environments=growth_environments, growth_period_s=growth_period_s
        )
        self._versions: dict[str, _Version] = {}
        self._incomplete: dict[str, _Version] = {}  # whose provisioned environments are not all started
        self._started = 0
        self._alive = 0

    def handle(self, event: Event, now: float) -> list[Action]:
        actions = self._handled(event, now)
        return [*actions, *self._provision()] if self._incomplete else actions

    def _handled(self, event: Event, now: float) -> list[Action]:
        match event:
            case Arrived():
                return self._arrived(event, now)
            case Finished() | Ready():
                return self._free(event.env_id, now)
            case InitFailed():
                return self._init_failed(event.env_id, now)
            case Exited() | Aborted():
                end = self._exited if isinstance(event, Exited) else self._aborted
                return end(event.env_id)
            case Tick():
                return self._expire(now)
            case Recycled():
                return self._recycle(event.version)
            case VersionRetired():
                return self._retire(event.version)
            case ProvisionedChanged():
                return self._provisioned_changed(event)
            case LimitsChanged():
                self._pools.change(event.account_limit, event.reserved)
                self.environment_limit = max(self.environment_limit, event.account_limit)
                return []

    @property
    def account_limit(self) -> int:
        return self._pools.account_limit

    @property
    def reserved(self) -> Mapping[str, int]:
        return self._pools.reserved

    @property
    def concurrency(self) -> int:
        """What is taken of the account's: requests on demand, and provisioned environments, used or not."""
        return self._pools.taken

    # --- requests

    def _arrived(self, event: Arrived, now: float) -> list[Action]:
        version = self._versions.get(event.version)
        if version and version.provisioned_idle:  # takes nothing more from any pool
            return [self._assign(event.request_id, version.provisioned_idle)]
        full = self._pools.full(event.function)
        if full:
            return [Throttle(event.request_id, full)]
        version = version or self._versions.setdefault(event.version, _Version(event.function))
        if version.idle:
            self._pools.take(event.function)
            return [self._assign(event.request_id, version.idle)]
        too_fast = self._pools.too_fast(event.function, now) if version.starting <= len(version.waiting) else None
        if too_fast:
            return [Throttle(event.request_id, too_fast)]
        self._pools.take(event.function)
        self.in_use += 1
        version.waiting.append(event.request_id)
        return self._start_as_needed(event.version, version, now)

    def _assign(self, request_id: str, idle: dict[str, _Environment]) -> Assign:
        """The request goes to the one that was used last."""
        _, env = idle.popitem()
        env.phase = INVOKE
        self.in_use += 1
        return Assign(request_id, env.env_id)

    def _start_as_needed(self, name: str, version: _Version, now: float) -> list[Action]:
        """One environment more, unless those that are starting already suffice for those that wait."""
        if len(version.waiting) <= version.starting:
            return []
        self._pools.grow(version.function, now)
        version.starting += 1
        return [*self._make_room(), self._start(name, version)]

    def _start(self, name: str, version: _Version, *, provisioned: bool = False) -> Start:
        self._started += 1
        self._alive += 1
        env = _Environment(f"{self._started:08x}", name, version.function, provisioned)
        self.environments[env.env_id] = env
        return Start(env.env_id, name, provisioned)

    def _make_room(self) -> list[Action]:
        """On a full machine: the environment idle for longest goes, else one that starts and nobody waits for.

        One of them exists: what is neither has taken concurrency, which is below the limit here.
        """
        if self._alive < self.environment_limit:
            return []
        on_demand = [e for e in self.environments.values() if not e.provisioned and e.phase is not SHUTDOWN]
        idle = [e for e in on_demand if e.phase is IDLE]
        if idle:
            return [self._stop(min(idle, key=lambda e: e.idle_since))]
        for env in reversed(on_demand):
            version = self._versions[env.version]
            if env.phase is INIT and version.starting > len(version.waiting):
                version.starting -= 1
                return [self._stop(env)]
        return []

    # --- environments

    def _free(self, env_id: str, now: float) -> list[Action]:
        env = self.environments.get(env_id)
        if env is None or env.phase is SHUTDOWN:
            return []
        version = self._versions[env.version]
        self._count_as_free(env, version)
        if env.outdated:
            return [self._stop(env), *self._start_as_needed(env.version, version, now)]
        if version.waiting:
            env.phase = INVOKE
            if env.provisioned:  # serves a request that had taken a unit on demand
                self._pools.give_back(env.function)
            return [Assign(version.waiting.popleft(), env_id)]
        if version.retired:
            return [self._stop(env)]
        env.phase, env.idle_since = IDLE, now
        (version.provisioned_idle if env.provisioned else version.idle)[env_id] = env
        return []

    def _count_as_free(self, env: _Environment, version: _Version) -> None:
        """What it did ends: an init, or a request with the unit that it had taken."""
        if env.phase is INVOKE:
            self.in_use -= 1
            if not env.provisioned:
                self._pools.give_back(env.function)
        elif env.phase is INIT and not env.provisioned:
            version.starting -= 1

    def _init_failed(self, env_id: str, now: float) -> list[Action]:
        env = self.environments.get(env_id)
        if env is None or not env.provisioned or env.phase is SHUTDOWN:
            return self._free(env_id, now)
        self._versions[env.version].failed = True
        return [self._stop(env)]

    def _exited(self, env_id: str) -> list[Action]:
        # Exited may overtake Finished: a process can die while its result is on the way
        env = self.environments.pop(env_id, None)
        if env is None or env.phase is SHUTDOWN:
            return []
        version, initialising = self._versions[env.version], env.phase is INIT
        self._count_as_free(env, version)
        if env.provisioned and initialising:
            version.failed = True
        self._count_as_gone(env)
        return self._fail_unserved(version) if initialising else []

    def _aborted(self, env_id: str) -> list[Action]:
        """Who waits for it now fails; who comes before it has exited must not be promised to it."""
        env = self.environments.get(env_id)
        if env is None or env.phase is not INIT or env.provisioned:
            return []
        version = self._versions[env.version]
        self._count_as_free(env, version)
        self._count_as_gone(env)
        return self._fail_unserved(version)

    def _fail_unserved(self, version: _Version) -> list[Action]:
        """Fails the requests that no starting environment is left for."""
        failed: list[Action] = []
        while len(version.waiting) > version.starting:
            self._pools.give_back(version.function)
            self.in_use -= 1
            failed.append(Fail(version.waiting.pop()))
        return failed

    def _stop(self, env: _Environment) -> Stop:
        self._count_as_gone(env)
        return Stop(env.env_id)

    def _count_as_gone(self, env: _Environment) -> None:
        version = self._versions[env.version]
        version.idle.pop(env.env_id, None)
        version.provisioned_idle.pop(env.env_id, None)
        env.phase = SHUTDOWN
        self._alive -= 1
        if env.provisioned:
            version.provisioned -= 1
            self._pools.give_back(env.function)
            self._note(env.version, version)

    # --- provisioned environments

    def allocation(self, version: str) -> Allocation:
        known = self._versions.get(version)
        if known is None:
            return Allocation()
        usable = [e for e in self._provisioned(version) if e.phase is not INIT]
        return Allocation(known.wanted, len(usable), known.failed)

    def _provisioned(self, name: str) -> list[_Environment]:
        """Those of a version that are alive."""
        mine = [e for e in self.environments.values() if e.provisioned and e.version == name]
        return [e for e in mine if e.phase is not SHUTDOWN]

    def _provisioned_changed(self, event: ProvisionedChanged) -> list[Action]:
        version = self._versions.setdefault(event.version, _Version(event.function))
        return [] if version.retired else self._want(event.version, version, event.count)

    def _want(self, name: str, version: _Version, count: int) -> list[Action]:
        version.wanted, version.failed = count, False
        self._note(name, version)
        surplus = version.provisioned - count
        if surplus <= 0:
            return []
        stopped: list[Action] = []
        for env in sorted(self._provisioned(name), key=lambda e: STOPPED_FIRST.index(e.phase))[:surplus]:
            if env.phase is INVOKE:
                self._demote(env, version)
            else:
                stopped.append(self._stop(env))
        return stopped

    def _demote(self, env: _Environment, version: _Version) -> None:
        """A busy environment that is too many ends its request on demand: the unit that it has taken becomes that."""
        version.provisioned -= 1
        env.provisioned, env.outdated = False, True

    def _note(self, name: str, version: _Version) -> None:
        if version.missing > 0:
            self._incomplete[name] = version
        else:
            self._incomplete.pop(name, None)

    def _provision(self) -> list[Action]:
        """Starts what is missing of provisioned environments, as far as the pools have room."""
        actions: list[Action] = []
        for name, version in list(self._incomplete.items()):
            while version.missing > 0 and not self._pools.full(version.function):
                actions += self._make_room()
                self._pools.take(version.function)
                version.provisioned += 1
                actions.append(self._start(name, version, provisioned=True))
            self._note(name, version)
        return actions

    # --- ends

    def _expire(self, now: float) -> list[Action]:
        # `idle` keeps the order of use: the first that is young enough ends the search
        expired: list[Action] = []
        for version in self._versions.values():
            for env in list(version.idle.values()):
                if now < env.idle_since + self.idle_timeout_s:
                    break
                expired.append(self._stop(env))
        self._forget(now)
        return expired

    def next_expiry(self) -> float | None:
        """When a Tick would first end an environment that is idle now."""
        firsts = [next(iter(version.idle.values())) for version in self._versions.values() if version.idle]
        return min((env.idle_since + self.idle_timeout_s for env in firsts), default=None)

    def _recycle(self, name: str) -> list[Action]:
        for env in self.environments.values():
            env.outdated = env.outdated or env.version == name
        return self._stop_idle(name)

    def _retire(self, name: str) -> list[Action]:
        version = self._versions.get(name)
        if version is None:
            return []
        version.retired = True
        return [*self._want(name, version, 0), *self._stop_idle(name)]

    def _stop_idle(self, name: str) -> list[Action]:
        version = self._versions.get(name)
        idle = [*version.idle.values(), *version.provisioned_idle.values()] if version else []
        return [self._stop(env) for env in idle]

    def _forget(self, now: float) -> None:
        """Drops what is known of retired versions that nothing is left of."""
        self._pools.forget(now)
        retired = [name for name, version in self._versions.items() if version.retired and not version.waiting]
        if not retired:
            return
        living = {e.version for e in self.environments.values()}
        for name in retired:
            if name not in living:
                del self._versions[name]

"""PURE: which environment serves which request. `handle(event, now) -> [Action]`, and nothing else.

No I/O, clock, randomness, asyncio or locks: the emulator performs the actions in real time, the simulation in
virtual time, and the two cannot disagree. Every `Start` comes back as one of Ready, InitFailed, Exited; every
`Assign` as Finished or Exited; every `Stop` as Exited.

The rules, Lambda's own (developer guide, "Understanding Lambda function scaling"):
  * one environment serves one request at a time, and only its own version of a function;
  * a request takes the warm environment that was used last, else it waits while a new one starts;
    an environment that becomes free earlier takes the request that waits longest, and the one that was started
    for it serves a later one;
  * concurrency counts initialising and busy environments. A request beyond the limit is throttled, never queued;
  * a function with reserved concurrency has a pool of its own, taken from the account's; all others share the rest;
  * idle environments count against nothing, but a machine holds only so many: at `environment_limit` the one idle
    for longest makes room, or one that starts and is no longer needed;
  * an environment lives until nobody used it for `idle_timeout_s`, or until its version is retired.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from labkit.model import Phase

CONCURRENCY = "ConcurrentInvocationLimitExceeded"
RESERVED_CONCURRENCY = "ReservedFunctionConcurrentInvocationLimitExceeded"


# --- events: what happened ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request for a version (any key of it) of a function."""

    request_id: str
    version: str
    function: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    env_id: str


@dataclass(frozen=True, slots=True)
class InitFailed:
    """The init phase failed; the environment lives and repeats it inside its first invocation."""

    env_id: str


@dataclass(frozen=True, slots=True)
class Finished:
    env_id: str


@dataclass(frozen=True, slots=True)
class Exited:
    env_id: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: the moment to let idle environments go."""


@dataclass(frozen=True, slots=True)
class LimitsChanged:
    """The account's limit, and what is reserved of it: function -> environments."""

    account_limit: int
    reserved: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recycled:
    """The next request of this version shall meet a fresh environment."""

    version: str


@dataclass(frozen=True, slots=True)
class VersionRetired:
    """No request will name this version again: its code or configuration changed, or it was deleted."""

    version: str


Event = Arrived | Ready | InitFailed | Finished | Exited | Tick | LimitsChanged | Recycled | VersionRetired


# --- actions: what to do ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    env_id: str
    version: str


@dataclass(frozen=True, slots=True)
class Assign:
    request_id: str
    env_id: str


@dataclass(frozen=True, slots=True)
class Throttle:
    request_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """No environment could be started for this request."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Stop:
    env_id: str


Action = Start | Assign | Throttle | Fail | Stop


@dataclass(slots=True)
class _Environment:
    env_id: str
    version: str
    function: str
    phase: Phase = Phase.INIT
    idle_since: float = 0.0
    outdated: bool = False


@dataclass(slots=True)
class _Version:
    """One version's environments that are idle (last used last), its waiting requests, and how many are starting."""

    function: str
    idle: dict[str, _Environment] = field(default_factory=dict)
    waiting: deque[str] = field(default_factory=deque)
    starting: int = 0
    retired: bool = False


class Scheduler:
    """Holds what is known about environments; see the module's docstring for the rules."""

    def __init__(
        self, *, account_limit: int, idle_timeout_s: float = 300.0, environment_limit: int | None = None
    ) -> None:
        self.account_limit = account_limit
        self.idle_timeout_s = idle_timeout_s
        self.environment_limit = environment_limit or account_limit
        self.environments: dict[str, _Environment] = {}
        self.reserved: Mapping[str, int] = {}
        self._in_use: dict[str, int] = {}  # of each function: initialising for a request, or busy
        self._versions: dict[str, _Version] = {}
        self._started = 0

    def handle(self, event: Event, now: float) -> list[Action]:
        match event:
            case Arrived():
                return self._arrived(event)
            case Finished() | Ready() | InitFailed():
                return self._free(event.env_id, now)
            case Exited():
                return self._exited(event.env_id)
            case Tick():
                return self._expire(now)
            case Recycled():
                return self._recycle(event.version)
            case VersionRetired():
                return self._retire(event.version)
            case LimitsChanged():
                self.account_limit, self.reserved = event.account_limit, dict(event.reserved)
                self.environment_limit = max(self.environment_limit, event.account_limit)
                return []

    def _arrived(self, event: Arrived) -> list[Action]:
        full = self._full_pool(event.function)
        if full:
            return [Throttle(event.request_id, full)]
        version = self._versions.setdefault(event.version, _Version(event.function))
        self._use(event.function, 1)
        if version.idle:
            _, env = version.idle.popitem()
            env.phase = Phase.INVOKE
            return [Assign(event.request_id, env.env_id)]
        version.waiting.append(event.request_id)
        return self._start_as_needed(event.version, version)

    @property
    def in_use(self) -> int:
        """Requests that have an environment or wait for one."""
        return sum(self._in_use.values())

    def in_use_of(self, function: str) -> int:
        return self._in_use.get(function, 0)

    def _use(self, function: str, change: int) -> None:
        count = self._in_use.get(function, 0) + change
        if count:
            self._in_use[function] = count
        else:
            self._in_use.pop(function, None)

    def _full_pool(self, function: str) -> str | None:
        """Why a request of this function must be throttled now: the pool that is really empty."""
        if function in self.reserved and self.in_use_of(function) >= self.reserved[function]:
            return RESERVED_CONCURRENCY
        if self.in_use >= self.account_limit:  # what others use may be reserved only since then
            return CONCURRENCY
        if function in self.reserved:
            return None
        unreserved = self.account_limit - sum(self.reserved.values())
        shared = sum(count for name, count in self._in_use.items() if name not in self.reserved)
        return CONCURRENCY if shared >= unreserved else None

    def _start_as_needed(self, name: str, version: _Version) -> list[Action]:
        """One environment more, unless those that are starting already suffice for those that wait."""
        if len(version.waiting) <= version.starting:
            return []
        return [*self._make_room(), self._start(name, version)]

    def _start(self, name: str, version: _Version) -> Start:
        self._started += 1
        env = _Environment(f"{self._started:08x}", name, version.function)
        self.environments[env.env_id] = env
        version.starting += 1
        return Start(env.env_id, name)

    def _make_room(self) -> list[Action]:
        """On a full machine: the environment idle for longest goes, else one that starts and nobody waits for.

        One of them exists: what is neither is counted by `in_use`, which is below the limit here.
        """
        alive = [e for e in self.environments.values() if e.phase is not Phase.SHUTDOWN]
        if len(alive) < self.environment_limit:
            return []
        idle = [e for e in alive if e.phase is Phase.IDLE]
        if idle:
            return [self._stop(min(idle, key=lambda e: e.idle_since))]
        for env in reversed(alive):
            version = self._versions[env.version]
            if env.phase is Phase.INIT and version.starting > len(version.waiting):
                version.starting -= 1
                return [self._stop(env)]
        return []

    def _free(self, env_id: str, now: float) -> list[Action]:
        env = self.environments.get(env_id)
        if env is None or env.phase is Phase.SHUTDOWN:
            return []
        version = self._versions[env.version]
        if env.phase is Phase.INIT:
            version.starting -= 1
        else:
            self._use(env.function, -1)
        if env.outdated:
            return [self._stop(env), *self._start_as_needed(env.version, version)]
        if version.waiting:
            env.phase = Phase.INVOKE
            return [Assign(version.waiting.popleft(), env_id)]
        if version.retired:
            return [self._stop(env)]
        env.phase, env.idle_since = Phase.IDLE, now
        version.idle[env_id] = env
        return []

    def _exited(self, env_id: str) -> list[Action]:
        # Exited may overtake Finished: a process can die while its result is on the way
        env = self.environments.pop(env_id, None)
        if env is None:
            return []
        version = self._versions[env.version]
        version.idle.pop(env_id, None)
        if env.phase is Phase.INVOKE:
            self._use(env.function, -1)
        if env.phase is not Phase.INIT:
            return []
        version.starting -= 1
        return self._give_up(version)

    def _give_up(self, version: _Version) -> list[Action]:
        """Fails the requests that no starting environment is left for."""
        failed: list[Action] = []
        while len(version.waiting) > version.starting:
            self._use(version.function, -1)
            failed.append(Fail(version.waiting.pop()))
        return failed

    def _expire(self, now: float) -> list[Action]:
        # `idle` keeps the order of use: the first that is young enough ends the search
        expired: list[Action] = []
        for version in self._versions.values():
            for env in list(version.idle.values()):
                if now - env.idle_since < self.idle_timeout_s:
                    break
                expired.append(self._stop(env))
        self._forget()
        return expired

    def _recycle(self, name: str) -> list[Action]:
        for env in self.environments.values():
            env.outdated = env.outdated or env.version == name
        return self._stop_idle(name)

    def _retire(self, name: str) -> list[Action]:
        if name in self._versions:
            self._versions[name].retired = True
        return self._stop_idle(name)

    def _stop_idle(self, name: str) -> list[Action]:
        version = self._versions.get(name)
        return [self._stop(env) for env in list(version.idle.values())] if version else []

    def _stop(self, env: _Environment) -> Stop:
        self._versions[env.version].idle.pop(env.env_id, None)
        env.phase = Phase.SHUTDOWN
        return Stop(env.env_id)

    def _forget(self) -> None:
        """Drops what is known of retired versions that nothing is left of."""
        living = {e.version for e in self.environments.values()}
        for name in [n for n, v in self._versions.items() if v.retired and n not in living and not v.waiting]:
            del self._versions[name]

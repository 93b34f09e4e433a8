"""PURE: the scheduler in virtual time. The emulator's rules, a heap of events, and no clock: nobody waits.

    load -> Arrived ----------------.                     .-> Assign: a service time is drawn, Finished goes on the heap
    heap -> Finished Ready Exited ---+-> Scheduler.handle -+-> Start:  an init time is drawn, Ready goes on the heap
            Tick (the next expiry) -'                     '-> Throttle Fail Stop: written down

The scheduler is `labkit.scheduler`, the one that the emulator performs, so the two cannot disagree about what is cold
or throttled. What a simulation leaves out: the time that the emulator itself takes, the machine's other work, and
retries of asynchronous invocations. Idle environments end at the very moment of their timeout, in the emulator up to a
second later. At one and the same moment, expiry comes first, then what became free, then what arrives.

Service and init times are independent draws: a slow hour, or a handler that is slow because others run beside it, is
not in them. Load, service and init times have random streams of their own, so changing one leaves the others alone
(common random numbers).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from labkit.actions import (
    Action,
    Arrived,
    Assign,
    Event,
    Exited,
    Fail,
    Finished,
    LimitsChanged,
    ProvisionedChanged,
    Ready,
    Start,
    Stop,
    Throttle,
    Tick,
)
from labkit.distributions import Distribution, amount, as_distribution, probability, whole
from labkit.errors import BadLoad
from labkit.load import ClosedLoop, Load
from labkit.pools import RATE, RESERVED_RATE
from labkit.scheduler import Scheduler
from labkit.simulation import FAILED, NOBODY, PENDING, SERVED, THROTTLED, Environments, Requests, Simulation

FUNCTION = VERSION = "simulated"
NAN, INFINITY = math.nan, math.inf
TICK = Tick()
RETRY = Ready("")  # of no environment: nothing happens, and the line is looked at again
BEFORE_REQUESTS = 1 << 60  # order among events of one moment: environments by number, then requests by number
TOO_FAST = (RATE, RESERVED_RATE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the scheduler allows; defaults are AWS's, and a timeout that AWS does not promise."""

    account: int = 1000
    reserved: int | None = None
    provisioned: int = 0
    environments: int | None = None
    idle_timeout_s: float = 300.0
    growth_environments: int = 1000
    growth_period_s: float = 10.0

    def __post_init__(self) -> None:
        whole("the account's limit", self.account, least=1)
        whole("the provisioned concurrency", self.provisioned)
        whole("growth_environments", self.growth_environments, least=1)
        amount("growth_period_s", self.growth_period_s, unit="s", above_zero=True)
        if self.idle_timeout_s != INFINITY:
            amount("idle_timeout_s", self.idle_timeout_s, unit="s", above_zero=True)
        room = self.account if self.reserved is None else whole("the reserved concurrency", self.reserved)
        if room > self.account or self.provisioned > room:
            raise BadLoad(
                f"account {self.account}, reserved {self.reserved}, provisioned {self.provisioned}:"
                " each must fit into the one before it."
            )
        if self.environments is not None and self.environments < self.account:
            raise BadLoad(
                f"environments {self.environments}: a machine must hold the account's {self.account} at least."
            )


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the function behaves: seconds, or distributions of them.

    `first` is the first call of a fresh environment, if that takes another time than `service`. An init that fails
    takes its requests with it; a crash ends a call, at its time, and its environment.
    """

    service: Distribution | float
    init: Distribution | float = 0.0
    first: Distribution | float | None = None
    init_fails: float = 0.0
    crashes: float = 0.0

    def __post_init__(self) -> None:
        probability("init_fails", self.init_fails)
        probability("crashes", self.crashes)


def simulate(
    load: Load | ClosedLoop | Iterable[float],
    *,
    service: Distribution | float,
    init: Distribution | float = 0.0,
    first: Distribution | float | None = None,
    limits: Limits | None = None,
    waits: bool = False,
    init_fails: float = 0.0,
    crashes: float = 0.0,
    memory_mb: int = 128,
    label: str = "simulation",
    seed: int = 0,
) -> Simulation:
    """Runs a load against one function until every request is answered. Raises BadLoad.

    With `waits`, a request beyond the limit waits in one line and is tried again the moment something is free: the
    best that a queue before the function can do (Lambda's own repeats after growing pauses). Without, it is throttled.

    >>> result = simulate(poisson(50, for_s=600), service=exponential(0.1), init=0.4, limits=Limits(reserved=8))
    >>> result
    <Simulation simulation: 30,244 requests in 600 s, 28,026 served (8 cold), 2,218 throttled, 0 failed>
    """
    behaviour = Behaviour(service, init, first, init_fails, crashes)
    whole("the memory", memory_mb, least=128)
    run = _Run(behaviour, limits or Limits(), waits=waits, seed=seed)
    if isinstance(load, ClosedLoop):
        run.drive_closed(load)
    else:
        run.drive(load)
    run.drain()
    return Simulation(
        label,
        load.name if isinstance(load, Load | ClosedLoop) else "given times",
        load.for_s if isinstance(load, Load | ClosedLoop) else max(run.requests.ended, default=0.0) or 1.0,
        memory_mb,
        run.requests,
        run.environments,
        provisioned=run.limits.provisioned,
        reasons=tuple(run.reasons.most_common()),
    )


class _Environment:
    """What is needed at every call, so that nothing is looked up or made twice."""

    __slots__ = ("finished", "fresh", "number")

    def __init__(self, number: int, env_id: str) -> None:
        self.number = number
        self.finished = Finished(env_id)
        self.fresh = True


FRESH = _Environment(NOBODY, "")  # in place of one, where there is none yet


class _Run:
    """One simulation; see the module's docstring. The heap holds (time, order, event), never two of one order."""

    def __init__(self, behaviour: Behaviour, limits: Limits, *, waits: bool, seed: int) -> None:
        self.limits = limits
        self.requests, self.environments = Requests(), Environments()
        self.reasons: Counter[str] = Counter()
        self._heap: list[tuple[float, float, Event]] = [(INFINITY, INFINITY, TICK)]  # never empty: no test for it
        self._ticking = self._retrying = False
        self._growth_s = limits.growth_period_s / limits.growth_environments
        self._alive: dict[str, _Environment] = {}
        self._waits, self._line = waits, deque[int]()
        self._open: dict[str, int] = {}  # requests that the scheduler keeps waiting
        self._request = Arrived("0", VERSION, FUNCTION)  # an id is used again when its request is gone
        self._closed: ClosedLoop | None = None
        self._sends: list[float] = []
        self._services = _stream(behaviour.service, "service", seed)
        self._firsts = self._services if behaviour.first is None else _stream(behaviour.first, "first", seed)
        self._inits = _stream(behaviour.init, "init", seed)
        self._behaviour, self._chance = behaviour, Random(f"failures {seed}").random
        self._timeout_s = limits.idle_timeout_s
        self._scheduler = Scheduler(
            account_limit=limits.account,
            idle_timeout_s=limits.idle_timeout_s,
            environment_limit=limits.environments,
            growth_environments=limits.growth_environments,
            growth_period_s=limits.growth_period_s,
        )
        self._handle = self._scheduler.handle
        self._prepare(limits)

    def _prepare(self, limits: Limits) -> None:
        """Limits hold, and provisioned environments are ready, when the first request comes."""
        if limits.reserved is not None:
            self._handle(LimitsChanged(limits.account, {FUNCTION: limits.reserved}), 0.0)
        for action in self._handle(ProvisionedChanged(VERSION, FUNCTION, limits.provisioned), 0.0):
            assert isinstance(action, Start)
            self._add(action, 0.0, 0.0)
            self._handle(Ready(action.env_id), 0.0)

    # --- time

    def drive(self, times: Iterable[float]) -> None:
        """Merges the arrivals with what is on the heap.

        A request that meets a warm environment is nearly every one: it has its own lines here, which do what `_offer`
        and `_serve` do, without their calls.
        """
        heap, handle, alive, services, before = self._heap, self._handle, self._alive, self._services, 0.0
        plain = not (self._waits or self._behaviour.crashes)
        r = self.requests
        arrived, started, ended = r.arrived.append, r.started.append, r.ended.append
        environment, status, cold = r.environment.append, r.status.append, r.cold.append
        for now in times:
            if not before <= now < INFINITY:
                raise BadLoad(f"Send times must be finite and not go back: {now:g} comes after {before:g}.")
            before = now
            while heap[0][0] <= now:
                self._step()
            if not plain:
                self._arrive(now)
                continue
            actions = handle(self._request, now)
            action = actions[0] if len(actions) == 1 else None
            env = alive[action.env_id] if action.__class__ is Assign else FRESH
            if env.fresh:
                self._answer(self._note(now), actions, now)
                continue
            end = now + next(services)
            heappush(heap, (end, len(r.arrived), env.finished))
            arrived(now)
            started(now)
            ended(end)
            environment(env.number)
            status(SERVED)
            cold(0)

    def drive_closed(self, load: ClosedLoop) -> None:
        """Answers decide about the next arrivals, so the two are merged step by step."""
        think = as_distribution(load.think)
        if think.mean_s + as_distribution(self._behaviour.service).mean_s == 0:
            raise BadLoad("Neither the function nor its clients take any time: a closed loop of them never ends.")
        self._closed, self._sends = load, [0.0] * load.clients
        self._thinks = think.draws(Random(f"think {load.clients}"))
        while self._sends or self._in_flight():
            if not self._sends or self._heap[0][0] <= self._sends[0]:
                self._step()
            else:
                self._arrive(heappop(self._sends))

    def drain(self) -> None:
        """What still runs, runs to its end; environments that idle then live on."""
        while self._in_flight():
            self._step()
        for index in self._line:  # a limit of 0, say
            self.requests.status[index] = THROTTLED

    def _in_flight(self) -> bool:
        return len(self._heap) > 1 + self._ticking

    def _step(self) -> None:
        now, _, event = heappop(self._heap)
        actions = self._handle(event, now)
        if actions or self._line or event.__class__ is not Finished:
            self._after(event, actions, now)

    def _after(self, event: Event, actions: list[Action], now: float) -> None:
        if isinstance(event, Exited):
            self._gone(event.env_id, now)
        self._perform(actions, now)
        if event is RETRY:
            self._retrying = False
        if event is TICK:
            self._ticking = False
            self._tick_later(self._scheduler.next_expiry(), now)
        self._advance_line(now)

    def _tick_later(self, expiry: float | None, now: float) -> None:
        """The next moment at which anything could expire; what does not idle yet cannot before its timeout from now."""
        if self._alive and not self._ticking:
            self._ticking = True
            heappush(self._heap, (now + self._timeout_s if expiry is None else expiry, -INFINITY, TICK))

    # --- requests

    def _arrive(self, now: float) -> None:
        index = self._note(now)
        if self._waits:
            self._line.append(index)
            self._advance_line(now)
        else:
            self._offer(index, now)

    def _note(self, now: float) -> int:
        """A new request's row."""
        r = self.requests
        r.arrived.append(now)
        r.started.append(NAN)
        r.ended.append(now)
        r.environment.append(NOBODY)
        r.status.append(PENDING)
        r.cold.append(0)
        return len(r.arrived) - 1

    def _advance_line(self, now: float) -> None:
        while self._line:
            index = self._line[0]
            self._offer(index, now)
            if self.requests.status[index] == THROTTLED:
                return
            self._line.popleft()

    def _offer(self, index: int, now: float) -> None:
        self._answer(index, self._handle(self._request, now), now)

    def _answer(self, index: int, actions: list[Action], now: float) -> None:
        """What the scheduler said to this request's arrival."""
        request_id = self._request.request_id
        self._open[request_id] = index
        self.requests.status[index] = PENDING  # in the line it was throttled before
        self._perform(actions, now)
        if request_id in self._open:  # it waits
            self._request = Arrived(str(index + 1), VERSION, FUNCTION)

    def _serve(self, index: int, env: _Environment, now: float) -> None:
        r = self.requests
        event: Event = env.finished
        if env.fresh:
            env.fresh = False
            r.cold[index] = not self.environments.provisioned[env.number]
            end = now + next(self._firsts)
        else:
            end = now + next(self._services)
        r.started[index], r.ended[index], r.environment[index], r.status[index] = now, end, env.number, SERVED
        if self._behaviour.crashes and self._chance() < self._behaviour.crashes:
            r.status[index], event = FAILED, Exited(env.finished.env_id)
        heappush(self._heap, (end, index, event))
        if self._closed:
            self._send_again(end)

    def _refuse(self, index: int, status: int, now: float) -> None:
        self.requests.status[index], self.requests.ended[index] = status, now
        if self._closed and not (self._waits and status == THROTTLED):  # those are tried again
            self._send_again(now, at_least_s=self._closed.retry_s)

    def _send_again(self, now: float, *, at_least_s: float = 0.0) -> None:
        assert self._closed
        later = now + max(at_least_s, next(self._thinks))
        if later < self._closed.for_s:
            heappush(self._sends, later)

    # --- what the scheduler says

    def _perform(self, actions: Iterable[Action], now: float) -> None:
        for action in actions:
            match action:
                case Assign(request_id, env_id):
                    self._serve(self._open.pop(request_id), self._alive[env_id], now)
                case Start():
                    self._start(action, now)
                case Throttle(request_id, reason):
                    self._throttle(self._open.pop(request_id), reason, now)
                case Fail(request_id):
                    self._refuse(self._open.pop(request_id), FAILED, now)
                case Stop(env_id):
                    self._gone(env_id, now)
                    self._perform(self._handle(Exited(env_id), now), now)

    def _throttle(self, index: int, reason: str, now: float) -> None:
        if not self._waits:
            self.reasons[reason] += 1
        elif reason in TOO_FAST and not self._retrying:
            self._retrying = True
            heappush(self._heap, (now + self._growth_s, -0.5, RETRY))
        self._refuse(index, THROTTLED, now)

    def _start(self, action: Start, now: float) -> None:
        ready = now + next(self._inits)
        number = self._add(action, now, ready)
        fails = self._behaviour.init_fails and self._chance() < self._behaviour.init_fails
        heappush(
            self._heap, (ready, number - BEFORE_REQUESTS, Exited(action.env_id) if fails else Ready(action.env_id))
        )
        self._tick_later(None, now)

    def _add(self, action: Start, now: float, ready: float) -> int:
        e = self.environments
        number = len(e.started)
        e.started.append(now)
        e.ready.append(ready)
        e.ended.append(INFINITY)
        e.provisioned.append(action.provisioned)
        self._alive[action.env_id] = _Environment(number, action.env_id)
        return number

    def _gone(self, env_id: str, now: float) -> None:
        env = self._alive.pop(env_id, None)
        if env is not None:
            self.environments.ended[env.number] = now


def _stream(times: Distribution | float, name: str, seed: int) -> Iterator[float]:
    return as_distribution(times).draws(Random(f"{name} {seed}"))

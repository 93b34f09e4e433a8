"""A random walk over the scheduler that looks for a broken invariant."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from labkit.actions import (
    Aborted,
    Action,
    Arrived,
    Assign,
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
from labkit.scheduler import Scheduler


class Walk(RuleBasedStateMachine):
    """Any order of events that a real emulator could produce; every request must end exactly once."""

    LIMIT = 3

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(account_limit=self.LIMIT, idle_timeout_s=5)
        self.now = 0.0
        self.requests: dict[str, str] = {}  # open ones: request -> version
        self.starting: set[str] = set()
        self.busy: dict[str, str] = {}  # environment -> request
        self.stopping: set[str] = set()
        self.version_of: dict[str, str] = {}
        self.count = 0
        self.retired: set[str] = set()
        self.provisioned: set[str] = set()  # environments
        self.gone: set[str] = set()
        self.reserved: dict[str, int] = {}

    def perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Start(env_id, version, provisioned):
                    assert env_id not in self.version_of
                    assert version not in self.retired or not provisioned
                    self.provisioned |= {env_id} if provisioned else set()
                    self.starting.add(env_id)
                    self.version_of[env_id] = version
                case Assign(request_id, env_id):
                    assert env_id not in self.busy
                    assert env_id not in self.stopping
                    assert self.version_of[env_id] == self.requests[request_id]
                    self.busy[env_id] = request_id
                case Stop(env_id):
                    assert env_id not in self.busy
                    assert env_id not in self.stopping
                    self.starting.discard(env_id)
                    self.stopping.add(env_id)
                case Throttle(request_id) | Fail(request_id):
                    del self.requests[request_id]

    def tell(self, event: object) -> None:
        self.now += 1
        self.perform(self.scheduler.handle(event, self.now))

    @rule(version=st.sampled_from(["f:1", "f:2", "g:1"]))
    def arrive(self, version: str) -> None:
        if version in self.retired:
            return  # nobody names a retired version again
        self.count += 1
        self.requests[f"r{self.count}"] = version
        self.tell(Arrived(f"r{self.count}", version, version[0]))

    @precondition(lambda self: self.starting)
    @rule(data=st.data(), how=st.sampled_from([Ready, InitFailed, Exited]))
    def end_start(self, data: st.DataObject, how: type) -> None:
        env_id = data.draw(st.sampled_from(sorted(self.starting)))
        self.starting.remove(env_id)
        self.gone |= {env_id} if how is Exited else set()
        self.tell(how(env_id))

    @precondition(lambda self: self.starting - self.provisioned)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        env_id = data.draw(st.sampled_from(sorted(self.starting - self.provisioned)))
        self.starting.remove(env_id)
        self.stopping.add(env_id)
        self.tell(Aborted(env_id))

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        env_id = data.draw(st.sampled_from(sorted(self.busy)))
        del self.requests[self.busy.pop(env_id)]
        self.tell(Finished(env_id))

    @precondition(lambda self: self.stopping)
    @rule(data=st.data())
    def exit(self, data: st.DataObject) -> None:
        env_id = data.draw(st.sampled_from(sorted(self.stopping)))
        self.stopping.remove(env_id)
        self.gone.add(env_id)
        self.tell(Exited(env_id))

    @rule(event=st.sampled_from([Tick(), VersionRetired("f:1"), Recycled("g:1"), Recycled("f:2")]))
    def other(self, event: object) -> None:
        if isinstance(event, VersionRetired):
            self.retired.add(event.version)
        self.tell(event)

    @rule(version=st.sampled_from(["f:1", "f:2", "g:1"]), count=st.integers(0, 3))
    def provision(self, version: str, count: int) -> None:
        if version not in self.retired:
            self.tell(ProvisionedChanged(version, version[0], count))

    @precondition(lambda self: self.version_of.keys() - self.stopping - self.gone - self.starting)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """An environment ends by itself; what ran in it was answered by whoever watches it."""
        alive = self.version_of.keys() - self.stopping - self.gone - self.starting
        env_id = data.draw(st.sampled_from(sorted(alive)))
        if env_id in self.busy:
            del self.requests[self.busy.pop(env_id)]
        self.gone.add(env_id)
        self.tell(Exited(env_id))

    @rule(limit=st.integers(0, 2))
    def reserve(self, limit: int) -> None:
        self.reserved = {"g": limit}
        self.tell(LimitsChanged(self.LIMIT, self.reserved))

    def alive(self) -> list[str]:
        return [e.env_id for e in self.scheduler.environments.values() if e.phase is not Phase.SHUTDOWN]

    @invariant()
    def concurrency_stays_within_the_limit(self) -> None:
        assert 0 <= self.scheduler.in_use <= self.scheduler.concurrency <= self.LIMIT
        assert len(self.busy) <= self.scheduler.in_use

    @invariant()
    def a_provisioned_environment_and_a_request_elsewhere_take_one_unit_each(self) -> None:
        kept = {e.env_id for e in self.scheduler.environments.values() if e.provisioned} & set(self.alive())
        elsewhere = len(self.requests) - len(kept & self.busy.keys())
        assert self.scheduler.concurrency == len(kept) + elsewhere
        assert kept <= self.provisioned

    @invariant()
    def provisioned_environments_are_as_many_as_are_wanted_while_there_is_room(self) -> None:
        for name, version in self.scheduler._versions.items():
            alive = self.scheduler._provisioned(name)
            assert len(alive) <= version.wanted
            room = self.scheduler._pools.full(version.function) is None
            assert version.failed or not room or len(alive) == version.wanted

    @invariant()
    def counters_are_what_a_count_gives(self) -> None:
        assert self.scheduler._alive == len(self.alive())
        pools = self.scheduler._pools
        assert pools.taken == sum(pools.taken_by(function) for function in "fg")
        assert pools._taken_unreserved == sum(pools.taken_by(f) for f in "fg" if f not in self.reserved)

    @invariant()
    def every_open_request_is_counted(self) -> None:
        assert self.scheduler.in_use == len(self.requests)

    @invariant()
    def a_request_that_waits_has_something_to_wait_for(self) -> None:
        waiting = len(self.requests) - len(self.busy)
        assert waiting == 0 or self.starting or self.busy

    @invariant()
    def nothing_idles_for_a_retired_version(self) -> None:
        idle = {e.version for e in self.scheduler.environments.values() if e.phase is Phase.IDLE}
        assert not idle & self.retired

    @invariant()
    def the_machine_is_never_overfull(self) -> None:
        alive = [e for e in self.scheduler.environments.values() if e.phase is not Phase.SHUTDOWN]
        assert len(alive) <= self.LIMIT


Walk.TestCase.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
test_a_random_walk_breaks_no_invariant = Walk.TestCase

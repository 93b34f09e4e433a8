"""The scheduler's rules, one by one. `test_random_walk` looks for what they miss."""

from __future__ import annotations

from labkit.actions import (
    Aborted,
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
from labkit.pools import CONCURRENCY, RATE, RESERVED_CONCURRENCY
from labkit.scheduler import Allocation, Scheduler


def start(scheduler: Scheduler, request_id: str = "r", version: str = "f:1", now: float = 0) -> str:
    """Lets a request arrive that needs a new environment; returns the environment's id."""
    actions = scheduler.handle(Arrived(request_id, version), now)
    started = [a for a in actions if isinstance(a, Start)]
    assert len(started) == 1
    return started[0].env_id


def warm(scheduler: Scheduler, version: str = "f:1", now: float = 0, request_id: str = "w") -> str:
    """One idle environment that has served one request."""
    env_id = start(scheduler, request_id, version, now)
    scheduler.handle(Ready(env_id), now)
    scheduler.handle(Finished(env_id), now)
    return env_id


def test_a_request_without_an_environment_starts_one():
    scheduler = Scheduler(account_limit=2)
    assert scheduler.handle(Arrived("r1", "f:1"), 0) == [Start("00000001", "f:1")]


def test_the_waiting_request_gets_its_environment_when_it_is_ready():
    scheduler = Scheduler(account_limit=2)
    env_id = start(scheduler, "r1")
    assert scheduler.handle(Ready(env_id), 1) == [Assign("r1", env_id)]


def test_an_idle_environment_is_used_again():
    scheduler = Scheduler(account_limit=2)
    env_id = warm(scheduler)
    assert scheduler.handle(Arrived("r2", "f:1"), 1) == [Assign("r2", env_id)]


def test_the_environment_that_was_used_last_is_used_first():
    scheduler = Scheduler(account_limit=4)
    first, second = start(scheduler, "r1"), start(scheduler, "r2")
    for env_id in (first, second):
        scheduler.handle(Ready(env_id), 1)
    scheduler.handle(Finished(second), 2)
    scheduler.handle(Finished(first), 3)
    assert scheduler.handle(Arrived("r3", "f:1"), 4) == [Assign("r3", first)]


def test_an_environment_that_becomes_free_earlier_takes_the_waiting_request():
    scheduler = Scheduler(account_limit=4)
    busy = start(scheduler, "r1")
    scheduler.handle(Ready(busy), 1)
    starting = start(scheduler, "r2", now=2)
    assert scheduler.handle(Finished(busy), 3) == [Assign("r2", busy)]
    assert scheduler.handle(Ready(starting), 4) == []


def test_an_environment_never_serves_another_version():
    scheduler = Scheduler(account_limit=4)
    warm(scheduler, "f:1")
    assert isinstance(scheduler.handle(Arrived("r2", "f:2"), 1)[0], Start)


def test_a_request_beyond_the_limit_is_throttled():
    scheduler = Scheduler(account_limit=1)
    start(scheduler, "r1")
    assert scheduler.handle(Arrived("r2", "g:1"), 0) == [Throttle("r2", CONCURRENCY)]


def test_a_reused_environment_still_counts_against_the_limit():
    scheduler = Scheduler(account_limit=1)
    warm(scheduler)
    scheduler.handle(Arrived("r2", "f:1"), 1)
    assert scheduler.handle(Arrived("r3", "f:1"), 1) == [Throttle("r3", CONCURRENCY)]


def test_an_idle_environment_counts_against_nothing():
    scheduler = Scheduler(account_limit=1, environment_limit=2)
    warm(scheduler, "f:1")
    assert isinstance(scheduler.handle(Arrived("r2", "g:1"), 1)[-1], Start)


def test_the_environment_idle_for_longest_makes_room_on_a_full_machine():
    scheduler = Scheduler(account_limit=2, environment_limit=2)
    oldest = warm(scheduler, "f:1", now=0)
    warm(scheduler, "g:1", now=5)
    actions = scheduler.handle(Arrived("r", "h:1"), 6)
    assert actions[0] == Stop(oldest)
    assert isinstance(actions[1], Start)


def test_an_environment_nobody_used_for_the_idle_timeout_is_stopped():
    scheduler = Scheduler(account_limit=2, idle_timeout_s=10)
    env_id = warm(scheduler, now=0)
    assert scheduler.handle(Tick(), 9.9) == []
    assert scheduler.handle(Tick(), 10) == [Stop(env_id)]


def test_the_next_expiry_is_that_of_the_environment_idle_for_longest():
    scheduler = Scheduler(account_limit=4, idle_timeout_s=10)
    assert scheduler.next_expiry() is None
    warm(scheduler, "f:1", now=3)
    warm(scheduler, "g:1", now=1)
    assert scheduler.next_expiry() == 11


def test_a_tick_at_the_next_expiry_stops_what_expires_whatever_the_rounding():
    scheduler = Scheduler(account_limit=4, idle_timeout_s=0.1)
    env_id = warm(scheduler, now=0.7)  # 0.7 + 0.1 - 0.7 < 0.1 in binary
    assert scheduler.handle(Tick(), scheduler.next_expiry()) == [Stop(env_id)]


def test_a_stopped_environment_is_not_stopped_twice():
    scheduler = Scheduler(account_limit=2, idle_timeout_s=10)
    warm(scheduler, now=0)
    scheduler.handle(Tick(), 10)
    assert scheduler.handle(Tick(), 11) == []


def test_a_failed_init_still_gets_its_request_for_the_suppressed_init():
    scheduler = Scheduler(account_limit=2)
    env_id = start(scheduler, "r1")
    assert scheduler.handle(InitFailed(env_id), 1) == [Assign("r1", env_id)]


def test_a_request_whose_environment_could_not_start_fails():
    scheduler = Scheduler(account_limit=2)
    env_id = start(scheduler, "r1")
    assert scheduler.handle(Exited(env_id), 1) == [Fail("r1")]
    assert scheduler.in_use == 0


def test_a_retired_version_loses_its_idle_environments_at_once():
    scheduler = Scheduler(account_limit=2)
    env_id = warm(scheduler)
    assert scheduler.handle(VersionRetired("f:1"), 1) == [Stop(env_id)]


def test_a_retired_version_loses_a_busy_environment_when_it_is_free():
    scheduler = Scheduler(account_limit=2)
    env_id = start(scheduler)
    scheduler.handle(Ready(env_id), 1)
    assert scheduler.handle(VersionRetired("f:1"), 2) == []
    assert scheduler.handle(Finished(env_id), 3) == [Stop(env_id)]


def test_a_request_that_waits_while_its_version_is_retired_is_still_served():
    scheduler = Scheduler(account_limit=2)
    env_id = start(scheduler, "r1")
    scheduler.handle(VersionRetired("f:1"), 1)
    assert scheduler.handle(Ready(env_id), 2) == [Assign("r1", env_id)]
    assert scheduler.handle(Finished(env_id), 3) == [Stop(env_id)]


def test_a_request_that_waits_while_its_version_is_recycled_gets_a_fresh_environment():
    scheduler = Scheduler(account_limit=2)
    env_id = start(scheduler, "r1")
    scheduler.handle(Recycled("f:1"), 1)
    stopped, started = scheduler.handle(Ready(env_id), 2)
    assert stopped == Stop(env_id)
    assert scheduler.handle(Ready(started.env_id), 3) == [Assign("r1", started.env_id)]


def test_after_recycling_a_request_meets_a_fresh_environment():
    scheduler = Scheduler(account_limit=2)
    env_id = warm(scheduler)
    assert scheduler.handle(Recycled("f:1"), 1) == [Stop(env_id)]
    assert isinstance(scheduler.handle(Arrived("r2", "f:1"), 2)[0], Start)


def test_recycling_what_was_never_used_does_nothing():
    assert Scheduler(account_limit=1).handle(Recycled("f:1"), 0) == []


def test_a_raised_limit_lets_more_in():
    scheduler = Scheduler(account_limit=1)
    start(scheduler, "r1")
    scheduler.handle(LimitsChanged(2), 1)
    assert isinstance(scheduler.handle(Arrived("r2", "f:1"), 1)[0], Start)


def test_an_exit_that_overtakes_its_result_is_counted_once():
    scheduler = Scheduler(account_limit=1)
    env_id = start(scheduler, "r1")
    scheduler.handle(Ready(env_id), 1)
    scheduler.handle(Exited(env_id), 2)
    assert scheduler.handle(Finished(env_id), 3) == []
    assert scheduler.in_use == 0


def test_a_retired_version_is_forgotten():
    scheduler = Scheduler(account_limit=1)
    env_id = warm(scheduler)
    scheduler.handle(VersionRetired("f:1"), 1)
    scheduler.handle(Exited(env_id), 2)
    scheduler.handle(Tick(), 3)
    assert scheduler._versions == {}
    assert scheduler._pools._shares == {}


def reserving(account_limit: int = 4, **reserved: int) -> Scheduler:
    scheduler = Scheduler(account_limit=account_limit)
    scheduler.handle(LimitsChanged(account_limit, reserved), 0)
    return scheduler


def test_a_reserved_function_is_limited_to_its_own_pool():
    scheduler = reserving(f=1)
    scheduler.handle(Arrived("r1", "f:1", "f"), 0)
    assert scheduler.handle(Arrived("r2", "f:1", "f"), 0) == [Throttle("r2", RESERVED_CONCURRENCY)]


def test_a_reserved_pool_is_shared_by_the_functions_versions():
    scheduler = reserving(f=1)
    scheduler.handle(Arrived("r1", "f:1", "f"), 0)
    assert scheduler.handle(Arrived("r2", "f:2", "f"), 0) == [Throttle("r2", RESERVED_CONCURRENCY)]


def test_the_others_share_what_is_not_reserved():
    scheduler = reserving(account_limit=3, f=2)
    scheduler.handle(Arrived("r1", "g:1", "g"), 0)
    assert scheduler.handle(Arrived("r2", "h:1", "h"), 0) == [Throttle("r2", CONCURRENCY)]


def test_a_reserved_function_gets_its_pool_when_the_others_are_throttled():
    scheduler = reserving(account_limit=2, f=1)
    scheduler.handle(Arrived("r1", "g:1", "g"), 0)
    assert isinstance(scheduler.handle(Arrived("r2", "f:1", "f"), 0)[-1], Start)


def test_reserved_zero_stops_a_function():
    assert reserving(f=0).handle(Arrived("r1", "f:1", "f"), 0) == [Throttle("r1", RESERVED_CONCURRENCY)]


def provisioned(scheduler: Scheduler, count: int = 1, version: str = "f:1", now: float = 0) -> list[str]:
    """So many provisioned environments, all ready; returns their ids."""
    actions = scheduler.handle(ProvisionedChanged(version, version[0], count), now)
    ids = [a.env_id for a in actions if isinstance(a, Start)]
    for env_id in ids:
        scheduler.handle(Ready(env_id), now)
    return ids


def test_provisioned_environments_are_started_before_any_request():
    scheduler = Scheduler(account_limit=4)
    assert scheduler.handle(ProvisionedChanged("f:1", "f", 2), 0) == [
        Start("00000001", "f:1", provisioned=True),
        Start("00000002", "f:1", provisioned=True),
    ]
    assert scheduler.allocation("f:1") == Allocation(requested=2, allocated=0)


def test_provisioned_environments_are_allocated_when_their_init_is_done():
    scheduler = Scheduler(account_limit=4)
    provisioned(scheduler, 2)
    assert scheduler.allocation("f:1") == Allocation(requested=2, allocated=2)


def test_a_busy_provisioned_environment_is_still_allocated():
    scheduler = Scheduler(account_limit=4)
    provisioned(scheduler, 1)
    scheduler.handle(Arrived("r", "f:1", "f"), 1)
    assert scheduler.allocation("f:1").allocated == 1


def test_nothing_is_allocated_for_a_version_that_nobody_asked_for():
    assert Scheduler(account_limit=4).allocation("f:1") == Allocation(0, 0)


def test_a_request_takes_a_provisioned_environment_before_a_warm_one():
    scheduler = Scheduler(account_limit=4)
    warm(scheduler, "f:1")
    (kept,) = provisioned(scheduler)
    assert scheduler.handle(Arrived("r", "f:1", "f"), 1) == [Assign("r", kept)]


def test_a_request_of_another_version_gets_no_provisioned_environment():
    scheduler = Scheduler(account_limit=4)
    provisioned(scheduler, version="f:1")
    assert scheduler.handle(Arrived("r", "f:2", "f"), 1) == [Start("00000002", "f:2")]


def test_requests_spill_over_when_all_provisioned_environments_are_busy():
    scheduler = Scheduler(account_limit=4)
    provisioned(scheduler)
    scheduler.handle(Arrived("r1", "f:1", "f"), 1)
    assert scheduler.handle(Arrived("r2", "f:1", "f"), 1) == [Start("00000002", "f:1")]


def test_a_request_starts_its_own_environment_while_the_provisioned_one_is_starting():
    scheduler = Scheduler(account_limit=4)
    scheduler.handle(ProvisionedChanged("f:1", "f", 1), 0)
    assert scheduler.handle(Arrived("r", "f:1", "f"), 0) == [Start("00000002", "f:1")]


def test_a_provisioned_environment_that_is_ready_first_serves_the_waiting_request():
    scheduler = Scheduler(account_limit=4)
    scheduler.handle(ProvisionedChanged("f:1", "f", 1), 0)
    scheduler.handle(Arrived("r", "f:1", "f"), 0)
    assert scheduler.handle(Ready("00000001"), 1) == [Assign("r", "00000001")]
    assert scheduler.concurrency == 1


def test_idle_provisioned_environments_count_against_the_account():
    scheduler = Scheduler(account_limit=2)
    provisioned(scheduler, 2, "f:1")
    assert scheduler.handle(Arrived("r", "g:1", "g"), 1) == [Throttle("r", CONCURRENCY)]


def test_a_request_on_a_provisioned_environment_counts_once():
    scheduler = Scheduler(account_limit=2)
    provisioned(scheduler, 1)
    scheduler.handle(Arrived("r1", "f:1", "f"), 1)
    assert scheduler.concurrency == 1
    assert isinstance(scheduler.handle(Arrived("r2", "g:1", "g"), 1)[-1], Start)


def test_a_provisioned_environment_serves_though_the_account_is_full():
    scheduler = Scheduler(account_limit=2)
    (kept,) = provisioned(scheduler)
    scheduler.handle(Arrived("r1", "g:1", "g"), 1)
    assert scheduler.handle(Arrived("r2", "f:1", "f"), 1) == [Assign("r2", kept)]


def test_provisioned_environments_are_taken_from_the_functions_reserved_pool():
    scheduler = reserving(f=2)
    provisioned(scheduler, 2)
    assert scheduler.handle(Arrived("r1", "f:2", "f"), 1) == [Throttle("r1", RESERVED_CONCURRENCY)]
    assert isinstance(scheduler.handle(Arrived("r2", "g:1", "g"), 1)[-1], Start)


def test_provisioned_environments_wait_for_room_in_their_pool():
    scheduler = Scheduler(account_limit=1)
    busy = start(scheduler, "r", "g:1")
    scheduler.handle(Ready(busy), 1)
    assert scheduler.handle(ProvisionedChanged("f:1", "f", 1), 2) == []
    assert scheduler.handle(Finished(busy), 3) == [Stop(busy), Start("00000002", "f:1", provisioned=True)]


def test_a_provisioned_environment_does_not_make_room_for_others():
    scheduler = Scheduler(account_limit=2, environment_limit=2)
    provisioned(scheduler, version="f:1", now=0)
    idle = warm(scheduler, "g:1", now=5)
    assert scheduler.handle(Arrived("r", "h:1", "h"), 6) == [Stop(idle), Start("00000003", "h:1")]


def test_a_provisioned_environment_never_idles_for_too_long():
    scheduler = Scheduler(account_limit=2, idle_timeout_s=10)
    provisioned(scheduler)
    assert scheduler.handle(Tick(), 1000) == []


def test_a_provisioned_environment_that_ends_is_replaced():
    scheduler = Scheduler(account_limit=2)
    (kept,) = provisioned(scheduler)
    assert scheduler.handle(Exited(kept), 1) == [Start("00000002", "f:1", provisioned=True)]


def test_a_recycled_provisioned_environment_is_replaced():
    scheduler = Scheduler(account_limit=2)
    (kept,) = provisioned(scheduler)
    assert scheduler.handle(Recycled("f:1"), 1) == [Stop(kept), Start("00000002", "f:1", provisioned=True)]


def test_an_init_that_fails_ends_the_allocation_and_is_not_repeated():
    scheduler = Scheduler(account_limit=2)
    scheduler.handle(ProvisionedChanged("f:1", "f", 1), 0)
    assert scheduler.handle(InitFailed("00000001"), 1) == [Stop("00000001")]
    assert scheduler.handle(Exited("00000001"), 2) == []
    assert scheduler.allocation("f:1") == Allocation(requested=1, allocated=0, failed=True)
    assert scheduler.concurrency == 0


def test_an_environment_that_ends_while_initialising_ends_the_allocation():
    scheduler = Scheduler(account_limit=2)
    scheduler.handle(ProvisionedChanged("f:1", "f", 1), 0)
    assert scheduler.handle(Exited("00000001"), 1) == []
    assert scheduler.allocation("f:1").failed


def test_asking_again_after_a_failure_tries_again():
    scheduler = Scheduler(account_limit=2)
    scheduler.handle(ProvisionedChanged("f:1", "f", 1), 0)
    scheduler.handle(Exited("00000001"), 1)
    assert provisioned(scheduler) == ["00000002"]
    assert scheduler.allocation("f:1") == Allocation(requested=1, allocated=1)


def test_fewer_provisioned_environments_stop_those_that_start_and_idle_first():
    scheduler = Scheduler(account_limit=4)
    provisioned(scheduler, 2)
    scheduler.handle(Arrived("r", "f:1", "f"), 1)
    scheduler.handle(ProvisionedChanged("f:1", "f", 3), 2)
    stopped = scheduler.handle(ProvisionedChanged("f:1", "f", 1), 3)
    assert stopped == [Stop("00000003"), Stop("00000001")]


def test_a_busy_provisioned_environment_that_is_too_many_ends_when_it_is_free():
    scheduler = Scheduler(account_limit=4)
    (kept,) = provisioned(scheduler)
    scheduler.handle(Arrived("r", "f:1", "f"), 1)
    assert scheduler.handle(ProvisionedChanged("f:1", "f", 0), 2) == []
    assert scheduler.concurrency == 1
    assert scheduler.handle(Finished(kept), 3) == [Stop(kept)]
    assert scheduler.concurrency == 0


def test_a_retired_version_loses_its_provisioned_environments_for_good():
    scheduler = Scheduler(account_limit=4)
    (kept,) = provisioned(scheduler)
    assert scheduler.handle(VersionRetired("f:1"), 1) == [Stop(kept)]
    assert scheduler.handle(ProvisionedChanged("f:1", "f", 1), 2) == []


def test_a_function_that_grows_too_fast_is_throttled():
    scheduler = Scheduler(account_limit=100, growth_environments=2, growth_period_s=10)
    start(scheduler, "r1"), start(scheduler, "r2")
    assert scheduler.handle(Arrived("r3", "f:1"), 0) == [Throttle("r3", RATE)]
    assert scheduler.in_use == 2


def test_a_request_for_which_an_environment_is_there_is_no_growth():
    scheduler = Scheduler(account_limit=100, growth_environments=1, growth_period_s=10)
    env_id = warm(scheduler)
    assert scheduler.handle(Arrived("r2", "f:1"), 0) == [Assign("r2", env_id)]


def test_provisioned_environments_are_no_growth():
    scheduler = Scheduler(account_limit=100, growth_environments=1, growth_period_s=10)
    assert len(provisioned(scheduler, 5)) == 5
    assert isinstance(scheduler.handle(Arrived("r", "f:2", "f"), 0)[0], Start)


def test_who_waits_for_an_aborted_start_fails_and_who_comes_then_gets_an_environment_of_his_own():
    scheduler = Scheduler(account_limit=2)
    [start] = scheduler.handle(Arrived("r1", "f:1"), 0)
    assert scheduler.handle(Aborted(start.env_id), 1) == [Fail("r1")]
    [other] = scheduler.handle(Arrived("r2", "f:1"), 1)
    assert scheduler.handle(Exited(start.env_id), 2) == []
    assert scheduler.handle(Ready(other.env_id), 2) == [Assign("r2", other.env_id)]


def test_only_what_starts_can_be_aborted():
    scheduler = Scheduler(account_limit=1)
    [start] = scheduler.handle(Arrived("r1", "f:1"), 0)
    scheduler.handle(Ready(start.env_id), 1)
    assert scheduler.handle(Aborted(start.env_id), 2) == []
    assert scheduler.handle(Aborted("unknown"), 2) == []
    assert scheduler.in_use == 1

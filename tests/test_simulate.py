"""The simulation against a naive loop over the same scheduler, against one that has no scheduler, and its invariants."""

from __future__ import annotations

import doctest
import math
from itertools import islice, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import distributions, load, queueing
from labkit import simulate as simulate_module
from labkit.actions import Arrived, Assign, Exited, Fail, Finished, LimitsChanged, Ready, Start, Stop, Throttle, Tick
from labkit.distributions import constant, empirical, exponential, lognormal
from labkit.errors import BadLoad
from labkit.load import ClosedLoop, poisson, replay
from labkit.queueing import (
    cold_share,
    concurrency,
    erlang_b,
    erlang_c,
    mean_interval,
    mean_wait_one_server_s,
    mean_wait_s,
)
from labkit.scheduler import Scheduler
from labkit.simulate import Limits, simulate
from labkit.simulation import FAILED, NOBODY, SERVED, THROTTLED

TIMES = st.lists(st.floats(0, 30), min_size=1, max_size=60).map(sorted)
SERVICES = st.sampled_from([constant(1.0), exponential(2.0), lognormal(0.5, cv=2.0), empirical([0.1, 1.0, 7.0])])
INITS = st.sampled_from([constant(0.0), constant(1.5), exponential(3.0)])


def rows(result):
    """Per request: when it was served and answered, by whom, how it ended, cold or not."""
    r = result.requests
    started = [None if math.isnan(t) else t for t in r.started]
    return list(zip(r.arrived, started, r.ended, r.environment, r.status, map(bool, r.cold), strict=True))


# --- every decision is the scheduler's -----------------------------------------------------------------------


class Naive:
    """Events in a list that is searched for the next one, a Tick before every event: slow, short, and the same."""

    def __init__(self, limits, service, init, seed):
        self.scheduler = Scheduler(account_limit=limits.account, idle_timeout_s=limits.idle_timeout_s)
        if limits.reserved is not None:
            self.scheduler.handle(LimitsChanged(limits.account, {"f": limits.reserved}), 0.0)
        self.services, self.inits = service.draws(Random(f"service {seed}")), init.draws(Random(f"init {seed}"))
        self.events, self.rows, self.environments = [], {}, {}

    def tell(self, event, now):
        for action in self.scheduler.handle(event, now):
            match action:
                case Start(env_id):
                    self.environments[env_id] = [len(self.environments), True]
                    self.events.append((now + next(self.inits), 0, self.environments[env_id][0], Ready(env_id)))
                case Assign(request_id, env_id):
                    number, cold = self.environments[env_id]
                    self.environments[env_id][1] = False
                    end = now + next(self.services)
                    arrived = self.rows[request_id][0]
                    self.rows[request_id] = (arrived, now, end, number, SERVED, cold)
                    self.events.append((end, 1, int(request_id), Finished(env_id)))
                case Throttle(request_id):
                    self.rows[request_id] = (now, None, now, NOBODY, THROTTLED, False)
                case Fail():
                    raise AssertionError("no init fails here")
                case Stop(env_id):
                    self.tell(Exited(env_id), now)

    def until(self, now):
        while due := [event for event in self.events if event[0] <= now]:
            first = min(due, key=lambda event: event[:3])
            self.events.remove(first)
            self.tell(Tick(), first[0])
            self.tell(first[3], first[0])

    def run(self, times):
        for i, now in enumerate(times):
            self.until(now)
            self.tell(Tick(), now)
            self.rows[str(i)] = (now,)
            self.tell(Arrived(str(i), "f:1", "f"), now)
        self.until(1e9)
        return [self.rows[str(i)] for i in range(len(times))]


@settings(max_examples=300, deadline=None)
@given(TIMES, SERVICES, INITS, st.integers(1, 6), st.booleans(), st.floats(0.1, 10), st.integers(0, 3))
def test_every_decision_is_that_of_a_plain_loop_over_the_scheduler(times, service, init, limit, reserved, idle_s, seed):
    limits = (
        Limits(account=10, reserved=limit, idle_timeout_s=idle_s) if reserved else Limits(limit, None, 0, None, idle_s)
    )
    result = simulate(times, service=service, init=init, limits=limits, seed=seed)
    assert rows(result) == Naive(limits, service, init, seed).run(times)


def last_used_first(times, services, limit, idle_s):
    """Lambda's rules without an init, from their description: no scheduler, no heap."""
    environments, decided = [], []  # [free from, number]
    started = 0
    for now in times:
        busy = [e for e in environments if e[0] > now]
        idle = [e for e in environments if e[0] <= now < e[0] + idle_s]
        environments = busy + idle
        if len(busy) >= limit:
            decided.append(None)
            continue
        cold = not idle
        if cold:
            environments.append([0.0, started])
            started += 1
        used = environments[-1] if cold else max(idle)
        used[0] = now + next(services)
        decided.append((used[1], cold))
    return decided


@settings(max_examples=200, deadline=None)
@given(TIMES.filter(lambda t: len(set(t)) == len(t)), st.integers(1, 5), st.floats(0.1, 10), st.integers(0, 3))
def test_without_an_init_every_decision_is_that_of_the_rules_as_lambda_describes_them(times, limit, idle_s, seed):
    service = exponential(2.0)
    result = simulate(times, service=service, limits=Limits(limit, idle_timeout_s=idle_s), seed=seed)
    found = [None if status == THROTTLED else (e, cold) for _, _, _, e, status, cold in rows(result)]
    assert found == last_used_first(times, service.draws(Random(f"service {seed}")), limit, idle_s)


# --- invariants ---------------------------------------------------------------------------------------------

ANYTHING = {
    "service": SERVICES,
    "init": INITS,
    "waits": st.booleans(),
    "init_fails": st.sampled_from([0.0, 0.3]),
    "crashes": st.sampled_from([0.0, 0.2]),
    "seed": st.integers(0, 3),
}
LIMITS = st.builds(
    lambda reserved, provisioned, idle_s, growth: Limits(
        10, reserved, min(provisioned, reserved), None, idle_s, growth, 5.0
    ),
    st.integers(1, 6), st.integers(0, 3), st.floats(0.1, 10), st.integers(1, 5),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(TIMES | st.builds(ClosedLoop, st.integers(1, 8), st.floats(1, 20)), LIMITS, st.fixed_dictionaries(ANYTHING))
def test_every_request_ends_once_within_the_limit_and_no_environment_serves_two_at_once(load, limits, options):
    result = simulate(load, limits=limits, **options)
    assert len(result) == result.served + result.throttled + result.failed
    assert options["waits"] or result.peak_in_system <= limits.reserved
    reached = sorted((row[3], row[1], row[2]) for row in rows(result) if row[3] != NOBODY)
    for (env, _, ended), (other, started, _) in pairwise(reached):
        assert env != other or ended <= started
    assert busiest([(started, ended) for _, started, ended in reached]) <= limits.reserved
    e = result.environments
    assert all(e.ready[env] <= started and ended <= e.ended[env] for env, started, ended in reached)


def busiest(stays):
    changes = sorted([(began, 1) for began, _ in stays] + [(ended, -1) for _, ended in stays])
    level = most = 0
    for _, change in changes:
        level += change
        most = max(most, level)
    return most


@settings(max_examples=100, deadline=None)
@given(TIMES, LIMITS, SERVICES, INITS)
def test_with_a_line_nobody_is_throttled_and_everybody_is_served(times, limits, service, init):
    result = simulate(times, service=service, init=init, limits=limits, waits=True)
    assert result.served == len(times)


# --- single rules -------------------------------------------------------------------------------------------


def test_a_request_waits_for_its_environments_init_and_the_next_one_does_not():
    result = simulate([0.0, 5.0], service=1.0, init=0.5)
    assert rows(result) == [(0.0, 0.5, 1.5, 0, SERVED, True), (5.0, 5.0, 6.0, 0, SERVED, False)]


def test_a_first_call_may_take_longer_than_others():
    assert list(simulate([0.0, 5.0], service=1.0, first=2.0).requests.ended) == [2.0, 6.0]


def test_an_environment_is_gone_at_its_timeout_and_not_before():
    result = simulate([0.0, 10.9, 21.9, 32.9], service=1.0, limits=Limits(idle_timeout_s=10.0))
    assert [row[5] for row in rows(result)] == [True, False, True, True]
    assert list(result.environments.ended) == pytest.approx([21.9, 32.9, math.inf])


def test_an_environment_becomes_free_before_what_arrives_at_the_same_moment():
    assert simulate([0.0, 1.0, 2.0], service=1.0, limits=Limits(reserved=1)).throttled == 0


def test_throttles_name_the_pool_that_was_empty():
    own = simulate([0.0] * 5, service=1.0, limits=Limits(reserved=2))
    shared = simulate([0.0] * 5, service=1.0, limits=Limits(account=3))
    assert own.reasons == (("ReservedFunctionConcurrentInvocationLimitExceeded", 3),)
    assert shared.reasons == (("ConcurrentInvocationLimitExceeded", 2),)


def test_growth_beyond_the_rate_is_throttled():
    limits = Limits(growth_environments=4, growth_period_s=10.0)
    result = simulate([0.0] * 6 + [5.0] * 6, service=100.0, limits=limits)
    assert result.served == 4 + 2
    assert result.reasons == (("FunctionInvocationRateLimitExceeded", 6),)


def test_provisioned_environments_are_ready_when_the_first_request_comes_and_are_never_cold():
    result = simulate([0.0, 0.0, 0.0], service=1.0, init=0.5, limits=Limits(provisioned=2))
    assert [(row[1], row[5]) for row in rows(result)] == [(0.0, False), (0.0, False), (0.5, True)]


def test_a_provisioned_environment_that_crashes_is_replaced():
    result = simulate([0.0, 3.0], service=1.0, init=0.5, crashes=1.0, limits=Limits(provisioned=1))
    assert list(result.environments.provisioned) == [1, 1, 1]
    assert [row[4] for row in rows(result)] == [FAILED, FAILED]


def test_an_init_that_fails_takes_its_request_with_it():
    result = simulate([0.0], service=1.0, init=0.5, init_fails=1.0)
    assert rows(result) == [(0.0, None, 0.5, NOBODY, FAILED, False)]


def test_a_share_of_calls_crashes_and_each_costs_a_cold_start():
    result = simulate(poisson(10, for_s=2000), service=0.01, crashes=0.1, limits=Limits(reserved=1))
    assert result.failed / (result.served + result.failed) == pytest.approx(0.1, abs=0.01)
    assert result.cold == pytest.approx(result.failed, abs=1)


def test_who_waits_in_line_is_served_in_order_the_moment_something_is_free():
    result = simulate([0.0, 0.1, 0.2], service=1.0, limits=Limits(reserved=1), waits=True)
    assert list(result.requests.started) == [0.0, 1.0, 2.0]


def test_clients_of_a_closed_loop_wait_for_their_answers():
    result = simulate(ClosedLoop(2, for_s=4, think=0.5), service=1.0)
    assert list(result.requests.arrived) == [0.0, 0.0, 1.5, 1.5, 3.0, 3.0]


def test_a_refused_client_tries_again_after_its_pause():
    result = simulate(ClosedLoop(2, for_s=2, retry_s=0.75), service=1.0, limits=Limits(reserved=1))
    assert [(row[0], row[4]) for row in rows(result)] == [
        (0.0, SERVED), (0.0, THROTTLED), (0.75, THROTTLED), (1.0, SERVED), (1.5, THROTTLED),
    ]  # fmt: skip


def test_changing_the_init_changes_no_service_time():
    a, b = (simulate(poisson(5, for_s=50), service=exponential(0.1), init=init, first=1.0) for init in (0.1, 0.2))
    times = [[row[2] - row[1] for row in rows(run) if not row[5]] for run in (a, b)]
    assert times[0][:50] == pytest.approx(times[1][:50])


def test_the_same_seed_gives_the_same_run_and_another_one_another():
    runs = [simulate(poisson(5, for_s=50), service=exponential(1.0), init=0.3, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_replay_of_measured_times_keeps_them():
    result = simulate(replay([7.0, 8.0, 9.5]), service=0.1)
    assert list(result.requests.arrived) == [0.0, 1.0, 2.5]


def test_memory_does_not_grow_beyond_the_columns():
    run = poisson(200, for_s=1000)
    import tracemalloc

    tracemalloc.start()
    result = simulate(run, service=exponential(0.05))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(result) > 190_000
    assert held < 40 * len(result)


@pytest.mark.parametrize("module", [distributions, load, queueing, simulate_module], ids=lambda m: m.__name__)
def test_the_examples_are_true(module):
    known = {"Limits": Limits, "simulate": simulate, "poisson": poisson, "exponential": exponential, "islice": islice}
    found = doctest.testmod(module, extraglobs=known)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: simulate([1.0, 0.5], service=1.0), "not go back: 0.5 comes after 1"),
        (lambda: simulate([math.inf], service=1.0), "must be finite and not go back: inf"),
        (lambda: simulate([-1.0], service=1.0), "-1 comes after 0"),
        (lambda: simulate(ClosedLoop(1, for_s=1), service=0.0), "never ends"),
        (lambda: simulate([0.0], service=-1.0), "is -1"),
        (lambda: simulate([0.0], service=1.0, crashes=1.5), "crashes is 1.5; a probability lies between 0 and 1"),
        (lambda: simulate([0.0], service=1.0, memory_mb=1), "the memory is 1"),
        (lambda: Limits(account=0), "account's limit is 0"),
        (lambda: Limits(account=5, reserved=6), "each must fit into the one before it"),
        (lambda: Limits(reserved=1, provisioned=2), "each must fit into the one before it"),
        (lambda: Limits(environments=10), "must hold the account's 1000 at least"),
        (lambda: Limits(idle_timeout_s=0), "idle_timeout_s is 0"),
    ],
)
def test_what_cannot_be_simulated_is_refused(make, found):
    with pytest.raises(BadLoad, match=found):
        make()


# --- closed forms, within the interval of twenty independent runs ---------------------------------------------

RUNS = range(20)
CONFIDENCE = 0.99


def agrees(expected, numbers, *, width=0.1):
    found = mean_interval(list(numbers), confidence=CONFIDENCE)
    assert expected in found
    assert found.high - found.low < width * expected, "too wide to say anything"


@pytest.mark.parametrize("service", [exponential(0.1), constant(0.1), lognormal(0.1, cv=2.0)], ids=lambda d: d.name)
def test_throttling_at_a_limit_is_erlang_b_whatever_the_service_times_distribution(service):
    runs = [simulate(poisson(50, for_s=250, seed=s), service=service, limits=Limits(reserved=7), seed=s) for s in RUNS]
    agrees(erlang_b(7, 5.0), (run.throttled_share for run in runs))


def test_waiting_in_one_line_is_erlang_c():
    options = {"service": exponential(0.1), "limits": Limits(reserved=7), "waits": True}
    runs = [simulate(poisson(50, for_s=300, seed=s), seed=s, **options) for s in RUNS]
    waits = [run.waits_s() for run in runs]
    agrees(erlang_c(7, 5.0), (sum(w > 0 for w in run) / len(run) for run in waits))
    agrees(mean_wait_s(7, 50, 0.1), (sum(run) / len(run) for run in waits), width=0.2)


def test_one_environment_with_a_line_is_pollaczek_and_khinchine():
    options = {"service": lognormal(0.1, cv=1.5), "limits": Limits(reserved=1), "waits": True}
    runs = [simulate(poisson(5, for_s=2000, seed=s), seed=s, **options) for s in RUNS]
    agrees(mean_wait_one_server_s(5, 0.1, cv=1.5), (sum(w := run.waits_s()) / len(w) for run in runs), width=0.2)


@pytest.mark.parametrize("service", [exponential(0.2), constant(0.2), lognormal(0.2, cv=2.0)], ids=lambda d: d.name)
def test_concurrency_without_a_limit_is_rate_times_mean_service_time_whatever_its_distribution(service):
    runs = [simulate(poisson(40, for_s=250, seed=s), service=service, seed=s) for s in RUNS]
    agrees(concurrency(40, 0.2), (run.mean_in_system for run in runs))


def test_littles_law_holds_in_every_run_to_the_last_digit():
    # all are answered before `for_s`, so L = λ W is an identity of the run, not a mean
    result = simulate(
        replay([*poisson(50, for_s=100), 1000.0]),
        service=exponential(0.1),
        init=0.3,
        waits=True,
        limits=Limits(reserved=6),
    )
    totals = result.totals_s()[:-1]
    assert result.mean_in_system * result.for_s == pytest.approx(sum(totals), rel=1e-9)


@pytest.mark.parametrize("idle_s", [20.0, 100.0, 250.0])
def test_cold_starts_of_one_environment_are_as_often_as_nobody_comes_for_so_long(idle_s):
    limits = Limits(reserved=1, idle_timeout_s=idle_s)
    options = {"service": lognormal(2.0), "init": 0.5, "limits": limits}
    runs = [simulate(poisson(0.01, for_s=400_000, seed=s), seed=s, **options) for s in RUNS]
    # the very first request is cold whatever the formula says
    agrees(cold_share(0.01, idle_s), ((run.cold - 1) / (run.served - 1) for run in runs))

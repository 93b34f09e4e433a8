"""What follows from a simulation's columns: counts, times, concurrency, records, bills."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.billing import bill
from labkit.distributions import exponential
from labkit.load import poisson
from labkit.model import Status
from labkit.show import measures
from labkit.simulate import Limits, simulate
from labkit.simulation import NOBODY, SERVED, Environments, Requests, Simulation


@pytest.fixture
def small():
    """At a limit of one: a cold call, a throttled one, a warm one."""
    return simulate([0.0, 1.0, 5.0], service=1.0, init=0.5, limits=Limits(reserved=1), label="f")


def made_of(stays, *, for_s):
    """A simulation in which these requests were in the system from when to when."""
    n = len(stays)
    began, ended = (array("d", [stay[i] for stay in stays]) for i in (0, 1))
    requests = Requests(began, began, ended, array("i", [NOBODY] * n), bytearray([SERVED] * n), bytearray(n))
    return Simulation("f", "given", for_s, 128, requests, Environments())


def test_counts_and_shares(small):
    assert (len(small), small.served, small.throttled, small.failed, small.cold) == (3, 2, 1, 0, 1)
    assert (small.cold_share, small.throttled_share) == (0.5, 1 / 3)


def test_it_says_what_it_is(small):
    assert repr(small) == "<Simulation f: 3 requests in 6 s, 2 served (1 cold), 1 throttled, 0 failed>"


def test_times_are_of_the_requests_that_were_served(small):
    assert small.waits_s() == [0.5, 0.0]
    assert small.totals_s() == [1.5, 1.0]
    assert small.quantiles_s(0.0, 0.99) == (1.0, 1.5)


def test_quantiles_of_nothing_are_no_numbers():
    nothing = simulate([0.0], service=1.0, limits=Limits(reserved=0))
    assert math.isnan(nothing.quantiles_s(0.5)[0])
    assert (nothing.cold_share, nothing.peak_in_system, nothing.bill().usd) == (0.0, 0, 0.0)


def test_moments_are_exact_means_over_their_stretches(small):
    moments = small.moments(6)
    assert [m.in_system for m in moments] == pytest.approx([1.0, 0.5, 0, 0, 0, 1.0])
    assert [m.environments for m in moments] == pytest.approx([1.0] * 6)
    assert [m.throttled for m in moments] == [0, 1, 0, 0, 0, 0]
    assert (moments[0].start_s, moments[-1].end_s) == (0.0, 6.0)


STAYS = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 5)).map(lambda s: (s[0], s[0] + s[1])), max_size=30).map(
    sorted
)


@given(STAYS, st.integers(1, 20))
def test_moments_hold_all_the_time_that_requests_were_in_the_system(stays, n):
    found = made_of(stays, for_s=10.0).moments(n)
    assert sum(m.in_system for m in found) * 10 / n == pytest.approx(
        sum(min(b, 10) - min(a, 10) for a, b in stays), abs=1e-6
    )


@given(STAYS)
def test_the_peak_is_what_counting_at_every_arrival_gives(stays):
    counted = [sum(a <= now < b for a, b in stays) for now, _ in stays]
    assert made_of(stays, for_s=10.0).peak_in_system == max(counted, default=0)


def test_traces_say_what_the_emulators_would(small):
    cold, warm = small.traces()
    assert (cold.cold, cold.init_s, cold.queued_s, cold.duration_s, cold.status) == (
        True,
        0.5,
        0.5,
        1.0,
        Status.SUCCESS,
    )
    assert (warm.cold, warm.arrived_at, warm.environment_id) == (False, 5.0, cold.environment_id)


def test_a_crashed_call_leaves_a_trace_with_its_error():
    (trace,) = simulate([0.0], service=1.0, crashes=1.0).traces()
    assert (trace.status, trace.error_type) == (Status.ERROR, "Runtime.ExitError")


def test_outcomes_can_be_measured_like_those_of_a_live_run(small):
    (series,) = measures.measure(small.outcomes())
    assert (series.label, series.cold.median_s, series.warm.median_s) == ("f", 1.5, 1.0)
    assert len(small.outcomes(most=1)) == 1


def test_the_bill_is_the_sum_of_the_bills_of_its_traces():
    result = simulate(poisson(20, for_s=50), service=exponential(0.1), init=0.3, memory_mb=512)
    each = [bill(trace) for trace in result.traces()]
    assert result.bill().usd == pytest.approx(sum(b.usd for b in each))
    assert result.bill().gb_s == pytest.approx(sum(b.gb_s for b in each))


def test_throttled_requests_cost_nothing(small):
    assert small.bill().billed_s == pytest.approx(1.5 + 1.0)


def test_provisioned_environments_cost_what_they_are_kept_and_less_for_what_they_serve():
    result = simulate([0.0, 100.0], service=1.0, limits=Limits(provisioned=2), memory_mb=1024)
    kept = 2 * 300 * 0.0000041667  # 101 s, rounded up to five minutes
    assert result.bill().usd == pytest.approx(kept + 2 * 0.0000097222 + 2 * 0.2e-6)

"""Rounding and prices."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.billing import bill, billed_ms, cost, priced
from labkit.model import Status, Trace

SECONDS = st.floats(min_value=0, max_value=900, allow_nan=False)


def trace(duration_s: float, memory_mb: int = 128, init_s: float | None = None) -> Trace:
    return Trace(
        request_id="r", function_name="f", version="$LATEST", environment_id="e", log_stream="s", arrived_at=0.0,
        queued_s=0.0, duration_s=duration_s, memory_mb=memory_mb, max_memory_mb=1, status=Status.SUCCESS, init_s=init_s,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("duration_s", "init_s", "expected"),
    [(0.00301, None, 4), (0.003, None, 3), (0.0, None, 1), (0.00301, 0.1101, 114), (0.0005, 0.0005, 1)],
)
def test_milliseconds_are_rounded_up_once_over_init_and_duration(duration_s, init_s, expected):
    assert billed_ms(duration_s, init_s) == expected


@given(SECONDS, SECONDS)
def test_a_bill_is_never_short_and_never_a_whole_millisecond_over(duration_s, init_s):
    exact = (duration_s + init_s) * 1000
    assert exact - 1e-3 <= billed_ms(duration_s, init_s) < max(1, exact) + 1 + 1e-3


@given(SECONDS, st.integers(128, 10240))
def test_cost_is_linear_in_memory(duration_s, memory_mb):
    one, two = bill(trace(duration_s, memory_mb)), bill(trace(duration_s, 2 * memory_mb))
    request = one.prices.per_million_requests / 1e6
    assert math.isclose(two.usd - request, 2 * (one.usd - request), rel_tol=1e-9)


def test_a_millisecond_at_128_mb_costs_what_aws_lists():
    request = 0.20 / 1e6
    assert bill(trace(0.001)).usd - request == pytest.approx(2.1e-9, rel=0.01)
    assert bill(trace(0.001), architecture="arm64").usd - request == pytest.approx(1.7e-9, rel=0.02)


def test_a_bill_says_which_prices_it_used():
    assert bill(trace(0.001)).prices.as_of.year == 2025


def test_many_requests_cost_what_each_of_them_costs():
    assert priced(1000, 4.0, 128).usd == pytest.approx(1000 * bill(trace(0.004)).usd)


def test_what_is_provisioned_is_paid_in_steps_of_five_minutes_used_or_not():
    day = priced(0, 0.0, 1024, provisioned=10, kept_for_s=86_400)
    assert day.usd == pytest.approx(10 * 86_400 * 0.0000041667)
    assert priced(0, 0.0, 1024, provisioned=10, kept_for_s=86_100.5).usd == day.usd


def test_time_on_provisioned_environments_has_its_own_lower_price():
    assert priced(0, 0.0, 1024, on_provisioned_s=1000, architecture="arm64").usd == pytest.approx(0.0077778)


CALLS = st.lists(
    st.tuples(st.sampled_from("fgh"), SECONDS, st.sampled_from([128, 1024]), st.none() | SECONDS), max_size=20
)


@given(CALLS, st.sampled_from(["x86_64", "arm64"]))
def test_the_bill_of_many_calls_is_the_sum_of_their_bills(calls, architecture):
    traces = [replace(trace(took, memory_mb, init), function_name=name) for name, took, memory_mb, init in calls]
    whole = cost(traces, architecture=architecture)
    assert math.isclose(whole.usd, sum(bill(t, architecture=architecture).usd for t in traces), abs_tol=1e-15)
    assert sum(row.requests for row in whole.rows) == len(traces)
    assert sum(row.cold for row in whole.rows) == sum(t.cold for t in traces)
    assert len({(row.function_name, row.memory_mb) for row in whole.rows}) == len(whole.rows)


def test_a_projection_keeps_the_price_of_a_call_and_the_share_of_cold_starts():
    traces = [trace(0.1, 1024, 0.4), trace(0.1, 1024), trace(0.1, 1024), trace(0.1, 1024)]
    million = cost(traces).for_requests(1e6)
    [row] = million.rows
    assert (row.requests, row.cold, row.billed_s) == pytest.approx((1e6, 250_000, 200_000))
    assert million.usd == pytest.approx(200_000 * 0.0000166667 + 0.20)
    assert million.projected == 1e6
    assert repr(million) == "<Cost USD 3.53 for 1,000,000 requests, prices of 2025-08-01>"

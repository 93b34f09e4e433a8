"""API keys and usage plans."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.apigateway.configuration import Throttle
from labkit.emulator.apigateway.usage import ApiKey, Meter, UsagePlan, admission, period_start, usage_plan

KEY = ApiKey("k1", "secret")


def plan(**settings):
    return UsagePlan("p1", frozenset({("api", "prod")}), {"secret": KEY}, **settings)


@pytest.mark.parametrize(
    ("stage", "value", "admitted"), [("prod", "secret", True), ("dev", "secret", False), ("prod", "wrong", False)]
)
def test_a_key_opens_the_stages_of_its_plan(stage, value, admitted):
    assert (admission([plan()], "api", stage, value) is not None) is admitted


def test_a_disabled_key_opens_nothing():
    disabled = UsagePlan("p", frozenset({("api", "prod")}), {"secret": ApiKey("k", "secret", enabled=False)})
    assert admission([disabled], "api", "prod", "secret") is None


def test_a_plan_is_read_from_botos_answer():
    found = {
        "id": "p1",
        "apiStages": [{"apiId": "api", "stage": "prod"}],
        "throttle": {"rateLimit": 2.0, "burstLimit": 3},
        "quota": {"limit": 5, "offset": 1, "period": "WEEK"},
    }
    made = usage_plan(found, [{"id": "k1", "value": "secret", "enabled": True}])
    assert made == plan(throttle=Throttle(2.0, 3), quota=5, offset=1, period="WEEK")


def test_a_burst_is_let_through_and_then_the_rate():
    meter, throttle = Meter(), Throttle(rate=2, burst=3)
    assert [meter.throttled("k", throttle, 0.0) for _ in range(4)] == [False, False, False, True]
    assert [meter.throttled("k", throttle, 0.5) for _ in range(2)] == [False, True]
    assert not meter.throttled("other", throttle, 0.5)


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_no_more_than_the_burst_and_the_rate_ever_passes(gaps, rate, burst):
    meter, now, passed = Meter(), 0.0, 0
    for gap in gaps:
        now += gap
        passed += not meter.throttled("k", Throttle(rate, burst), now)
    assert passed <= burst + rate * now + 1e-6


def test_a_quota_is_for_a_period_and_its_offset_for_the_first():
    meter, limited, day = Meter(), plan(quota=3, offset=1), 86_400.0
    assert [meter.exhausted(limited, KEY, 10.0) for _ in range(3)] == [False, False, True]
    assert [meter.exhausted(limited, KEY, day + 10) for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize(
    ("period", "start"), [("DAY", (2026, 11, 24)), ("WEEK", (2026, 11, 22)), ("MONTH", (2026, 11, 1))]
)
def test_when_a_period_began(period, start):
    now = datetime(2026, 11, 24, 17, 5, tzinfo=UTC).timestamp()
    assert period_start(period, now) == datetime(*start, tzinfo=UTC).timestamp()

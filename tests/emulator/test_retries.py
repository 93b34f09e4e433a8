"""What comes after an attempt at an event."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.retries import Attempt, End, EndCondition, Progress, Retry, is_too_old, next_step
from labkit.model import EventInvokeConfig

CONFIGS = st.builds(
    EventInvokeConfig,
    maximum_retry_attempts=st.integers(0, 2),
    maximum_event_age_s=st.integers(60, 21_600),
)
UNHAPPY = st.sampled_from([Attempt.FAILED, Attempt.REFUSED])


def lived(attempts, config, *, ran_s=0.0):
    """The moments of an event's attempts, and the condition it ends with; None while it waits for the next."""
    age_s, progress, moments = 0.0, Progress(), []
    for attempt in attempts:
        moments.append(age_s)
        age_s += ran_s
        progress = progress.after(attempt)
        step = next_step(attempt, progress, age_s=age_s, config=config)
        if isinstance(step, End):
            return moments, step.condition
        age_s += step.after_s
    return moments, None


def test_a_function_that_always_fails_is_tried_three_times_after_one_and_two_minutes():
    assert lived([Attempt.FAILED] * 9, EventInvokeConfig()) == ([0, 60, 180], EndCondition.RETRIES_EXHAUSTED)


@pytest.mark.parametrize(("retries", "moments"), [(0, [0]), (1, [0, 60]), (2, [0, 60, 180])])
def test_a_function_error_is_repeated_as_often_as_configured(retries, moments):
    config = EventInvokeConfig(maximum_retry_attempts=retries)
    assert lived([Attempt.FAILED] * 9, config) == (moments, EndCondition.RETRIES_EXHAUSTED)


def test_a_throttled_event_goes_back_with_a_delay_that_doubles_up_to_five_minutes():
    moments, condition = lived([Attempt.REFUSED] * 12, EventInvokeConfig())
    delays = [after - before for before, after in pairwise(moments)]
    assert (delays, condition) == ([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300], None)


def test_a_run_in_between_starts_the_doubling_again():
    attempts = [Attempt.REFUSED, Attempt.REFUSED, Attempt.FAILED, Attempt.REFUSED, Attempt.REFUSED]
    assert lived(attempts, EventInvokeConfig())[0] == [0, 1, 3, 63, 64]


def test_throttles_do_not_use_up_the_attempts():
    attempts = [Attempt.REFUSED, Attempt.FAILED] * 3
    assert lived(attempts, EventInvokeConfig())[1] is EndCondition.RETRIES_EXHAUSTED
    assert lived(attempts[:-1], EventInvokeConfig())[1] is None


@pytest.mark.parametrize(
    ("age_s", "step"), [(61, Retry(60.0)), (60, End(EndCondition.EVENT_AGE_EXCEEDED)), (59, End(EndCondition.EVENT_AGE_EXCEEDED))]
)  # fmt: skip
def test_a_retry_that_would_come_when_the_event_is_too_old_is_not_scheduled(age_s, step):
    config = EventInvokeConfig(maximum_event_age_s=age_s)
    assert next_step(Attempt.FAILED, Progress(runs=1), age_s=0.5 if age_s == 61 else 0.0, config=config) == step


def test_the_number_of_attempts_is_looked_at_before_the_age():
    config = EventInvokeConfig(maximum_retry_attempts=0, maximum_event_age_s=60)
    assert next_step(Attempt.FAILED, Progress(runs=1), age_s=0, config=config) == End(EndCondition.RETRIES_EXHAUSTED)


@given(CONFIGS, st.integers(0, 3), st.integers(0, 50), st.floats(0, 1e6))
def test_success_is_the_end_however_old_the_event_is(config, runs, refusals, age_s):
    progress = Progress(runs, refusals).after(Attempt.SUCCEEDED)
    assert next_step(Attempt.SUCCEEDED, progress, age_s=age_s, config=config) == End(EndCondition.SUCCESS)


@given(CONFIGS, st.floats(0, 1e6))
def test_without_any_concurrency_an_event_ends_at_once_and_has_not_run(config, age_s):
    progress = Progress().after(Attempt.SWITCHED_OFF)
    step = next_step(Attempt.SWITCHED_OFF, progress, age_s=age_s, config=config)
    assert (step, progress.runs) == (End(EndCondition.ZERO_RESERVED_CONCURRENCY), 0)


@given(st.lists(UNHAPPY, min_size=400, max_size=400), CONFIGS, st.floats(0, 900))
def test_every_event_ends_within_its_age_and_its_attempts(attempts, config, ran_s):
    moments, condition = lived(attempts, config, ran_s=ran_s)
    assert condition in (EndCondition.RETRIES_EXHAUSTED, EndCondition.EVENT_AGE_EXCEEDED)
    assert all(not is_too_old(moment, config) for moment in moments)
    runs = attempts[: len(moments)].count(Attempt.FAILED)
    assert runs <= config.maximum_retry_attempts + 1
    assert (runs == config.maximum_retry_attempts + 1) == (condition is EndCondition.RETRIES_EXHAUSTED)


def test_an_event_is_too_old_from_its_age_on():
    config = EventInvokeConfig(maximum_event_age_s=60)
    assert [is_too_old(age_s, config) for age_s in (59.9, 60, 61)] == [False, True, True]

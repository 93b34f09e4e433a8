"""Rules and schedules made into what fires: from when on, until when, and what an update keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from labkit.emulator.timed.entries import rule_entry, schedule_entry
from labkit.schedules import InvalidExpression

NOW = datetime(2024, 1, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULE = {"Arn": "arn:aws:events:us-east-1:123456789012:rule/r", "Name": "r", "ScheduleExpression": "rate(5 minutes)"}
SCHEDULE = {
    "Arn": "arn:aws:scheduler:us-east-1:123456789012:schedule/default/s",
    "ScheduleExpression": "rate(5 minutes)",
    "Target": {"Arn": "arn:aws:sqs:us-east-1:123456789012:q"},
}


def rule(**more):
    return rule_entry({**RULE, **more}, [], "us-east-1", NOW)


def schedule(**more):
    return schedule_entry({**SCHEDULE, **more}, "us-east-1", NOW)


def test_a_rules_rate_first_fires_after_one_distance():
    assert rule().due == NOW + 5 * MINUTE


def test_a_schedules_rate_fires_at_once_and_then_at_its_distances():
    entry = schedule()
    assert entry.due == NOW
    assert entry.fired(NOW).due == NOW + 5 * MINUTE


def test_a_schedules_rate_counts_from_its_start():
    entry = schedule(StartDate=NOW + 7 * MINUTE)
    assert entry.due == NOW + 7 * MINUTE
    assert entry.fired(entry.due).due == NOW + 12 * MINUTE


def test_a_start_in_the_past_sets_the_distances():
    assert schedule(StartDate=NOW - 2 * MINUTE).due == NOW + 3 * MINUTE


def test_cron_waits_for_its_start_and_may_fire_at_it():
    starts = datetime(2024, 1, 2, tzinfo=UTC)
    assert schedule(ScheduleExpression="cron(0 0 * * ? *)", StartDate=starts).due == starts


def test_after_its_end_a_schedule_has_no_moment():
    entry = schedule(EndDate=NOW + 5 * MINUTE)
    assert entry.fired(NOW).due == NOW + 5 * MINUTE
    assert entry.fired(NOW + 5 * MINUTE).due is None


def test_at_ignores_start_and_end():
    entry = schedule(ScheduleExpression="at(2024-01-01T13:00:00)", EndDate=NOW, StartDate=NOW + 600 * MINUTE)
    assert entry.due == datetime(2024, 1, 1, 13, tzinfo=UTC)
    assert entry.fired(entry.due).due is None


def test_a_time_zone_is_that_of_the_wall_clock():
    entry = schedule(ScheduleExpression="cron(0 9 * * ? *)", ScheduleExpressionTimezone="Asia/Tokyo")
    assert entry.due == datetime(2024, 1, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize("entry", [rule(State="DISABLED"), schedule(State="DISABLED")])
def test_what_is_disabled_does_not_fire(entry):
    assert entry.due is None


def test_a_rate_goes_on_counting_when_its_record_is_read_again():
    old = rule().fired(NOW + 5 * MINUTE)
    again = rule_entry(RULE, [{"Id": "1"}], "us-east-1", NOW + 7 * MINUTE).taking_over(old, NOW + 7 * MINUTE)
    assert again.due == NOW + 10 * MINUTE
    assert again.targets == ({"Id": "1"},)


def test_what_is_due_already_is_not_lost_by_reading_again():
    later = NOW + 6 * MINUTE
    assert rule_entry(RULE, [], "us-east-1", later).taking_over(rule(), later).due == NOW + 5 * MINUTE


def test_another_expression_starts_anew():
    later = NOW + 7 * MINUTE
    changed = rule_entry({**RULE, "ScheduleExpression": "rate(2 minutes)"}, [], "us-east-1", later)
    assert changed.taking_over(rule(), later).due == NOW + 9 * MINUTE


def test_what_fell_due_while_it_was_disabled_is_not_made_up_for():
    later = NOW + 12 * MINUTE
    enabled = rule_entry(RULE, [], "us-east-1", later).taking_over(rule(State="DISABLED"), later)
    assert enabled.due == NOW + 15 * MINUTE


def test_what_fell_due_while_the_machine_slept_fires_once():
    assert rule().fired(NOW + 63 * MINUTE).due == NOW + 65 * MINUTE


def test_names_and_groups_stand_in_the_arn():
    assert (schedule().name, schedule().group, rule().name) == ("s", "default", "r")


def test_a_bad_expression_is_an_error():
    with pytest.raises(InvalidExpression):
        schedule(ScheduleExpression="rate(5 centuries)")

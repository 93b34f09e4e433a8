"""What moto is made to refuse, by its own names of a schedule's fields."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from labkit.mockaws.schedules import fault_of

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "fault"),
    [
        ({"schedule_expression": "rate(5 minutes)"}, ""),
        ({"schedule_expression": "rate(5 minute)"}, ""),
        ({"schedule_expression": "rate(5 minutes)", "flexible_time_window": {"Mode": "OFF"}}, ""),
        ({"schedule_expression": None}, "Invalid Schedule Expression ."),
        ({"schedule_expression": "rate(x)"}, "Invalid Schedule Expression rate(x)."),
        ({"schedule_expression": "at(2024-01-01T12:00:01)"}, ""),
        ({"schedule_expression": "at(2024-01-01T12:00:00)"}, "Invalid Schedule Expression at(2024-01-01T12:00:00)."),
        (
            {"schedule_expression": "at(2024-01-01T12:30:00)", "schedule_expression_timezone": "Europe/Berlin"},
            "Invalid Schedule Expression at(2024-01-01T12:30:00).",
        ),
        (
            {"schedule_expression": "rate(5 minutes)", "schedule_expression_timezone": "Europe"},
            "Invalid ScheduleExpressionTimezone Europe.",
        ),
    ],
)
def test_a_schedule_that_cannot_run_has_a_fault(schedule, fault):
    assert fault_of(schedule, NOW) == fault


@pytest.mark.parametrize(
    ("window", "good"),
    [
        ({"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}, True),
        ({"Mode": "FLEXIBLE"}, False),
        ({"Mode": "OFF", "MaximumWindowInMinutes": 5}, False),
    ],
)
def test_a_window_has_a_length_and_only_a_flexible_one(window, good):
    schedule = {"schedule_expression": "rate(5 minutes)", "flexible_time_window": window}
    assert (fault_of(schedule, NOW) == "") is good

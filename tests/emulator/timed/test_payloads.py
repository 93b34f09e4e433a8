"""What a target gets: the event, a part of it, a template's text, or a schedule's Input with its keywords."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from labkit.emulator.timed.entries import rule_entry, schedule_entry
from labkit.emulator.timed.payloads import MISSING, BadPath, Firing, at_path, delayed, payload_of

AT = datetime(2024, 1, 1, 12, tzinfo=UTC)
RULE = {"Arn": "arn:aws:events:us-east-1:123456789012:rule/r", "Name": "r", "ScheduleExpression": "rate(5 minutes)"}
SCHEDULE = {
    "Arn": "arn:aws:scheduler:us-east-1:123456789012:schedule/default/s",
    "ScheduleExpression": "rate(5 minutes)",
    "Target": {"Arn": "arn:aws:sqs:us-east-1:123456789012:q"},
}
BY_RULE = Firing(rule_entry(RULE, [], "us-east-1", AT), AT, "id-1", "ex-1", "123456789012")
BY_SCHEDULE = replace(BY_RULE, entry=schedule_entry(SCHEDULE, "us-east-1", AT))


def test_the_event_of_a_rule_has_exactly_awss_shape():
    assert json.loads(payload_of(BY_RULE, {}, 1)) == {
        "version": "0",
        "id": "id-1",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2024-01-01T12:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/r"],
        "detail": {},
    }


def test_the_event_of_a_schedule_names_the_scheduler():
    event = json.loads(payload_of(BY_SCHEDULE, {}, 1))
    assert (event["source"], event["detail"], event["resources"]) == ("aws.scheduler", "{}", [SCHEDULE["Arn"]])


def test_a_constant_input_takes_the_events_place():
    assert payload_of(BY_RULE, {"Input": '{"a": 1}'}, 1) == '{"a": 1}'


@pytest.mark.parametrize(
    ("path", "text"),
    [("$.resources[0]", '"arn:aws:events:us-east-1:123456789012:rule/r"'), ("$.detail", "{}"), ("$.nothing", "null")],
)
def test_a_path_takes_a_part_of_the_event(path, text):
    assert payload_of(BY_RULE, {"InputPath": path}, 1) == text


@pytest.mark.parametrize(
    ("path", "found"),
    [("$", {"a": {"b-c": [1, [2]]}}), ("$.a.b-c[1][0]", 2), ("$['a']['b-c'][0]", 1), ("$.a[0]", MISSING)],
)
def test_a_path_is_names_and_numbers(path, found):
    assert at_path({"a": {"b-c": [1, [2]]}}, path) == found


@pytest.mark.parametrize("path", ["", "a", "$.", "$..a", "$.a[*]", "$.a[?(@.b)]"])
def test_another_path_is_refused(path):
    with pytest.raises(BadPath):
        at_path({}, path)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{"at": <time>, "all": <resources>}', {"at": "2024-01-01T12:00:00Z", "all": [RULE["Arn"]]}),
        ('{"text": "at <time> of <aws.events.rule-name>"}', {"text": "at 2024-01-01T12:00:00Z of r"}),
        ('"at <time>"', "at 2024-01-01T12:00:00Z"),
        ('{"\\"<time>": "<resources>"}', {'"2024-01-01T12:00:00Z': f"[{RULE['Arn']}]"}),
        ('{"gone": <missing>, "<missing>": 1, "<html>": 2}', {"gone": None, "": 1, "<html>": 2}),
        ('{"arn": <aws.events.rule-arn>, "e": <aws.events.event>}', None),
    ],
)
def test_a_template_gets_its_variables_as_json_or_inside_quotes_as_text(template, text):
    paths = {"time": "$.time", "resources": "$.resources", "missing": "$.x"}
    made = json.loads(payload_of(BY_RULE, {"InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}}, 1))
    if text is None:
        assert made["arn"] == RULE["Arn"]
        assert made["e"]["id"] == "id-1"
        assert "detail" not in made["e"]
    else:
        assert made == text


def test_a_schedules_input_gets_its_keywords():
    given = "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time> <aws.scheduler.execution-id> "
    given += "<aws.scheduler.attempt-number> <aws.scheduler.else>"
    made = payload_of(BY_SCHEDULE, {"Input": given}, 3)
    assert made == f"{SCHEDULE['Arn']} 2024-01-01T12:00:00Z ex-1 3 <aws.scheduler.else>"


def test_without_a_window_a_schedule_is_carried_out_on_time():
    assert delayed(BY_SCHEDULE) == AT


def test_with_a_window_it_is_carried_out_somewhere_in_it_always_in_the_same_place():
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    entry = schedule_entry({**SCHEDULE, "FlexibleTimeWindow": window}, "us-east-1", AT)
    firings = [replace(BY_SCHEDULE, entry=entry, at=AT + timedelta(hours=n)) for n in range(50)]
    delays = [(delayed(firing) - firing.at).total_seconds() for firing in firings]
    assert delays == [(delayed(firing) - firing.at).total_seconds() for firing in firings]
    assert all(0 <= delay < 900 for delay in delays)
    assert len(set(delays)) > 25

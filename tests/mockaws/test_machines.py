"""What moto's interpreter of state machines is given on top; whole machines are in tests/emulator/test_machines.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext, EventManager
from moto.stepfunctions.parser.asl.utils.json_path import extract_json

from labkit.mockaws.machines import MOST_EVENTS, is_definite, moment_of, run_machines


def test_a_machine_in_a_circle_fails_when_its_history_is_full():
    run_machines()
    manager, context = EventManager(), EventHistoryContext.of_program_start()
    manager._history_event_list.extend({} for _ in range(MOST_EVENTS - 2))
    manager.add_event(context, HistoryEventType.PassStateEntered)
    with pytest.raises(RuntimeError, match=r"maximum number of history events \(25000\)"):
        manager.add_event(context, HistoryEventType.PassStateExited)
    manager.add_event(context, HistoryEventType.ExecutionFailed)
    assert len(manager.get_event_history()) == MOST_EVENTS


@pytest.mark.parametrize(
    ("path", "definite"),
    [
        ("$", True), ("$.a.b", True), ("$[0].x", True), ("$.a[12]", True), ("$['a:b'][0]", True), ("$$.Task.Token", True),
        ("$.a[*].x", False), ("$..x", False), ("$.a[0:2]", False), ("$.a[0,1]", False), ("$.a[?(@.x==1)]", False),
    ],
)  # fmt: skip
def test_a_definite_path_means_one_thing(path, definite):
    assert is_definite(path) is definite


def test_one_thing_is_no_list_of_it():
    run_machines()
    data = {"a": [{"x": 2}, {"x": 3}], "b": [{"x": 4}]}
    assert extract_json("$.a[0].x", data) == 2
    assert extract_json("$.a[1]", data) == {"x": 3}
    assert extract_json("$.a[*].x", data) == [2, 3]
    assert extract_json("$.b[*].x", data) == [4]
    assert extract_json("$.a[0:1]", data) == [{"x": 2}]


@pytest.mark.parametrize("hours", [-5, 0, 9])
def test_a_timestamp_is_utc_whatever_the_machines_zone(hours):
    meant = datetime(2024, 1, 1, 12, tzinfo=UTC)
    local_now = datetime(2024, 1, 1, 11, 50, 0, 300_000) + timedelta(hours=hours)
    left = int((meant.replace(tzinfo=None) - local_now).total_seconds())  # as moto counts
    assert moment_of(left, local_now) - meant.timestamp() in (0, 1)

"""What somebody who looks now and then sees of environments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.life import MARKS, MOST_ENVIRONMENTS, Life, Look, strip


def seen(*looks: dict[str, str], **options) -> Life:
    """One look a second at environments of `f`, each by its phase."""
    life = Life(**options)
    for at_s, phases in enumerate(looks):
        life.look(Look(float(at_s), {env_id: ("f", phase) for env_id, phase in phases.items()}))
    return life


def test_a_lane_shows_each_phase_from_when_it_was_found():
    life = seen({"a": "init"}, {"a": "invoke"}, {"a": "idle"}, {"a": "idle"}, {}, columns=8)
    assert [lane.marks for lane in life.lanes()] == ["ii##----"]


def test_who_is_gone_is_counted_and_keeps_its_lane():
    life = seen({"a": "idle"}, {"b": "invoke"}, {"b": "invoke"}, columns=4)
    [f] = life.picture().functions
    assert (f.busy, f.frozen, f.gone) == (1, 0, 1)
    assert [(lane.env_id, lane.marks) for lane in life.lanes()] == [("b", "  ##"), ("a", "--  ")]


def test_what_was_throttled_before_the_watch_is_not_its_own():
    life = Life()
    for at_s, count in enumerate([7, 7, 9]):
        life.look(Look(float(at_s), {}, {"f": count}))
    assert life.picture().functions[0].throttled == 2


def test_a_new_emulator_counts_from_nothing():
    life = Life()
    for at_s, count in enumerate([7, 9, 1]):
        life.look(Look(float(at_s), {}, {"f": count}))
    assert life.picture().functions[0].throttled == 3


def test_calls_are_counted_by_function_and_the_latest_times_kept():
    life = Life()
    life.look(Look(0.0, {}, times_s={"f": [0.1, 0.2], "g": [1.0]}))
    life.look(Look(1.0, {}, times_s={"f": [0.3]}))
    assert [(f.name, f.calls, f.recent_s) for f in life.picture().functions] == [
        ("f", 3, (0.1, 0.2, 0.3)),
        ("g", 1, (1.0,)),
    ]


def test_a_window_shows_the_latest_and_forgets_who_left_before_it():
    life = seen({"a": "idle", "b": "idle"}, {"b": "idle"}, *[{"b": "invoke"}] * 9, window_s=4.0, columns=4)
    assert [(lane.env_id, lane.marks) for lane in life.lanes()] == [("b", "####")]
    assert life.picture().functions[0].gone == 1


def test_a_watch_of_hours_keeps_no_more_environments_than_it_may():
    life = seen(*[{str(k): "idle"} for k in range(2 * MOST_ENVIRONMENTS)])
    assert len(life.lanes()) <= MOST_ENVIRONMENTS + 1
    assert life.picture().functions[0].gone == 2 * MOST_ENVIRONMENTS - 1


@pytest.mark.parametrize("at_s", [0.0, 0.001])
def test_the_first_look_is_a_picture_already(at_s):
    life = Life()
    life.look(Look(at_s, {"a": ("f", "idle")}))
    assert "-" in life.lanes()[0].marks


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from([*MARKS, "new"])), min_size=1, max_size=30),
    st.sampled_from([None, 3.0]),
)
def test_whatever_is_seen_every_environment_is_counted_once(looks, window_s):
    life = seen(*looks, window_s=window_s)
    picture = life.picture()
    now = sum(f.initialising + f.busy + f.frozen for f in picture.functions)
    assert now == sum(phase in ("init", "invoke", "idle") for phase in looks[-1].values())
    assert {len(lane.marks) for lane in picture.lanes} <= {48}


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from("i#- ")), min_size=1), st.integers(1, 60))
def test_a_strip_has_its_columns_and_no_mark_that_was_not_there(changes, columns):
    ordered = sorted(changes)
    found = strip(ordered, 0.0, 100.0, columns)
    assert len(found) == columns
    assert set(found) <= {mark for _, mark in ordered} | {" "}

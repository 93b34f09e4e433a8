"""An invocation's spans, and environments as lanes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.model import InitPhases, Status, Trace
from labkit.show import spans

TIMES = st.floats(0, 100)


def test_the_spans_of_a_cold_call_follow_one_another(cold):
    found = [(s.name, round(s.start_s, 6), round(s.duration_s, 6)) for s in spans.spans(cold())]
    assert found == [
        ("process start", 0, 0.01),
        ("runtime start", 0.01, 0.02),
        ("imports", 0.03, 0.04),
        ("module init", 0.07, 0.02),
        ("hand-over", 0.09, 0.002),
        ("handler call", 0.092, 0.008),
    ]


def test_a_warm_call_waits_and_runs(warm):
    assert [s.name for s in spans.spans(warm())] == ["hand-over", "handler call"]


def test_an_init_of_one_number_is_one_span(warm):
    found = spans.spans(warm(queued_s=0.5, init_s=0.4))
    assert [(s.name, round(s.duration_s, 6)) for s in found][:2] == [("init", 0.4), ("hand-over", 0.1)]


def test_a_restored_environment_has_a_restore_and_no_init(warm):
    assert spans.spans(warm(queued_s=0.5, restore_s=0.4))[0].name == "restore"


@given(st.lists(TIMES, min_size=6, max_size=6))
def test_spans_never_overlap_and_end_with_the_call(times):
    phases = InitPhases(*times[:4])
    t = Trace(
        "r", "f", "1", "e", "s", 0.0, phases.total_s + times[4], times[5], 128, 10, Status.SUCCESS,
        init_s=phases.total_s, phases=phases,
    )  # fmt: skip
    found = spans.spans(t)
    for before, after in pairwise(found):
        assert before.start_s + before.duration_s == pytest.approx(after.start_s)
    assert found[-1].start_s + found[-1].duration_s == pytest.approx(t.total_s)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 5))
def test_a_bar_lies_within_its_width_and_is_never_empty(start, length, total):
    shown = spans.bar(spans.Span("x", start * total, length * (1 - start) * total), total)
    assert 1 <= len(shown) <= spans.BAR
    assert shown.strip()


def test_calls_are_sorted_into_the_lanes_of_their_environments(warm):
    traces = [warm(arrived_at=at, environment_id=name) for at, name in ((12.0, "b"), (10.0, "a"), (11.0, "b"))]
    assert [(lane.environment_id, lane.start_s, lane.calls) for lane in spans.lanes(traces)] == [
        ("a", 0.001, 1),
        ("b", 1.001, 2),
    ]


def test_a_version_is_named_with_its_function(warm):
    (lane,) = spans.lanes([warm(version="3")])
    assert lane.function == "predict:3"


def test_a_request_that_no_environment_took_has_no_lane(warm):
    assert spans.lanes([warm(environment_id="")]) == ()


@given(st.lists(st.tuples(TIMES, TIMES, st.sampled_from("abc"), st.booleans()), min_size=1, max_size=20))
def test_every_failed_call_is_seen_in_its_lane(rows):
    traces = [
        Trace("r", "f", "1", name, "s", at, 0.0, took, 128, 10, Status.SUCCESS if ok else Status.ERROR)
        for at, took, name, ok in rows
    ]
    found = spans.lanes(traces)
    for lane in found:
        marks = spans.marks(lane, spans.end_s(found))
        assert len(marks) <= spans.COLUMNS
        assert (spans.FAILED in marks) == (lane.failed > 0)

"""A load test's rows and traces become columns, percentiles, environments and a bill."""

from __future__ import annotations

import math

import pytest

from labkit.billing import bill
from labkit.loadtest import Answered, Sample, Tally, joined, percentiles
from labkit.model import Status, Trace
from labkit.simulation import FAILED, NOBODY, PENDING, SERVED, THROTTLED


def trace(request_id: str, *, environment: str = "e1", duration_s: float = 0.1, **changes: object) -> Trace:
    values = {
        "request_id": request_id,
        "function_name": "predict",
        "version": "$LATEST",
        "environment_id": environment,
        "log_stream": "",
        "arrived_at": 1000.0,
        "queued_s": 0.0,
        "duration_s": duration_s,
        "memory_mb": 256,
        "max_memory_mb": 90,
        "status": Status.SUCCESS,
    }
    return Trace(**{**values, **changes})


def result(rows, traces=(), *, times=None, **changes):
    times = times if times is not None else [float(k) for k in range(10)]
    known = {t.request_id: t for t in traces}
    return joined("predict", "constant, 1/s", times, rows, known, **{"for_s": 10.0, "memory_mb": 256, **changes})


SERVED_ROWS = [Answered(k, k + 0.001, k + 0.2, SERVED, "", f"r{k}") for k in range(4)]


def test_a_time_counts_from_when_the_request_should_have_been_sent():
    late = Answered(0, 5.0, 5.1, SERVED, "", "r0")
    assert result([late], times=[1.0]).totals_s() == [pytest.approx(4.1)]


def test_a_late_sender_is_not_believed():
    rows = [Answered(k, k + 0.5, k + 0.6, SERVED, "", "") for k in range(10)]
    found = result(rows)
    assert not found.kept_up
    assert found.lag_s == pytest.approx(0.5)


def test_a_sender_on_time_is_believed():
    found = result(SERVED_ROWS)
    assert found.kept_up
    assert found.lags_s() == pytest.approx([0.001] * 4)


def test_a_load_of_which_nothing_was_sent_has_kept_up():
    assert result([], times=[1.0], interrupted=True).kept_up


def test_rows_come_in_the_order_of_the_load_whenever_they_were_answered():
    found = result(SERVED_ROWS[::-1])
    assert list(found.requests.arrived) == [0, 1, 2, 3]


def test_counts_are_by_status_and_reason():
    rows = [
        Answered(0, 0.0, 0.1, SERVED, "", "r0"),
        Answered(1, 1.0, 1.1, THROTTLED, "A", ""),
        Answered(2, 2.0, 2.1, THROTTLED, "B", ""),
        Answered(3, 3.0, 3.1, THROTTLED, "B", ""),
        Answered(4, 4.0, 4.1, FAILED, "connection lost", ""),
        Answered(5, 5.0, 9.0, PENDING, "unanswered", ""),
    ]
    found = result(rows)
    assert (found.served, found.throttled, found.failed, found.unanswered) == (1, 3, 1, 1)
    assert found.reasons == (("B", 2), ("A", 1))


def test_a_failed_handler_is_named_by_the_emulators_record():
    failed = trace("r0", status=Status.ERROR, error_type="ValueError")
    found = result([Answered(0, 0.0, 0.2, FAILED, "Unhandled", "r0")], [failed])
    assert found.reason == ("ValueError",)


def test_an_environment_is_there_from_its_init_to_when_it_was_missed():
    traces = [trace("r0", init_s=0.05), trace("r1"), trace("r2", environment="e2", init_s=0.05)]
    found = result(SERVED_ROWS[:3], traces, gone={"e1": 2.5})
    assert list(found.requests.environment) == [0, 0, 1]
    assert list(found.environments.started) == pytest.approx([0.05, 2.05])
    assert list(found.environments.ended) == [2.5, math.inf]
    assert found.cold == 2


def test_an_environment_that_was_first_met_warm_was_there_before():
    assert list(result(SERVED_ROWS[3:], [trace("r3")]).environments.started) == [0.0]


def test_a_request_whose_trace_is_gone_has_no_environment_and_is_counted():
    found = result(SERVED_ROWS, [trace("r3")])
    assert (found.traced, found.untraced) == (1, 3)
    assert list(found.requests.environment) == [NOBODY, NOBODY, NOBODY, 0]


def test_the_bill_is_that_of_the_traces():
    traces = [trace("r0", init_s=0.5), trace("r1")]
    found = result(SERVED_ROWS[:2], traces)
    assert found.bill().usd == pytest.approx(sum(bill(t).usd for t in traces))


def test_traces_are_the_emulators_own():
    traces = [trace("r0"), trace("r1")]
    assert list(result(SERVED_ROWS[:2], traces[::-1]).traces()) == traces


def test_columns_have_one_place_per_request():
    rows = [SERVED_ROWS[0], Answered(1, 1.0, 9.0, PENDING, "unanswered", "")]
    columns = result(rows, [trace("r0", init_s=0.05)]).columns()
    assert {len(column) for column in columns.values()} == {2}
    assert (columns["cold"], columns["environment"]) == ([True, None], ["e1", None])
    assert columns["status"] == ["served", "unanswered"]
    assert columns["latency_s"] == [pytest.approx(0.2), None]


def test_throughput_counts_what_was_served_until_the_last_answer():
    late = Answered(0, 0.0, 20.0, SERVED, "", "")
    assert result([late]).throughput == 1 / 20


def test_a_percentile_rests_on_at_least_one_slower_request():
    assert [p.share for p in percentiles([float(k) for k in range(100)])] == [0.5, 0.9]
    assert [p.share for p in percentiles([float(k) for k in range(2000)])] == [0.5, 0.9, 0.99, 0.999]


def test_a_percentile_says_how_many_requests_were_slower():
    found = percentiles([float(k) for k in range(2000)], 0.99)
    assert (found[0].time_s, found[0].beyond) == (1980.0, 19)


def test_of_nothing_there_are_no_percentiles():
    assert percentiles([]) == []


# --- under way


def tally(n: int = 10) -> Tally:
    return Tally("predict", "constant, 1/s", [float(k) for k in range(n)], 10.0)


def test_a_tally_counts_environments_by_phase_and_remembers_the_gone():
    counting = tally()
    counting.look(1.0, {"a": "init", "b": "invoke", "c": "idle"})
    counting.look(2.0, {"b": "idle", "c": "idle"})
    assert counting.samples == [Sample(1.0, 1, 1, 1, 0), Sample(2.0, 0, 0, 2, 1)]
    assert counting.gone == {"a": 2.0}


def test_what_should_have_been_sent_and_is_not_over_is_in_flight():
    counting = tally()
    counting.add(SERVED_ROWS)
    live = counting.live(6.5, due=7)
    assert (live.sent, live.in_flight, live.served) == (7, 3, 4)


def test_the_latest_times_are_those_of_the_latest_requests():
    counting = tally(Tally.RECENT + 10)
    counting.add(Answered(k, float(k), k + (9.0 if k < 10 else 1.0), SERVED, "", "") for k in range(Tally.RECENT + 10))
    assert [p.time_s for p in counting.live(1.0, 0).recent] == [1.0, 1.0, 1.0]

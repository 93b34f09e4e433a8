"""What a series of calls amounts to."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.model import InitPhases, Outcome, Outcomes, Status, Trace
from labkit.show.measures import FIRST_CALL, HAND_OVER, Summary, measure


def test_a_cold_call_is_measured_from_the_request_to_the_handlers_end(series):
    (found,) = measure(series())
    assert found.cold == Summary(7, pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1))


def test_a_warm_call_is_measured_in_the_same_way(series):
    (found,) = measure(series())
    assert found.warm == Summary(9, pytest.approx(0.005), pytest.approx(0.005), pytest.approx(0.005))


def test_the_ratio_is_cold_over_warm(series):
    (found,) = measure(series())
    assert found.ratio == pytest.approx((20, 20, 20))


def test_the_parts_of_a_cold_start_say_where_the_time_went(series):
    (found,) = measure(series())
    assert found.parts == pytest.approx(
        {
            "process start": 0.010,
            "runtime start": 0.020,
            "imports": 0.040,
            "module init": 0.020,
            HAND_OVER: 0.002,
            FIRST_CALL: 0.008,
        }
    )


def test_an_endpoint_that_reports_only_the_init_duration_gives_one_part_for_it(series):
    (found,) = measure(series(phases=None))
    assert found.phases is None
    assert found.parts == pytest.approx({"init": 0.090, HAND_OVER: 0.002, FIRST_CALL: 0.008})


def test_the_largest_part_comes_with_its_share(series):
    (found,) = measure(series())
    assert found.largest_part == ("imports", pytest.approx(0.04), pytest.approx(0.4))


def test_each_part_is_a_median_over_the_cold_calls(cold):
    outcomes = Outcomes("f", tuple(Outcome("f", Status.SUCCESS, trace=cold(scale)) for scale in (1, 2, 30)))
    (found,) = measure(outcomes)
    assert found.phases is not None
    assert found.phases["imports_s"] == pytest.approx(0.08)


def test_two_imports_of_one_module_count_as_one(series):
    (found,) = measure(series(imports=(("numpy", 0.01), ("json", 0.001), ("numpy", 0.02))))
    assert found.imports == (("numpy", pytest.approx(0.03)), ("json", 0.001))


def test_only_the_five_longest_imports_are_kept_longest_first(series):
    (found,) = measure(series(imports=tuple((f"m{k}", 0.001 * k) for k in range(1, 8))))
    assert [name for name, _ in found.imports] == ["m7", "m6", "m5", "m4", "m3"]


def test_a_series_with_only_cold_calls_has_no_warm_summary_and_no_ratio(series):
    (found,) = measure(series(n_warm=0))
    assert (found.warm, found.ratio) == (None, None)


def test_failed_calls_are_counted_by_how_they_failed(series):
    throttled = Outcomes("model", (*series().items, Outcome("model", Status.THROTTLED)))
    (found,) = measure(throttled)
    assert (found.failures, found.calls) == ({Status.THROTTLED: 1}, 17)


def test_each_added_series_is_measured_alone(series):
    assert [s.label for s in measure(series("a") + series("b", 2.0))] == ["a", "b"]


def test_nothing_measured_is_no_error():
    (found,) = measure(Outcomes("empty", ()))
    assert (found.cold, found.warm, found.parts, found.largest_part) == (None, None, {}, None)


TIMES = st.floats(0, 10)


@settings(max_examples=50)
@given(st.lists(st.tuples(TIMES, TIMES, TIMES, TIMES, TIMES, TIMES), min_size=1, max_size=1))
def test_the_parts_of_one_cold_call_add_up_to_its_time(rows):
    (process, runtime, imports, module, wait, handler) = rows[0]
    phases = InitPhases(process, runtime, imports, module)
    queued = phases.total_s + wait
    trace = Trace("r", "f", "1", "e", "s", 0, queued, handler, 128, 9, Status.SUCCESS, None, phases.total_s, phases)
    (found,) = measure(Outcomes("f", (Outcome("f", Status.SUCCESS, trace=trace),)))
    assert sum(found.parts.values()) == pytest.approx(trace.total_s)

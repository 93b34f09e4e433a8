"""Measuring for the model of CPU shares: by fakes, and once for real."""

from __future__ import annotations

from itertools import count

import pytest

from labkit.client.power import measure
from labkit.errors import BadLoad, NoCpuTimes
from labkit.model import FunctionError, Outcome, Status, Trace


def trace(environment_id: str = "e1", **changes) -> Trace:
    values = {
        "request_id": "r",
        "function_name": "f",
        "version": "$LATEST",
        "environment_id": environment_id,
        "log_stream": "",
        "arrived_at": 0.0,
        "queued_s": 0.0,
        "duration_s": 0.2,
        "memory_mb": 128,
        "max_memory_mb": 50,
        "status": Status.SUCCESS,
    }
    return Trace(**{**values, **changes})


def measured(outcomes, cpu_times, n=3):
    outcomes, cpu_times = iter(outcomes), iter(cpu_times)
    return measure(128, lambda: next(outcomes), lambda: next(cpu_times), n=n, endpoint="http://x")


def good(**changes) -> Outcome:
    return Outcome("f", Status.SUCCESS, trace=trace(**changes))


COLD = good(init_s=0.1)


def test_the_first_call_is_not_counted_and_each_other_has_its_cpu_time():
    found = measured([COLD, *[good()] * 3], [{"e1": 1.0}, {"e1": 1.1}, {"e1": 1.3}, {"e1": 1.4}])
    assert [call.cpu_s for call in found.calls] == pytest.approx([0.1, 0.2, 0.1])
    assert [call.wall_s for call in found.calls] == [0.2] * 3


def test_a_cold_call_in_between_is_left_out():
    found = measured([COLD, good(), COLD, good(), good()], ({"e1": float(k)} for k in count()))
    assert len(found.calls) == 3


def test_a_function_that_is_always_cold_ends_the_measuring():
    found = measured(iter(lambda: COLD, None), ({"e1": float(k)} for k in count()))
    assert found.calls == ()


def test_the_first_failure_ends_a_size_and_names_itself():
    dead = Outcome("f", Status.ERROR, error=FunctionError("Runtime.ExitError", ""))
    found = measured([COLD, good(), dead], ({"e1": float(k)} for k in count()))
    assert found.failed == "Runtime.ExitError"


def test_the_traces_error_is_the_more_telling_one():
    told = trace(status=Status.ERROR, error_type="Runtime.OutOfMemory")
    dead = Outcome("f", Status.ERROR, error=FunctionError("Runtime.ExitError", ""), trace=told)
    assert measured([dead], [{}]).failed == "Runtime.OutOfMemory"


def test_an_endpoint_without_cpu_times_is_told():
    with pytest.raises(NoCpuTimes):
        measured([COLD, good()], [{}, {}])


@pytest.mark.process
def test_sizes_are_compared_the_too_small_one_fails_and_the_functions_own_is_restored(lab):
    source = "def handler(event, context):\n    x = bytearray(160 << 20)\n    return sum(range(300_000))"
    hungry = lab.deploy("hungry", source, memory_mb=512, timeout_s=30)
    found = hungry.power((128, 512), n=2)
    small, large = found.rows
    assert (small.failed, small.n) == ("Runtime.OutOfMemory", 0)
    assert (large.failed, large.n) == ("", 2)
    assert large.duration_s > large.wall_s > 0 < large.cpu_s
    assert found.best == large
    assert lab.function("hungry").memory_mb == 512


@pytest.mark.process
def test_a_mistake_is_found_before_anything_is_called(lab):
    lab.deploy("untouched", "def handler(event, context): return event")
    with pytest.raises(BadLoad, match="no strategy cheap"):
        lab.power("untouched", strategy="cheap")
    assert lab.traces("untouched") == []

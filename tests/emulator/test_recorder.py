"""Traces and log streams, and what bounds them."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.loglines import Origin
from labkit.emulator.recorder import LEFT_BYTES, STREAMS, TOTAL_BYTES, TRACES, Recorder, phases_of
from labkit.emulator.reel import BATCH
from labkit.model import Status, Trace

TRACE = Trace(
    request_id="r1", function_name="f", version="$LATEST", environment_id="e", log_stream="s", arrived_at=0.0,
    queued_s=0.1, duration_s=0.00301, memory_mb=128, max_memory_mb=36, status=Status.SUCCESS,
)  # fmt: skip


def held(recorder: Recorder, function_name: str) -> int:
    return sum(each.size for each in recorder.streams(function_name))


# --- bounds


def test_all_streams_together_are_bounded_and_the_oldest_goes_first():
    recorder = Recorder()
    streams = [recorder.stream(Origin(f"f{number}"), str(number)) for number in range(TOTAL_BYTES // 1_000_000 + 3)]
    for each in streams:
        each.write(b"x" * 1_000_000)
    assert recorder.size <= TOTAL_BYTES
    assert recorder.streams("f0") == []
    assert recorder.streams(streams[-1].origin.function_name) == [streams[-1]]


def test_a_dropped_stream_that_is_written_to_comes_back_and_counts():
    recorder = Recorder()
    old = recorder.stream(Origin("old"), "s")
    for number in range(TOTAL_BYTES // 1_000_000 + 3):
        recorder.stream(Origin("new"), str(number)).write(b"x" * 1_000_000)
    before = recorder.size
    old.write(b"still here\n")
    assert recorder.streams("old")[0].text() == "still here\n"
    assert recorder.size == before + old.size


def test_a_function_keeps_its_newest_streams():
    recorder = Recorder()
    for number in range(STREAMS + 1):
        recorder.stream(Origin("f"), str(number))
    assert [each.name for each in recorder.streams("f")] == [str(number) for number in range(1, STREAMS + 1)]
    assert recorder.size == held(recorder, "f")


def test_a_deleted_functions_last_words_are_not_kept():
    recorder = Recorder()
    log = recorder.stream(Origin("f"), "s")
    log.write(b"x" * 1000)
    recorder.forget("f")
    log.write(b"last words\n")
    assert (recorder.streams("f"), recorder.size) == ([], 0)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["write", "begin", "say", "forget"]), st.integers(0, 900_000))
    )
)
def test_the_sum_is_always_what_the_streams_hold(steps):
    recorder = Recorder(clock=lambda: 0.0)
    streams = [recorder.stream(Origin(f"f{number % 2}"), str(number)) for number in range(6)]
    for number, what, size in steps:
        acts = {
            "write": lambda log: log.write(b"x" * size),  # noqa: B023 called at once
            "begin": lambda log: log.begin("r"),
            "say": lambda log: log.end_init(1.0, status="timeout"),
            "forget": lambda log: recorder.forget(log.origin.function_name),
        }
        acts[what](streams[number])
        assert recorder.size == held(recorder, "f0") + held(recorder, "f1")


@pytest.fixture(scope="module")
def long_lived() -> Recorder:
    recorder = Recorder()
    for number in range(TRACES + 3 * BATCH):
        recorder.record(dataclasses.replace(TRACE, request_id=str(number)))
    return recorder


def test_traces_forget_the_oldest(long_lived):
    assert long_lived.trace("0") is None
    assert [long_lived.trace(str(TRACES + 3 * BATCH - back)).request_id for back in (1, TRACES)]


def test_runs_are_told_once_and_of_very_many_the_newest(long_lived):
    runs = TRACES + 3 * BATCH
    assert long_lived.runs == runs
    for back in (0, 2, 3 * BATCH, TRACES):
        found = [trace.request_id for trace in long_lived.runs_since(runs - back)]
        assert found == [str(number) for number in range(runs - back, runs)]
    assert TRACES <= len(list(long_lived.runs_since(0))) == runs - long_lived.first_run < TRACES + 2 * BATCH


@given(st.lists(st.sampled_from("rrrrxl"), max_size=400), st.integers(0, 400))
def test_what_lies_on_disk_is_read_as_if_it_were_in_memory(steps, since):
    recorder, runs = Recorder(), []
    for at, step in enumerate(steps):
        if step == "l" and runs:  # extensions end late
            runs[at % len(runs)] = dataclasses.replace(runs[at % len(runs)], duration_s=9.0)
            recorder.lengthen(runs[at % len(runs)])
        else:
            name = "again" if step == "x" else str(at)  # an event that is tried again keeps its id
            runs.append(dataclasses.replace(TRACE, request_id=name, arrived_at=float(at)))
            recorder.record(runs[-1])
    assert list(recorder.runs_since(since)) == runs[since:]
    assert recorder.traces() == list({trace.request_id: trace for trace in runs}.values())
    for trace in recorder.traces():
        assert recorder.trace(trace.request_id) == trace


def test_a_cleared_recorder_knows_no_run_and_goes_on_counting():
    recorder = Recorder()
    for number in range(3 * BATCH + 1):
        recorder.record(dataclasses.replace(TRACE, request_id=str(number)))
    recorder.clear()
    assert (recorder.traces(), recorder.runs, recorder.first_run) == ([], 3 * BATCH + 1, 3 * BATCH + 1)


def test_an_event_that_is_tried_again_has_two_runs_and_one_trace():
    recorder = Recorder()
    recorder.record(TRACE)
    recorder.lengthen(dataclasses.replace(TRACE, duration_s=9.0))  # with its extensions
    recorder.record(dataclasses.replace(TRACE, arrived_at=60.0))
    assert [(trace.arrived_at, trace.duration_s) for trace in recorder.runs_since(0)] == [(0.0, 9.0), (60.0, 0.00301)]
    assert recorder.traces() == [dataclasses.replace(TRACE, arrived_at=60.0)]


# --- what CloudWatch has not yet


def test_a_deleted_functions_streams_wait_for_cloudwatch_within_their_bound():
    recorder = Recorder()
    for number in range(20):
        stream_of_it = recorder.stream(Origin("f"), str(number))
        stream_of_it.begin("r")
        stream_of_it.write(b"x" * 1_000_000)
    recorder.forget("f")
    left = recorder.all_streams()
    assert [each.name for each in left] == [str(number) for number in range(20 - len(left), 20)]
    assert sum(each.size for each in left) <= LEFT_BYTES
    assert recorder.lost == {"f": 20 - len(left)}


def test_what_is_let_go_has_been_brought_and_runs_no_more():
    recorder = Recorder()
    for request_id in ("over", "running"):
        recorder.stream(Origin("f"), request_id).begin(request_id)
    recorder.forget("f")
    over, running = recorder.all_streams()
    over.open_entry.ended = True
    later = recorder.stream(Origin("g"), "later")
    recorder.forget("g")
    recorder.let_go([over, running])
    assert recorder.all_streams() == [running, later]


# --- an init's parts


def test_the_parts_of_an_init_add_up_to_it():
    report = {"started": 1.01, "load_started": 1.03, "loaded": 1.09, "imports": [["numpy", 0.04]]}
    phases = phases_of(report, spawned=1.0, ready=1.1)
    assert phases.total_s == pytest.approx(0.1)
    assert (phases.process_start_s, phases.imports_s) == (pytest.approx(0.01), pytest.approx(0.04))


def test_a_report_that_is_not_there_gives_no_parts():
    assert phases_of({}, 0.0, 1.0) is None

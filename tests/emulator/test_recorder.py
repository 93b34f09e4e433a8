"""Log streams and what bounds them."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.loglines import FRAME_MAGIC, Origin, report_line
from labkit.emulator.recorder import (
    LEFT_BYTES,
    STREAM_BYTES,
    STREAMS,
    TOTAL_BYTES,
    TRACES,
    LogStream,
    Recorder,
    log_tail,
    phases_of,
)
from labkit.model import LoggingConfig, Status, Trace

TRACE = Trace(
    request_id="r1", function_name="f", version="$LATEST", environment_id="e", log_stream="s", arrived_at=0.0,
    queued_s=0.1, duration_s=0.00301, memory_mb=128, max_memory_mb=36, status=Status.SUCCESS,
)  # fmt: skip
AS_JSON = Origin("f", logging=LoggingConfig("JSON"))


def stream(origin: Origin = Origin("f")) -> LogStream:  # noqa: B008 it is frozen
    return LogStream("s", origin, clock=lambda: 0.0)


def held(recorder: Recorder, function_name: str) -> int:
    return sum(each.size for each in recorder.streams(function_name))


# --- one stream


def test_an_invocation_stands_between_start_and_report():
    log = stream()
    log.begin_init()
    log.write(b"loading\n")
    log.begin("r1").trace = TRACE
    log.write(b"hello\n")
    lines = log.text().splitlines()
    assert [line.split()[0] for line in lines] == ["INIT_START", "loading", "START", "hello", "END", "REPORT"]


def test_what_the_platform_says_stands_where_it_was_said():
    log = stream()
    log.write(b"first\n")
    log.end_init(1.0, status="timeout")
    log.write(b"second\n")
    log.end_init(1.0, phase="invoke", status="timeout")
    assert [line.split("\t")[0] for line in log.text().splitlines()] == [
        "first", "INIT_REPORT Init Duration: 1000.00 ms", "second", "INIT_REPORT Init Duration: 1000.00 ms"
    ]  # fmt: skip


def test_the_words_of_a_timeout_are_a_line_in_text_and_a_status_in_json():
    texts = []
    for origin in (Origin("f"), AS_JSON):
        entry = stream(origin).begin("r1")
        entry.closing, entry.trace = "Task timed out\n", dataclasses.replace(TRACE, status=Status.TIMEOUT)
        texts.append(entry.text())
    assert ["Task timed out" in text for text in texts] == [True, False]
    assert '"status":"timeout"' in texts[1]


def test_a_log_tail_is_at_most_4_kb_and_ends_with_the_report():
    log = stream()
    entry = log.begin("r1")
    log.write(b"x" * 10_000 + b"\n")
    entry.trace = TRACE
    assert len(log_tail(entry)) == 4096
    assert log_tail(entry).endswith(report_line(TRACE).encode() + b"\n")


@pytest.mark.parametrize(("origin", "first"), [(Origin("f"), b"START"), (AS_JSON, b'{"time":')])
def test_the_tail_of_a_first_invocation_shows_its_init_in_json(origin, first):
    log = stream(origin)
    log.begin_init()
    tail = log_tail(log.begin("r1"))
    assert tail.startswith(first)
    assert (b"platform.initStart" in tail) is origin.as_json


def test_the_tail_of_a_second_invocation_shows_no_init():
    log = stream(AS_JSON)
    log.begin_init()
    log.begin("r1").trace = TRACE
    assert b"platform.initStart" not in log_tail(log.begin("r2"))


@given(st.lists(st.integers(1, 30), max_size=30))
def test_a_frame_may_come_in_pieces(sizes):
    message = b"a message of some length\n"
    output = (FRAME_MAGIC + b"\x03" + len(message).to_bytes(4, "big") + b"\0" * 8 + message) * 3
    log = stream()
    for size in sizes:
        log.write(output[:size])
        output = output[size:]
    log.write(output)
    assert log.text() == message.decode() * 3


# --- bounds


def test_a_stream_keeps_its_newest_part():
    log = stream()
    for number in range(50):
        log.begin(f"r{number}")
        log.write(b"x" * 100_000)
    text = log.text()
    assert len(text) < STREAM_BYTES + 200_000
    assert "r49" in text
    assert "RequestId: r0 " not in text


@pytest.mark.parametrize("chunk", [7, 65_536, 1_000_000])
def test_one_endless_line_does_not_fill_the_memory(chunk):
    log = stream()
    log.begin("r")
    for _ in range(3 * STREAM_BYTES // chunk):
        log.write(b"y" * chunk)
    assert STREAM_BYTES / 4 < len(log.text()) < STREAM_BYTES + 1_000_000
    assert log.size <= STREAM_BYTES + 1_000_000


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


def test_traces_forget_the_oldest():
    recorder = Recorder()
    for number in range(TRACES + 1):
        recorder.record(dataclasses.replace(TRACE, request_id=str(number)))
    assert recorder.trace("0") is None
    assert recorder.trace(str(TRACES)) is not None


def test_runs_are_told_once_and_of_very_many_the_newest():
    recorder = Recorder()
    for number in range(TRACES + 3):
        recorder.record(dataclasses.replace(TRACE, request_id=str(number)))
    assert [trace.request_id for trace in recorder.runs_since(recorder.runs - 2)] == [str(TRACES + 1), str(TRACES + 2)]
    assert len(recorder.runs_since(0)) == TRACES
    assert recorder.runs_since(recorder.runs) == []


def test_an_event_that_is_tried_again_has_two_runs_and_one_trace():
    recorder = Recorder()
    recorder.record(TRACE)
    recorder.record(dataclasses.replace(TRACE, duration_s=9.0))  # with its extensions
    recorder.record(dataclasses.replace(TRACE, arrived_at=60.0))
    assert [trace.arrived_at for trace in recorder.runs_since(0)] == [0.0, 60.0]
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


def test_a_stream_tells_how_many_invocations_fell_out_before_they_were_sent():
    log = stream()
    for number in range(5):
        log.begin(f"r{number}")
        log.write(b"x" * 1_000_000)
        log.entries[-1].done = number == 0  # CloudWatch has this one
    kept = [entry.request_id for entry in log.entries]
    assert kept == ["r3", "r4"]
    assert log.lost == 2


# --- an init's parts


def test_the_parts_of_an_init_add_up_to_it():
    report = {"started": 1.01, "load_started": 1.03, "loaded": 1.09, "imports": [["numpy", 0.04]]}
    phases = phases_of(report, spawned=1.0, ready=1.1)
    assert phases.total_s == pytest.approx(0.1)
    assert (phases.process_start_s, phases.imports_s) == (pytest.approx(0.01), pytest.approx(0.04))


def test_a_report_that_is_not_there_gives_no_parts():
    assert phases_of({}, 0.0, 1.0) is None

"""Log streams and REPORT lines."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.recorder import (
    FRAME_MAGIC,
    STREAM_BYTES,
    TRACES,
    LogStream,
    Recorder,
    init_report_line,
    log_tail,
    phases_of,
    report_line,
    unframe,
)
from labkit.model import Status, Trace

TRACE = Trace(
    request_id="r1", function_name="f", version="$LATEST", environment_id="e", log_stream="s", arrived_at=0.0,
    queued_s=0.1, duration_s=0.00301, memory_mb=128, max_memory_mb=36, status=Status.SUCCESS,
)  # fmt: skip


def frame(message: bytes) -> bytes:
    return FRAME_MAGIC + b"\x03" + len(message).to_bytes(4, "big") + b"\0" * 8 + message


def test_a_warm_report():
    assert report_line(TRACE) == (
        "REPORT RequestId: r1\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t"
    )


def test_a_cold_report_ends_with_init_duration_and_a_tab():
    line = report_line(dataclasses.replace(TRACE, init_s=0.1101))
    assert line.endswith(
        "\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t"
    )


@pytest.mark.parametrize(
    ("change", "end"),
    [
        ({"status": Status.TIMEOUT, "error_type": "Sandbox.Timedout"}, "\tStatus: timeout"),
        ({"status": Status.ERROR, "error_type": "Runtime.ExitError"}, "\tStatus: error\tError Type: Runtime.ExitError"),
        ({"status": Status.ERROR, "error_type": "KeyError"}, "36 MB\t"),
    ],
)
def test_a_report_names_what_the_platform_ended(change, end):
    assert report_line(dataclasses.replace(TRACE, **change)).endswith(end)


def test_a_failed_init_has_a_line_of_its_own():
    assert init_report_line(0.25, phase="init") == "INIT_REPORT Init Duration: 250.00 ms\tPhase: init"
    assert init_report_line(9.99979, phase="init", status="timeout") == (
        "INIT_REPORT Init Duration: 9999.79 ms\tPhase: init\tStatus: timeout"
    )


def test_prints_and_frames_keep_their_order():
    assert unframe(b"one\n" + frame(b"two\nlines") + b"three") == "one\ntwo\nlines\nthree\n"


@given(
    st.lists(
        st.tuples(st.booleans(), st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1))
    )
)
def test_every_line_comes_out_as_it_was_written(lines):
    stream = b"".join(frame(text.encode()) if framed else text.encode() + b"\n" for framed, text in lines)
    assert unframe(stream) == "".join(text + "\n" for _, text in lines)


@given(st.binary())
def test_no_output_is_too_strange(output):
    assert isinstance(unframe(output), str)


def test_a_log_tail_is_at_most_4_kb_and_ends_with_the_report():
    stream = LogStream("s")
    entry = stream.begin("r1", "$LATEST")
    stream.write(b"x" * 10_000 + b"\n")
    entry.trace = TRACE
    assert len(log_tail(entry)) == 4096
    assert log_tail(entry).endswith(report_line(TRACE).encode() + b"\n")


def test_a_stream_keeps_its_newest_part():
    stream = LogStream("s")
    for number in range(50):
        stream.begin(f"r{number}", "$LATEST")
        stream.write(b"x" * 100_000)
    text = stream.text()
    assert len(text) < STREAM_BYTES + 200_000
    assert "r49" in text
    assert "RequestId: r0 " not in text


def test_one_endless_invocation_does_not_fill_the_memory():
    stream = LogStream("s")
    stream.begin("r", "$LATEST")
    for _ in range(200):
        stream.write(b"y" * 65_536)
    assert len(stream.text()) < STREAM_BYTES + 100_000


def test_traces_forget_the_oldest():
    recorder = Recorder()
    for number in range(TRACES + 1):
        recorder.record(dataclasses.replace(TRACE, request_id=str(number)))
    assert recorder.trace("0") is None
    assert recorder.trace(str(TRACES)) is not None


def test_the_parts_of_an_init_add_up_to_it():
    report = {"started": 1.01, "load_started": 1.03, "loaded": 1.09, "imports": [["numpy", 0.04]]}
    phases = phases_of(report, spawned=1.0, ready=1.1)
    assert phases.total_s == pytest.approx(0.1)
    assert (phases.process_start_s, phases.imports_s) == (pytest.approx(0.01), pytest.approx(0.04))


def test_a_report_that_is_not_there_gives_no_parts():
    assert phases_of({}, 0.0, 1.0) is None

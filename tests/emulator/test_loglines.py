"""What the platform writes, in Text and JSON, and what levels let through."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator import loglines
from labkit.emulator.loglines import (
    FRAME_MAGIC,
    LEVELS,
    Origin,
    application,
    init_report_line,
    log_group,
    log_variables,
    report_line,
    runtime_version_arn,
    stream_name,
)
from labkit.model import FunctionConfig, LoggingConfig, Status, Trace

NOW = 1_791_444_627.768  # 2026-10-08T07:30:27.768Z
TRACE = Trace(
    request_id="r1", function_name="f", version="$LATEST", environment_id="e", log_stream="s", arrived_at=NOW,
    queued_s=0.1, duration_s=0.00301, memory_mb=128, max_memory_mb=36, status=Status.SUCCESS,
)  # fmt: skip
TIMEOUT = {"status": Status.TIMEOUT, "error_type": "Sandbox.Timedout"}
EXIT = {"status": Status.ERROR, "error_type": "Runtime.ExitError"}
RAISED = {"status": Status.ERROR, "error_type": "KeyError"}


def origin(system="INFO", application_level="INFO", **changes) -> Origin:
    config = LoggingConfig("JSON", application_level, system)
    given = {"function_name": "notifier", "memory_mb": 256, "instance_id": "2026/10/08/notifier[$LATEST]22"}
    return Origin(**given | changes, logging=config)


def records(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def kinds(text: str) -> list[str]:
    return [record["type"].removeprefix("platform.") for record in records(text)]


def frame(message: bytes, kind: int = 0x03) -> bytes:
    return FRAME_MAGIC + bytes([kind]) + len(message).to_bytes(4, "big") + b"\0" * 8 + message


# --- Text


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
    [(TIMEOUT, "\tStatus: timeout"), (EXIT, "\tStatus: error\tError Type: Runtime.ExitError"), (RAISED, "36 MB\t")],
)
def test_a_report_names_what_the_platform_ended(change, end):
    assert report_line(dataclasses.replace(TRACE, **change)).endswith(end)


def test_a_failed_init_has_a_line_of_its_own():
    assert init_report_line(9.99979, "init", "timeout") == (
        "INIT_REPORT Init Duration: 9999.79 ms\tPhase: init\tStatus: timeout"
    )


def test_a_good_init_leaves_no_report_in_text():
    assert loglines.init_report(Origin(), NOW, 0.1) == ""


def test_the_first_line_names_the_interpreter_that_runs():
    line = loglines.init_start(Origin(region="eu-west-1"), NOW)
    own = f"python:{sys.version_info.major}.{sys.version_info.minor}.v{sys.version_info.micro}"
    arn = r"arn:aws:lambda:eu-west-1::runtime:[0-9a-f]{64}"
    assert re.fullmatch(rf"INIT_START Runtime Version: {re.escape(own)}\tRuntime Version ARN: {arn}\n", line)
    assert runtime_version_arn("eu-west-1") in line


def test_a_restored_environment_says_so_in_text():
    assert loglines.restore_start(Origin(), NOW).startswith("RESTORE_START Runtime Version: python:")
    assert loglines.restore_report(Origin(), NOW, 0.61791) == "RESTORE_REPORT Restore Duration: 617.91 ms\n"


# --- JSON


def test_an_init_start_record_has_the_fields_of_a_recorded_one():
    """CloudWatch, 2026: names, order and the unit of instanceMaxMemory."""
    (record,) = records(loglines.init_start(origin(), NOW))
    assert (record["time"], record["type"]) == ("2026-10-08T07:30:27.768Z", "platform.initStart")
    assert list(record["record"]) == [
        "initializationType", "phase", "runtimeVersion", "runtimeVersionArn", "functionName", "functionVersion",
        "instanceId", "instanceMaxMemory",
    ]  # fmt: skip
    assert record["record"]["instanceMaxMemory"] == 268_435_456


def test_a_start_record_stands_as_recorded():
    assert loglines.start(origin(), NOW, "79b5", "arn:aws:lambda:eu-central-1:1:function:notifier") == (
        '{"time":"2026-10-08T07:30:27.768Z","type":"platform.start","record":{"requestId":"79b5",'
        '"functionArn":"arn:aws:lambda:eu-central-1:1:function:notifier","version":"$LATEST"}}\n'
    )


def test_a_report_record_stands_as_recorded():
    trace = dataclasses.replace(
        TRACE, duration_s=1.23396, init_s=0.463512, memory_mb=256, max_memory_mb=123, arrived_at=NOW - 1.33396
    )
    assert loglines.end(origin(), trace) == (
        '{"time":"2026-10-08T07:30:27.768Z","type":"platform.report","record":{"requestId":"r1","metrics":'
        '{"durationMs":1233.96,"billedDurationMs":1698,"memorySizeMB":256,"maxMemoryUsedMB":123,'
        '"initDurationMs":463.512},"status":"success"}}\n'
    )


def test_a_timeout_stands_as_recorded():
    """CloudWatch, 2026: both records, neither with an error type."""
    done, report = records(loglines.end(origin(), dataclasses.replace(TRACE, **TIMEOUT, duration_s=5.0)))
    assert done["record"] == {
        "requestId": "r1", "status": "timeout", "metrics": {"durationMs": 5000.0, "producedBytes": 0}
    }  # fmt: skip
    assert report["record"] == {
        "requestId": "r1", "status": "timeout", "metrics": {
            "durationMs": 5000.0, "billedDurationMs": 5000, "memorySizeMB": 128, "maxMemoryUsedMB": 36,
        },
    }  # fmt: skip


def test_what_the_platform_ended_carries_its_error_type():
    done, report = records(loglines.end(origin(), dataclasses.replace(TRACE, **EXIT)))
    for record in (done["record"], report["record"]):
        assert (record["status"], record["errorType"]) == ("error", "Runtime.ExitError")


def test_a_handlers_own_exception_is_a_success_to_the_platform():
    (report,) = records(loglines.end(origin(), dataclasses.replace(TRACE, **RAISED)))
    assert report["record"]["status"] == "success"


def test_an_answers_size_is_in_the_record_of_the_runtime():
    done, _ = records(loglines.end(origin("DEBUG"), TRACE, produced_bytes=40))
    assert done["record"]["metrics"] == {"durationMs": 3.01, "producedBytes": 40}


def test_a_failed_init_leaves_two_warnings():
    text = loglines.init_report(origin("WARN"), NOW, 10.0, status="timeout", phase="invoke")
    done, report = records(text)
    assert done["type"] == "platform.initRuntimeDone"
    assert report["record"] == {
        "initializationType": "on-demand", "phase": "invoke", "status": "timeout", "metrics": {"durationMs": 10_000.0}
    }  # fmt: skip


def test_a_sampled_request_shows_its_trace_header():
    header = "Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1"
    (record,) = records(loglines.start(origin(), NOW, "r1", tracing=header))
    assert record["record"]["tracing"] == {"type": "X-Amzn-Trace-Id", "value": header}


def test_a_request_that_is_not_sampled_shows_none():
    (record,) = records(loglines.start(origin(), NOW, "r1", tracing="Root=1-62e9;Sampled=0"))
    assert "tracing" not in record["record"]


SYSTEM = [  # AWS's table "System log level event mapping"
    ("DEBUG", ["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"]),
    ("INFO", ["initStart", "start", "report"]),
    ("WARN", []),
]


@pytest.mark.parametrize(("level", "expected"), SYSTEM)
def test_a_system_level_lets_through_what_awss_table_says(level, expected):
    of = origin(level)
    text = loglines.init_start(of, NOW) + loglines.init_report(of, NOW, 0.1)
    assert kinds(text + loglines.start(of, NOW, "r1") + loglines.end(of, TRACE)) == expected


def test_failures_pass_at_every_system_level():
    assert kinds(loglines.end(origin("WARN"), dataclasses.replace(TRACE, **TIMEOUT))) == ["runtimeDone", "report"]


def test_a_provisioned_environment_reports_its_good_init_at_info():
    provisioned = origin(initialization_type="provisioned-concurrency")
    assert kinds(loglines.init_report(provisioned, NOW, 0.1)) == ["initReport"]


def test_a_restored_environment_says_so_in_json():
    start, report = records(loglines.restore_start(origin(), NOW) + loglines.restore_report(origin(), NOW, 0.5))
    assert (start["type"], report["type"]) == ("platform.restoreStart", "platform.restoreReport")
    assert report["record"] == {"status": "success", "metrics": {"durationMs": 500.0}}
    assert loglines.restore_report(origin("WARN"), NOW, 0.5) == ""


# --- groups, streams, variables


def test_streams_of_a_shared_group_name_their_function():
    day = datetime(2026, 10, 8, tzinfo=UTC)
    own = FunctionConfig("f", "f.handler")
    shared = dataclasses.replace(own, logging=LoggingConfig(group="shop"))
    assert stream_name(own, "$LATEST", day, "ab") == "2026/10/08/[$LATEST]ab"
    assert stream_name(shared, "7", day, "ab") == "2026/10/08/f[7]ab"
    assert (log_group(own), log_group(shared)) == ("/aws/lambda/f", "shop")


def test_text_leaves_format_and_level_to_the_function():
    assert log_variables(FunctionConfig("f", "f.handler")) == {"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f"}


def test_json_tells_the_runtime_its_format_and_level():
    config = FunctionConfig("f", "f.handler", logging=LoggingConfig("JSON", "DEBUG", "WARN", "shop"))
    assert log_variables(config) == {
        "AWS_LAMBDA_LOG_GROUP_NAME": "shop", "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"
    }  # fmt: skip


# --- the handler's output


def test_prints_and_frames_keep_their_order():
    assert application(b"one\n" + frame(b"two\nlines") + b"three") == "one\ntwo\nlines\nthree\n"


@given(
    st.lists(
        st.tuples(st.booleans(), st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1))
    )
)
def test_every_line_comes_out_as_it_was_written(lines):
    stream = b"".join(frame(text.encode()) if framed else text.encode() + b"\n" for framed, text in lines)
    assert application(stream) == "".join(text + "\n" for _, text in lines)


PIECES = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda kind, rest: FRAME_MAGIC + bytes([kind]) + rest, st.integers(0, 255), st.binary(max_size=24)),
    st.builds(frame, st.binary(max_size=20), st.sampled_from([2, 3, 0x0A, 0x0F, 0x1B])),
)


@given(st.lists(PIECES, max_size=8).map(b"".join), st.integers(0, len(LEVELS) - 1))
def test_no_output_is_too_strange(output, lowest):
    text = application(output, lowest)
    assert text == "" or text.endswith("\n")


@given(st.lists(PIECES, max_size=8).map(b"".join), st.text(alphabet="abc", min_size=1))
def test_what_follows_a_broken_frame_is_not_lost(garbage, words):
    assert words in application(garbage + b"\0" * 0xFFFF + words.encode())


def test_what_only_looks_like_a_frame_is_a_print():
    assert application(FRAME_MAGIC + b"\xffhello\n" + frame(b"framed")).endswith("hello\nframed\n")


@pytest.mark.parametrize("lowest", range(1, len(LEVELS)))
def test_frames_pass_from_their_level_on(lowest):
    stream = b"".join(frame(level.encode(), (number + 1) * 4 + 2) for number, level in enumerate(LEVELS))
    assert application(stream, lowest).split() == list(LEVELS[lowest:])


def test_all_lines_of_a_framed_message_stay_together():
    assert application(frame(b"an error\nof two lines", 0x17), LEVELS.index("ERROR")) == "an error\nof two lines\n"


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ('{"level":"debug","timestamp":"2024-11-02T16:51:31.587199Z"}', "DEBUG"),
        ('{"level":"WARNING","timestamp":"2024-11-02T16:51:31Z"}', "WARN"),
        ('{"level":"CRITICAL","timestamp":"2024-11-02T16:51:31Z"}', "FATAL"),
        ('{"level":"ERROR"}', "INFO"),
        ('{"level":"ERROR","timestamp":"yesterday"}', "INFO"),
        ('{"level":"ERROR","timestamp":"2024-11-02T16:51:31"}', "INFO"),
        ('{"level":"loud","timestamp":"2024-11-02T16:51:31Z"}', "INFO"),
        ('{"level":3,"timestamp":7}', "INFO"),
        ("{" * 5000, "INFO"),
        ('{"level"', "INFO"),
        ("hello", "INFO"),
    ],
)
def test_a_print_has_the_level_that_it_names_with_a_time_else_info(line, level):
    lowest = LEVELS.index(level)
    assert application(line.encode(), lowest) == line + "\n"
    assert lowest == len(LEVELS) - 1 or application(line.encode(), lowest + 1) == ""

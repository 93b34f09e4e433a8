"""Logs of real functions, in both formats, as boto3, the lab and the handler see them."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from labkit import Lab
from labkit.emulator.logstream import STREAM_BYTES
from labkit.emulator.operations.logging_config import LEVEL_WITH_TEXT

pytestmark = pytest.mark.process

SAYS = (
    "import logging\n"
    "print('loading')\n"
    "def handler(event, context):\n"
    "    print('plain')\n"
    '    print(\'{"level":"debug","timestamp":"2024-11-02T16:51:31Z","message":"printed"}\')\n'
    "    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):\n"
    "        logging.getLogger().log(level, 'logged at %d', level)\n"
    "    return 'answer'\n"
)


def zipped(source: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("f.py", source)
    return content.getvalue()


def created(aws: Any, source: str = SAYS, timeout: int = 10, **logging: str) -> dict[str, Any]:
    return aws.create_function(
        FunctionName="f", Runtime="python3.13", Handler="f.handler", Role="arn:aws:iam::123456789012:role/r",
        Code={"ZipFile": zipped(source)}, Timeout=timeout, **({"LoggingConfig": logging} if logging else {}),
    )  # fmt: skip


def tail(aws: Any) -> list[str]:
    answer = aws.invoke(FunctionName="f", LogType="Tail", Payload=b"{}")
    return base64.b64decode(answer["LogResult"]).decode().splitlines()


def log(lab: Lab) -> list[str]:
    return [line for _, text in lab.logs("f") for line in text.splitlines()]


def of_platform(lines: list[str]) -> list[str]:
    said = [json.loads(line) for line in lines if line.startswith("{")]
    return [record["type"].removeprefix("platform.") for record in said if "type" in record]


def messages(lines: list[str]) -> list[str]:
    said = [json.loads(line) if line.startswith("{") else {"message": line} for line in lines]
    return [record["message"] for record in said if "message" in record]


# --- Text


def test_a_stream_begins_with_init_start(lab, aws):
    created(aws)
    tail(aws)
    lines = log(lab)
    assert lines[0].startswith("INIT_START Runtime Version: python:3.")
    assert [lines[1], lines[2].split()[0]] == ["loading", "START"]


def test_a_tail_in_text_begins_with_start_and_ends_with_report(lab, aws):
    created(aws)
    lines = tail(aws)
    assert [lines[0].split()[0], lines[-2].split()[0], lines[-1].split()[0]] == ["START", "END", "REPORT"]


def test_an_environment_has_one_init_start_even_if_its_process_dies(lab, aws):
    created(aws, "import os\ndef handler(event, context): os._exit(1)")
    tail(aws)
    tail(aws)
    assert sum(line.startswith("INIT_START") for line in log(lab)) == 1


# --- JSON


def test_every_line_of_the_platform_is_a_record_in_json(lab, aws):
    created(aws, LogFormat="JSON")
    lines = tail(aws)
    assert of_platform(lines) == ["initStart", "start", "report"]
    start, report = (json.loads(lines[at])["record"] for at in (2, -1))
    assert start["functionArn"] == "arn:aws:lambda:us-east-1:123456789012:function:f"
    assert report["requestId"] == start["requestId"]
    assert report["metrics"]["billedDurationMs"] >= report["metrics"]["durationMs"]
    assert report["metrics"]["initDurationMs"] > 0


def test_all_records_are_there_at_system_level_debug(lab, aws):
    created(aws, LogFormat="JSON", SystemLogLevel="DEBUG")
    lines = tail(aws)
    assert of_platform(lines) == ["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"]
    done = json.loads(lines[-2])["record"]
    assert done["metrics"]["producedBytes"] == len('"answer"')


def test_only_what_went_wrong_is_there_at_system_level_warn(lab, aws):
    created(aws, LogFormat="JSON", SystemLogLevel="WARN")
    assert of_platform(tail(aws)) == []


APPLICATION = {
    "TRACE": ["loading", "plain", "printed", "logged at 10", "logged at 20", "logged at 30", "logged at 40"],
    "DEBUG": ["loading", "plain", "printed", "logged at 10", "logged at 20", "logged at 30", "logged at 40"],
    "INFO": ["loading", "plain", "logged at 20", "logged at 30", "logged at 40"],
    "WARN": ["logged at 30", "logged at 40"],
    "ERROR": ["logged at 40"],
    "FATAL": [],
}


@pytest.mark.parametrize(("level", "expected"), APPLICATION.items())
def test_an_application_level_lets_through_what_is_as_high(lab, aws, level, expected):
    created(aws, LogFormat="JSON", ApplicationLogLevel=level)
    assert messages(tail(aws)) == expected


def test_a_message_of_logging_carries_the_request_id(lab, aws):
    created(aws, LogFormat="JSON")
    said = [json.loads(line) for line in tail(aws) if "logged at 20" in line]
    assert [(each["level"], len(each["requestId"])) for each in said] == [("INFO", 36)]


def test_a_timeout_in_json_is_a_status_and_no_line_of_text(lab, aws):
    created(aws, "import time\ndef handler(event, context): time.sleep(60)", timeout=1, LogFormat="JSON")
    lines = tail(aws)
    assert of_platform(lines)[-2:] == ["runtimeDone", "report"]
    assert json.loads(lines[-1])["record"]["status"] == "timeout"
    assert "Task timed out" not in "".join(lines)


def test_an_exception_in_json_is_an_object_of_level_error(lab, aws):
    created(aws, "def handler(event, context): return 1 / 0", LogFormat="JSON")
    (error,) = [json.loads(line) for line in tail(aws) if "ZeroDivisionError" in line]
    assert (error["level"], error["errorType"]) == ("ERROR", "ZeroDivisionError")


def test_a_failed_init_in_json_is_reported_for_both_phases(lab, aws):
    created(aws, "import no_such_module", LogFormat="JSON")
    tail(aws)
    reports = [json.loads(line)["record"] for line in log(lab) if "platform.initReport" in line]
    assert [(each["phase"], each["status"]) for each in reports] == [("init", "error"), ("invoke", "error")]


# --- configuration


def test_levels_with_text_are_refused_in_awss_words(lab, aws):
    with pytest.raises(ClientError) as refused:
        created(aws, LogFormat="Text", SystemLogLevel="INFO")
    assert refused.value.response["Error"] == {"Code": "InvalidParameterValueException", "Message": LEVEL_WITH_TEXT}


def test_a_custom_log_group_is_named_to_the_process_and_in_the_stream(lab, aws):
    source = "def handler(event, context): return [context.log_group_name, context.log_stream_name]"
    config = created(aws, source, LogGroup="shop")["LoggingConfig"]
    assert config == {"LogFormat": "Text", "LogGroup": "shop"}
    group, stream = json.loads(aws.invoke(FunctionName="f")["Payload"].read())
    assert group == "shop"
    assert "/f[$LATEST]" in stream
    assert [name for name, _ in lab.logs("f")] == [stream]


def test_a_changed_format_starts_with_a_fresh_environment(lab, aws):
    created(aws)
    tail(aws)
    updated = aws.update_function_configuration(FunctionName="f", LoggingConfig={"LogFormat": "JSON"})
    assert updated["LoggingConfig"] == {
        "LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": "/aws/lambda/f"
    }  # fmt: skip
    aws.get_waiter("function_updated_v2").wait(FunctionName="f")
    assert of_platform(tail(aws)) == ["initStart", "start", "report"]


# --- floods


def test_a_flood_of_output_fills_no_memory_and_stops_nobody(own_lab):
    """Half a gigabyte in one line without an end; another function answers meanwhile."""
    flood = (
        "import sys\n"
        "def handler(event, context):\n"
        "    for _ in range(512): sys.stdout.buffer.write(b'x' * 1_048_576)\n"
        "    return 'done'\n"
    )
    own_lab.deploy("flood", flood, timeout_s=120, memory_mb=256)
    own_lab.deploy("f", "def handler(event, context): return 'here'")
    own_lab.invoke("f")
    emulator = psutil.Process(own_lab.status()["pid"])
    before = emulator.memory_info().rss
    with ThreadPoolExecutor(1) as pool:
        flooding = pool.submit(own_lab.invoke, "flood")
        answers = [own_lab.invoke("f").payload]
        while not flooding.done():
            answers.append(own_lab.invoke("f").payload)
    assert flooding.result().payload == "done"
    assert set(answers) == {"here"}
    assert emulator.memory_info().rss - before < 64 * 1024 * 1024
    assert len(own_lab.logs("flood")[0][1]) < STREAM_BYTES + 200_000


def test_garbage_on_the_log_descriptor_spoils_no_log(lab, aws):
    garbage = (
        "import os, logging\n"
        "def handler(event, context):\n"
        "    fd = logging.getLogger().handlers[0].log_sink.fd\n"
        "    os.write(fd, b'\\xa5\\x5a\\x00\\x03\\xff\\xff\\xff\\xff' + b'\\x00' * 8 + b'too long')\n"
        "    os.write(fd, b'\\xa5\\x5a\\x00\\x77garbage\\n')\n"
        "    print('after')\n"
    )
    created(aws, garbage)
    lines = tail(aws)
    assert "after" in lines
    assert lines[-1].startswith("REPORT")

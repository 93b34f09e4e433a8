"""What a caller gets for every way in which a handler can end: real processes, AWS's words."""

from __future__ import annotations

import json

import pytest

from labkit import Lab
from labkit.model import Status

pytestmark = pytest.mark.process


def outcome(lab: Lab, source: str, event: object = None, **config: object):
    return lab.deploy("f", source, **config).invoke(event)


def test_a_handler_gets_its_event_and_its_answer_comes_back(lab):
    assert outcome(lab, "def handler(event, context): return {'twice': 2 * event['x']}", {"x": 21}).payload == {
        "twice": 42
    }


def test_no_payload_is_an_empty_event(lab):
    assert outcome(lab, "def handler(event, context): return event").payload == {}


def test_none_comes_back_as_null(lab):
    result = outcome(lab, "def handler(event, context): pass")
    assert (result.status, result.payload) == (Status.SUCCESS, None)


def test_a_returned_object_that_looks_like_an_error_is_a_success(lab):
    result = outcome(lab, "def handler(event, context): return {'errorType': 'X', 'errorMessage': 'y'}")
    assert result.ok
    assert result.payload == {"errorType": "X", "errorMessage": "y"}


def test_unicode_survives_both_ways(lab):
    text = "Grüße, 世界 🌍"
    assert outcome(lab, "def handler(event, context): return event", text).payload == text


def test_the_context_says_what_lambda_says(lab):
    source = (
        "def handler(event, context):\n"
        "    return [context.function_name, context.function_version, context.memory_limit_in_mb,\n"
        "            context.invoked_function_arn, context.log_group_name, context.aws_request_id,\n"
        "            0 < context.get_remaining_time_in_millis() <= 7000]\n"
    )
    result = outcome(lab, source, memory_mb=256, timeout_s=7)
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    assert result.payload == ["f", "$LATEST", "256", arn, "/aws/lambda/f", result.request_id, True]


def test_an_exception_names_its_type_message_and_the_cells_own_line(lab):
    result = outcome(lab, "def handler(event, context):\n    return event['missing']\n")
    assert result.status is Status.ERROR
    assert (result.error.error_type, result.error.message) == ("KeyError", "'missing'")
    assert result.error.stack_trace == ("  File \"/var/task/f.py\", line 2, in handler\n    return event['missing']\n",)


def test_an_exception_keeps_the_environment_warm(lab):
    f = lab.deploy("f", "def handler(event, context): return 1 / event['by']")
    f.invoke({"by": 0})
    assert f.invoke({"by": 1}).trace.cold is False


def test_an_exception_leaves_no_status_in_the_report(lab):
    result = outcome(lab, "def handler(event, context): return 1 / 0")
    assert result.log_tail.splitlines()[-1].endswith(" ms\t")


def test_a_handler_that_sleeps_past_its_timeout_is_ended(lab):
    result = outcome(lab, "import time\ndef handler(event, context): time.sleep(60)", timeout_s=1)
    assert result.status is Status.TIMEOUT
    assert result.error.error_type == "Sandbox.Timedout"
    assert result.error.message == f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds"
    assert result.log_tail.splitlines()[-1].endswith("\tStatus: timeout")
    assert 1.0 <= result.trace.duration_s < 2.0


def test_a_busy_loop_is_ended_too(lab):
    result = outcome(lab, "def handler(event, context):\n    while True: pass", timeout_s=1)
    assert result.status is Status.TIMEOUT


def test_a_handler_that_takes_more_than_its_memory_is_killed(lab):
    result = outcome(lab, "def handler(event, context): return len(bytearray(400_000_000))", timeout_s=20)
    assert result.error.error_type == "Runtime.ExitError"
    assert result.error.message == f"RequestId: {result.request_id} Error: Runtime exited with error: signal: killed"
    assert result.log_tail.splitlines()[-1].endswith("\tStatus: error\tError Type: Runtime.OutOfMemory")
    assert result.trace.max_memory_mb == 128


def test_the_same_handler_lives_with_more_memory(lab):
    source = "def handler(event, context): return len(bytearray(400_000_000))"
    assert outcome(lab, source, memory_mb=512, timeout_s=20).payload == 400_000_000


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("import sys; sys.exit()", "Runtime exited without providing a reason"),
        ("import os; os._exit(0)", "Runtime exited without providing a reason"),
        ("import os; os._exit(3)", "Runtime exited with error: exit status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "Runtime exited with error: signal: killed"),
        ("import os; os.abort()", "Runtime exited with error: signal: aborted"),
    ],
)
def test_a_handler_that_ends_its_process_says_how(lab, statement, words):
    result = outcome(lab, f"def handler(event, context):\n    {statement}")
    assert result.error.error_type == "Runtime.ExitError"
    assert result.error.message == f"RequestId: {result.request_id} Error: {words}"


def test_after_a_crash_the_environment_lives_on_with_its_files_and_a_new_process(lab):
    source = (
        "import os, tempfile\n"
        "def handler(event, context):\n"
        "    path = os.path.join(tempfile.gettempdir(), 'note')\n"
        "    if event['do'] == 'crash':\n"
        "        open(path, 'w').write(str(os.getpid()))\n"
        "        os._exit(1)\n"
        "    return [open(path).read(), str(os.getpid()), context.log_stream_name]\n"
    )
    f = lab.deploy("f", source)
    crashed = f.invoke({"do": "crash"})
    pid_before, pid_after, stream = f.invoke({"do": "read"}).payload
    assert pid_before != pid_after
    assert stream == crashed.trace.log_stream


def test_a_result_that_is_not_json_is_a_marshal_error(lab):
    result = outcome(lab, "def handler(event, context): return {1, 2}")
    assert result.error.error_type == "Runtime.MarshalError"
    assert result.error.message.startswith("Unable to marshal response: ")


def test_a_module_that_is_missing_fails_at_import_twice(lab):
    result = outcome(lab, "import no_such_module\ndef handler(event, context): return 1")
    assert result.error.error_type == "Runtime.ImportModuleError"
    assert result.error.message == "Unable to import module 'f': No module named 'no_such_module'"
    reports = [line for line in lab.logs("f")[0][1].splitlines() if line.startswith("INIT_REPORT")]
    assert ["Phase: init" in reports[0], "Phase: invoke" in reports[1], len(reports)] == [True, True, 2]


def test_an_exception_while_importing_has_no_request_id(lab):
    result = outcome(lab, "x = 1 / 0\ndef handler(event, context): return 1")
    assert (result.error.error_type, result.payload["requestId"]) == ("ZeroDivisionError", "")
    assert result.error.stack_trace[-1] == '  File "/var/task/f.py", line 1, in <module>\n    x = 1 / 0\n'


def test_a_megabyte_of_prints_is_kept_and_its_end_comes_back(lab):
    source = (
        "def handler(event, context):\n    for n in range(20_000): print(f'line {n:06d}', 'x' * 40)\n    return 'done'"
    )
    result = outcome(lab, source, timeout_s=20)
    assert result.payload == "done"
    assert len(result.log_tail.encode()) == 4096
    lines = result.log_tail.splitlines()
    assert lines[-3].startswith("line 019999")
    assert lines[-1].startswith("REPORT")
    log = lab.logs("f")[0][1]
    assert sum(line.startswith("line ") for line in log.splitlines()) == 20_000


def test_prints_errors_and_logging_stand_in_the_order_of_writing(lab):
    source = (
        "import logging, sys\n"
        "def handler(event, context):\n"
        "    print('one')\n"
        "    logging.warning('two')\n"
        "    print('three', file=sys.stderr)\n"
        "    logging.error('four\\nfive')\n"
    )
    log = outcome(lab, source).log_tail
    positions = [log.index(word) for word in ("START", "one", "two", "three", "four\nfive", "END", "REPORT")]
    assert positions == sorted(positions)


def test_a_response_over_the_limit_is_refused(lab):
    result = outcome(lab, "def handler(event, context): return 'x' * 6_300_000", memory_mb=512, timeout_s=20)
    assert result.error.error_type == "Function.ResponseSizeTooLarge"
    assert result.error.message.endswith("exceeded maximum allowed payload size (6291556 bytes).")


def test_six_megabytes_go_both_ways(lab):
    text = "x" * 6_000_000
    f = lab.deploy("f", "def handler(event, context): return event", memory_mb=512, timeout_s=20)
    assert f.invoke(text).payload == text


def test_max_memory_used_is_measured(lab):
    small = outcome(lab, "def handler(event, context): return 1").trace.max_memory_mb
    large = outcome(lab, "x = bytearray(60_000_000)\ndef handler(event, context): return 1").trace.max_memory_mb
    assert 5 < small < 60
    assert small + 50 < large < small + 70


def test_the_bill_covers_init_and_duration_rounded_up_once(lab):
    trace = outcome(lab, "def handler(event, context): return 1").trace
    assert trace.cold
    line = lab.logs("f")[0][1].splitlines()[-1]
    billed = int(line.split("Billed Duration: ")[1].split()[0])
    assert billed == -(-round((trace.init_s + trace.duration_s) * 1e6) // 1000)


def test_the_parts_of_an_init_add_up(lab):
    trace = outcome(lab, "import decimal, sqlite3\ndef handler(event, context): return 1").trace
    assert trace.phases.total_s == pytest.approx(trace.init_s, abs=1e-4)
    assert {"sqlite3"} <= {name for name, _ in trace.phases.imports}


def test_nothing_of_the_hosts_variables_leaks_into_an_environment(lab, monkeypatch):
    source = "import os\ndef handler(event, context): return dict(os.environ)"
    variables = outcome(lab, source, variables={"THRESHOLD": "0.5"}).payload
    assert variables["THRESHOLD"] == "0.5"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "f"
    assert variables["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    assert variables["TZ"] == ":UTC"
    assert not {"HOME", "USER", "SHELL", "PWD", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST"} & set(variables)


def test_each_environment_has_a_temporary_folder_of_its_own(lab):
    source = (
        "import os, tempfile\n"
        "def handler(event, context):\n"
        "    names = os.listdir(tempfile.gettempdir())\n"
        "    open(os.path.join(tempfile.gettempdir(), 'mine'), 'w').close()\n"
        "    return names\n"
    )
    f = lab.deploy("f", source)
    first = f.invoke().payload
    again = f.invoke().payload
    lab._page("functions/f/recycle", method="POST")
    assert (first, again, f.invoke().payload) == ([], ["mine"], [])


def test_a_file_written_beside_the_code_is_not_seen_by_another_environment(lab):
    source = "import os\ndef handler(event, context):\n    return os.path.exists('f.py'), os.listdir('.')\n"
    f = lab.deploy("f", source)
    assert f.invoke().payload[0] is True


def test_threads_stand_still_between_invocations(lab):
    source = (
        "import threading, time\n"
        "count = 0\n"
        "def tick():\n"
        "    global count\n"
        "    while True:\n"
        "        count += 1\n"
        "        time.sleep(0.0005)\n"
        "threading.Thread(target=tick, daemon=True).start()\n"
        "def handler(event, context):\n"
        "    before = count\n"
        "    time.sleep(event['wait'])\n"
        "    return before, count\n"
    )
    f = lab.deploy("f", source)
    _, end_of_first = f.invoke({"wait": 0.2}).payload
    other = lab.deploy("other", "import time\ndef handler(event, context): time.sleep(0.5)")
    other.invoke()
    start_of_second, _ = f.invoke({"wait": 0}).payload
    assert end_of_first > 50
    assert start_of_second - end_of_first < 50  # half a second unfrozen would be many hundreds


def test_a_forked_child_is_frozen_with_its_parent_and_killed_with_it(lab, wait_until):
    import psutil

    source = (
        "import os, time\n"
        "def handler(event, context):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        if event['own_session']: os.setsid()\n"
        "        while True: time.sleep(0.01)\n"
        "    time.sleep(0.1)\n"
        "    return pid\n"
    )
    for own_session in (False, True):
        f = lab.deploy("f", source)
        child = psutil.Process(f.invoke({"own_session": own_session}).payload)
        wait_until(lambda child=child: child.status() == psutil.STATUS_STOPPED)
        lab.delete("f")
        assert psutil.wait_procs([child], timeout=10)[1] == []


def test_output_of_a_handler_that_is_bytes_comes_back_as_bytes_or_json(lab):
    assert json.dumps(outcome(lab, "def handler(event, context): return b'[1, 2]'").payload) == "[1, 2]"


def test_an_init_inside_a_call_that_runs_into_the_timeout_is_reported_in_order(lab):
    """The first init fails at once, the second, inside the invocation, takes too long."""
    source = (
        "import os, tempfile, time\n"
        "mark = os.path.join(tempfile.gettempdir(), 'mark')\n"
        "if not os.path.exists(mark):\n"
        "    open(mark, 'w').close()\n"
        "    os._exit(1)\n"
        "time.sleep(60)\n"
        "def handler(event, context): return 1\n"
    )
    result = outcome(lab, source, timeout_s=1)
    assert result.status is Status.TIMEOUT
    assert "Task timed out after 1.00 seconds" in result.log_tail
    lines = [line for line in lab.logs("f")[0][1].splitlines() if line]
    assert [line.split()[0] for line in lines if not line.startswith("20")] == [
        "INIT_START",
        "INIT_REPORT",
        "INIT_REPORT",
        "START",
        "END",
        "REPORT",
    ]
    assert lines[1].endswith("Phase: init\tStatus: error\tError Type: Runtime.ExitError")
    assert lines[2].endswith("Phase: invoke\tStatus: timeout")

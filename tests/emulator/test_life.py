"""The life of an execution environment with company: extensions, shutdown, SnapStart hooks, variables and limits."""

from __future__ import annotations

import io
import json
import time
import zipfile

import pytest
import requests

from labkit import Lab

pytestmark = pytest.mark.process

ROLE = "arn:aws:iam::123456789012:role/r"
EXTENSION = """#!/usr/bin/env python3
import http.client, json, os, signal, sys, time

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    sent = {"Lambda-Extension-" + name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, json.dumps(body) if body is not None else None, sent)
    answer = connection.getresponse()
    return answer, answer.read()

def say(*words):
    print(*words, flush=True)

def register(*events, name=os.path.basename(sys.argv[0])):
    answer, body = call("POST", "/2020-01-01/extension/register", {"events": events}, Name=name)
    say("registered", answer.status, body.decode())
    return answer.getheader("Lambda-Extension-Identifier")

def next_event(me):
    answer, body = call("GET", "/2020-01-01/extension/event/next", Identifier=me)
    say("event", body.decode())
    return json.loads(body)

"""
FOLLOW = """
me = register("INVOKE", "SHUTDOWN")
while next_event(me)["eventType"] != "SHUTDOWN":
    pass
say("goodbye")
"""
ECHO = "import os\ndef handler(event, context):\n    print('handled', flush=True)\n    return event\n"


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o644 if path.endswith((".py", ".txt")) else 0o755) << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


@pytest.fixture
def living(aws, lab):
    """Creates the function `f` with external extensions, by name; returns how to call it."""

    def make(source=ECHO, *, extensions=None, publish=False, **more):
        if extensions:
            content = zipped(**{f"extensions/{name}": EXTENSION + code for name, code in extensions.items()})
            layer = aws.publish_layer_version(LayerName="company", Content={"ZipFile": content})
            more["Layers"] = [layer["LayerVersionArn"]]
        aws.create_function(
            FunctionName="f", Runtime="python3.13", Role=ROLE, Handler="app.handler",
            Code={"ZipFile": zipped(**{"app.py": source})}, Publish=publish, **{"Timeout": 10, **more},
        )  # fmt: skip
        return lambda event=None, **how: aws.invoke(FunctionName="f", Payload=json.dumps(event), **how)

    return make


def payload(answer):
    return json.loads(answer["Payload"].read())


def log(lab):
    return "".join(text for _, text in lab.logs("f"))


def phases(lab):
    """Of its environments; those of other tests may still be ending."""
    return [e["phase"] for e in lab.status()["environments"] if e["function"] == "f"]


def events(lab):
    return [json.loads(line[6:]) for line in log(lab).splitlines() if line.startswith("event ")]


# --- extensions


def test_an_extension_registers_before_the_runtime_begins_and_hears_of_every_invocation(living, lab, wait_until):
    call = living("print('loaded')\n" + ECHO, extensions={"watcher": FOLLOW})
    first, second = call(1), call(2)
    assert (payload(first), payload(second)) == (1, 2)
    wait_until(lambda: len(events(lab)) == 2)
    one, two = events(lab)
    assert one["eventType"] == "INVOKE"
    assert [one["requestId"], two["requestId"]] == [a["ResponseMetadata"]["RequestId"] for a in (first, second)]
    assert one["invokedFunctionArn"] == "arn:aws:lambda:us-east-1:123456789012:function:f"
    assert one["tracing"]["type"] == "X-Amzn-Trace-Id"
    assert 0 < one["deadlineMs"] / 1000 - time.time() < 10
    text = log(lab)
    assert text.index("registered 200") < text.index("loaded") < text.index("EXTENSION\t") < text.index("\nSTART ")


def test_a_registration_answers_what_function_it_belongs_to(living, lab):
    living(extensions={"watcher": FOLLOW})()
    line = next(line for line in log(lab).splitlines() if line.startswith("registered "))
    assert json.loads(line.removeprefix("registered 200 ")) == {
        "functionName": "f",
        "functionVersion": "$LATEST",
        "handler": "app.handler",
    }


def test_the_log_says_which_extensions_are_ready(living, lab):
    living(extensions={"a": FOLLOW, "b": 'me = register("SHUTDOWN")\nnext_event(me)'})()
    lines = [line for line in log(lab).splitlines() if line.startswith("EXTENSION")]
    assert lines == [
        "EXTENSION\tName: a\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
        "EXTENSION\tName: b\tState: Ready\tEvents: [SHUTDOWN]",
    ]


def test_a_caller_does_not_wait_for_extensions_but_the_next_invocation_and_the_bill_do(living, lab, wait_until):
    slow = 'me = register("INVOKE")\nwhile True:\n    next_event(me)\n    time.sleep(0.5)\n'
    call = living(extensions={"slow": slow})
    answer = call(1)
    assert payload(answer) == 1
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert phases(lab) == ["invoke"]
    wait_until(lambda: phases(lab) == ["idle"])
    report = next(line for line in log(lab).splitlines() if line.startswith(f"REPORT RequestId: {request_id}"))
    assert float(report.split("Duration: ")[1].split()[0]) >= 500


def test_cloudwatch_waits_with_the_report_until_extensions_are_done_or_ended(living, lab, signature, wait_until):
    call = living(extensions={"stuck": 'me = register("INVOKE")\nnext_event(me)\ntime.sleep(60)\n'}, Timeout=50)
    request_id = call(1)["ResponseMetadata"]["RequestId"]

    def ends():
        events = lab.boto3("logs").filter_log_events(logGroupName="/aws/lambda/f")["events"]
        mine = [event["message"].split()[0] for event in events if request_id in event["message"]]
        return [word for word in mine if word in ("END", "REPORT")]

    assert ends() == []
    requests.post(f"{lab.endpoint}/_labkit/functions/f/abort", auth=signature, timeout=10)
    wait_until(lambda: ends() == ["END", "REPORT"])


def test_the_timeout_ends_an_extension_that_does_not_come_back(living, lab, wait_until):
    stuck = 'me = register("INVOKE")\nnext_event(me)\ntime.sleep(60)\n'
    call = living(extensions={"stuck": stuck}, Timeout=1)
    assert payload(call(1)) == 1
    wait_until(lambda: "Status: timeout" in log(lab))
    assert payload(call(2)) == 2


@pytest.mark.parametrize(
    ("code", "error_type", "words"),
    [
        ("sys.exit(0)", "Extension.Crash", "exit code 0"),
        ("sys.exit(3)", "Extension.Crash", "exit status 3"),
        (
            'me = register("INVOKE")\n'
            'call("POST", "/2020-01-01/extension/init/error", {}, Identifier=me, Function_Error_Type="Extension.Bad")\n'
            "sys.exit(1)",
            "Extension.InitError",
            "exit code 0",
        ),
    ],
)
def test_an_extension_that_fails_at_init_fails_the_invocation(living, lab, code, error_type, words):
    answer = living(extensions={"bad": code})()
    assert answer["FunctionError"] == "Unhandled"
    request_id = answer["ResponseMetadata"]["RequestId"]
    said = payload(answer)
    assert said == {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {words}"}
    reports = [line for line in log(lab).splitlines() if line.startswith("INIT_REPORT")]
    assert reports[0].endswith(f"Phase: init\tStatus: error\tError Type: {error_type}")
    assert reports[1].endswith(f"Phase: invoke\tStatus: error\tError Type: {error_type}")


def test_an_extension_that_exits_during_an_invocation_ends_it(living):
    call = living(
        "import time\ndef handler(event, context): time.sleep(5)",
        extensions={"weak": 'me = register("INVOKE")\nnext_event(me)\nsys.exit(1)'},
    )
    assert payload(call())["errorType"] == "Extension.Crash"


def test_a_file_that_cannot_be_run_is_a_launch_error(living, lab):
    answer = living(extensions={"notes.txt": ""})()
    assert payload(answer)["errorType"] == "Extension.LaunchError"
    assert "EXTENSION\tName: notes.txt\tState: LaunchError\tEvents: []\tError Type: PermissionDenied" in log(lab)


def test_an_extension_does_not_see_what_is_the_runtimes_own(living, lab):
    call = living(extensions={"watcher": "say('variables', json.dumps(dict(os.environ)))" + FOLLOW})
    call()
    line = next(line for line in log(lab).splitlines() if line.startswith("variables "))
    variables = json.loads(line.removeprefix("variables "))
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "f"
    assert not {"_HANDLER", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_EXECUTION_ENV"} & set(variables)


def test_an_internal_extension_registers_from_the_handlers_module_for_invocations_only(living):
    source = (
        "import http.client, json, os, threading\n"
        "seen, refused = [], []\n"
        "def call(method, path, body=None, **headers):\n"
        "    connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
        "    connection.request(method, '/2020-01-01/extension/' + path, body, headers)\n"
        "    answer = connection.getresponse()\n"
        "    return answer, json.loads(answer.read())\n"
        "refused.append(call('POST', 'register', '{\"events\": [\"SHUTDOWN\"]}', **{'Lambda-Extension-Name': 'in'})[1])\n"
        "answer, _ = call('POST', 'register', '{\"events\": [\"INVOKE\"]}', **{'Lambda-Extension-Name': 'in'})\n"
        "me = {'Lambda-Extension-Identifier': answer.getheader('Lambda-Extension-Identifier')}\n"
        "def follow():\n"
        "    while True: seen.append(call('GET', 'event/next', **me)[1]['eventType'])\n"
        "threading.Thread(target=follow, daemon=True).start()\n"
        "def handler(event, context): return seen, refused\n"
    )
    call = living(source)
    call()
    seen, refused = payload(call())
    assert "INVOKE" in seen
    assert refused[0]["errorType"] == "Extension.InvalidEventType"


# --- shutdown

CLEANS_UP = (
    "import signal, sys\n"
    "def clean_up(number, frame):\n"
    "    print('cleaned up', flush=True)\n"
    "    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, clean_up)\n"
    "def handler(event, context): return 1\n"
)


def ended(lab):
    return lab.status()["environments"] == []


def test_with_an_extension_a_frozen_runtime_can_clean_up_and_the_extension_hears_why(living, lab, wait_until):
    living(CLEANS_UP, extensions={"watcher": FOLLOW})()
    lab._page("functions/f/recycle", method="POST")
    wait_until(lambda: ended(lab))
    text = log(lab)
    assert text.index("cleaned up") < text.index('"SHUTDOWN"') < text.index("goodbye")
    assert events(lab)[-1]["shutdownReason"] == "spindown"


def test_without_an_extension_the_process_is_killed_at_once(living, lab, wait_until):
    living(CLEANS_UP)()
    lab._page("functions/f/recycle", method="POST")
    wait_until(lambda: ended(lab))
    assert "cleaned up" not in log(lab)


def test_a_timeout_is_told_to_extensions_and_the_environment_lives_on(living, lab, wait_until):
    source = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"
    call = living(source, extensions={"watcher": FOLLOW}, Timeout=1)
    assert payload(call(30))["errorType"] == "Sandbox.Timedout"
    assert payload(call(0)) == 0
    assert [e.get("shutdownReason") for e in events(lab)][:2] == [None, "timeout"]


def test_a_crash_of_the_runtime_is_a_failure_to_its_extensions(living, lab):
    call = living("import os\ndef handler(event, context):\n    os._exit(event)\n", extensions={"watcher": FOLLOW})
    assert payload(call(7))["errorMessage"].endswith("Runtime exited with error: exit status 7")
    call(7)
    assert "failure" in [e.get("shutdownReason") for e in events(lab)]


def test_an_extension_that_ignores_its_shutdown_is_killed(living, lab, wait_until):
    stubborn = 'me = register("SHUTDOWN")\nsay("pid", os.getpid())\nnext_event(me)\nwhile True: time.sleep(1)\n'
    living(extensions={"stubborn": stubborn})()
    import psutil

    line = next(line for line in log(lab).splitlines() if line.startswith("pid "))
    process = psutil.Process(int(line.split()[1]))
    lab.delete("f")
    assert psutil.wait_procs([process], timeout=10)[1] == []


@pytest.mark.parametrize("client", ["awslambdaric", "native", "fallback"])
def test_the_emulators_own_stop_lets_a_runtime_clean_up(client, tmp_path, monkeypatch):
    import boto3

    monkeypatch.setenv("LABKIT_RUNTIME_CLIENT", client)

    note = tmp_path / "note"
    source = CLEANS_UP.replace("print('cleaned up', flush=True)", f"open({str(note)!r}, 'w').close()")
    with Lab(notice=lambda message: None) as lab:
        aws = boto3.client("lambda", **lab.connection)
        content = zipped(**{"extensions/watcher": EXTENSION + FOLLOW})
        layer = aws.publish_layer_version(LayerName="company", Content={"ZipFile": content})["LayerVersionArn"]
        aws.create_function(
            FunctionName="f", Runtime="python3.13", Role=ROLE, Handler="app.handler",
            Code={"ZipFile": zipped(**{"app.py": source})}, Layers=[layer],
        )  # fmt: skip
        aws.get_waiter("function_active_v2").wait(FunctionName="f")
        aws.invoke(FunctionName="f")
        assert not note.exists()
    assert note.exists()


def test_a_killed_emulator_takes_extensions_with_it(own_lab):
    import boto3
    import psutil

    aws = boto3.client("lambda", **own_lab.connection)
    content = zipped(**{"extensions/watcher": EXTENSION + FOLLOW})
    layer = aws.publish_layer_version(LayerName="company", Content={"ZipFile": content})["LayerVersionArn"]
    aws.create_function(
        FunctionName="f", Runtime="python3.13", Role=ROLE, Handler="app.handler",
        Code={"ZipFile": zipped(**{"app.py": ECHO})}, Layers=[layer],
    )  # fmt: skip
    aws.get_waiter("function_active_v2").wait(FunctionName="f")
    aws.invoke(FunctionName="f")
    emulator = psutil.Process(own_lab.status()["pid"])
    processes = emulator.children(recursive=True)
    assert len(processes) == 2
    emulator.kill()
    assert psutil.wait_procs(processes, timeout=15)[1] == []


# --- SnapStart

HOOKS = """
import os
from snapshot_restore_py import register_after_restore, register_before_snapshot
said = [os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]
def before(): said.append("before")
def after(): said.append("after")
register_before_snapshot(before)
register_after_restore(after)
def handler(event, context): return said
"""
SNAP_START = {"publish": True, "SnapStart": {"ApplyOn": "PublishedVersions"}}


def report(lab):
    return next(line for line in log(lab).splitlines() if line.startswith("REPORT"))


def test_a_published_version_runs_its_hooks_around_the_restore(living, lab):
    call = living(HOOKS, **SNAP_START)
    assert payload(call(Qualifier="1")) == ["snap-start", "before", "after"]
    kinds = [line.split()[0] for line in log(lab).splitlines()]
    assert kinds == ["INIT_START", "RESTORE_START", "RESTORE_REPORT", "START", "END", "REPORT"]
    assert "Init Duration" not in report(lab)
    assert "Restore Duration: " in report(lab)


def test_latest_has_no_snapshot(living, lab):
    assert payload(living(HOOKS, **SNAP_START)()) == ["on-demand"]
    assert "Init Duration" in report(lab)


def test_the_restore_is_billed_and_the_init_before_it_is_not(living, lab):
    slow = "import time\ntime.sleep(0.5)\n"
    living(slow + HOOKS, **SNAP_START)(Qualifier="1")
    line = report(lab)
    duration = float(line.split("\tDuration: ")[1].split()[0])
    billed, restore = (
        int(line.split(f"\t{name}: ")[1].split()[0]) for name in ("Billed Duration", "Billed Restore Duration")
    )
    assert billed < 500
    assert duration + restore - 1 <= billed <= duration + restore + 1


@pytest.mark.parametrize(
    ("hook", "error_type", "line"),
    [
        ("before", "Runtime.BeforeSnapshotError", "INIT_REPORT Init Duration"),
        ("after", "Runtime.AfterRestoreError", "RESTORE_REPORT Restore Duration"),
    ],
)
def test_a_hook_that_raises_fails_the_invocation(living, lab, hook, error_type, line):
    answer = living(HOOKS.replace(f"def {hook}(): ", f"def {hook}(): 1 / 0; "), **SNAP_START)(Qualifier="1")
    said = payload(answer)
    assert (answer["FunctionError"], said["errorType"], said["requestId"]) == ("Unhandled", "ZeroDivisionError", "")
    first = next(text for text in log(lab).splitlines() if "_REPORT" in text)
    assert first.startswith(line)
    assert first.endswith(f"Status: error\tError Type: {error_type}")
    assert report(lab).endswith(f"Status: error\tError Type: {error_type}")


# --- variables and limits


def test_the_variables_are_those_recorded_inside_a_real_environment(living):
    variables = payload(living("import os\ndef handler(event, context): return dict(os.environ)\n")())
    expected = {
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "SHLVL": "0",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{variables['_AWS_XRAY_DAEMON_PORT']}",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": "app.handler",
    }
    assert {name: variables.get(name) for name in expected} == expected
    assert variables["PATH"].endswith("/usr/local/bin:/usr/bin/:/bin:/opt/bin")
    libraries = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
    assert variables["LD_LIBRARY_PATH"] == libraries


def test_every_invocation_has_its_own_trace_id_in_a_variable(living):
    call = living("import os\ndef handler(event, context): return os.environ['_X_AMZN_TRACE_ID']\n")
    first, second = payload(call()), payload(call())
    assert first.startswith("Root=1-")
    assert first != second


def test_the_limits_are_those_recorded_inside_a_real_environment(living):
    source = (
        "import os, resource, stat, tempfile\n"
        "def handler(event, context):\n"
        "    mode = stat.S_IMODE(os.stat(tempfile.gettempdir()).st_mode)\n"
        "    return resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_STACK)[0], mode\n"
    )
    assert payload(living(source)()) == [[1024, 1024], 8 * 1024 * 1024, 0o1777]

"""Lab: deploying, invoking and measuring against a real emulator."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import psutil
import pytest
import requests

from labkit import Lab
from labkit.client.lab import as_json
from labkit.distributions import Distribution
from labkit.errors import (
    DeployFailed,
    EmulatorLost,
    EmulatorNotStarted,
    MissingInclude,
    NoClock,
    NoHandler,
    NotMeasured,
    PayloadUnreadable,
    UnknownFunction,
)
from labkit.load import bursts, replay
from labkit.model import Status
from labkit.settings import Settings

pytestmark = pytest.mark.process

ECHO = "def handler(event, context): return event"
PID = "import os\ndef handler(event, context): return os.getpid()"
SLOW = "import os, time\ndef handler(event, context):\n    time.sleep(event['s'])\n    return os.getpid()"


def test_a_deployed_function_says_what_it_is(lab):
    f = lab.deploy("f", ECHO, memory_mb=256, timeout_s=9, variables={"AB": "b"}, description="echoes")
    assert (f.handler, f.memory_mb, f.timeout_s, f.variables, f.change) == (
        "f.handler",
        256,
        9,
        (("AB", "b"),),
        "created",
    )


def test_deploying_the_same_again_changes_nothing(lab):
    pid = lab.deploy("f", PID).invoke().payload
    again = lab.deploy("f", PID)
    assert (again.change, again.invoke().payload) == ("unchanged", pid)


@pytest.mark.parametrize(
    "change", [{"memory_mb": 256}, {"timeout_s": 4}, {"variables": {"AB": "1"}}, {"source": PID + "\n"}]
)
def test_a_changed_function_retires_its_old_environments(lab, change):
    old = lab.deploy("f", PID).invoke().payload
    process = psutil.Process(old)
    f = lab.deploy("f", **{"source": PID, **change})
    assert f.change == "updated"
    assert psutil.wait_procs([process], timeout=10)[1] == []
    assert f.invoke().payload != old


def test_included_files_lie_beside_the_handler(lab, tmp_path):
    (tmp_path / "model.txt").write_text("42")
    (tmp_path / "mylib.py").write_text("def load(path): return open(path).read()")
    source = "import mylib\nanswer = mylib.load('model.txt')\ndef handler(event, context): return answer"
    f = lab.deploy("f", source, include=["model.txt", "mylib.py"], folder=tmp_path)
    assert (f.invoke().payload, f.missing) == ("42", ())


def test_a_missing_include_deploys_nothing(lab, tmp_path):
    with pytest.raises(MissingInclude):
        lab.deploy("f", ECHO, include=["nothing.txt"], folder=tmp_path)
    assert lab.names() == []


def test_a_cell_without_a_handler_deploys_nothing(lab):
    with pytest.raises(NoHandler):
        lab.deploy("f", "x = 1")
    assert lab.names() == []


def test_requirements_and_missing_modules_are_recorded(lab):
    f = lab.deploy("f", "import numpy, json, no_such_module\ndef handler(event, context): return 1")
    assert [r.partition("==")[0] for r in f.requirements] == ["numpy"]
    assert f.missing == ("no_such_module",)


def test_a_handler_sees_the_packages_of_this_environment_after_its_own_files(lab, tmp_path):
    (tmp_path / "requests.py").write_text("whose = 'the package'")
    source = "import numpy, requests\ndef handler(event, context): return [requests.whose, numpy.__version__]"
    f = lab.deploy("f", source, include=["requests.py"], folder=tmp_path, timeout_s=20)
    assert f.invoke().payload == ["the package", np.__version__]


def test_boto3_is_there_as_on_lambda(lab):
    source = "import boto3\ndef handler(event, context): return boto3.client('s3').meta.region_name"
    assert lab.deploy("f", source, memory_mb=256, timeout_s=20).invoke().payload == "us-east-1"


def test_memory_out_of_range_is_refused_in_awss_words(lab):
    with pytest.raises(DeployFailed, match="Value '64' at 'memorySize' failed to satisfy constraint"):
        lab.deploy("f", ECHO, memory_mb=64)


def test_an_unknown_function_names_the_nearest(lab):
    lab.deploy("predict", ECHO)
    with pytest.raises(UnknownFunction, match="Did you mean `predict`"):
        lab.invoke("predcit")


def test_numpy_values_travel_as_json():
    assert as_json({"x": np.arange(3), "y": np.float64(0.5)}) == b'{"x": [0, 1, 2], "y": 0.5}'


def test_an_event_that_is_not_json_is_refused():
    with pytest.raises(PayloadUnreadable, match="set is not JSON"):
        as_json({"x": {1, 2}})


def test_calls_at_the_same_time_get_environments_of_their_own(lab):
    f = lab.deploy("f", SLOW, timeout_s=20)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: f.invoke({"s": 0.5}), range(4)))
    assert len({o.payload for o in outcomes}) == 4
    assert all(o.trace.cold for o in outcomes)


def test_one_caller_after_another_needs_one_environment(lab):
    f = lab.deploy("f", PID)
    assert len({f.invoke().payload for _ in range(50)}) == 1


def test_a_call_beyond_the_limit_is_throttled_and_says_why(monkeypatch):
    monkeypatch.setenv("LABKIT_ACCOUNT_CONCURRENCY", "2")
    with Lab() as small:
        f = small.deploy("f", SLOW, timeout_s=20)
        with ThreadPoolExecutor(6) as pool:
            outcomes = list(pool.map(lambda _: f.invoke({"s": 1}), range(6)))
    throttled = [o for o in outcomes if o.status is Status.THROTTLED]
    assert len(throttled) == 4
    assert "ConcurrentInvocationLimitExceeded" in throttled[0].error.message


def test_an_environment_nobody_uses_is_ended(monkeypatch):
    monkeypatch.setenv("LABKIT_IDLE_TIMEOUT_S", "0.5")
    with Lab() as lab:
        process = psutil.Process(lab.deploy("f", PID).invoke().payload)
        assert psutil.wait_procs([process], timeout=20)[1] == []
        assert lab.invoke("f").trace.cold


def test_an_asynchronous_call_is_accepted_and_run(lab, tmp_path, wait_until):
    note = tmp_path / "note"
    f = lab.deploy("f", "def handler(event, context): open(event['note'], 'w').write(context.aws_request_id)")
    accepted = f.invoke({"note": str(note)}, kind="Event")
    assert (accepted.status, accepted.payload) == (Status.SUCCESS, None)
    wait_until(lambda: note.exists() and note.read_text())
    assert note.read_text() == accepted.request_id


UNLUCKY = "def handler(event, context):\n    open(event['note'], 'a').write(context.aws_request_id + '\\n')\n    1 / 0"


def test_an_event_that_fails_is_attempted_three_times_with_one_request_id_when_time_is_advanced(lab, tmp_path):
    note = tmp_path / "note"
    request_id = lab.deploy("f", UNLUCKY).invoke({"note": str(note)}, kind="Event").request_id
    for duration, attempts in [("1m", 2), ("2m", 3), ("6h", 3)]:
        lab.advance(duration)
        assert note.read_text().splitlines() == [request_id] * attempts


def test_one_long_advance_makes_all_attempts(lab, tmp_path):
    note = tmp_path / "note"
    lab.deploy("f", UNLUCKY).invoke({"note": str(note)}, kind="Event")
    lab.advance("3m10s")
    assert len(note.read_text().splitlines()) == 3


def test_a_retry_runs_the_corrected_handler_and_is_the_last(lab, tmp_path):
    note = tmp_path / "note"
    lab.deploy("f", UNLUCKY).invoke({"note": str(note)}, kind="Event")
    lab.advance("30s")
    lab.deploy("f", UNLUCKY.replace("1 / 0", "return 'fine'"))
    lab.advance("1h")
    assert len(note.read_text().splitlines()) == 2


def test_advance_returns_the_new_time_and_the_trace_of_a_retry_carries_it(lab, tmp_path):
    f = lab.deploy("f", UNLUCKY)
    accepted = f.invoke({"note": str(tmp_path / "note")}, kind="Event")
    before = lab.advance(1)
    after = lab.advance("59s")
    assert (after - before).total_seconds() >= 59
    [trace] = [t for t in lab.traces("f") if t.request_id == accepted.request_id]
    assert before.timestamp() < trace.arrived_at <= after.timestamp()


@pytest.mark.parametrize("query", ["", "?seconds=", "?seconds=soon", "?seconds=-1", "?seconds=nan", "?seconds=1e300"])
def test_the_page_refuses_what_is_no_time_to_skip(lab, query, signature):
    answer = requests.post(f"{lab.endpoint}/_labkit/advance{query}", timeout=10, auth=signature)
    assert (answer.status_code, "expected a number of seconds" in answer.json()["message"]) == (400, True)


def test_an_endpoint_without_a_clock_is_named():
    with ThreadPoolExecutor(1) as pool, HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        answered = pool.submit(server.handle_request)
        with Lab(f"http://127.0.0.1:{server.server_port}") as lab, pytest.raises(NoClock, match="has no clock"):
            lab.advance("1m")
        answered.result()


TWICE = """
import json

def handler(event, context):
    return {'twice': 2 * json.loads(event['body'])['x']}
"""


def test_a_function_answers_over_plain_http(lab):
    address = lab.deploy("f", TWICE).function_url()
    response = requests.post(address, json={"x": 21}, timeout=10)
    assert (response.status_code, response.json()) == (200, {"twice": 42})


def test_an_address_stays_while_its_settings_change(lab):
    f = lab.deploy("f", TWICE)
    address = f.function_url(auth="AWS_IAM")
    assert requests.post(address, json={"x": 1}, timeout=10).status_code == 403
    assert f.function_url() == f.function_url(invoke_mode="RESPONSE_STREAM") == address
    assert requests.post(address, json={"x": 1}, timeout=10).status_code == 200


def test_an_unknown_function_has_no_address(lab):
    lab.deploy("double", TWICE)
    with pytest.raises(UnknownFunction, match="double"):
        lab.function_url("doble")


def test_coldstart_meets_a_fresh_environment_each_time_and_a_warm_one_after(lab):
    lab.deploy("f", ECHO)
    outcomes = lab.coldstart("f", 3)
    assert (len(outcomes.cold), len(outcomes.warm)) == (3, 12)
    assert len({t.environment_id for t in outcomes.cold}) == 3


def test_coldstart_with_several_sizes_restores_the_functions_own(lab):
    lab.deploy("f", ECHO, memory_mb=192)
    outcomes = lab.coldstart("f", 1, memory_mb=[128, 512])
    assert [s.label for s in outcomes.series] == ["f, 128 MB", "f, 512 MB"]
    assert [s.cold[0].memory_mb for s in outcomes.series] == [128, 512]
    assert lab.function("f").memory_mb == 192


def test_coldstart_stops_at_a_handler_that_fails(lab):
    lab.deploy("f", "def handler(event, context): return event['missing']")
    outcomes = lab.coldstart("f", 3)
    assert len(outcomes) == 1
    assert outcomes.items[0].error.error_type == "KeyError"


def test_traces_are_kept_oldest_first(lab):
    f = lab.deploy("f", ECHO)
    ids = [f.invoke().request_id for _ in range(3)]
    assert [t.request_id for t in lab.traces("f")][-3:] == ids


def test_a_simulation_decides_as_the_emulator_did_about_the_same_calls(lab):
    f = lab.deploy("replayed", ECHO)
    f.coldstart(3)
    traces = lab.traces("replayed")
    load = replay([t.arrived_at for t in traces])
    durations = Distribution("as they came", 0.0, 0.0, lambda random: iter([t.duration_s for t in traces]))
    result = lab.simulate("replayed", load, service=durations, init=0.0)  # drawn, it could outlast the pause after it
    # %coldstart threw the environment away twice in between; nobody did here
    assert [bool(cold) for cold in result.requests.cold] == [True] + [False] * 14
    again = lab.simulate("replayed", replay([t.arrived_at for t in traces[:5]]), service=durations, init=0.0)
    assert [t.cold for t in again.traces()] == [t.cold for t in traces[:5]]


def test_a_simulation_draws_from_what_was_measured_at_the_functions_memory(lab):
    f = lab.deploy("drawn", ECHO, memory_mb=256)
    f.coldstart(2)
    result = f.simulate(bursts(5, every_s=60, for_s=600), seed=1)
    measured = lab.traces("drawn")
    assert {t.init_s for t in result.traces() if t.cold} <= {t.init_s for t in measured if t.cold}
    warm = [t.duration_s for t in measured if not t.cold]
    for trace in result.traces():
        assert trace.cold or min(abs(trace.duration_s - d) for d in warm) < 1e-9
    assert {t.memory_mb for t in result.traces()} == {256}


def test_a_function_that_nobody_has_called_can_be_simulated_with_given_times_only(lab):
    f = lab.deploy("unmeasured", ECHO)
    with pytest.raises(NotMeasured, match="unmeasured has no measured call"):
        f.simulate(bursts(1, every_s=1, for_s=2))
    assert f.simulate(bursts(1, every_s=1, for_s=2), service=0.1, init=0.2).served == 2


def test_status_tells_what_runs(lab):
    pid = lab.deploy("f", PID).invoke().payload
    status = lab.status()
    assert [(e["function"], e["phase"], e["pid"]) for e in status["environments"] if e["function"] == "f"] == [
        ("f", "idle", pid)
    ]


def test_a_killed_emulator_is_replaced_with_the_same_functions(wait_dead):
    notices: list[str] = []
    with Lab(notice=notices.append) as lab:
        lab.deploy("f", ECHO)
        lab.deploy("g", PID, memory_mb=256)
        emulator = psutil.Process(lab.status()["pid"])
        emulator.kill()
        wait_dead(emulator.pid)
        assert lab.invoke("f", 1).payload == 1
        assert [(f.name, f.memory_mb) for f in lab.functions()] == [("f", 128), ("g", 256)]
    assert len(notices) == 1
    assert "killed by signal 9" in notices[0]
    assert "f, g" in notices[0]


def test_a_function_that_cannot_be_deployed_again_is_named(wait_dead):
    notices: list[str] = []
    with Lab(notice=notices.append) as lab:
        content = io.BytesIO()
        zipfile.ZipFile(content, "w").close()
        layer = lab.boto3("lambda").publish_layer_version(LayerName="l", Content={"ZipFile": content.getvalue()})
        lab.deploy("f", ECHO)
        lab.deploy("g", ECHO, layers=[layer["LayerVersionArn"]])
        emulator = psutil.Process(lab.status()["pid"])
        emulator.kill()
        wait_dead(emulator.pid)
        assert lab.names() == ["f"]
    assert "deployed again: f; not: g (InvalidParameterValueException: Layer version" in notices[0]


def test_an_emulator_that_dies_during_a_call_is_an_error_that_says_so(own_lab):
    own_lab.deploy("f", "import os, signal\ndef handler(event, context): os.kill(event['pid'], signal.SIGKILL)")
    with pytest.raises(EmulatorLost, match="killed by signal 9 while f ran"):
        own_lab.invoke("f", {"pid": own_lab.status()["pid"]})
    assert own_lab.names() == ["f"]


def test_no_environment_survives_a_killed_emulator(own_lab):
    f = own_lab.deploy("f", SLOW, timeout_s=100)
    idle = psutil.Process(f.invoke({"s": 0}).payload)
    emulator = psutil.Process(own_lab.status()["pid"])
    emulator.kill()
    assert psutil.wait_procs([idle, emulator], timeout=10)[1] == []


def test_restart_keeps_the_functions(own_lab):
    own_lab.deploy("f", PID)
    before = own_lab.invoke("f").payload
    own_lab.restart()
    assert own_lab.invoke("f").payload != before


def test_stop_ends_every_process():
    lab = Lab()
    f = lab.deploy("f", PID)
    processes = [psutil.Process(f.invoke().payload), psutil.Process(lab.status()["pid"])]
    lab.stop()
    assert psutil.wait_procs(processes, timeout=10)[1] == []


def test_two_labs_at_once_do_not_see_each_other(lab, own_lab):
    lab.deploy("f", ECHO)
    own_lab.deploy("g", ECHO)
    assert (lab.names(), own_lab.names()) == (["f"], ["g"])


def test_a_lab_can_attach_to_a_running_emulator(lab, monkeypatch):
    lab.deploy("f", ECHO)
    for name in ("aws_access_key_id", "aws_secret_access_key"):
        monkeypatch.setenv(name.upper(), lab.connection[name])
    with Lab(lab.endpoint) as guest:
        assert guest.invoke("f", 7).payload == 7
    assert lab.invoke("f", 8).payload == 8


def test_nobody_at_the_endpoint_is_a_clear_error():
    with Lab("http://127.0.0.1:9") as lab, pytest.raises(EmulatorLost, match=r"127\.0\.0\.1:9 does not answer"):
        lab.invoke("f")


def test_a_scratch_folder_that_cannot_be_written_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("LABKIT_SCRATCH", "/proc/nowhere")
    with pytest.raises(EmulatorNotStarted, match=r"Cannot write to /proc/nowhere") as caught:
        Lab().endpoint  # noqa: B018
    assert "LABKIT_SCRATCH" in str(caught.value)


def test_a_misspelt_setting_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("LABKIT_ACCOUNT_CONCURENCY", "2")
    with pytest.raises(Exception, match="Did you mean LABKIT_ACCOUNT_CONCURRENCY"):
        Settings.from_environment(os.environ)


def test_an_interrupt_ends_the_call_and_what_it_ran(own_lab):
    """A person presses Ctrl-C while a handler runs: the handler's process ends with the call."""
    note_pid = "import os, time\nprint(os.getpid())\ndef handler(event, context): time.sleep(100)"
    own_lab.deploy("f", note_pid, timeout_s=200)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(interrupt_when_busy, own_lab)
        with pytest.raises(KeyboardInterrupt, match="f was stopped"):
            own_lab.invoke("f")
    pid = int(own_lab.logs("f")[0][1].splitlines()[1])
    assert not psutil.pid_exists(pid) or psutil.wait_procs([psutil.Process(pid)], timeout=10)[1] == []


def interrupt_when_busy(lab):
    while not any(e["phase"] == "invoke" for e in lab.status()["environments"]):
        pass
    os.kill(os.getpid(), signal.SIGINT)


def test_a_request_that_waits_while_its_function_is_stopped_is_answered(own_lab, wait_until):
    """One call runs, the next waits for its environment to start: stopping the function must lose neither."""
    f = own_lab.deploy("f", "import time\ntime.sleep(1)\ndef handler(event, context): time.sleep(60)", timeout_s=100)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(f.invoke)
        wait_until(lambda: "invoke" in phases(own_lab))
        waiting = pool.submit(f.invoke)
        wait_until(lambda: "init" in phases(own_lab))
        own_lab._page("functions/f/abort", method="POST")
        assert "stopped by the caller" in running.result(timeout=10).error.message
        with pytest.raises(DeployFailed, match="No environment could be started"):
            waiting.result(timeout=10)


def phases(lab):
    return [e["phase"] for e in lab.status()["environments"]]


def test_the_fallback_client_serves_where_awslambdaric_is_missing(monkeypatch):
    monkeypatch.setenv("LABKIT_RUNTIME_CLIENT", "fallback")
    with Lab() as lab:
        f = lab.deploy("f", "import sys\ndef handler(event, context): return 'awslambdaric' in sys.modules, event / 0")
        assert f.invoke(1).error.error_type == "ZeroDivisionError"
        f = lab.deploy("f", "import sys\ndef handler(event, context): return 'awslambdaric' in sys.modules, event")
        assert f.invoke(1).payload == [False, 1]


def test_an_emulator_without_signatures_takes_any_client():
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit.emulator", "--port", "0", "--unsigned"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with Lab(process.stdout.readline().strip()) as lab:
        assert lab.deploy("f", ECHO).invoke(7).payload == 7
    process.terminate()
    output, errors = process.communicate(timeout=20)
    assert (output, errors) == ("", "labkit: --unsigned: every user of this machine who finds the port can call it.\n")


def test_an_emulator_of_its_own_says_what_a_client_needs(monkeypatch):
    command = [sys.executable, "-m", "labkit.emulator", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(4)]
    exports = dict(re.findall(r"(AWS_\w+)=(\S+)", "".join(lines[1:])))
    for name, value in exports.items():
        monkeypatch.setenv(name, value)
    with Lab(lines[0].strip()) as lab:
        assert lab.deploy("f", ECHO).invoke(7).payload == 7
    process.terminate()
    process.communicate(timeout=20)
    assert exports["AWS_ENDPOINT_URL"] == lines[0].strip()

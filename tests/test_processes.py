"""Nothing outlives its owner: kernels, scripts and emulators that are killed leave no process behind."""

from __future__ import annotations

import json
import subprocess
import sys

import psutil
import pytest

pytestmark = pytest.mark.process

SCRIPT = """
import json, sys, threading
import psutil
from labkit import Lab
lab = Lab()
source = "import os, time\\ndef handler(event, context):\\n    time.sleep(event['s'])\\n    return os.getpid()"
f = lab.deploy("f", source, timeout_s=300)
idle = f.invoke({"s": 0}).payload
threading.Thread(target=lambda: f.invoke({"s": 200}), daemon=True).start()
while not any(e["phase"] == "invoke" for e in lab.status()["environments"]):
    pass
f2 = lab.deploy("g", "import os\\ndef handler(event, context): return os.getpid()")
lab.boto3("sqs").list_queues()
emulator = lab.status()["pid"]
mocked = [p.pid for p in psutil.Process(emulator).children() if "labkit.mockaws" in p.cmdline()]
assert len(mocked) == 1
print(json.dumps([emulator, idle, f2.invoke().payload, *mocked]), flush=True)
if sys.argv[1] == "wait":
    sys.stdin.read()
"""


def start(how):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    return process, [psutil.Process(pid) for pid in json.loads(process.stdout.readline())]


def test_a_killed_script_leaves_no_process_idle_or_busy():
    owner, processes = start("wait")
    owner.kill()
    owner.wait()
    assert psutil.wait_procs(processes, timeout=15)[1] == []


def test_a_script_that_ends_leaves_no_process():
    owner, processes = start("end")
    assert owner.wait(30) == 0
    assert psutil.wait_procs(processes, timeout=15)[1] == []


def test_a_killed_emulator_takes_its_environments_and_its_mocked_account_with_it():
    owner, (emulator, *others) = start("wait")
    emulator.kill()
    assert psutil.wait_procs(others, timeout=15)[1] == []
    owner.stdin.close()
    owner.wait(30)


def serve(*arguments, **variables):
    import os

    return subprocess.Popen(
        [sys.executable, "-m", "labkit.cli", "serve", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **variables}, text=True,
    )  # fmt: skip


def test_serve_prints_its_endpoint_and_ends_on_ctrl_c_without_a_traceback():
    import signal

    process = serve("--port", "0")
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors


def test_a_taken_port_is_a_clear_error():
    first = serve("--port", "0")
    port = first.stdout.readline().strip().rpartition(":")[2]
    second = serve("--port", port)
    _, errors = second.communicate(timeout=20)
    first.terminate()
    first.communicate(timeout=20)
    assert second.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in errors
    assert "--port 0" in errors


def test_the_account_id_can_be_set():
    import urllib.request

    process = serve("--port", "0", "--unsigned", LABKIT_ACCOUNT_ID="210987654321")
    endpoint = process.stdout.readline().strip()
    with urllib.request.urlopen(f"{endpoint}/_labkit/status") as answer:
        assert json.load(answer)["account_id"] == "210987654321"
    process.terminate()
    process.communicate(timeout=20)

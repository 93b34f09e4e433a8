"""SnapStart for real: environments that are forked from their version's template."""

from __future__ import annotations

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import boto3
import psutil
import pytest

from labkit import Lab
from labkit.settings import Settings

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not psutil.LINUX, reason="a template is forked on Linux only"),
]

ROLE = "arn:aws:iam::123456789012:role/r"
CLIENTS = ("awslambdaric", "fallback")
SOURCE = """
import os, pathlib, random, time, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot
made = str(uuid.uuid4())
hooks = []
register_before_snapshot(lambda: hooks.append(["before", os.getpid()]))
register_after_restore(lambda: hooks.append(["after", os.getpid()]))
pathlib.Path(os.environ["TMPDIR"], "from-init").write_text(made)
calls = 0

def handler(event, context):
    global calls
    calls += 1
    tmp = pathlib.Path(os.environ["TMPDIR"])
    found = sorted(path.name for path in tmp.iterdir())
    (tmp / "from-call").touch()
    print("handled", calls)
    if event == "meet":
        time.sleep(0.3)
    if event == "die":
        os._exit(3)
    if event == "hang":
        time.sleep(60)
    if event == "take":
        taken = b"x" * (200 * 1024 * 1024)
    return {
        "pid": os.getpid(), "leads": os.getpgrp() == os.getpid(), "made": made, "hooks": hooks, "calls": calls,
        "random": random.random(), "tmp": str(tmp), "found": found, "stream": context.log_stream_name,
        "cwd": os.getcwd() == os.environ["LAMBDA_TASK_ROOT"],
    }
"""
SNAP_START = {"ApplyOn": "PublishedVersions"}


class Snapped:
    """A published version of a function, and how to call it."""

    def __init__(self, lab, source, **config):
        self.lab, self.aws = lab, boto3.client("lambda", **lab.connection)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("app.py", source)
        self.aws.create_function(
            FunctionName="f", Runtime="python3.13", Role=ROLE, Handler="app.handler", Publish=True,
            Code={"ZipFile": buffer.getvalue()}, SnapStart=SNAP_START, **{"Timeout": 10, **config},
        )  # fmt: skip
        self.aws.get_waiter("function_active_v2").wait(FunctionName="f")

    def answer(self, event=None):
        answer = self.aws.invoke(FunctionName="f", Qualifier="1", Payload=json.dumps(event))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    def __call__(self, event=None):
        error, payload = self.answer(event)
        assert error is None, payload
        return payload

    def at_once(self, event, times):
        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(lambda _: self(event), range(times)))

    def log(self):
        return "".join(text for _, text in self.lab.logs("f"))

    def config(self):
        return self.aws.get_function_configuration(FunctionName="f", Qualifier="1")


def processes(lab):
    """Of the emulator: templates and environments, but not the mocked account."""
    found = psutil.Process(lab.status()["pid"]).children(recursive=True)
    return [process for process in found if is_runtime(process)]


def is_runtime(process):
    try:
        return any(word.endswith("bootstrap.py") for word in process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def template(lab):
    """The only template's process: the one that is no environment's."""
    environments = {environment["pid"] for environment in lab.status()["environments"]}
    (found,) = [process for process in processes(lab) if process.pid not in environments]
    return found


@pytest.fixture
def snapped(lab, wait_until):
    wait_until(lambda: processes(lab) == [])  # those of deleted functions end with the next second
    return lambda source=SOURCE, **config: Snapped(lab, source, **config)


@pytest.mark.parametrize("client", CLIENTS)
def test_with_every_client_environments_share_what_the_init_made_and_nothing_else(client):
    with Lab(settings=replace(Settings(), runtime_client=client)) as lab:
        one, other = Snapped(lab, SOURCE).at_once("meet", 2)
    assert one["made"] == other["made"]
    assert all(said["leads"] and said["cwd"] for said in (one, other))
    for own in ("pid", "random", "tmp", "stream"):
        assert one[own] != other[own], own
    before, after = zip(one["hooks"], other["hooks"], strict=True)
    assert before[0] == before[1]
    assert before[0][0] == "before"
    assert [said[1] for said in after] == [one["pid"], other["pid"]]


def test_with_a_client_that_keeps_its_first_address_each_environment_goes_through_its_init_and_the_log_says_so():
    with Lab(settings=replace(Settings(), runtime_client="native")) as lab:
        call = Snapped(lab, SOURCE)
        assert call("meet")["pid"] > 0
        said = call.log()
    assert "[WARN] labkit: no snapshot" in said
    assert "the native transport keeps its first address" in said


def test_an_environment_begins_with_what_the_init_left_in_tmp_and_keeps_its_own(snapped):
    call = snapped()
    one, other = call.at_once("meet", 2)
    assert one["found"] == other["found"] == ["from-init"]
    again = call()
    assert (again["calls"], again["found"]) == (2, ["from-call", "from-init"])


def test_the_log_has_the_init_once_and_a_restore_for_each_environment(snapped):
    call = snapped()
    call.at_once("meet", 2)
    kinds = [line.split()[0] for line in call.log().splitlines()]
    assert [kinds.count(kind) for kind in ("INIT_START", "RESTORE_START", "RESTORE_REPORT")] == [1, 2, 2]
    streams = dict(call.lab.logs("f"))
    assert sorted(text.count("handled 1") for text in streams.values()) == [0, 1, 1]


def test_the_restore_takes_the_place_of_the_init_in_the_report(snapped):
    call = snapped("import time\ntime.sleep(0.5)\n" + SOURCE)
    call()
    (report,) = (line for line in call.log().splitlines() if line.startswith("REPORT"))
    assert "Init Duration" not in report
    assert float(report.split("\tRestore Duration: ")[1].split()[0]) < 500  # the init alone sleeps that long
    assert int(report.split("Max Memory Used: ")[1].split()[0]) > 0


def test_an_environment_that_crashes_leaves_the_template_and_the_others(snapped, lab):
    call = snapped()
    one, other = call.at_once("meet", 2)
    before = template(lab).pid
    error, said = call.answer("die")
    assert (error, said["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert "exit status 3" in said["errorMessage"]
    after = call.at_once("meet", 2)
    assert {said["made"] for said in after} == {one["made"]}
    assert len({said["pid"] for said in after} & {one["pid"], other["pid"]}) == 1
    assert template(lab).pid == before


def test_after_a_crash_the_process_is_restored_and_finds_its_tmp(snapped):
    call = snapped()
    first = call()
    call.answer("die")
    again = call()
    assert (again["tmp"], again["stream"], again["made"]) == (first["tmp"], first["stream"], first["made"])
    assert again["pid"] != first["pid"]
    assert again["calls"] == 1
    assert "from-call" in again["found"]


def test_a_timeout_ends_its_own_group_only(snapped, lab):
    call = snapped(Timeout=1)
    call.at_once("meet", 2)
    living = {process.pid for process in processes(lab)}
    error, said = call.answer("hang")
    assert (error, said["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert len(living & {process.pid for process in processes(lab)}) == len(living) - 1


def test_a_forked_environment_has_the_memory_limit(snapped):
    error, said = snapped(MemorySize=128).answer("take")
    assert (error, said["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert "signal: killed" in said["errorMessage"]


def test_a_forked_environment_is_frozen_between_calls(snapped, wait_until):
    process = psutil.Process(snapped()()["pid"])
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED)


def test_threads_cannot_be_forked_so_each_environment_goes_through_its_init(snapped):
    ticking = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    call = snapped(ticking + SOURCE)
    one, other = call.at_once("meet", 2)
    assert one["made"] != other["made"]
    assert [name for name, _ in one["hooks"]] == ["before", "after"]
    assert call.log().count("2 threads run when the init is over") == 1


def test_a_version_whose_init_fails_is_failed_and_a_call_says_why(snapped):
    call = snapped("raise ValueError('no')\n")
    config = call.config()
    assert (config["State"], config["StateReasonCode"]) == ("Failed", "FunctionError")
    assert call.answer()[1]["errorType"] == "ValueError"


def test_a_hook_before_the_snapshot_that_raises_fails_the_version(snapped):
    call = snapped(SOURCE.replace('hooks.append(["before", os.getpid()])', "1 / 0"))
    assert call.config()["State"] == "Failed"
    assert call.answer()[1]["errorType"] == "ZeroDivisionError"
    assert "Error Type: Runtime.BeforeSnapshotError" in call.log()


def test_a_hook_after_the_restore_that_raises_fails_the_call(snapped):
    call = snapped(SOURCE.replace('hooks.append(["after", os.getpid()])', "1 / 0"))
    assert call.config()["State"] == "Active"
    assert call.answer()[1]["errorType"] == "ZeroDivisionError"
    assert "Error Type: Runtime.AfterRestoreError" in call.log()


def test_a_published_version_is_pending_until_its_snapshot_is_made(snapped):
    call = snapped(SOURCE)
    call.aws.update_function_configuration(FunctionName="f", Timeout=11)
    call.aws.get_waiter("function_updated_v2").wait(FunctionName="f")
    assert call.aws.publish_version(FunctionName="f")["State"] == "Pending"
    call.aws.get_waiter("published_version_active").wait(FunctionName="f", Qualifier="2")
    assert call.config()["State"] == "Active"


def test_a_template_that_is_killed_gives_way_to_plain_starts(snapped, lab, wait_until):
    call = snapped()
    found = template(lab)
    found.kill()
    wait_until(lambda: not found.is_running())
    said = call()
    assert [name for name, _ in said["hooks"]] == ["before", "after"]


def test_a_deleted_version_leaves_no_process(snapped, lab, wait_until):
    call = snapped()
    call()
    assert len(processes(lab)) == 2
    call.aws.delete_function(FunctionName="f", Qualifier="1")
    wait_until(lambda: processes(lab) == [])


def test_a_function_that_is_deleted_while_its_template_starts_leaves_no_process(snapped, lab, wait_until):
    call = snapped("import time\ntime.sleep(20)\n")
    assert len(processes(lab)) == 1
    call.aws.delete_function(FunctionName="f")
    wait_until(lambda: processes(lab) == [])


@pytest.mark.parametrize(
    "end", [Lab.stop, lambda lab: psutil.Process(lab.status()["pid"]).kill()], ids=["stop", "kill"]
)
def test_when_the_emulator_ends_nothing_is_left(own_lab, end):
    Snapped(own_lab, SOURCE).at_once("meet", 2)
    found = processes(own_lab)
    assert len(found) == 3
    end(own_lab)
    assert psutil.wait_procs(found, timeout=15)[1] == []

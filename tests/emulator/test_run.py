"""One run of an environment's processes: order of calls, deadlines, answers of the platform, on a fake sandbox."""

from __future__ import annotations

import json

import pytest

from labkit.emulator.extensions import Extensions
from labkit.emulator.run import FREEZE_AFTER_S, Run
from labkit.model import Status


class FakeSandbox:
    def __init__(self) -> None:
        self.done: list[object] = []
        self.runtime_alive = True

    def __getattr__(self, name):
        return lambda *arguments, **named: self.done.append(name)


class FakeHost:
    def on_extensions_registered(self): ...
    def on_extension_next(self): ...
    def on_extension_error(self, error_type): ...


@pytest.fixture
def make_run():
    def make(*names, snap_start=False):
        return Run(FakeSandbox(), 100.0, Extensions(FakeHost(), names, {}), snap_start)

    return make


def test_what_waits_is_frozen_once_after_a_while(make_run):
    run = make_run()
    run.freeze_when_due(200.0)
    run.parked, run.parked_at = object(), 100.0
    run.freeze_when_due(100.0 + FREEZE_AFTER_S / 2)
    assert run.sandbox.done == []
    for _ in range(2):
        run.freeze_when_due(100.0 + 2 * FREEZE_AFTER_S)
    assert run.sandbox.done == ["freeze"]


def test_in_a_crowd_it_is_frozen_later(make_run):
    run = make_run()
    run.parked, run.parked_at = object(), 100.0
    run.freeze_when_due(100.0 + 30 * FREEZE_AFTER_S, crowd=32)
    assert run.sandbox.done == []
    run.freeze_when_due(100.0 + 33 * FREEZE_AFTER_S, crowd=32)
    assert run.sandbox.done == ["freeze"]


def test_without_extensions_the_processes_are_killed_at_once(make_run):
    run = make_run()
    run.end("spindown")
    assert run.sandbox.done == ["kill"]


def test_with_an_extension_a_frozen_runtime_is_thawed_and_asked_first(make_run):
    run = make_run("watcher")
    run.frozen = True
    run.end("spindown")
    assert run.sandbox.done == ["thaw", "terminate_runtime"]


def test_when_the_runtime_has_ended_the_extensions_are_next_and_then_the_rest(make_run):
    run = make_run("watcher")
    run.end("failure")
    run.sandbox.done.clear()
    run.sandbox.runtime_alive = False
    run.shut_down(run.shutdown.until - 1)
    run.shut_down(run.shutdown.until)
    assert run.sandbox.done == ["kill_members", "kill"]


def test_an_init_has_its_limit_and_a_restore_ten_seconds_of_its_own(make_run):
    run = make_run(snap_start=True)
    assert run.init_deadline(130.0) == 230.0
    assert run.restore_begins() is True
    assert run.init_deadline(130.0) == run.restoring + 10.0


@pytest.mark.parametrize("call", ["restore_begins", "restore_failed"])
def test_without_snapstart_there_is_no_restore(make_run, call):
    arguments = ("Runtime.AfterRestoreError", b"{}") if call == "restore_failed" else ()
    assert getattr(make_run(), call)(*arguments) is False


def test_a_restore_comes_once_and_before_its_error(make_run):
    run = make_run(snap_start=True)
    assert "State transition from Started to RestoreError failed" in run.restore_failed("Runtime.X", b"{}")
    assert run.restore_begins() is True
    assert "State transition from Restoring to RestoreReady failed" in run.restore_begins()


def test_a_second_init_error_is_out_of_order(make_run):
    run = make_run()
    assert run.init_failed("Runtime.Unknown", b'{"errorType": "KeyError"}') is True
    assert run.init_error[0] == "KeyError"
    assert "State transition from InitError to InitError failed" in run.init_failed("Runtime.Unknown", b"{}")


def test_a_hook_before_the_snapshot_is_reported_by_its_own_name(make_run):
    run = make_run(snap_start=True)
    run.init_failed("Runtime.BeforeSnapshotError", b'{"errorType": "KeyError"}')
    assert run.error_type() == "Runtime.BeforeSnapshotError"


def test_a_restore_is_measured_when_it_is_over(make_run):
    run = make_run(snap_start=True)
    assert run.restored(5.0) is None
    run.restoring = 4.5
    assert run.restored(5.0) == 0.5
    assert run.restoring is None


@pytest.mark.parametrize(
    ("state", "reported", "error_type", "words"),
    [
        ({}, "Runtime.ExitError", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        (
            {"out_of_memory": True},
            "Runtime.OutOfMemory",
            "Runtime.ExitError",
            "Runtime exited with error: signal: killed",
        ),
        ({"killed_for": Status.TIMEOUT}, "Sandbox.Timedout", "Sandbox.Timedout", "Task timed out after 2.00 seconds"),
        ({"extension_error": ("Extension.Crash", "exit code 0")}, "Extension.Crash", "Extension.Crash", "exit code 0"),
    ],
)
def test_the_platform_answers_for_processes_that_ended(make_run, state, reported, error_type, words):
    run = make_run()
    for name, value in state.items():
        setattr(run, name, value)
    failure = run.failure("r1", 2, 3)
    assert failure.reported == reported
    assert json.loads(failure.body) == {"errorType": error_type, "errorMessage": f"RequestId: r1 Error: {words}"}


def test_an_answered_invocation_is_not_answered_again(make_run):
    run = make_run()
    run.answered = "r1"
    assert "from ResponseSent to InvocationResponse failed" in run.answered_twice("r1", "InvocationResponse")
    assert run.answered_twice("r2", "InvocationResponse") is False

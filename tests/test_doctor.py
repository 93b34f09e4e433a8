from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from labkit import doctor
from labkit.doctor import Finding, Seen, Verdict
from labkit.settings import Settings

EMULATOR = ("/usr/bin/python3", "-P", "-m", "labkit.emulator", "--port", "0")
ENVIRONMENT = ("/usr/bin/python3", "/somewhere/labkit/runtime/bootstrap.py")


def test_a_machine_is_complete_unless_something_essential_is_missing():
    limited = Finding("a", Verdict.LIMITED, "")
    assert doctor.complete([limited])
    assert not doctor.complete([limited, Finding("b", Verdict.MISSING, "")])


def test_an_old_python_is_missing_and_says_which_one_is_needed():
    finding = doctor.python((3, 10, 9))
    assert finding.verdict is Verdict.MISSING
    assert "3.11" in finding.advice


def test_the_oldest_python_that_labkit_supports_is_ok():
    assert doctor.python((3, 11, 0)).verdict is Verdict.OK


def test_every_absent_package_gets_its_own_finding_with_the_command_to_install_it():
    present, boto3, widgets = doctor.packages(lambda name: None if name in ("boto3", "ipywidgets") else "1.0")
    assert "numpy 1.0" in present.detail
    assert (boto3.topic, boto3.verdict) == ("package boto3", Verdict.MISSING)
    assert f"{sys.executable} -m pip install boto3" in boto3.advice
    assert widgets.verdict is Verdict.LIMITED


@pytest.mark.parametrize(
    ("wanted", "installed", "verdict"),
    [
        ("auto", "4.2", Verdict.OK),
        ("auto", None, Verdict.LIMITED),
        ("fallback", "4.2", Verdict.LIMITED),
        ("awslambdaric", None, Verdict.MISSING),
        ("aws", "4.2", Verdict.MISSING),
    ],
)
def test_the_runtime_client_is_judged_by_what_is_wanted_and_what_is_installed(wanted, installed, verdict):
    assert doctor.runtime_client(wanted, lambda name: installed).verdict is verdict


def test_without_jupyterlab_the_command_to_install_it_is_named():
    finding = doctor.jupyterlab(lambda name: None)
    assert finding.verdict is Verdict.LIMITED
    assert "pip install jupyterlab" in finding.advice


def test_any_of_chromiums_names_will_do():
    assert doctor.chromium({"google-chrome": "/opt/chrome"}.get).detail == "/opt/chrome"
    assert doctor.chromium({}.get).verdict is Verdict.LIMITED


def test_what_is_not_enforced_is_named():
    finding = doctor.not_enforced(["network access", "CPU share"])
    assert finding.verdict is Verdict.LIMITED
    assert finding.detail == "not enforced here: network access, CPU share"


def test_a_machine_that_enforces_everything_is_ok():
    assert doctor.not_enforced([]).verdict is Verdict.OK


def test_operations_that_are_missing_are_counted_and_named():
    finding = doctor.api(["Invoke", "GetFunction"], ["InvokeAsync"])
    assert (finding.verdict, finding.detail) == (Verdict.LIMITED, "2 of 3 operations")
    assert finding.advice == "Answered with 501: InvokeAsync."


def test_an_api_that_is_whole_is_ok():
    assert doctor.api(["Invoke"], []) == Finding("Lambda API", Verdict.OK, "1 of 1 operations")


@pytest.mark.process
def test_freezing_needs_a_child_that_can_be_stopped():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert doctor.freezing(child).verdict is Verdict.OK
        assert psutil.Process(child.pid).status() != psutil.STATUS_STOPPED
        child.kill()


@pytest.mark.process
def test_a_child_that_ended_cannot_be_frozen(monkeypatch):
    monkeypatch.setattr(doctor, "TRIAL_S", 0.0)
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, but its pid is still ours
    assert doctor.freezing(child).verdict is Verdict.LIMITED
    child.wait()


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="pipes kill nobody elsewhere")
def test_a_closed_pipe_ends_a_child():
    assert doctor.lifeline().verdict is Verdict.OK


@pytest.mark.process
def test_a_child_that_does_not_listen_to_its_pipe_is_limited_and_does_not_stay(monkeypatch):
    monkeypatch.setattr(doctor, "TRIAL_S", 0.0)
    monkeypatch.setattr(doctor, "LIFELINE", "import signal; print('ready', flush=True); signal.pause()")
    before = set(psutil.Process().children())
    assert doctor.lifeline().verdict is Verdict.LIMITED
    assert set(psutil.Process().children()) <= before


def test_a_process_that_is_gone_can_be_neither_watched_nor_limited():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    for finding in (doctor.memory_watching(child.pid), doctor.exit_watching(child.pid), doctor.limiting(child.pid)):
        assert finding.verdict is Verdict.LIMITED


def test_a_scratch_folder_is_tried_but_not_made(tmp_path):
    finding = doctor.scratch(tmp_path / "new" / "labkit-me")
    assert finding.verdict is Verdict.OK
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_folder_that_cannot_be_written_is_missing_and_names_the_setting():
    finding = doctor.scratch(Path("/proc/self/labkit"))
    assert finding.verdict is Verdict.MISSING
    assert "LABKIT_SCRATCH" in finding.advice


@pytest.mark.parametrize("command", [EMULATOR, ENVIRONMENT])
@pytest.mark.parametrize(("parent", "stale"), [((1, "sh"), True), ((800, "systemd"), True), ((800, "python3"), False)])
def test_a_process_of_labkits_is_stale_when_only_a_foster_parent_has_it(command, parent, stale):
    assert doctor.is_stale(Seen(900, command, *parent)) is stale


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("vim", "labkit.emulator"),
        ("python3", "-m", "labkit.emulator_notes"),
        ("python3", "/other/runtime/bootstrap.py"),
    ],
)
def test_other_programs_are_nothing_to_end(command):
    assert not doctor.is_stale(Seen(900, command, 1))


def test_stale_processes_are_named_with_the_command_that_ends_them():
    finding = doctor.leftovers([Seen(902, EMULATOR, 1), Seen(901, ENVIRONMENT, 1), Seen(903, EMULATOR, 800, "python")])
    assert finding.verdict is Verdict.LIMITED
    assert finding.advice == "End them with: kill 901 902"


@pytest.mark.process
def test_running_processes_are_seen_with_their_command_and_parent():
    command = [sys.executable, "-c", "input()", "-m", "labkit.emulator"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        seen = next(seen for seen in doctor.running() if seen.pid == child.pid)
        child.kill()
    assert seen.parent_pid == os.getpid()
    assert seen.parent_name == psutil.Process().name()
    assert doctor.is_labkits(seen.command)
    assert not doctor.is_stale(seen)


@pytest.mark.parametrize(
    ("obstacle", "kernel", "verdict", "said"),
    [
        ("", True, Verdict.OK, "enforced in a network namespace"),
        (
            "Operation not permitted",
            True,
            Verdict.LIMITED,
            "in Python and Landlock (TCP ports); no network namespace: Op",
        ),
        ("Operation not permitted", False, Verdict.LIMITED, "in Python and nothing else: the kernel has no Landlock"),
    ],
)
def test_it_says_what_holds_functions_to_the_network_rules(obstacle, kernel, verdict, said):
    finding = doctor.network_rules(obstacle, kernel=kernel)
    assert finding.verdict is verdict
    assert said in finding.detail


def test_who_wants_the_hook_is_told_that_this_is_the_reason():
    assert doctor.namespace_obstacle(Settings(network_rules="hook")) == "LABKIT_NETWORK_RULES=hook"


@pytest.mark.process
def test_an_examination_covers_every_topic_once_and_leaves_no_process(tmp_path):
    before = set(psutil.Process().children())
    topics = [f.topic for f in doctor.examine(Settings(scratch=str(tmp_path))) if not f.topic.startswith("package ")]
    assert topics == [
        "Python", "packages", "runtime client", "freezing", "memory watching", "exit watching", "limits", "lifeline",
        "network rules", "scratch folder", "loopback", "leftovers", "JupyterLab", "other users", "Chromium",
    ]  # fmt: skip
    assert set(psutil.Process().children()) <= before


def test_off_a_hub_there_is_nothing_to_say_of_one():
    assert doctor.hub("") == []


@pytest.mark.parametrize(("version", "verdict"), [("4.6.0", Verdict.OK), (None, Verdict.LIMITED)])
def test_on_a_hub_it_says_where_links_go(version, verdict):
    (found,) = doctor.hub("/user/ada/", lambda name: version)
    assert found.verdict is verdict
    assert "/user/ada/proxy/PORT/" in found.detail


def test_other_users_are_kept_out_where_the_system_tells_them_apart():
    assert doctor.other_users(owner=lambda *ends: 1000).verdict is Verdict.OK


@pytest.mark.parametrize(("users", "owner"), [("mine", None), ("all", 1000)])
def test_what_is_open_to_other_users_is_said(users, owner):
    found = doctor.other_users(users, lambda *ends: owner)
    assert found.verdict is Verdict.LIMITED
    assert "NONE is open to every user of this machine" in found.detail
    assert "AWS_IAM" in found.advice

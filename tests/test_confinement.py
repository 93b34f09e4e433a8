"""Whether a machine can confine processes is tried; what is confined is in tests/emulator/test_egress.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import psutil
import pytest

from labkit import confinement
from labkit.confinement import obstacle

pytestmark = pytest.mark.process


@pytest.fixture
def program(tmp_path):
    """A program in the place of the one that is confined."""

    def write(code):
        path = tmp_path / "program.py"
        path.write_text(code)
        return path

    return write


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('Operation not permitted')", "Operation not permitted"),
        ("raise SystemExit(1)", "a process in a network namespace ended without a word"),
        ("import sys; print(99, flush=True); sys.stdin.read()", "could not be supervised: [Errno 9]"),
        ("print(0, flush=True)", "could not be supervised"),
    ],
)
def test_what_does_not_work_is_the_reason_why_not(program, code, said):
    assert said in obstacle(program(code))


def test_a_trial_leaves_no_process_and_no_descriptor():
    processes, descriptors = set(psutil.Process().children()), os.listdir("/proc/self/fd")
    obstacle()
    assert set(psutil.Process().children()) <= processes
    assert os.listdir("/proc/self/fd") == descriptors


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can become somebody else")
@pytest.mark.skipif(bool(obstacle()), reason="this machine has no network namespaces for us")
def test_who_may_do_nothing_else_makes_a_user_namespace_or_says_what_forbids_it():
    """Root without the right to make network namespaces is in the place of an ordinary user."""
    command = [sys.executable, "-c", "from labkit import confinement; print(repr(confinement.obstacle()))"]
    run = ["setpriv", "--bounding-set", "-sys_admin,-net_admin,-sys_ptrace", "--inh-caps", "-all", *command]
    done = subprocess.run(run, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    assert done.stdout.strip() in ("''", "'Operation not permitted'"), done.stderr
    by_hand = subprocess.run([*run[:5], "unshare", "-Urn", "true"], capture_output=True, check=False)
    assert (done.stdout.strip() == "''") is (by_hand.returncode == 0)


def test_the_program_that_is_confined_is_there():
    assert confinement.NAMESPACE.is_file()

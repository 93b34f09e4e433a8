"""What the operating system says about processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from labkit.emulator import proc

BURN = "import time\nwhile time.process_time() < 0.05: pass\nprint(flush=True)\ninput()"


@pytest.mark.process
def test_the_cpu_time_of_another_process_is_that_of_its_own_clock():
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        first, second = proc.cpu_s(process.pid), proc.cpu_s(process.pid)
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert 0.05 <= first <= second
    assert proc.cpu_s(process.pid) is None


def test_cpu_time_grows_with_what_is_computed():
    before, own = proc.cpu_s(os.getpid()), time.process_time()
    while time.process_time() - own < 0.002:
        pass
    assert proc.cpu_s(os.getpid()) - before >= 0.001


@pytest.mark.process
def test_children_that_were_waited_for_count_too():
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', sys.argv[1]], input=b'\\n')\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", code, BURN + "\nprint('waited', flush=True)"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        while b"waited" not in process.stdout.readline():
            pass
        own = time.clock_gettime((~process.pid << 3) | 2) if proc.HAS_PROC else 0.0
        deadline = time.monotonic() + 15
        while proc.HAS_PROC and proc.cpu_s(process.pid) - own < 0.04:
            assert time.monotonic() < deadline
        process.stdin.write(b"\n")
        process.stdin.flush()

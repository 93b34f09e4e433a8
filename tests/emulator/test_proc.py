"""What the operating system says about processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from labkit.emulator import proc

BURN = "import time\nwhile time.process_time() < 0.05: pass\nprint(flush=True)\ninput()"


def python(code: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


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


@pytest.mark.process
@pytest.mark.skipif(not proc.HAS_PROC, reason="there is no /proc here")
def test_who_was_started_last_is_known():
    with python("print(1, flush=True); input()") as child:
        child.stdout.readline()
        assert proc.newest() >= child.pid


@pytest.mark.process
@pytest.mark.skipif(not proc.HAS_PROC, reason="there is no /proc here")
def test_a_process_is_known_by_the_most_that_it_ever_had():
    code = "x = bytearray(80_000_000); del x; print(1, flush=True); input()"
    with python(code) as child:
        child.stdout.readline()
        resident = proc.Resident(child.pid)
        now, peak = resident.read_bytes(), resident.peak_bytes()
    assert now < 80_000_000 < peak
    resident.close()


@pytest.mark.process
@pytest.mark.skipif(not proc.HAS_PROC, reason="there is no /proc here")
def test_of_a_process_that_is_gone_nothing_is_known():
    with python("input()") as child:
        resident = proc.Resident(child.pid)
    assert (resident.read_bytes(), resident.peak_bytes()) == (0, 0)
    resident.close()

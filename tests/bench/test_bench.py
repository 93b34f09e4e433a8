"""The benchmark runs, reports every row and ends what it starts. How fast anything is, no test asserts."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("bench")]

ROWS = {
    "warm_echo_fastapi", "warm_sklearn_fastapi", "warm_echo_boto3", "signing", "tail_echo",
    "throughput_1", "throughput_8", "throughput_32", "cold_echo", "cold_numpy", "cold_sklearn",
    "restore_echo", "restored_call_echo", "restore_sklearn", "restored_call_sklearn",
    "serve", "load_ext", "moto_first", "moto_memory", "memory_emulator", "memory_after", "memory_flat",
    "memory_environment_echo", "memory_environment_numpy", "memory_environment_sklearn",
    "memory_forked_echo", "memory_forked_numpy", "memory_forked_sklearn",
    "growth_functions_5", "growth_environments_3", "lesson", "simulation",
}  # fmt: skip
IF_INSTALLED = {"warm_echo_functions", "warm_sklearn_functions"}  # functions-framework is an extra of its own
DIFFERENCES = {"signing"}  # of a few noisy calls: it may seem to be nothing, or less
FACTS = {"date": "today", "processor": "P", "python": "CPython", "meanwhile": "quiet"}
RUN = Path(__file__).with_name("run.py")
NUMBERS = ("value", "low", "high", "against_value", "ratio", "ratio_low", "ratio_high")


@pytest.fixture(scope="module")
def rows():
    """The bench's own module, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("bench_rows", Path(__file__).with_name("rows.py"))
    module = sys.modules["bench_rows"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A quick run: what it printed, its rows by key, and the mark that its processes inherited."""
    results, mark = tmp_path_factory.mktemp("bench") / "results.json", uuid.uuid4().hex
    finished = subprocess.run(
        [sys.executable, str(RUN), "--quick", "--json", str(results)],
        env={**os.environ, "BENCH_MARK": mark}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return finished.stdout, {row["key"]: row for row in json.loads(results.read_text())["rows"]}, mark


def test_a_quick_run_reports_every_row_with_finite_numbers(run):
    printed, found, _ = run
    assert set(found) - IF_INSTALLED == ROWS
    for row in found.values():
        assert all(math.isfinite(row[name]) for name in NUMBERS), row
        assert row["key"] in DIFFERENCES or all(row[name] > 0 for name in NUMBERS), row
        assert row["low"] <= row["value"] <= row["high"], row
        assert row["what"] in printed


def test_a_run_leaves_no_process_behind(run):
    assert [p.cmdline() for p in psutil.process_iter() if carries(p, run[2])] == []


def carries(process, mark):
    try:
        return process.environ().get("BENCH_MARK") == mark
    except psutil.Error:
        return False


def test_the_table_stands_in_its_place_in_the_readme(rows):
    readme = f"before\n{rows.BEGIN}\nold\n{rows.END}\nafter"
    assert rows.with_table(readme, "| new |") == f"before\n{rows.BEGIN}\n| new |\n{rows.END}\nafter"
    with pytest.raises(ValueError, match="no place"):
        rows.with_table("before", "| new |")


def test_a_row_of_the_table_has_median_ratio_target_and_verdict(rows):
    ours, floor = [[2.0], [2.0]], [[1.0], [1.0]]
    row = rows.compared("k", "calls", "ms", rounds=ours, against="floor", floor=floor, target=rows.Target(3))
    table = rows.markdown({"Speed of calls": [row]}, FACTS)
    assert "| calls | 2.0 ms | floor: 1.0 ms | 2.00 | ≤ 3 × | met |" in table
    assert "| **Speed of calls** |" in table


def test_the_table_says_what_was_not_measured(rows):
    assert "busy. Not measured: a peer." in rows.markdown({}, {**FACTS, "meanwhile": "busy"}, ["not measured: a peer"])


@pytest.mark.parametrize(("value", "met"), [(40.0, True), (41.0, False)])
def test_a_target_can_be_about_the_median_itself(rows, value, met):
    target = rows.Target(40, of="median")
    row = rows.compared("k", "calls", "µs", rounds=[[value]], against="floor", floor=[[1.0]], target=target)
    assert (row.met, row.target) == (met, "≤ 40 µs")


def test_a_part_that_does_not_exist_is_refused_by_name():
    finished = subprocess.run([sys.executable, str(RUN), "--only", "warmth"], capture_output=True, text=True)
    assert finished.returncode == 2
    assert "'warmth'" in finished.stderr
    assert "warm calls" in finished.stderr


def test_a_table_of_a_part_does_not_go_into_the_readme():
    finished = subprocess.run([sys.executable, str(RUN), "--only", "warm", "--readme"], capture_output=True, text=True)
    assert finished.returncode == 2
    assert "whole run" in finished.stderr


STACKS = """\
main (labkit/emulator/server.py:1);Runner.run (asyncio/runners.py:86);__call__ (/x/site-packages/labkit/emulator/http.py:40) 30
main (labkit/emulator/server.py:1);Runner.run (asyncio/runners.py:86);__call__ (labkit/emulator/http.py:40);digest (hmac.py:9) 10
_worker (concurrent/futures/thread.py:69) 99
"""


def test_a_flame_graph_is_summed_up_by_function_and_module_of_the_loop():
    code = "import sys, flames; print(flames.text(flames.summary(sys.stdin)))"
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=RUN.parent, input=STACKS, capture_output=True, text=True, check=True
    )
    own, under, modules = finished.stdout.split("\n\n")[1:]
    assert "40 samples of the loop, 99 of other threads" in finished.stdout
    assert " 75.0 %  labkit.emulator.http:__call__" in own
    assert "100.0 %  labkit.emulator.http:__call__" in under
    assert "server" not in under
    assert " 25.0 %  hmac" in modules.splitlines()[2]


ABSENT = "import npm\ntry: npm.installed()\nexcept npm.Absent as absent: print(absent)"


def absent(path, cache):
    """What the bench says of its peer from npm, where these are the programs there are."""
    return subprocess.run(
        [sys.executable, "-c", ABSENT], cwd=RUN.parent, env={**os.environ, "PATH": str(path), "XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip


def test_without_node_and_npm_the_peer_is_absent(tmp_path):
    assert absent(tmp_path, tmp_path) == "serverless-offline: there is no node and npm\n"


def test_a_failed_installation_is_said_in_npms_words_and_leaves_nothing(tmp_path):
    programs, cache = tmp_path / "bin", tmp_path / "cache"
    programs.mkdir()
    for name in ("node", "npm"):
        (programs / name).write_text("#!/bin/sh\necho 'no registry' >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    assert "npm could not install it; it said: no registry" in absent(programs, cache)
    assert list((cache / "labkit-bench").iterdir()) == []

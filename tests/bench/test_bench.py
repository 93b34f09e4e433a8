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
    "warm_echo", "warm_echo_boto3", "warm_sklearn", "tail_echo", "throughput_1", "throughput_8", "throughput_32",
    "cold_echo", "cold_numpy", "cold_sklearn", "serve", "load_ext", "memory_emulator", "memory_environment",
    "memory_forked", "restore_echo", "restored_call_echo", "restore_sklearn", "restored_call_sklearn", "simulation",
}  # fmt: skip
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
        [sys.executable, str(Path(__file__).with_name("run.py")), "--quick", "--json", str(results)],
        env={**os.environ, "BENCH_MARK": mark}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return finished.stdout, {row["key"]: row for row in json.loads(results.read_text())["rows"]}, mark


def test_a_quick_run_reports_every_row_with_finite_numbers(run):
    printed, found, _ = run
    assert set(found) == ROWS
    for row in found.values():
        assert all(math.isfinite(row[name]) and row[name] > 0 for name in NUMBERS), row
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
    facts = {"date": "today", "processor": "P", "python": "CPython", "meanwhile": "quiet"}
    assert "| calls | 2.0 ms | floor: 1.0 ms | 2.00 | ≤ 3 × | met |" in rows.markdown([row], facts)

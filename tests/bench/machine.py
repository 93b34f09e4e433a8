"""What a reader needs to compare two runs: the machine and the versions, and whether anything else was running.

Nothing here names the computer or its folders.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from npm import SERVERLESS, SERVERLESS_OFFLINE

PACKAGES = (
    "awslambdaric", "boto3", "moto", "fastapi", "functions-framework", "gunicorn", "uvicorn", "httptools", "uvloop",
    "ipython", "nbclient", "numpy", "scikit-learn",
)  # fmt: skip
IDLE = (3, 4)  # the places of idle and iowait in /proc/stat
QUIET = 0.1


def machine() -> dict[str, str]:
    """Processor, system, interpreter, packages and date, as words."""
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(filter(None, map(_package, PACKAGES))),
        "from npm": f"serverless-offline {SERVERLESS_OFFLINE}, serverless {SERVERLESS}, node {_node()}",
        "date": date.today().isoformat(),
    }


def _package(name: str) -> str:
    """With its version; empty for a peer that is not installed."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""


def _node() -> str:
    if shutil.which("node") is None:
        return "is not installed"
    return subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


class Neighbours:
    """How busy everybody else keeps the processor while we measure."""

    def __init__(self) -> None:
        self._started, self._busy_s, self._own_s = time.monotonic(), _busy_s(), _own_s()

    def cores(self) -> float:
        """Cores that were busy, on average, with what this process did not start. Its children must have ended."""
        others_s = (_busy_s() - self._busy_s) - (_own_s() - self._own_s)
        return max(0.0, others_s / (time.monotonic() - self._started))

    def words(self) -> str:
        cores = self.cores()
        advice = "" if cores <= QUIET else "; quiet is at most 0.1: measure again"
        return f"{cores:.2f} cores were busy with something else{advice}"


def _busy_s() -> float:
    """Of all processors since the start of the machine."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(n for place, n in enumerate(ticks) if place not in IDLE) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    """Of this process and of the descendants that were waited for."""
    return sum(os.times()[:4])

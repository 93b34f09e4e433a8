"""What `%lab` shows: the emulator, its environments, what it cannot enforce here."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from labkit.emulator import proc
from labkit.emulator.account import Account

MIB = 1024 * 1024
_STARTED = time.monotonic()


def lab_status(account: Account) -> dict[str, Any]:
    environments = [
        {
            "id": e.env_id,
            "function": e.version.config.name,
            "phase": e.phase.value,
            "pid": e.pid,
            "memory_mb": round(e.memory_bytes() / MIB, 1),
        }
        for e in account.dispatcher.environments.values()
    ]
    return {
        "endpoint": account.endpoint,
        "pid": os.getpid(),
        "uptime_s": round(time.monotonic() - _STARTED, 1),
        "account_id": account.registry.account_id,
        "region": account.registry.region,
        "concurrency_limit": account.dispatcher.account_limit,
        "environments": environments,
        "functions": len(account.registry.functions),
        "memory_mb": round(proc.proportional_bytes([os.getpid()]) / MIB, 1),
        "limits": not_enforced(),
    }


def environments_of(account: Account, function_name: str) -> dict[str, dict[str, Any]]:
    """By id: the phase, and the CPU time that its runtime's process has used so far (None if nobody can say)."""
    return {
        e.env_id: {"phase": e.phase.value, "cpu_s": proc.cpu_s(e.pid) if e.pid else None}
        for e in account.dispatcher.environments.values()
        if e.version.config.name == function_name
    }


def life_of(account: Account, since: int) -> dict[str, Any]:
    """What somebody who watches wants to know, several times a second: no process is asked.

    `times_s`: from request to answer, by function, of the runs behind the first `since`; `runs` is the next `since`.
    """
    recorder, dispatcher = account.recorder, account.dispatcher
    times_s: dict[str, list[float]] = {}
    for trace in recorder.runs_since(since):
        times_s.setdefault(trace.function_name, []).append(trace.total_s)
    return {
        "runs": recorder.runs,
        "environments": {e.env_id: (e.version.config.name, e.phase.value) for e in dispatcher.environments.values()},
        "throttled": dict(dispatcher.throttles),
        "times_s": times_s,
    }


def not_enforced() -> list[str]:
    """What Lambda would enforce and this machine does not."""
    limits = ["network access", "files outside the environment's folder", "number of processes", "CPU share"]
    if os.geteuid() == 0:
        limits.append("the read-only task folder (running as root)")
    if sys.platform != "linux":
        limits.append("open files")
    return limits

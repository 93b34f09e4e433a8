"""Measures what `labkit.power` models: warm calls one after the other, each with its process's CPU time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from labkit.errors import NoCpuTimes
from labkit.model import Outcome
from labkit.power import Calibrated, Call

if TYPE_CHECKING:
    from labkit.client.lab import Lab

CALLS = 10

CpuTimes = dict[str, float]


def calibrated(
    lab: Lab,
    page: Callable[..., Any],
    name: str,
    sizes: Sequence[int],
    event: object,
    *,
    n: int,
    resize: Callable[[str, int], None],
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Calibrated, ...]:
    """Each size in turn; the function's own is restored, whatever happens. Raises NoCpuTimes, UnknownFunction."""
    function = lab.function(name)
    found: list[Calibrated] = []

    def cpu_times() -> CpuTimes:
        said = page(f"functions/{function.name}/environments")
        return {env_id: facts["cpu_s"] for env_id, facts in (said or {}).items() if facts["cpu_s"] is not None}

    try:
        for done, size in enumerate(sizes):
            if on_progress:
                on_progress(done, len(sizes))
            resize(name, size)
            found.append(measure(size, lambda: lab.invoke(name, event), cpu_times, n=n, endpoint=lab.endpoint))
    finally:
        resize(name, function.memory_mb)
    if on_progress:
        on_progress(len(sizes), len(sizes))
    return tuple(found)


def measure(
    size: int, invoke: Callable[[], Outcome], cpu_times: Callable[[], CpuTimes], *, n: int, endpoint: str
) -> Calibrated:
    """One call to start with, then `n` warm ones. Stops at the first that fails. Raises NoCpuTimes."""
    calls: list[Call] = []
    outcome, before = invoke(), cpu_times()
    for _ in range(2 * n):  # some may be cold again
        if not outcome.ok or len(calls) == n:
            break
        outcome, now = invoke(), cpu_times()
        if outcome.ok and (outcome.trace is None or not outcome.trace.cold):
            calls.append(_call(outcome, before, now, endpoint))
        before = now
    return Calibrated(size, tuple(calls), failed="" if outcome.ok else _error(outcome))


def _call(outcome: Outcome, before: CpuTimes, now: CpuTimes, endpoint: str) -> Call:
    trace = outcome.trace
    if trace is None or trace.environment_id not in before.keys() & now.keys():
        raise NoCpuTimes(endpoint)
    return Call(trace.duration_s, now[trace.environment_id] - before[trace.environment_id])


def _error(outcome: Outcome) -> str:
    if outcome.trace is not None and outcome.trace.error_type:
        return outcome.trace.error_type
    return outcome.error.error_type if outcome.error else str(outcome.status)

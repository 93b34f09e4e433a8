"""Fixed records: every time in them is a round number, so that exact texts can be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from labkit.loadtest import Answered, LoadTest, Sample, joined
from labkit.model import FunctionError, InitPhases, Outcome, Outcomes, Status, Trace
from labkit.power import Calibrated, Call, PowerTuning
from labkit.simulate import Limits, simulate
from labkit.simulation import FAILED, SERVED, THROTTLED, Simulation


@dataclass(frozen=True)
class FakeFunction:
    name: str = "predict"
    arn: str = "arn:aws:lambda:us-east-1:123456789012:function:predict"
    handler: str = "predict.handler"
    runtime: str = "python3.13"
    memory_mb: int = 256
    timeout_s: int = 3
    version: str = "$LATEST"
    code_sha256: str = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="
    size_bytes: int = 1234
    variables: dict[str, str] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    change: str = "created"


@pytest.fixture
def function() -> type[FakeFunction]:
    return FakeFunction


@pytest.fixture
def simulation() -> Simulation:
    """Ten requests at once for four environments, then one a second; each call takes 0.5 s, each init 1 s."""
    return simulate(
        [0.0] * 10 + [float(t) for t in range(5, 15)],
        service=0.5, init=1.0, limits=Limits(reserved=4), memory_mb=256, label="predict",
    )  # fmt: skip


@pytest.fixture
def warm() -> Callable[..., Trace]:
    def make(duration_s: float = 0.004, queued_s: float = 0.001, **changes: object) -> Trace:
        values = {
            "request_id": "r1",
            "function_name": "predict",
            "version": "$LATEST",
            "environment_id": "e1",
            "log_stream": "stream",
            "arrived_at": 0.0,
            "queued_s": queued_s,
            "duration_s": duration_s,
            "memory_mb": 256,
            "max_memory_mb": 96,
            "status": Status.SUCCESS,
        }
        return Trace(**{**values, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def cold(warm: Callable[..., Trace]) -> Callable[..., Trace]:
    """A cold call of 100 ms times `scale`: 10 process, 20 runtime, 40 imports, 20 module, 2 hand-over, 8 handler."""

    def make(scale: float = 1.0, imports: tuple[tuple[str, float], ...] = (), **changes: object) -> Trace:
        phases = InitPhases(0.010 * scale, 0.020 * scale, 0.040 * scale, 0.020 * scale, imports)
        values = {"init_s": phases.total_s, "phases": phases, **changes}
        return warm(duration_s=0.008 * scale, queued_s=0.092 * scale, **values)

    return make


@pytest.fixture
def outcome(warm: Callable[..., Trace]) -> Callable[..., Outcome]:
    def make(payload: object = None, **changes: object) -> Outcome:
        values = {"function_name": "predict", "status": Status.SUCCESS, "payload": payload, "trace": warm(), **changes}
        return Outcome(**values)  # type: ignore[arg-type]

    return make


@pytest.fixture
def failed(outcome: Callable[..., Outcome]) -> Callable[..., Outcome]:
    def make(
        error_type: str, message: str, stack: tuple[str, ...] = (), *, status: Status = Status.ERROR, **changes: object
    ) -> Outcome:
        error = FunctionError(error_type, message, stack)
        payload = {"errorType": error_type, "errorMessage": message}
        return outcome(payload, status=status, error=error, **changes)

    return make


@pytest.fixture
def series(warm: Callable[..., Trace], cold: Callable[..., Trace]) -> Callable[..., Outcomes]:
    """Seven cold calls of 100 ms times `scale` and nine warm ones of 5 ms, each group all alike."""

    def make(
        label: str = "model", scale: float = 1.0, *, n_cold: int = 7, n_warm: int = 9, **changes: object
    ) -> Outcomes:
        traces = [cold(scale, **changes)] * n_cold + [warm()] * n_warm
        return Outcomes(label, tuple(Outcome(label, Status.SUCCESS, 1, trace=trace) for trace in traces))

    return make


@pytest.fixture
def loadtest() -> Callable[..., LoadTest]:
    """Ten requests a second for ten seconds; every fifth is throttled, the first fails, each takes 0.1 s."""

    def make(lag_s: float = 0.0, **changes: object) -> LoadTest:
        rows = [
            Answered(k, k / 10 + lag_s, k / 10 + lag_s + 0.1, THROTTLED if k % 5 == 4 else SERVED, "", f"r{k}")
            for k in range(100)
        ]
        rows = [row._replace(reason="CallerRate<Limit>") if row.status == THROTTLED else row for row in rows]
        rows[0] = rows[0]._replace(status=FAILED, reason="Unhandled")
        values = {"for_s": 10.0, "memory_mb": 256, "samples": [Sample(5.0, 1, 2, 3, 4)]}
        return joined("predict", "constant, 10/s", [k / 10 for k in range(100)], rows, {}, **{**values, **changes})

    return make


@pytest.fixture
def checked() -> Callable[..., SimpleNamespace]:
    """A report of one behaviour that should be 1, in a section of its own."""

    def make(found: object, *, claim: str = "it counts", excuse: str = "", error: str = "") -> SimpleNamespace:
        behaviour = SimpleNamespace(section="1. Counting", claim=claim, source="doc", expected=1, excuse=excuse)
        odd = "not enforced" if excuse else "differs"
        row = SimpleNamespace(
            behaviour=behaviour, found=found, error=error, verdict="conforms" if found == 1 and not error else odd
        )
        return SimpleNamespace(rows=(row,))

    return make


@pytest.fixture
def tuning() -> PowerTuning:
    """100 ms of CPU time and 100 ms of waiting; too much memory for the smallest size."""
    calls = (Call(0.2, 0.1),) * 5
    sizes = (Calibrated(128, (), "Runtime.OutOfMemory"), Calibrated(1024, calls), Calibrated(1769, calls))
    return PowerTuning("predict", sizes, 3, "speed")

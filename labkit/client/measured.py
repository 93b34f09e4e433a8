"""What a function's traces say about its times: the distributions that a simulation of it draws from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labkit.distributions import Distribution, empirical
from labkit.errors import NotMeasured
from labkit.model import Status, Trace

Times = Distribution | float | None


def service(name: str, traces: Sequence[Trace], given: Times) -> Distribution | float:
    """Handler times of warm calls, or of all if none was warm. Raises NotMeasured."""
    warm = [t for t in _answered(traces) if not t.cold]
    return _measured(name, "call", warm or _answered(traces), lambda t: t.duration_s, given)


def init(name: str, traces: Sequence[Trace], given: Times) -> Distribution | float:
    """Init phases of cold calls. Raises NotMeasured."""
    return _measured(name, "cold start", [t for t in traces if t.cold], lambda t: t.startup_s or 0.0, given)


def first(traces: Sequence[Trace], given: Times) -> Times:
    """Handler times of the first call in a fresh environment, which loads what later ones find loaded."""
    cold = [t.duration_s for t in _answered(traces) if t.cold]
    return empirical(cold) if given is None and cold else given


def _answered(traces: Sequence[Trace]) -> list[Trace]:
    return [t for t in traces if t.status is Status.SUCCESS]


def _measured(
    name: str, what: str, traces: Sequence[Trace], time_of: Callable[[Trace], float], given: Times
) -> Distribution | float:
    if given is not None:
        return given
    if not traces:
        raise NotMeasured(name, what)
    return empirical(map(time_of, traces))

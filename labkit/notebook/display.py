"""How records appear in a notebook: text first, HTML beside it, facts for `labkit run`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from labkit.billing import Cost
from labkit.client import DeployedFunction, Outcome, Outcomes
from labkit.client.address import Address
from labkit.client.api import Api
from labkit.life import Picture
from labkit.loadtest import LoadTest
from labkit.model import Trace, Traces, Trigger
from labkit.power import PowerTuning
from labkit.show import data, html, life, text
from labkit.simulation import Simulation


@dataclass(frozen=True)
class Shown:
    """A result that is mainly to be looked at; `value` is what it shows."""

    value: Any
    text: str = field(repr=False)
    html: str = field(repr=False)

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def _outcomes_html(outcomes: Outcomes) -> str:
    from labkit.show import plots  # matplotlib takes 0.3 s to import: only when a figure is wanted

    if not any(series.cold for series in outcomes.series):
        return html.outcomes(outcomes)
    parts = html.figure(plots.png(plots.coldstart(outcomes)), plots.alt_coldstart(outcomes), CAPTION)
    shares = html.figure(
        plots.png(plots.distribution(outcomes)), plots.alt_distribution(outcomes), DISTRIBUTION_CAPTION
    )
    return html.outcomes(outcomes) + parts + html.folded(plots.DISTRIBUTION_QUESTION, shares)


def _loadtest_html(result: LoadTest) -> str:
    from labkit.show import plots  # as above

    if not len(result):
        return html.loadtest(result)
    return html.loadtest(result) + html.figure(
        plots.png(plots.loadtest(result)), plots.alt_loadtest(result), LOADTEST_CAPTION
    )


def _power_html(tuning: PowerTuning) -> str:
    from labkit.show import plots  # as above

    if not tuning.working:
        return html.power(tuning)
    return html.power(tuning) + html.figure(plots.png(plots.power(tuning)), plots.alt_power(tuning), POWER_CAPTION)


def _simulation_html(simulation: Simulation) -> str:
    from labkit.show import plots  # as above

    picture = plots.png(plots.simulation(simulation))
    return html.simulation(simulation) + html.figure(picture, plots.alt_simulation(simulation), SIMULATION_CAPTION)


def _trace_html(trace: Trace) -> str:
    from labkit.show import tracks  # as above

    return html.trace(trace) + html.figure(tracks.png(tracks.trace(trace)), tracks.alt_trace(trace), TRACE_CAPTION)


def _environments_html(traces: Traces) -> str:
    from labkit.show import tracks  # as above

    if not traces:
        return html.environments(traces)
    picture = tracks.png(tracks.environments(traces))
    return html.environments(traces) + html.figure(picture, tracks.alt_environments(traces), ENVIRONMENTS_CAPTION)


TRACE_CAPTION = "From the request's arrival to the handler's end; imports are a part of the init."
ENVIRONMENTS_CAPTION = "One line per environment, from its first request to its last call; a thin line is frozen."
SIMULATION_CAPTION = "Left: means over short stretches of time. Right: how many requests were answered within a time."
LOADTEST_CAPTION = "Left: means over short stretches of time. Right: times from when a request should have been sent."
POWER_CAPTION = "Both lines are a model of CPU shares, from CPU times that were measured here."
DISTRIBUTION_CAPTION = "A steep line varies little. An arrow is an interval without an end: too few calls for one."
CAPTION = "Left: the parts of a cold start. Right: each dot is one call; a grid line is ten times the one before it."

_FORMATS: dict[type, dict[str, Callable[[Any], Any]]] = {
    DeployedFunction: {"text/plain": text.function, "text/html": html.function, data.MIME: data.function},
    Outcome: {"text/plain": text.outcome, "text/html": html.outcome, data.MIME: data.outcome},
    Simulation: {"text/plain": text.simulation, "text/html": _simulation_html, data.MIME: data.simulation},
    LoadTest: {"text/plain": text.loadtest, "text/html": _loadtest_html, data.MIME: data.loadtest},
    PowerTuning: {"text/plain": text.power, "text/html": _power_html, data.MIME: data.power},
    Cost: {"text/plain": text.cost, "text/html": html.cost},
    Trace: {"text/plain": text.trace, "text/html": _trace_html, data.MIME: data.trace},
    Traces: {"text/plain": text.environments, "text/html": _environments_html},
    Address: {
        "text/plain": lambda address: text.address(str(address), address.link),
        "text/html": lambda address: html.address(str(address), address.link),
    },
    Api: {"text/plain": text.api, "text/html": html.api},
    Picture: {"text/plain": life.text, "text/html": life.html},
    Trigger: {"text/plain": text.trigger, "text/html": html.trigger},
    Outcomes: {"text/plain": text.outcomes, "text/html": _outcomes_html, data.MIME: data.outcomes},
}


# by name: what few notebooks use is not imported for all of them
_RARE_FORMATS: dict[tuple[str, str], dict[str, Callable[[Any], Any]]] = {
    ("labkit.conformance.report", "Report"): {
        "text/plain": text.conformance_report,
        "text/html": html.conformance_report,
    },
}


def register(shell: InteractiveShell) -> None:
    """Teaches the shell to show labkit's records."""
    formatters = shell.display_formatter.formatters
    for kind, formats in _FORMATS.items():
        for mime, show in formats.items():
            if mime not in formatters:
                formatters[mime] = _facts_formatter(shell, mime)
            formatters[mime].for_type(kind, _as_pretty(show) if mime == "text/plain" else show)
    for (module, name), formats in _RARE_FORMATS.items():
        for mime, show in formats.items():
            formatters[mime].for_type_by_name(module, name, _as_pretty(show) if mime == "text/plain" else show)


def unregister(shell: InteractiveShell) -> None:
    formatters = shell.display_formatter.formatters
    for kind, formats in _FORMATS.items():
        for mime in formats:
            formatters[mime].pop(kind, None)
    for (module, name), formats in _RARE_FORMATS.items():
        for mime in formats:
            formatters[mime].pop(f"{module}.{name}", None)
    formatters.pop(data.MIME, None)


def _as_pretty(show: Callable[[Any], str]) -> Callable[[Any, Any, bool], None]:
    """IPython's plain text formatter wants a printer."""

    def pretty(record: Any, printer: Any, cycle: bool) -> None:
        printer.text(show(record))

    return pretty


def _facts_formatter(shell: InteractiveShell, mime: str) -> Any:
    from IPython.core.formatters import JSONFormatter

    formatter = JSONFormatter(parent=shell.display_formatter)
    formatter.format_type = mime
    return formatter

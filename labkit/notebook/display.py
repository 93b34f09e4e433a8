"""How records appear in a notebook: text first, HTML beside it, facts for `labkit run`. Live progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle, display

from labkit.billing import Cost
from labkit.client import DeployedFunction, Outcome, Outcomes
from labkit.client.api import Api
from labkit.loadtest import LiveLoad, LoadTest
from labkit.model import Trigger
from labkit.power import PowerTuning
from labkit.show import data, html, text
from labkit.simulation import Simulation

PATIENCE_S = 0.5  # nothing is shown before
BETWEEN_S = 0.1
LIVE_S = 0.5  # a terminal shows each as lines of its own


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


class Progress:
    """A line that counts; appears after half a second, changes at most ten times a second, is empty at the end."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._handle: DisplayHandle | None = None
        self._shown_at = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._began < PATIENCE_S or (now - self._shown_at < BETWEEN_S and done < total):
            return
        self._shown_at = now
        # the result follows at once: the finished line makes way for it
        message = _Line(f"{self._what}: {done} of {total}" if done < total else "")
        if self._handle is None:
            self._handle = display(message, display_id=True)
        else:
            self._handle.update(message)


class LiveView:
    """The picture of a load test under way: one display that changes, and makes way for the result."""

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None
        self._shown_at = 0.0

    def __call__(self, at: LiveLoad) -> None:
        if at.at_s - self._shown_at >= LIVE_S:
            self._shown_at = at.at_s
            self._show(Shown(at, text.live(at), html.live(at)))

    def close(self) -> None:
        if self._handle is not None:
            self._show(_Line(""))

    def _show(self, what: object) -> None:
        if self._handle is None:
            self._handle = display(what, display_id=True)
        else:
            self._handle.update(what)


@dataclass(frozen=True)
class _Line:
    text: str

    def __repr__(self) -> str:
        return self.text


def _outcomes_html(outcomes: Outcomes) -> str:
    from labkit.show import plots  # matplotlib takes 0.3 s to import: only when a figure is wanted

    if not any(series.cold for series in outcomes.series):
        return html.outcomes(outcomes)
    alt = plots.alt_coldstart(outcomes)
    return html.outcomes(outcomes) + html.figure(plots.png(plots.coldstart(outcomes)), alt, CAPTION)


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


SIMULATION_CAPTION = "Left: means over short stretches of time. Right: how many requests were answered within a time."
LOADTEST_CAPTION = "Left: means over short stretches of time. Right: times from when a request should have been sent."
POWER_CAPTION = "Both lines are a model of CPU shares, from CPU times that were measured here."
CAPTION = "Left: the parts of a cold start. Right: each dot is one call; a grid line is ten times the one before it."

_FORMATS: dict[type, dict[str, Callable[[Any], Any]]] = {
    DeployedFunction: {"text/plain": text.function, "text/html": html.function, data.MIME: data.function},
    Outcome: {"text/plain": text.outcome, "text/html": html.outcome, data.MIME: data.outcome},
    Simulation: {"text/plain": text.simulation, "text/html": _simulation_html, data.MIME: data.simulation},
    LoadTest: {"text/plain": text.loadtest, "text/html": _loadtest_html, data.MIME: data.loadtest},
    PowerTuning: {"text/plain": text.power, "text/html": _power_html, data.MIME: data.power},
    Cost: {"text/plain": text.cost, "text/html": html.cost},
    Api: {"text/plain": text.api, "text/html": html.api},
    Trigger: {"text/plain": text.trigger, "text/html": html.trigger},
    Outcomes: {"text/plain": text.outcomes, "text/html": _outcomes_html, data.MIME: data.outcomes},
}


def register(shell: InteractiveShell) -> None:
    """Teaches the shell to show labkit's records."""
    formatters = shell.display_formatter.formatters
    for kind, formats in _FORMATS.items():
        for mime, show in formats.items():
            if mime not in formatters:
                formatters[mime] = _facts_formatter(shell, mime)
            formatters[mime].for_type(kind, _as_pretty(show) if mime == "text/plain" else show)


def unregister(shell: InteractiveShell) -> None:
    formatters = shell.display_formatter.formatters
    for kind, formats in _FORMATS.items():
        for mime in formats:
            formatters[mime].pop(kind, None)
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

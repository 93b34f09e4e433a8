"""Lambda's own metrics in CloudWatch (namespace AWS/Lambda), computed from traces. Sends nothing, knows no clock.

Names, units and dimensions: developer guide, "Types of metrics for Lambda functions" and "Viewing metrics":
across all functions (no dimension), by FunctionName, by Resource (the function, version or alias that was asked for),
and by ExecutedVersion where an alias was. A data point stands at the minute in which its function was invoked, by the
account's clock: what `advance` skipped is seen as skipped. Every invocation gives Errors and Throttles a value, too
(mostly 0), as on AWS; ConcurrentExecutions is to be looked at as a maximum.

Nothing is done per invocation: traces are counted when somebody asks, or, once many wait, between two calls.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from labkit.model import Status, Trace

NAMESPACE = "AWS/Lambda"
MINUTE_S = 60
MOST_TALLIES = 20_000  # minutes of functions that nobody has asked for; the oldest go first

Dimensions = tuple[tuple[str, str], ...]
Datum = Mapping[str, object]  # as PutMetricData takes it


class Span(NamedTuple):
    """When an invocation of a function ran: what there is to know of one that is counted."""

    function_name: str
    arrived_at: float
    total_s: float


class Subject(NamedTuple):
    """What a count is about: the ARN that was asked for, the version that ran, and the minute."""

    function_arn: str
    version: str
    minute: int


class Statistic(msgspec.Struct):
    """A statistic set of CloudWatch's."""

    count: int = 0
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def add(self, value: float, times: int = 1) -> None:
        self.count += times
        self.total += value * times
        self.least = min(self.least, value)
        self.most = max(self.most, value)

    def join(self, other: Statistic) -> None:
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)


class _Tally(msgspec.Struct):
    invocations: int = 0
    errors: int = 0
    duration_ms: Statistic = msgspec.field(default_factory=Statistic)
    noted: dict[str, Statistic] = msgspec.field(default_factory=dict)

    def metrics(self) -> Iterator[tuple[str, str, Statistic]]:
        """Name, unit and values of each metric."""
        if self.invocations:
            yield "Invocations", "Count", _counted(self.invocations, self.invocations)
            yield "Errors", "Count", _counted(self.invocations, self.errors)
            yield "Duration", "Milliseconds", self.duration_ms
        throttles = self.noted.get("Throttles", Statistic())
        if self.invocations or throttles.count:
            all_attempts = self.invocations + throttles.count
            yield "Throttles", "Count", _counted(all_attempts, throttles.count)
        for name, values in self.noted.items():
            if name != "Throttles":
                yield name, "Milliseconds" if name.endswith("Age") else "Count", values


def _counted(attempts: int, ones: int) -> Statistic:
    """So many attempts gave a 1, the others a 0."""
    return Statistic(attempts, ones, 1 if ones == attempts else 0, 1 if ones else 0)


class Book:
    """Counts until they are sent to CloudWatch."""

    def __init__(self, *, most_tallies: int = MOST_TALLIES) -> None:
        self._most_tallies = most_tallies
        self._tallies: OrderedDict[Subject, _Tally] = OrderedDict()
        self._peaks: dict[tuple[str, int], int] = {}  # function ("" for all) and minute

    def note(self, metric: str, function_arn: str, version: str, at: float, value: float = 1) -> None:
        """What no trace tells: a throttle, the age of an event, a record that reached no destination."""
        noted = self._tally(Subject(function_arn, version, int(at // MINUTE_S))).noted
        noted.setdefault(metric, Statistic()).add(value)

    def count(self, traces: Iterable[Trace], running_before: Iterable[Span] = ()) -> None:
        """`running_before`: of counted traces, some of which may overlap with these."""
        new = list(traces)
        for trace in new:
            minute = int(trace.arrived_at // MINUTE_S)
            tally = self._tally(Subject(trace.function_arn or trace.function_name, trace.version, minute))
            tally.invocations += 1
            tally.errors += trace.status is not Status.SUCCESS
            tally.duration_ms.add(trace.duration_s * 1000)
        for key, peak in peaks([*running_before, *new]).items():
            self._peaks[key] = max(peak, self._peaks.get(key, 0))

    def uncount(self) -> None:
        """Forgets the traces; they will be counted again."""
        self._peaks.clear()
        for tally in self._tallies.values():
            tally.invocations, tally.errors, tally.duration_ms = 0, 0, Statistic()

    def _tally(self, subject: Subject) -> _Tally:
        found = self._tallies.get(subject)
        if found is None:
            found = self._tallies[subject] = _Tally()
            if len(self._tallies) > self._most_tallies:
                self._tallies.popitem(last=False)
        return found

    def take(self) -> list[Datum]:
        """What was counted since the last time."""
        tallies, self._tallies = self._tallies, OrderedDict()
        seen, self._peaks = self._peaks, {}
        series: defaultdict[tuple[str, str, int, Dimensions], Statistic] = defaultdict(Statistic)
        for subject, tally in tallies.items():
            for metric, unit, values in tally.metrics():
                for dimensions in dimensions_of(subject):
                    series[metric, unit, subject.minute, dimensions].join(values)
        for (name, minute), peak in seen.items():
            dimensions = (("FunctionName", name),) if name else ()
            series["ConcurrentExecutions", "Count", minute, dimensions].add(peak)
        return [_datum(*key, values) for key, values in series.items()]


def dimensions_of(subject: Subject) -> list[Dimensions]:
    parts = subject.function_arn.split(":")
    name, qualifier = (parts[6], parts[7] if len(parts) > 7 else "") if len(parts) > 6 else (parts[-1], "")
    function = ("FunctionName", name)
    resource = ("Resource", f"{name}:{qualifier}" if qualifier else name)
    found: list[Dimensions] = [(), (function,), (function, resource)]
    if qualifier and subject.version and qualifier != subject.version:
        found.append((function, resource, ("ExecutedVersion", subject.version)))
    return found


def peaks(traces: Iterable[Trace | Span]) -> dict[tuple[str, int], int]:
    """The most that ran at once, of each function and of all (""), by minute. An init is time that is used, too."""
    times: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for trace in traces:
        times[trace.function_name].append((trace.arrived_at, trace.arrived_at + trace.total_s))
    if len(times) == 1:
        times[""] = next(iter(times.values()))
    else:
        times[""] = [each for of_one in times.values() for each in of_one]
    return {(name, minute): most for name, these in times.items() for minute, most in _most_at_once(these).items()}


def _most_at_once(times: Sequence[tuple[float, float]]) -> dict[int, int]:
    """It is reached where something begins; who ends at that moment makes room for it."""
    ends = sorted(end for _, end in times)
    found: dict[int, int] = {}
    over = 0
    for begun, at in enumerate(sorted(begin for begin, _ in times), start=1):
        while over < begun - 1 and ends[over] <= at:
            over += 1
        minute = int(at // MINUTE_S)
        if begun - over > found.get(minute, 0):
            found[minute] = begun - over
    return found


def _datum(metric: str, unit: str, minute: int, dimensions: Dimensions, values: Statistic) -> Datum:
    return {
        "MetricName": metric,
        "Unit": unit,
        "Timestamp": timestamp(minute * MINUTE_S),
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
        "StatisticValues": {
            "SampleCount": values.count,
            "Sum": values.total,
            "Minimum": values.least,
            "Maximum": values.most,
        },
    }


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

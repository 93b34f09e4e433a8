"""The embedded metric format: a log line that carries metrics. Pure: a message in, data of PutMetricData out.

Rules as in the CloudWatch user guide, "Specification: Embedded metric format": `_aws` holds a Timestamp and
directives with a Namespace, sets of dimensions and definitions of metrics; the values stand at the root. As there,
what is not valid is ignored without a word: a line that is no such object, a directive without namespace or dimension
sets, a metric whose value is missing or no number, a set of dimensions that names what the root does not hold as text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from labkit.emulator.metrics import Datum, timestamp

MOST_METRICS = 100  # definitions in a directive, and values of one metric
MOST_DIMENSIONS = 30
SIZES = [f"{size}{what}" for what in ("bytes", "bits") for size in ("", "Kilo", "Mega", "Giga", "Tera")]
AMOUNTS = [*map(str.capitalize, SIZES), "Count"]
UNITS = frozenset(
    ["Seconds", "Microseconds", "Milliseconds", "Percent", "None", *AMOUNTS, *(f"{unit}/Second" for unit in AMOUNTS)]
)


class Metric(NamedTuple):
    namespace: str
    datum: Datum


def metrics(message: str) -> list[Metric]:
    """What a line of a log adds to CloudWatch's metrics."""
    if not message.startswith("{") or '"_aws"' not in message:
        return []
    try:
        root = json.loads(message)
    except (ValueError, RecursionError):
        return []
    about = root.get("_aws")
    directives = about.get("CloudWatchMetrics") if isinstance(about, dict) else None
    if not isinstance(directives, list) or not (at := _time(about.get("Timestamp"))):
        return []
    return [metric for directive in directives for metric in _of(directive, root, at)]


def _time(at_ms: object) -> str:
    """ "" if it is none."""
    try:
        return timestamp(at_ms / 1000) if isinstance(at_ms, int | float) else ""
    except (ValueError, OverflowError, OSError):
        return ""


def _of(directive: object, root: Mapping[str, object], at: str) -> Iterator[Metric]:
    if not isinstance(directive, dict):
        return
    namespace, sets, defined = (directive.get(key) for key in ("Namespace", "Dimensions", "Metrics"))
    if not (isinstance(namespace, str) and namespace and isinstance(sets, list) and isinstance(defined, list)):
        return
    dimensions = [found for given in sets if (found := _dimensions(given, root)) is not None]
    for metric in defined[:MOST_METRICS]:
        if values := _values(metric, root):
            for each in dimensions:
                yield Metric(namespace, {**values, "Timestamp": at, "Dimensions": each})


def _dimensions(given: object, root: Mapping[str, object]) -> list[dict[str, str]] | None:
    if not isinstance(given, list) or len(given) > MOST_DIMENSIONS:
        return None
    found = []
    for name in given:
        value = root.get(name) if isinstance(name, str) else None
        if not isinstance(value, str) or not value:
            return None
        found.append({"Name": name, "Value": value})
    return found


def _values(metric: object, root: Mapping[str, object]) -> dict[str, object] | None:
    if not isinstance(metric, dict) or not isinstance(name := metric.get("Name"), str):
        return None
    given = root.get(name)
    values = given if isinstance(given, list) else [given]
    unit, resolution = metric.get("Unit", "None"), metric.get("StorageResolution", 60)
    if not values or len(values) > MOST_METRICS or not all(map(_is_number, values)):
        return None
    if unit not in UNITS or resolution not in (1, 60):
        return None
    return {"MetricName": name, "Unit": unit, "StorageResolution": resolution, "Values": values}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

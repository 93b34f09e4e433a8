"""What moto's CloudWatch gets wrong and Lambda's metrics need: a metric is one set of dimensions, and no other.

On AWS a statistic is that of exactly the dimensions that were asked for (user guide, "Dimensions"). moto also adds up
the metrics that have more of them: each invocation, which is counted for its function and for its alias, would count
twice. Periods begin at whole multiples of their length, as on AWS, and not at the first value.
`tests/mockaws/test_cloudwatch.py` pins the two methods to the installed moto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Any

STATISTICS = ("Sum", "Average", "Minimum", "Maximum", "SampleCount")
NAMESPACE_AS_DIMENSION = ""  # no metric has a dimension without a name


def correct() -> None:
    """Puts exact statistics in the place of moto's; moto's CloudWatch is loaded by this."""
    from moto.cloudwatch.models import CloudWatchBackend  # moto is loaded where it is served only

    CloudWatchBackend.get_metric_statistics = exact_statistics(CloudWatchBackend.get_metric_statistics)
    CloudWatchBackend.get_metric_data = exact_data(CloudWatchBackend.get_metric_data)


def exact_statistics(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_metric_statistics(
        self: Any,
        namespace: str,
        metric_name: str,
        start_time: datetime,
        end_time: datetime,
        period: int,
        stats: list[str],
        dimensions: list[dict[str, str]],
        unit: str | None = None,
    ) -> Any:
        _check_statistics(stats)
        wanted = sorted((given["Name"], given.get("Value")) for given in dimensions or ())
        start_time = _floor(start_time, period)
        chosen = []
        for datum in self.get_all_metrics():
            found = (datum.namespace, datum.name, _plain(datum.dimensions))
            if found == (namespace, metric_name, wanted) and start_time <= datum.timestamp < end_time:
                datum = copy(datum)
                datum.timestamp = _floor(datum.timestamp, period)
                chosen.append(datum)
        return original(_view(self, chosen), namespace, metric_name, start_time, end_time, period, stats, [], unit)

    return get_metric_statistics


def exact_data(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_metric_data(self: Any, queries: list[dict[str, Any]], *rest: Any, **more: Any) -> Any:
        for query in queries:
            _check_statistics([query.get("MetricStat", {}).get("Stat", "Sum")])
        marked = [_with_namespace(datum) for datum in self.get_all_metrics()]
        return original(_view(self, marked), [_marked(query) for query in queries], *rest, **more)

    return get_metric_data


def _check_statistics(given: list[str]) -> None:
    """moto has no percentiles, and fails or leaves them out without a word where they are asked for."""
    from moto.cloudwatch.exceptions import InvalidParameterValue

    unknown = [name for name in given or ["ExtendedStatistics"] if name not in STATISTICS]
    if unknown:
        known = ", ".join(STATISTICS)
        raise InvalidParameterValue(f"The mocked account has no statistic {unknown[0]}: it has {known}.")


def _view(backend: Any, data: list[Any]) -> Any:
    """The same backend, that has no other data."""
    view = copy(backend)
    view.get_all_metrics = lambda: data
    return view


def _with_namespace(datum: Any) -> Any:
    """moto compares dimensions exactly where there are any, and then no namespace."""
    from moto.cloudwatch.models import Dimension

    datum = copy(datum)
    datum.dimensions = [*datum.dimensions, Dimension(NAMESPACE_AS_DIMENSION, datum.namespace)]
    return datum


def _marked(query: dict[str, Any]) -> dict[str, Any]:
    if "MetricStat" not in query:
        return query
    metric = query["MetricStat"]["Metric"]
    own = {"Name": NAMESPACE_AS_DIMENSION, "Value": metric["Namespace"]}
    exact = {**metric, "Dimensions": [*metric.get("Dimensions", ()), own]}
    return {**query, "MetricStat": {**query["MetricStat"], "Metric": exact}}


def _plain(dimensions: Iterable[Any]) -> list[tuple[str, str]]:
    return sorted((each.name, each.value) for each in dimensions)


def _floor(at: datetime, period: int) -> datetime:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at - timedelta(seconds=aware.timestamp() % period)

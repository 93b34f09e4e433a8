"""moto's CloudWatch with labkit's corrections: pins the methods that they stand for."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta

import pytest
from moto.cloudwatch.exceptions import InvalidParameterValue
from moto.cloudwatch.models import CloudWatchBackend

from labkit.mockaws.cloudwatch import exact_data, exact_statistics

NOON = datetime(2027, 1, 15, 12, 0, 30, tzinfo=UTC)
FUNCTION = [{"Name": "FunctionName", "Value": "f"}]
RESOURCE = [*FUNCTION, {"Name": "Resource", "Value": "f:live"}]


@pytest.fixture
def backend():
    """Three metrics of one name: of all, of a function, of its alias; and one of another namespace."""
    made = CloudWatchBackend("us-east-1", "123456789012")
    for namespace, dimensions, value in (
        ("AWS/Lambda", [], 100),
        ("AWS/Lambda", FUNCTION, 10),
        ("AWS/Lambda", RESOURCE, 1),
        ("Shop", FUNCTION, 1000),
    ):
        datum = {"MetricName": "Invocations", "Value": value, "Dimensions": dimensions, "Timestamp": NOON}
        made.put_metric_data(namespace, [datum])
    return made


@pytest.mark.parametrize(("dimensions", "total"), [([], 100), (FUNCTION, 10), (RESOURCE, 1), (RESOURCE[::-1], 1)])
def test_a_statistic_is_that_of_the_dimensions_that_were_asked_for(backend, dimensions, total):
    exact = exact_statistics(CloudWatchBackend.get_metric_statistics)
    [point] = exact(
        backend, "AWS/Lambda", "Invocations", NOON - timedelta(minutes=1), NOON + timedelta(minutes=1), 60, ["Sum"], dimensions
    )  # fmt: skip
    assert (point.sum, point.timestamp) == (total, NOON.replace(second=0))


@pytest.mark.parametrize(("dimensions", "total"), [([], 100), (FUNCTION, 10), (RESOURCE, 1)])
def test_so_is_data_of_many_metrics(backend, dimensions, total):
    metric = {"Namespace": "AWS/Lambda", "MetricName": "Invocations", "Dimensions": dimensions}
    queries = [
        {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}},
        {"Id": "b", "Expression": "SUM(METRICS())"},
    ]
    exact = exact_data(CloudWatchBackend.get_metric_data)
    found = exact(backend, queries[:1], start_time=NOON - timedelta(minutes=1), end_time=NOON + timedelta(minutes=1))
    assert found[0]["values"] == [total]


def test_a_percentile_is_refused_with_what_there_is(backend):
    metric = {"Namespace": "AWS/Lambda", "MetricName": "Invocations"}
    query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p99"}}
    with pytest.raises(InvalidParameterValue, match="no statistic p99: it has Sum, Average"):
        exact_data(CloudWatchBackend.get_metric_data)(backend, [query], start_time=NOON, end_time=NOON)
    exact = exact_statistics(CloudWatchBackend.get_metric_statistics)
    with pytest.raises(InvalidParameterValue, match="no statistic ExtendedStatistics"):
        exact(backend, "AWS/Lambda", "Invocations", NOON, NOON + timedelta(minutes=1), 60, [], FUNCTION)


def test_the_listed_metrics_keep_their_dimensions(backend):
    exact_data(CloudWatchBackend.get_metric_data)(backend, [], start_time=NOON, end_time=NOON + timedelta(minutes=1))
    _, listed = backend.list_metrics(None, "AWS/Lambda", "Invocations", [])
    assert sorted(len(metric.dimensions) for metric in listed) == [0, 1, 2]


def test_motos_methods_take_what_is_passed_on_to_them():
    taken = [*inspect.signature(CloudWatchBackend.get_metric_statistics).parameters]
    ours = [*inspect.signature(exact_statistics(lambda: None)).parameters]
    assert taken == ours
    assert [*inspect.signature(CloudWatchBackend.get_metric_data).parameters][:2] == ["self", "queries"]

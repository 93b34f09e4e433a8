"""Lines of a log that carry metrics."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.emf import MOST_METRICS, metrics

DIRECTIVE = {"Namespace": "Shop", "Dimensions": [["service"]], "Metrics": [{"Name": "Orders", "Unit": "Count"}]}


def line(root=None, *, timestamp=1_800_000_000_123, directives=(DIRECTIVE,)):
    about = {"Timestamp": timestamp, "CloudWatchMetrics": list(directives)}
    return json.dumps({"_aws": about, "service": "a", "Orders": 3, **(root or {})}) + "\n"


def directive(**changes):
    return line({"page": "p", "Time": 5}, directives=[{**DIRECTIVE, **changes}])


def names(message):
    return [(found.datum["MetricName"], [d["Value"] for d in found.datum["Dimensions"]]) for found in metrics(message)]


def test_a_line_becomes_what_putmetricdata_takes():
    [found] = metrics(line())
    assert (found.namespace, found.datum) == (
        "Shop",
        {
            "MetricName": "Orders",
            "Unit": "Count",
            "StorageResolution": 60,
            "Values": [3],
            "Timestamp": "2027-01-15T08:00:00.123Z",
            "Dimensions": [{"Name": "service", "Value": "a"}],
        },
    )


def test_every_metric_has_every_set_of_dimensions():
    message = directive(Dimensions=[[], ["service", "page"]], Metrics=[{"Name": "Orders"}, {"Name": "Time"}])
    assert names(message) == [("Orders", []), ("Orders", ["a", "p"]), ("Time", []), ("Time", ["a", "p"])]


def test_an_array_is_many_values_and_a_second_a_resolution():
    message = line(
        {"Orders": [1, 2.5]}, directives=[{**DIRECTIVE, "Metrics": [{"Name": "Orders", "StorageResolution": 1}]}]
    )
    [found] = metrics(message)
    assert (found.datum["Values"], found.datum["StorageResolution"], found.datum["Unit"]) == ([1, 2.5], 1, "None")


@pytest.mark.parametrize(
    "message",
    [
        "hello _aws\n",
        '{"_aws"',
        '{"_aws": 1}',
        "[" * 100_000 + '"_aws"',
        '{"_aws": {"Timestamp": 1}}',
        line(timestamp="now"),
        line(timestamp=1e300),
        line(timestamp=None),
        line(directives=[1]),
        directive(Namespace=""),
        directive(Namespace=None),
        directive(Dimensions="service"),
        directive(Dimensions=[["nothing"]]),
        directive(Dimensions=[["Time"]]),
        directive(Dimensions=[["service"] * 31]),
        directive(Metrics=None),
        directive(Metrics=[{"Name": "nothing"}]),
        directive(Metrics=[{"Name": "service"}]),
        directive(Metrics=[{"Name": "Orders", "Unit": "Apples"}]),
        directive(Metrics=[{"Name": "Orders", "StorageResolution": 7}]),
        directive(Metrics=[{}]),
        line({"Orders": []}),
        line({"Orders": [1, "x"]}),
        line({"Orders": True}),
        line({"Orders": float("nan")}),
        line({"Orders": [1] * (MOST_METRICS + 1)}),
    ],
)
def test_what_is_not_valid_is_ignored(message):
    assert metrics(message) == []


def test_what_is_valid_beside_it_counts():
    message = line({"x": 1}, directives=[{}, {**DIRECTIVE, "Dimensions": [["no"], ["service"]]}])
    assert names(message) == [("Orders", ["a"])]


def test_a_directive_has_at_most_a_hundred_metrics():
    many = {f"m{number}": number for number in range(MOST_METRICS + 20)}
    message = line(many, directives=[{**DIRECTIVE, "Metrics": [{"Name": name} for name in many]}])
    assert len(metrics(message)) == MOST_METRICS


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["Namespace", "Dimensions", "Metrics", "Name", "Unit", "StorageResolution", "x"]), inner))  # fmt: skip


@given(JSON, JSON, JSON)
def test_no_line_is_too_strange(about, directives, value):
    root = {"_aws": {"Timestamp": about, "CloudWatchMetrics": directives}, "x": value}
    metrics(json.dumps(root))
    metrics(json.dumps({"_aws": about}))

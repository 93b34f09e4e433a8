"""Input of a rule's target: paths and templates, and that what comes out is JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.mockaws.templates import NoPath, at, filled, input_of

EVENT = {
    "id": "1",
    "detail-type": "order",
    "resources": ["a", "b"],
    "detail": {"x": 1, "who": 'Ann "A"', "in": {"y": []}},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", EVENT),
        ("$.detail-type", "order"),
        ("$.detail.in.y", []),
        ("$.resources[1]", "b"),
        ("$['detail']['x']", 1),
    ],
)
def test_a_path_leads_to_its_value(path, value):
    assert at(path, EVENT) == value


@pytest.mark.parametrize("path", ["detail", "$.none", "$.detail.x.y", "$.resources[7]", "$..x", "$.detail[0]", ""])
def test_a_path_that_leads_nowhere_says_so(path):
    with pytest.raises(NoPath):
        at(path, EVENT)


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ('{"n": <x>, "w": <who>}', {"n": 1, "w": 'Ann "A"'}),
        ('"<who> has <x> of <in>"', 'Ann "A" has 1 of {"y":[]}'),
        ('{"a": "<none>", "b": <none>}', {"a": "", "b": None}),
        ('{"a": "say \\"<x>\\""}', {"a": 'say "1"'}),
        ('{"whole": <aws.events.event.json>}', {"whole": EVENT}),
        ("[1 , 2]", [1, 2]),
    ],
)
def test_a_template_is_filled(template, made):
    transformer = {
        "InputPathsMap": {"x": "$.detail.x", "who": "$.detail.who", "in": "$.detail.in", "none": "$.nowhere"},
        "InputTemplate": template,
    }
    predefined = {"aws.events.event.json": EVENT}
    assert json.loads(input_of({"InputTransformer": transformer}, EVENT, predefined)) == made


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_value_leaves_the_result_json(value):
    made = json.loads(filled('{"out": <v>, "in": "x<v>y"}', {"v": value}))
    assert made["out"] == value
    assert made["in"].startswith("x")
    assert made["in"].endswith("y")

"""The grammar of event patterns, operator by operator, and what must hold for any pattern and event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.triggers.patterns import InvalidPattern, check, matches

EVENT = {
    "kind": "Order",
    "price": 12.5,
    "count": 3,
    "gift": True,
    "note": None,
    "empty": "",
    "tags": ["new", "red"],
    "none": [],
    "address": {"city": "Graz", "ip": "10.0.0.7"},
    "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}],
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({}, True),
        ({"kind": ["Order"]}, True),
        ({"kind": ["order"]}, False),
        ({"kind": ["x", "Order"]}, True),
        ({"kind": ["Order"], "count": [4]}, False),
        ({"count": [3.0]}, True),
        ({"count": ["3"]}, False),
        ({"gift": [True]}, True),
        ({"gift": [1]}, False),
        ({"note": [None]}, True),
        ({"missing": [None]}, False),
        ({"empty": [""]}, True),
        ({"tags": ["red"]}, True),
        ({"tags": ["blue"]}, False),
        ({"address": {"city": ["Graz"]}}, True),
        ({"address": ["Graz"]}, False),
        ({"lines": {"sku": ["b"]}}, True),
        ({"lines": {"sku": ["c"]}}, False),
        ({"kind": [{"prefix": "Or"}]}, True),
        ({"kind": [{"prefix": "or"}]}, False),
        ({"kind": [{"prefix": {"equals-ignore-case": "oR"}}]}, True),
        ({"kind": [{"suffix": "er"}]}, True),
        ({"kind": [{"suffix": {"equals-ignore-case": "ER"}}]}, True),
        ({"count": [{"prefix": "3"}]}, False),
        ({"kind": [{"equals-ignore-case": "ORDER"}]}, True),
        ({"kind": [{"wildcard": "O*e*"}]}, True),
        ({"kind": [{"wildcard": "*d"}]}, False),
        ({"kind": [{"anything-but": "Order"}]}, False),
        ({"kind": [{"anything-but": ["a", "b"]}]}, True),
        ({"count": [{"anything-but": 3}]}, False),
        ({"missing": [{"anything-but": "x"}]}, False),
        ({"kind": [{"anything-but": {"prefix": "Or"}}]}, False),
        ({"kind": [{"anything-but": {"prefix": ["a", "b"]}}]}, True),
        ({"kind": [{"anything-but": {"suffix": "er"}}]}, False),
        ({"kind": [{"anything-but": {"equals-ignore-case": ["order"]}}]}, False),
        ({"kind": [{"anything-but": {"wildcard": "O*x"}}]}, True),
        ({"price": [{"numeric": ["=", 12.5]}]}, True),
        ({"price": [{"numeric": [">", 10, "<=", 12]}]}, False),
        ({"price": [{"numeric": [">=", 12.5, "<", 13]}]}, True),
        ({"gift": [{"numeric": [">", 0]}]}, False),
        ({"kind": [{"numeric": [">", 0]}]}, False),
        ({"kind": [{"exists": True}]}, True),
        ({"note": [{"exists": True}]}, True),
        ({"missing": [{"exists": False}]}, True),
        ({"missing": {"deep": [{"exists": False}]}}, True),
        ({"kind": [{"exists": False}]}, False),
        ({"address": [{"exists": True}]}, False),
        ({"none": [{"exists": False}]}, True),
        ({"missing": [{"exists": False}, "x"]}, True),
        ({"address": {"ip": [{"cidr": "10.0.0.0/24"}]}}, True),
        ({"address": {"ip": [{"cidr": "10.0.1.0/24"}]}}, False),
        ({"kind": [{"cidr": "10.0.0.0/24"}]}, False),
        ({"$or": [{"kind": ["x"]}, {"count": [3]}]}, True),
        ({"$or": [{"kind": ["x"]}, {"count": [4]}], "gift": [True]}, False),
        ({"address": {"$or": [{"city": ["Wien"]}, {"ip": [{"prefix": "10."}]}]}}, True),
    ],
)
def test_what_a_pattern_matches(pattern, expected):
    check(pattern)
    assert matches(pattern, EVENT) is expected


@pytest.mark.parametrize(
    ("text", "wildcard", "expected"),
    [
        ("a*b", r"a\*b", True),
        ("axb", r"a\*b", False),
        ("a\\b", r"a\\b", True),
        ("a\nb", "a*b", True),
        ("a.b", "a.b", True),
        ("axb", "a.b", False),
        ("", "*", True),
    ],
)
def test_a_wildcards_star_can_be_meant_literally(text, wildcard, expected):
    assert matches({"x": [{"wildcard": wildcard}]}, {"x": text}) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        [],
        "x",
        {"a": "x"},
        {"a": 1},
        {"a": []},
        {"a": {}},
        {"a": [[1]]},
        {"a": [{}]},
        {"a": [{"prefix": "x", "suffix": "y"}]},
        {"a": [{"like": "x"}]},
        {"a": [{"prefix": 1}]},
        {"a": [{"prefix": ""}]},
        {"a": [{"prefix": {"suffix": "x"}}]},
        {"a": [{"wildcard": "x**y"}]},
        {"a": [{"anything-but": []}]},
        {"a": [{"anything-but": {"numeric": ["=", 1]}}]},
        {"a": [{"anything-but": {"prefix": ""}}]},
        {"a": [{"anything-but": [None]}]},
        {"a": [{"numeric": ["=", "1"]}]},
        {"a": [{"numeric": ["<", 1, ">", 0]}]},
        {"a": [{"numeric": [">", 5, "<", 5]}]},
        {"a": [{"numeric": ["~", 5]}]},
        {"a": [{"numeric": [[], 5]}]},
        {"a": [{"numeric": ["=", 10**400]}]},
        {"a": [{"exists": "yes"}]},
        {"a": [{"cidr": "10.0.0.0"}]},
        {"a": [{"cidr": "10.0.0.0/99"}]},
        {"$or": [{"a": [1]}]},
        {"$or": [{"a": [1]}, {"b": "x"}]},
    ],
)
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(InvalidPattern):
        check(pattern)


SCALARS = st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=4)
KEYS = st.sampled_from(["a", "b", "c"])
EVENTS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner), max_leaves=12)
TEXTS = st.text(alphabet="ab*\\", min_size=1, max_size=4)
LEAVES = SCALARS | st.one_of(
    st.builds(lambda text: {"prefix": text}, TEXTS),
    st.builds(lambda text: {"equals-ignore-case": text}, TEXTS),
    st.builds(lambda text: {"anything-but": [text]}, TEXTS),
    st.builds(lambda bound: {"numeric": [">", bound]}, st.integers(-10, 10)),
    st.builds(lambda said: {"exists": said}, st.booleans()),
)
PATTERNS = st.recursive(
    st.dictionaries(KEYS, st.lists(LEAVES, min_size=1, max_size=3), max_size=3),
    lambda inner: st.dictionaries(KEYS, inner.filter(bool), max_size=3),
    max_leaves=6,
)


@given(PATTERNS, EVENTS)
def test_any_pattern_that_is_taken_answers_for_any_event(pattern, event):
    check(pattern)
    assert matches(pattern, event) in (True, False)


@given(PATTERNS, PATTERNS, EVENTS)
def test_or_is_either_of_its_patterns(one, other, event):
    assert matches({"$or": [one, other]}, event) == (matches(one, event) or matches(other, event))


@given(st.dictionaries(KEYS, SCALARS, min_size=1))
def test_an_event_matches_the_pattern_of_its_own_values(event):
    assert matches({key: [value] for key, value in event.items()}, event)


@given(SCALARS, st.text(max_size=4))
def test_anything_but_is_the_opposite_of_the_value_where_there_is_one(value, text):
    assert matches({"a": [{"anything-but": text}]}, {"a": value}) != matches({"a": [text]}, {"a": value})


@given(PATTERNS)
def test_exists_false_is_the_opposite_of_exists_true(event):
    assert matches({"a": [{"exists": True}]}, event) != matches({"a": [{"exists": False}]}, event)


@given(EVENTS)
def test_what_is_no_pattern_is_never_another_error(value):
    try:
        check(value)
    except InvalidPattern:
        return
    assert isinstance(value, dict)

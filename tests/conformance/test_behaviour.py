from __future__ import annotations

import pytest

from labkit.conformance.behaviour import Behaviour, Checked, Pattern, Source, Verdict, matches, nothing_to_see, plain


def row(expected: object, excuse: str = "") -> Behaviour:
    return Behaviour("1. Invoke", "answers", Source.REC, expected, nothing_to_see, excuse=excuse)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (200, 200),
        (None, None),
        (Pattern(r"\d+ ms"), "12 ms"),
        ({"a": [Pattern("x+"), 1]}, {"a": ["xxx", 1]}),
        ((1, 2), [1, 2]),
        (Pattern("a.b"), "a\nb"),
    ],
)
def test_what_is_expected_is_found(expected, found):
    assert matches(expected, found)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (200, 202),
        (1, True),
        (1, "1"),
        (1, 1.0),
        (Pattern(r"\d+"), "12 ms"),
        (Pattern(r"\d+"), 12),
        ("a.b", "axb"),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": 1}, None),
        ([1, 2], [1]),
        ([1], {"0": 1}),
        ([Pattern("x")], ["y"]),
    ],
)
def test_what_is_not_expected_differs(expected, found):
    assert not matches(expected, found)


def test_a_row_conforms_or_differs():
    assert Checked(row(200), 200).verdict is Verdict.CONFORMS
    assert Checked(row(200), 202).verdict is Verdict.DIFFERS


def test_a_row_with_an_excuse_is_not_enforced_unless_it_conforms():
    assert Checked(row(742, "no limit here"), 9999).verdict is Verdict.NOT_ENFORCED
    assert Checked(row(742, "no limit here"), 742).verdict is Verdict.CONFORMS


def test_an_excuse_does_not_cover_a_probe_that_failed():
    assert Checked(row(742, "no limit here"), error="KeyError: 'x'").verdict is Verdict.DIFFERS


def test_a_failed_probe_differs_even_where_nothing_is_expected():
    assert Checked(row(None), error="KeyError: 'x'").verdict is Verdict.DIFFERS


def test_a_plain_value_is_as_json_has_it():
    assert plain({"a": (1, Pattern("x"))}) == {"a": [1, "x"]}
    with pytest.raises(TypeError):
        plain({"a": {1}})

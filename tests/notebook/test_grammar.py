"""The grammar of magic lines and payloads."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import BadMagicLine, PayloadUnreadable
from labkit.notebook import grammar
from labkit.notebook.magics import LabMagics

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["", " ", "  --check ", " --qualifier v1 "]))
def test_json_arrives_as_it_was_written(tmp_path_factory, value, options):
    written = json.dumps(value, ensure_ascii=False)
    line = f"{options}predict {written}"
    arguments, rest = grammar.parse_with_payload(LabMagics.invoke, line)
    assert arguments.name == "predict"
    assert grammar.payload(rest, {}, None) == value


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("f", ""),
        ("f   ", ""),
        ("f -1", "-1"),
        ('f --check {"--event": 1}', '{"--event": 1}'),
        ("--check f x - y", "x - y"),
        ("f 'a  b'", "'a  b'"),
        ("f --qualifier=v1 [1]", "[1]"),
    ],
)
def test_the_payload_is_the_untouched_rest(line, rest):
    arguments, found = grammar.parse_with_payload(LabMagics.invoke, line)
    assert (arguments.name, found) == ("f", rest)


def test_options_may_stand_before_and_after_the_name():
    arguments, _ = grammar.parse_with_payload(LabMagics.invoke, "--check f --qualifier v1 {}")
    assert (arguments.check, arguments.qualifier) == (True, "v1")


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("f -n 3", ""),
        ('f g --payload {"a": "b  c"}', '{"a": "b  c"}'),
        ("f --payload '{\"a\": 1}'", '{"a": 1}'),
        ("f --payload=[1, 2]", "[1, 2]"),
    ],
)
def test_payload_as_an_option_takes_the_rest_of_the_line(line, rest):
    assert grammar.parse_before_payload(LabMagics.coldstart, line)[1] == rest


def test_payload_as_an_option_needs_a_value():
    with pytest.raises(BadMagicLine, match="expected an event"):
        grammar.parse_before_payload(LabMagics.coldstart, "f --payload")


def test_an_abbreviated_option_is_refused():
    with pytest.raises(BadMagicLine, match="--chec"):
        grammar.parse_with_payload(LabMagics.invoke, "f --chec {}")


@given(st.text(max_size=40))
def test_no_payload_is_too_strange(text):
    with suppress(PayloadUnreadable):
        json.dumps(grammar.payload(text, {"__builtins__": {}}, Path("/nowhere")), default=str)


def test_an_expression_sees_the_namespace_and_does_not_change_it():
    namespace = {"x": [1]}
    assert grammar.payload("[y := x[0] + 1, y]", namespace, None) == [2, 2]
    assert namespace == {"x": [1]}


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{1,8}", fullmatch=True), st.text(max_size=10), max_size=4))
def test_variables_keep_their_values(variables):
    assert grammar.variables([f"{name}={value}" for name, value in variables.items()]) == variables

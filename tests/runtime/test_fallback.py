"""The fallback's JSON against awslambdaric's: for every value the same text, or both refuse with the same words."""

from __future__ import annotations

from collections import namedtuple
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

Pair = namedtuple("Pair", "first second")

ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals() | st.binary(max_size=4)
    | st.just({1}) | st.just(1j) | st.text().map(lambda t: f'"{t}\\')
)  # fmt: skip
KEYS = st.text() | st.integers() | st.floats() | st.booleans() | st.none() | st.binary(max_size=3) | st.just((1,))
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.builds(Pair, inner, inner)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(params=["AWS_Lambda_python3.11", "AWS_Lambda_python3.13"])
def encoders(request, load, monkeypatch):
    marshaller = pytest.importorskip("awslambdaric.lambda_runtime_marshaller")
    monkeypatch.setenv("AWS_EXECUTION_ENV", request.param)
    return load("fallback").to_json, marshaller.to_json


def written(encode, value) -> str:
    try:
        return encode(value)
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
@example(value=Decimal("-NaN"))
@example(value=[Decimal("1E-7"), "decimal-", Pair(Decimal("-0"), b"\xff")])
@example(value={Decimal(1): 1})
@example(value={"a": 1, b"a": 2})
def test_every_value_is_written_as_awslambdaric_writes_it(encoders, value):
    ours, theirs = encoders
    assert written(ours, value) == written(theirs, value)


def test_one_object_in_two_places_is_no_circle(encoders):
    shared = [1]
    assert encoders[0]([shared, {"again": shared}]) == '[[1], {"again": [1]}]'

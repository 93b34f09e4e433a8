"""Conversions by shape: what AWS takes for a value of a type, and what it says to another."""

from __future__ import annotations

import base64
import contextlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from botocore.model import ShapeResolver
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator import values
from labkit.emulator.values import EPOCH, HTTP_DATE, ISO, NotJson, SerializationFailed

SHAPES = ShapeResolver(
    {
        "Text": {"type": "string"},
        "Count": {"type": "integer"},
        "Size": {"type": "long"},
        "Weight": {"type": "double"},
        "Flag": {"type": "boolean"},
        "Bytes": {"type": "blob"},
        "At": {"type": "timestamp"},
        "IsoAt": {"type": "timestamp", "timestampFormat": "iso8601"},
        "Texts": {"type": "list", "member": {"shape": "Text"}},
        "Table": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Count"}},
        "Thing": {"type": "structure", "members": {"Name": {"shape": "Text", "locationName": "label"}}},
    }
)
NOON = datetime(2025, 11, 24, 12, 0, tzinfo=UTC)


def shape(name):
    return SHAPES.get_shape_by_name(name)


def read(name, value):
    return values.from_json(shape(name), value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("Count", "1", "STRING_VALUE can not be converted to an Integer"),
        ("Count", True, "TRUE_VALUE can not be converted to an Integer"),
        ("Count", [1], "Start of list found where not expected"),
        ("Count", {}, "Start of structure or map found where not expected."),
        ("Count", float("inf"), "NUMBER_VALUE can not be converted to an Integer"),
        ("Size", "1", "STRING_VALUE can not be converted to a Long"),
        ("Weight", "1", "STRING_VALUE can not be converted to a Double"),
        ("Text", 1, "NUMBER_VALUE can not be converted to a String"),
        ("Text", 1.5, "NUMBER_VALUE can not be converted to a String"),
        ("Text", False, "FALSE_VALUE can not be converted to a String"),
        ("Flag", "true", "STRING_VALUE can not be converted to a Boolean"),
        ("Flag", 0, "NUMBER_VALUE can not be converted to a Boolean"),
        ("Texts", "a", "Expected list or null"),
        ("Texts", {"a": 1}, "Start of structure or map found where not expected."),
        ("Texts", [1], "NUMBER_VALUE can not be converted to a String"),
        ("Table", [], "Start of list found where not expected"),
        ("Table", {"a": "b"}, "STRING_VALUE can not be converted to an Integer"),
        ("Thing", "a", "Expected null"),
        ("Thing", [], "Start of list found where not expected"),
        ("Bytes", 1, "NUMBER_VALUE can not be converted to a Blob"),
        ("Bytes", "abc", "Base64 encoded length is expected a multiple of 4 bytes but found: 3"),
        ("Bytes", "a?==", "Invalid Base64 character detected"),
        ("Bytes", "äää=", "Invalid Base64 character detected"),
        ("At", "2025-11-24T12:00:00Z", "STRING_VALUE can not be converted to milliseconds since epoch"),
        ("At", 1e30, "1e+30 can not be converted to milliseconds since epoch"),
        ("IsoAt", "noon", "noon can not be converted to a timestamp"),
    ],
)
def test_a_wrong_type_is_told_in_awss_words(name, value, said):
    with pytest.raises(SerializationFailed) as caught:
        read(name, value)
    assert (caught.value.code, caught.value.status, caught.value.message) == ("SerializationException", 400, said)


def test_a_fraction_is_cut_off_where_an_integer_belongs():
    assert read("Count", 1.9) == 1


def test_an_integer_is_a_double_too():
    assert read("Weight", 1) == 1.0


def test_a_null_in_a_list_is_dropped():
    assert read("Texts", ["a", None, "b"]) == ["a", "b"]


def test_a_null_in_a_map_is_dropped():
    assert read("Table", {"a": None, "b": 1}) == {"b": 1}


def test_a_member_goes_by_its_name_on_the_wire():
    assert read("Thing", {"label": "x", "Name": "y"}) == {"Name": "x"}
    assert values.to_json(shape("Thing"), {"Name": "x"}) == {"label": "x"}


def test_a_time_is_a_number_of_seconds():
    assert read("At", NOON.timestamp()) == NOON
    assert values.to_json(shape("At"), NOON) == 1763985600


def test_a_time_has_milliseconds_and_no_more():
    assert values.to_json(shape("At"), 1763985600.123456) == 1763985600.123


def test_a_shape_may_ask_for_a_times_text():
    assert values.to_json(shape("IsoAt"), NOON) == "2025-11-24T12:00:00Z"
    assert read("IsoAt", "2025-11-24T13:00:00+01:00") == NOON


def test_a_time_without_a_zone_is_utc():
    assert read("IsoAt", "2025-11-24T12:00:00") == NOON


@given(st.binary())
def test_a_blob_is_base64_both_ways(data):
    text = values.to_json(shape("Bytes"), data)
    assert text == base64.b64encode(data).decode()
    assert read("Bytes", text) == data


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("Text", "01", "01"),
        ("Count", "-3", -3),
        ("Weight", "0.5", 0.5),
        ("Flag", "true", True),
        ("Flag", "FALSE", False),
    ],
)
def test_a_text_becomes_its_shapes_value(name, text, value):
    assert values.from_text(shape(name), text, ISO) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Count", ""),
        ("Count", "1.5"),
        ("Count", " 1"),
        ("Count", "1_000"),
        ("Count", "٣"),
        ("Count", "9" * 5000),
        ("Weight", "heavy"),
        ("Flag", "1"),
        ("At", "yesterday"),
    ],
)
def test_a_text_of_the_wrong_type_is_refused(name, text):
    with pytest.raises(SerializationFailed):
        values.from_text(shape(name), text, ISO)


@pytest.mark.parametrize(
    ("form", "text"),
    [(ISO, "2025-11-24T12:00:00Z"), (HTTP_DATE, "Mon, 24 Nov 2025 12:00:00 GMT"), (EPOCH, "1763985600")],
)
def test_a_time_in_a_header_has_three_formats(form, text):
    assert values.to_text(shape("At"), NOON, form) == text
    assert values.from_text(shape("At"), text, form) == NOON


def test_a_time_is_written_in_utc():
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    assert values.to_text(shape("At"), elsewhere) == "Mon, 24 Nov 2025 12:00:00 GMT"


def test_a_flag_in_a_header_is_javas():
    assert values.to_text(shape("Flag"), True) == "true"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_what_python_writes_as_json_is_read_as_it_was(value):
    assert values.read_document(json.dumps(value).encode()) == value


@given(st.binary(max_size=30))
def test_bytes_that_are_no_json_raise_nothing_else(body):
    with contextlib.suppress(NotJson):
        json.dumps(values.read_document(body), allow_nan=False)


def test_a_refused_document_names_line_and_column():
    with pytest.raises(NotJson, match="line: 2, column: 8"):
        values.read_document(b'{\n  "a": oops}')

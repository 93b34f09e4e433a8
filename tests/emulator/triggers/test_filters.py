"""Which records pass a mapping's filters; the tables are those of the developer guide."""

from __future__ import annotations

import base64
import json

import pytest

from labkit.emulator.triggers.filters import parsed, passes
from labkit.emulator.triggers.patterns import InvalidPattern

JSON, PLAIN = '{"kind": "order"}', "order"


def message(body):
    return {"messageId": "m", "body": body, "eventSourceARN": "arn"}


def record(data):
    return {"eventID": "s:1", "kinesis": {"data": base64.b64encode(data.encode()).decode(), "partitionKey": "k"}}


@pytest.mark.parametrize(
    ("carried", "wanted", "expected"),
    [
        (PLAIN, ["order"], True),
        (PLAIN, [{"prefix": "or"}], True),
        (PLAIN, ["bill"], False),
        (PLAIN, {"kind": ["order"]}, False),
        (JSON, {"kind": ["order"]}, True),
        (JSON, {"kind": ["bill"]}, False),
        (JSON, [JSON], False),
        ("[1]", [{"prefix": "["}], True),
        ("{oops", {"kind": [{"exists": False}]}, False),
        (PLAIN, None, True),
        (JSON, None, True),
    ],
)
def test_what_is_carried_must_be_of_the_kind_that_the_filter_wants(carried, wanted, expected):
    for field, made in (("body", message), ("data", record)):
        pattern = {} if wanted is None else {field: wanted}
        assert passes([json.dumps(pattern)], made(carried)) is expected


def test_the_kinds_are_looked_at_inside_or_too():
    pattern = json.dumps({"$or": [{"body": {"kind": ["order"]}}, {"body": {"kind": ["bill"]}}]})
    assert passes([pattern], message(JSON))
    assert not passes([pattern], message(PLAIN))


def test_one_filter_of_several_is_enough_and_none_lets_all_pass():
    bill = json.dumps({"body": {"kind": ["bill"]}})
    assert passes([bill, json.dumps({"body": {"kind": [{"prefix": "o"}]}})], message(JSON))
    assert not passes([bill], message(JSON))
    assert passes([], message(JSON))


def test_a_stream_can_be_filtered_by_its_metadata():
    assert passes(['{"partitionKey": ["k"]}'], record(PLAIN))
    assert not passes(['{"partitionKey": ["other"]}'], record(PLAIN))


def test_a_tables_change_is_matched_as_it_is():
    change = {"eventName": "INSERT", "dynamodb": {"NewImage": {"n": {"N": "7"}}}}
    assert passes(['{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": ["7"]}}}}'], change)
    assert not passes(['{"eventName": ["REMOVE"]}'], change)


@pytest.mark.parametrize("text", ["{oops", "[1]", '"x"', '{"a": 1}', "[" * 100_000])
def test_what_is_no_filter_is_refused(text):
    with pytest.raises(InvalidPattern):
        parsed(text)

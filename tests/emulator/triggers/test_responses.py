"""What a handler's response says of its batch."""

from __future__ import annotations

import json

import pytest

from labkit.emulator.triggers.responses import failed_items

IDS = ("a", "b", "c")
ALL = frozenset(IDS)


def failures(*ids):
    return {"batchItemFailures": [{"itemIdentifier": each} for each in ids]}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (None, set()),
        ({}, set()),
        ("", set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": []}, set()),
        ({"other": 1}, set()),
        (failures("b"), {"b"}),
        (failures("a", "c", "a"), {"a", "c"}),
        (failures("unknown"), ALL),
        (failures("a", "unknown"), ALL),
        (failures(None), ALL),
        (failures(""), ALL),
        (failures("a", None), ALL),
        (failures(7), ALL),
        ({"batchItemFailures": [{"item": "a"}]}, ALL),
        ({"batchItemFailures": ["a"]}, ALL),
        ({"batchItemFailures": "a"}, ALL),
        ({"batchItemFailures": {"itemIdentifier": "a"}}, ALL),
        (["a"], ALL),
        ("text", ALL),
    ],
)
def test_which_records_failed(response, expected):
    assert failed_items(json.dumps(response).encode(), IDS) == expected


@pytest.mark.parametrize("payload", [b"{oops", b"\xff", b"[" * 100_000])
def test_what_cannot_be_read_fails_the_whole_batch(payload):
    assert failed_items(payload, IDS) == ALL

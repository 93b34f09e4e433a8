"""Events to JSON and results back."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.client.payload import as_json, decoded, function_error
from labkit.errors import PayloadUnreadable


def test_no_event_is_an_empty_one():
    assert as_json(None) == b"{}"


def test_arrays_and_their_numbers_are_lists_and_numbers():
    assert as_json({"x": np.array([1.5, 2.0]), "n": np.int64(3)}) == b'{"x": [1.5, 2.0], "n": 3}'


def test_what_is_no_json_is_refused():
    with pytest.raises(PayloadUnreadable, match="cannot be sent as JSON"):
        as_json({"x": object()})


@pytest.mark.parametrize(
    ("body", "value"), [(b"", None), (b"[1]", [1]), (b"\x89PNG", b"\x89PNG"), (b"[" * 100_000, b"[" * 100_000)]
)
def test_a_result_is_json_or_else_bytes(body, value):
    assert decoded(body) == value


def test_an_error_says_its_type_and_where_it_was():
    error = function_error({"errorType": "KeyError", "errorMessage": "'x'", "stackTrace": ["a"], "requestId": "r"})
    assert (error.error_type, error.message, error.stack_trace, error.request_id) == ("KeyError", "'x'", ("a",), "r")


def test_an_error_of_another_shape_is_unhandled():
    assert function_error("oh").error_type == "Unhandled"

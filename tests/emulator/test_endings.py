"""Lambda's words for how processes end."""

from __future__ import annotations

import pytest

from labkit.emulator.endings import error_type_of, exit_words, extension_words, timeout_line


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (0, "Runtime exited without providing a reason"),
        (3, "Runtime exited with error: exit status 3"),
        (-9, "Runtime exited with error: signal: killed"),
        (-15, "Runtime exited with error: signal: terminated"),
        (-64, "Runtime exited with error: signal: 64"),
    ],
)
def test_a_runtime_says_how_it_ended(returncode, words):
    assert exit_words(returncode) == words


@pytest.mark.parametrize(
    ("returncode", "words"), [(0, "exit code 0"), (2, "exit status 2"), (-11, "signal: segmentation fault")]
)
def test_an_extension_says_how_it_ended(returncode, words):
    assert extension_words(returncode) == words


def test_a_timeout_has_its_time_of_day_in_the_log():
    line = timeout_line("r1", "Task timed out after 1.00 seconds", 1_700_000_000.25)
    assert line == "2023-11-14T22:13:20.250Z r1 Task timed out after 1.00 seconds\n\n"


@pytest.mark.parametrize(
    ("body", "error_type"),
    [(b'{"errorType": "X"}', "X"), (b'{"errorType": 1}', None), (b"[]", None), (b"{", None), (b"\xff", None)],
)
def test_the_type_of_an_error_is_read_from_its_json(body, error_type):
    assert error_type_of(body) == error_type

"""Levels of log lines, and folds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.show.logs import LATEST_LINES, Line, counted, folded, levelled

LINES = {
    "[ERROR]\t2026-11-24T19:53:55.614Z\tid\tbad": "ERROR",
    "[WARNING] late": "WARNING",
    '{"timestamp":"2026","level":"INFO","message":"m"}': "INFO",
    '{"time":"2026-10-08T07:30:28.235Z","type":"platform.start","record":{}}': "platform",
    "START RequestId: a Version: 1": "platform",
    "INIT_START Runtime Version: python:3.11.v7": "platform",
    "2026-11-24T19:53:55.614Z id Task timed out after 1.00 seconds": "ERROR",
    "[1, 2, 3]": "",
    "START of the loop": "",
    "[ERRORS]": "",
}


@pytest.mark.parametrize(("line", "level"), LINES.items(), ids=LINES.values())
def test_a_line_has_the_level_that_it_says(line, level):
    assert levelled([line]) == [Line(line, level)]


def test_a_traceback_has_the_level_of_its_error_and_a_print_after_it_has_none():
    lines = [
        "[ERROR] KeyError: 'x'",
        "Traceback (most recent call last):",
        "\xa0\xa0File",
        "    code",
        "done",
        "  more",
    ]
    assert [line.level for line in levelled(lines)] == ["ERROR"] * 4 + ["", ""]


def test_what_needs_attention_is_counted_worst_first():
    lines = levelled(["[WARNING] a", "[ERROR] b", "  File", "[INFO] c", "[ERROR] d"])
    assert counted(lines) == "5 lines: 2 ERROR, 1 WARNING"


@given(st.integers(0, 200))
def test_a_fold_loses_no_line_and_hides_only_what_is_worth_it(n):
    lines = [Line(str(k)) for k in range(n)]
    earlier, latest = folded(lines)
    assert earlier + latest == lines
    assert len(earlier) not in (1, 2)
    assert len(latest) <= LATEST_LINES + 2

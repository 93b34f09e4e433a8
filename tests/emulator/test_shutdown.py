"""What is due when an environment ends: pure decisions over time."""

from __future__ import annotations

import pytest

from labkit.emulator.shutdown import Due, begin


def test_without_extensions_there_is_nothing_to_wait_for():
    assert begin(0.0, "spindown", external=False, internal=False) is None


@pytest.mark.parametrize(("external", "limit_s"), [(True, 2.0), (False, 0.5)])
def test_the_limit_depends_on_the_kind_of_extension(external, limit_s):
    ending = begin(10.0, "spindown", external=external, internal=True)
    assert ending.until == 10.0 + limit_s


def test_the_runtime_goes_before_its_extensions():
    ending = begin(0.0, "spindown", external=True, internal=True)
    assert ending.due(0.5, runtime_alive=True) is Due.NOTHING
    assert ending.due(0.51, runtime_alive=False) is Due.TELL


def test_a_runtime_that_does_not_end_has_three_tenths_of_the_time():
    ending = begin(0.0, "failure", external=True, internal=False)
    assert ending.due(0.59, runtime_alive=True) is Due.NOTHING
    assert ending.due(0.61, runtime_alive=True) is Due.TELL


def test_extensions_are_told_once():
    ending = begin(0.0, "timeout", external=True, internal=False)
    assert [ending.due(0.1, runtime_alive=False) for _ in range(2)] == [Due.TELL, Due.NOTHING]


def test_what_is_left_at_the_limit_is_killed():
    ending = begin(0.0, "spindown", external=True, internal=False)
    ending.due(0.1, runtime_alive=False)
    assert ending.due(2.0, runtime_alive=False) is Due.KILL

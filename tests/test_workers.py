"""Tests that share something slow (a server, a run of all lessons) share a worker; else each worker makes its own."""

from __future__ import annotations

import pytest

SEEN: list[int] = []


@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("number", range(4))
def test_a_group_of_tests_has_one_worker(number):
    SEEN.append(number)
    assert list(range(number + 1)) == SEEN

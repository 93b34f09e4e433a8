"""Pages of a list."""

from __future__ import annotations

import pytest

from labkit.emulator.operations.pagination import page


def test_pages_follow_each_other_without_gap_or_overlap():
    items, marker, seen = list(range(7)), None, []
    for _ in range(3):
        shown, more = page(items, {"MaxItems": 3, "Marker": marker}, most=50)
        seen += shown
        marker = more.get("NextMarker")
    assert (seen, marker) == (items, None)


def test_a_page_that_ends_with_the_list_has_no_next_one():
    assert page([1, 2], {"MaxItems": 2}, most=50) == ([1, 2], {})


def test_a_caller_never_gets_more_than_the_service_gives():
    assert page([1, 2, 3], {"MaxItems": 1000}, most=2) == ([1, 2], {"NextMarker": "2"})


@pytest.mark.parametrize("marker", ["", "x", "-1", "²", "99"])
def test_a_marker_that_nobody_gave_out_is_no_fault(marker):
    assert page([1, 2], {"Marker": marker}, most=50)[1] == {}

"""Pages of a list."""

from __future__ import annotations

import base64

import pytest

from labkit.emulator.operations.pagination import listed, page
from labkit.errors import InvalidParameterValue


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
    shown, more = page([1, 2, 3], {"MaxItems": 1000}, most=2)
    assert (shown, list(more)) == ([1, 2], ["NextMarker"])


def test_who_deletes_a_page_before_asking_for_the_next_one_misses_nothing():
    _, more = page([1, 2, 3, 4], {"MaxItems": 2}, most=50)
    assert page([3, 4], {"Marker": more["NextMarker"]}, most=50)[0] == [3, 4]


def test_a_marker_whose_item_was_deleted_goes_on_at_its_place():
    _, more = page([1, 2, 3, 4], {"MaxItems": 2}, most=50)
    assert page([1, 2, 4], {"Marker": more["NextMarker"]}, most=50)[0] == [4]


def test_a_name_that_is_no_ascii_can_begin_a_page():
    _, more = page(["a", "\N{SNOWMAN}"], {"MaxItems": 1}, most=50)
    assert page(["a", "\N{SNOWMAN}"], {"Marker": more["NextMarker"]}, most=50) == (["\N{SNOWMAN}"], {})


def test_the_items_of_an_answer_are_told_apart_by_one_member():
    items = [{"Name": "a", "X": 1}, {"Name": "b", "X": 1}]
    first = listed("Items", items, {"MaxItems": 1}, key="Name")
    assert listed("Items", items, {"Marker": first["NextMarker"]}, key="Name") == {"Items": [items[1]]}


@pytest.mark.parametrize("marker", ["x", "-1", "2", "AAAAAAAA", "²", "!!!", base64.b64encode(b"\xff\xff\xff").decode()])
def test_a_marker_that_nobody_gave_out_is_refused(marker):
    with pytest.raises(InvalidParameterValue, match=r"^Invalid pagination key\.$"):
        page([1, 2], {"Marker": marker}, most=50)


def test_an_empty_marker_is_none():
    assert page([1, 2], {"Marker": ""}, most=50) == ([1, 2], {})

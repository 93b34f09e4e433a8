"""How errors read."""

from __future__ import annotations

import pytest

from labkit import errors


def test_an_error_shows_its_message_and_what_to_try_without_frames():
    shown = errors.UnknownFunction("predcit", ["train", "predict"])._render_traceback_()
    assert shown == ["UnknownFunction: No function `predcit`; deployed: predict, train.", "Did you mean `predict`?"]


def test_with_nothing_deployed_it_says_so():
    assert "nothing is deployed yet" in str(errors.UnknownFunction("f", []))


def test_a_syntax_error_points_at_the_column():
    error = errors.SourceSyntaxError("invalid syntax", line=3, text="x = = 1", column=5)
    assert error._render_traceback_()[1:3] == ["    x = = 1", "        ^"]


@pytest.mark.parametrize(("name", "expected"), [("predcit", "predict"), ("zzz", None)])
def test_the_nearest_name_is_only_a_near_one(name, expected):
    assert errors.nearest(name, ["predict", "train"]) == expected

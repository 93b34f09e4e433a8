"""Points that are dragged: what a move does to the fit. The front end's half is tried in tests/browser/test_live.py."""

from __future__ import annotations

import sys

import pytest

from labkit import explore
from labkit.errors import MissingWidgets
from labkit.explore.plane import Plane, _Shown, _widget, said

pytest.importorskip("anywidget")


@pytest.fixture
def plane():
    widget, shown = _widget(), []
    made = Plane(widget, explore.fit(1), 1, shown.append)
    made.widget, made.shown = widget, shown
    return made


def test_it_begins_with_the_fit_of_the_plain_function(plane):
    first = explore.fit(1)
    assert (plane.widget.xs, plane.widget.ys) == (list(first["x"]), list(first["y"]))
    assert plane.widget.said == said(first)
    assert plane.shown == []


def test_while_a_point_is_dragged_the_fit_follows_and_the_view_waits(plane):
    plane.widget.moved = [9, 10.0, 20.0, 0, 1]
    assert plane.widget.said == said(explore.fit(10, to_x=10.0, to_y=20.0))
    assert plane.shown == []


def test_a_point_that_is_let_go_stays_and_is_shown_beside_the_fit_before(plane):
    plane.widget.moved = [9, 10.0, 20.0, 0, 1]
    plane.widget.moved = [9, 10.0, 15.0, 1, 2]
    plane.widget.moved = [0, 1.0, -3.0, 1, 3]
    first, second = plane.shown
    assert repr(first) == repr(explore.fit(10, to_x=10.0, to_y=15.0))
    assert second["y"].tolist() == [-3.0, *explore.fit()["y"][1:9], 15.0]
    assert second["before"]["rss"] == pytest.approx(first["rss"])


def test_residuals_go_from_the_points_to_the_curve(plane):
    plane.widget.moved = [4, 5.0, 9.0, 1, 1]
    view = plane.shown[0]
    assert [y - f for y, f in zip(plane.widget.ys, plane.widget.fitted, strict=True)] == pytest.approx(
        view["residuals"]
    )
    (x0, y0), (x1, y1) = plane.widget.curve[0], plane.widget.curve[-1]
    assert (y1 - y0) / (x1 - x0) == pytest.approx(view["coefficients"][1])


def test_points_without_a_fit_say_why_and_stay_where_they_were():
    widget, shown = _widget(), []
    Plane(widget, explore.fit(1, x=[0.0, 1.0], y=[0.0, 1.0]), 1, shown.append)
    widget.moved = [1, 0.0, 1.0, 1, 1]
    assert "no full rank" in widget.said
    assert (widget.xs, shown) == ([0.0, 1.0], [])


def test_a_front_end_without_widgets_gets_a_sentence_and_the_view(plane):
    data, _ = _Shown(plane.widget)._repr_mimebundle_()
    assert data["text/plain"] == "Points to drag: they need a running kernel."


def test_without_anywidget_it_says_what_to_use_instead(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingWidgets, match="Dragging needs anywidget"):
        explore.drag()

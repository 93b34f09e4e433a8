"""The waterfall of a call and the lanes of environments: titles, units, legends, alternative text."""

from __future__ import annotations

import pytest

from labkit.model import Status
from labkit.show import tracks


def test_a_waterfall_has_a_bar_for_every_part_where_it_happened(cold):
    (axes,) = tracks.trace(cold(imports=(("numpy", 0.03),))).axes
    assert [round(p.get_x()) for p in axes.patches] == [0, 10, 30, 30, 70, 90, 92]
    assert [t.get_text() for t in axes.get_yticklabels()][3] == "import numpy"
    assert axes.get_xlabel() == "time since the request (ms)"


def test_a_waterfall_says_in_words_what_is_to_be_seen(cold):
    assert tracks.trace(cold()).get_label() == (
        "One call of predict, one part after the other: process start 10.0 ms, runtime start 20.0 ms, imports 40.0 ms,"
        " module init 20.0 ms, hand-over 2.00 ms, handler call 8.00 ms. The longest is imports."
    )


def test_the_lanes_name_what_they_show(cold, warm):
    traces = [cold(10), warm(1, 0, arrived_at=20.0, environment_id="other", status=Status.ERROR)]
    figure = tracks.environments(traces)
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["init", "call", "call that failed", "frozen"]
    assert figure.axes[0].get_xlabel() == "time since the first request (s)"
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["e1 predict", "other predict"]
    assert figure.get_label() == (
        "predict: 2 calls in 2 environments, 21.0 s in all. 1 of them began with an init."
        " Environment e1 served the most calls, 1."
    )


def test_a_call_of_a_millisecond_among_minutes_is_wide_enough_to_be_seen(warm):
    figure = tracks.environments([warm(arrived_at=at) for at in (0.0, 600.0)])
    low, high = figure.axes[0].get_xlim()
    (bars,) = [
        c for c in figure.axes[0].collections if c.get_paths() and c.get_hatch() is None and len(c.get_facecolor())
    ]
    assert min(path.get_extents().width for path in bars.get_paths()) > 0.002 * (high - low)


def test_more_environments_than_a_picture_has_room_for_are_counted(warm):
    traces = [warm(arrived_at=float(k), environment_id=f"e{k:02}") for k in range(30)]
    axes = tracks.environments(traces).axes[0]
    assert "30 environments" in axes.get_title()
    assert axes.get_title().endswith("(the first 24 are shown)")
    assert len(axes.get_yticklabels()) == 24


def test_a_label_with_a_dollar_sign_is_no_formula(cold):
    tracks.png(tracks.trace(cold(function_name="a$b$c")))
    tracks.png(tracks.environments([cold(function_name="a$b$c")]))


def test_no_traces_are_no_picture():
    with pytest.raises(ValueError, match="no traces"):
        tracks.environments([])

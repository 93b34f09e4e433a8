"""Sliders change a plain display; without widgets nothing is lost."""

from __future__ import annotations

import inspect
import sys

import pytest

from labkit import explore
from labkit.errors import LabkitError
from labkit.explore.controls import SLIDERS, WITHOUT, _controls, follow
from labkit.explore.view import View


@pytest.fixture
def displayed(monkeypatch):
    """What is displayed, in the place of IPython's."""
    shown = []

    class Handle:
        update = staticmethod(shown.append)

    def display(what, **options):
        shown.append(what)
        return Handle

    monkeypatch.setattr("IPython.display.display", display)
    return shown


@pytest.mark.parametrize("explorer", list(SLIDERS), ids=lambda f: f.__name__)
def test_sliders_begin_at_the_functions_own_defaults_and_name_its_parameters(explorer):
    parameters = inspect.signature(explorer).parameters
    for name, slider in SLIDERS[explorer].items():
        assert slider.low <= slider.value <= slider.high
        if parameters[name].default is not None:
            assert slider.value == parameters[name].default


@pytest.mark.parametrize("explorer", [explore.fit, explore.memory])
def test_both_ends_of_every_slider_are_a_view(explorer):
    for name, slider in SLIDERS[explorer].items():
        for value in (slider.low, slider.high):
            assert isinstance(explorer(**{name: value}), View)


def test_the_figure_is_a_plain_output_that_every_front_end_shows(displayed):
    pytest.importorskip("ipywidgets")
    explore.sliders(explore.memory)
    widget, view = displayed
    assert sorted(widget) == ["application/vnd.jupyter.widget-view+json", "text/plain"]
    assert "memory (MB), 128 to 10,240" in widget["text/plain"]
    assert repr(view) == repr(explore.memory())


def test_a_moved_slider_shows_the_view_of_its_values(displayed):
    pytest.importorskip("ipywidgets")
    controls = _controls(SLIDERS[explore.memory])
    follow(explore.memory, controls, displayed.append)
    controls.named["memory_mb"].value = 1024
    assert [repr(view) for view in displayed] == [repr(explore.memory(1024))]


def test_another_point_begins_where_it_is(displayed):
    pytest.importorskip("ipywidgets")
    controls = _controls(SLIDERS[explore.fit])
    follow(explore.fit, controls, displayed.append)
    controls.named["point"].value = 3
    assert (controls.named["to_x"].value, controls.named["to_y"].value) == (3.0, 3.6)
    assert [view["moved"] for view in displayed] == [False]


def test_values_that_are_no_view_say_why(displayed):
    pytest.importorskip("ipywidgets")
    controls = _controls(SLIDERS[explore.concurrency])
    follow(explore.concurrency, controls, displayed.append)
    controls.named["rate"].max = 9000
    controls.named["rate"].value = 9000
    assert "goes up to 200 environments" in repr(displayed[-1])


def test_without_ipywidgets_the_figure_is_there_all_the_same(displayed, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    explore.sliders(explore.memory)
    line, view = displayed
    assert repr(line) == WITHOUT
    assert isinstance(view, View)


def test_a_function_that_is_no_explorer_is_refused():
    with pytest.raises(LabkitError, match="concurrency, fit, memory, traffic"):
        explore.sliders(print)

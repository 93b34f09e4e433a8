"""A view is complete as text, and its figure carries its alternative text."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from labkit import explore

EXPLORERS = [explore.fit, explore.memory, explore.traffic, explore.concurrency]


@pytest.fixture(scope="module", params=EXPLORERS, ids=lambda f: f.__name__)
def view(request):
    return request.param()


def test_the_text_has_the_question_and_every_cell_of_the_table(view):
    shown = repr(view)
    assert view.question.endswith("?")
    assert shown.startswith(view.question)
    assert all(cell in shown for row in view.table.rows for cell in row)


@pytest.mark.parametrize("explorer", EXPLORERS, ids=lambda f: f.__name__)
def test_two_views_of_the_same_values_are_the_same(explorer):
    assert repr(explorer()) == repr(explorer())


def test_the_html_has_the_figure_with_its_alternative_text_and_the_question_as_its_caption(view):
    from PIL import Image

    shown = view._repr_html_()
    assert 'src="data:image/png;base64,' in shown
    assert "<figcaption" in shown
    assert view.question in shown.split("<figcaption")[1]
    assert "<script" not in shown

    assert Image.open(io.BytesIO(view.png)).text["Description"] == view.alt


def test_every_axis_of_a_figure_has_a_label_and_the_figure_a_title(view):
    figure = view.draw()
    assert figure.get_suptitle()
    assert all(axes.get_ylabel() for axes in figure.axes)
    assert any("(" in axes.get_xlabel() or axes.get_xlabel() == "limit of environments" for axes in figure.axes)


def test_importing_the_explorers_loads_nothing_heavy():
    program = "import labkit.explore, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "matplotlib", "ipywidgets", "IPython", "boto3"} & set(loaded)

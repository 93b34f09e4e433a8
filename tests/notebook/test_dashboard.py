"""The dashboard that goes on while no cell runs."""

from __future__ import annotations

import sys
import threading

import pytest

import labkit
from labkit import Lab
from labkit.errors import MissingWidgets

pytestmark = pytest.mark.process


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "labkit-dashboard"]


def test_it_sends_new_pictures_while_nobody_asks(lab, wait_until):
    pytest.importorskip("anywidget")
    with labkit.dashboard(lab) as board:
        before = board._widget.picture
        lab.deploy("fresh", "def handler(event, context): return event").invoke(1)
        wait_until(lambda: "fresh" in board._widget.picture)
    assert board._widget.picture != before
    assert "watched for" in board._widget.picture
    assert threads() == []


def test_it_starts_no_emulator_and_says_that_there_is_nothing_yet():
    pytest.importorskip("anywidget")
    lab = Lab()
    with labkit.dashboard(lab) as board:
        assert "Nothing was called yet" in repr(board)
    assert not lab.running


def test_a_front_end_without_widgets_gets_the_picture_as_text_and_html(lab):
    pytest.importorskip("anywidget")
    lab.deploy("adder", "def handler(event, context): return event").invoke(1)
    with labkit.dashboard(lab) as board:
        data, _ = board._repr_mimebundle_()
    assert "adder" in data["text/plain"]
    assert "adder" in data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in data


@pytest.mark.parametrize("end", ["%lab stop", "%unload_ext labkit"])
def test_it_ends_with_the_lab_and_with_the_extension(empty_shell, end):
    pytest.importorskip("anywidget")
    board = empty_shell.run("%lab dashboard")
    assert board.running
    empty_shell.run(end)
    assert (board.running, threads()) == (False, [])
    empty_shell.ip.run_line_magic("load_ext", "labkit")


def test_the_dashboard_of_any_lab_ends_with_the_extension(empty_shell):
    pytest.importorskip("anywidget")
    board = empty_shell.run("import labkit\nlabkit.dashboard(labkit.Lab())")
    empty_shell.run("%unload_ext labkit")
    assert not board.running
    empty_shell.ip.run_line_magic("load_ext", "labkit")


def test_the_dashboard_of_a_lab_that_has_stopped_ends_by_itself(own_lab):
    pytest.importorskip("anywidget")
    from labkit.notebook.dashboard import Dashboard

    own_lab.deploy("f", "def handler(event, context): return event")
    board = Dashboard(own_lab, stopped_s=0.0)
    own_lab.stop()
    board._thread.join(30)
    assert not board.running
    assert not own_lab.running
    assert "watched for" in board._widget.picture


def test_without_anywidget_it_says_what_to_install_and_what_does_the_same(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingWidgets) as caught:
        labkit.dashboard(Lab())
    assert "pip install anywidget" in caught.value.advice
    assert "%lab watch" in caught.value.advice
    assert threads() == []

"""Explorers, the watch and the dashboard in JupyterLab, as a student moves them."""

from __future__ import annotations

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.xdist_group("browser")]

PATIENCE_MS = 60_000
OUTPUT = ".jp-OutputArea-output"
LATER = """\
import threading, time
def later():
    time.sleep(2)  # by then no cell runs
    f.invoke(1)
threading.Thread(target=later).start()"""
CELLS = (
    "%load_ext labkit\nfrom labkit import explore",
    "%%function f\ndef handler(event, context):\n    return event",
    "%lab watch 1s",
    "explore.sliders(explore.memory)",
    "explore.sliders(explore.fit)",
    "explore.drag()",
    "%lab dashboard",
    LATER,
)


@pytest.fixture(scope="module")
def notebook(server, run_notebook):
    """A notebook with all of them, after Run All Cells."""
    return run_notebook(server.write("live.ipynb", *CELLS))


@pytest.mark.parametrize(
    ("cell", "label", "before", "after"),
    [
        ("explore.memory", "memory (MB)", "At 512 MB", "At 1,152 MB"),
        ("explore.fit", "move it to y", "No point was moved", "Point 10 was moved to (10, 8.1)"),
    ],
)
def test_a_moved_slider_changes_the_figure_and_its_table(notebook, cell, label, before, after):
    from playwright.sync_api import expect

    explorer = notebook.cell(cell)
    figure, page = explorer.locator("figure img"), notebook.page
    expect(figure).to_have_attribute("alt", re.compile(re.escape(before)), timeout=PATIENCE_MS)
    slider = explorer.locator(".widget-inline-hbox").filter(has=page.get_by_text(label, exact=True))
    slider.locator(".noUi-handle").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(figure).to_have_attribute("alt", re.compile(re.escape(after)), timeout=PATIENCE_MS)
    expect(explorer.locator("figure")).to_have_count(1)


def test_a_dragged_point_takes_the_fit_along_and_changes_the_figure(notebook):
    from playwright.sync_api import expect

    explorer = notebook.cell("explore.drag")
    figure, page = explorer.locator("figure img"), notebook.page
    expect(figure).to_have_attribute("alt", re.compile("No point was moved"), timeout=PATIENCE_MS)
    dot = explorer.get_by_role("slider", name="point 10")
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    before = explorer.locator("polyline").get_attribute("points")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 40, box["y"] + 90, steps=5)
    expect(explorer.locator("polyline")).not_to_have_attribute("points", before, timeout=PATIENCE_MS)
    page.mouse.up()
    expect(figure).to_have_attribute("alt", re.compile("Point 10 was moved to"), timeout=PATIENCE_MS)
    dot.focus()
    page.keyboard.press("ArrowUp")
    expect(explorer.locator("figure")).to_have_count(1)
    expect(explorer.locator("p[aria-live]")).to_contain_text("condition number")


def test_the_dashboard_goes_on_while_no_cell_runs(notebook):
    from playwright.sync_api import expect

    board = notebook.cell("%lab dashboard").locator(OUTPUT)
    expect(board.locator("td").nth(1)).to_have_text("1", timeout=PATIENCE_MS)  # the call that came later
    expect(board.locator('[role="img"]')).to_have_count(1)


def test_the_watch_leaves_its_last_picture_and_nothing_else(notebook):
    from playwright.sync_api import expect

    watched = notebook.cell("%lab watch 1s").locator(OUTPUT)
    expect(watched).to_have_count(1)
    expect(watched).to_contain_text("watched for 1.")

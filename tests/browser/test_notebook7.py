"""The same lesson in Notebook 7, where a student has one notebook to a page: run, interrupt, complete, read, go dark."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.xdist_group("browser")]

PATIENCE_MS = 60_000
PATIENCE_S = 60
LESSON = "00-orientation/00-orientation.ipynb"
ERROR = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]'
HTML = '.jp-OutputArea-output[data-mime-type="text/html"]'
CELLS = (
    "%load_ext labkit",
    "%%function hello --timeout 600\n"
    "import socket\n"
    "def handler(event, context):\n"
    '    with socket.create_connection(("127.0.0.1", event["port"])) as caller:\n'
    "        caller.recv(1)  # nothing ever comes",
)
CONTRAST = r"""elements => elements.map(element => {
    const numbers = colour => (colour.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(numbers(getComputedStyle(e).backgroundColor));
    let behind = [255, 255, 255];
    for (const [r, g, b, a = 1] of layers.reverse()) behind = [r, g, b].map((c, i) => a * c + (1 - a) * behind[i]);
    const [bright, dim] = [light(numbers(getComputedStyle(element).color)), light(behind)].sort((a, b) => b - a);
    return (bright + .05) / (dim + .05);
})"""
"""How far each element's text stands out from what is behind it, by WCAG 2.2: 4.5 is its least."""


def pictured(notebook, name: str) -> None:
    """Leaves a picture for a person to look at, in the folder that the variable SCREENSHOTS names."""
    if folder := os.environ.get("SCREENSHOTS"):
        notebook.page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.fixture(scope="module")
def lesson(notebook7, chromium):
    """The orientation lesson after Run All Cells."""
    from .conftest import Notebook

    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    opened = Notebook(context.new_page(), notebook7, LESSON)
    opened.run_all()
    yield opened
    context.close()


def test_the_lesson_runs_and_only_the_cell_that_is_meant_to_fail_shows_an_error(lesson):
    failed = lesson.panel.locator(".jp-CodeCell", has=lesson.page.locator(ERROR))
    assert [cell.locator(".cm-content").inner_text() for cell in failed.all()] == ['%invoke predict_jsn {"rows": []}']


def test_a_result_is_read_as_in_jupyterlab(lesson):
    table = lesson.cell('%invoke hello {"name": "Ada"}').locator(f"{HTML} table")
    assert re.match(r"success · hello · .*cold, ", table.locator("caption").inner_text())
    assert table.locator("td").all_inner_texts() == ['"Hello, Ada!"']


def test_results_are_readable_in_the_dark_theme_as_in_the_light_one(lesson):
    def contrasts() -> list[float]:
        words = lesson.panel.locator(f"{HTML} :is(caption, th, td, p, pre, figcaption)")
        return words.evaluate_all(CONTRAST)

    lesson.cell("%coldstart").scroll_into_view_if_needed()
    pictured(lesson, "notebook7-light")
    light = contrasts()
    lesson.choose_theme("JupyterLab Dark")
    lesson.page.wait_for_selector('body[data-jp-theme-light="false"]', state="attached", timeout=PATIENCE_MS)
    pictured(lesson, "notebook7-dark")
    dark = contrasts()
    assert len(light) == len(dark) > 20
    assert min(light) >= 4.5
    assert min(dark) >= 4.5


def test_tab_completes_a_function_and_an_interrupt_gives_the_prompt_back(notebook7, open_notebook):
    with socket.create_server(("127.0.0.1", 0)) as called:
        called.settimeout(PATIENCE_S)
        call = f'%invoke hello {{"port": {called.getsockname()[1]}}}'
        notebook = open_notebook(notebook7, notebook7.write("endless.ipynb", *CELLS, call, "6 * 7", ""))
        notebook.choose("Run", "runmenu:run-all")
        with called.accept()[0] as connection:
            connection.settimeout(PATIENCE_S)
            notebook.choose("Kernel", "kernelmenu:interrupt")
            assert connection.recv(1) == b"", "the handler still holds its end"
        error = notebook.cell("%invoke").locator(ERROR)
        error.wait_for(timeout=PATIENCE_MS)
        said = error.inner_text().strip()
        assert said == "Interrupted: hello was stopped, and the environment it ran in is gone."
        assert notebook.run_cell("6 * 7") == "42"
        cell = notebook.type_in_last_cell("%invoke hel")
        notebook.page.keyboard.press("Tab")
        # a frontend may put the only candidate in at once, or offer it
        notebook.page.wait_for_function(
            "() => document.querySelector('.jp-Completer .jp-Completer-match')"
            " || [...document.querySelectorAll('.cm-content')].some(c => c.innerText.trim() === '%invoke hello')",
            timeout=PATIENCE_MS,
        )
        if notebook.page.locator(".jp-Completer .jp-Completer-match").count():
            notebook.page.keyboard.press("Enter")
        assert re.fullmatch("%invoke hello", cell.locator(".cm-content").inner_text().strip())


def test_a_link_of_a_hub_stays_what_it_is(notebook7, open_notebook):
    """A frontend takes some links for files of its own, and changes them."""
    shown = (
        "from IPython.display import HTML\n"
        "from labkit.show import html\n"
        'HTML(html.address("http://127.0.0.1:80/lambda-url/a/", "/user/ada/proxy/80/lambda-url/a/"))'
    )
    notebook = open_notebook(notebook7, notebook7.write("link.ipynb", shown))
    notebook.choose("Run", "runmenu:run-all")
    link = notebook.panel.locator(f"{HTML} a")
    link.wait_for(timeout=PATIENCE_MS)
    notebook.wait_idle()
    assert link.get_attribute("href") == "/user/ada/proxy/80/lambda-url/a/"
    assert link.get_attribute("target") == "_blank"

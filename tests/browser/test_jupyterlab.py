"""What a student sees and does in JupyterLab, checked in a real browser against a real kernel and emulator."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from labkit.lesson.run import lessons_folder

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.xdist_group("browser")]

PATIENCE_MS = 30_000
GONE_S = 10
ERROR = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]'
HTML = '.jp-OutputArea-output[data-mime-type="text/html"]'
FIGURE = f"{HTML} figure img"
HELLO = '%%function hello\ndef handler(event, context):\n    return "hello " + event["name"]'
CALLED = ("%load_ext labkit", HELLO, '%invoke hello {"name": "Ada"}')
ENDLESS = """\
%%function endless --timeout 600
import os
import socket

def handler(event, context):
    with socket.create_connection(("127.0.0.1", event["port"])) as caller:
        caller.sendall(f"{os.getpid()}\\n".encode())
        caller.recv(1)  # nothing ever comes
"""
TOO_WIDE = """cells => cells.flatMap(cell =>
        [...cell.querySelectorAll(".jp-OutputArea-output, .jp-OutputArea-output *")])
    .filter(e => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1)
    .map(e => `${e.tagName}: ${e.textContent.slice(0, 80)}`)"""

LINES_OF_NUMBERS = r"""([pre]) => [...pre.textContent.matchAll(/[\d.]{10,}/g)].map(number => {
    const range = document.createRange();
    range.setStart(pre.firstChild, number.index);
    range.setEnd(pre.firstChild, number.index + number[0].length);
    return range.getClientRects().length;
})"""
SMALL = {"width": 1024, "height": 640}  # a screen of 1280 by 800 at 125 % zoom


@contextmanager
def small_screen(notebook) -> Iterator[None]:
    before = notebook.page.viewport_size
    notebook.page.set_viewport_size(SMALL)
    try:
        yield
    finally:
        notebook.page.set_viewport_size(before)


def labkit_processes(server) -> list[psutil.Process]:
    """Emulators and environments of the server's kernels."""
    return [p for p in server.processes() if re.search(r"labkit[./](emulator|runtime)", " ".join(p.cmdline()))]


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Which of them are still there, after they had time to end."""
    alive = psutil.wait_procs(processes, timeout=GONE_S)[1]
    # a container may have nobody who collects what has ended
    return [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def caller() -> Iterator[socket.socket]:
    """A socket that a handler can call, to say that it runs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(GONE_S)
        yield server


# --- the lesson ---------------------------------------------------------------------------------------------


def test_only_the_cell_that_is_meant_to_fail_shows_an_error(lesson):
    failed = lesson.panel.locator(".jp-CodeCell", has=lesson.page.locator(ERROR))
    assert [cell.locator(".cm-content").inner_text() for cell in failed.all()] == ['%invoke predict_jsn {"rows": []}']


def test_a_misspelt_function_is_answered_in_three_lines_without_frames(lesson):
    said = lesson.cell("predict_jsn").locator(ERROR).inner_text().strip().splitlines()
    assert said == [
        "UnknownFunction: No function `predict_jsn`; deployed: hello, predict_http, predict_json,",
        "predict_pickle.",
        "Did you mean `predict_json`?",
    ]


def test_a_deployed_function_is_shown_as_a_card(lesson):
    card = lesson.cell("%%function predict_pickle").locator(f"{HTML} table")
    assert card.locator("caption").inner_text() == "predict_pickle: created"
    row = card.locator("tr", has_text="requirements")
    assert re.fullmatch(r"requirements\s+scikit-learn==[\d.]+", row.inner_text())


def test_a_call_is_shown_with_its_result(lesson):
    table = lesson.cell('%invoke hello {"name": "Ada"}').locator(f"{HTML} table")
    assert table.locator("caption").inner_text().startswith("success · hello · ")
    assert table.locator("td").all_inner_texts() == ['"Hello, Ada!"']


def test_the_second_call_is_warm(lesson):
    headlines = [lesson.cell(f'%invoke hello {{"name": "{name}"}}').locator("caption") for name in ("Ada", "Grace")]
    assert [re.search(r"cold|warm", headline.inner_text())[0] for headline in headlines] == ["cold", "warm"]


def test_a_failing_handler_shows_the_lines_of_its_cell(lesson):
    table = lesson.cell('["high", 0').locator(f"{HTML} table")
    shown = dict(zip(table.locator("th").all_inner_texts(), table.locator("td").all_inner_texts(), strict=True))
    assert shown["error"].startswith("TypeError: ")
    frames = re.findall(r'File "/var/task/predict_json\.py", line (\d+), in (\w+)', shown["where"])
    # the cell's own line numbers, its magic being line 1
    lines = lesson.cell("def predict(row)").locator(".cm-line").all_inner_texts()
    assert next(name for _, name in frames) == "handler"
    assert 'predict(row) for row in event["rows"]' in lines[int(frames[0][0]) - 1]
    assert any(name == "predict" and "sum(" in lines[int(number) - 1] for number, name in frames)


def test_cold_starts_are_shown_as_tables_with_captions(lesson):
    captions = lesson.cell("%coldstart").locator(f"{HTML} caption").all_inner_texts()
    assert captions == [
        "Time per call, from the request's arrival to the handler's end",
        "Parts of a cold start (medians)",
    ]


def test_the_cold_start_figure_is_drawn_and_says_in_words_what_it_shows(lesson):
    image = lesson.cell("%coldstart").locator(FIGURE).first
    assert image.is_visible()
    assert image.evaluate("image => image.complete && image.naturalWidth > 0")
    assert re.search(r"cold.*predict_json [\d.,]+ m?s", image.get_attribute("alt"))


def test_no_output_is_wider_than_its_place(lesson):
    assert lesson.panel.locator(".jp-CodeCell").evaluate_all(TOO_WIDE) == []


def test_no_output_is_wider_than_its_place_on_a_small_screen(lesson):
    with small_screen(lesson):
        assert lesson.panel.locator(".jp-CodeCell").evaluate_all(TOO_WIDE) == []


def test_no_number_of_a_result_is_torn_at_a_lines_end(lesson):
    result = lesson.cell("%invoke predict_pickle").locator(f"{HTML} pre")
    with small_screen(lesson):
        lines = result.evaluate_all(LINES_OF_NUMBERS)
    assert len(lines) == 3, "three patients, three predictions"
    assert set(lines) == {1}


def test_the_lesson_writes_only_into_its_own_folder(lesson, server):
    there = {path.name for path in lessons_folder().iterdir() if path.is_dir()}
    assert {path.name for path in server.lessons.iterdir() if path.is_dir()} == there


# --- at the keyboard ----------------------------------------------------------------------------------------


def test_tab_after_invoke_offers_the_deployed_functions(server, open_notebook):
    notebook = open_notebook(server, server.write("tab.ipynb", "%load_ext labkit", HELLO, "help = 1", ""))
    notebook.choose("Run", "runmenu:run-all")
    notebook.cell("%%function").locator(HTML).wait_for(timeout=PATIENCE_MS)
    notebook.wait_idle()
    cell = notebook.type_in_last_cell("%invoke hel")
    notebook.page.keyboard.press("Tab")
    offered = notebook.page.locator(".jp-Completer .jp-Completer-match")
    offered.first.wait_for(timeout=PATIENCE_MS)
    # neither the variable `help` nor any file: only what can be called
    assert offered.all_inner_texts() == ["hello"]
    notebook.page.keyboard.press("Enter")
    assert cell.locator(".cm-content").inner_text() == "%invoke hello"


def test_an_interrupt_gives_the_prompt_back_and_ends_the_environment(server, open_notebook, caller):
    call = f'%invoke endless {{"port": {caller.getsockname()[1]}}}'
    notebook = open_notebook(server, server.write("endless.ipynb", "%load_ext labkit", ENDLESS, call, "6 * 7"))
    notebook.choose("Run", "runmenu:run-all")
    with caller.accept()[0] as connection:
        connection.settimeout(GONE_S)
        environment = psutil.Process(int(connection.makefile().readline()))
        assert environment in labkit_processes(server)
        notebook.choose("Kernel", "kernelmenu:interrupt")
        assert connection.recv(1) == b"", "the handler still holds its end"
    assert left_of([environment]) == []
    error = notebook.cell("%invoke").locator(ERROR)
    error.wait_for(timeout=PATIENCE_MS)
    assert error.inner_text().strip() == "Interrupted: endless was stopped, and the environment it ran in is gone."
    assert notebook.run_cell("6 * 7") == "42"


# --- the end ------------------------------------------------------------------------------------------------


def test_a_kernel_that_is_shut_down_leaves_no_process_of_labkit(server, open_notebook):
    before = set(server.processes())
    notebook = open_notebook(server, server.write("shut-down.ipynb", *CALLED))
    notebook.run_all()
    started = [process for process in labkit_processes(server) if process not in before]
    assert len(started) >= 2, "an emulator and an environment should run"
    notebook.choose("Kernel", "kernelmenu:shutdown")
    assert left_of(started) == []


def test_a_stopped_jupyterlab_leaves_no_process_behind(own_server, open_notebook):
    notebook = open_notebook(own_server, own_server.write("stop.ipynb", *CALLED))
    notebook.run_all()
    assert len(labkit_processes(own_server)) >= 2, "an emulator and an environment should run"
    everything = own_server.processes()
    own_server.stop()
    assert left_of(everything) == []

"""A real JupyterLab on a copy of the lessons, and headless Chromium in front of it.

The server is started by the command line that `labkit lab` uses. Its kernel is this interpreter, and its
configuration, settings and copy of the lessons are in a temporary folder: neither the checkout nor the user's own
Jupyter has a part in it. Waiting is left to whoever knows: Chromium waits for the page, psutil for
processes, a thread for the server's first words.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from labkit.cli import copy_lessons, lab_command
from labkit.lesson.run import lessons_folder, search_path

START_S = 60
STOP_S = 15
PATIENCE_MS = 60_000  # for what a loaded machine may take long to do; nothing waits longer than it must
LESSON_MS = 240_000  # for a whole lesson on such a machine
TOKEN = "labkit-browser-tests"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SETTINGS = {
    # a cell out of sight is in the page all the same, and can be looked at
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


class JupyterLab:
    """A running server: `url`, the folder it serves, and its processes."""

    name, notebooks = "JupyterLab", "lab/workspaces/{workspace}/tree"
    ready = ("#jp-main-statusbar", "| Idle")
    """Where a page says that its notebook's kernel answers, and the words."""

    def __init__(self, root: Path) -> None:
        self.lessons = copy_lessons(lessons_folder(), root / "lessons")
        _write_kernel(root / "path" / "kernels" / "python3")
        for name, values in SETTINGS.items():
            _write_json(root / "settings" / f"{name}.jupyterlab-settings", values)
        command = self.command(_free_port())
        self._process = subprocess.Popen(
            [*command, f"--IdentityProvider.token={TOKEN}", "--allow-root"],
            env=_environment(root),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._ps = psutil.Process(self._process.pid)
        self._said: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._ready.wait(START_S)
        self.url = self._listening_at()
        if not self.url:
            self.stop()
            pytest.fail(f"{self.name} does not answer; it said:\n{''.join(self._said)}")

    def command(self, port: int) -> list[str]:
        return lab_command(self.lessons, port=port, browser=False)

    def _read(self) -> None:
        """Reads the log to its end: a full pipe would stop the server."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            if self._listening_at():
                self._ready.set()
        self._ready.set()

    def _listening_at(self) -> str:
        """The address in the log: another port than the one asked for, if somebody was faster."""
        found = re.search(r"(http://127\.0\.0\.1:\d+)/\S*token=", "".join(self._said[:200]))
        return found[1] if found else ""

    def address(self, path: str) -> str:
        """Where a browser opens a file, in a workspace of its own: no tabs of the test before."""
        workspace = re.sub(r"\W+", "-", path)
        return f"{self.url}/{self.notebooks.format(workspace=workspace)}/{path}?token={TOKEN}"

    def write(self, name: str, *cells: str) -> str:
        """Writes a notebook of code cells and returns its path on the server."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.lessons / name)
        return name

    def processes(self) -> list[psutil.Process]:
        """Everything that the server has started: kernels, emulators, environments."""
        return self._ps.children(recursive=True) if self._ps.is_running() else []

    def stop(self) -> None:
        """As a closed terminal would end it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(STOP_S)


class Notebook7(JupyterLab):
    """Notebook 7: the same server and parts of JupyterLab, a page for each notebook."""

    name, notebooks = "Notebook", "notebooks"
    ready = (".jp-Toolbar-kernelName", "Python 3")

    def command(self, port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "notebook", "--no-browser"),
            *(f"--ServerApp.root_dir={self.lessons}", f"--ServerApp.port={port}"),
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]


class Notebook:
    """One notebook in one browser page, with the moves of a student."""

    def __init__(self, page: Any, server: JupyterLab, path: str) -> None:
        from playwright.sync_api import expect

        self.page, self._expect = page, expect
        page.goto(server.address(path))
        self.panel = page.locator(".jp-NotebookPanel:visible")
        # the notebook's own indicator says idle before it knows a kernel
        place, words = server.ready
        expect(page.locator(place)).to_contain_text(words, timeout=PATIENCE_MS)
        self.wait_idle()

    def wait_idle(self) -> None:
        indicator = self.panel.locator(".jp-Notebook-ExecutionIndicator")
        self._expect(indicator).to_have_attribute("data-status", "idle", timeout=PATIENCE_MS)

    def choose(self, menu: str, command: str) -> None:
        """Chooses a menu's entry by its command, which is the same in every language and version."""
        self.page.locator(".lm-MenuBar-itemLabel").get_by_text(menu, exact=True).click()
        self.page.locator(f'.lm-Menu-item[data-command="{command}"]').click()

    def choose_theme(self, name: str) -> None:
        self.page.locator(".lm-MenuBar-itemLabel").get_by_text("Settings", exact=True).click()
        self.page.locator(".lm-Menu-item[data-type=submenu]").get_by_text("Theme", exact=True).hover()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(name, exact=True).click()

    def run_all(self) -> None:
        """Chooses Run All Cells and waits until every code cell has been executed."""
        self.choose("Run", "runmenu:run-all")
        self.page.wait_for_function(ALL_EXECUTED, timeout=LESSON_MS)
        self.wait_idle()

    def cell(self, text: str) -> Any:
        """The code cell whose source has this text."""
        return self.panel.locator(".jp-CodeCell").filter(
            has=self.page.locator(".jp-InputArea-editor").filter(has_text=text)
        )

    def run_cell(self, text: str) -> str:
        """Runs one cell by Shift-Enter and returns the text of its result."""
        cell = self.cell(text)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        result = cell.locator(".jp-OutputArea-executeResult .jp-OutputArea-output")
        result.wait_for(timeout=PATIENCE_MS)
        return str(result.inner_text()).strip()

    def type_in_last_cell(self, text: str) -> Any:
        """Types into the notebook's last code cell and returns the cell."""
        cell = self.panel.locator(".jp-CodeCell").last
        cell.locator(".cm-content").click()
        self.page.keyboard.type(text)
        return cell


ALL_EXECUTED = r"""() => {
    const prompts = [...document.querySelectorAll(".jp-NotebookPanel .jp-CodeCell .jp-InputPrompt")];
    return prompts.length > 0 && prompts.every(prompt => /^\[\d+\]:$/.test(prompt.textContent.trim()));
}"""


def _write_kernel(folder: Path) -> None:
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    _write_json(folder / "kernel.json", {"argv": argv, "display_name": "Python 3", "language": "python"})


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _environment(root: Path) -> dict[str, str]:
    own = {
        "JUPYTER_PATH": "path",  # comes before every other place that kernels are looked for in
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        "LABKIT_PROGRESS": "progress.sqlite3",
    }
    return {**os.environ, **{name: str(root / folder) for name, folder in own.items()}, "PYTHONPATH": search_path()}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def _running(root: Path, kind: type[JupyterLab] = JupyterLab) -> Iterator[JupyterLab]:
    server = kind(root)
    try:
        yield server
    finally:
        left = server.processes()
        server.stop()
        _, alive = psutil.wait_procs(left, timeout=STOP_S)
        for process in alive:  # a test has said so already; the next one starts clean
            with suppress(psutil.Error):
                process.kill()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Headless Chromium. Without one the tests are skipped, but never on a continuous integration machine.

    Not for the whole session: while Playwright runs, no other test of this process can run an event loop.
    """
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        reason = f"no browser found; looked for: {', '.join(BROWSERS)}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """One JupyterLab for a module's tests; no process outlives it."""
    with _running(tmp_path_factory.mktemp("jupyterlab")) as server:
        yield server


@pytest.fixture(scope="module")
def notebook7(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """One Notebook 7 for a module's tests; no process outlives it."""
    pytest.importorskip("notebook", minversion="7")
    with _running(tmp_path_factory.mktemp("notebook7"), Notebook7) as server:
        yield server


@pytest.fixture
def own_server(chromium: Any, tmp_path: Path) -> Iterator[JupyterLab]:
    """A JupyterLab that the test may stop."""
    with _running(tmp_path) as server:
        yield server


@pytest.fixture
def open_notebook(chromium: Any) -> Iterator[Any]:
    """Opens a notebook of a server in a page of its own: `open_notebook(server, path)`."""
    contexts = []

    def opened(server: JupyterLab, path: str) -> Notebook:
        contexts.append(chromium.new_context(viewport={"width": 1400, "height": 1000}))
        return Notebook(contexts[-1].new_page(), server, path)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def run_notebook(chromium: Any, server: JupyterLab) -> Iterator[Any]:
    """Opens a notebook of the module's server after Run All Cells, for all tests of the module to look at."""
    contexts = []

    def opened(path: str) -> Notebook:
        contexts.append(chromium.new_context(viewport={"width": 1400, "height": 1000}))
        notebook = Notebook(contexts[-1].new_page(), server, path)
        notebook.run_all()
        return notebook

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def lesson(chromium: Any, server: JupyterLab) -> Iterator[Notebook]:
    """The orientation lesson after Run All Cells. Its tests look at it, and leave it as it is."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    notebook = Notebook(context.new_page(), server, "00-orientation/00-orientation.ipynb")
    notebook.run_all()
    yield notebook
    context.close()

"""Whole notebooks under nbclient, and their failing twins under nbclient and nbmake."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jupytext
import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from labkit.notebook import reference

pytestmark = pytest.mark.process

TEN_CELLS = [
    "%load_ext labkit",
    "%%function double --memory 256\ndef handler(event, context):\n    print('doubling', event)\n    return 2 * event\n",
    "%invoke double 21",
    "r = %invoke double [1]",
    "assert r.payload == [1, 1], r.payload",
    "%%function triple\ndef handler(event, context):\n    return 3 * event",
    "%invoke triple 14",
    "c = %coldstart triple -n 2 --payload 1",
    "assert len(c.cold) == 2 and len(c.warm) == 8",
    "%functions",
]


def notebook(cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])


def run(nb, folder):
    return NotebookClient(nb, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()


def texts(cell):
    return [o.get("text") or o["data"]["text/plain"] for o in cell.outputs]


def untimed(text):
    """A call's lines without what is measured: its head, its init and its bill."""
    return [line for line in text.splitlines()[1:] if not line.startswith(("  init  ", "  bill  "))]


def test_ten_cells_with_the_magics_pass(tmp_path):
    done = run(notebook(TEN_CELLS), tmp_path)
    assert untimed(texts(done.cells[2])[0]) == ["42", "log:", "  doubling 21"]


LATE = """
import threading
from labkit.notebook import live
class Seen(live.Place):
    def show(self, drawn):
        super().show(drawn)
        seen.set()
live.Place, seen = Seen, threading.Event()
%s
with live.Progress("Waiting"):
    seen.wait(60)
"""


@pytest.mark.parametrize(("before", "left"), [("", []), ("print('kept')", ["kept\n", ""])])
def test_progress_leaves_exactly_the_end_state_in_a_notebook(tmp_path, before, left):
    done = run(notebook(["%load_ext labkit", LATE % before]), tmp_path)
    assert texts(done.cells[1]) == left


MAGICS = sorted((Path(__file__).parent / "magics").glob("*.md"))


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """One kernel with one lab for the small notebooks: a kernel's start takes longer than each of them."""
    client = NotebookClient(
        notebook([]), timeout=120, resources={"metadata": {"path": str(tmp_path_factory.mktemp("magics"))}}
    )
    with client.setup_kernel():
        yield client


def read(path):
    """A notebook's cells, and the one that is its failing twin's."""
    cells = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    *good, broken = cells
    assert broken.metadata.tags[0] == "broken"
    return good, broken


def test_every_magic_has_a_notebook():
    assert [path.stem for path in MAGICS] == sorted(reference.TWINS)


@pytest.mark.parametrize("path", MAGICS, ids=lambda path: path.stem)
def test_a_magics_notebook_runs_and_its_broken_twin_is_an_error_that_is_kept(kernel, path):
    good, broken = read(path)
    kernel.nb = notebook([cell.source for cell in [*good, broken]])
    for index, cell in enumerate(kernel.nb.cells[:-1]):
        kernel.execute_cell(cell, index)
    last = kernel.nb.cells[-1]
    with pytest.raises(CellExecutionError) as caught:
        kernel.execute_cell(last, len(good))
    assert caught.value.ename == broken.metadata.tags[1]
    [kept] = last.outputs  # nothing went to stderr instead
    assert kept.output_type == "error"
    assert "Traceback" not in "\n".join(kept.traceback)


INTERRUPTED = [
    "%load_ext labkit",
    "%%function f\ndef handler(event, context): return event",
    "import os, signal\n"
    "from labkit.notebook import live\n"
    "drawn = live.drawn\n"
    "def drawn_and_interrupted(at):\n"
    "    if at.served: os.kill(os.getpid(), signal.SIGINT)\n"
    "    return drawn(at)\n"
    "live.drawn = drawn_and_interrupted\n"
    "r = %loadtest f --rate 20 --for 10m",
    "assert r.interrupted and 0 < r.served <= len(r) < r.planned, r",
    "import psutil\n[p.cmdline() for p in psutil.Process().children() if 'labkit.client.sender' in p.cmdline()]",
]


def test_an_interrupted_load_test_is_a_result_and_its_picture_makes_way(tmp_path):
    done = run(notebook(INTERRUPTED), tmp_path)
    assert texts(done.cells[2]) == []
    assert texts(done.cells[4]) == ["[]"]


def test_a_misspelt_function_fails_under_nbclient_with_labkits_own_words(tmp_path):
    with pytest.raises(CellExecutionError) as caught:
        run(notebook([*TEN_CELLS, "%invoke dubble 1"]), tmp_path)
    assert caught.value.ename == "UnknownFunction"
    assert "Did you mean `double`?" in caught.value.evalue


def test_nbmake_agrees(tmp_path):
    """One notebook is green, and the broken twins are red: those that start no emulator, to be quick."""
    made = {"green": ["%load_ext labkit", *TEN_CELLS[1:3]], "red": [*TEN_CELLS[:2], "%invoke dubble 1"]}
    for name in ("events", "lab"):
        made[name] = ["%load_ext labkit", read(Path(__file__).parent / "magics" / f"{name}.md")[1].source]
    for name, cells in made.items():
        nbformat.write(notebook(cells), tmp_path / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbmake", "-p", "no:cacheprovider", "-q", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert "3 failed, 1 passed" in done.stdout, done.stdout
    for said in ("No function `dubble`", "takes no queue", "Did you mean %lab stop"):
        assert said in done.stdout


def test_the_text_of_two_runs_is_the_same_but_for_timings(tmp_path):
    cells = [*TEN_CELLS[:3], "%invoke triple 1", "%invoke double {"]
    cells[3] = TEN_CELLS[5]
    first, second = (run(notebook(cells[:4]), tmp_path) for _ in range(2))
    for a, b in zip(first.cells, second.cells, strict=True):
        assert [untimed(text) for text in texts(a)] == [untimed(text) for text in texts(b)]


def test_two_notebooks_at_once_have_labs_of_their_own(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        cells = [*TEN_CELLS, "print(double.lab.endpoint)"]
        done = list(pool.map(lambda _: run(notebook(cells), tmp_path), range(2)))
    assert len({nb.cells[-1].outputs[0]["text"] for nb in done}) == 2


SLOW = """%%function slow --timeout 300
import os, time
def handler(event, context):
    with open(event + ".new", "w") as file: file.write(str(os.getpid()))
    os.rename(event + ".new", event)
    time.sleep(200)
"""


def test_an_interrupted_cell_ends_at_once_and_ends_its_handler(tmp_path):
    note = tmp_path / "pid"
    nb = notebook(["%load_ext labkit", SLOW, f'%invoke slow "{note}"', "%functions"])
    client = NotebookClient(nb, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    with client.setup_kernel():
        for index in (0, 1):
            client.execute_cell(nb.cells[index], index)
        kernel = psutil.Process(client.km.provisioner.process.pid)
        interrupter = threading.Thread(target=interrupt_when_there, args=(kernel, note))
        interrupter.start()
        with pytest.raises(CellExecutionError) as caught:
            client.execute_cell(nb.cells[2], 2)
        interrupter.join()
        assert "slow was stopped" in caught.value.traceback
        assert "Traceback" not in caught.value.traceback
        client.execute_cell(nb.cells[3], 3)  # the kernel and the lab still answer
        assert psutil.wait_procs(processes(int(note.read_text())), timeout=10)[1] == []


def test_an_interrupted_measurement_gives_the_function_back_as_it_was(kernel, tmp_path):
    note = tmp_path / "pid"
    cells = [
        "%load_ext labkit",
        SLOW.replace("slow", "measured"),
        f'%coldstart measured --memory 256 --payload "{note}"',
    ]
    cells += ["found = %functions\nassert [f.memory_mb for f in found.value if f.name == 'measured'] == [128], found"]
    kernel.nb = notebook(cells)
    for index in (0, 1):
        kernel.execute_cell(kernel.nb.cells[index], index)
    process = psutil.Process(kernel.km.provisioner.process.pid)
    interrupter = threading.Thread(target=interrupt_when_there, args=(process, note))
    interrupter.start()
    with pytest.raises(CellExecutionError) as caught:
        kernel.execute_cell(kernel.nb.cells[2], 2)
    interrupter.join()
    assert "measured was stopped" in caught.value.traceback
    kernel.execute_cell(kernel.nb.cells[3], 3)
    assert psutil.wait_procs(processes(int(note.read_text())), timeout=10)[1] == []


def interrupt_when_there(kernel, note):
    """Interrupts the kernel, as a frontend does, once the handler runs."""
    while not note.exists():
        time.sleep(0.01)
    kernel.send_signal(signal.SIGINT)


def processes(pid):
    try:
        return [psutil.Process(pid)]
    except psutil.NoSuchProcess:
        return []


def test_a_killed_kernel_leaves_no_process(tmp_path):
    nb = notebook(["%load_ext labkit", TEN_CELLS[1], "%invoke double 1"])
    client = NotebookClient(nb, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    with client.setup_kernel():
        for index, cell in enumerate(nb.cells):
            client.execute_cell(cell, index)
        kernel = psutil.Process(client.km.provisioner.process.pid)
        below = kernel.children(recursive=True)
        assert len(below) >= 2
        kernel.kill()
        assert psutil.wait_procs(below, timeout=15)[1] == []

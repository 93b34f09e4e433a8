"""Every lesson: built from its source, and run from its first cell to its last."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest

from labkit.lesson import build
from labkit.lesson.run import run

LESSONS = Path(__file__).parent.parent.parent / "lessons"
NOTEBOOKS = [build.notebook_path(source) for source in build.sources(LESSONS)]


def ids(path: Path) -> str:
    return path.stem


def test_there_are_lessons():
    assert NOTEBOOKS


def test_every_notebook_is_what_the_builder_makes_of_its_source():
    assert build.outdated(LESSONS) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_holds_no_outputs_and_has_stable_cell_ids(path):
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_no_lesson_fetches_data(path):
    assert not re.search(r"\bfetch_\w+\(", path.read_text("utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_no_line_of_code_is_too_wide_for_a_zoomed_notebook(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [line for cell in cells for line in cell.source.splitlines() if len(line) > 84] == []


@pytest.mark.process
def test_the_orientation_lesson_deploys_predicts_and_measures(tmp_path):
    lesson = tmp_path / "00-orientation.ipynb"
    lesson.write_bytes((LESSONS / "00-orientation" / "00-orientation.ipynb").read_bytes())
    (report,) = run([lesson], timeout_s=120, on_progress=lambda progress: None)
    assert report.ok, report.error
    deployed = {fact["name"] for fact in report.facts if fact["kind"] == "function"}
    assert deployed == {"hello", "predict_pickle", "predict_json", "predict_http"}
    answers = {f["function"]: f["payload"] for f in report.facts if f["kind"] == "outcome" and f["status"] == "success"}
    assert json.dumps(answers["predict_pickle"])[:40] == json.dumps(answers["predict_json"])[:40]
    errors = [fact["error"]["type"] for fact in report.facts if fact["kind"] == "outcome" and fact["error"]]
    assert errors == ["TypeError"]
    (measured,) = [fact for fact in report.facts if fact["kind"] == "outcomes"]
    cold = {s["label"]: s["cold"]["median_s"] for s in measured["series"]}
    assert cold["predict_pickle"] > 2 * cold["predict_json"]


@pytest.mark.process
def test_the_text_of_two_runs_is_the_same_but_for_timings(tmp_path):
    """Numbers with a unit of time, memory or a share, and what is computed from them, may move; nothing else."""
    first, second = (texts(executed(tmp_path / str(n))) for n in range(2))
    assert first == second


def executed(folder: Path) -> nbformat.NotebookNode:
    from nbclient import NotebookClient

    folder.mkdir()
    notebook = nbformat.read(LESSONS / "00-orientation" / "00-orientation.ipynb", as_version=4)
    return NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    found = []
    for cell in notebook.cells:
        if "%coldstart" in cell.source:
            continue
        for output in cell.get("outputs", ()):
            text = output.get("text") or output.get("evalue") or output["data"]["text/plain"]
            text = re.sub(r"^(\w+ · \w+) · .*$", r"\1", text, flags=re.MULTILINE)
            found.append(re.sub(r"^  (init|bill)  .*$", r"  \1", text, flags=re.MULTILINE))
    return found

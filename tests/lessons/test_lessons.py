"""Every lesson: built from its source, linted, run with blanks and solved, and each of its checks proved.

A lesson is run three times, two at once: solved, with the proof; and twice as a student gets it.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest

from labkit.lesson import build
from labkit.lesson.coverage import matrix
from labkit.lesson.display import proved
from labkit.lesson.exercises import declared
from labkit.lesson.lint import lint
from labkit.lesson.report import Report
from labkit.lesson.run import Options, run
from labkit.lesson.source import read

LESSONS = Path(__file__).parent.parent.parent / "lessons"
SOURCES = build.sources(LESSONS)
NOTEBOOKS = [build.notebook_path(source) for source in SOURCES]
EXERCISES = [
    (source.parent.name, name)
    for source in SOURCES
    if (source.parent / build.CHECKS).is_file()
    for name in declared(source.parent / build.CHECKS)
]
MOST_SKLEARN_COLD_STARTS = 6
CELL_TIMEOUT_S = 300


def ids(path: Path) -> str:
    return path.stem


def test_there_are_lessons():
    assert NOTEBOOKS


def test_the_readme_names_every_lesson():
    readme = (LESSONS.parent / "README.md").read_text("utf-8")
    headers = [read(source).header for source in SOURCES]
    assert [h.id for h in headers if f"| {h.id} | {h.title} |" not in readme] == []


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


def test_the_linter_finds_nothing():
    assert [str(finding) for finding in lint(SOURCES, matrix(LESSONS))] == []


# --- run ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> dict[str, tuple[Report, Report, Report]]:
    """Of each lesson, in copies of its folder: solved and proved, as a student gets it, and that once more."""
    copies = []
    for _ in range(3):
        place = tmp_path_factory.mktemp("lessons") / "lessons"
        shutil.copytree(LESSONS, place)
        copies.append([place / path.relative_to(LESSONS) for path in NOTEBOOKS])
    solved = run(copies[0], timeout_s=CELL_TIMEOUT_S, at_once=2, options=Options(solved=True, prove=True))
    blank = run([*copies[1], *copies[2]], timeout_s=CELL_TIMEOUT_S, at_once=2)
    half = len(NOTEBOOKS)
    return {path.stem: (solved[i], blank[i], blank[half + i]) for i, path in enumerate(NOTEBOOKS)}


@pytest.mark.process
@pytest.mark.xdist_group("lessons")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_lesson_runs_solved_and_every_check_passes(reports, path):
    solved = reports[path.stem][0]
    assert solved.error is None
    assert set(solved.checks.values()) <= {"passed"}, solved.checks


@pytest.mark.process
@pytest.mark.xdist_group("lessons")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_lesson_runs_with_its_blanks_and_every_check_says_not_done_yet(reports, path):
    blank = reports[path.stem][1]
    assert blank.error is None
    assert set(blank.checks.values()) <= {"not done yet"}, blank.checks


@pytest.mark.process
@pytest.mark.xdist_group("lessons")
@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_a_check_tells_the_solution_the_blank_and_each_wrong_answer_apart(reports, lesson, exercise):
    solved = reports[lesson][0]
    rows = [row for row in solved.proof if row["exercise"] == exercise]
    print("\n".join(proved(solved)))  # with -rP or -s: the table
    wrong = declared(LESSONS / lesson / build.CHECKS)[exercise].wrong
    assert [row["answer"] for row in rows] == ["solution", "blank", *wrong]
    assert [row for row in rows if not row["holds"]] == []


@pytest.mark.process
@pytest.mark.xdist_group("lessons")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_two_runs_give_the_same_text(reports, path):
    _, first, second = reports[path.stem]
    assert first.texts == second.texts


@pytest.mark.process
@pytest.mark.xdist_group("lessons")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_every_figure_has_an_alt_text(reports, path):
    assert [report.figures_without_alt for report in reports[path.stem]] == [0, 0, 0]


@pytest.mark.process
@pytest.mark.xdist_group("lessons")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_lesson_starts_few_environments_that_import_scikit_learn(reports, path):
    """Each takes a second: this is what holds a lesson's budget on any machine. Seconds are in `labkit run`'s table."""
    facts = reports[path.stem][0].facts
    heavy = {
        f["name"] for f in facts if f["kind"] == "function" and any("scikit-learn" in r for r in f["requirements"])
    }
    calls = sum(f["kind"] == "outcome" and f["function"] in heavy and f["cold"] is True for f in facts)
    series = [s for f in facts if f["kind"] == "outcomes" for s in f["series"] if s["label"] in heavy and s["cold"]]
    assert calls + sum(s["cold"]["n"] for s in series) <= MOST_SKLEARN_COLD_STARTS


@pytest.mark.process
@pytest.mark.xdist_group("lessons")
def test_the_orientation_lesson_deploys_predicts_and_measures(reports):
    facts = reports["00-orientation"][1].facts
    deployed = {fact["name"] for fact in facts if fact["kind"] == "function"}
    assert deployed == {"hello", "predict_pickle", "predict_json", "predict_http", "greet"}
    answers = {f["function"]: f["payload"] for f in facts if f["kind"] == "outcome" and f["status"] == "success"}
    for one, other in zip(*(answers[f"predict_{way}"]["predictions"] for way in ("pickle", "json")), strict=True):
        assert one == pytest.approx(other, rel=1e-12)
    errors = [fact["error"]["type"] for fact in facts if fact["kind"] == "outcome" and fact["error"]]
    assert errors == ["TypeError"]
    (measured,) = [fact for fact in facts if fact["kind"] == "outcomes"]
    assert [(s["label"], s["cold"]["n"], s["warm"]["n"]) for s in measured["series"]] == [("predict_json", 5, 20)]

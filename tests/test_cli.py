from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest

from labkit import __version__, cli
from labkit.conformance import report
from labkit.conformance.behaviour import Behaviour, Checked, Pattern, Source, nothing_to_see
from labkit.lesson.progress import Attempt, Progress
from labkit.show.data import MIME

LABKIT = [sys.executable, "-m", "labkit.cli"]
ROOT = str(Path(cli.__file__).resolve().parents[1])
pytestmark = pytest.mark.process


def labkit(*words: str, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": ROOT, **variables}
    return subprocess.run([*LABKIT, *words], capture_output=True, text=True, cwd=folder, env=environ, timeout=120)


def write_notebook(path: Path, *sources: str) -> Path:
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources]), path)
    return path


def test_version_is_the_packages():
    assert labkit("--version").stdout == f"labkit {__version__}\n"


def test_help_names_every_command():
    said = labkit("--help").stdout
    assert all(f"    {name} " in said for name in cli.COMMANDS)


def test_no_command_shows_the_help():
    assert labkit().stdout == labkit("--help").stdout


def test_help_loads_neither_jupyter_nor_the_emulator():
    code = "import sys; from labkit.cli import main; main([]); print(*sys.modules, sep='\\n', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ROOT})
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "labkit" in loaded
    assert not loaded & {"nbclient", "nbformat", "jupyter_client", "rich", "psutil", "boto3", "uvicorn", "IPython"}


def test_a_misspelt_command_names_the_nearest():
    done = labkit("docter")
    assert done.returncode == 2
    assert "Did you mean `labkit doctor`?" in done.stderr


def test_a_command_like_no_other_names_them_all():
    assert "run, lab, serve, build, lint, grade, progress, docs, doctor" in labkit("xyzzy").stderr


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan", "soon"])
def test_a_timeout_must_be_a_time(seconds):
    assert labkit("run", f"--timeout={seconds}").returncode == 2


# --- run -------------------------------------------------------------------


def test_run_outside_a_terminal_shows_plain_lines_and_the_summary(tmp_path):
    fact = {"kind": "function", "name": "predict", "memory_mb": 256, "size_bytes": 900, "requirements": []}
    show_fact = f"display({json.dumps({MIME: fact})}, raw=True)"
    done = labkit("run", str(write_notebook(tmp_path / "one.ipynb", "import labkit", show_fact)))
    assert done.returncode == 0
    assert "one: cell 1 of 2: import labkit\n" in done.stdout
    assert "predict" in done.stdout.partition("Deployed")[2]
    assert not any(ord(character) < 32 and character != "\n" for character in done.stdout)
    assert done.stderr == ""


def test_run_fails_with_the_cell_and_its_error(tmp_path):
    done = labkit("run", str(write_notebook(tmp_path / "bad.ipynb", "a = 1", "a / 0")))
    assert done.returncode == 1
    assert "Cell 2 of the notebook: a / 0" in done.stdout
    assert "ZeroDivisionError: division by zero" in done.stdout


def test_run_stops_a_cell_at_the_timeout(tmp_path):
    done = labkit("run", "--timeout", "0.5", str(write_notebook(tmp_path / "endless.ipynb", "while True: pass")))
    assert done.returncode == 1
    assert "CellTimeout" in done.stdout
    assert done.stderr == ""


def test_run_of_an_unknown_lesson_is_two_lines_and_no_traceback():
    done = labkit("run", "no-such-lesson")
    assert done.returncode == 1
    assert done.stderr.startswith("labkit: No lesson `no-such-lesson`")
    assert len(done.stderr.splitlines()) == 2


def test_run_of_a_missing_file_says_which():
    done = labkit("run", "none.ipynb")
    assert done.returncode == 1
    assert "There is no file none.ipynb." in done.stdout


def test_ctrl_c_ends_a_run_with_130_and_without_a_traceback(tmp_path):
    path = write_notebook(tmp_path / "endless.ipynb", "while True: pass")
    environ = {**os.environ, "PYTHONPATH": ROOT, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*LABKIT, "run", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stdout is not None
        assert "cell 1 of 1" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "Interrupted.\n"


# --- lab, serve, doctor ----------------------------------------------------


def test_lab_opens_this_interpreters_jupyterlab_on_the_lessons():
    command = cli.lab_command(Path("/lessons"), port=8899, browser=False)
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert {"--ServerApp.root_dir=/lessons", "--ServerApp.port=8899", "--no-browser"} <= set(command[3:])
    assert command[4].endswith("/lab/tree/00-orientation/00-orientation.ipynb")


def test_lab_opens_a_browser_unless_told_not_to():
    assert "--no-browser" not in cli.lab_command(Path("/lessons"), port=None, browser=True)


@pytest.mark.skipif(not Path(ROOT, "lessons").is_dir(), reason="there are no lessons next to the package")
def test_lab_gives_back_the_status_of_jupyterlab(tmp_path):
    fake = tmp_path / "jupyterlab"
    fake.mkdir()
    (fake / "__init__.py").write_text("")
    (fake / "__main__.py").write_text("import sys, labkit; print(sys.argv[1:]); sys.exit(7)")
    done = labkit("lab", "--port", "1234", PYTHONPATH=os.pathsep.join([str(tmp_path), ROOT]), folder=tmp_path)
    assert done.returncode == 7
    assert "--ServerApp.port=1234" in done.stdout


def test_lab_without_jupyterlab_says_how_to_install_it():
    code = "import sys; sys.modules['jupyterlab'] = None; from labkit.cli import main; sys.exit(main(['lab']))"
    environ = {**os.environ, "PYTHONPATH": ROOT}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ)
    assert done.returncode == 1
    assert f"{sys.executable} -m pip install jupyterlab" in done.stderr


def test_copied_lessons_never_overwrite_a_students_file(tmp_path, capsys):
    lessons, mine = tmp_path / "lessons", tmp_path / "mine"
    (lessons / "00").mkdir(parents=True)
    (lessons / "00" / "00.ipynb").write_text("new")
    (lessons / "00" / "checks.py").write_text("checks")
    (mine / "00").mkdir(parents=True)
    (mine / "00" / "00.ipynb").write_text("my work")
    assert cli.copy_lessons(lessons, mine) == mine
    assert (mine / "00" / "00.ipynb").read_text() == "my work"
    assert (mine / "00" / "checks.py").read_text() == "checks"
    assert f"The lessons are in {mine}" in capsys.readouterr().out


def test_serve_passes_its_options_through():
    done = labkit("serve", "--no-such-option")
    assert done.returncode == 2
    assert "--no-such-option" in done.stderr


def test_doctor_prints_a_row_for_each_finding():
    done = labkit("doctor", COLUMNS="200")
    assert importlib.metadata.version("psutil") in done.stdout
    assert all(topic in done.stdout for topic in ("freezing", "lifeline", "scratch folder", "leftovers"))
    assert all(topic in done.stdout for topic in ("sandbox", "Lambda API"))


def test_doctor_fails_when_something_essential_is_missing():
    done = labkit("doctor", LABKIT_SCRATCH="/proc/self")
    assert done.returncode == 1
    assert "missing" in done.stdout


CONFORMING = Behaviour("1. Invoke", "answers", Source.REC, Pattern(r"\d+"), nothing_to_see)


@pytest.fixture
def found(monkeypatch):
    """Makes the command's check find this in the place of a number."""
    return lambda value: monkeypatch.setattr(
        report, "run", lambda: report.Report((Checked(CONFORMING, value),), datetime(2026, 11, 21, tzinfo=UTC))
    )


def test_a_conformance_report_is_text_and_its_success_is_the_exit_status(found, capsys):
    found("200")
    assert cli.main(["doctor", "--conformance"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["1. Invoke", "  conforms      answers (rec)"]
    assert said[-1] == "1 behaviours: 1 conforms, 0 differs, 0 not enforced"


def test_a_row_that_differs_is_shown_and_fails_the_command(found, capsys):
    found("many")
    assert cli.main(["doctor", "--conformance"]) == 1
    assert "expected: '\\\\d+'\n                found:    'many'" in capsys.readouterr().out


def test_json_goes_to_a_file_beside_the_text(found, capsys, tmp_path):
    found("200")
    assert cli.main(["doctor", "--conformance", "--json", str(tmp_path / "report.json")]) == 0
    written = json.loads((tmp_path / "report.json").read_text())
    assert (written["labkit"], written["when"]) == (__version__, "2026-11-21T00:00:00+00:00")
    assert written["python"] == platform.python_version()
    assert written["behaviours"] == [
        {
            "section": "1. Invoke", "claim": "answers", "source": "rec", "expected": r"\d+", "found": "200",
            "conforms": True, "verdict": "conforms",
        }
    ]  # fmt: skip
    assert "1 conforms" in capsys.readouterr().out


def test_json_for_a_dash_is_all_that_is_printed_and_fails_as_text_does(found, capsys):
    found("many")
    assert cli.main(["doctor", "--conformance", "--json", "-"]) == 1
    assert json.loads(capsys.readouterr().out)["behaviours"][0]["conforms"] is False


def test_a_folder_that_is_not_there_is_told_before_anything_is_checked(tmp_path, capsys):
    assert cli.main(["doctor", "--conformance", "--json", str(tmp_path / "none" / "report.json")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_json_without_conformance_is_a_wrong_command_line(capsys):
    assert cli.main(["doctor", "--json", "-"]) == 2
    assert "--conformance" in capsys.readouterr().err


def test_a_misspelt_setting_is_two_lines_and_no_traceback():
    done = labkit("doctor", LABKIT_SCRATCHH="/tmp")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "labkit: LABKIT_SCRATCHH: there is no such setting.",
        "Did you mean LABKIT_SCRATCH?",
    ]


def test_docs_prints_the_reference_of_the_magics_or_writes_it(tmp_path, capsys):
    assert cli.main(["docs"]) == 0
    page = capsys.readouterr().out
    assert "## `%%function`" in page
    assert cli.main(["docs", "--output", str(tmp_path / "magics.md")]) == 0
    assert (tmp_path / "magics.md").read_text("utf-8") == page
    assert cli.main(["docs", "--output", str(tmp_path / "nowhere" / "magics.md")]) == cli.WRONG_COMMAND_LINE
    assert "there is no folder" in capsys.readouterr().err


SOURCE = """---
kernelspec: {name: python3, display_name: Python 3, language: python}
labkit:
  id: "01"
  title: X
  title_zh: 某
  minutes: 1
  budget_s: 1
  prerequisites: []
  data: []
  objectives: [check a number]
  concepts: []
---

```{code-cell} ipython3
:exercise: q

%answer q 2  # SOLUTION
```
"""
CHECKS = """from labkit.lesson.exercises import Exercises
exercises = Exercises()
exercises.answer("q", wrong={"1": "Too small.", "3": "Too large."})
"""


@pytest.fixture
def lessons(tmp_path, monkeypatch) -> Path:
    """A folder with one lesson, which the commands take for the course."""
    lesson = tmp_path / "lessons" / "01-x"
    lesson.mkdir(parents=True)
    (lesson / "source.md").write_text(SOURCE)
    (lesson / "checks.py").write_text(CHECKS)
    monkeypatch.setattr("labkit.lesson.run.lessons_folder", lambda: tmp_path / "lessons")
    return tmp_path / "lessons"


def test_build_makes_the_notebooks_and_check_finds_what_is_outdated(lessons, capsys):
    assert cli.main(["build", "--check"]) == 1
    assert cli.main(["build", "01-x"]) == 0
    assert cli.main(["build", "--check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "outdated: 01-x/01-x.ipynb",
        "outdated: 01-x/lesson.json",
        "built: 01-x/01-x.ipynb",
        "built: 01-x/lesson.json",
    ]
    assert nbformat.read(lessons / "01-x" / "01-x.ipynb", as_version=4).cells[1].source == "%answer q ..."


def test_build_writes_solutions_where_a_teacher_wants_them_and_not_beside_the_lesson(lessons, tmp_path):
    assert cli.main(["build", "--solutions", str(tmp_path / "solved")]) == 0
    assert nbformat.read(tmp_path / "solved" / "01-x.ipynb", as_version=4).cells[1].source == "%answer q 2"
    assert not [path for path in lessons.rglob("*") if path.suffix == ".ipynb" and "%answer q 2" in path.read_text()]


def test_lint_prints_each_finding_and_fails(lessons, capsys):
    (lessons / "coverage.yaml").write_text("lessons: {}\nconcepts: {}\n")
    assert cli.main(["lint"]) == 1
    said = capsys.readouterr().out
    assert "01-x: budget: coverage.yaml knows no lesson 01\n" in said
    assert said.splitlines()[-1].endswith(f"{len(said.splitlines()) - 1} findings.")


# --- progress --------------------------------------------------------------


@pytest.fixture
def kept(tmp_path, monkeypatch) -> Progress:
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.sqlite3"))
    progress = Progress(tmp_path / "progress.sqlite3")
    progress.add(Attempt("01", "q", "rejected", "1", "1", 0.0))
    return progress


def test_progress_is_exported_as_json_and_as_csv(kept, tmp_path, capsys):
    assert cli.main(["progress", "--export", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["attempts"][0]["exercise"] == "q"
    assert cli.main(["progress", "--export", str(tmp_path / "mine.csv")]) == 0
    assert "attempts,01" in (tmp_path / "mine.csv").read_text()


def test_progress_is_deleted_for_good(kept, capsys):
    assert cli.main(["progress", "--delete"]) == 0
    assert not kept.path.exists()
    assert capsys.readouterr().out.startswith("Deleted: ")


def test_a_progress_file_that_cannot_be_read_is_two_lines(kept, capsys):
    kept.path.write_text("no database at all")
    assert cli.main(["progress"]) == 1
    assert "LABKIT_PROGRESS" in capsys.readouterr().err

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from labkit.errors import LabkitError
from labkit.lesson import build
from labkit.lesson.report import Progress
from labkit.lesson.run import (
    Options,
    changed,
    find_notebook,
    find_notebooks,
    from_wheel,
    lessons_folder,
    run,
    workplace,
)
from labkit.show.data import MIME

SHOW_FACT = f"from IPython.display import display; display({{{MIME!r}: {{'kind': 'function', 'name': 'f'}}}}, raw=True)"


def make_lesson(folder: Path, *notebooks: str) -> Path:
    folder.mkdir(parents=True)
    for name in notebooks:
        (folder / name).write_text("{}")
    return folder


# --- finding ---------------------------------------------------------------


def test_lessons_of_an_installed_package_are_inside_it(tmp_path):
    (tmp_path / "labkit" / "lessons").mkdir(parents=True)
    (tmp_path / "lessons").mkdir()  # somebody else's, next to it in site-packages
    assert lessons_folder(tmp_path / "labkit") == tmp_path / "labkit" / "lessons"


def test_lessons_of_a_checkout_are_next_to_the_package(tmp_path):
    (tmp_path / "lessons").mkdir()
    assert lessons_folder(tmp_path / "labkit") == tmp_path / "lessons"


def test_a_package_without_lessons_is_an_error_with_advice(tmp_path):
    with pytest.raises(LabkitError, match="neither in") as caught:
        lessons_folder(tmp_path / "labkit")
    assert "my-lesson.ipynb" in caught.value.advice


def test_only_lessons_inside_the_package_come_from_a_wheel(tmp_path):
    assert from_wheel(tmp_path / "labkit" / "lessons", tmp_path / "labkit")
    assert not from_wheel(tmp_path / "lessons", tmp_path / "labkit")


def test_a_lesson_is_found_by_its_name(tmp_path):
    lesson = make_lesson(tmp_path / "01-first", "01-first.ipynb", "appendix.ipynb")
    assert find_notebook("01-first", tmp_path) == lesson / "01-first.ipynb"


def test_a_lesson_is_found_by_its_folder(tmp_path):
    lesson = make_lesson(tmp_path / "mine", "anything.ipynb")
    assert find_notebook(str(lesson), tmp_path / "nowhere") == lesson / "anything.ipynb"


def test_a_notebook_file_is_taken_as_it_is(tmp_path):
    assert find_notebook("some/where.ipynb", tmp_path) == Path("some/where.ipynb")


def test_a_misspelt_lesson_names_the_nearest(tmp_path):
    make_lesson(tmp_path / "00-orientation", "00-orientation.ipynb")
    with pytest.raises(LabkitError, match="No lesson `00-orientaton`") as caught:
        find_notebook("00-orientaton", tmp_path)
    assert "00-orientation?" in caught.value.advice


def test_a_folder_with_two_notebooks_wants_to_know_which(tmp_path):
    make_lesson(tmp_path / "two", "a.ipynb", "b.ipynb")
    with pytest.raises(LabkitError, match=r"found: a\.ipynb, b\.ipynb"):
        find_notebook("two", tmp_path)


# --- what is no notebook ---------------------------------------------------


def test_a_missing_notebook_is_a_failed_report_that_names_the_file(tmp_path):
    [report] = run([tmp_path / "none.ipynb"])
    assert report.error is not None
    assert report.error.name == "NotebookMissing"
    assert "none.ipynb" in report.error.value
    assert report.error.index is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe\x00", "no notebook"),
        (b"[1, 2]", "no notebook"),
        (b'{"a": 1}', "no notebook"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}', "no notebook"),
    ],
)
def test_a_broken_notebook_is_a_failed_report_that_says_why(tmp_path, content, reason):
    path = tmp_path / "broken.ipynb"
    path.write_bytes(content)
    [report] = run([path])
    assert report.error is not None
    assert report.error.name == "NotebookUnreadable"
    assert reason in report.error.value


# --- running ---------------------------------------------------------------


@pytest.mark.process
def test_a_good_notebook_runs_to_its_end_and_stays_as_it_was(notebook, no_process_left):
    path = notebook("a = 1", "", "assert a == 1", SHOW_FACT)
    before = path.read_bytes()
    seen: list[Progress] = []
    [report] = run([path], on_progress=seen.append)
    assert report.ok
    assert report.cells == 3
    assert [(p.done, p.total) for p in seen] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [p.line for p in seen] == ["a = 1", "assert a == 1", SHOW_FACT, ""]
    assert path.read_bytes() == before
    assert no_process_left()


@pytest.mark.process
def test_facts_come_in_order_and_as_they_were_displayed_last(notebook):
    update = f"handle.update({{{MIME!r}: {{'kind': 'outcome', 'function': 'new'}}}}, raw=True)"
    first = SHOW_FACT.replace("raw=True", "raw=True, display_id=True").replace("; display", "; handle = display")
    [report] = run([notebook(first, SHOW_FACT, update, f"display({{{MIME!r}: [1]}}, raw=True)")])
    assert report.ok
    assert [dict(fact) for fact in report.facts] == [
        {"kind": "outcome", "function": "new"},
        {"kind": "function", "name": "f"},
    ]


@pytest.mark.process
def test_the_kernel_is_this_interpreter_and_finds_labkit_and_its_own_folder(notebook):
    path = notebook(
        "import os, sys, labkit.settings",
        f"assert sys.executable == {sys.executable!r}, sys.executable",
        "assert os.path.exists('lesson.ipynb'), os.getcwd()",
    )
    [report] = run([path])
    assert report.error is None


@pytest.mark.process
def test_a_kernelspec_of_another_environment_is_not_used(notebook, tmp_path, monkeypatch):
    kernels = tmp_path / "kernels" / "python3"
    kernels.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Other", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    [report] = run([notebook("1 + 1")])
    assert report.ok


@pytest.mark.process
def test_a_failing_cell_stops_its_lesson_and_the_next_one_still_runs(notebook, no_process_left):
    bad = notebook(SHOW_FACT, "# set up\n\n1 / 0", "print('never')", name="bad.ipynb")
    good = notebook("1", name="good.ipynb")
    first, second = run([bad, good])
    assert first.error is not None
    assert (first.error.index, first.error.line, first.error.name) == (1, "# set up", "ZeroDivisionError")
    assert first.error.lines[-1] == "ZeroDivisionError: division by zero"
    assert not any("\x1b" in line for line in first.error.lines)
    assert first.cells == 1
    assert len(first.facts) == 1
    assert second.ok
    assert no_process_left()


@pytest.mark.process
def test_an_error_of_labkits_is_reported_without_frames(notebook):
    source = "from labkit.errors import PayloadUnreadable; raise PayloadUnreadable('Cannot read it.', hint='Try JSON.')"
    [report] = run([notebook(source)])
    assert report.error is not None
    assert report.error.lines == ("PayloadUnreadable: Cannot read it.", "Try JSON.")


@pytest.mark.process
def test_a_cell_that_is_tagged_to_fail_may_fail(notebook):
    [report] = run([notebook(("1 / 0", "raises-exception"), "done = True")])
    assert report.ok
    assert report.cells == 2


@pytest.mark.process
def test_a_dying_kernel_is_reported_with_its_cell_and_its_last_words(notebook, no_process_left):
    source = "import os, sys; os.write(sys.__stderr__.fileno(), b'farewell'); os._exit(1)"
    [report] = run([notebook("a = 1", source)])
    assert report.error is not None
    assert (report.error.name, report.error.index) == ("KernelDied", 1)
    assert report.error.lines == ("farewell",)
    assert no_process_left()


@pytest.mark.process
def test_an_endless_cell_is_stopped_at_its_timeout(notebook, no_process_left):
    [report] = run([notebook("while True: pass")], timeout_s=0.5)
    assert report.error is not None
    assert (report.error.name, report.error.line) == ("CellTimeout", "while True: pass")
    assert "0.5 s" in report.error.value
    assert no_process_left()


STRAY = """
import os, subprocess, sys
stray = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
open("pid", "w").write(str(stray.pid))
"""


@pytest.mark.process
@pytest.mark.parametrize("end", ["", "os._exit(1)"])
def test_what_a_lesson_started_ends_with_it(notebook, end):
    path = notebook(STRAY + end)
    run([path])
    stray = int((path.parent / "pid").read_text())
    assert not psutil.pid_exists(stray) or psutil.Process(stray).status() == psutil.STATUS_ZOMBIE


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_run_and_the_kernel_and_gives_the_signals_back(notebook, no_process_left, number):
    before = signal.getsignal(number)
    interrupt = f"import os, select; os.kill({os.getpid()}, {int(number)}); select.select([], [], [], 10)"
    path = notebook(f"{interrupt}\nopen('survived', 'w')")
    with pytest.raises(KeyboardInterrupt):
        run([path, path])
    assert not (path.parent / "survived").exists()
    assert signal.getsignal(number) is before
    assert no_process_left()


@pytest.mark.process
def test_an_interrupt_between_two_cells_runs_no_further_cell(notebook, no_process_left):
    path = notebook("1", "open('second', 'w')")

    def interrupt(progress: Progress) -> None:
        if progress.done == 0:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run([path], on_progress=interrupt)
    assert not (path.parent / "second").exists()
    assert no_process_left()


def test_lessons_of_an_installed_package_run_in_a_copy(tmp_path):
    lesson = make_lesson(tmp_path / "labkit" / "lessons" / "01-first", "01-first.ipynb")
    with workplace(lesson.parent, tmp_path / "labkit") as place:
        assert (place / "01-first" / "01-first.ipynb").is_file()
        assert not place.is_relative_to(tmp_path)
    assert not place.exists()


def test_lessons_of_a_checkout_run_where_they_are(tmp_path):
    lesson = make_lesson(tmp_path / "lessons" / "01-first", "01-first.ipynb")
    with workplace(lesson.parent, tmp_path / "labkit") as place:
        assert place == lesson.parent


# --- lessons ---------------------------------------------------------------


def test_a_folder_of_lessons_means_all_of_them(write_lesson):
    lessons = [write_lesson(name).parent for name in ("03-more", "02-line")]
    build.write(lessons[0].parent)
    found = find_notebooks(str(lessons[0].parent), Path("nowhere"))
    assert [path.name for path in found] == ["02-line.ipynb", "03-more.ipynb"]


def git(folder: Path, *arguments: str) -> None:
    own = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


def test_changed_lessons_are_those_that_differ_from_a_commit_new_files_too(write_lesson):
    paths = [write_lesson(f"0{n}-x") for n in (2, 3, 4)]
    root = paths[0].parent.parent
    git(root, "init")
    git(root, "add", "-A")
    git(root, "commit", "-m", "x")
    paths[0].write_text("changed")
    (paths[2].parent / "new.csv").write_text("1")
    assert changed(paths, "HEAD") == [paths[0], paths[2]]


def test_outside_of_a_clone_nothing_can_be_said_of_changes(write_lesson):
    with pytest.raises(LabkitError, match="git cannot say what has changed"):
        changed([write_lesson()], "HEAD")


@pytest.fixture
def built(write_lesson) -> Path:
    path = write_lesson()
    build.write(path.parent.parent)
    return build.notebook_path(path)


@pytest.mark.process
def test_a_lesson_runs_with_its_blanks_and_its_solution_with_the_proof(built, no_process_left):
    (blank,) = run([built])
    assert (blank.ok, blank.budget_s, blank.checks) == (True, 6, {"q": "not done yet", "slope": "not done yet"})
    (solved,) = run([built], options=Options(solved=True, prove=True))
    assert solved.error is None
    assert solved.checks == {"q": "passed", "slope": "passed"}
    found = {(row["exercise"], row["answer"]): row["holds"] for row in solved.proof}
    assert found["slope", "slope = 1"] and found["q", "0.9"] and found["slope", "blank"]  # noqa: PT018
    assert not found["why", "solution"], "the small lesson has no cell for it"
    assert no_process_left()


@pytest.mark.process
def test_running_a_lesson_leaves_the_students_progress_alone(notebook, monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "mine.sqlite3"))
    (report,) = run([notebook("%load_ext labkit", "%predict p 1", "%predict p --was 1")])
    assert report.texts[-1] == "p: you predicted 1, it is 1: right."
    assert not (tmp_path / "mine.sqlite3").exists()


# each waits for the other's file, so that neither can end before both have begun
MEET = """
import pathlib, time
pathlib.Path("{mine}").write_text("")
end = time.monotonic() + 60
while not pathlib.Path("{other}").exists() and time.monotonic() < end:
    time.sleep(0.01)
assert pathlib.Path("{other}").exists()
"""


@pytest.mark.process
def test_several_lessons_run_at_once_and_are_reported_in_order(notebook, no_process_left):
    a = notebook(MEET.format(mine="a", other="b"), name="one.ipynb")
    b = notebook(MEET.format(mine="b", other="a"), name="two.ipynb")
    seen: list[Progress] = []
    reports = run([a, b], at_once=2, on_progress=seen.append)
    assert [(r.path, r.error) for r in reports] == [(a, None), (b, None)]
    assert sorted(p.path.name for p in seen if p.done == 1) == ["one.ipynb", "two.ipynb"]
    assert no_process_left()


@pytest.mark.process
def test_an_interrupt_ends_all_lessons_that_run_at_once(notebook, no_process_left):
    interrupt = f"import os, select; os.kill({os.getpid()}, {int(signal.SIGINT)}); select.select([], [], [], 60)"
    waiting = notebook("import select; select.select([], [], [], 60)\nopen('survived', 'w')", name="wait.ipynb")
    with pytest.raises(KeyboardInterrupt):
        run([waiting, notebook(interrupt), waiting], at_once=2)
    assert not (waiting.parent / "survived").exists()
    assert no_process_left()

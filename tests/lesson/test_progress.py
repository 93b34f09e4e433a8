from __future__ import annotations

import json
import subprocess
import sys

import pytest

from labkit.lesson.progress import Attempt, Hint, Prediction, Progress, Recalled


@pytest.fixture
def progress(tmp_path) -> Progress:
    return Progress(tmp_path / "deep" / "progress.sqlite3", now=lambda: 7.0)


def attempt(exercise="slope", result="rejected", answer="1") -> Attempt:
    return Attempt("02", exercise, result, "order", answer, 1.0)


def test_what_is_added_is_there_for_another_kernel(progress):
    progress.add(attempt())
    progress.add(Hint("02", "slope", "order", 2.0))
    progress.add(Recalled("01", "pids", "wrong", "3", 3.0))
    other = Progress(progress.path)
    assert other.attempts("02", "slope") == [attempt()]
    assert other.hints("02", "slope") == [Hint("02", "slope", "order", 2.0)]
    assert other.recaps() == [Recalled("01", "pids", "wrong", "3", 3.0)]


def test_a_prediction_learns_what_came_once(progress):
    progress.add(Prediction("02", "ratio", "10", None, False, 1.0))
    progress.came_true("02", "ratio", "12")
    progress.came_true("02", "ratio", "99")
    assert progress.predictions("02") == [Prediction("02", "ratio", "10", "12", False, 1.0)]


def test_everything_is_exported(progress):
    progress.add(attempt(answer='a, "b"\n'))
    progress.add(Prediction("02", "ratio", "10", None, True, 1.0))
    exported = json.loads(progress.as_json())
    assert (exported["attempts"][0]["answer"], exported["predictions"][0]["late"]) == ('a, "b"\n', True)
    rows = progress.as_csv().splitlines()
    assert rows[0].startswith("record,lesson,name,value,actual,late,at")
    assert rows[1].startswith("predictions,02,ratio,10,,True,1.0")


def test_deleting_leaves_nothing_and_a_new_file_can_be_made(progress):
    progress.add(attempt())
    assert progress.delete()
    assert list(progress.path.parent.iterdir()) == []
    assert not progress.delete()
    assert progress.attempts() == []


@pytest.mark.parametrize("content", [b"this is no database", b"SQLite format 3\0" + b"x" * 200])
def test_a_broken_file_is_told_left_alone_and_the_lesson_goes_on(progress, content):
    progress.path.parent.mkdir()
    progress.path.write_bytes(content)
    progress.add(attempt())
    assert progress.attempts() == [attempt()]
    assert "LABKIT_PROGRESS" in progress.trouble
    assert progress.path.read_bytes() == content


def test_a_file_that_cannot_be_made_is_told_and_the_lesson_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    progress = Progress(tmp_path / "file" / "progress.sqlite3")
    progress.add(attempt())
    assert progress.attempts() == [attempt()]
    assert progress.trouble.startswith("Your progress is not kept")


def test_a_file_of_a_newer_labkit_is_not_touched(progress):
    import sqlite3

    progress.add(attempt())
    with sqlite3.connect(progress.path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    later = Progress(progress.path)
    later.add(attempt())
    assert "newer labkit" in later.trouble


WRITER = """
import sys
from pathlib import Path
from labkit.lesson.progress import Attempt, Progress
progress = Progress(Path(sys.argv[1]))
for number in range(60):
    progress.add(Attempt("02", sys.argv[2], "rejected", "", str(number), 0.0))
assert progress.trouble is None, progress.trouble
"""


@pytest.mark.process
def test_two_kernels_that_write_at_once_lose_nothing(progress):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(progress.path), name]) for name in ("a", "b")]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    for name in ("a", "b"):
        assert [a.answer for a in progress.attempts("02", name)] == [str(n) for n in range(60)]

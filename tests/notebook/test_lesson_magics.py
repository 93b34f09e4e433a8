"""The teaching magics in a real IPython shell, on a lesson of two exercises. No emulator is started."""

from __future__ import annotations

import pytest

from labkit.errors import BadMagicLine, LessonUnreadable, UnknownExercise
from labkit.lesson import build
from labkit.show.data import MIME

SOURCE = """---
kernelspec: {name: python3, display_name: Python 3, language: python}
labkit:
  id: "02"
  title: A line
  title_zh: 一条直线
  minutes: 75
  budget_s: 6
  prerequisites: []
  data: []
  objectives: [fit a line]
  concepts: []
---

```{code-cell} ipython3
:exercise: double

def double(x):
    return 2 * x  # SOLUTION
```

```{code-cell} ipython3
:exercise: q

%answer q -0.5  # SOLUTION
```
"""
CHECKS = """
from labkit.lesson.exercises import Exercises, require
exercises = Exercises()

@exercises.property("double", wrong={"def double(x): return x": "same", "def double(x): return x * x": "square"},
                    hints={"same": ["Twice as much."]})
def check(double):
    require(double(3) != 3, "same", "double(3) is 3.")
    require(double(3) == 6, "square", "double(3) is not 6.")

exercises.answer("q", decimals=2, wrong={"0.5": "Mind the sign.", "50": "Per cent."})
"""


@pytest.fixture
def lesson(empty_shell, tmp_path, monkeypatch):
    """A shell in the folder of a built lesson, with a progress file of its own."""
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.sqlite3"))
    folder = tmp_path / "lessons" / "02-line"
    folder.mkdir(parents=True)
    (folder / "source.md").write_text(SOURCE, "utf-8")
    (folder / "checks.py").write_text(CHECKS)
    build.write(folder.parent)
    monkeypatch.chdir(folder)
    return empty_shell


def said(shell, line: str) -> str:
    return shell.run(line).text


def test_a_prediction_is_kept_and_compared_with_an_expression(lesson):
    assert said(lesson, "%predict ratio 10") == "ratio: you predict 10."
    lesson.run("cold, warm = 30, 1.5")
    assert said(lesson, "%predict ratio --was cold / warm") == "ratio: you predicted 10, it is 20: 2 times too small."


def test_an_expression_that_cannot_be_computed_yet_is_an_outcome(lesson):
    assert "nothing to compare yet" in said(lesson, "%predict ratio --was cold / warm")


def test_a_check_looks_at_what_the_notebook_defines(lesson):
    assert "not done yet" in said(lesson, "%check double")
    lesson.run("def double(x):\n    return x")
    assert said(lesson, "%check double") == "double: rejected. double(3) is 3. (%hint double helps.)"
    assert said(lesson, "%hint double") == "double: hint 1 of 1: Twice as much."
    lesson.run("def double(x):\n    return 2 * x")
    assert said(lesson, "%check").splitlines()[-1] == "1 of 2 exercises passed."
    assert "return 2 * x" in said(lesson, "%solution double")


@pytest.mark.parametrize(
    ("line", "expected"),
    [("%answer q -0.5", "is right"), ("%answer q 0.5", "Mind the sign"), ("%answer q ...", "not done yet")],
)
def test_an_answer_may_be_negative_wrong_or_missing(lesson, line, expected):
    assert expected in said(lesson, line)


def test_what_a_notebook_stores_is_text_and_facts(lesson):
    shown = lesson.show(lesson.run("%answer q 0.5"))
    assert shown["text/plain"].startswith("q: rejected. Mind the sign.")
    assert shown[MIME] == {"kind": "checks", "rows": [{"exercise": "q", "result": "rejected", "diagnosis": "0.5"}]}
    assert "text/html" not in shown


def test_recap_and_progress_speak_even_when_there_is_nothing_to_say(lesson):
    assert said(lesson, "%recap").startswith("Nothing to recall yet")
    assert said(lesson, "%progress").splitlines()[0] == "02-line  0 of 2 exercises"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("%check duble", UnknownExercise),
        ("%hint", BadMagicLine),
        ("%check --al", BadMagicLine),
        ("%answer", BadMagicLine),
        ("%recap 01.x 3", UnknownExercise),
    ],
)
def test_a_misspelt_line_is_an_error_of_the_notebook(lesson, line, error):
    with pytest.raises(error):
        lesson.run(line)


def test_outside_of_a_lesson_a_check_says_where_to_go(empty_shell):
    with pytest.raises(LessonUnreadable, match=r"has no checks\.py"):
        empty_shell.run("%check")


def test_a_lesson_elsewhere_is_named_by_its_folder(lesson, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lesson.ip.run_line_magic("config", f"LessonMagics.folder = '{tmp_path}/lessons/02-line'")
    assert "not done yet" in said(lesson, "%check double")


def test_unloading_takes_the_teaching_magics_along(empty_shell):
    empty_shell.ip.run_line_magic("unload_ext", "labkit")
    assert empty_shell.ip.find_line_magic("check") is None
    empty_shell.ip.run_line_magic("load_ext", "labkit")
    assert empty_shell.ip.find_line_magic("check") is not None

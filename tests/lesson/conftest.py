"""Notebooks made on the spot, and a look at what is still running."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
import pytest


@pytest.fixture
def notebook(tmp_path: Path) -> Callable[..., Path]:
    """Writes a notebook of code cells; one given as (source, tag) carries that tag."""

    def write(*cells: str | tuple[str, str], name: str = "lesson.ipynb") -> Path:
        content = nbformat.v4.new_notebook()
        for cell in cells:
            source, tags = (cell, []) if isinstance(cell, str) else (cell[0], [cell[1]])
            content.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags}))
        path = tmp_path / name
        nbformat.write(content, path)
        return path

    return write


@pytest.fixture
def no_process_left() -> Callable[[], bool]:
    """Whether all children that appeared during the test are gone."""
    before = set(psutil.Process().children(recursive=True))
    return lambda: set(psutil.Process().children(recursive=True)) <= before


LESSON = """---
kernelspec: {{name: python3, display_name: Python 3, language: python}}
labkit:
  id: "{id}"
  kind: lesson
  title: A line
  title_zh: 一条直线
  minutes: 75
  budget_s: 6
  prerequisites: []
  data: []
  objectives: [fit a line]
  concepts: []
  recap: []
---

+++ {{"section": "hook"}}

# Why a line

```{{code-cell}} ipython3
%load_ext labkit
x, y = [1, 2, 3], [2, 4, 6]
```

```{{code-cell}} ipython3
:exercise: slope

slope = sum(a * b for a, b in zip(x, y)) / sum(a * a for a in x)  # SOLUTION
```

```{{code-cell}} ipython3
:exercise: q

{answer}
```

```{{code-cell}} ipython3
%check slope
```
"""
CHECKS = """from labkit.lesson.exercises import Exercises, reject, require

exercises = Exercises()


@exercises.property(
    "slope",
    wrong={"slope = 1": "not-least", "slope = [2]": "not-a-number"},
    hints={"not-least": ["First hint.", "Second hint."], "start": ["Begin with the sums."]},
)
def check_slope(slope, x, y):
    if isinstance(slope, list):
        reject("not-a-number", "One number is wanted.")
    left = sum(a * (b - slope * a) for a, b in zip(x, y))
    require(abs(left) < 1e-9, "not-least", f"x times the residuals is {left}, not 0.")


exercises.answer("q", decimals=1, wrong={"0.9": "A ninth too many.", "5": "Per cent."}, hints={"0.9": ["Count."]})
exercises.explain("why", words=4)
"""


@pytest.fixture
def write_lesson(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small lesson, its source and checks, and returns the source's path."""

    def write(name: str = "02-line", answer: str = "%answer q 0.5  # SOLUTION", checks: str = CHECKS) -> Path:
        folder = tmp_path / "lessons" / name
        folder.mkdir(parents=True)
        (folder / "source.md").write_text(LESSON.format(id=name[:2], answer=answer), "utf-8")
        (folder / "checks.py").write_text(checks)
        return folder / "source.md"

    return write

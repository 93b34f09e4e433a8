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

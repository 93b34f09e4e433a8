"""A lesson's `source.md` (MyST, the only file that is edited) to its notebook: no outputs, stable cell ids."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbformat

SOURCE = "source.md"


def sources(lessons: Path) -> list[Path]:
    """The source of every lesson in a folder, by number."""
    return sorted(lessons.glob(f"*/{SOURCE}"))


def notebook_path(source: Path) -> Path:
    """`lessons/00-orientation/source.md` is built to `lessons/00-orientation/00-orientation.ipynb`."""
    return source.parent / f"{source.parent.name}.ipynb"


def build(source: Path) -> str:
    """The notebook's text. The same source gives the same bytes."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{source.parent.name}-{number:03d}"
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"


def outdated(lessons: Path) -> list[Path]:
    """The notebooks that are not what the builder makes of their source."""
    return [notebook_path(s) for s in sources(lessons) if not _is_built(s)]


def write(lessons: Path) -> list[Path]:
    """Builds what is outdated; returns what was written."""
    written = []
    for source in sources(lessons):
        if not _is_built(source):
            notebook_path(source).write_text(build(source), "utf-8")
            written.append(notebook_path(source))
    return written


def _is_built(source: Path) -> bool:
    path = notebook_path(source)
    return path.is_file() and path.read_text("utf-8") == build(source)

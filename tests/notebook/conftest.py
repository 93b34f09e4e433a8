"""An in-process IPython shell that re-raises, with labkit loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell


class Shell:
    """Runs cells as a notebook would, and gives back what the cell shows."""

    def __init__(self) -> None:
        InteractiveShell.clear_instance()
        self.ip = InteractiveShell.instance()
        self.ip.run_line_magic("load_ext", "labkit")

    def run(self, cell: str) -> Any:
        """The cell's result; raises what the cell raises."""
        ran = self.ip.run_cell(cell)
        ran.raise_error()
        return ran.result

    def show(self, value: object) -> dict[str, Any]:
        """The MIME bundle that a notebook would store."""
        return self.ip.display_formatter.format(value)[0]

    @property
    def names(self) -> dict[str, Any]:
        return self.ip.user_ns


@pytest.fixture
def empty_shell(tmp_path, monkeypatch) -> Iterator[Shell]:
    """A shell that has started nothing yet."""
    monkeypatch.chdir(tmp_path)
    shell = Shell()
    yield shell
    shell.ip.run_line_magic("unload_ext", "labkit")
    InteractiveShell.clear_instance()


@pytest.fixture
def shell(empty_shell, lab, monkeypatch) -> Shell:
    """A shell on the shared emulator."""
    for name in ("aws_access_key_id", "aws_secret_access_key"):
        monkeypatch.setenv(name.upper(), lab.connection[name])
    empty_shell.ip.run_line_magic("config", f"LabMagics.endpoint = '{lab.endpoint}'")
    return empty_shell

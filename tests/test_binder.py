"""The Binder image: everything pinned, nothing local, one executable script."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
BINDER = ROOT / "binder"


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in requirements}


def pins() -> list[str]:
    lines = (BINDER / "requirements.txt").read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_every_requirement_is_pinned_and_none_is_a_path():
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!]+", line) for line in pins())


def test_every_dependency_of_labkit_and_jupyterlab_is_among_them():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = names(project["dependencies"]) | names(project["optional-dependencies"]["lab"])
    assert wanted - names(pins()) == set()


def test_the_script_is_executable_and_stops_at_the_first_error():
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text("utf-8")


def test_the_image_has_a_python_that_labkit_supports():
    assert re.fullmatch(r"python-3\.1[1-9]\n", (BINDER / "runtime.txt").read_text("utf-8"))

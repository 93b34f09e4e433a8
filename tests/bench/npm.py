"""serverless-offline from npm: installed once, into the user's cache folder, in the versions that are named here.

Serverless 3 is the last that needs no account; 3.40 the first that runs on Node 20.19 and later
(serverless/serverless issue 13049).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SERVERLESS = "3.40.0"
SERVERLESS_OFFLINE = "13.8.3"
INSTALL_S = 300
NAME = f"serverless-{SERVERLESS}-offline-{SERVERLESS_OFFLINE}"


class Absent(Exception):
    """A peer that cannot be had here, and why."""


def installed() -> Path:
    """The project's folder, installed if it is not. Raises Absent."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Absent("serverless-offline: there is no node and npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "labkit-bench"
    project = cache / NAME
    if not project.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"installing serverless-offline into {cache} (280 MB, once)", file=sys.stderr, flush=True)
        # beside it and moved: a broken installation never has the name
        with tempfile.TemporaryDirectory(prefix="new-", dir=cache) as fresh:
            install(Path(fresh) / NAME)
            (Path(fresh) / NAME).rename(project)
    return project


def install(project: Path) -> None:
    """Raises Absent."""
    project.mkdir()
    wanted = {"serverless": SERVERLESS, "serverless-offline": SERVERLESS_OFFLINE}
    (project / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted}))
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    try:
        answer = subprocess.run(
            command, cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_S
        )
    except subprocess.TimeoutExpired:
        raise Absent(f"serverless-offline: npm did not install it in {INSTALL_S} s") from None
    if answer.returncode:
        said = answer.stderr.strip().splitlines() or ["nothing"]
        raise Absent(f"serverless-offline: npm could not install it; it said: {said[0]}")

"""What it costs a warm call that there is much else: functions in the lab, environments of the same function.

Each size is a lab of its own, so that all sizes take their turns in every round. Many environments come from calls at
once that are held until each has one.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from effort import Effort
from rows import Row, Target, compared, interleaved
from stage import HANDLERS, Line, at_once, deploy_gated, environments, invocation_line, own_lab, wide_client
from warm import visited

from labkit import Lab

MOST = Target(1.2)
CREATORS = 4


def growth(effort: Effort) -> list[Row]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labkit-bench-")))
        lines: dict[tuple[str, int], Line] = {}
        crowds: list[tuple[Lab, str, int]] = []
        for n in effort.functions:
            lines["functions", n] = with_functions(stack.enter_context(own_lab()), n)
        for n in effort.alive:
            lab = stack.enter_context(own_lab(account_concurrency=n))
            crowds.append((lab, with_environments(lab, folder, n), n))
            lines["environments", n] = invocation_line(lab, crowds[-1][1])
        forms = {key: lambda line=line: visited(line, effort.warm_calls) for key, line in lines.items()}
        found = interleaved(forms, effort.warm_rounds)
        for lab, name, n in crowds:
            if len(environments(lab, name)) != n:
                raise RuntimeError(f"{name}: of {n} environments some have ended meanwhile")
    return [
        compared(f"growth_{what}_{n}", f"{n:,} {what}", "µs", rounds=found[what, n],
                 against=f"1 {what.removesuffix('s')}", floor=found[what, 1], target=MOST if n == sizes[-1] else None)
        for what, sizes in (("functions", effort.functions), ("environments", effort.alive))
        for n in sizes[1:]
    ]  # fmt: skip


def with_functions(lab: Lab, n: int) -> Line:
    """A lab that has so many functions; the first is called."""
    source = (HANDLERS / "echo.py").read_text()
    lab.deploy("echo", source)
    client = wide_client(lab, CREATORS)
    found = client.get_function_configuration(FunctionName="echo")
    copy = {name: found[name] for name in ("Runtime", "Role", "Handler", "MemorySize", "Timeout")}
    code = {"ZipFile": zipped("echo.py", source)}

    def create(i: int) -> Any:
        return client.create_function(FunctionName=f"echo-{i}", Code=code, **copy)

    with ThreadPoolExecutor(CREATORS) as pool:
        list(pool.map(create, range(1, n)))
    return invocation_line(lab, "echo")


def zipped(name: str, source: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        package.writestr(name, source)
    return content.getvalue()


def with_environments(lab: Lab, folder: Path, n: int) -> str:
    """The name of a function that has so many idle environments from here on."""
    name = deploy_gated(lab, HANDLERS, "echo")
    at_once(lab, wide_client(lab, n), name, folder=folder, count=n)
    return name

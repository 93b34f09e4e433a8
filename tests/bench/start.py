"""What a student waits for before anything runs: the emulator, the extension, and the other services' first use."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import replace
from urllib.parse import urlsplit

import boto3
from effort import Effort
from rows import Rounds, Row, Target, compared, interleaved
from stage import FUNCTIONS, SERVE, SETTLE_S, WAITING, printed_by, resident_mib, running, whole_process_s

from labkit.emulator.proc import children

HEAVY = ("boto3", "matplotlib", "moto", "numpy", "pandas", "scipy", "sklearn", "uvicorn")
LOAD_EXTENSION = f"""
import json, sys, time
started = time.perf_counter()
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
shell = InteractiveShell.instance(config=Config(HistoryManager={{"enabled": False}}))
ready, known = time.perf_counter(), set(sys.modules)
shell.run_line_magic("load_ext", "labkit")
loaded = time.perf_counter()
heavy = [name for name in {HEAVY!r} if name in sys.modules and name not in known]
assert "labkit.notebook" in sys.modules
print(json.dumps([(ready - started) * 1000, (loaded - ready) * 1000, len(heavy)]))
"""


def start(effort: Effort) -> list[Row]:
    """`labkit serve` until it answers, and `%load_ext labkit` in a fresh IPython."""
    found = interleaved(
        {"serve": served, "bare": lambda: [whole_process_s("pass") * 1000], "extension": extension_loaded},
        effort.start_rounds,
    )
    serve = compared(
        "serve",
        "labkit serve to first answer",
        "ms",
        rounds=found["serve"],
        against="python -c pass",
        floor=found["bare"],
        target=Target(10),
    )
    return [serve, extension_row(found["extension"])]


def extension_row(found: Rounds) -> Row:
    """One that loads something heavy has missed its target, however fast that was."""
    row = compared(
        "load_ext",
        "%load_ext labkit",
        "ms",
        rounds=[[added] for _, added, _ in found],
        against="IPython's own start",
        floor=[[ipython] for ipython, _, _ in found],
        target=Target(150, of="median"),
    )
    heavy = max(count for _, _, count in found)
    return replace(row, what=f"{row.what} ({heavy:.0f} heavy imports)", met=False) if heavy else row


def served() -> list[float]:
    time.sleep(SETTLE_S)
    started = time.perf_counter()
    with running(*SERVE) as (_, endpoint):
        list_functions(endpoint)
        return [(time.perf_counter() - started) * 1000]


def list_functions(endpoint: str) -> None:
    """The cheapest operation of the Lambda API that proves the emulator is whole."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=10)
    connection.request("GET", FUNCTIONS)
    with connection.getresponse() as answer:
        functions = json.loads(answer.read())["Functions"]
    connection.close()
    if functions:
        raise RuntimeError(f"a fresh emulator has functions: {functions}")


def extension_loaded() -> list[float]:
    """Milliseconds of IPython's start, of the extension's, and how many heavy packages that loaded."""
    return [float(number) for number in json.loads(printed_by(LOAD_EXTENSION))]


# --- the other services ---------------------------------------------------------------------------------------


def moto(effort: Effort) -> list[Row]:
    """The first S3 call of a fresh lab, which starts moto, and what moto then weighs."""
    weights: list[float] = []
    found = interleaved(
        {"first": lambda: [first_s3_call(weights)], "bare": lambda: [whole_process_s("pass") * 1000]},
        effort.moto_rounds,
    )
    with running("-c", WAITING) as (bare, _):
        floor = resident_mib(bare)
    return [
        compared("moto_first", "first S3 call of a lab, which starts moto", "ms",
                 rounds=found["first"], against="python -c pass", floor=found["bare"], target=Target(60)),
        compared("moto_memory", "moto's memory (PSS) after that", "MiB",
                 rounds=[[weight] for weight in weights], against="bare interpreter",
                 floor=[[floor] for _ in weights]),
    ]  # fmt: skip


def first_s3_call(weights: list[float]) -> float:
    """Milliseconds; appends moto's memory."""
    with running(*SERVE) as (pid, endpoint):
        list_functions(endpoint)
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
        )
        time.sleep(SETTLE_S)
        started = time.perf_counter()
        client.create_bucket(Bucket="bench")
        took = (time.perf_counter() - started) * 1000
        (mocked,) = children(pid)
        weights.append(resident_mib(mocked))
    return took

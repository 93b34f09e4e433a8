"""The measurements: each takes the stage and how often to look, and returns rows.

Warm calls, throughput, cold starts, the start of the emulator and of the extension, simulation, and memory. What counts as met is decided
by the targets here; nothing fails on them.
"""

from __future__ import annotations

import gc
import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from rows import Rounds, Row, Target, compared, interleaved, tail
from stage import (
    EVENTS,
    SETTLE_S,
    Stage,
    agree,
    environments,
    invocation_line,
    peer_line,
    printed_by,
    recycle,
    running,
    whole_process_s,
)

from labkit.actions import Arrived, Finished, Ready
from labkit.distributions import exponential
from labkit.emulator.proc import proportional_bytes
from labkit.load import poisson
from labkit.scheduler import Scheduler
from labkit.simulate import simulate

MIB = 1024 * 1024
PEER = "FastAPI, http.client"
WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rounds, and calls in a warm round."""

    warm_rounds: int
    warm_calls: int
    cold_rounds: int
    cold_sklearn_rounds: int
    start_rounds: int
    memory_rounds: int
    simulation_rounds: int
    simulated_s: float
    flood_rounds: int
    flood_s: float


FULL = Effort(12, 500, 15, 9, 11, 5, 7, 2000.0, 5, 2.0)
QUICK = Effort(2, 25, 2, 1, 1, 1, 2, 20.0, 1, 0.3)


# --- warm ---------------------------------------------------------------------------------------------------


def warm(stage: Stage, effort: Effort) -> list[Row]:
    """Calls that meet a used environment, against the same handler inside a web server."""
    lines = {
        "echo": invocation_line(stage.lab, "echo"),
        "echo_peer": peer_line(stage.peer, "echo"),
        "sklearn": invocation_line(stage.lab, "sklearn_price"),
        "sklearn_peer": peer_line(stage.peer, "sklearn_price"),
    }
    calls = {**{name: line.call for name, line in lines.items()}, "boto3": boto3_call(stage)}
    agree("echo", [calls["echo"], calls["echo_peer"], calls["boto3"]])
    agree("sklearn_price", [calls["sklearn"], calls["sklearn_peer"]])
    forms = {name: lambda call=call: timed(call, effort.warm_calls) for name, call in calls.items()}
    found = interleaved(forms, effort.warm_rounds)
    for line in lines.values():
        line.close()
    return warm_rows(found)


def warm_rows(found: dict[str, Rounds]) -> list[Row]:
    peer = found["echo_peer"]
    return [
        compared("warm_echo", "warm call: echo, http.client", "µs",
                 rounds=found["echo"], against=PEER, floor=peer, target=Target(1.6)),
        compared("warm_echo_boto3", "warm call: echo, boto3", "µs",
                 rounds=found["boto3"], against=PEER + " (no boto3)", floor=peer),
        compared("warm_sklearn", "warm call: sklearn, http.client", "µs",
                 rounds=found["sklearn"], against=PEER, floor=found["sklearn_peer"], target=Target(1.25)),
        tail("tail_echo", "99th percentile: echo, http.client", "µs", rounds=found["echo"], target=Target(2.5)),
    ]  # fmt: skip


def boto3_call(stage: Stage) -> Callable[[], bytes]:
    client, payload = stage.lab.boto3("lambda"), json.dumps(EVENTS["echo"]).encode()

    def call() -> bytes:
        body: bytes = client.invoke(FunctionName="echo", Payload=payload)["Payload"].read()
        return body

    return call


def timed(call: Callable[[], bytes], n: int) -> list[float]:
    """Microseconds of each of n calls, after a few that are not counted."""
    for _ in range(WARM_UP):
        call()
    clock, times = time.perf_counter_ns, []
    gc.collect()
    gc.disable()  # this process's garbage is not the callee's time
    try:
        for _ in range(n):
            started = clock()
            call()
            times.append((clock() - started) / 1000)
    finally:
        gc.enable()
    return times


# --- throughput ---------------------------------------------------------------------------------------------

CONNECTIONS = (1, 8, 32)
SCALE_OUT_S = 2.0


def throughput(stage: Stage, effort: Effort) -> list[Row]:
    """Many connections, environments scaling out, against two workers of the same web server."""
    ours, peers = invocation_line(stage.lab, "echo"), peer_line(stage.peers, "echo")
    forms: dict[str, Callable[[], list[float]]] = {}
    for n in CONNECTIONS:
        ours.flood(n, SCALE_OUT_S)  # from here on the environments that it takes are there
        forms[f"labkit {n}"] = lambda n=n: [1e6 / ours.flood(n, effort.flood_s)]
        forms[f"peer {n}"] = lambda n=n: [1e6 / peers.flood(n, effort.flood_s)]
    found = interleaved(forms, effort.flood_rounds)
    return [
        compared(f"throughput_{n}", f"a request's share of time: echo, {n} connections", "µs",
                 rounds=found[f"labkit {n}"], against="FastAPI, 2 workers", floor=found[f"peer {n}"],
                 target=Target(1.0) if n > 1 else None)
        for n in CONNECTIONS
    ]  # fmt: skip


# --- cold ---------------------------------------------------------------------------------------------------

COLD = {  # handler -> its row's words, at most so many times its floor
    "echo": ("cold_echo", "cold start: echo", Target(2.2)),
    "numpy_price": ("cold_numpy", "cold start: numpy", Target(1.15)),
    "sklearn_price": ("cold_sklearn", "cold start: sklearn", Target(1.03)),
}


def cold(stage: Stage, effort: Effort) -> list[Row]:
    """Calls that meet no environment, against a bare process that imports the handler and calls it once."""
    rows = []
    for name, (key, what, target) in COLD.items():
        rounds = effort.cold_sklearn_rounds if name == "sklearn_price" else effort.cold_rounds
        found = cold_rounds(stage, name, rounds)
        rows.append(
            compared(
                key,
                what,
                "ms",
                rounds=found["labkit"],
                against="python -c, whole process",
                floor=found["floor"],
                target=target,
            )
        )
    return rows


def cold_rounds(stage: Stage, name: str, rounds: int) -> dict[str, Rounds]:
    line = invocation_line(stage.lab, name)
    line.call()
    code = f"import {name}; {name}.handler({EVENTS[name]!r}, None)"

    def labkit() -> list[float]:
        recycle(stage.lab, name)
        started = time.perf_counter()
        line.call()
        return [(time.perf_counter() - started) * 1000]

    def floor() -> list[float]:
        return [whole_process_s(code, folder=stage.folder) * 1000]

    found = interleaved({"labkit": labkit, "floor": floor}, rounds)
    line.close()
    recycle(stage.lab, name)
    return found


# --- the start of the emulator and of the extension ---------------------------------------------------------

SERVE = ("-m", "labkit.cli", "serve", "--port", "0", "--parent-pipe", "--unsigned")
LIST_FUNCTIONS = "/2015-03-31/functions/"
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
    connection.request("GET", LIST_FUNCTIONS)
    with connection.getresponse() as answer:
        functions = json.loads(answer.read())["Functions"]
    connection.close()
    if functions:
        raise RuntimeError(f"a fresh emulator has functions: {functions}")


def extension_loaded() -> list[float]:
    """Milliseconds of IPython's start, of the extension's, and how many heavy packages that loaded."""
    return [float(number) for number in json.loads(printed_by(LOAD_EXTENSION))]


# --- the simulation -----------------------------------------------------------------------------------------

RATE, SERVICE_S = 100.0, 0.1
MOST_US = 5.0  # a request: 200,000 a second


def simulation(effort: Effort) -> list[Row]:
    """A warm pool under Poisson arrivals, against the scheduler's own decisions with nothing around them."""
    forms = {
        "simulated": lambda: [simulated_us(effort.simulated_s)],
        "scheduler": lambda: [decided_us(round(RATE * effort.simulated_s))],
    }
    found = interleaved(forms, effort.simulation_rounds)
    return [
        compared("simulation", f"simulated request (target: {1e6 / MOST_US:,.0f}/s)", "µs",
                 rounds=found["simulated"], against="the scheduler alone", floor=found["scheduler"],
                 target=Target(MOST_US, of="median")),
    ]  # fmt: skip


def simulated_us(for_s: float) -> float:
    started = time.perf_counter()
    result = simulate(poisson(RATE, for_s=for_s), service=exponential(SERVICE_S), init=0.4)
    return (time.perf_counter() - started) * 1e6 / len(result)


def decided_us(requests: int) -> float:
    """One environment, a request and its end in turn."""
    scheduler = Scheduler(account_limit=1)
    arrived, ready, finished = Arrived("r", "f:1", "f"), Ready("00000001"), Finished("00000001")
    for event in (arrived, ready, finished):
        scheduler.handle(event, 0.0)
    started = time.perf_counter()
    for _ in range(requests):
        scheduler.handle(arrived, 1.0)
        scheduler.handle(finished, 1.0)
    return (time.perf_counter() - started) * 1e6 / requests


# --- memory -------------------------------------------------------------------------------------------------

WAITING = "import sys; print('ready', flush=True); sys.stdin.read()"
WITH_CLIENT = f"import awslambdaric.bootstrap; {WAITING}"


def emulator_memory(effort: Effort) -> list[Row]:
    """A fresh emulator that has answered once. Nothing else of labkit may run: it would share its pages."""
    pairs = [emulator_and_bare() for _ in range(effort.memory_rounds)]
    return [
        compared("memory_emulator", "memory: emulator alone", "MiB",
                 rounds=[[emulator] for emulator, _ in pairs], against="bare interpreter",
                 floor=[[bare] for _, bare in pairs], target=Target(60, of="median")),
    ]  # fmt: skip


def emulator_and_bare() -> tuple[float, float]:
    with running(*SERVE) as (pid, endpoint), running("-c", WAITING) as (bare, _):
        list_functions(endpoint)
        return resident_mib(pid), resident_mib(bare)


def environment_memory(stage: Stage, effort: Effort) -> list[Row]:
    """An idle echo environment against an interpreter that has only imported AWS's client, at the same moment."""
    line = invocation_line(stage.lab, "echo")
    pairs = []
    for _ in range(effort.memory_rounds):
        recycle(stage.lab, "echo")
        line.call()
        (environment,) = environments(stage.lab, "echo")
        with running("-c", WITH_CLIENT) as (bare, _):
            pairs.append((resident_mib(environment), resident_mib(bare)))
    line.close()
    return [
        compared("memory_environment", "memory: idle echo environment", "MiB",
                 rounds=[[environment] for environment, _ in pairs], against="bare interpreter + awslambdaric",
                 floor=[[bare] for _, bare in pairs], target=Target(1.3)),
    ]  # fmt: skip


def resident_mib(pid: int) -> float:
    """The proportional set size: a page that k processes share counts 1/k."""
    return proportional_bytes([pid]) / MIB

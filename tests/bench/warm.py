"""Calls that meet a used environment, one after the other and over many connections, against the peers.

The peers' connections are opened anew for each round: serverless-offline and gunicorn close one that waits for its
turn. All forms do the same, and the calls that warm up are not counted.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

import peers
from effort import Effort
from rows import Rounds, Row, Target, compared, interleaved, tail
from stage import EVENTS, FUNCTIONS, SERVE, Line, Stage, agree, deploy, invocation_line, running

from labkit import Lab
from labkit.settings import Settings

WARM_UP = 20
NAMES = ("echo", "sklearn_price")
TARGETS = {  # of ours against a peer
    ("echo", "fastapi"): Target(1.6),
    ("sklearn_price", "fastapi"): Target(1.25),
    ("echo", "serverless"): Target(0.75),
}


def warm(stage: Stage, effort: Effort) -> list[Row]:
    """One connection: echo and sklearn beside every peer that is here, boto3, and the same without signatures."""
    with ExitStack() as stack:
        found_peers = peers.enter(stack, stage, NAMES, npm=effort.whole)
        lines = {("unsigned", "echo"): stack.enter_context(unsigned_line(stage))}  # beside what it is compared with
        lines |= {("labkit", name): invocation_line(stage.lab, name) for name in NAMES}
        lines |= {(peer.key, name): peer.line(name) for peer in found_peers for name in NAMES}
        found = measured(stage, effort, lines)
    return [*peer_rows(found, found_peers), *own_rows(found)]


def measured(stage: Stage, effort: Effort, lines: dict[tuple[str, str], Line]) -> dict[tuple[str, str], Rounds]:
    calls = {**{key: line.call for key, line in lines.items()}, ("boto3", "echo"): boto3_call(stage)}
    for name in NAMES:
        agree(name, [call for (_, of), call in calls.items() if of == name])
    for line in lines.values():
        line.close()
    forms = {key: lambda line=line: visited(line, effort.warm_calls) for key, line in lines.items()}
    by_boto3 = {("boto3", "echo"): lambda: timed(calls["boto3", "echo"], effort.warm_calls)}
    return interleaved(forms | by_boto3, effort.warm_rounds)


def peer_rows(found: dict[tuple[str, str], Rounds], found_peers: list[peers.Peer]) -> list[Row]:
    return [
        compared(f"warm_{short}_{peer.key}", short, "µs", rounds=found["labkit", name],
                 against=peer.words, floor=found[peer.key, name], target=TARGETS.get((name, peer.key)))
        for name, short in (("echo", "echo"), ("sklearn_price", "sklearn"))
        for peer in found_peers
    ]  # fmt: skip


def own_rows(found: dict[tuple[str, str], Rounds]) -> list[Row]:
    ours = found["labkit", "echo"]
    # the machine drifts by more than that between two rounds: of each round the difference
    added = [[median(signed) - median(plain)] for signed, plain in zip(ours, found["unsigned", "echo"], strict=True)]
    return [
        compared("warm_echo_boto3", "echo, by boto3", "µs", rounds=found["boto3", "echo"],
                 against="labkit, http.client", floor=ours),
        compared("signing", "what a signature's check adds", "µs", rounds=added,
                 against="FastAPI + uvicorn, the whole call", floor=found["fastapi", "echo"],
                 target=Target(40, of="median")),
        tail("tail_echo", "echo, 99th percentile", "µs", rounds=ours, target=Target(2.5)),
    ]  # fmt: skip


@contextmanager
def unsigned_line(stage: Stage) -> Iterator[Line]:
    """The same function and the same signed request, in a lab that looks at no signature."""
    with running(*SERVE) as (_, endpoint):
        lab = Lab(settings=Settings(endpoint=endpoint, access_key_id="bench", secret_access_key="bench"))
        deploy(lab, stage.folder, ("echo",))
        yield Line(endpoint, f"{FUNCTIONS}echo/invocations", EVENTS["echo"], keys=lab.connection)


def boto3_call(stage: Stage) -> Callable[[], bytes]:
    client, payload = stage.lab.boto3("lambda"), json.dumps(EVENTS["echo"]).encode()

    def call() -> bytes:
        body: bytes = client.invoke(FunctionName="echo", Payload=payload)["Payload"].read()
        return body

    return call


def visited(line: Line, n: int) -> list[float]:
    """As `timed`, over a connection that is opened for it."""
    times = timed(line.call, n)
    line.close()
    return times


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
    with peers.fastapi(stage.folder, ("echo",), workers=2) as peer:
        ours, theirs = invocation_line(stage.lab, "echo"), peer.line("echo")
        forms: dict[str, Callable[[], list[float]]] = {}
        for n in CONNECTIONS:
            ours.flood(n, SCALE_OUT_S)  # from here on the environments that it takes are there
            forms[f"labkit {n}"] = lambda n=n: [1e6 / ours.flood(n, effort.flood_s)]
            forms[f"peer {n}"] = lambda n=n: [1e6 / theirs.flood(n, effort.flood_s)]
        found = interleaved(forms, effort.flood_rounds)
    return [
        compared(f"throughput_{n}", connections(n), "µs",
                 rounds=found[f"labkit {n}"], against=peer.words, floor=found[f"peer {n}"],
                 target=Target(1.0) if n > 1 else None)
        for n in CONNECTIONS
    ]  # fmt: skip


def connections(n: int) -> str:
    return "1 connection" if n == 1 else f"{n} connections"

"""SnapStart measured: a restore against the same function's own cold start, and what a forked environment costs.

A restore is what REPORT says it is, from the order of the environment to its first poll; the whole call, request to
answer, has a row of its own, because the first run of a handler after a fork pays for the pages that it copies.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from effort import Effort
from rows import Row, Target, compared, interleaved
from stage import (
    EVENTS,
    SETTLE_S,
    Stage,
    at_once,
    deploy_gated,
    environments,
    recycle,
    resident_mib,
    wide_client,
)

from labkit.emulator.proc import children

FORKED = 10
WHAT = {"echo": None, "sklearn_price": Target(0.02)}
MEMORY = {"echo": None, "numpy_price": None, "sklearn_price": Target(0.12)}


def snap_start(stage: Stage, effort: Effort) -> list[Row]:
    """Restores and whole calls. Publishes a version of the functions; run it when nothing else is measured."""
    client, rows = wide_client(stage.lab, FORKED), []
    for name, target in WHAT.items():
        snapshots(client, name)
        rows += restores(stage, client, name, rounds=effort.memory_rounds, target=target)
    return rows


def forked_memory(stage: Stage, effort: Effort) -> list[Row]:
    """What ten forked environments add to their template, each, against one that was started plainly."""
    client = wide_client(stage.lab, FORKED)
    return [
        memory(stage, client, handler, rounds=effort.memory_rounds, target=target) for handler, target in MEMORY.items()
    ]


def snapshots(client: Any, name: str) -> None:
    """Makes `name:1` a version with SnapStart."""
    client.update_function_configuration(FunctionName=name, SnapStart={"ApplyOn": "PublishedVersions"})
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    client.publish_version(FunctionName=name)
    client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")


def restores(stage: Stage, client: Any, name: str, *, rounds: int, target: Target | None) -> list[Row]:
    forms = {
        "restored": lambda: reported(stage, client, name, "1", "Restore Duration"),
        "cold": lambda: reported(stage, client, name, "$LATEST", "Init Duration"),
    }
    for form in forms.values():
        form()
    found = interleaved(forms, rounds)
    short = name.partition("_")[0]
    of = [{form: [[value[i]] for value in values] for form, values in found.items()} for i in (0, 1)]
    return [
        compared(f"{key}_{short}", f"{what}: {short}", "ms", rounds=measured["restored"], against=against,
                 floor=measured["cold"], target=goal)
        for key, what, against, measured, goal in (
            ("restore", "restore", "its own init", of[0], target),
            ("restored_call", "call of a restored environment", "its own cold call", of[1], None),
        )
    ]  # fmt: skip


def reported(stage: Stage, client: Any, name: str, qualifier: str, field: str) -> list[float]:
    """Of a call that meets no environment: the milliseconds in this field of REPORT, and the caller's own."""
    end(stage, name)
    started = time.perf_counter()
    answer = client.invoke(
        FunctionName=name, Qualifier=qualifier, Payload=json.dumps(EVENTS[name]).encode(), LogType="Tail"
    )
    answer["Payload"].read()
    took = (time.perf_counter() - started) * 1000
    log = base64.b64decode(answer["LogResult"]).decode()
    return [float(log.split(f"\t{field}: ")[1].split()[0]), took]


def end(stage: Stage, name: str) -> None:
    """No environment of the function is left."""
    stage.lab._page(f"functions/{name}:1/recycle", method="POST")
    recycle(stage.lab, name)


def memory(stage: Stage, client: Any, handler: str, *, rounds: int, target: Target | None) -> Row:
    name = deploy_gated(stage.lab, stage.folder, handler)
    snapshots(client, name)
    found = [
        (added_mib(stage, client, name, "1", FORKED), added_mib(stage, client, name, "$LATEST", 1))
        for _ in range(rounds)
    ]
    end(stage, name)
    short = handler.partition("_")[0]
    return compared(f"memory_forked_{short}", f"each of ten forked environments: {short}", "MiB",
                    rounds=[[forked] for forked, _ in found], against="a plain one",
                    floor=[[plain] for _, plain in found], target=target)  # fmt: skip


def added_mib(stage: Stage, client: Any, name: str, qualifier: str, count: int) -> float:
    """By so many environments that have answered, each: proportional set sizes of all, less those without them."""
    end(stage, name)
    alone = together(stage)
    at_once(stage.lab, client, name, folder=stage.folder, count=count, qualifier=qualifier)
    found = environments(stage.lab, name)
    if len(found) != count:
        raise RuntimeError(f"{name}: {len(found)} environments for {count} calls at once")
    return (together(stage) - alone) / count


def together(stage: Stage) -> float:
    """Of all processes that the emulator has started, when they stand still."""
    time.sleep(SETTLE_S)
    return resident_mib(*children(stage.lab.status()["pid"]))

"""SnapStart measured: a restore against the same function's own cold start, and what a forked environment costs.

A restore is what REPORT says it is, from the order of the environment to its first poll; the whole call, request to
answer, has a row of its own, because the first run of a handler after a fork pays for the pages that it copies.
"""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from rows import Row, Target, compared, interleaved
from stage import EVENTS, INCLUDED, MEMORY_MB, SETTLE_S, TIMEOUT_S, Stage, environments, recycle

from labkit.emulator.proc import children, proportional_bytes

MIB = 1024 * 1024
FORKED = 10
SLOW = "sklearn_slow"
SLOWLY = """

import time

predict = handler


def handler(event, context):
    answer = predict(event, context)
    time.sleep(1)  # so that calls at once do not share an environment
    return answer
"""
WHAT = {"echo": None, "sklearn_price": Target(0.02)}


def snap_start(stage: Stage, rounds: int) -> list[Row]:
    """Restores, whole calls and memory. Publishes a version of the functions; run it when nothing else is measured."""
    client = boto3.client("lambda", **stage.lab.connection, config=Config(max_pool_connections=2 * FORKED))
    rows = []
    for name, target in WHAT.items():
        snapshots(client, name)
        rows += restores(stage, client, name, rounds=rounds, target=target)
    rows.append(memory(stage, client, rounds=rounds))
    return rows


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
            ("restore", "SnapStart restore", "its own init", of[0], target),
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


def memory(stage: Stage, client: Any, *, rounds: int) -> Row:
    """What ten forked environments add to their template, each, against one that was started plainly."""
    source = (stage.folder / "sklearn_price.py").read_text() + SLOWLY
    include = INCLUDED["sklearn_price"]
    stage.lab.deploy(SLOW, source, include=include, folder=stage.folder, memory_mb=MEMORY_MB, timeout_s=TIMEOUT_S)
    snapshots(client, SLOW)
    found = [(added_mib(stage, client, "1", FORKED), added_mib(stage, client, "$LATEST", 1)) for _ in range(rounds)]
    return compared("memory_forked", "memory: each of ten forked sklearn environments", "MiB",
                    rounds=[[forked] for forked, _ in found], against="a plain one",
                    floor=[[plain] for _, plain in found], target=Target(0.12))  # fmt: skip


def added_mib(stage: Stage, client: Any, qualifier: str, count: int) -> float:
    """By so many environments that have answered, each: proportional set sizes of all, less those without them."""
    end(stage, SLOW)
    alone = together(stage)
    payload = json.dumps(EVENTS["sklearn_price"]).encode()

    def call(_: int) -> None:
        client.invoke(FunctionName=SLOW, Qualifier=qualifier, Payload=payload)["Payload"].read()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(call, range(count)))
    found = environments(stage.lab, SLOW)
    if len(found) != count:
        raise RuntimeError(f"{SLOW}: {len(found)} environments for {count} calls at once")
    return (together(stage) - alone) / count


def together(stage: Stage) -> float:
    """Of all processes that the emulator has started, when they stand still."""
    time.sleep(SETTLE_S)
    return proportional_bytes(children(stage.lab.status()["pid"])) / MIB

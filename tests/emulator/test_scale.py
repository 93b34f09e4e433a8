"""Many functions, many requests at once: what is promised holds, and nothing stays behind."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from labkit import Lab

pytestmark = pytest.mark.process

FUNCTIONS, VERSIONS, CALLERS = 500, 3, 8
REQUESTS, LIMIT = 200, 20
WAITING = """
import os, time

def handler(event, context):
    while not os.path.exists(event):
        time.sleep(0.01)
    return "done"
"""


class Emulator:
    """A lab of its own with a client for many threads, and what there is of it on this machine."""

    def __init__(self, lab: Lab, scratch: Path) -> None:
        self.lab, self.scratch = lab, scratch
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=REQUESTS)
        self.aws = boto3.client("lambda", **lab.connection, config=config)
        self.pid: int = lab.status()["pid"]

    def deploy(self, name: str, *sources: str) -> None:
        """A function with a version for each source."""
        settings = {"Runtime": "python3.13", "Role": "arn:aws:iam::123456789012:role/r", "Handler": "app.handler"}
        code = {"ZipFile": zipped(sources[0])}
        self.aws.create_function(FunctionName=name, Code=code, Publish=True, Timeout=60, **settings)
        for source in sources[1:]:
            self.aws.get_function_configuration(FunctionName=name)
            self.aws.update_function_code(FunctionName=name, ZipFile=zipped(source), Publish=True)
        self.aws.get_function_configuration(FunctionName=name)

    def remains(self) -> list[object]:
        """Processes that the emulator started, its environments, and their folders."""
        processes = [process for process in psutil.Process(self.pid).children(recursive=True) if process.is_running()]
        folders = [folder.name for folder in self.scratch.glob("*/environments/*")]
        return [*processes, *self.lab.status()["environments"], *folders]


@pytest.fixture
def emulator(monkeypatch, tmp_path) -> Iterator[Callable[..., Emulator]]:
    """Starts an emulator with so many environments at once; with it goes all that it started."""
    labs: list[Lab] = []

    def start(*, account_concurrency: int) -> Emulator:
        monkeypatch.setenv("LABKIT_ACCOUNT_CONCURRENCY", str(account_concurrency))
        monkeypatch.setenv("LABKIT_SCRATCH", str(tmp_path / "scratch"))
        labs.append(Lab(notice=lambda message: None))
        return Emulator(labs[0], tmp_path / "scratch")

    yield start
    pid = labs[0].status()["pid"]
    family = psutil.Process(pid).children(recursive=True)
    labs[0].stop()
    assert [process for process in family if process.is_running()] == []


def zipped(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
    return buffer.getvalue()


def each(work: Callable[[str], Any], names: Iterable[str], *, at_once: int = CALLERS) -> list[Any]:
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(work, names))


def test_500_functions_with_3_versions_each_are_listed_invoked_and_deleted(emulator, wait_until):
    """Every function runs in an environment of its own, so this is 500 cold starts on 32 places."""
    here = emulator(account_concurrency=32)
    names = [f"f{number:03}" for number in range(FUNCTIONS)]
    versions = [str(number) for number in range(1, VERSIONS + 1)]

    def deploy(name: str) -> None:
        here.deploy(name, *(f"def handler(event, context): return [{name!r}, {number}]" for number in versions))

    def invoke(name: str) -> object:
        return json.load(here.aws.invoke(FunctionName=name, Qualifier="2")["Payload"])

    each(deploy, names)
    pages = here.aws.get_paginator("list_functions").paginate(FunctionVersion="ALL")
    found = [(version["FunctionName"], version["Version"]) for page in pages for version in page["Functions"]]
    assert found == [(name, version) for name in names for version in ("$LATEST", *versions)]
    assert each(invoke, names) == [[name, 2] for name in names]
    each(lambda name: here.aws.delete_function(FunctionName=name), names)
    assert here.aws.list_functions()["Functions"] == []
    assert here.aws.get_account_settings()["AccountUsage"] == {"TotalCodeSize": 0, "FunctionCount": 0}
    wait_until(lambda: here.remains() == [])


@pytest.mark.parametrize(
    ("account", "reserved", "reason"),
    [
        (LIMIT, None, "ConcurrentInvocationLimitExceeded"),
        (100, LIMIT, "ReservedFunctionConcurrentInvocationLimitExceeded"),
    ],
    ids=["account", "reserved"],
)
def test_200_requests_at_once_for_20_places_are_180_throttles_and_20_answers(
    emulator, wait_until, tmp_path, account, reserved, reason
):
    """The handlers hold their places until every other request is decided."""
    here, gate, refused = emulator(account_concurrency=account), tmp_path / "gate", []
    here.deploy("f", WAITING)
    if reserved:
        here.aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=reserved)

    def invoke(_: int) -> object:
        try:
            return json.load(here.aws.invoke(FunctionName="f", Payload=json.dumps(str(gate)))["Payload"])
        except ClientError as error:
            refused.append(error.response)
            return error.response["ResponseMetadata"]["HTTPStatusCode"]

    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = [pool.submit(invoke, number) for number in range(REQUESTS)]
        try:
            wait_until(lambda: len(refused) >= REQUESTS - LIMIT)
            holding = len(here.lab.status()["environments"])
        finally:
            gate.touch()
    assert Counter(answer.result() for answer in answers) == {429: REQUESTS - LIMIT, "done": LIMIT}
    assert holding == LIMIT
    assert {error["Reason"] for error in refused} == {reason}
    here.aws.delete_function(FunctionName="f")
    wait_until(lambda: here.remains() == [])

"""Provisioned concurrency, through an unmodified boto3 client and with real processes."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import requests

from labkit.emulator.environment import Environment
from labkit.emulator.loglines import Origin
from labkit.emulator.logstream import LogStream
from labkit.model import FunctionConfig

pytestmark = pytest.mark.process

SOURCE = """
import os, time
STARTED = time.time()
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return {"kind": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "started": STARTED, "pid": os.getpid()}
"""


@pytest.fixture
def published(aws, create, zipped):
    """Makes a function `f` with so many published versions."""

    def make(versions: int = 1, source: str = SOURCE, name: str = "f") -> None:
        create(name, Timeout=20)
        for number in range(versions):
            code = zipped(f"{source}\n# {number}")
            aws.update_function_code(FunctionName=name, ZipFile=code, Publish=True)

    return make


@pytest.fixture
def put(aws):
    def call(qualifier: str = "1", count: int = 1, name: str = "f") -> dict[str, Any]:
        return aws.put_provisioned_concurrency_config(
            FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
        )

    return call


@pytest.fixture
def get(aws):
    return lambda qualifier="1": aws.get_provisioned_concurrency_config(FunctionName="f", Qualifier=qualifier)


@pytest.fixture
def ready(put, get, wait_until):
    """Sets provisioned concurrency and waits for it."""

    def call(qualifier: str = "1", count: int = 1) -> None:
        put(qualifier, count)
        wait_until(lambda: get(qualifier)["Status"] == "READY")

    return call


@pytest.fixture
def invoke(aws):
    def call(qualifier: str = "1", **event: Any) -> dict[str, Any]:
        answer = aws.invoke(FunctionName="f", Qualifier=qualifier, Payload=json.dumps(event))
        return json.load(answer["Payload"])

    return call


def numbers(config: dict[str, Any]) -> tuple[int, int, int]:
    """Requested, allocated, available."""
    kinds = ("Requested", "Allocated", "Available")
    return tuple(config[f"{kind}ProvisionedConcurrentExecutions"] for kind in kinds)


# --- the environments


def test_provisioned_concurrency_is_in_progress_and_then_ready(published, put, get, wait_until):
    published()
    answer = put(count=2)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (answer["Status"], numbers(answer)) == ("IN_PROGRESS", (2, 0, 0))
    wait_until(lambda: get()["Status"] == "READY")
    assert numbers(get()) == (2, 2, 2)
    assert get()["LastModified"] == answer["LastModified"]


def test_the_first_invocation_meets_an_environment_that_was_started_before_it(aws, published, ready):
    published()
    ready()
    asked = time.time()
    answer = aws.invoke(FunctionName="f", Qualifier="1", Payload="{}", LogType="Tail")
    said = json.load(answer["Payload"])
    assert said["kind"] == "provisioned-concurrency"
    assert said["started"] < asked
    assert b"Init Duration" not in base64.b64decode(answer["LogResult"])


def test_the_log_tells_of_an_init_that_was_done_ahead(lab, published, ready):
    published()
    ready()
    [(_, text)] = lab.logs("f")
    assert re.fullmatch(r"INIT_START .*\nINIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\n", text)


def test_stopping_a_function_leaves_provisioned_environments_that_start(
    lab, published, put, get, wait_until, signature
):
    published(source="import time; time.sleep(0.5)\ndef handler(event, context): ...")
    put()
    answer = requests.post(f"{lab.endpoint}/_labkit/functions/f:1/abort", auth=signature, timeout=10)
    assert answer.json() == {"done": 0}
    wait_until(lambda: get()["Status"] != "IN_PROGRESS")
    assert get()["Status"] == "READY"


def test_an_unpublished_invocation_is_on_demand(published, ready, invoke):
    published()
    ready()
    assert invoke("$LATEST")["kind"] == "on-demand"


def test_requests_beyond_the_provisioned_ones_run_on_demand(published, ready, invoke):
    published()
    ready()
    with ThreadPoolExecutor(2) as pool:
        kinds = sorted(answer["kind"] for answer in pool.map(lambda _: invoke(sleep=1), range(2)))
    assert kinds == ["on-demand", "provisioned-concurrency"]


def test_a_provisioned_environment_that_dies_idle_is_replaced_before_the_next_invocation(
    aws, published, ready, invoke, wait_until
):
    published()
    ready()
    dead = psutil.Process(invoke()["pid"])
    dead.kill()
    wait_until(lambda: not dead.is_running())
    wait_until(lambda: aws.get_provisioned_concurrency_config(FunctionName="f", Qualifier="1")["Status"] == "READY")
    asked = time.time()
    answer = invoke()
    assert answer["kind"] == "provisioned-concurrency"
    assert answer["pid"] != dead.pid
    assert answer["started"] < asked


def test_an_init_that_fails_fails_the_allocation(published, put, get, wait_until):
    published(source="raise ValueError('no model')")
    put()
    wait_until(lambda: get()["Status"] != "IN_PROGRESS")
    config = get()
    assert (config["Status"], config["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")
    assert numbers(config) == (1, 0, 0)


def test_deleting_the_configuration_ends_the_processes(aws, published, ready, invoke, wait_until):
    published()
    ready()
    pid = invoke()["pid"]
    answer = aws.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    wait_until(lambda: not psutil.pid_exists(pid))
    assert invoke()["kind"] == "on-demand"


@pytest.mark.parametrize(
    ("qualifier", "delete"),
    [
        ("1", lambda aws: aws.delete_function(FunctionName="f", Qualifier="1")),
        ("live", lambda aws: aws.delete_alias(FunctionName="f", Name="live")),
        ("1", lambda aws: aws.delete_function(FunctionName="f")),
    ],
    ids=["version", "alias", "function"],
)
def test_what_is_deleted_takes_its_processes_with_it(aws, published, ready, invoke, wait_until, qualifier, delete):
    published()
    if qualifier == "live":
        aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    ready(qualifier)
    pid = invoke(qualifier)["pid"]
    delete(aws)
    wait_until(lambda: not psutil.pid_exists(pid))


def test_an_alias_takes_its_provisioned_environments_to_another_version(aws, published, ready, get, invoke, wait_until):
    published(versions=2)
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    ready("live")
    pid = invoke("live")["pid"]
    assert invoke("1")["kind"] == "provisioned-concurrency"
    aws.update_alias(FunctionName="f", Name="live", FunctionVersion="2")
    wait_until(lambda: get("live")["Status"] == "READY" and not psutil.pid_exists(pid))
    assert (invoke("live")["kind"], invoke("1")["kind"]) == ("provisioned-concurrency", "on-demand")


def test_aliases_of_one_version_add_up(aws, published, ready, get, wait_until):
    published()
    for name, count in (("blue", 1), ("green", 2)):
        aws.create_alias(FunctionName="f", Name=name, FunctionVersion="1")
        ready(name, count)
    assert (numbers(get("blue")), numbers(get("green"))) == ((1, 1, 1), (2, 2, 2))
    aws.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="blue")
    wait_until(lambda: get("green")["Status"] == "READY")


# --- the API


def test_configurations_are_listed_by_qualifier(aws, published, put):
    published(versions=2)
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="2")
    put("1"), put("live")
    first = aws.list_provisioned_concurrency_configs(FunctionName="f", MaxItems=1)
    rest = aws.list_provisioned_concurrency_configs(FunctionName="f", Marker=first["NextMarker"])
    listed = [*first["ProvisionedConcurrencyConfigs"], *rest["ProvisionedConcurrencyConfigs"]]
    assert [config["FunctionArn"].split(":", 6)[6] for config in listed] == ["f:1", "f:live"]


def test_there_is_none_before_it_is_put(aws, published, refused):
    published()
    assert refused(aws.get_provisioned_concurrency_config, FunctionName="f", Qualifier="1") == (
        "ProvisionedConcurrencyConfigNotFoundException",
        404,
        "No Provisioned Concurrency Config found for this function",
    )


def test_deleting_what_is_not_there_is_no_error(aws, published):
    published()
    answer = aws.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204


UNPUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


@pytest.mark.parametrize(
    ("qualifier", "code", "status", "message"),
    [
        ("$LATEST", "InvalidParameterValueException", 400, UNPUBLISHED),
        ("unpublished", "InvalidParameterValueException", 400, UNPUBLISHED),
        ("9", "ResourceNotFoundException", 404, f"Function not found: {ARN}:9"),
        ("nobody", "ResourceNotFoundException", 404, f"Cannot find alias arn: {ARN}:nobody"),
    ],
)
def test_only_published_versions_and_aliases_of_them_can_have_it(
    aws, published, put, refused, qualifier, code, status, message
):
    published()
    aws.create_alias(FunctionName="f", Name="unpublished", FunctionVersion="$LATEST")
    arn = aws.get_function_configuration(FunctionName="f")["FunctionArn"]
    said = refused(
        aws.put_provisioned_concurrency_config,
        FunctionName="f",
        Qualifier=qualifier,
        ProvisionedConcurrentExecutions=1,
    )
    assert said == (code, status, message.replace(ARN, arn))


def test_latest_has_none_to_read_or_delete(aws, published, refused):
    published()
    for operation in (aws.get_provisioned_concurrency_config, aws.delete_provisioned_concurrency_config):
        _, status, message = refused(operation, FunctionName="f", Qualifier="$LATEST")
        assert (status, message) == (400, "The function resource provided must be an alias or a published version.")


def test_an_alias_and_its_version_cannot_both_have_it(aws, published, put, refused):
    published(versions=2)
    aws.create_alias(FunctionName="f", Name="one", FunctionVersion="1")
    aws.create_alias(FunctionName="f", Name="two", FunctionVersion="2")
    put("one"), put("2")
    call = aws.put_provisioned_concurrency_config
    assert refused(call, FunctionName="f", Qualifier="1", ProvisionedConcurrentExecutions=1) == (
        "ResourceConflictException",
        409,
        "Version is pointed by a Provisioned Concurrency alias",
    )
    code, status, message = refused(call, FunctionName="f", Qualifier="two", ProvisionedConcurrentExecutions=1)
    assert (code, status) == ("ResourceConflictException", 409)
    assert message == "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"


def test_an_alias_with_it_cannot_move_to_where_it_cannot_be(aws, published, put, refused):
    published(versions=2)
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    put("live"), put("2")
    for version, expected in (("2", 409), ("$LATEST", 400)):
        _, status, _ = refused(aws.update_alias, FunctionName="f", Name="live", FunctionVersion=version)
        assert status == expected
    assert aws.get_alias(FunctionName="f", Name="live")["FunctionVersion"] == "1"


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (
            33,
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [32].",
        ),
        (
            30,
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            "minimum value of [3].",
        ),
    ],
)
def test_the_account_must_keep_a_share(aws, published, refused, count, message):
    published()
    said = refused(
        aws.put_provisioned_concurrency_config,
        FunctionName="f",
        Qualifier="1",
        ProvisionedConcurrentExecutions=count,
    )
    assert said == ("InvalidParameterValueException", 400, message)


def test_it_stays_within_what_the_function_reserves(aws, published, put, refused):
    published(versions=2)
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=2)
    put("1")
    said = refused(
        aws.put_provisioned_concurrency_config, FunctionName="f", Qualifier="2", ProvisionedConcurrentExecutions=2
    )
    assert said == (
        "InvalidParameterValueException",
        400,
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
    )


def test_less_than_is_provisioned_cannot_be_reserved(aws, published, put, refused):
    published()
    put(count=2)
    said = refused(aws.put_function_concurrency, FunctionName="f", ReservedConcurrentExecutions=1)
    assert said == (
        "InvalidParameterValueException",
        400,
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].",
    )


def test_a_configuration_is_replaced_and_not_added_to(published, ready, get):
    published()
    ready(count=2)
    ready(count=1)
    assert numbers(get()) == (1, 1, 1)


def test_it_is_taken_from_the_account_or_from_what_the_function_reserves(aws, published, put):
    def left() -> int:
        return aws.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]

    published()
    put(count=2)
    assert left() == 30
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=5)
    assert left() == 27


# --- the time of an init, without waiting for it


class IdleSandbox:
    """A process that does nothing."""

    task = Path("/var/task")
    killed = False

    def start(self, argv: object, variables: object, **more: object) -> None: ...

    def kill(self) -> None:
        self.killed = True

    def resident_bytes(self) -> int:
        return 0


@pytest.mark.parametrize(("provisioned", "timeout_s", "limit_s"), [(False, 900, 10), (True, 3, 130), (True, 200, 200)])
def test_a_provisioned_init_may_take_longer(provisioned, timeout_s, limit_s):
    config = FunctionConfig("f", "app.handler", timeout_s=timeout_s)
    version: Any = SimpleNamespace(config=config, version="1", arn="arn:aws:lambda:us-east-1:123456789012:function:f")
    sandbox: Any = IdleSandbox()
    environment = Environment(
        "1", version, sandbox=lambda _: sandbox, stream=LogStream("s", Origin("f")), argv=(), variables={}, extensions=(), provisioned=provisioned,
        record=lambda trace: None, lengthen=lambda trace: None, notify=lambda environment, what: None,
    )  # fmt: skip
    asyncio.run(environment.start())
    now = time.monotonic()
    environment.watch(now + limit_s - 5)
    assert not sandbox.killed
    environment.watch(now + limit_s + 1)
    assert sandbox.killed

"""The fixtures `lab` and `aws` for everybody's tests: real handlers and a mocked account, without Docker.

pytest loads this module wherever labkit is installed, so it imports nothing but pytest: labkit's client and boto3
load when a test asks for a fixture. Each pytest process has one emulator, under xdist each worker, started by the first
test that wants it and ended with the session; should pytest be killed, it ends with the pipe between them.

A project's own fixture of the same name wins, as pytest has it: installing labkit changes no test that exists. `lab`
and `aws` are therefore only the short names of `labkit_lab` and `labkit_aws`, which remain reachable, and nothing
in here asks for a fixture by its short name. `-p no:labkit` switches all of it off.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from labkit.client import Lab

LOG_LINES = 20
NOWHERE = os.devnull
FOREIGN = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
"""What could lead a test to a real account, and is hidden from it."""
_LAB = pytest.StashKey["Lab"]()


@pytest.fixture(scope="session")
def labkit_session() -> Iterator[Lab]:
    """The emulator of this pytest process, not cleaned between tests; whatever LABKIT_ENDPOINT says, no other."""
    from labkit.client import Lab
    from labkit.settings import Settings

    with _plainly():
        # each test clears its account: that must never be somebody's running lab
        own = replace(Settings.from_environment(os.environ), endpoint="")
    with Lab(settings=own) as lab:
        yield lab


@pytest.fixture
def labkit_lab(labkit_session: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab without functions, and an account with nothing in it; what the test makes is gone when it ends.

    Its clock goes on from where an earlier test's `advance` left it.
    """
    with _plainly():
        labkit_session.endpoint  # noqa: B018  starts the emulator, if this is the first test or one that stopped it
    request.node.stash[_LAB] = labkit_session
    yield labkit_session
    del request.node.stash[_LAB]
    if labkit_session.running:
        labkit_session.reset()


@pytest.fixture
def lab(labkit_lab: Lab) -> Lab:
    """A lab for this test: `lab.deploy("f", source).invoke(event).payload`. The same as `labkit_lab`."""
    return labkit_lab


@pytest.fixture
def labkit_aws(labkit_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A boto3 session on the lab's account, `aws.client("s3")`; plain `boto3.client("s3")` reaches the same.

    The account starts empty, and moto with its first service. While the test runs, the variables and files that
    would lead boto3 to another account are out of sight; a client that was made earlier, such as one at the top of
    a module, keeps its own address: import that module inside the test, or deploy it.
    """
    import boto3

    for name in (*FOREIGN, *(name for name in os.environ if name.startswith("AWS_ENDPOINT_URL"))):
        monkeypatch.delenv(name, raising=False)
    for name, value in _variables(labkit_lab.connection).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers credentials
    return boto3.session.Session()


@pytest.fixture
def aws(labkit_aws: Any) -> Any:
    """A boto3 session on the lab's account: `aws.client("s3")`. The same as `labkit_aws`."""
    return labkit_aws


def _variables(connection: dict[str, str]) -> dict[str, str]:
    """What boto3, the AWS CLI and every program that the test starts read of the environment."""
    region = connection["region_name"]
    return {
        "AWS_ENDPOINT_URL": connection["endpoint_url"],
        "AWS_ACCESS_KEY_ID": connection["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": connection["aws_secret_access_key"],
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": NOWHERE,
        "AWS_SHARED_CREDENTIALS_FILE": NOWHERE,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def _plainly() -> Iterator[None]:
    """Says in words, without frames of labkit's, why there is no lab."""
    from labkit.errors import LabkitError

    try:
        yield
    except LabkitError as error:
        pytest.fail(f"labkit: {error.message}\n{error.advice}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Adds to the report of a failed test what its functions printed."""
    report = yield
    lab = item.stash.get(_LAB, None)
    if lab is not None and report.when == "call" and report.failed:
        report.sections += _printed(lab)
    return report


def _printed(lab: Lab) -> list[tuple[str, str]]:
    from labkit.errors import LabkitError

    try:
        streams = [(name, log) for name in lab.names() for _, log in lab.logs(name)] if lab.running else []
        said = [(f"labkit: log of {name}", log) for name, log in streams]
        said.append(("labkit: the emulator said", "\n".join(lab.messages())))
    except LabkitError as error:
        said = [("labkit", f"{error.message}\n{error.advice}")]
    return [(title, "\n".join(text.splitlines()[-LOG_LINES:])) for title, text in said if text.strip()]

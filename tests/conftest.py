"""Shared fixtures: a lab per test process, and a watch that none of its processes outlives it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import hypothesis
import psutil
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from labkit import Lab

LONGEST_ID = 200

# The same examples in every run: what lands depends on no chance, and on no machine's speed.
# `HYPOTHESIS_PROFILE=explore python -m pytest` looks for new ones.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A test's name goes into the environment of every process that it starts, which has a limit."""
    return f"{argname} of {len(val)}" if isinstance(val, str | bytes) and len(val) > LONGEST_ID else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A second try for what needs other processes to have their turn: a machine that stood still is no fault of ours.

    Who passes only then is listed (`-r R`, a part of `-ra`) and looked at; what only computes gets no second try.
    """
    for item in items:
        if item.get_closest_marker("process") or item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def labkit_processes() -> list[psutil.Process]:
    """Emulators, their environments, mocked accounts and senders of load below this process."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if any(
            ours in line
            for ours in ("labkit.emulator", "labkit.mockaws", "labkit.client.sender", "labkit/runtime/bootstrap.py")
        ):
            found.append(process)
    return found


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Waits for what other processes make true; fails after a minute."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60  # a loaded machine is many times slower
        while not condition():
            assert time.monotonic() < deadline, "this should have become true by now"
            time.sleep(0.005)

    return wait


@pytest.fixture
def wait_dead() -> Callable[[int], None]:
    """Waits for the end of a child of this process, all its threads, and leaves its status for its owner to read."""
    return lambda pid: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.fixture(scope="session")
def shared_lab() -> Iterator[Lab]:
    """One emulator for all tests of this process."""
    with Lab() as lab:
        yield lab
    assert labkit_processes() == []


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """A lab without functions. It stands before the plugin's fixture, which would clear the whole account each time."""
    yield shared_lab
    for name in shared_lab.names():
        shared_lab.delete(name)


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    """A lab that the test may break."""
    with Lab(notice=lambda message: None) as lab:
        yield lab


class Signed(requests.auth.AuthBase):
    """Signs a request of `requests` with the lab's credentials, byte for byte as it is sent."""

    def __init__(self, lab) -> None:
        known = lab.connection
        self._credentials = Credentials(known["aws_access_key_id"], known["aws_secret_access_key"])
        self._region = known["region_name"]

    def __call__(self, request):
        signed = AWSRequest(request.method, request.url, headers=request.headers, data=request.body)
        SigV4Auth(self._credentials, "lambda", self._region).add_auth(signed)
        request.headers.update(signed.headers)
        return request


@pytest.fixture
def signature(lab) -> Signed:
    """For `requests.post(..., auth=signature)`."""
    return Signed(lab)

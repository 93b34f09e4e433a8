"""Live load tests: what is refused, and real ones of a second."""

from __future__ import annotations

import os
import signal
from array import array

import psutil
import pytest

from labkit.client.loadtest import LONGEST_S, MOST_REQUESTS, Run, SenderProcess, interrupts_call, order, send_times
from labkit.errors import BadLoad, SenderLost, UnknownFunction
from labkit.load import ClosedLoop, constant, poisson
from labkit.loadtest import LoadTest
from labkit.simulation import PENDING, SERVED

CONNECTION = {
    "endpoint_url": "http://127.0.0.1:9",
    "region_name": "us-east-1",
    "aws_access_key_id": "AKIA",
    "aws_secret_access_key": "secret",
}


def test_the_times_are_the_loads():
    assert send_times(constant(2, for_s=2)) == array("d", [0.0, 0.5, 1.0, 1.5])


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (ClosedLoop(clients=3, for_s=1), "is no open load"),
        (constant(0.01, for_s=LONGEST_S + 1), "too long for a live load"),
        (constant(MOST_REQUESTS, for_s=2), "more than 1,000,000 requests"),
        (poisson(0.001, for_s=0.001), "has no request in it"),
    ],
)
def test_a_load_that_cannot_be_sent_is_refused(load, message):
    with pytest.raises(BadLoad, match=message):
        send_times(load)


def test_only_plain_http_is_loaded():
    with pytest.raises(BadLoad, match="costs money"):
        order({**CONNECTION, "endpoint_url": "https://x"}, "f", b"", qualifier="", requests=1, grace_s=1)


def test_the_first_interrupt_is_a_call_and_the_second_an_interrupt():
    calls = []
    with interrupts_call(lambda: calls.append(1)):
        signal.raise_signal(signal.SIGINT)
        assert calls == [1]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert calls == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.process
def test_a_sender_that_dies_is_an_error_that_says_so():
    load = constant(1, for_s=60)
    times = send_times(load)
    told = order(CONNECTION, "f", b"", qualifier="", requests=len(times), grace_s=1)
    with SenderProcess(told, times) as sender:
        os.kill(sender.pid, signal.SIGKILL)
        with pytest.raises(SenderLost, match="ended early"):
            Run(load, times, label="f", watch=dict).listen(sender)


@pytest.mark.process
def test_a_sender_ends_with_its_pipe():
    times = send_times(constant(1, for_s=60))
    told = order(CONNECTION, "f", b"", qualifier="", requests=len(times), grace_s=1)
    with SenderProcess(told, times) as sender:
        pid = sender.pid
    assert not psutil.pid_exists(pid)


@pytest.mark.process
def test_a_load_is_sent_and_joined_with_the_emulators_traces(lab):
    echo = lab.deploy("echo", "def handler(event, context): return event['a']")
    seen = []
    found = echo.loadtest(constant(50, for_s=1), {"a": 1}, on_progress=seen.append)
    assert isinstance(found, LoadTest)
    assert (len(found), found.served, found.planned, found.untraced) == (50, 50, 50, 0)
    assert found.cold >= 1
    assert {t.request_id for t in found.traces()} <= {t.request_id for t in lab.traces("echo")}
    assert all(lag >= 0 for lag in found.lags_s())
    assert seen
    assert seen[-1].planned == 50


@pytest.mark.process
def test_throttles_and_failures_have_their_reasons(lab):
    lab.deploy("picky", "import time\ndef handler(event, context):\n    time.sleep(0.2)\n    raise ValueError('no')")
    lab.boto3("lambda").put_function_concurrency(FunctionName="picky", ReservedConcurrentExecutions=1)
    found = lab.loadtest("picky", constant(20, for_s=1))
    assert found.failed >= 1
    assert dict(found.reasons) == {"ReservedFunctionConcurrentInvocationLimitExceeded": found.throttled}
    assert found.throttled >= 1
    assert set(found.reason) == {"ValueError", "ReservedFunctionConcurrentInvocationLimitExceeded"}


@pytest.mark.process
def test_an_interrupt_gives_what_was_measured_and_leaves_nothing_behind(lab):
    source = "import time\ndef handler(event, context):\n    time.sleep(event['s'])"
    lab.deploy("slow", source, timeout_s=60)
    children = {p.pid for p in psutil.Process().children()}

    def interrupt(at):
        if at.in_flight:
            signal.raise_signal(signal.SIGINT)

    found = lab.loadtest("slow", constant(4, for_s=600), {"s": 60}, on_progress=interrupt)
    assert found.interrupted
    assert 1 <= found.unanswered == len(found) < found.planned
    assert set(found.requests.status) == {PENDING}
    assert {p.pid for p in psutil.Process().children()} == children
    assert lab.invoke("slow", {"s": 0}).ok


@pytest.mark.process
def test_a_qualifier_is_called(lab):
    lab.deploy("versioned", "def handler(event, context): return context.function_version")
    version = lab.boto3("lambda").publish_version(FunctionName="versioned")["Version"]
    found = lab.loadtest("versioned", constant(10, for_s=0.2), qualifier=version)
    assert set(found.requests.status) == {SERVED}
    assert {t.version for t in found.traces()} == {version}


@pytest.mark.process
def test_a_function_that_is_not_there_is_named(lab):
    lab.deploy("echo", "def handler(event, context): return event")
    with pytest.raises(UnknownFunction, match="eco"):
        lab.loadtest("eco", constant(10, for_s=1))

"""Watching a lab while something else runs it."""

from __future__ import annotations

import os
import signal
import socket
import threading

import pytest

from labkit import Lab
from labkit.client.watch import Watcher, watch
from labkit.errors import BadDuration

pytestmark = pytest.mark.process

SLOW = """
import socket
def handler(event, context):
    with socket.create_connection(("127.0.0.1", event)) as caller:
        caller.recv(1)
"""


def test_looking_starts_no_emulator():
    lab = Lab()
    assert not Watcher(lab).look()
    assert not lab.running


def test_a_watch_ends_by_itself_and_keeps_the_last_picture(lab):
    lab.deploy("adder", "def handler(event, context): return event + 1")
    lab.invoke("adder", 1)
    seen = []

    def call(picture):
        if not seen:
            lab.invoke("adder", 1)
        seen.append(picture)

    last = lab.watch(0.5, on_look=call)
    assert last.over
    assert not seen[0].over
    [adder] = [f for f in last.functions if f.name == "adder"]
    assert (adder.calls, adder.frozen, len(adder.recent_s)) == (1, 1, 1)  # the call before the watch is not its own


def test_a_busy_environment_is_seen_busy_and_throttles_are_counted(lab, wait_until):
    slow = lab.deploy("slow", SLOW, timeout_s=60)
    lab.boto3("lambda").put_function_concurrency(FunctionName="slow", ReservedConcurrentExecutions=1)
    watcher = Watcher(lab)
    watcher.look()

    def now():
        watcher.look()
        return next((f for f in watcher.life.picture().functions if f.name == "slow"), None)

    with socket.create_server(("127.0.0.1", 0)) as server:
        caller = threading.Thread(target=slow.invoke, args=(server.getsockname()[1],))
        caller.start()
        connection, _ = server.accept()
        assert slow.invoke(0).status == "throttled"
        assert (now().busy, now().throttled) == (1, 1)
        connection.close()
        caller.join()
    wait_until(lambda: now().calls == 1)


def test_an_interrupt_gives_what_was_seen_at_once(lab):
    def interrupt(picture):
        os.kill(os.getpid(), signal.SIGINT)

    assert lab.watch("1h", on_look=interrupt).at_s < 60


def test_a_watch_ends_with_its_lab(own_lab):
    own_lab.deploy("f", "def handler(event, context): return event")
    assert watch(own_lab, 3600, on_look=lambda picture: own_lab.stop()).over
    assert not own_lab.running


def test_a_lab_that_is_started_afresh_goes_on_in_the_same_picture(own_lab):
    own_lab.deploy("f", "def handler(event, context): return event")
    watcher = Watcher(own_lab)
    watcher.look()
    own_lab.invoke("f")
    watcher.look()
    own_lab.restart()
    watcher.look()
    own_lab.invoke("f")
    watcher.look()
    [f] = watcher.life.picture().functions
    assert (f.calls, f.gone) == (2, 1)


@pytest.mark.parametrize("duration", ["10 minutes", "soon", -1])
def test_a_duration_that_is_none_is_refused(lab, duration):
    with pytest.raises(BadDuration):
        lab.watch(duration)

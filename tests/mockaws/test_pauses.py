"""Waiting on the emulator's clock, and when moto's process is at rest; with an emulator that only notes what it is told."""

from __future__ import annotations

import http.server
import threading

import pytest

from labkit.mockaws import emulator, pauses
from labkit.mockaws.pauses import call_begins, call_ends, happened, pause, wait_rest, wake


@pytest.fixture
def told(monkeypatch):
    """What the emulator is told: how long, and the id."""
    seen = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            query = dict(pair.split("=") for pair in self.path.partition("?")[2].split("&"))
            seen.append(({name: float(value) for name, value in query.items() if name != "id"}, query["id"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
    }.items():
        monkeypatch.setenv(name, value)
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


def started(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_pause_lasts_until_the_emulator_says_so(told, wait_until):
    thread = started(lambda: pause(3600))
    wait_until(lambda: told)
    [(how_long, pause_id)] = told
    assert how_long == {"seconds": 3600}
    wake("another")
    assert thread.is_alive()
    wake(pause_id)
    thread.join(10)
    assert not thread.is_alive()


def test_a_pause_ends_with_its_execution(told, wait_until):
    running = [True]
    thread = started(lambda: pause(3600, lambda: bool(running)))
    wait_until(lambda: told)
    running.clear()
    pauses.look_again()
    thread.join(10)
    assert not thread.is_alive()


def test_a_pause_may_end_at_a_moment(told, wait_until):
    thread = started(lambda: pauses.pause_until(1_800_000_000.0, lambda: True))
    wait_until(lambda: told)
    [(how_long, pause_id)] = told
    assert how_long == {"until": 1_800_000_000.0}
    wake(pause_id)
    thread.join(10)
    assert not thread.is_alive()


def test_no_time_is_no_pause():
    pause(0)


def test_without_an_emulator_a_pause_is_an_error(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(emulator.NoEmulator):
        pause(1)


def test_a_call_under_way_is_work():
    call_begins()
    rest = threading.Event()
    thread = started(lambda: (wait_rest(), rest.set()))
    happened()
    assert not rest.is_set()
    call_ends()
    thread.join(10)
    assert rest.is_set()

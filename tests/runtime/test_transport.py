"""The wire: what is sent, what is understood, and what happens when the other side goes away."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PREFIX = "/2018-06-01/runtime/invocation"


@pytest.fixture
def transport(load, api, monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", api.address)
    module = load("transport")
    module.initialize_client("agent/1")
    return module


def test_all_requests_use_one_connection(transport, api):
    for _ in range(3):
        api.send(b"{}")
        transport.next()
        transport.post_invocation_result("r", b"1", "application/json", None)
        api.posts.get(timeout=15)
    assert ([request.method for request in api.requests[:6]], api.connections) == (["GET", "POST"] * 3, 1)


def test_a_result_and_the_question_for_the_next_event_are_one_segment(load):
    connection, socket = load("transport").Connection("127.0.0.1:1", "agent/1"), Sent()
    connection._socket = socket
    connection.post_result("/invocation/r/response", "", b"1")
    assert [data.count(b"HTTP/1.1") for data in socket.sent] == [2]
    assert socket.sent[0].partition(b"\r\n\r\n1")[2].startswith(b"GET /2018-06-01/runtime/invocation/next ")


class Sent:
    """A socket that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.sendall = self.sent.append


CALLS = """
module.initialize_client("agent/1")
event = module.next()
module.post_invocation_result("r", b"1", "application/json", None)
module.next()
module.post_invocation_result("r", b"", "application/unknown", "i-1")
module.next()
module.post_error("r", '{"errorMessage": "\xeb", "errorType": "E"}', '{"x": "\xeb"}', None)
module.post_error("r", '{"errorType": "E"}', "", "i-1")
"""
EVENT_HEADERS = {
    "lambda_runtime_client_context": '{"custom": "ë"}',
    "lambda_runtime_cognito_identity": "{}",
    "lambda_runtime_aws_tenant_id": "t",
    "lambda_runtime_invocation_id": "i",
    "x_other": "no",
}


def offer_events(api) -> None:
    api.send('{"ë": 1}'.encode(), **EVENT_HEADERS)
    api.send(b"{}")
    api.send(b"{}")


@pytest.fixture
def native_event(api):
    """What the native module makes of an event. In a process of its own: it waits without letting threads run."""
    pytest.importorskip("runtime_client")
    offer_events(api)
    script = f"import runtime_client as module\n{CALLS}\nprint(ascii(event))"
    variables = {**os.environ, "AWS_LAMBDA_RUNTIME_API": api.address}
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, timeout=20, check=True)
    return ast.literal_eval(done.stdout.decode())


@pytest.mark.process
def test_the_requests_and_the_event_are_those_of_the_native_module(native_event, transport, api):
    """Compared as bytes, but for the place of the user agent in the head, and the word that a confirmation can wait."""
    offer_events(api)
    known = {"module": transport}
    exec(CALLS, known)
    assert known["event"] == native_event
    assert native_event[1]["Lambda-Runtime-Deadline-Ms"] == 4102444800000
    ours, theirs = api.requests[7:], api.requests[:7]
    assert [(r.method, r.path, r.body) for r in ours] == [(r.method, r.path, r.body) for r in theirs]
    waits = b"labkit-confirm: with-next"
    assert [waits in r.head for r in ours] == [r.path.endswith("/response") for r in ours]
    lines = [sorted(line for line in r.head.split(b"\r\n") if line != waits) for r in ours]
    assert lines == [sorted(r.head.split(b"\r\n")) for r in theirs]


def test_header_names_are_understood_in_any_case(transport, api):
    api.send_raw(b"HTTP/1.1 200 OK\r\nlambda-runtime-AWS-request-id:r1\r\ncontent-length:2\r\n\r\n{}")
    assert transport.next() == (b"{}", {"Lambda-Runtime-Aws-Request-Id": "r1"})


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(sizes=st.lists(st.integers(0, 200_000), min_size=1, max_size=4))
def test_bodies_of_any_size_follow_each_other_without_a_byte_lost(transport, api, sizes):
    for n, size in enumerate(sizes):
        api.send(bytes([n]) * size)
    assert [transport.next()[0] for _ in sizes] == [bytes([n]) * size for n, size in enumerate(sizes)]


def test_a_large_result_arrives_whole(transport, api):
    data = bytes(range(256)) * 4 * 6 * 1024
    transport.post_invocation_result("r", data, "application/unknown", None)
    assert api.posts.get(timeout=15).body == data


@pytest.mark.parametrize("cut", [10, 17, 40, 60])
def test_an_answer_in_two_pieces_is_put_together(load, cut):
    """The server here sends its second piece only after the client has taken the first."""
    module, answer = (
        load("transport"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Type: a/b\r\n\r\nHello, world",
    )
    ours, theirs = socket.socketpair()
    connection = module.Connection("127.0.0.1:1", "agent/1")
    connection._socket = Piecewise(ours)
    theirs.sendall(answer[:cut])
    connection._socket.after_first = lambda: theirs.sendall(answer[cut:])
    assert connection.next()[2] == b"Hello, world"
    ours.close()
    theirs.close()


class Pieces:
    """A socket that gets its next piece whenever it is read."""

    def __init__(self, inner, other, pieces) -> None:
        self.inner, self.other, self.pieces, self.sendall = inner, other, [p for p in pieces if p], inner.sendall

    def recv(self, size: int, flags: int = 0) -> bytes:
        if flags:  # the whole rest is waited for
            self.other.sendall(b"".join(self.pieces))
            self.pieces.clear()
        elif self.pieces:
            self.other.sendall(self.pieces.pop(0))
        return self.inner.recv(size, flags)

    def close(self) -> None:
        self.inner.close()


class Piecewise:
    """A socket that calls `after_first` when its first piece has been received."""

    def __init__(self, inner) -> None:
        self.inner, self.after_first = inner, None
        self.sendall = inner.sendall

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = self.inner.recv(size, flags)
        if self.after_first:
            self.after_first()
            self.after_first = None
        return data


def test_a_refused_result_says_the_status(transport, api):
    api.post_status = 413
    api.send(b"{}")
    transport.post_invocation_result("r", b"1", "application/json", None)
    with pytest.raises(RuntimeError, match="Failed to post invocation response: 413"):
        transport.next()


def test_a_result_that_is_not_followed_by_next_gives_up_its_connection(transport, api):
    transport.post_invocation_result("r", b"1", "application/json", None)
    transport.post_invocation_result("r", b"2", "application/json", None)
    assert [api.posts.get(timeout=15).body for _ in range(2)] == [b"1", b"2"]
    assert api.connections == 2


def test_next_asks_again_when_the_connection_was_closed_behind_a_confirmation(transport, api):
    api.send_raw(b"")
    api.send(b"7")
    transport.post_invocation_result("r", b"1", "application/json", None)
    assert transport.next()[0] == b"7"
    assert api.connections == 2


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(cuts=st.lists(st.integers(1, 150), max_size=6, unique=True))
def test_a_confirmation_and_an_event_are_told_apart_wherever_they_are_cut(load, cuts):
    module = load("transport")
    confirmation = b'HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
    event = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Type: a/b\r\n\r\nHello, world"
    both = confirmation + event
    ours, theirs = socket.socketpair()
    connection = module.Connection("127.0.0.1:1", "agent/1")
    connection._socket = Pieces(
        ours, theirs, [both[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), None], strict=True)]
    )
    connection.post_result("/invocation/r/response", "", b"1")
    assert connection.next()[2] == b"Hello, world"
    ours.close()
    theirs.close()


def test_a_refused_error_says_the_status(transport, api):
    api.post_status = 403
    with pytest.raises(RuntimeError, match="Failed to post invocation error: 403"):
        transport.post_error("r", "{}", "", None)


def test_after_a_refused_result_another_connection_is_made(transport, api):
    api.post_status = 413
    transport.post_invocation_result("r", b"1", "application/json", None)
    with pytest.raises(RuntimeError):
        transport.next()
    api.post_status = 202
    transport.post_error("r", "{}", "", None)
    assert api.connections == 2


def test_a_refused_next_says_the_status(transport, api):
    api.send_raw(b"HTTP/1.1 500 Internal\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(RuntimeError, match="Failed to get next: 500"):
        transport.next()


def test_next_connects_again_when_the_connection_was_closed(transport, api):
    api.send_raw(b"")
    api.send(b"7")
    assert transport.next()[0] == b"7"
    assert api.connections == 2


def test_next_gives_up_when_the_second_connection_is_closed_too(transport, api):
    api.send_raw(b"")
    api.send_raw(b"")
    with pytest.raises(RuntimeError, match="Failed to get next: connection closed"):
        transport.next()


def test_an_event_that_breaks_off_is_not_asked_for_again(transport, api):
    api.hang_up = "after"
    api.send_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}")
    with pytest.raises(RuntimeError, match="in the middle of an answer"):
        transport.next()
    assert len(api.requests) == 1


def test_a_result_is_not_posted_twice(transport, api):
    api.send(b"{}")
    transport.next()
    api.hang_up = "before"
    transport.post_invocation_result("r", b"1", "application/json", None)
    with pytest.raises(RuntimeError, match="Failed to post invocation response"):
        transport.next()
    assert [request.method for request in api.requests] == ["GET", "POST"]


def test_nobody_listening_is_a_runtime_error(load, monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
    module = load("transport")
    module.initialize_client("agent/1")
    with pytest.raises(RuntimeError, match="Failed to get next"):
        module.next()


def test_an_answer_without_a_length_is_refused(transport, api):
    api.send_raw(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(RuntimeError, match="without a Content-Length"):
        transport.next()


def test_programs_that_a_handler_starts_do_not_inherit_the_connection(transport, api):
    api.send(b"{}")
    transport.next()
    assert os.get_inheritable(transport.connection()._socket.fileno()) is False

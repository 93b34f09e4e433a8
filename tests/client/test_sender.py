"""The sender: what is due, what it says, how it reads answers; and a real one before a server that we hold."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
import time
from array import array
from contextlib import contextmanager

import pytest

from labkit.client.sender import Order, Outbox, Schedule, Sender, answer_of, read_order, request_bytes
from labkit.emulator.signing import Credentials, Verifier
from labkit.simulation import FAILED, SERVED, THROTTLED


def order(url: str = "http://127.0.0.1:4566", **changes) -> Order:
    values = {
        "url": url,
        "function": "predict",
        "region": "us-east-1",
        "access_key_id": "AKIA",
        "secret_access_key": "secret",
        "session_token": "",
        "payload": base64.b64encode(b'{"a": 1}').decode(),
        "qualifier": "",
        "requests": 3,
        "grace_s": 5.0,
        "connections": 10,
    }
    return Order(**{**values, **changes})


# --- what is due


def test_a_request_is_due_from_its_time_on():
    schedule = Schedule([0.0, 1.0, 1.0, 3.0])
    assert [schedule.due(now) for now in (-0.1, 0.0, 0.9, 1.0, 9.0)] == [0, 1, 1, 3, 4]


def test_what_was_sent_is_not_due_again():
    schedule = Schedule([0.0, 1.0, 1.0, 3.0])
    schedule.at = 2
    assert schedule.due(1.0) == 1


def test_the_wait_is_until_the_next_and_none_after_the_last():
    schedule = Schedule([1.0, 3.0])
    assert schedule.wait_s(0.25) == 0.75
    assert schedule.wait_s(2.0) == 0.0
    schedule.at = 2
    assert schedule.wait_s(2.0) is None
    assert schedule.done


# --- what is said


def test_a_request_is_signed_as_the_emulator_wants_it():
    head, _, body = request_bytes(order(qualifier="live")).partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    method, target, _ = line.split(b" ")
    path, _, query = target.partition(b"?")
    headers = [(name.lower(), value.strip()) for name, _, value in (field.partition(b":") for field in fields)]
    verifier = Verifier([Credentials("AKIA", "secret")], region="us-east-1")
    verifier.check(method.decode(), path, query, headers, body, time.time())
    assert (path, query) == (b"/2015-03-31/functions/predict/invocations", b"Qualifier=live")
    assert dict(headers)[b"content-length"] == b"%d" % len(body)


def test_the_order_and_the_times_arrive_and_no_byte_more_is_read():
    reader, writer = os.pipe()
    os.write(writer, order().message(array("d", [0.0, 0.5, 1.0])) + b"rest")
    assert read_order(reader) == (order(), array("d", [0.0, 0.5, 1.0]))
    assert os.read(reader, 10) == b"rest"
    os.close(reader)
    os.close(writer)


def test_half_an_order_is_none():
    reader, writer = os.pipe()
    os.write(writer, order().message(array("d", [0.0, 0.5, 1.0]))[:-1])
    os.close(writer)
    with pytest.raises(EOFError):
        read_order(reader)
    os.close(reader)


def test_a_slow_reader_delays_nobody_and_loses_nothing():
    reader, writer = os.pipe()
    out = Outbox(writer)
    for k in range(100):
        out.put(text="x" * 5000, k=k)  # 500 kB, more than a pipe takes
    received = b""
    while received.count(b"\n") < 100:
        received += os.read(reader, 1 << 16)
        out.flush()
    assert [json.loads(line)["k"] for line in received.splitlines()] == list(range(100))
    os.close(reader)
    os.close(writer)


# --- what comes back


def answer(status: str, body: bytes = b"1", **fields: str) -> bytes:
    named = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in fields.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (answer("200 OK", x_amzn_requestid="r1"), (SERVED, "", "r1")),
        (answer("200 OK", X_Amz_Function_Error="Unhandled"), (FAILED, "Unhandled", "")),
        (answer("429 Too Many", b'{"Reason": "CallerRateLimitExceeded"}'), (THROTTLED, "CallerRateLimitExceeded", "")),
        (answer("429 Too Many", b"no JSON"), (THROTTLED, "TooManyRequests", "")),
        (answer("404 Not Found", x_amzn_errortype="ResourceNotFoundException"), (FAILED, "ResourceNotFoundException", "")),
        (answer("500 Oh", b""), (FAILED, "HTTP 500", "")),
    ],
)  # fmt: skip
def test_an_answer_is_a_status_a_reason_and_an_id(received, expected):
    assert answer_of(received) == expected


@pytest.mark.parametrize("received", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", answer("200 OK", b"12345")[:-1]])
def test_half_an_answer_is_none_yet(received):
    assert answer_of(received) is None


@pytest.mark.parametrize("received", [b"HTTP/1.1 200 OK\r\n\r\n", b"SMTP\r\nContent-Length: 0\r\n\r\n"])
def test_what_is_no_answer_is_an_error(received):
    with pytest.raises(ValueError, match="invalid literal"):
        answer_of(received)


# --- at work


@contextmanager
def server(handle):
    """Serves each connection in a thread of its own with `handle(socket, number)`; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads = []

        def serve():
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=handle, args=(accepted, len(threads)), daemon=True))
                threads[-1].start()

        accepting = threading.Thread(target=serve, daemon=True)
        accepting.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()
        for thread in threads:
            thread.join()


def answered(connection: socket.socket) -> bool:
    """Reads one request and answers it."""
    received = b""
    while not received.endswith(b'{"a": 1}'):
        data = connection.recv(4096)
        if not data:
            return False
        received += data
    connection.sendall(answer("200 OK", x_amzn_requestid="r"))
    return True


def sent(url: str, times: list[float], *, stop: bool = False, **changes) -> tuple[list[list], dict]:
    """What a sender says about these times: its rows in their order, and its last word."""
    control, ours = os.pipe()
    reader, writer = os.pipe()
    if stop:
        os.close(ours)
    Sender(order(url, requests=len(times), **changes), times, control=control, output=writer).run()
    os.close(writer)
    with open(reader, "rb") as said:
        lines = [json.loads(line) for line in said]
    for fd in (control,) if stop else (control, ours):
        os.close(fd)
    return sorted(row for line in lines for row in line.get("rows", ())), lines[-1]


def test_every_request_is_sent_in_its_turn_and_none_early():
    def handle(connection, _):
        with connection:
            while answered(connection):
                pass

    times = [k / 200 for k in range(40)]
    with server(handle) as url:
        rows, last = sent(url, times)
    assert [(row[0], row[3], row[5]) for row in rows] == [(k, SERVED, "r") for k in range(40)]
    assert all(row[1] >= due for row, due in zip(rows, times, strict=True))
    assert last["unanswered"] == []


def test_requests_leave_though_nobody_answers():
    silent = threading.Event()

    def handle(connection, _):
        with connection:
            silent.wait(15)

    with server(handle) as url:
        rows, last = sent(url, [0.0, 0.01, 0.02], grace_s=0.2)
        silent.set()
    assert rows == []
    assert sorted(request for request, _ in last["unanswered"]) == [0, 1, 2]


def test_beyond_the_connections_requests_wait_and_that_is_counted():
    def handle(connection, _):
        with connection:
            while answered(connection):
                pass

    with server(handle) as url:
        rows, last = sent(url, [0.0] * 20, connections=1)
    assert [row[0] for row in rows] == list(range(20))
    assert last["starved"] == 19


def test_a_connection_that_breaks_fails_its_request_only():
    def handle(connection, number):
        with connection:
            if number:
                answered(connection)
                connection.recv(1)
            else:
                connection.recv(1)

    with server(handle) as url:
        rows, _ = sent(url, [0.0, 0.0])
    assert sorted((row[3], row[4]) for row in rows) == [(SERVED, ""), (FAILED, "connection lost")]


def test_where_nobody_listens_every_request_fails():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    rows, _ = sent(url, [0.0, 0.0])
    assert [row[3:5] for row in rows] == [[FAILED, "not connected"]] * 2


def test_a_sender_that_is_told_to_stop_sends_no_more():
    rows, last = sent("http://127.0.0.1:9", [5.0], stop=True)
    assert rows == []
    assert last["ended"] < 5

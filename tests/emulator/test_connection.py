"""The limits of a connection, on a fake transport and a clock that the test holds."""

from __future__ import annotations

import asyncio
import math

import pytest
import uvicorn
from uvicorn.server import ServerState

from labkit.emulator.connection import HEAD_BYTES, HEAD_S, LINGER_S, MOST_CONNECTIONS, SILENCE_S, Connection

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


class FakeLoop:
    """Holds the time; tasks are never run, so that requests stay under way."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def create_task(self, work, **_):
        work.close()
        return asyncio.Future(loop=self)

    def get_debug(self) -> bool:
        return False


class FakeTransport:
    def __init__(self) -> None:
        self.written, self.ended, self.closed = b"", False, False

    def get_extra_info(self, name):
        return None

    def write(self, data: bytes) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def application(scope, receive, send): ...


def connected(state: ServerState, loop: FakeLoop) -> Connection:
    made = Connection(uvicorn.Config(application, lifespan="off", log_config=None), state, {}, loop)
    made.connection_made(FakeTransport())
    return made


@pytest.fixture
def connection():
    return connected(ServerState(), FakeLoop())


def status_after(connection, seconds: float) -> int | None:
    """What a client is told when the emulator looks so much later."""
    connection.loop.now += seconds
    connection.hang_up_when_silent(connection.loop.now)
    written = connection.transport.written
    return int(written.split()[1]) if written else None


@pytest.mark.parametrize("sent", [b"", b"G", HEAD[:-2]])
def test_a_head_that_does_not_end_has_its_time(connection, sent):
    if sent:
        connection.data_received(sent)
    assert status_after(connection, HEAD_S - 1) is None
    assert status_after(connection, 2) == 408
    assert b"RequestTimeoutException" in connection.transport.written


def test_a_head_that_drips_has_no_more_time(connection):
    for letter in HEAD[:10]:
        connection.data_received(bytes([letter]))
        connection.loop.now += HEAD_S / 9
    assert status_after(connection, 0) == 408


def test_a_body_may_take_its_time_but_not_fall_silent(connection):
    connection.data_received(HEAD)
    for letter in b"abcd":
        assert status_after(connection, SILENCE_S - 1) is None
        connection.data_received(bytes([letter]))
    assert status_after(connection, SILENCE_S + 1) == 408


def test_who_waits_for_an_answer_is_left_alone(connection):
    connection.data_received(HEAD + b"whole")
    assert status_after(connection, 10_000) is None


def test_who_has_begun_the_next_request_waits_for_the_answer_to_the_first(connection):
    connection.data_received(HEAD + b"whole" + HEAD[:10])
    assert status_after(connection, 10_000) is None


def test_a_body_that_the_application_does_not_read_is_not_silent(connection):
    connection.data_received(HEAD)
    connection.flow.pause_reading()
    assert status_after(connection, 10_000) is None


def test_a_request_that_is_given_up_is_disconnected(connection):
    connection.data_received(HEAD + b"ha")
    status_after(connection, SILENCE_S + 1)
    assert connection.cycle.disconnected
    assert connection.cycle.message_event.is_set()


def test_a_refused_client_has_a_moment_to_read_why(connection):
    connection.data_received(b"nonsense\r\n\r\n")
    assert (connection.transport.ended, connection.transport.closed) == (True, False)
    status_after(connection, LINGER_S + 1)
    assert connection.transport.closed


def test_nothing_is_heard_of_a_refused_client_any_more(connection):
    connection.data_received(b"nonsense\r\n\r\n")
    said = connection.transport.written
    connection.data_received(HEAD + b"whole")
    assert (connection.transport.written, connection.cycle) == (said, None)


def test_an_answer_that_has_begun_is_not_written_into(connection):
    connection.data_received(HEAD)
    connection.cycle.response_started = True
    assert status_after(connection, SILENCE_S + 1) is None
    assert connection.transport.closed


def test_a_long_head_is_refused_while_it_comes(connection):
    connection.data_received(b"GET /")
    for _ in range(HEAD_BYTES // 1000 + 1):
        connection.data_received(b"a" * 1000)
    assert connection.transport.written.startswith(b"HTTP/1.1 431 ")


def test_a_half_closed_client_gets_its_answer(connection):
    connection.data_received(HEAD + b"whole")
    assert connection.eof_received() is True
    assert connection.cycle.keep_alive is False


def test_half_a_request_has_none(connection):
    connection.data_received(HEAD + b"ha")
    assert not connection.eof_received()
    assert connection.transport.written.startswith(b"HTTP/1.1 400 ")
    assert connection.transport.closed


def test_between_requests_only_the_keep_alive_counts(connection):
    connection.data_received(HEAD + b"whole")
    assert connection._due == math.inf


def test_beyond_the_most_connections_the_longest_silent_one_makes_room():
    state, loop = ServerState(), FakeLoop()
    known = []
    for _ in range(MOST_CONNECTIONS):
        known.append(connected(state, loop))
        loop.now += 0.01
    known[0].data_received(HEAD + b"whole")
    known[1].data_received(b"G")
    newest = connected(state, loop)
    assert [n for n, one in enumerate([*known, newest]) if one.transport.closed] == [2]


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("begun", [b"0\r\nA: ", b"1;a="], ids=["a trailer", "an extension of a chunk"])
def test_what_stands_aside_of_a_body_has_a_limit(connection, begun):
    connection.data_received(CHUNKED + begun)
    for _ in range(HEAD_BYTES // 1000 + 1):
        connection.data_received(b"a" * 1000)
    assert connection.transport.written.startswith(b"HTTP/1.1 431 ")


def test_a_body_of_many_small_chunks_has_none(connection):
    connection.data_received(CHUNKED)
    for _ in range(HEAD_BYTES):
        connection.data_received(b"1\r\na\r\n")
    assert connection.transport.written == b""


def test_trailers_are_not_headers(connection):
    connection.data_received(CHUNKED + b"0\r\nA: b\r\n\r\n")
    assert b"a" not in dict(connection.headers)


def test_many_requests_in_one_segment_are_no_long_head(connection):
    connection.data_received((HEAD + b"whole") * 3000 + HEAD[:10])
    assert connection.transport.written == b""

"""The limits of a connection, on a fake transport and a clock that the test holds."""

from __future__ import annotations

import math

import pytest

from labkit.emulator.connection import (
    HEAD_BYTES,
    HEAD_S,
    KEEP_ALIVE_S,
    LINGER_S,
    MOST_CONNECTIONS,
    SILENCE_S,
    Connection,
)
from labkit.emulator.exchange import Exchange

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


class FakeLoop:
    """Holds the time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


class FakeTransport:
    def __init__(self) -> None:
        self.written, self.ended, self.closed, self.reading = b"", False, False, True

    def write(self, data: bytes) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class FakeExchange(Exchange):
    """A request that is answered when the test says so."""

    started = False

    def start(self) -> None:
        self.started = True

    def answer(self, text: bytes = b"answer") -> None:
        self._line.write(text)
        self._done()


def connected(known, loop: FakeLoop) -> Connection:
    exchanges = []

    def answering(line, request):
        exchanges.append(FakeExchange(line, request))
        return exchanges[-1]

    made = Connection(answering, known, loop)
    made.connection_made(FakeTransport())
    made.exchanges = exchanges
    return made


def test_who_is_foreign_is_told_so_and_not_heard():
    made = Connection(lambda line, request: pytest.fail("it was heard"), set(), FakeLoop(), lambda transport: True)
    transport = FakeTransport()
    made.connection_made(transport)
    made.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert transport.written.startswith(b"HTTP/1.1 403 ")
    assert transport.ended


@pytest.fixture
def connection():
    return connected(set(), FakeLoop())


def status_after(connection, seconds: float) -> int | None:
    """What a client is told when the emulator looks so much later."""
    connection._loop.now += seconds
    connection.look(connection._loop.now)
    written = connection._transport.written
    return int(written.split()[1]) if written else None


@pytest.mark.parametrize("sent", [b"", b"G", HEAD[:-2]])
def test_a_head_that_does_not_end_has_its_time(connection, sent):
    if sent:
        connection.data_received(sent)
    assert status_after(connection, HEAD_S - 1) is None
    assert status_after(connection, 2) == 408
    assert b"RequestTimeoutException" in connection._transport.written


def test_a_head_that_drips_has_no_more_time(connection):
    for letter in HEAD[:10]:
        connection.data_received(bytes([letter]))
        connection._loop.now += HEAD_S / 9
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
    connection.hold()
    assert status_after(connection, 10_000) is None


def test_a_request_that_is_given_up_is_disconnected(connection):
    connection.data_received(HEAD + b"ha")
    status_after(connection, SILENCE_S + 1)
    assert connection.exchanges[0].over


def test_a_refused_client_has_a_moment_to_read_why(connection):
    connection.data_received(b"nonsense\r\n\r\n")
    assert (connection._transport.ended, connection._transport.closed) == (True, False)
    status_after(connection, LINGER_S + 1)
    assert connection._transport.closed


def test_nothing_is_heard_of_a_refused_client_any_more(connection):
    connection.data_received(b"nonsense\r\n\r\n")
    said = connection._transport.written
    connection.data_received(HEAD + b"whole")
    assert (connection._transport.written, connection.exchanges) == (said, [])


def test_an_answer_that_has_begun_is_not_written_into(connection):
    connection.data_received(HEAD)
    connection.exchanges[0].begun = True
    assert status_after(connection, SILENCE_S + 1) is None
    assert connection._transport.closed


def test_a_long_head_is_refused_while_it_comes(connection):
    connection.data_received(b"GET /")
    for _ in range(HEAD_BYTES // 1000 + 1):
        connection.data_received(b"a" * 1000)
    assert connection._transport.written.startswith(b"HTTP/1.1 431 ")


def test_a_half_closed_client_gets_its_answer(connection):
    connection.data_received(HEAD + b"whole")
    assert connection.eof_received() is True
    assert connection.exchanges[0].keep_alive is False


def test_half_a_request_has_none(connection):
    connection.data_received(HEAD + b"ha")
    assert not connection.eof_received()
    assert connection._transport.written.startswith(b"HTTP/1.1 400 ")
    assert connection._transport.closed


def test_between_requests_only_the_keep_alive_counts(connection):
    connection.data_received(HEAD + b"whole")
    connection.exchanges[0].answer(b"")
    assert connection._due == math.inf
    assert status_after(connection, KEEP_ALIVE_S - 1) is None
    assert not connection._transport.closed
    assert status_after(connection, 2) is None
    assert connection._transport.closed


def test_the_next_request_has_its_turn_when_the_one_before_is_answered(connection):
    connection.data_received((HEAD + b"whole") * 3)
    first, second, third = connection.exchanges
    assert (first.started, second.started, connection._transport.reading) == (True, False, False)
    first.answer(b"1")
    assert (second.started, third.started) == (True, False)
    second.answer(b"2")
    third.answer(b"3")
    assert (connection._transport.written, connection._transport.reading) == (b"123", True)


def test_an_answer_before_the_end_of_its_request_does_not_let_the_next_one_pass(connection):
    connection.data_received(HEAD + b"ha")
    connection.exchanges[0].answer()
    connection.data_received(b"lf!" + HEAD)
    assert [exchange.started for exchange in connection.exchanges] == [True, True]


def test_a_connection_that_leaves_answers_what_is_under_way(connection):
    connection.data_received(HEAD + b"whole")
    connection.leave()
    assert not connection._transport.closed
    connection.exchanges[0].answer()
    assert connection._transport.closed


def test_beyond_the_most_connections_the_longest_silent_one_makes_room():
    state, loop = set(), FakeLoop()
    known = []
    for _ in range(MOST_CONNECTIONS):
        known.append(connected(state, loop))
        loop.now += 0.01
    known[0].data_received(HEAD + b"whole")
    known[1].data_received(b"G")
    newest = connected(state, loop)
    assert [n for n, one in enumerate([*known, newest]) if one._transport.closed] == [2]


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("begun", [b"0\r\nA: ", b"1;a="], ids=["a trailer", "an extension of a chunk"])
def test_what_stands_aside_of_a_body_has_a_limit(connection, begun):
    connection.data_received(CHUNKED + begun)
    for _ in range(HEAD_BYTES // 1000 + 1):
        connection.data_received(b"a" * 1000)
    assert connection._transport.written.startswith(b"HTTP/1.1 431 ")


def test_a_body_of_many_small_chunks_has_none(connection):
    connection.data_received(CHUNKED)
    for _ in range(HEAD_BYTES):
        connection.data_received(b"1\r\na\r\n")
    assert connection._transport.written == b""


def test_trailers_are_not_headers(connection):
    connection.data_received(CHUNKED + b"0\r\nA: b\r\n\r\n")
    assert b"a" not in dict(connection.exchanges[0].request.headers)


def test_many_requests_in_one_segment_are_no_long_head(connection):
    connection.data_received((HEAD + b"whole") * 3000 + HEAD[:10])
    assert connection._transport.written == b""

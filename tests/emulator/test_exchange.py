"""A request and its answer, without a socket: what an application hears and says, and what is written."""

from __future__ import annotations

import asyncio

import pytest

from labkit.emulator.exchange import WAITING_BYTES, Answer, Conversation, Invocation, Request

OK, NO = Answer(200, [(b"a", b"b")], b"ok"), Answer(403, [], b"no")


class FakeLine:
    """Keeps what an exchange does to its connection."""

    def __init__(self) -> None:
        self.written, self.closed, self.over, self.held = b"", False, [], 0
        self.slow: asyncio.Event | None = None

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def answered(self, exchange) -> None:
        self.over.append(exchange)

    def hold(self) -> None:
        self.held += 1

    def release(self) -> None:
        self.held -= 1

    async def drained(self) -> None:
        if self.slow:
            await self.slow.wait()


def request(method="POST", *, version="1.1", keep_alive=True, headers=()):
    return Request(method, b"/a%20b", b"c=d", list(headers), dict(headers), version, keep_alive)


def conversation(app, pieces=(), **about):
    """Runs an application on a request whose body comes in these pieces; returns what was written, without the date."""

    async def talk():
        line = FakeLine()
        exchange = Conversation(line, request(**about), app, {"client": None})
        exchange.start()
        for piece in pieces:
            exchange.feed(piece)
            await asyncio.sleep(0)
        exchange.end()
        await asyncio.wait_for(exchange.task, 15)
        return line

    line = asyncio.run(talk())
    lines = line.written.split(b"\r\n")
    line.written = b"\r\n".join(text for text in lines if not text.startswith(b"date: "))
    return line


def saying(*bodies, status=200, fields=()):
    """An application that answers with these pieces."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": list(fields)})
        for body in bodies[:-1]:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": bodies[-1]})

    return app


def test_an_application_sees_the_request():
    seen = []

    async def app(scope, receive, send):
        seen.append({name: scope[name] for name in ("method", "path", "raw_path", "query_string", "http_version")})
        await saying(b"")(scope, receive, send)

    conversation(app)
    about = {"method": "POST", "path": "/a b", "raw_path": b"/a%20b", "query_string": b"c=d", "http_version": "1.1"}
    assert seen == [about]


def test_a_body_is_heard_piece_by_piece_and_then_its_end():
    heard = []

    async def app(scope, receive, send):
        more = True
        while more:
            message = await receive()
            heard.append(message["body"])
            more = message["more_body"]
        await saying(b"")(scope, receive, send)

    conversation(app, [b"one", b"two"])
    assert b"".join(heard) == b"onetwo"


def test_an_answer_of_known_length_is_written_as_it_is():
    line = conversation(saying(b"hi", fields=[(b"content-length", b"2"), (b"a", b"b")]))
    assert line.written == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\na: b\r\n\r\nhi"
    assert len(line.over) == 1


def test_an_answer_of_unknown_length_is_chunked():
    line = conversation(saying(b"hello", b"", b"you"))
    assert line.written.endswith(b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n")


def test_a_client_of_http_1_0_sees_the_end_of_the_connection_instead():
    line = conversation(saying(b"hello"), version="1.0")
    assert line.written.endswith(b"connection: close\r\n\r\nhello")
    assert line.closed


@pytest.mark.parametrize(
    "about", [{"method": "HEAD"}, {"method": "GET", "status": 204}, {"method": "GET", "status": 304}]
)
def test_some_answers_have_no_body(about):
    about = dict(about)
    line = conversation(saying(b"hello", status=about.pop("status", 200)), **about)
    assert line.written.endswith(b"\r\n\r\n")
    assert b"transfer-encoding" not in line.written


def test_an_application_that_fails_is_answered_for(capsys):
    async def app(scope, receive, send):
        raise ValueError("oh")

    line = conversation(app)
    assert line.written.startswith(b"HTTP/1.1 500 ")
    assert "ValueError: oh" in capsys.readouterr().err


def test_an_answer_without_its_end_closes_the_connection():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    line = conversation(app)
    assert line.closed
    assert not line.written.endswith(b"0\r\n\r\n")


def test_who_waits_for_a_word_before_the_body_gets_it_when_it_is_asked_for():
    async def app(scope, receive, send):
        await receive()
        await saying(b"")(scope, receive, send)

    expecting = [(b"expect", b"100-continue")]
    assert conversation(app, headers=expecting).written.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert b"100 Continue" not in conversation(saying(b""), headers=expecting).written


def test_a_body_that_nobody_asks_for_holds_its_sender_up_until_the_answer():
    async def talk():
        line, asked = FakeLine(), asyncio.Event()

        async def app(scope, receive, send):
            await asked.wait()
            await saying(b"")(scope, receive, send)

        exchange = Conversation(line, request(), app, {})
        exchange.start()
        exchange.feed(b"x" * (WAITING_BYTES + 1))
        before = line.held
        asked.set()
        await exchange.task
        return before, line.held

    assert asyncio.run(talk()) == (1, 0)


def test_a_slow_reader_holds_up_the_application():
    async def talk():
        line = FakeLine()
        line.slow = asyncio.Event()
        exchange = Conversation(line, request(), saying(b"one", b"two"), {})
        exchange.start()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        before = line.written
        line.slow.set()
        await exchange.task
        return b"two" in before, b"two" in line.written

    assert asyncio.run(talk()) == (False, True)


def test_who_listens_on_hears_that_the_client_is_gone():
    async def talk():
        heard = []

        async def app(scope, receive, send):
            heard.append((await receive())["type"])
            heard.append((await receive())["type"])

        exchange = Conversation(FakeLine(), request(), app, {})
        exchange.start()
        exchange.end()
        await asyncio.sleep(0)
        exchange.disconnect()
        await exchange.task
        return heard

    assert asyncio.run(talk()) == ["http.request", "http.disconnect"]


# --- invocations


class FakeFront:
    """Answers with the body's length, or refuses early."""

    refusal: bytes | None = None

    def __init__(self) -> None:
        self.bodies = []

    def early(self, request):
        return self.refusal

    def invoke(self, request, body, reply):
        self.bodies.append(body)
        reply.answer(OK)


def invocation(front, *, most_bytes=10, **about):
    line = FakeLine()
    return line, Invocation(line, request(**about), front, most_bytes)


def test_an_invocation_is_run_when_it_is_whole():
    front = FakeFront()
    line, exchange = invocation(front)
    exchange.start()
    exchange.feed(b"a")
    exchange.feed(b"b")
    assert front.bodies == []
    exchange.end()
    assert front.bodies == [b"ab"]
    assert line.written.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert line.written.endswith(b"\r\na: b\r\ncontent-length: 2\r\n\r\nok")


def test_an_invocation_that_is_whole_before_its_turn_waits():
    front = FakeFront()
    _, exchange = invocation(front)
    exchange.feed(b"a")
    exchange.end()
    assert front.bodies == []
    exchange.start()
    assert front.bodies == [b"a"]


def test_no_more_of_a_body_is_kept_than_shows_that_it_is_too_large():
    front = FakeFront()
    _, exchange = invocation(front, most_bytes=10)
    exchange.start()
    for _ in range(100):
        exchange.feed(b"x" * 6)
    exchange.end()
    assert front.bodies == [b"x" * 12]


def test_an_early_refusal_does_not_run_it():
    front = FakeFront()
    front.refusal = NO
    line, exchange = invocation(front)
    exchange.start()
    exchange.feed(b"a")
    exchange.end()
    assert front.bodies == []
    assert line.written.startswith(b"HTTP/1.1 403 ")


def test_the_last_answer_of_a_connection_says_so():
    line, exchange = invocation(FakeFront(), keep_alive=False)
    exchange.start()
    exchange.end()
    assert b"\r\nconnection: close\r\n" in line.written
    assert line.closed


def test_an_answer_that_is_said_is_not_over_until_it_is_settled():
    line, exchange = invocation(FakeFront())
    exchange.say(OK)
    assert line.written.endswith(b"ok")
    assert (exchange.begun, exchange.over) == (True, False)
    exchange.settle()
    assert exchange.over


def test_only_the_first_answer_is_said():
    line, exchange = invocation(FakeFront())
    exchange.say(OK)
    exchange.say(NO)
    assert line.written.count(b"HTTP/1.1") == 1


def test_nothing_is_written_to_a_client_that_is_gone():
    line, exchange = invocation(FakeFront())
    exchange.start()
    exchange.disconnect()
    exchange.answer(OK)
    assert line.written == b""

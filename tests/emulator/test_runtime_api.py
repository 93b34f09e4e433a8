"""The Runtime API's protocol, on a fake transport: what each request means to the environment, and each answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labkit.emulator.runtime_api import Channel, event_message, known_error_type
from labkit.emulator.streaming import Reception, ResponseStream
from labkit.model import RESPONSE_PAYLOAD_BYTES

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"


def post(path: str, body: bytes = b"{}", headers: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


class FakeTransport:
    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False
        self.reading = True

    def get_extra_info(self, name: str) -> None:
        """It has no address."""

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class FakeEnvironment:
    def __init__(self) -> None:
        self.heard: list[tuple] = []
        self.snap_start = True
        self.reader: ResponseStream | None = None
        self.reception: Reception | None = None

    def on_next(self, channel):
        self.heard.append(("next",))

    def on_response(self, request_id, body):
        self.heard.append(("response", request_id, body))
        return "State transition is not allowed" if request_id == "twice" else request_id == "r1"

    def on_stream(self, request_id, content_type):
        self.heard.append(("stream", request_id, content_type))
        self.reception = Reception(self.reader, content_type) if request_id == "r1" else None
        return self.reception

    def on_error(self, request_id, error_type, body):
        self.heard.append(("error", request_id, error_type, body))
        return request_id == "r1"

    def on_init_error(self, error_type, body):
        self.heard.append(("init", error_type, body))
        return True

    def on_restore_next(self):
        return self.snap_start

    def on_restore_error(self, error_type, body):
        self.heard.append(("restore", error_type, body))
        return self.snap_start

    def on_extension(self, channel, method, path, body):
        self.heard.append(("extension", method, path, dict(channel.extension_headers)))


@pytest.fixture
def conversation():
    environment, transport = FakeEnvironment(), FakeTransport()
    channel = Channel(environment)
    channel.connection_made(transport)
    return channel, environment, transport


def status(transport) -> int:
    return int(transport.writes[-1].split()[1])


def error_type(transport) -> str:
    return json.loads(transport.writes[-1].split(b"\r\n\r\n", 1)[1])["errorType"]


def test_next_waits_for_the_environment(conversation):
    channel, environment, transport = conversation
    channel.data_received(NEXT)
    assert (environment.heard, transport.writes) == ([("next",)], [])


def test_a_response_is_accepted_in_one_segment(conversation):
    channel, environment, transport = conversation
    channel.data_received(post("/2018-06-01/runtime/invocation/r1/response", b'{"a": 1}'))
    assert environment.heard == [("response", "r1", b'{"a": 1}')]
    assert len(transport.writes) == 1
    assert status(transport) == 202


@given(st.data())
def test_a_request_may_come_in_any_pieces(data):
    environment, transport = FakeEnvironment(), FakeTransport()
    channel = Channel(environment)
    channel.connection_made(transport)
    message = post("/2018-06-01/runtime/invocation/r1/response", b"x" * 50) + NEXT
    cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=8)))
    for start, end in zip([0, *cuts], [*cuts, len(message)], strict=True):
        channel.data_received(message[start:end])
    assert environment.heard == [("response", "r1", b"x" * 50), ("next",)]


OURS = "labkit-confirm: with-next\r\n"
FIRST, SECOND = "8476a536-e9f4-11e8-9739-2dfe598c3fcd", "11111111-2222-4333-8444-555555555555"


def in_our_words(request_id: str, body: bytes) -> bytes:
    """A result as labkit's own transport posts it, with the question for the next event."""
    head = f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\nHost: x\r\n{OURS}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body + NEXT


class AnyRequest(FakeEnvironment):
    """Takes the result of any request."""

    def on_response(self, request_id, body):
        self.heard.append(("response", request_id, body))
        return True


@given(st.lists(st.tuples(st.uuids(), st.binary(max_size=40)), max_size=6), st.data())
def test_results_in_the_same_words_mean_the_same_however_they_come(results, data):
    """Whole segments, which go past the parser once it has read one, and pieces, which do not."""
    environment = AnyRequest()
    channel = Channel(environment)
    channel.connection_made(FakeTransport())
    for request_id, body in results:
        message = in_our_words(str(request_id), body)
        cut = data.draw(st.sampled_from([0, 0, 0, 20, len(message) - len(NEXT), len(message) - 5]))
        for piece in (message[:cut], message[cut:]):
            channel.data_received(piece)
    heard = [(("response", str(request_id), body), ("next",)) for request_id, body in results]
    assert environment.heard == [one for pair in heard for one in pair]


def test_a_confirmation_waits_for_the_event_that_was_asked_for_with_it(conversation):
    channel, environment, transport = conversation
    environment.on_response = lambda request_id, body: True
    for request_id in (FIRST, SECOND):
        channel.data_received(in_our_words(request_id, b"1"))
        assert transport.writes == []
        channel.write(b"event")
        assert transport.writes.pop().partition(b"\r\n")[0] == b"HTTP/1.1 202 Accepted"


@pytest.mark.parametrize(("verdict", "status"), [(False, 400), ("out of order", 403)])
def test_a_result_that_is_refused_asks_for_nothing(conversation, verdict, status):
    channel, environment, transport = conversation
    environment.on_response = lambda request_id, body: True if request_id == FIRST else verdict
    channel.data_received(in_our_words(FIRST, b"1"))
    channel.write(b"event")
    channel.data_received(in_our_words(SECOND, b"2"))
    assert (int(transport.writes[-1].split()[1]), transport.closed) == (status, True)
    assert environment.heard == [("next",)]


@pytest.mark.parametrize("before", [0, 1])
def test_an_error_of_ours_is_answered_as_one_and_logged(conversation, capfd, before):
    channel, environment, transport = conversation
    left = [True] * before
    environment.on_response = lambda request_id, body: left.pop()
    for _ in range(before):
        channel.data_received(in_our_words(FIRST, b"1"))
        channel.write(b"event")
    channel.data_received(in_our_words(SECOND, b"2"))
    assert (status(transport), error_type(transport), transport.closed) == (500, "InternalError", True)
    assert "IndexError: pop from empty list" in capfd.readouterr().err


def test_a_result_that_is_too_large_is_refused_in_the_words_of_the_last_one_too(conversation):
    channel, environment, transport = conversation
    environment.on_response = lambda request_id, body: True
    environment.on_error = lambda request_id, error_type, body: environment.heard.append(error_type) or True
    channel.data_received(in_our_words(FIRST, b"1"))
    channel.write(b"event")
    channel.data_received(in_our_words(SECOND, b"x" * (RESPONSE_PAYLOAD_BYTES + 1)))
    assert environment.heard == [("next",), "Function.ResponseSizeTooLarge"]
    assert status(transport) == 413


def test_an_error_carries_its_type(conversation):
    channel, environment, _ = conversation
    header = "Lambda-Runtime-Function-Error-Type: Runtime.Odd\r\n"
    channel.data_received(post("/2018-06-01/runtime/invocation/r1/error", b"{}", header))
    assert environment.heard == [("error", "r1", "Runtime.Odd", b"{}")]


def test_an_init_error_is_heard(conversation):
    channel, environment, transport = conversation
    channel.data_received(post("/2018-06-01/runtime/init/error", b"{}"))
    assert environment.heard == [("init", "Runtime.Unknown", b"{}")]
    assert status(transport) == 202


def test_an_unknown_request_id_is_refused(conversation):
    channel, _, transport = conversation
    channel.data_received(post("/2018-06-01/runtime/invocation/r2/response"))
    assert (status(transport), error_type(transport)) == (400, "InvalidRequestID")


def test_a_call_out_of_order_is_forbidden(conversation):
    channel, _, transport = conversation
    channel.data_received(post("/2018-06-01/runtime/invocation/twice/response"))
    assert (status(transport), error_type(transport)) == (403, "InvalidStateTransition")


def test_an_oversize_response_to_another_invocation_is_an_unknown_id(conversation):
    channel, _, transport = conversation
    channel.data_received(post("/2018-06-01/runtime/invocation/r2/response", b"x" * 6_291_557))
    assert (status(transport), error_type(transport)) == (400, "InvalidRequestID")


def test_a_restore_follows_at_once(conversation):
    channel, _, transport = conversation
    channel.data_received(NEXT.replace(b"invocation/next", b"restore/next"))
    assert status(transport) == 200


def test_a_failed_restore_is_heard(conversation):
    channel, environment, transport = conversation
    header = "Lambda-Runtime-Function-Error-Type: Runtime.AfterRestoreError\r\n"
    channel.data_received(post("/2018-06-01/runtime/restore/error", b"{}", header))
    assert environment.heard == [("restore", "Runtime.AfterRestoreError", b"{}")]
    assert status(transport) == 202


def test_without_snapstart_there_is_no_restore(conversation):
    channel, environment, transport = conversation
    environment.snap_start = False
    channel.data_received(NEXT.replace(b"invocation/next", b"restore/next"))
    assert status(transport) == 404


def test_extensions_are_handed_on_with_their_headers(conversation):
    channel, environment, _ = conversation
    path = "/2020-01-01/extension/register"
    channel.data_received(post(path, b"{}", "lambda-extension-NAME: watcher\r\n"))
    assert environment.heard == [("extension", b"POST", path.encode(), {"name": "watcher"})]
    channel.data_received(post(path))
    assert environment.heard[1][3] == {}


def test_an_oversize_response_fails_the_invocation_and_is_refused(conversation):
    channel, environment, transport = conversation
    channel.data_received(post("/2018-06-01/runtime/invocation/r1/response", b"x" * 6_291_557))
    assert environment.heard[0][:3] == ("error", "r1", "Function.ResponseSizeTooLarge")
    assert (status(transport), error_type(transport)) == (413, "RequestEntityTooLarge")


def test_the_largest_response_is_accepted(conversation):
    channel, environment, _ = conversation
    channel.data_received(post("/2018-06-01/runtime/invocation/r1/response", b"x" * 6_291_556))
    assert environment.heard[0][0] == "response"


@pytest.mark.parametrize("path", ["/", "/2018-06-01/runtime/nothing", "/2018-06-01/runtime/invocation/r1/shrug"])
def test_an_unknown_path_is_a_404(conversation, path):
    channel, _, transport = conversation
    channel.data_received(post(path))
    assert status(transport) == 404


def test_what_is_not_http_is_refused_and_hung_up_on(conversation):
    channel, _, transport = conversation
    channel.data_received(b"\x16\x03\x01 hello\r\n\r\n")
    assert (status(transport), transport.closed) == (400, True)


@pytest.mark.parametrize(
    ("said", "kept"),
    [("Runtime.X", "Runtime.X"), ("Function.Y", "Function.Y"), ("Boom", "Runtime.Unknown"), ("", "Runtime.Unknown")],
)
def test_error_types_of_no_known_family_are_unknown(said, kept):
    assert known_error_type(said) == kept


def streamed(chunks: bytes, request_id: str = "r1") -> bytes:
    path = f"/2018-06-01/runtime/invocation/{request_id}/response"
    mode = "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n{mode}\r\n".encode() + chunks


@given(st.data())
def test_a_streamed_response_is_received_in_any_pieces(data):
    environment, transport = FakeEnvironment(), FakeTransport()
    channel = Channel(environment)
    channel.connection_made(transport)
    message = streamed(b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n") + NEXT
    cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=8)))
    for start, end in zip([0, *cuts], [*cuts, len(message)], strict=True):
        channel.data_received(message[start:end])
    assert environment.heard == [("stream", "r1", "text/plain"), ("next",)]
    assert (environment.reception.body, environment.reception.failure) == (b"abcde", None)
    assert status(transport) == 202


@pytest.mark.parametrize(("body", "said"), [("eyJhIjogMX0=", b'{"a": 1}'), ("no base64", b"no base64")])
def test_trailers_say_that_a_stream_has_failed(conversation, body, said):
    channel, environment, _ = conversation
    trailers = f"Lambda-Runtime-Function-Error-Type: Function.Odd\r\nLambda-Runtime-Function-Error-Body: {body}\r\n"
    channel.data_received(streamed(f"1\r\na\r\n0\r\n{trailers}\r\n".encode()))
    assert environment.reception.failure == ("Function.Odd", said)


def test_a_stream_for_an_unknown_request_id_is_refused(conversation):
    channel, _, transport = conversation
    channel.data_received(streamed(b"1\r\na\r\n0\r\n\r\n", "r2"))
    assert (status(transport), error_type(transport)) == (400, "InvalidRequestID")


def test_a_slow_reader_holds_up_the_connection(conversation):
    channel, environment, transport = conversation
    environment.reader = ResponseStream()
    channel.data_received(streamed(b"200000\r\n" + bytes(0x200000) + b"\r\n"))
    assert not transport.reading
    environment.reader.abandon()
    assert transport.reading


def test_a_connection_that_closes_is_not_released_any_more(conversation):
    channel, environment, transport = conversation
    environment.reader = ResponseStream()
    channel.data_received(streamed(b"200000\r\n" + bytes(0x200000) + b"\r\n"))
    channel.close()
    environment.reader.abandon()
    assert not transport.reading


def test_an_event_is_one_message_with_lambdas_headers():
    message = event_message(
        request_id="r1", deadline_ms=5, function_arn="arn", trace_id="Root=1", client_context="", payload=b"{}"
    )
    head, body = message.split(b"\r\n\r\n")
    assert body == b"{}"
    assert b"Lambda-Runtime-Deadline-Ms: 5" in head.split(b"\r\n")
    assert b"Lambda-Runtime-Client-Context" not in head


# --- bad input ------------------------------------------------------------------------------------------------

VERBS = st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"PATCH", b"CONNECT", b"X"])
TARGETS = st.sampled_from(
    [b"/2018-06-01/runtime/" + rest for rest in (b"", b"invocation/next", b"invocation/r1/response", b"invocation/r1/error",
     b"invocation/twice/response", b"invocation//response", b"invocation/response", b"init/error", b"restore/next", b"restore/error",
     b"invocation/\xff/response", b"invocation/%/error", b"invocation/r1/response?a=b")]
    + [b"/", b"*", b"\0", b"http://x/", b"/2020-01-01/extension/event/next", b"/2022-07-01/telemetry"]
)  # fmt: skip
LINES = st.sampled_from(
    [b"Host: x", b"Upgrade: websocket", b"Connection: upgrade", b"Upgrade: h2c", b"Connection: close", b"Content-Length: 3", b"Content-Length: x",
     b"Transfer-Encoding: chunked", b"Lambda-Runtime-Function-Error-Type: \xff", b"Lambda-Runtime-Function-Error-Type: Runtime.\xe9 x",
     b"Lambda-Runtime-Function-Response-Mode: streaming", b"Lambda-Runtime-Function-Response-Mode: \xff", b"Lambda-Extension-: x",
     b"Lambda-Extension-Name: \xff", b"no colon", b": x", b"Trailer: x", b"Expect: 100-continue"]
)  # fmt: skip
REQUESTS = st.one_of(
    st.binary(max_size=50),
    st.just(NEXT),
    st.tuples(VERBS, TARGETS, st.lists(LINES, max_size=4), st.sampled_from([b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"0\r\nLambda-Runtime-Function-Error-Type: Function.\xff\r\n\r\n", b"[" * 2000])).map(
        lambda r: b"\r\n".join([r[0] + b" " + r[1] + b" HTTP/1.1", *r[2], b"", r[3]])
    ),
)  # fmt: skip


@given(st.lists(REQUESTS, max_size=6), st.data())
@example([b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", NEXT], None)
@example(
    [
        b"GET /2018-06-01/runtime/invocation/r1/response HTTP/1.1\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\r\n"
    ],
    None,
)
def test_whatever_comes_is_answered_in_whole_messages_and_raises_nothing(requests, data):
    environment, transport = FakeEnvironment(), FakeTransport()
    channel = Channel(environment)
    channel.connection_made(transport)
    message = b"".join(requests)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=4))) if data else []
    for start, end in zip([0, *cuts], [*cuts, len(message)], strict=True):
        channel.data_received(message[start:end])
    for answer in transport.writes:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 ")
        assert b"Content-Length: %d" % len(body) in head.split(b"\r\n")
        assert int(head.split()[1]) < 500
        assert isinstance(json.loads(body), dict)
    methods = {request.split(b" ")[0] for request in requests}
    assert not environment.reader
    assert b"POST" in methods or all(kind in ("next", "extension") for kind, *_ in environment.heard)


def test_an_upgrade_is_refused_and_hung_up_on(conversation):
    channel, environment, transport = conversation
    channel.data_received(b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" + NEXT)
    assert (status(transport), transport.closed) == (404, True)
    channel.data_received(NEXT)
    assert environment.heard == []


def test_a_head_without_end_is_cut_off(conversation):
    channel, _, transport = conversation
    channel.data_received(b"GET /" + b"a" * 10)
    for _ in range(100):
        channel.data_received(b"a" * 1000)
    assert (status(transport), transport.closed) == (400, True)


def test_a_segment_with_a_large_body_and_the_next_head_is_no_large_head(conversation):
    channel, environment, transport = conversation
    message = post("/2018-06-01/runtime/invocation/r1/response", b"x" * 200_000) + NEXT[:20]
    channel.data_received(message[:100_000])
    channel.data_received(message[100_000:])
    channel.data_received(NEXT[20:])
    assert ([heard[0] for heard in environment.heard], transport.closed) == (["response", "next"], False)


def test_what_a_response_has_too_much_of_is_not_kept(conversation):
    channel, environment, _ = conversation
    head = post("/2018-06-01/runtime/invocation/r1/error")[:-2].replace(
        b"Content-Length: 2", b"Content-Length: 100000000"
    )
    channel.data_received(head)
    for _ in range(1000):
        channel.data_received(bytes(100_000))
    assert len(environment.heard[0][3]) < 30_000_000


def test_a_stream_is_a_post(conversation):
    channel, environment, transport = conversation
    channel.data_received(streamed(b"0\r\n\r\n").replace(b"POST", b"GET", 1))
    assert (environment.heard, status(transport)) == ([], 404)


def test_a_posted_restore_next_is_no_failed_restore(conversation):
    channel, environment, transport = conversation
    channel.data_received(post("/2018-06-01/runtime/restore/next"))
    assert (environment.heard, status(transport)) == ([], 404)


def test_a_trailer_without_end_is_cut_off(conversation):
    channel, _, transport = conversation
    channel.data_received(streamed(b"1\r\na\r\n0\r\nA: "))
    for _ in range(100):
        channel.data_received(b"a" * 1000)
    assert (status(transport), transport.closed) == (400, True)


def test_many_messages_on_one_connection_are_no_long_head(conversation):
    channel, environment, transport = conversation
    for _ in range(2000):
        channel.data_received(NEXT)
    channel.data_received(NEXT * 2000 + NEXT[:9])
    assert (len(environment.heard), transport.closed) == (4000, False)

"""Responses that come in pieces: the window between runtime and reader, and InvokeWithResponseStream by boto3."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
import requests
from botocore.exceptions import ClientError

from labkit.emulator.streaming import WINDOW_BYTES, Reception, ResponseStream

WAITS = """
import os
import pathlib

def handler(event, context):
    yield "first"
    while not pathlib.Path(event["until"]).exists():
        os.sched_yield()
    yield "second"
"""


# --- between runtime and reader


class Source:
    """A connection that can be held up."""

    def __init__(self):
        self.reading = True

    def pause(self):
        self.reading = False

    def resume(self):
        self.reading = True


def started(reader=None):
    source = Source()
    reception = Reception(reader, "text/plain")
    reception.throttle(source.pause, source.resume)
    return reception, source


def everything(stream):
    async def read():
        return [chunk async for chunk in aiter_of(stream)]

    return asyncio.run(read())


async def aiter_of(stream):
    while (chunk := await stream.next()) is not None:
        yield chunk


def test_without_a_reader_the_pieces_are_kept():
    reception, _ = started()
    reception.feed(b"a")
    reception.feed(b"b")
    reception.end()
    assert (reception.body, reception.failure) == (b"ab", None)


def test_a_reader_gets_the_pieces_in_order_and_then_the_end():
    stream = ResponseStream()
    reception, _ = started(stream)
    reception.feed(b"a")
    reception.feed(b"b")
    stream.end()
    assert everything(stream) == [b"a", b"b"]
    assert (stream.content_type, reception.body) == ("text/plain", b"")


def test_a_source_is_held_up_while_too_much_waits():
    stream = ResponseStream()
    reception, source = started(stream)
    reception.feed(bytes(WINDOW_BYTES))
    assert source.reading
    reception.feed(b"x")
    assert not source.reading
    stream.end()
    everything(stream)
    assert source.reading


def test_who_stops_to_read_holds_nobody_up():
    stream = ResponseStream()
    reception, source = started(stream)
    reception.feed(bytes(WINDOW_BYTES + 1))
    stream.abandon()
    reception.feed(bytes(WINDOW_BYTES + 1))
    assert source.reading


def test_a_stream_that_was_not_ended_has_failed():
    reception, _ = started()
    reception.feed(b"a")
    assert reception.failure is not None
    assert reception.failure[0] == "Runtime.TruncatedResponse"


def test_a_buffered_response_is_limited_as_any_other():
    reception, _ = started()
    reception.feed(bytes(6_291_556))
    reception.end()
    assert reception.failure is None
    reception.feed(b"x")
    assert reception.failure is not None
    assert reception.failure[0] == "Function.ResponseSizeTooLarge"


def test_a_streamed_response_may_be_larger():
    reception, _ = started(ResponseStream())
    reception.feed(bytes(6_291_557))
    reception.end()
    assert reception.failure is None


# --- with boto3


process = pytest.mark.process


def streamed(aws, event=None, **more):
    answer = aws.invoke_with_response_stream(FunctionName="f", Payload=json.dumps(event), **more)
    return answer, list(answer["EventStream"])


def payload(events):
    return b"".join(e["PayloadChunk"]["Payload"] for e in events if "PayloadChunk" in e)


@process
def test_pieces_arrive_before_the_handler_has_ended(lab, aws, tmp_path):
    lab.deploy("f", WAITS, timeout_s=20)
    until = tmp_path / "go"
    answer = aws.invoke_with_response_stream(FunctionName="f", Payload=json.dumps({"until": str(until)}))
    events = iter(answer["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"first"}}
    until.touch()
    assert list(events) == [{"PayloadChunk": {"Payload": b"second"}}, {"InvokeComplete": {}}]
    assert answer["ExecutedVersion"] == "$LATEST"


@process
def test_a_handler_that_does_not_yield_is_one_piece(lab, aws):
    lab.deploy("f", "def handler(event, context): return {'x': event}")
    assert streamed(aws, 1)[1] == [{"PayloadChunk": {"Payload": b'{"x": 1}'}}, {"InvokeComplete": {}}]


@process
def test_a_buffered_invocation_gets_all_pieces_at_once_and_the_environment_goes_on(lab):
    lab.deploy("f", "def handler(event, context):\n    yield 'a'\n    yield {'b': event}")
    assert [lab.invoke("f", n).payload for n in (1, 2)] == [b'a{"b": 1}\n', b'a{"b": 2}\n']
    assert lab.traces("f")[-1].cold is False


@process
def test_an_error_midway_ends_the_stream_and_is_in_the_log(lab, aws):
    lab.deploy("f", "def handler(event, context):\n    yield 'a'\n    raise ValueError('no more')")
    _, events = streamed(aws, LogType="Tail")
    complete = events[-1]["InvokeComplete"]
    assert payload(events) == b"a"
    assert (complete["ErrorCode"], json.loads(complete["ErrorDetails"])["errorMessage"]) == ("Unhandled", "no more")
    assert "[ERROR] ValueError: no more" in base64.b64decode(complete["LogResult"]).decode()


@process
def test_an_error_before_the_first_piece_is_an_ordinary_one(lab, aws):
    lab.deploy("f", "def handler(event, context):\n    1 / 0\n    yield 'a'")
    _, events = streamed(aws)
    (last,) = events
    assert json.loads(last["InvokeComplete"]["ErrorDetails"])["errorType"] == "ZeroDivisionError"
    assert lab.invoke("f").error.error_type == "ZeroDivisionError"


ENDS = """
import os
import pathlib

def handler(event, context):
    yield "a"
    while not pathlib.Path(event["until"]).exists():
        os.sched_yield()
    ENDING
"""


@process
@pytest.mark.parametrize(
    ("ending", "error_type"), [("while True: pass", "Sandbox.Timedout"), ("os._exit(3)", "Runtime.ExitError")]
)
def test_what_ends_the_handler_midway_ends_the_stream(lab, aws, tmp_path, ending, error_type):
    lab.deploy("f", ENDS.replace("ENDING", ending), timeout_s=2)
    until = tmp_path / "go"
    answer = aws.invoke_with_response_stream(FunctionName="f", Payload=json.dumps({"until": str(until)}))
    events = iter(answer["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"a"}}
    until.touch()
    (last,) = events
    assert json.loads(last["InvokeComplete"]["ErrorDetails"])["errorType"] == error_type


@process
def test_a_response_larger_than_a_buffered_one_may_be_comes_whole(lab, aws):
    source = "def handler(event, context):\n    for n in range(16): yield bytes([n]) * 1_000_000"
    lab.deploy("f", source, timeout_s=20)
    assert payload(streamed(aws)[1]) == b"".join(bytes([n]) * 1_000_000 for n in range(16))
    assert lab.invoke("f").error.error_type == "Function.ResponseSizeTooLarge"
    assert payload(streamed(aws)[1])[:1] == b"\x00"


STREAMED = "/2021-11-15/functions/{}/response-streaming-invocations"


@process
def test_a_client_that_goes_away_leaves_a_good_environment(lab, signature, wait_until):
    source = "def handler(event, context):\n    for n in range(event): yield bytes(100_000)"
    lab.deploy("left", source, timeout_s=20)
    path = STREAMED.format("left")
    with requests.post(lab.endpoint + path, data=b"80", auth=signature, stream=True, timeout=20) as answer:
        assert answer.status_code == 200
    wait_until(lambda: lab.traces("left"))
    assert len(lab.invoke("left", 3).payload) == 300_000
    assert [(t.status, t.cold) for t in lab.traces("left")] == [("success", True), ("success", False)]


@process
def test_a_handler_whose_reader_is_slow_waits_until_its_timeout(lab, signature, wait_until):
    lab.deploy(
        "unread", "def handler(event, context):\n    while True: yield bytes(1_000_000)", timeout_s=1, memory_mb=512
    )
    path = STREAMED.format("unread")
    with requests.post(lab.endpoint + path, data=b"{}", auth=signature, stream=True, timeout=20) as answer:
        wait_until(lambda: lab.traces("unread"))
        assert b"Sandbox.Timedout" in answer.content
    assert lab.traces("unread")[0].status == "timeout"


# Takes the Runtime API over from the client it was called by, and answers a second event as any runtime would.
OWN_RUNTIME = """
import http.client
import json
import os

def handler(event, context):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    root = "/2018-06-01/runtime/invocation"
    head = {"Lambda-Runtime-Function-Response-Mode": "streaming", "Transfer-Encoding": "chunked"}
    api.putrequest("POST", f"{root}/{context.aws_request_id}/response")
    for name, value in head.items():
        api.putheader(name, value)
    api.endheaders()
    api.send(event["sent"].encode())
    if event["whole"]:
        api.getresponse().read()
    else:
        api.close()
    api.request("GET", f"{root}/next")
    answer = api.getresponse()
    again = answer.read()
    api.request("POST", f"{root}/{answer.headers['Lambda-Runtime-Aws-Request-Id']}/response", again)
    api.getresponse().read()
    api.request("GET", f"{root}/next")
    api.getresponse().read()
"""


@process
def test_a_runtime_that_posts_nothing_after_its_stream_is_done_when_it_polls(lab):
    lab.deploy("f", OWN_RUNTIME, timeout_s=10)
    assert lab.invoke("f", {"sent": "1\r\n7\r\n0\r\n\r\n", "whole": True}).payload == 7
    assert lab.invoke("f", {"x": 1}).payload == {"x": 1}


@process
def test_a_stream_that_breaks_off_is_a_failure(lab):
    lab.deploy("f", OWN_RUNTIME, timeout_s=10)
    outcome = lab.invoke("f", {"sent": "1\r\n7\r\n", "whole": False})
    assert outcome.error.error_type == "Runtime.TruncatedResponse"
    assert lab.invoke("f", {"x": 1}).payload == {"x": 1}


@process
def test_a_dry_run_answers_with_nothing(lab, signature):
    lab.deploy("f", "def handler(event, context): yield 'a'")
    answer = requests.post(
        lab.endpoint + STREAMED.format("f"),
        headers={"X-Amz-Invocation-Type": "DryRun"},
        auth=signature,
        timeout=5,
    )
    assert (answer.status_code, answer.content) == (204, b"")


@process
def test_an_unknown_function_is_refused_before_a_stream_begins(aws):
    with pytest.raises(ClientError) as caught:
        aws.invoke_with_response_stream(FunctionName="nobody")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"

"""A handler that talks to the Runtime API itself, over the port that every process of this machine can reach: whatever
it says there, the next invocation of its environment is answered."""

from __future__ import annotations

import base64
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.process

TIMES = int(os.environ.get("FRONT_DOOR_TIMES", "1"))
CODE = """
import base64, os, socket

def say(message, closes):
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    client = socket.create_connection((host, int(port)), 1)
    client.settimeout(0.1)
    try:
        client.sendall(message)
        answer = client.recv(65536)
    except OSError:
        answer = b""
    if closes:
        client.close()
    else:
        kept.append(client)
    return answer.split(b"\\r\\n")[0].decode("latin-1")

kept = []

def handler(event, context):
    if isinstance(event, dict):
        message = base64.b64decode(event["say"]).replace(b"ID", context.aws_request_id.encode())
        message = message.replace(b"HUGE", b"x" * 8_000_000)
        return say(message, event["closes"])
    return {"echo": event}
"""

RUNTIME = b"/2018-06-01/runtime/"


def message(method: bytes, path: bytes, headers: bytes = b"", body: bytes = b"{}") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (method, path, headers, len(body), body)


STREAMING = b"Lambda-Runtime-Function-Response-Mode: streaming\r\n"
ODD_TYPE = b"Lambda-Runtime-Function-Error-Type: Runtime.\xff odd\r\n"
RESPONSE, ERROR = RUNTIME + b"invocation/ID/response", RUNTIME + b"invocation/ID/error"
SAID = {
    "a response before it returns": message(b"POST", RESPONSE, body=b'"early"'),
    "two responses": message(b"POST", RESPONSE) * 2,
    "an error with a garbage type": message(b"POST", ERROR, ODD_TYPE, b"\xff\xfe"),
    "an error nested beyond reading": message(b"POST", ERROR, body=b"[" * 100_000),
    "an error whose type is no text": message(b"POST", ERROR, body=b'{"errorType": "\\ud800\\n"}'),
    "a response that is no JSON": message(b"POST", RESPONSE, body=b"\xff{"),
    "a response of 8 MB": message(b"POST", RESPONSE, body=b"HUGE").replace(b": 4\r\n", b": 8000000\r\n"),
    "a stream that breaks off": message(b"POST", RESPONSE, STREAMING + b"Transfer-Encoding: chunked\r\n").replace(
        b"Content-Length: 2\r\n\r\n{}", b"\r\n5\r\nab"
    ),
    "half a response": message(b"POST", RESPONSE)[:-1],
    "a failed init": message(b"POST", RUNTIME + b"init/error", ODD_TYPE),
    "a failed restore": message(b"POST", RUNTIME + b"restore/error"),
    "next, while it runs": message(b"GET", RUNTIME + b"invocation/next", body=b""),
    "a registration": message(
        b"POST", b"/2020-01-01/extension/register", b"Lambda-Extension-Name: \xff\r\n", b'{"events": ["INVOKE"]}'
    ),
    "a registration beyond reading": message(
        b"POST", b"/2020-01-01/extension/register", b"Lambda-Extension-Name: x\r\n", b"[" * 100_000
    ),
    "an upgrade": message(b"GET", RUNTIME, b"Connection: upgrade\r\nUpgrade: h2c\r\n", b""),
    "no HTTP": b"\x16\x03\x01" * 100,
    "a head without end": b"GET /" + b"a" * 300_000,
}


@pytest.fixture(scope="module")
def meddler(shared_lab):
    shared_lab.deploy("meddler", CODE, timeout_s=2, memory_mb=256)
    yield shared_lab
    shared_lab.delete("meddler")


def say_then_ask(lab, said: bytes, *, closes: bool):
    lab.invoke("meddler", {"say": base64.b64encode(said).decode(), "closes": closes})
    return [lab.invoke("meddler", n).payload for n in (1, 2)]


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("said", SAID.values(), ids=SAID.keys())
def test_whatever_a_handler_says_itself_the_next_invocations_are_answered(meddler, said, closes):
    assert say_then_ask(meddler, said, closes=closes) == [{"echo": 1}, {"echo": 2}]


@settings(max_examples=15 * TIMES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=TIMES == 1)
@given(st.lists(st.sampled_from(sorted(SAID)), min_size=2, max_size=5), st.booleans())
def test_no_sequence_of_them_wedges_an_environment(meddler, names, closes):
    said = b"".join(SAID[name] for name in names)
    # who answers early and asks for the next event himself has taken it from the runtime: that one may fail
    assert say_then_ask(meddler, said, closes=closes)[1] == {"echo": 2}

"""Handlers that yield, over all clients: what they send to the Runtime API, read from the socket."""

from __future__ import annotations

import base64
import json
import queue
import socket
import threading

import pytest

pytestmark = pytest.mark.process


class StreamApi:
    """A Runtime API that keeps the bytes of every connection but the client's own."""

    def __init__(self, status: bytes = b"202 Accepted") -> None:
        self.received: queue.Queue[bytes] = queue.Queue()
        self._status = status
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                data = b""
                while not (data.endswith(b"\r\n\r\n") and b"\r\n0\r\n" in data):
                    data += connection.recv(65536)
                self.received.put(data)
                connection.sendall(b"HTTP/1.1 " + self._status + b"\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def stream_api():
    api = StreamApi()
    yield api
    api.close()


def at(api: StreamApi) -> str:
    """The first line of a handler's module: its streams go to this API, the client's own posts elsewhere."""
    return f"import os; os.environ['AWS_LAMBDA_RUNTIME_API'] = {api.address!r}\n"


def streamed(api: StreamApi) -> tuple[list[str], bytes]:
    head, _, body = api.received.get(timeout=20).partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


@pytest.fixture
def answer(start, client, stream_api):
    """Runs a handler once: what it streams, and what its client posts afterwards."""

    def run(source: str):
        post = start(client, at(stream_api) + source).invoke({"n": 2})
        return *streamed(stream_api), post

    return run


def test_each_value_is_a_chunk_and_the_client_posts_nothing_more_than_null(answer):
    lines, body, post = answer("def handler(event, context):\n    yield 'ä'\n    yield b'bc'\n    yield event\n")
    assert body == b'2\r\n\xc3\xa4\r\n2\r\nbc\r\n9\r\n{"n": 2}\n\r\n0\r\n\r\n'
    assert lines[0] == f"POST {post.path} HTTP/1.1"
    assert "Lambda-Runtime-Function-Response-Mode: streaming" in lines
    assert "Content-Type: application/octet-stream" in lines
    assert (post.path.rpartition("/")[2], post.body) == ("response", b"null")


def test_a_handler_may_also_return_a_generator(answer):
    _, body, _ = answer("def handler(event, context): return (str(n) for n in range(event['n']))\n")
    assert body == b"1\r\n0\r\n1\r\n1\r\n0\r\n\r\n"


def test_empty_pieces_do_not_end_the_response(answer):
    _, body, _ = answer("def handler(event, context):\n    yield ''\n    yield b''\n    yield 'a'\n")
    assert body == b"1\r\na\r\n0\r\n\r\n"


def test_a_generator_without_values_is_an_empty_response(answer):
    assert answer("def handler(event, context):\n    return\n    yield\n")[1] == b"0\r\n\r\n"


def test_a_first_value_with_a_status_code_is_the_head_of_an_http_response(answer):
    lines, body, _ = answer("def handler(event, context):\n    yield {'statusCode': 418}\n    yield 'tea'\n")
    assert "Content-Type: application/vnd.awslambda.http-integration-response" in lines
    assert body == b'1b\r\n{"statusCode": 418}' + bytes(8) + b"\r\n3\r\ntea\r\n0\r\n\r\n"


def test_an_error_midway_is_in_the_trailers_and_the_client_posts_it_too(answer):
    _, body, post = answer("def handler(event, context):\n    yield 'a'\n    raise KeyError('k')\n")
    end, kind, encoded = body.partition(b"1\r\na\r\n")[2].decode().strip().split("\r\n")
    said = json.loads(base64.b64decode(encoded.removeprefix("Lambda-Runtime-Function-Error-Body: ")))
    assert (end, kind) == ("0", "Lambda-Runtime-Function-Error-Type: Function.KeyError")
    assert (said["errorType"], said["errorMessage"]) == ("KeyError", "'k'")
    assert said["stackTrace"] == ["  File \"/var/task/app.py\", line 4, in handler\n    raise KeyError('k')\n"]
    assert (post.path.rpartition("/")[2], post.json()["stackTrace"]) == ("error", said["stackTrace"])


def test_an_error_before_the_first_value_is_only_posted(start, client, stream_api):
    post = start(client, at(stream_api) + "def handler(event, context):\n    1 / 0\n    yield\n").invoke().json()
    assert post["errorType"] == "ZeroDivisionError"
    assert [line.split(",")[0] for line in post["stackTrace"]] == ['  File "/var/task/app.py"']
    assert stream_api.received.empty()


def test_a_value_that_is_no_json_is_an_error_of_the_handler(answer):
    _, body, post = answer("def handler(event, context):\n    yield 'a'\n    yield {1, 2}\n")
    assert b"Lambda-Runtime-Function-Error-Type: Function.TypeError" in body
    assert post.json()["errorMessage"] == "Object of type set is not JSON serializable"


def test_a_response_that_is_refused_is_an_error(start, client):
    api = StreamApi(b"400 Bad Request")
    post = start(client, at(api) + "def handler(event, context): yield 'a'\n").invoke().json()
    api.close()
    assert (post["errorType"], post["errorMessage"]) == ("RefusedError", "The Runtime API refused the response: 400")

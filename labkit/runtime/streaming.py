"""A handler that yields: its response goes out piece by piece. An extension of labkit's own.

AWS's Python runtime has no streaming handlers; its Node.js runtime has, and the Runtime API below both is the same one:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming
So what leaves this file is AWS's protocol: a chunked POST whose trailers say when the handler failed midway.

Each `str` or `bytes` that is yielded is a chunk; any other value is one line of JSON. A first dict with a `statusCode`
is the head of an HTTP response (status, headers, cookies), which a function URL understands. The first value is waited
for before anything is sent: a handler that fails until then has failed like any other.

A client of the Runtime API, native ones too, still posts what the handler "returned", here nothing: the emulator takes
that as the sign that the response is over. Loaded when a handler first yields.
"""

from __future__ import annotations

import json
import os
from _socket import AF_INET, IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, socket
from binascii import b2a_base64

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs two milliseconds of cold start
    from collections.abc import Generator, Iterator
    from typing import Any

PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response"
PLAIN_TYPE = "application/octet-stream"
PRELUDE_END = bytes(8)
ERROR_TYPE, ERROR_BODY = "Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body"


def send(items: Generator[Any, None, Any], request_id: str) -> None:
    """Posts what the generator yields. Raises what it raises, and RuntimeError if the Runtime API will not have it."""
    first = next(items, b"")
    prelude = json.dumps(first).encode() + PRELUDE_END if isinstance(first, dict) and "statusCode" in first else b""
    beginning = prelude or to_chunk(first)
    response = Response(request_id, PRELUDE_TYPE if prelude else PLAIN_TYPE)
    try:
        response.write(beginning)
        for item in items:
            response.write(to_chunk(item))
    except RefusedError:
        items.close()
        raise
    except Exception as error:
        response.end(trailers(error))
        raise
    response.end("")


# The clients keep what stands above the handler out of an error's frames, and know it by this file's name.
send.__code__ = send.__code__.replace(co_filename=f"{__file__.rpartition('/')[0]}/bootstrap.py")


def to_chunk(item: Any) -> bytes:
    """The bytes of what was yielded. TypeError if it is not even JSON."""
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    if isinstance(item, str):
        return item.encode()
    return json.dumps(item, ensure_ascii=False).encode() + b"\n"


def trailers(error: BaseException) -> str:
    """An error in the middle of a response, in the two fields that may still follow its body."""
    kind = type(error).__name__
    body = json.dumps({"errorType": kind, "errorMessage": str(error), "stackTrace": list(frames(error))})
    encoded = b2a_base64(body.encode(), newline=False).decode()
    return f"{ERROR_TYPE}: Function.{kind}\r\n{ERROR_BODY}: {encoded}\r\n"


def frames(error: BaseException) -> Iterator[str]:
    """The error's frames without ours, as Lambda writes them."""
    import traceback  # a cold path, and dear

    ours = (__file__, "/bootstrap.py")
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.endswith(ours):
            yield "".join(traceback.format_list([frame]))


class RefusedError(RuntimeError):
    """The Runtime API hung up, or answered with an error."""


class Response:
    """One chunked POST on a connection of its own; the client's own connection waits for the next event."""

    def __init__(self, request_id: str, content_type: str) -> None:
        address = os.environ["AWS_LAMBDA_RUNTIME_API"]
        host, _, port = address.rpartition(":")
        self._socket = socket(AF_INET, SOCK_STREAM)
        self._socket.connect((host, int(port)))
        self._socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._unsent = (
            f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\nHost: {address}\r\n"
            f"Content-Type: {content_type}\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n"
            f"Transfer-Encoding: chunked\r\nTrailer: {ERROR_TYPE}, {ERROR_BODY}\r\n\r\n"
        ).encode()

    def write(self, data: bytes) -> None:
        """Sends a chunk, at once; an empty one would end the response."""
        if data:
            self._send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self, fields: str) -> None:
        """Ends the response, with trailers if there are any, and waits until it was taken."""
        self._send(f"0\r\n{fields}\r\n".encode())
        try:
            answer = self._socket.recv(4096)
        except OSError as error:
            raise RefusedError(f"The Runtime API did not take the response: {error}") from None
        finally:
            self._socket.close()
        if answer[9:10] != b"2":
            raise RefusedError(f"The Runtime API refused the response: {answer[9:12].decode() or 'no answer'}")

    def _send(self, data: bytes) -> None:
        unsent, self._unsent = self._unsent + data, b""
        try:
            self._socket.sendall(unsent)
        except OSError as error:
            self._socket.close()
            raise RefusedError(f"The Runtime API hung up: {error}") from None

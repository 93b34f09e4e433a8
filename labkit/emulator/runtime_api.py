"""The Lambda Runtime API of one environment (2018-06-01), as an `asyncio.Protocol` on httptools.

Each environment has a port of its own: the official client takes host:port without a path. Head and body of an
answer are one segment; two cost 42 ms per call. Decides nothing: it reads requests and tells the environment.
labkit's own transport does not wait for the confirmation of a result; it goes out with the next event (CONFIRM), and
what it says once more goes past the parser (wording.py).
A streamed response is handed on as it comes, errors in its trailers; its reader may hold up the connection.
Paths and answers: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, and for streams
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from labkit.emulator.streaming import Reception
from labkit.emulator.wording import INVOCATION, Wording
from labkit.model import RESPONSE_PAYLOAD_BYTES
from labkit.neighbours import is_foreign

PREFIX = b"/2018-06-01/runtime/"
NEXT = INVOCATION + b"next"
INIT_ERROR = PREFIX + b"init/error"
RESTORE_NEXT = PREFIX + b"restore/next"
RESTORE_ERROR = PREFIX + b"restore/error"
EXTENSION_PATHS = (b"/2020-01-01/extension/", b"/2022-07-01/telemetry", b"/2020-08-15/logs")
EXTENSION_HEADER = b"lambda-extension-"
ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
ERROR_TYPE = b"lambda-runtime-function-error-type"
ERROR_BODY = b"lambda-runtime-function-error-body"
RESPONSE_MODE = b"lambda-runtime-function-response-mode"
CONFIRM = b"labkit-confirm"
KEPT = frozenset((b"content-type", ERROR_TYPE, ERROR_BODY, RESPONSE_MODE, CONFIRM))
MOST_BYTES = 4 * RESPONSE_PAYLOAD_BYTES  # beyond this nobody reads on
HEAD_BYTES = 64 * 1024
FOREIGN = "labkit: another user of this machine wanted to speak with a function's Runtime API, and was hung up on."


# True: accepted; False: this request id is not the one that runs; a text: the call is out of order, in AWS's words
Verdict = bool | str


class Client(Protocol):
    """What an environment answers to its runtime and to extensions."""

    def on_next(self, channel: Channel) -> None: ...
    def on_response(self, request_id: str, body: bytes) -> Verdict: ...
    def on_stream(self, request_id: str, content_type: str) -> Reception | None: ...
    def on_error(self, request_id: str, error_type: str, body: bytes) -> Verdict: ...
    def on_init_error(self, error_type: str, body: bytes) -> Verdict: ...
    def on_restore_next(self) -> Verdict: ...
    def on_restore_error(self, error_type: str, body: bytes) -> Verdict: ...
    def on_extension(self, channel: Channel, method: bytes, path: bytes, body: bytes) -> None: ...


class Channel(asyncio.Protocol):
    """One connection of the runtime."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self.extension_headers: dict[str, str] = {}  # those of this request, without "lambda-extension-"
        self._fields: dict[bytes, str] = {}
        self._streams = False
        self._reception: Reception | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._head_bytes = 0  # of segments that are nothing but the middle of a head, or of a body's trailers
        self._aside = True  # whether this segment is one
        self._wording = Wording()
        self._between = True  # requests: the parser has seen nothing of the next one
        self._result = False  # this segment had one of our transport's
        self._kept = b""  # a confirmation that goes out with the next answer
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        if is_foreign(transport.get_extra_info("peername"), transport.get_extra_info("sockname")):
            print(FOREIGN, file=sys.stderr, flush=True)  # noqa: T201
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    @property
    def open(self) -> bool:
        return self._transport is not None

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        begins, self._result = self._between, False
        try:
            if begins and self._is_as_before(data):
                return
            self._aside = True
            self._parser.feed_data(data)
            if self._result and begins:
                self._wording.learn(data)
        except httptools.HttpParserUpgrade:
            self.close()  # answered already; what follows is no HTTP to the parser
        except httptools.HttpParserError as error:
            if isinstance(error, httptools.HttpParserCallbackError):
                self._fail(error)
            else:
                self._hang_up("InvalidRequest", f"This is not HTTP: {error}")
        except Exception as error:
            self._fail(error)
        self._head_bytes += len(data) if self._aside else 0
        if self._head_bytes > HEAD_BYTES:
            self._hang_up("InvalidRequest", f"A head has at most {HEAD_BYTES} bytes.")

    def _is_as_before(self, data: bytes) -> bool:
        """Whether it was a result in the words of the last one, which is told then."""
        result = self._wording.read(data)
        if result is None or len(result.body) > RESPONSE_PAYLOAD_BYTES:
            return False
        verdict = self._client.on_response(result.request_id, result.body)
        if verdict is True:
            self._kept = ACCEPTED
            if result.asks:
                self._client.on_next(self)
        else:
            self._fields = {CONFIRM: ""}
            self._answer(verdict)
        return True

    def _fail(self, error: Exception) -> None:
        """It is ours, not the client's."""
        traceback.print_exception(error, file=sys.stderr)
        self._hang_up("InternalError", "An internal error of labkit; the emulator's log has the traceback.", 500)

    def _hang_up(self, error_type: str, message: str, status: int = 400) -> None:
        if self._transport and not self._transport.is_closing():
            self.refuse(status, error_type, message)
            self.close()

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        self._between = False
        self._aside, self._head_bytes = False, 0
        self._url, self._fields, self._body, self._size = b"", {}, [], 0
        self._streams, self._reception = False, None
        self.extension_headers.clear()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in KEPT:
            self._fields[name] = value.decode("latin-1")
        elif name.startswith(EXTENSION_HEADER):
            self.extension_headers[name[len(EXTENSION_HEADER) :].decode("latin-1")] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._fields.get(RESPONSE_MODE, "").lower() != "streaming" or not self._is_response:
            return
        self._streams = True
        request_id = self._url[len(INVOCATION) : -len(b"/response")].decode("latin-1")
        self._reception = self._client.on_stream(request_id, self._fields.get(b"content-type", ""))
        if self._reception:
            self._reception.throttle(self._hold, self._release)

    @property
    def _is_response(self) -> bool:
        posted = self._parser.get_method() == b"POST"
        return posted and self._url.startswith(INVOCATION) and self._url.endswith(b"/response")

    def on_body(self, body: bytes) -> None:
        self._aside, self._head_bytes = False, 0
        if self._streams:
            if self._reception:
                self._reception.feed(body)
            return
        self._size += len(body)
        if self._size <= MOST_BYTES:
            self._body.append(body)

    def on_message_complete(self) -> None:
        self._aside, self._between = False, True
        if self._transport is None or self._transport.is_closing():
            return
        method = self._parser.get_method()
        if method == b"GET" and self._url == NEXT:
            self._client.on_next(self)
        elif self._streams:
            self._end_stream()
        elif method == b"POST" and self._url.startswith(INVOCATION):
            self._finish(self._url[len(INVOCATION) :].split(b"/"), b"".join(self._body))
        elif method == b"POST" and self._url == INIT_ERROR:
            error_type = known_error_type(self._error_type)
            self._answer(self._client.on_init_error(error_type, b"".join(self._body)))
        elif self._url.startswith(EXTENSION_PATHS):
            self._client.on_extension(self, method, self._url, b"".join(self._body))
        elif (method, self._url) in ((b"GET", RESTORE_NEXT), (b"POST", RESTORE_ERROR)):
            self._restore(method)
        else:
            self.refuse(404, "NotFound", f"The Runtime API has no {self._url.decode('latin-1')}.")

    def _restore(self, method: bytes) -> None:
        """SnapStart: the runtime is ready for its snapshot, or what runs after it failed."""
        if method == b"GET":
            verdict = self._client.on_restore_next()
            if verdict is True:
                self.reply(HTTPStatus.OK, {})
                return
        else:
            error_type = known_error_type(self._error_type)
            verdict = self._client.on_restore_error(error_type, b"".join(self._body))
        if verdict is False:
            self.refuse(404, "NotFound", "This environment was not initialised for SnapStart.")
        else:
            self._answer(verdict)

    def _finish(self, segments: list[bytes], body: bytes) -> None:
        match segments:
            case [request_id, b"response"]:
                if self._size > RESPONSE_PAYLOAD_BYTES:
                    self._too_large(request_id.decode("latin-1"))
                    return
                known = self._client.on_response(request_id.decode("latin-1"), body)
                self._result = known is True and CONFIRM in self._fields
            case [request_id, b"error"]:
                error_type = known_error_type(self._error_type)
                known = self._client.on_error(request_id.decode("latin-1"), error_type, body)
            case _:
                self.refuse(404, "NotFound", "The Runtime API has no such path.")
                return
        self._answer(known)

    def _hold(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.pause_reading()

    def _release(self) -> None:
        if self._transport and not self._transport.is_closing():  # uvloop's raises on one that is
            self._transport.resume_reading()

    @property
    def _error_type(self) -> str:
        return self._fields.get(ERROR_TYPE, "")

    def _end_stream(self) -> None:
        if self._reception and self._error_type:
            self._reception.end((known_error_type(self._error_type), _decoded(self._fields.get(ERROR_BODY, ""))))
        elif self._reception:
            self._reception.end()
        self._answer(self._reception is not None)

    def _too_large(self, request_id: str) -> None:
        message = (
            "Response payload size exceeded maximum allowed payload size "
            f"({RESPONSE_PAYLOAD_BYTES} bytes)."
        )  # fmt: skip
        body = json.dumps({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message})
        verdict = self._client.on_error(request_id, "Function.ResponseSizeTooLarge", body.encode())
        if verdict is not True:
            self._answer(verdict)
            return
        self.refuse(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
        self._end_if_unread()

    def _answer(self, verdict: Verdict) -> None:
        if isinstance(verdict, str):
            self.refuse(403, "InvalidStateTransition", verdict)
        elif not verdict:
            self.refuse(400, "InvalidRequestID", "Invalid request ID")
        elif CONFIRM in self._fields:
            self._kept = ACCEPTED
            return
        else:
            self.write(ACCEPTED)
            return
        self._end_if_unread()

    def _end_if_unread(self) -> None:
        """Who has not read a refusal yet may ask for an event before he does, and must not get one: he is to end."""
        if CONFIRM in self._fields:
            self.close()

    # --- answers

    def write(self, message: bytes) -> None:
        if self._transport:
            kept, self._kept = self._kept, b""
            self._transport.write(kept + message)

    def refuse(self, status: int, error_type: str, message: str) -> None:
        self.reply(HTTPStatus(status), {"errorMessage": message, "errorType": error_type})

    def reply(self, status: HTTPStatus, answer: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        """Answers with JSON."""
        body = json.dumps(answer).encode()
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n{more}"
        self.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def port_of(server: asyncio.Server | None) -> int:
    """Where a Runtime API is served; 0 if it is not."""
    return int(server.sockets[0].getsockname()[1]) if server and server.sockets else 0


def _decoded(error_body: str) -> bytes:
    """The trailer's JSON; what is no base64 is taken as it is."""
    try:
        return base64.b64decode(error_body, validate=True)
    except ValueError:
        return error_body.encode("latin-1")


def known_error_type(error_type: str) -> str:
    """What is neither `Runtime.X` nor `Function.X` becomes `Runtime.Unknown`, as on Lambda."""
    return error_type if error_type.startswith(("Runtime.", "Function.")) else "Runtime.Unknown"


def event_message(
    *, request_id: str, deadline_ms: int, function_arn: str, trace_id: str, client_context: str, payload: bytes
) -> bytes:
    """The answer to `next`: one invocation."""
    context = f"Lambda-Runtime-Client-Context: {client_context}\r\n" if client_context else ""
    head = (
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: application/json\r\n"
        f"Lambda-Runtime-Aws-Request-Id: {request_id}\r\n"
        f"Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {function_arn}\r\n"
        f"Lambda-Runtime-Trace-Id: {trace_id}\r\n"
        f"{context}"
        f"Content-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode("latin-1") + payload

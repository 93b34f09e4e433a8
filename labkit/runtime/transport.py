"""The Runtime API over one blocking keep-alive socket: a drop-in for awslambdaric's native module `runtime_client`.

Owns the connection and the wire, and knows nothing of handlers or JSON. The requests are the native module's,
header for header; what is saved is its dynamic library (about a millisecond of every cold start) and its HTTP
client (about 50 microseconds of every warm call). It uses the C module `_socket` because `socket` would import
`selectors` and `enum` classes that the runtime does not need.

A result is posted together with the question for the next event, which every runtime asks then, and both answers are
read together: one segment each way instead of two saves the emulator and the runtime a system call and a wake-up each.
Until then a result that was refused is not known to be; it is an error of the `next` that follows, and either ends
awslambdaric's loop.

Every failure is a RuntimeError, as in the native module. An answer that is not 2xx is one, with its status. When
the emulator closes the connection between two requests, `next` connects once more: asking again for an event is
harmless, posting a result twice is not.
"""

from __future__ import annotations

import os
from _socket import AF_INET, IPPROTO_TCP, MSG_WAITALL, SOCK_STREAM, TCP_NODELAY, socket

API = "/2018-06-01/runtime"
WITH_NEXT = "labkit-confirm: with-next\r\n"  # the emulator may keep the confirmation until there is an event

# The headers that the native module hands on, and how awslambdaric spells them.
_NAMES = {
    name.lower().encode(): name
    for name in (
        "Content-Type",
        "Lambda-Runtime-Aws-Request-Id",
        "Lambda-Runtime-Aws-Tenant-Id",
        "Lambda-Runtime-Client-Context",
        "Lambda-Runtime-Cognito-Identity",
        "Lambda-Runtime-Deadline-Ms",
        "Lambda-Runtime-Invocation-Id",
        "Lambda-Runtime-Invoked-Function-Arn",
        "Lambda-Runtime-Trace-Id",
    )
}


class ConnectionLostError(Exception):
    """The other side closed before it answered anything."""


class Connection:
    """One keep-alive connection to the Runtime API at `address` (host:port); it connects when it is first used."""

    def __init__(self, address: str, user_agent: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._socket: socket | None = None
        self._asked = False  # a result was posted with the question for an event, and nothing was read yet
        self._early = b""  # of the answer after that one
        self._host = f" HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n"
        self._agent = f"User-Agent: {user_agent}\r\n"
        self._next = f"GET {API}/invocation/next{self._host}{self._agent}\r\n".encode()

    def next(self) -> tuple[int, list[bytes], bytes]:
        try:
            if self._asked:
                connection = self._confirm()
                return self._read_answer(connection, self._first(connection))
            return self._exchange(self._next)
        except ConnectionLostError:
            return self._exchange(self._next)

    def get(self, path: str) -> tuple[int, list[bytes], bytes]:
        return self._exchange(f"GET {API}{path}{self._host}{self._agent}\r\n".encode())

    def post(self, path: str, headers: str, body: bytes, *, invocation_id: str | None = None) -> int:
        if invocation_id:
            headers = f"{headers}lambda-runtime-invocation-id: {invocation_id}\r\n"
        return self._exchange(self._posted(path, headers, body))[0]

    def post_result(self, path: str, headers: str, body: bytes, *, invocation_id: str | None = None) -> None:
        """Posts, asks for the next event, and waits for neither answer: `next` reads both."""
        if invocation_id:
            headers = f"{headers}lambda-runtime-invocation-id: {invocation_id}\r\n"
        self._take_back()
        self._send(self._posted(path, f"{headers}{WITH_NEXT}", body) + self._next)
        self._asked = True

    def _posted(self, path: str, headers: str, body: bytes) -> bytes:
        head = f"POST {API}{path}{self._host}{headers}{self._agent}content-length: {len(body)}\r\n\r\n"
        # Head and body in one segment: two would wait for each other's acknowledgement, 40 ms.
        return head.encode("utf-8", "surrogateescape") + body

    def _exchange(self, request: bytes) -> tuple[int, list[bytes], bytes]:
        self._take_back()
        connection = self._send(request)
        return self._read_answer(connection, self._first(connection))

    def _take_back(self) -> None:
        """Who does not go on with `next` after a result gives up both answers, and the connection with them."""
        if self._asked:
            self._close()

    def _send(self, request: bytes) -> socket:
        try:
            connection = self._socket or self._connect()
            connection.sendall(request)
        except OSError as error:
            self._close()
            raise ConnectionLostError(str(error)) from error
        return connection

    def _first(self, connection: socket) -> bytes:
        received, self._early = self._early, b""
        if received:
            return received
        try:
            received = connection.recv(16384)
        except OSError as error:
            self._close()
            raise ConnectionLostError(str(error)) from error
        if not received:
            self._close()
            raise ConnectionLostError("connection closed")
        return received

    def _confirm(self) -> socket:
        """Reads the answer to the result that was posted. RuntimeError if it was refused."""
        self._asked = False
        connection = self._socket
        assert connection is not None
        try:
            status, _, _ = self._read_answer(connection, self._first(connection))
        except ConnectionLostError as error:
            raise RuntimeError(f"Failed to post invocation response: {error}") from None
        if not 200 <= status < 300:
            self._close()  # another answer may be on its way
            raise RuntimeError(f"Failed to post invocation response: {status}")
        return connection

    def _read_answer(self, connection: socket, received: bytes) -> tuple[int, list[bytes], bytes]:
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive(connection, 16384, 0)
        status_line, *lines = received[:end].split(b"\r\n")
        length = _content_length(lines)
        body, self._early = received[end + 4 : end + 4 + length], received[end + 4 + length :]
        missing = length - len(body)
        if missing > 0:
            parts = [body]
            while missing > 0:
                parts.append(self._receive(connection, missing, MSG_WAITALL))
                missing -= len(parts[-1])
            body = b"".join(parts)
        return int(status_line[9:12]), lines, body

    def _receive(self, connection: socket, size: int, flags: int) -> bytes:
        try:
            data = connection.recv(size, flags)
        except OSError:
            data = b""
        if not data:
            self._close()
            raise RuntimeError("The Runtime API closed the connection in the middle of an answer")
        return data

    def _connect(self) -> socket:
        self._socket = socket(AF_INET, SOCK_STREAM)
        self._socket.connect(self._address)
        self._socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        return self._socket

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket, self._asked, self._early = None, False, b""


def _content_length(lines: list[bytes]) -> int:
    for line in lines:
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    raise RuntimeError("The Runtime API answered without a Content-Length")


def _known_headers(lines: list[bytes]) -> dict[str, str | int]:
    headers: dict[str, str | int] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        known = _NAMES.get(name.lower())
        if known == "Lambda-Runtime-Deadline-Ms":
            headers[known] = int(value)
        elif known is not None:
            headers[known] = value.strip().decode("utf-8", "surrogateescape")
    return headers


_connection: Connection | None = None


def connection() -> Connection:
    """The connection that `initialize_client` set up. RuntimeError before that."""
    if _connection is None:
        raise RuntimeError("initialize_client has not been called")
    return _connection


def initialize_client(user_agent: str) -> None:
    """Reads AWS_LAMBDA_RUNTIME_API (host:port). Nothing is sent yet."""
    global _connection
    _connection = Connection(os.environ["AWS_LAMBDA_RUNTIME_API"], user_agent)


def next() -> tuple[bytes, dict[str, str | int]]:  # noqa: A001 - the native module's name
    """Waits for the next event: its body and the headers that awslambdaric looks up, the deadline as an int."""
    try:
        status, lines, body = connection().next()
    except ConnectionLostError as error:
        raise RuntimeError(f"Failed to get next: {error}") from None
    if not 200 <= status < 300:
        raise RuntimeError(f"Failed to get next: {status}")
    return body, _known_headers(lines)


def post_invocation_result(
    invoke_id: str, data: bytes, content_type: str = "application/json", invocation_id: str | None = None
) -> None:
    """Posts what the handler returned."""
    path, headers = f"/invocation/{invoke_id}/response", f"content-type: {content_type}\r\n"
    try:
        connection().post_result(path, headers, data, invocation_id=invocation_id)
    except ConnectionLostError as error:
        raise RuntimeError(f"Failed to post invocation response: {error}") from None


def post_error(invoke_id: str, error: str | bytes, xray_fault: str = "", invocation_id: str | None = None) -> None:
    """Posts the JSON of what the handler raised, and X-Ray's form of it in a header.

    Like the native module it sends no Lambda-Runtime-Function-Error-Type: the type is in the body.
    """
    headers = "content-type: application/json\r\n"
    if xray_fault:
        headers = f"{headers}lambda-runtime-function-xray-error-cause: {xray_fault}\r\n"
    body = error if isinstance(error, bytes) else error.encode("utf-8", "surrogateescape")
    try:
        status = connection().post(f"/invocation/{invoke_id}/error", headers, body, invocation_id=invocation_id)
    except ConnectionLostError as lost:
        raise RuntimeError(f"Failed to post invocation error: {lost}") from None
    if not 200 <= status < 300:
        raise RuntimeError(f"Failed to post invocation error: {status}")

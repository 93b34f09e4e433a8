"""The sender of a load test, a process of its own (`python -m labkit.client.sender`): no notebook's work delays it.

Open loop: request k is sent at its time, whether or not earlier ones have been answered. One thread, plain sockets: a
connection carries one request at a time and is kept; a request that finds none free opens one more, up to
`connections`. One signature is good for all requests of a minute, since they are equal byte for byte.

    standard input    a length (8 bytes), so much JSON (`Order`), then the send times (doubles); its end stops us
    standard output   lines of JSON: {"began": ...}, {"rows": [...]} a few times per second, at last {"ended": ...}

Times are seconds since `began`. A reader that is slow delays no request: what it has not taken yet waits here.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import select
import selectors
import socket
import struct
import time
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from labkit.loadtest import Answered
from labkit.simulation import FAILED, SERVED, THROTTLED

SIGNED_FOR_S = 60.0  # the emulator takes a signature for five minutes
REPORT_S = 0.2
CHUNK_BYTES = 65_536
HEAD_END = b"\r\n\r\n"
FIELD = re.compile(rb"\r\n([^:\r\n]+):[ \t]*([^\r\n]*)")


@dataclass(frozen=True, slots=True)
class Order:
    """What to send, to whom, and how long to wait for the last answers. The payload is base64."""

    url: str
    function: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str
    payload: str
    qualifier: str
    requests: int
    grace_s: float
    connections: int

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80

    def message(self, times: array[float]) -> bytes:
        """What the process reads from its standard input."""
        said = json.dumps(asdict(self)).encode()
        return struct.pack("=Q", len(said)) + said + times.tobytes()


class Schedule:
    """Which requests are due: a pure function of the time. `at` is the next one's number."""

    def __init__(self, times: Sequence[float]) -> None:
        self._times = times
        self.at = 0

    def due(self, now: float) -> int:
        """How many requests should have been sent by now and are not."""
        return bisect_right(self._times, now, self.at) - self.at

    def wait_s(self, now: float) -> float | None:
        """Until the next one; 0 if it is late, None after the last."""
        return max(0.0, self._times[self.at] - now) if self.at < len(self._times) else None

    @property
    def done(self) -> bool:
        return self.at >= len(self._times)


def request_bytes(order: Order) -> bytes:
    """The whole request, signed now."""
    from botocore.auth import SigV4Auth  # not on the way of a request
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    payload = base64.b64decode(order.payload)
    query = f"?Qualifier={quote(order.qualifier, safe='')}" if order.qualifier else ""
    target = f"/2015-03-31/functions/{quote(order.function, safe='')}/invocations{query}"
    request = AWSRequest("POST", order.url.rstrip("/") + target, data=payload)
    credentials = Credentials(order.access_key_id, order.secret_access_key, order.session_token or None)
    SigV4Auth(credentials, "lambda", order.region).add_auth(request)
    fields = {"Host": urlsplit(order.url).netloc, "Content-Length": str(len(payload)), **dict(request.headers)}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + payload


def answer_of(received: bytes | bytearray) -> tuple[int, str, str] | None:
    """Status, reason and request id of an answer; None while it is not whole. Raises ValueError if it is none."""
    end = received.find(HEAD_END)
    if end < 0:
        return None
    head = bytes(received[:end])
    fields = {name.lower(): value for name, value in FIELD.findall(head)}
    start = end + len(HEAD_END)
    if len(received) < start + int(fields.get(b"content-length", b"none")):
        return None
    request_id = fields.get(b"x-amzn-requestid", b"").decode("latin-1")
    code = int(head[9:12])
    if 200 <= code < 300:
        error = fields.get(b"x-amz-function-error", b"").decode("latin-1")
        return FAILED if error else SERVED, error, request_id
    said = _said(bytes(received[start:]))
    if code == 429:
        return THROTTLED, str(said.get("Reason") or "TooManyRequests"), request_id
    error_type = fields.get(b"x-amzn-errortype", b"").decode("latin-1")
    return FAILED, error_type or f"HTTP {code}", request_id


def _said(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


class Connection:
    """One kept connection and the request that it carries."""

    __slots__ = ("received", "request", "sent", "socket", "unsent")

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=5)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.unsent = memoryview(b"")
        self.request, self.sent = -1, 0.0

    def send(self) -> None:
        """As much as the socket takes. Raises OSError."""
        with suppress(BlockingIOError):
            while self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent) :]


class Outbox:
    """Lines for a reader who may be slow: what does not fit into the pipe waits."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: deque[memoryview] = deque()
        os.set_blocking(fd, False)

    def put(self, **said: object) -> None:
        self._waiting.append(memoryview(json.dumps(said).encode() + b"\n"))
        self.flush()

    def flush(self) -> None:
        with suppress(BlockingIOError):
            while self._waiting:
                written = os.write(self._fd, self._waiting[0])
                self._waiting[0] = self._waiting[0][written:]
                if not self._waiting[0]:
                    self._waiting.popleft()

    def flush_all(self) -> None:
        os.set_blocking(self._fd, True)
        self.flush()


class Sender:
    """See the module's docstring."""

    def __init__(self, order: Order, times: Sequence[float], *, control: int, output: int) -> None:
        self._order, self._schedule = order, Schedule(times)
        self._last = times[-1] if times else 0.0
        self._control = control
        self._out = Outbox(output)
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, None)
        self._free: list[Connection] = []
        self._busy: set[Connection] = set()
        self._rows: list[Answered] = []
        self._stopped = False
        self._starved, self._refused = 0, -1  # sent late because all connections were busy: how many, and the last
        self._message, self._signed_at = request_bytes(order), 0.0
        self._zero = self._reported = 0.0

    def run(self) -> None:
        """Sends everything, or until it is told to stop."""
        self._zero = self._signed_at = time.monotonic()
        self._out.put(began=time.time())
        while not self._over(now := self._now()):
            self._send_due(now)
            for key, _ in self._ready(self._now()):
                self._act(key.data)
            self._report(self._now())
        self._report(math.inf)
        unanswered = [(c.request, c.sent) for c in self._busy]
        self._out.put(ended=self._now(), unanswered=unanswered, starved=self._starved)
        for connection in (*self._free, *self._busy):
            connection.socket.close()
        self._selector.close()
        self._out.flush_all()

    def _now(self) -> float:
        return time.monotonic() - self._zero

    def _over(self, now: float) -> bool:
        if self._stopped or now > self._last + self._order.grace_s:
            return True
        return self._schedule.done and not self._busy

    # --- out

    def _send_due(self, now: float) -> None:
        for _ in range(self._schedule.due(now)):
            connection = self._connection()
            if connection is None:
                return
            self._send(connection)

    def _connection(self) -> Connection | None:
        if self._free:
            return self._free.pop()
        if len(self._busy) >= self._order.connections:
            self._refused = self._schedule.at
            return None
        try:
            made = Connection(self._order.address)
        except OSError:  # nobody listens, or no file is left: that request has failed
            now = self._now()
            self._rows.append(Answered(self._schedule.at, now, now, FAILED, "not connected", ""))
            self._schedule.at += 1
            return None
        self._selector.register(made.socket, selectors.EVENT_READ, made)
        return made

    def _send(self, connection: Connection) -> None:
        connection.request, connection.sent = self._schedule.at, self._now()
        self._starved += self._schedule.at == self._refused
        self._schedule.at += 1
        connection.received.clear()
        connection.unsent = memoryview(self._signed())
        self._busy.add(connection)
        self._push(connection)

    def _push(self, connection: Connection) -> None:
        try:
            connection.send()
        except OSError:
            self._lost(connection)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        if self._selector.get_key(connection.socket).events != events:
            self._selector.modify(connection.socket, events, connection)

    def _signed(self) -> bytes:
        if time.monotonic() - self._signed_at > SIGNED_FOR_S:
            self._message, self._signed_at = request_bytes(self._order), time.monotonic()
        return self._message

    # --- in

    def _ready(self, now: float) -> list[tuple[selectors.SelectorKey, int]]:
        """What can be read or written, as soon as there is something, at the latest when the next request is due."""
        starved = len(self._busy) >= self._order.connections
        until_due = None if starved else self._schedule.wait_s(now)
        wait_s = REPORT_S if until_due is None else min(until_due, REPORT_S)
        # epoll's own timeout counts in milliseconds; select on epoll's descriptor in microseconds
        if wait_s:
            select.select([self._selector], [], [], wait_s)
        return self._selector.select(0)

    def _act(self, connection: Connection | None) -> None:
        if connection is None:
            self._stopped = self._stopped or not os.read(self._control, CHUNK_BYTES)
            return
        if connection.socket.fileno() < 0:
            return
        if connection.unsent:
            self._push(connection)
        if connection.socket.fileno() >= 0:
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        now = self._now()
        if not data or connection not in self._busy:
            self._lost(connection)
            return
        connection.received += data
        try:
            answer = answer_of(connection.received)
        except ValueError:
            self._lost(connection, "answer cannot be read")
            return
        if answer is not None:
            self._rows.append(Answered(connection.request, connection.sent, now, *answer))
            self._busy.discard(connection)
            self._free.append(connection)

    def _lost(self, connection: Connection, reason: str = "connection lost") -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()
        if connection in self._busy:
            self._busy.discard(connection)
            self._rows.append(Answered(connection.request, connection.sent, self._now(), FAILED, reason, ""))
        else:
            self._free.remove(connection)

    def _report(self, now: float) -> None:
        self._out.flush()
        if self._rows and now - self._reported >= REPORT_S:
            self._out.put(rows=self._rows)
            self._rows, self._reported = [], now


def read_order(fd: int) -> tuple[Order, array[float]]:
    """The order and the send times; reads no byte further. Raises EOFError."""
    (length,) = struct.unpack("=Q", _exactly(fd, 8))
    order = Order(**json.loads(_exactly(fd, length)))
    times = array("d")
    times.frombytes(_exactly(fd, order.requests * times.itemsize))
    return order, times


def _exactly(fd: int, size: int) -> bytes:
    chunks = []
    while size:
        chunk = os.read(fd, min(size, 1 << 20))
        if not chunk:
            raise EOFError
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def main() -> None:
    # the other side has gone, which is as good as an order to stop
    with suppress(BrokenPipeError, EOFError):
        order, times = read_order(0)
        Sender(order, times, control=0, output=1).run()


if __name__ == "__main__":
    main()

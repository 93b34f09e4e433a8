"""Bad input at the front door: whatever comes, a well-formed answer of AWS's kind, no traceback, and a good next one.

One emulator of its own, whose standard error is read; requests go over raw sockets.
"""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import subprocess
import sys
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.process

TIMES = int(os.environ.get("FRONT_DOOR_TIMES", "1"))
KEY = Credentials("AKIAFUZZ", "s3cret")
INVOKE = "/2015-03-31/functions/echo/invocations"
FUNCTIONS = "/2015-03-31/functions"
GROWTH_BYTES = 64 * 1024 * 1024


def few(examples: int) -> settings:
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples * TIMES, deadline=None, derandomize=TIMES == 1, suppress_health_check=checks)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def error(self) -> str:
        """The code of an error of the API, whose body has a message; an unknown function URL's is null (recorded)."""
        said = json.loads(self.body)
        assert isinstance(said.get("message", said.get("Message")), str) or said == {"Message": None}, said
        return self.headers["x-amzn-errortype"]


class Emulator:
    """A real one, started without a shell's help; what it says is in a file."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._log = home / "log"
        environ = {
            **os.environ,
            "LABKIT_ACCESS_KEY_ID": KEY.access_key,
            "LABKIT_SECRET_ACCESS_KEY": KEY.secret_key,
            "LABKIT_SCRATCH": str(home / "scratch"),
        }
        argv = [sys.executable, "-m", "labkit.emulator", "--port", "0", "--state", str(home / "state")]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=log)
        self.port = int(self._process.stdout.readline().rsplit(b":", 1)[1])

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def memory_bytes(self) -> int:
        return psutil.Process(self._process.pid).memory_info().rss

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._process.stdout.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def raw(self, message: bytes, *, then_close: bool = True) -> Answer:
        """What these bytes are answered. The sending side is closed behind them."""
        with self.connect() as client:
            try:
                client.sendall(message)
                if then_close:
                    client.shutdown(socket.SHUT_WR)
            except OSError:  # it has hung up, and what it said may still be here
                pass
            return answer_of(client, "HEAD" if message.lstrip().startswith(b"HEAD") else None)

    def call(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        """A signed request."""
        return self.raw(self.signed(method, target, body, **headers), then_close=False)

    def signed(self, method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
        host = f"127.0.0.1:{self.port}"
        fields = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        request = AWSRequest(method, f"http://{host}{target}", headers=fields, data=body)
        SigV4Auth(KEY, "lambda", "us-east-1").add_auth(request)
        lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body

    def check(self) -> None:
        """It is well: a good request is answered, and nothing was said that has a traceback."""
        assert self.call("GET", f"{FUNCTIONS}/echo/configuration").status == 200
        assert "Traceback" not in self.log(), self.log()[-3000:]


def answer_of(client: socket.socket, method: str | None = None) -> Answer:
    response = HTTPResponse(client, method=method)
    response.begin()  # raises for what is no well-formed answer
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


CODE = "import os\ndef handler(event, context): return event\ndef environ(event, context): return dict(os.environ)\n"


def zipped(code: str) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", code)
    return base64.b64encode(buffer.getvalue()).decode()


def creation(name: str, **more: object) -> bytes:
    about = {"FunctionName": name, "Runtime": "python3.13", "Handler": "app.handler", "Timeout": 5}
    return json.dumps(
        {**about, "Role": "arn:aws:iam::123456789012:role/r", "Code": {"ZipFile": zipped(CODE)}} | more
    ).encode()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory) -> Iterator[Emulator]:
    running = Emulator(tmp_path_factory.mktemp("front-door"))
    try:
        assert running.call("POST", FUNCTIONS, creation("echo")).status == 201
        running.check()  # reading its configuration waits until it is active
        assert running.call("POST", INVOKE, b"{}").status == 200
        before = running.memory_bytes()
        yield running
        running.check()
        assert running.memory_bytes() - before < GROWTH_BYTES
        assert sorted(path.name for path in running.home.iterdir()) == ["log", "scratch", "state"]
    finally:
        running.stop()


# --- HTTP that is none ----------------------------------------------------------------------------------------


LINES = st.one_of(
    st.binary(max_size=60),
    st.tuples(
        st.sampled_from(
            [
                b"GET",
                b"POST",
                b"PUT",
                b"DELETE",
                b"PATCH",
                b"OPTIONS",
                b"HEAD",
                b"TRACE",
                b"CONNECT",
                b"PRI",
                b"get",
                b"PROPFIND",
                b"M-SEARCH",
            ]
        ),
        st.sampled_from([b" ", b"  ", b"\t", b""]),
        st.sampled_from(
            [
                b"/",
                b"*",
                b"",
                b"//",
                b"http://127.0.0.1/2015-03-31/functions",
                b"a:1",
                b"/%",
                b"/\xff",
                b"/%ff%00",
                b"/2015-03-31/functions/%zz",
                b"/?%ff=%",
                b"/_labkit/status",
                b"/lambda-url/x/",
                b"/lambda-url/abc/../%",
            ]
        ),
        st.sampled_from([b" ", b"", b"\0"]),
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"HTTP/1.1 x", b""]),
    ).map(b"".join),
)
FIELDS = st.sampled_from(
    [
        b"Host: 127.0.0.1",
        b"Host: localhost:1",
        b"Host: example.com",
        b"Host:",
        b"Host: [::1",
        b"Host: [x.localhost",
        b"Host: abc.lambda-url.us-east-1.localhost",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999999",
        b"Content-Length: 0",
        b"Content-Length: 5, 5",
        b"Content-Length: +5",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: x",
        b"Expect: 100-continue",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Upgrade: h2c",
        b"Connection: close",
        b"HTTP2-Settings: x",
        b" folded",
        b"No colon",
        b": nothing",
        b"A\0: b",
        b"a: \0",
        b"a: \xff\xfe",
        b"X-Amz-Invocation-Type: \xff",
        b"Authorization: AWS4-HMAC-SHA256",
        b"Authorization: \xff",
        b"Authorization: AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=x",
        b"Authorization: AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x",
        b"X-Amz-Date: 99999999T999999Z",
        b"X-Amz-Date: 20200101T000000Z",
        b"Date: Fri, 31 Dec 99999 99:99:99 GMT",
    ]
)
BODIES = st.sampled_from(
    [
        b"",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhel",
        b"-1\r\n",
        b"ffffffffffffffffff\r\n",
        b"0\r\nA: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ]
)


@few(120)
@given(LINES, st.lists(FIELDS, max_size=5), BODIES)
@example(b"GET / HTTP/1.1", [b"Host: [x.localhost"], b"")
@example(b"GET * HTTP/1.1", [b"Host: localhost:1"], b"")
@example(b"PROPFIND / HTTP/1.1", [b"Host: 127.0.0.1"], b"")
@example(b"GET /\xff HTTP/1.1", [b"Host: 127.0.0.1"], b"")
@example(b"GET / HTTP/1.1", [b"Host: 127.0.0.1", b"Host: example.com"], b"")
@example(b"GET / HTTP/1.1", [b"Host: 127.0.0.1", b"Connection: Upgrade", b"Upgrade: h2c"], b"")
@example(b"POST /2015-03-31/functions HTTP/1.1", [b"Host: 127.0.0.1", b"Content-Length: 5"], b"x")
@example(b"POST /2015-03-31/functions HTTP/1.1", [b"Host: 127.0.0.1", b"Transfer-Encoding: chunked"], b"5\r\nhel")
def test_any_bytes_are_answered(emulator, line, fields, body):
    message = b"\r\n".join([line, *fields, b"", body])
    answer = emulator.raw(message)
    assert 400 <= answer.status < 500, (answer.status, answer.body)
    if answer.body and answer.headers["content-type"] == "application/json":  # S3's are XML
        answer.error()
    emulator.check()


HEAD = b"GET /2015-03-31/functions HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (HEAD + b"A: " + b"b" * 400_000 + b"\r\n\r\n", 431),
        (HEAD + b"A: b\r\n" * 100_000 + b"\r\n", 431),
        (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 431),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Host: 127.0.0.1\r\n\r\n", 400),
        (HEAD + b"Content-Length: 10\r\n\r\nhalf", 403),
        (b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 403),
        (b"GET / HTTP/1.0\r\n\r\n", 403),
        (b"GET /2015-03-31/functions HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", 403),
    ],
)
def test_what_no_client_sends_is_refused(emulator, message, status):
    answer = emulator.raw(message)
    assert answer.status == status
    assert answer.error()
    emulator.check()


@few(20)
@given(st.binary(max_size=40), st.booleans())
@example(b"{", False)
@example(b"{}", True)
def test_a_body_that_breaks_off_is_not_acted_upon(emulator, sent, chunked):
    whole = emulator.signed(
        "POST", INVOKE + "?broken=1", sent, X_Amz_Content_Sha256="UNSIGNED-PAYLOAD", X_Amz_Invocation_Type="Event"
    )
    head = whole.partition(b"\r\n\r\n")[0].rpartition(b"\r\n")[0]
    length = (
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(sent or b"a") if chunked else b"Content-Length: 99\r\n\r\n"
    )
    answer = emulator.raw(head + b"\r\n" + length + sent)
    assert answer.status == 400
    assert answer.error() == "MalformedHttpRequestException"


def test_requests_in_one_segment_are_answered_in_their_order(emulator):
    with emulator.connect() as client:
        client.sendall(b"".join(emulator.signed("POST", INVOKE, b"%d" % n) for n in range(3)))
        client.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: client.recv(65536), b""))
    answers = said.split(b"HTTP/1.1 200 OK\r\n")
    assert [answer.partition(b"\r\n\r\n")[2] for answer in answers] == [b"", b"0", b"1", b"2"]


def test_requests_in_one_segment_meet_one_environment(emulator):
    """An answer is written before its environment is free; the next request waits until it is."""
    assert emulator.call("POST", FUNCTIONS, creation("alone")).status == 201
    assert emulator.call("GET", f"{FUNCTIONS}/alone/configuration").status == 200
    target = f"{FUNCTIONS}/alone/invocations"
    with emulator.connect() as client:
        client.sendall(b"".join(emulator.signed("POST", target, b"%d" % n) for n in range(5)))
        client.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: client.recv(65536), b""))
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 5
    assert len(json.loads(emulator.call("GET", "/_labkit/functions/alone/environments").body)) == 1
    assert len(json.loads(emulator.call("GET", "/_labkit/traces?function=alone").body)) == 5
    assert emulator.call("DELETE", f"{FUNCTIONS}/alone").status == 204


def test_connections_that_send_one_byte_keep_nobody_from_being_served(emulator):
    idle = [emulator.connect() for _ in range(200)]
    for client in idle:
        client.sendall(b"G")
    emulator.check()
    for client in idle:
        client.close()


@few(10)
@given(st.binary(max_size=200_000))
def test_who_still_sends_what_is_refused_reads_why(emulator, more):
    answer = emulator.raw(b"GET / HTTP/9.9\r\n\r\n" + more, then_close=False)
    assert (answer.status, answer.error()) == (400, "MalformedHttpRequestException")


def test_a_large_body_without_a_signature_is_refused_before_it_is_sent(emulator):
    for path in (FUNCTIONS, INVOKE, "/2021-11-15/functions/echo/response-streaming-invocations"):
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000000\r\n\r\n"
        answer = emulator.raw(head.encode(), then_close=False)
        assert (answer.status, answer.error()) == (403, "MissingAuthenticationTokenException")


# --- bodies ---------------------------------------------------------------------------------------------------

DOCUMENTS = [
    b"not json", b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b"NaN", b"[Infinity]", b"-Infinity", b'{"a": NaN}', b"\xff\xfe{\0}\0",
    "{}".encode("utf-16"), "{}".encode("utf-32"), b"\xff", b'"\xed\xa0\x80"', b"{}\0", b"\0", b"{'a': 1}", b'{"a": 1,}', b'"\n"', b"01", b"1.", b"+1", b"tru", b"{} {}", b'"\\x"', b'"\\u12"',
]  # fmt: skip


@pytest.mark.parametrize("body", DOCUMENTS, ids=lambda body: repr(body[:12]))
def test_an_event_that_is_no_json_is_refused(emulator, body):
    answer = emulator.call("POST", INVOKE, body)
    assert (answer.status, answer.error()) == (400, "InvalidRequestContentException")


@pytest.mark.parametrize("body", DOCUMENTS, ids=lambda body: repr(body[:12]))
def test_a_document_that_is_no_json_is_refused(emulator, body):
    answer = emulator.call("POST", FUNCTIONS, body)
    assert (answer.status, answer.error()) == (400, "SerializationException")


@pytest.mark.parametrize("body", [b"[]", b"1", b'"a"', b"true", b"1" * 5000, b'{"FunctionName": ' + b"1" * 5000 + b"}"])
def test_a_document_of_another_type_is_refused(emulator, body):
    answer = emulator.call("POST", FUNCTIONS, body)
    assert (answer.status, answer.error()) == (400, "SerializationException")


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (b'{"a": 1, "a": 2}', b'{"a": 2}'),
        (b"\xef\xbb\xbf[1]", b"[1]"),
        (b'["\\u0000"]', b'["\\u0000"]'),
        (b"1e5", b"100000.0"),
    ],
)
def test_unusual_json_reaches_the_handler(emulator, body, result):
    answer = emulator.call("POST", INVOKE, body)
    assert (answer.headers.get("x-amz-function-error"), answer.body) == (None, result)


def test_an_integer_that_python_does_not_read_is_json_and_an_error_of_the_runtime(emulator):
    answer = emulator.call("POST", INVOKE, b"1" * 5000)
    assert (answer.status, json.loads(answer.body)["errorType"]) == (200, "Runtime.UnmarshalError")


@few(60)
@given(
    st.sampled_from(["x-amz-client-context", "x-amz-invocation-type", "x-amzn-trace-id", "x-amz-log-type"]),
    st.one_of(
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60),
        st.binary(max_size=60).map(lambda b: base64.b64encode(b).decode()),
        st.just(base64.b64encode(b"[" * 2600).decode()),
    ),
)
@example("x-amz-client-context", base64.b64encode(b"[" * 2600).decode())
@example("x-amz-client-context", "\xe9")
@example("x-amzn-trace-id", "Root=\xff")
def test_any_text_in_an_invocations_headers_is_answered(emulator, name, text):
    answer = emulator.call("POST", INVOKE, b"{}", **{name: " ".join(text.split()) or "x"})
    assert answer.status in (200, 202, 204) or answer.error()
    assert answer.status < 500
    emulator.check()


# --- every operation, one member of it wrong ------------------------------------------------------------------

MODEL = Loader().load_service_model("lambda", "service-2")
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.sampled_from([10**400, -(10**30), 2**31, 2**63, 1e308, float("nan"), float("inf"), -1, 0]),
        st.floats(), st.text(max_size=20), st.sampled_from(["\ud800", "\0", "a" * 70_000, "../../x", "arn:aws:lambda:us-east-1:123456789012:function:other", "0001-01-01T00:00:00+14:00", "{", "é"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.sampled_from(["\ud800", "Pattern", "Filters"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:other"
KNOWN = {
    "RoleArn": "arn:aws:iam::123456789012:role/r",
    "Handler": "app.handler",
    "Version": "1",
    "VersionWithLatestPublished": "$LATEST",
    "Action": "lambda:InvokeFunction",
    "Principal": "*",
    "Arn": "arn:aws:sqs:us-east-1:123456789012:q",
    "FunctionArn": FUNCTION_ARN,
    "TaggableResource": FUNCTION_ARN,
    "KMSKeyArn": "",
}
PACKAGE = zipped(CODE)


def likely(name: str, depth: int = 0) -> object:
    """A value that a shape of the model may well accept."""
    shape = MODEL["shapes"][name]
    kind = shape["type"]
    if kind == "structure":
        wanted = shape.get("required") or (shape["members"] if depth else ())
        return {n: likely(shape["members"][n]["shape"], depth + 1) for n in wanted if depth < 3}
    if kind == "list":
        return [likely(shape["member"]["shape"], depth + 1)] if depth < 3 else []
    if kind == "map":
        return {"a": likely(shape["value"]["shape"], depth + 1)} if depth < 3 else {}
    if kind == "string":
        return shape.get("enum", [KNOWN.get(name, "other")])[0]
    return {"blob": PACKAGE, "boolean": True, "timestamp": 1}.get(kind, shape.get("min", 1))


def request_of(operation: str, replaced: str, value: object) -> tuple[str, str, bytes, dict[str, str]]:
    description = MODEL["operations"][operation]
    shape = MODEL["shapes"][description["input"]["shape"]]
    usual = likely(shape["members"][replaced]["shape"], 1)
    given_values = {**likely(description["input"]["shape"]), replaced: usual if value == "usual" else value}
    uri, query, headers, document = description["http"]["requestUri"], [], {}, {}
    for name, member in shape["members"].items():
        if name not in given_values:
            continue
        here, key, text = member.get("location"), member.get("locationName", name), texts(given_values[name])
        if here == "uri":
            quoted = urllib.parse.quote(text, safe="", errors="replace") or "%20"
            uri = uri.replace("{" + key + "}", quoted).replace("{" + key + "+}", quoted)
        elif here == "querystring":
            query.append((key, text))
        elif here == "header":
            headers[key] = " ".join(text.encode("ascii", "replace").decode()[:1000].split()) or "x"
        else:
            document[key] = given_values[name]
    payload = shape.get("payload")
    body = json.dumps(document.get(payload) if payload else document).encode()
    extra = urllib.parse.urlencode(query, errors="replace")
    return description["http"]["method"], uri + ("&" if "?" in uri else "?") + extra, body, headers


def texts(value: object) -> str:
    return value[:2000] if isinstance(value, str) else json.dumps(value)[:2000]


MEMBERS = [
    (operation, member)
    for operation, description in MODEL["operations"].items()
    if "input" in description
    for member in MODEL["shapes"][description["input"]["shape"]]["members"]
]


@few(400)
@given(st.sampled_from(MEMBERS), VALUES | st.just("usual"))
@example(("CreateEventSourceMapping", "MaximumRecordAgeInSeconds"), 10**400)
@example(("CreateFunction", "Timeout"), float("nan"))
@example(("CreateFunction", "Timeout"), 2**70)
@example(("UpdateFunctionConfiguration", "Description"), "\ud800")
@example(("TagResource", "Tags"), {"\ud800": "\ud800"})
@example(("CreateEventSourceMapping", "StartingPositionTimestamp"), 10**400)
def test_an_operation_with_one_odd_member_is_answered(emulator, member, value):
    emulator.call("POST", FUNCTIONS, creation("other"))  # unless it is there
    method, target, body, headers = request_of(*member, value)
    headers = {name: "".join(c for c in text if c >= " " and c != "\x7f") for name, text in headers.items()}
    answer = emulator.call(method, target, body, **headers)
    if answer.status >= 300:
        assert answer.error()
    assert answer.status < 500 or answer.status == 501, (answer, member, value)
    if answer.status < 300 and method != "GET":  # what was accepted must not break what comes later
        later = [
            emulator.call("GET", f"{FUNCTIONS}/other"),
            emulator.call("POST", f"{FUNCTIONS}/other/invocations", b"{}"),
        ]
        assert all(after.status < 500 for after in later), (later, member, value)


NAMES = st.one_of(
    st.text(min_size=1, max_size=150),
    st.sampled_from(
        [
            "..",
            ".",
            "a" * 65,
            "a:b:c:d",
            "arn:aws:lambda:::",
            "$LATEST",
            "a/b",
            "\0",
            "a b",
            "%",
            "\ud800",
            "-1",
            "é",
            "a:$LATEST",
            "a\nb",
        ]
    ),
)
PATHS = [
    "/2015-03-31/functions/{}", "/2015-03-31/functions/{}/invocations", "/2015-03-31/functions/echo?Qualifier={}", "/2015-03-31/functions/echo/aliases/{}", "/2015-03-31/functions/echo/policy/{}",
    "/2018-10-31/layers/{}/versions", "/2018-10-31/layers/{}/versions/1", "/2018-10-31/layers/a/versions/{}", "/2018-10-31/layers?find=LayerVersion&Arn={}", "/2017-03-31/tags/{}", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Aecho?tagKeys={}",
    "/2015-03-31/event-source-mappings/{}", "/2021-10-31/functions/{}/url", "/lambda-url/{}/x", "/2021-11-15/functions/{}/response-streaming-invocations", "/_labkit/logs/{}", "/_labkit/traces/{}", "/_labkit/packages/{}", "/_labkit/functions/{}/recycle",
    "/_labkit/advance?seconds={}", "/2015-03-31/functions?Marker={}&MaxItems={}",
]  # fmt: skip


@few(250)
@given(st.sampled_from(["GET", "POST", "DELETE", "PUT"]), st.sampled_from(PATHS), NAMES)
@example("GET", "/2015-03-31/functions?Marker={}&MaxItems={}", "9" * 19)
@example("GET", "/_labkit/advance?seconds={}", "nan")
def test_names_of_every_illegal_kind_are_answered(emulator, method, path, name):
    answer = emulator.call(method, path.replace("{}", urllib.parse.quote(name, safe="", errors="replace")), b"{}")
    if answer.status >= 300 and answer.body and "_labkit" not in path:
        assert answer.headers["x-amzn-errortype"]
    assert answer.status < 500 or answer.status == 501, answer
    assert (
        answer.status < 300
        or not answer.body
        or json.loads(answer.body) is None
        or isinstance(json.loads(answer.body), dict)
    )

"""Requests for other services than Lambda, passed on to moto as they came: path, headers (Host included) and body.

Which service a request is for stands in its signature: the credential scope of the Authorization header or, where an
address was presigned, of its query. Bodies are streamed both ways. That Host is kept makes the addresses right that
moto writes: the URL of a queue is the emulator's own.

A request passes if it is signed with a key that the lab knows (`signatures`). With `--iam` the gate has seen to that.

Without a signature, an object of S3 can be read, if it is public: GET and HEAD of `/BUCKET/KEY`, or of `/KEY` at the
host `BUCKET.s3.localhost` (or `BUCKET.s3.REGION.localhost`). moto looks at the bucket's policy and the object's ACL
then, but not for anything else: all else is refused here.
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from labkit.emulator.clients import CallFailed
from labkit.emulator.services import Services
from labkit.emulator.signatures import Caller, Signatures, caller_of
from labkit.emulator.signing import Verifier
from labkit.errors import RequestAborted, ServiceError, ServicesNotStarted

if TYPE_CHECKING:
    import httpcore

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Mapping[bytes, bytes]
Passed = Callable[[str, Scope], None]
"""Hears of a request that moto has answered: its service, and the request."""
Before = Callable[[str, str], Awaitable[None]]
"""Is told, before moto is, of the service and of the operation, if a header names it."""

Watcher = Callable[[str, str, str], Awaitable[None]]
"""Is told the method, path and region of each request that may have changed something of one service."""

S3_HOST = re.compile(rb"(?:([a-z0-9][a-z0-9.-]*)\.)?s3(?:\.[a-z0-9-]+)?\.localhost(?::\d+)?")
OBJECT_PATH = re.compile(r"/([a-z0-9][a-z0-9.-]{2,62})/.+", re.DOTALL)
NO_BUCKETS = re.compile(r"\d{4}-\d{2}-\d{2}|lambda-url|restapis|moto-api|latest")  # what paths begin with elsewhere
# of one connection only (RFC 9110, section 7.6.1), or answered by the front door already
NOT_PASSED_ON = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"expect"})
NOT_PASSED_BACK = NOT_PASSED_ON | {b"transfer-encoding", b"date", b"server"}
UNKNOWN_KEY = "The AWS Access Key Id you provided does not exist in our records."
UNKNOWN_TOKEN = "The security token included in the request is invalid."
FORBIDDEN, UNREACHABLE = 403, 503
UNAVAILABLE = "ServiceUnavailableException"


class Forwarding:
    """An ASGI application, for requests that `wanted` says are moto's."""

    def __init__(
        self,
        services: Services,
        verifier: Verifier | None = None,
        *,
        signatures: Signatures | None = None,
        before: Before | None = None,
        passed: Iterable[Passed] = (),
        watchers: Mapping[str, Sequence[Watcher]] | None = None,
    ) -> None:
        """`verifier` knows whose keys there are; `signatures` are verified here, if nobody has done so before.

        `passed` are told the service and the request when moto has answered it, before the caller has the answer.

        `before` and `watchers` are waited for; these are told, by service, of a change.
        """
        self._services = services
        self._verifier = verifier
        self._signatures = signatures
        self._before = before
        self._passed = tuple(passed)
        self._watchers = watchers or {}

    def wanted(self, headers: Headers, query: bytes, method: str = "", path: str = "") -> bool:
        """Whether a request is moto's. One for a public object is, if there may be any: if moto runs."""
        caller = caller_of(headers, query)
        if caller is not None:
            return caller.service != "lambda"
        if b"authorization" in headers:
            return False
        if S3_HOST.fullmatch(headers.get(b"host", b"")):
            return True
        return is_for_object(method, headers.get(b"host", b""), path) and self._services.pid is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        import httpcore  # a cold path: most labs never come here

        headers = dict(scope["headers"])
        caller = caller_of(headers, scope["query_string"])
        if refused := self._stranger(caller, scope, headers):
            await _refuse(send, FORBIDDEN, *refused)
            return
        try:
            if self._signatures and caller:
                receive = await self._signatures.verified(caller, scope, receive)
            if self._before and caller:
                await self._before(caller.service, headers.get(b"x-amz-target", b"").decode("latin-1"))
            pool = await self._services.reached()
            response = await pool.handle_async_request(_request(scope, receive))
        except ServiceError as error:
            await _refuse(send, *_wrong(caller.service if caller else "s3", headers, error))
        except (ServicesNotStarted, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            why = f"The mocked account does not answer: {error or type(error).__name__}"
            print(f"labkit: {why}", file=sys.stderr, flush=True)  # noqa: T201
            await _refuse(send, UNREACHABLE, b"application/json", UNAVAILABLE, _json(UNAVAILABLE, why))
        else:
            if caller:
                for told in self._passed:
                    told(caller.service, scope)
            try:
                await self._tell_watchers(caller, scope, response.status)
            except BaseException:
                await response.aclose()
                raise
            await _pass_back(response, send)

    def _stranger(self, caller: Caller | None, scope: Scope, headers: Headers) -> tuple[bytes, str, bytes] | None:
        """What is answered to whom nobody here knows."""
        if caller and self._verifier and not self._verifier.credentials(caller.access_key_id):
            return _unknown_caller(caller, headers)
        if caller is None and not is_for_object(scope["method"], headers.get(b"host", b""), scope["path"]):
            return _anonymous()
        return None

    async def _tell_watchers(self, caller: Caller | None, scope: Scope, status: int) -> None:
        """Before the client hears of its change, so that who asks next is answered after it."""
        if caller is None or status >= 300 or scope["method"] in ("GET", "HEAD"):
            return
        for watcher in self._watchers.get(caller.service, ()):
            try:
                await watcher(scope["method"], scope["path"], caller.region)
            except (CallFailed, ServicesNotStarted) as error:
                print(f"labkit: {scope['method']} {scope['path']}: {error}", file=sys.stderr, flush=True)  # noqa: T201


def is_for_object(method: str, host: bytes, path: str) -> bool:
    """Whether an unsigned request reads an object of S3."""
    if method not in ("GET", "HEAD"):
        return False
    if named := S3_HOST.fullmatch(host):
        return path != "/" if named[1] else bool(OBJECT_PATH.fullmatch(path))
    bucket = OBJECT_PATH.fullmatch(path)
    return bucket is not None and not NO_BUCKETS.fullmatch(bucket[1]) and b".localhost" not in host


def _request(scope: Scope, receive: Receive) -> httpcore.Request:
    import httpcore  # as above

    query: bytes = scope["query_string"]
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    fields = [(name, _host(value) if name == b"host" else value) for name, value in _passed_on(scope)]
    url = httpcore.URL(scheme=b"http", host=b"localhost", target=target)
    return httpcore.Request(scope["method"], url, headers=fields, content=_body(receive))


def _passed_on(scope: Scope) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in scope["headers"] if name not in NOT_PASSED_ON]


def _host(value: bytes) -> bytes:
    """`s3.localhost` names no bucket, which moto would take it for."""
    named = S3_HOST.fullmatch(value)
    return b"localhost" + value[value.rfind(b":") :] if named and not named[1] and b":" in value else value


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestAborted(
                "The request ended before it was whole."
            )  # and moto, too, gets no end of a body that has none
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _pass_back(response: httpcore.Response, send: Send) -> None:
    """A connection that breaks in the middle raises: the client's is then cut, too, as the answer is not whole."""
    fields = [(name.lower(), value) for name, value in response.headers if name.lower() not in NOT_PASSED_BACK]
    await send({"type": "http.response.start", "status": response.status, "headers": fields})
    try:
        async for chunk in response.aiter_stream():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await response.aclose()


def _anonymous() -> tuple[bytes, str, bytes]:
    """S3's answer to who may read public objects and nothing else."""
    text = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    return b"application/xml", "AccessDenied", text.encode()


def _unknown_caller(caller: Caller, headers: Headers) -> tuple[bytes, str, bytes]:
    """Content type, code and body of an error, in the form of the service's protocol: S3's XML, JSON or query."""
    if caller.service == "s3":
        code, key = "InvalidAccessKeyId", html.escape(caller.access_key_id, quote=False)
        text = (
            f"<Error><Code>{code}</Code><Message>{UNKNOWN_KEY}</Message><AWSAccessKeyId>{key}</AWSAccessKeyId></Error>"
        )
        return b"application/xml", code, text.encode()
    if b"json" in headers.get(b"content-type", b"") or b"x-amz-target" in headers:
        code = "UnrecognizedClientException"
        return b"application/x-amz-json-1.1", code, _json(code, UNKNOWN_TOKEN)
    code = "InvalidClientTokenId"
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{UNKNOWN_TOKEN}</Message></Error>"
    return b"text/xml", code, f"<ErrorResponse>{error}</ErrorResponse>".encode()


def _wrong(service: str, headers: Headers, error: ServiceError) -> tuple[int, bytes, str, bytes]:
    """Status, content type, code and body of what is said of a signature or a body that is not what it should be."""
    from labkit.emulator import refusals  # a cold path: they know IAM's words, too

    said = refusals.unsigned(service, headers, error)
    fields = dict(said.fields)
    return said.status, fields[b"content-type"], fields[b"x-amzn-errortype"].decode(), said.body


def _json(code: str, message: str) -> bytes:
    return json.dumps({"__type": code, "message": message}).encode()


async def _refuse(send: Send, status: int, kind: bytes, code: str, body: bytes) -> None:
    fields = [
        (b"content-type", kind),
        (b"content-length", b"%d" % len(body)),
        (b"x-amzn-errortype", code.encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})

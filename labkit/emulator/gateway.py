"""What an HTTP request to a function URL is as an event, and what a result is as an HTTP response. Pure functions.

Payload format 2.0: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html. What was recorded against AWS
(LocalStack's tests of function URLs): a JSON result comes back without blanks, a string result as it is, a status code
may be a string of digits, form data is base64. CORS: the API reference's `Cors`.

The rules who may come in (`is_public`): https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html; a URL made since
October 2025 needs two permissions, and every one here is newer.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from labkit.emulator.registry import Cors, PolicyStatement

JSON = "application/json"
TEXT_TYPE = re.compile(r"text/.+|application/(?:.+\+)?(?:json|xml|javascript)|application/(?:ecmascript|graphql)")
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"})
UNSENT = HOP_BY_HOP | {"content-length"}  # of a response: they are the server's own
FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
ALLOWANCE = frozenset(f"access-control-{name}" for name in ("allow-origin", "expose-headers", "allow-credentials"))

Fields = Sequence[tuple[str, str]]


class UnusableResultError(Exception):
    """A result that is no HTTP response. A caller sees 502, as on AWS."""


class HttpRequest(msgspec.Struct, frozen=True):
    """`path` is what follows the URL's own address, `query` what follows `?`: both as they were sent."""

    method: str
    path: str
    query: str
    headers: Fields
    body: bytes
    source_ip: str = "127.0.0.1"
    protocol: str = "HTTP/1.1"

    def header(self, name: str) -> str:
        return ",".join(value for key, value in self.headers if key.lower() == name)


class HttpResponse(msgspec.Struct, frozen=True):
    status: int
    headers: Fields
    body: bytes = b""


class Caller(msgspec.Struct, frozen=True):
    """Who signed a request to a URL with AuthType AWS_IAM."""

    account_id: str
    access_key: str
    arn: str


# --- in -----------------------------------------------------------------------------------------------------


def event_of(
    request: HttpRequest, *, url_id: str, request_id: str, trace_id: str, now: float, caller: Caller | None = None
) -> dict[str, Any]:
    """The event of a request."""
    headers = event_headers(request.headers)
    cookies = [c.strip() for c in request.header("cookie").replace(",", ";").split(";") if c.strip()]
    forwarded = {
        "x-amzn-trace-id": trace_id,
        "x-forwarded-for": request.source_ip,
        "x-forwarded-port": headers.get("host", "").rpartition(":")[2],
        "x-forwarded-proto": "http",
    }
    body, encoded = event_body(request.body, headers.get("content-type", ""))
    parameters = query_parameters(request.query)
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        **({"cookies": cookies} if cookies else {}),
        "headers": headers | forwarded,
        **({"queryStringParameters": parameters} if parameters else {}),
        "requestContext": _context(request, headers, url_id=url_id, request_id=request_id, now=now, caller=caller),
        **({"body": body} if body else {}),
        "isBase64Encoded": encoded,
    }


def event_headers(fields: Fields) -> dict[str, str]:
    """Names in lower case, the values of a repeated one joined by commas; cookies have a place of their own."""
    joined: dict[str, str] = {}
    for name, value in fields:
        key = name.lower()
        if key != "cookie" and key not in HOP_BY_HOP:
            joined[key] = f"{joined[key]},{value}" if key in joined else value
    return joined


def query_parameters(query: str) -> dict[str, str]:
    """Decoded, the values of a repeated name joined by commas."""
    joined: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def event_body(body: bytes, content_type: str) -> tuple[str, bool]:
    """A body as text, and whether that is base64: always but for the types that are known to be text."""
    if not body:
        return "", False
    if TEXT_TYPE.fullmatch(content_type.partition(";")[0].strip().lower()):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def _context(
    request: HttpRequest,
    headers: Mapping[str, str],
    *,
    url_id: str,
    request_id: str,
    now: float,
    caller: Caller | None,
) -> dict[str, Any]:
    iam = {
        "accessKey": caller.access_key,
        "accountId": caller.account_id,
        "callerId": caller.account_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": caller.arn,
        "userId": caller.account_id,
    } if caller else None  # fmt: skip
    return {
        "accountId": caller.account_id if caller else "anonymous",
        "apiId": url_id,
        **({"authorizer": {"iam": iam}} if iam else {}),
        "domainName": headers.get("host", ""),
        "domainPrefix": url_id,
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now * 1000),
    }


# --- out ----------------------------------------------------------------------------------------------------


def response_of(payload: bytes) -> HttpResponse:
    """The response that a function's result means. Raises UnusableResultError."""
    result = _document(payload)
    if isinstance(result, str):
        return HttpResponse(200, (("content-type", JSON),), result.encode("utf-8", "surrogatepass"))
    if not isinstance(result, dict) or "statusCode" not in result:
        return HttpResponse(200, (("content-type", JSON),), _compact(result))
    head = head_of(result)
    return HttpResponse(head.status, head.headers, _body(result))


def head_of(result: Mapping[str, Any]) -> HttpResponse:
    """Status, headers and cookies of a result with a `statusCode`. Raises UnusableResultError."""
    status = result["statusCode"]
    if isinstance(status, str) and status.isascii() and status.isdigit():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise UnusableResultError(f"statusCode {status!r}")
    headers = [field for name, value in _mapping(result.get("headers")) for field in [_field(name, value)]]
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", JSON))
    cookies = result.get("cookies") or []
    if not isinstance(cookies, list):
        raise UnusableResultError("cookies must be a list")
    sent = [field for field in headers if field[0] not in UNSENT]
    return HttpResponse(status, (*sent, *(_field("set-cookie", cookie) for cookie in cookies)))


def split_prelude(data: bytes, end: bytes) -> tuple[HttpResponse, bytes] | None:
    """The head that a streamed response begins with, and what follows it; None while its end has not come."""
    prelude, found, rest = data.partition(end)
    if not found:
        return None
    head = _document(prelude)
    if not isinstance(head, dict):
        raise UnusableResultError("the head of the stream is no object")
    return head_of({"statusCode": 200, **head}), rest


def _document(payload: bytes) -> Any:
    try:
        return json.loads(payload) if payload else None
    except (ValueError, RecursionError):
        raise UnusableResultError("no JSON") from None


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _mapping(value: object) -> Iterable[tuple[str, object]]:
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise UnusableResultError("headers must be an object")
    return value.items()


def _field(name: str, value: object) -> tuple[str, str]:
    """A header as it is sent; neither its name nor its value may begin another one."""
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str | int | float) or not FIELD_NAME.fullmatch(name):
        raise UnusableResultError(f"header {name}")
    text = str(value)
    if any((ord(c) < 32 and c != "\t") or ord(c) == 127 or ord(c) > 255 for c in text):
        raise UnusableResultError(f"header {name}")
    return name.lower(), text


def _body(result: Mapping[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        return _compact(body)
    if not result.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise UnusableResultError("body is no base64") from None


# --- who may come in ----------------------------------------------------------------------------------------


def is_public(statements: Iterable[PolicyStatement]) -> bool:
    """Whether a policy lets anybody through a URL with AuthType NONE: both permissions, for everybody."""
    applying = [s for s in statements if s.principal == "*" and not _is_narrowed(s)]
    through = any(s.action in ("lambda:InvokeFunctionUrl", "lambda:*") for s in applying)
    return through and any(s.action in ("lambda:InvokeFunction", "lambda:*") for s in applying)


def _is_narrowed(statement: PolicyStatement) -> bool:
    """Whether a condition keeps an anonymous request through a URL out."""
    sources = (statement.source_arn, statement.source_account, statement.organisation, statement.event_source_token)
    return any(sources) or statement.url_auth_type == "AWS_IAM" or statement.via_url is False


# --- web pages ----------------------------------------------------------------------------------------------


def is_preflight(request: HttpRequest) -> bool:
    return (
        request.method == "OPTIONS"
        and bool(request.header("origin"))
        and bool(request.header("access-control-request-method"))
    )


def preflight(cors: Cors, request: HttpRequest) -> HttpResponse:
    """The answer to a browser's question before a request; the function does not see it. `with_cors` says the rest."""
    if not allowance(cors, request.header("origin")):
        return HttpResponse(200, ())
    fields = (
        ("access-control-allow-methods", ",".join(cors.allow_methods or ())),
        ("access-control-allow-headers", ",".join(cors.allow_headers or ())),
        ("access-control-max-age", "" if cors.max_age_s is None else str(cors.max_age_s)),
    )
    return HttpResponse(200, tuple(field for field in fields if field[1]))


def allowance(cors: Cors, origin: str) -> list[tuple[str, str]]:
    """The headers that let a page of this origin read a response; none if it may not."""
    origins = cors.allow_origins or ()
    if not origin or ("*" not in origins and origin not in origins):
        return []
    anybody = "*" in origins and not cors.allow_credentials
    fields = [("access-control-allow-origin", "*" if anybody else origin)]
    if not anybody:
        fields.append(("vary", "Origin"))
    if cors.expose_headers:
        fields.append(("access-control-expose-headers", ",".join(cors.expose_headers)))
    if cors.allow_credentials:
        fields.append(("access-control-allow-credentials", "true"))
    return fields


def with_cors(response: HttpResponse, cors: Cors | None, origin: str) -> HttpResponse:
    """The response under the URL's own CORS settings, which replace whatever the function said of it."""
    if cors is None:
        return response
    own = [field for field in response.headers if field[0] not in ALLOWANCE]
    return HttpResponse(response.status, (*own, *allowance(cors, origin)), response.body)

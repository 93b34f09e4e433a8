"""PURE: the HTTP response that a function's result means behind a proxy integration. Raises UnusableResultError.

Payload 1.0 (REST, and HTTP APIs that want it): nothing is mandatory, nothing else may be there; a body is a string
(recorded: LocalStack's `_is_lambda_response_valid`; developer guide, "Output format of a Lambda function for proxy
integration"). Payload 2.0 infers a response where there is no `statusCode` ("Working with AWS Lambda proxy integrations
for HTTP APIs"), which function URLs do as well. Not verified: the default type `text/plain` of a 2.0 response.

Headers that would be API Gateway's own are renamed `x-amzn-Remapped-...` by a REST API ("Amazon API Gateway important
notes").
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

from labkit.emulator import gateway
from labkit.emulator.apigateway.calls import is_binary
from labkit.emulator.gateway import FIELD_NAME, JSON, UNSENT, HttpResponse, UnusableResultError

PROXY_KEYS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
REMAPPED = frozenset({"authorization", "connection", "content-length", "content-md5", "date", "host", "server"}) | {
    "user-agent",
    "www-authenticate",
}


def proxy_response(payload: bytes, *, binary_types: Iterable[str], accept: str, remaps: bool = True) -> HttpResponse:
    """What a result in the form of payload 1.0 means."""
    result = _object(payload)
    if unknown := result.keys() - PROXY_KEYS:
        raise UnusableResultError(f"{', '.join(sorted(unknown))} is no part of a response")
    status = _status(result.get("statusCode"))
    fields = [*_headers(result.get("headers"), result.get("multiValueHeaders"), remaps=remaps)]
    if not any(name.lower() == "content-type" for name, _ in fields):
        fields.append(("content-type", JSON))
    body = result.get("body")
    if body is not None and not isinstance(body, str):
        raise UnusableResultError("body must be a string")
    encoded = (body or "").encode("utf-8", "surrogatepass")
    if result.get("isBase64Encoded") and is_binary(accept, binary_types):
        encoded = decoded(body or "")
    return HttpResponse(status, tuple(fields), encoded)


def inferred_response(payload: bytes) -> HttpResponse:
    """What a result in the form of payload 2.0 means."""
    response = gateway.response_of(payload)
    try:
        result = json.loads(payload) if payload else None
    except ValueError:
        raise UnusableResultError("no JSON") from None
    if isinstance(result, dict) and "statusCode" in result:
        named = {str(name).lower() for name in result.get("headers") or {}}
        if "content-type" not in named:
            text = ("content-type", "text/plain; charset=utf-8")
            kept = tuple(text if name == "content-type" else (name, value) for name, value in response.headers)
            return HttpResponse(response.status, kept, response.body)
    return response


def decoded(body: str) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise UnusableResultError("body is no base64") from None


def _object(payload: bytes) -> dict[str, Any]:
    try:
        result = json.loads(payload)
    except (ValueError, RecursionError):
        raise UnusableResultError("no JSON") from None
    if not isinstance(result, dict):
        raise UnusableResultError(f"a {type(result).__name__}, not an object")
    return result


def _status(given: object) -> int:
    """A whole number, or text of digits; without one, 200."""
    if given is None:
        return 200
    text = str(given)
    if isinstance(given, bool) or not isinstance(given, int | str) or not (text.isascii() and text.isdigit()):
        raise UnusableResultError(f"statusCode {given!r}")
    if not 100 <= int(text) <= 599:
        raise UnusableResultError(f"statusCode {given!r}")
    return int(text)


def _headers(single: object, several: object, *, remaps: bool) -> Iterable[tuple[str, str]]:
    """Both maps; a name in both is what `multiValueHeaders` says."""
    if not isinstance(single or {}, dict) or not isinstance(several or {}, dict):
        raise UnusableResultError("headers must be an object")
    values: dict[str, list[object]] = {}
    for name, value in dict(single or {}).items():  # type: ignore[call-overload]
        values[name.lower()] = [value]
    for name, given in dict(several or {}).items():  # type: ignore[call-overload]
        values[name.lower()] = given if isinstance(given, list) else [given]
    for name, given in values.items():
        for value in given:
            yield from _field(name, value, remaps=remaps)


def _field(name: str, value: object, *, remaps: bool) -> Iterable[tuple[str, str]]:
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str | int | float) or not FIELD_NAME.fullmatch(name):
        raise UnusableResultError(f"header {name}")
    text = str(value)
    if any((ord(c) < 32 and c != "\t") or ord(c) == 127 or ord(c) > 255 for c in text):
        raise UnusableResultError(f"header {name}")
    if remaps and name in REMAPPED:
        yield f"x-amzn-remapped-{name}", text
    elif name not in UNSENT:
        yield name, text


def with_headers(response: HttpResponse, fields: Mapping[str, str]) -> HttpResponse:
    return HttpResponse(response.status, (*response.headers, *fields.items()), response.body)

"""PURE: what API Gateway answers by itself, when no integration does, and what an API's owner made of it.

Types and their codes: developer guide, "Gateway response types for API Gateway". Names of errors in `x-amzn-errortype`
and messages: recorded by LocalStack (`gateway_response.py`) and in public reports. A customised response is found by
its type, else by DEFAULT_4XX or DEFAULT_5XX; its templates know simple variables only, no Velocity ("Gateway responses
in API Gateway").
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.emulator.apigateway.configuration import GatewayResponse
from labkit.emulator.gateway import JSON, HttpRequest, HttpResponse, query_parameters

DEFAULT_TEMPLATE = '{"message":$context.error.messageString}'
VARIABLE = re.compile(
    r"\$(context|stageVariables|method\.request\.(?:header|querystring))\.([\w.-]*\w)|\$\{(?P<f>[\w.-]+)\}"
)


Variables = Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Kind:
    status: int
    error_type: str
    message: str | None


KINDS: Mapping[str, Kind] = {
    "ACCESS_DENIED": Kind(403, "AccessDeniedException", "User is not authorized to access this resource"),
    "API_CONFIGURATION_ERROR": Kind(500, "InternalServerErrorException", "Internal server error"),
    "AUTHORIZER_CONFIGURATION_ERROR": Kind(500, "AuthorizerConfigurationException", None),
    "AUTHORIZER_FAILURE": Kind(500, "AuthorizerFailureException", None),
    "BAD_REQUEST_BODY": Kind(400, "BadRequestException", "Invalid request body"),
    "BAD_REQUEST_PARAMETERS": Kind(400, "BadRequestException", "Missing required request parameters"),
    "EXPIRED_TOKEN": Kind(403, "ExpiredTokenException", "The security token included in the request is expired"),
    "INTEGRATION_FAILURE": Kind(504, "InternalServerErrorException", "Internal server error"),
    "INTEGRATION_TIMEOUT": Kind(504, "InternalServerErrorException", "Endpoint request timed out"),
    "INVALID_API_KEY": Kind(403, "ForbiddenException", "Forbidden"),
    "INVALID_SIGNATURE": Kind(403, "InvalidSignatureException", "The request signature does not match"),
    "MISSING_AUTHENTICATION_TOKEN": Kind(403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    "QUOTA_EXCEEDED": Kind(429, "LimitExceededException", "Limit Exceeded"),
    "REQUEST_TOO_LARGE": Kind(413, "RequestTooLargeException", "Request Too Long"),
    "THROTTLED": Kind(429, "TooManyRequestsException", "Too Many Requests"),
    "UNAUTHORIZED": Kind(401, "UnauthorizedException", "Unauthorized"),
    "UNSUPPORTED_MEDIA_TYPE": Kind(415, "BadRequestException", "Unsupported Media Type"),
    "DEFAULT_4XX": Kind(400, "BadRequestException", "Bad Request"),
    "DEFAULT_5XX": Kind(500, "InternalServerErrorException", "Internal server error"),
}


class Failure(Exception):
    """API Gateway answers instead of the integration. `why` is for the emulator's log, not for the caller."""

    def __init__(self, kind: str, message: str | None = None, *, status: int | None = None, why: str = "") -> None:
        super().__init__(f"{kind}: {why or message}")
        known = KINDS[kind]
        self.kind, self.status, self.error_type = kind, status or known.status, known.error_type
        self.message = known.message if message is None else message
        self.why = why


def malformed(why: str) -> Failure:
    """502: a function failed, or its result is no response of a proxy integration."""
    return Failure("DEFAULT_5XX", status=502, why=why)


def answer(
    failure: Failure,
    custom: Mapping[str, GatewayResponse],
    context: Mapping[str, Any],
    variables: Mapping[str, str],
    request: HttpRequest,
) -> HttpResponse:
    """The response to a failure, under the API's gateway responses."""
    made = custom.get(failure.kind)
    fallback = custom.get("DEFAULT_4XX" if failure.status < 500 else "DEFAULT_5XX")
    chosen = made or fallback or GatewayResponse()
    known = _known(failure, context, variables, request)
    media_type, template = _template(chosen.templates, request.header("accept"))
    if template is None and failure.kind == "ACCESS_DENIED":  # recorded with a capital M
        body = json.dumps({"Message": failure.message}, separators=(",", ":"))
    else:
        body = VARIABLE.sub(known, DEFAULT_TEMPLATE if template is None else template)
    fields = [("content-type", media_type), ("x-amzn-errortype", failure.error_type)]
    for name, source in chosen.parameters.items():
        place, _, header = name.partition("gatewayresponse.header.")
        if not place and header:
            fields.append((header, _parameter(source, known)))
    return HttpResponse(chosen.status or failure.status, tuple(fields), body.encode("utf-8", "replace"))


def _template(templates: Mapping[str, str], accept: str) -> tuple[str, str | None]:
    wanted = accept.partition(",")[0].partition(";")[0].strip()
    for media_type in (wanted, JSON, *templates):
        if media_type in templates:
            return media_type, templates[media_type]
    return JSON, None


def _parameter(source: str, known: Variables) -> str:
    """`'a literal'`, or a variable without its `$`."""
    if source.startswith("'") and source.endswith("'"):
        return source[1:-1]
    return VARIABLE.sub(known, f"${source}")


def _known(
    failure: Failure, context: Mapping[str, Any], variables: Mapping[str, str], request: HttpRequest
) -> Variables:
    """The text of each variable."""
    error = {
        "message": failure.message or "",
        "messageString": json.dumps(failure.message),
        "responseType": failure.kind,
        "validationErrorString": failure.why,
    }
    places: dict[str, Any] = {"context": {**context, "error": error}, "stageVariables": variables}

    def value(found: re.Match[str]) -> str:
        place, name = (found[1], found[2]) if found[1] else found["f"].partition(".")[::2]
        if place.startswith("method.request.header"):
            return request.header(name.lower())
        if place.startswith("method.request.querystring"):
            return query_parameters(request.query).get(name, "")
        node: Any = places.get(place)
        for part in name.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        return "" if node is None else str(node)

    return value

"""PURE: one request on its way through an API, and what is known of it: `$context`, and the event of payload 1.0.

The event of a REST API is recorded against AWS (LocalStack's `test_lambda_aws_proxy_integration`, July 2024): header
names as they were sent but for `Authorization` and `User-Agent`, paths and path parameters still encoded, the last of
several values where there is room for one, null where there is nothing. Headers that CloudFront adds are left out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from labkit.emulator.apigateway.configuration import (
    HttpApi,
    Method,
    Resource,
    RestApi,
    RestDefinition,
    Route,
    Stage,
)
from labkit.emulator.gateway import HOP_BY_HOP, Fields, HttpRequest

CAPITALISED = frozenset({"authorization", "user-agent"})
NOT_IN_EVENT = HOP_BY_HOP | {"content-length"}
NOBODY = (
    "cognitoIdentityPoolId",
    "accountId",
    "cognitoIdentityId",
    "caller",
    "principalOrgId",
    "accessKey",
    "cognitoAuthenticationType",
    "cognitoAuthenticationProvider",
    "userArn",
    "user",
)


@dataclass(frozen=True, slots=True)
class Visit:
    """A request, before anybody knows what it is for: `request.path` is what follows the stage."""

    request: HttpRequest
    stage: str
    full_path: str
    request_id: str
    extended_id: str
    trace_id: str
    now: float
    account_id: str
    scope: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class RestCall:
    """A request that has found its method. The three dicts grow as it is let through."""

    visit: Visit
    api: RestApi
    stage: Stage
    definition: RestDefinition
    resource: Resource
    method: Method
    parameters: Mapping[str, str]
    identity: dict[str, Any] = field(default_factory=dict)
    authorizer: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    """Headers that the integration adds for its function."""

    @property
    def request(self) -> HttpRequest:
        return self.visit.request

    def source_arn(self, path: str) -> str:
        verb = self.request.method
        return _arn(self.visit, self.api.region, f"{self.api.api_id}/{self.stage.name}/{verb}/{path}")

    @property
    def method_arn(self) -> str:
        """The method as a policy of an authorizer names it."""
        return self.source_arn(self.request.path.strip("/"))

    def context(self) -> dict[str, Any]:
        """`requestContext`, `$context`."""
        request = self.request
        who = {"sourceIp": request.source_ip, "userAgent": request.header("user-agent") or None}
        identity: dict[str, Any] = dict.fromkeys(NOBODY) | who
        return {
            "resourceId": self.resource.resource_id,
            **({"authorizer": self.authorizer} if self.authorizer else {}),
            "resourcePath": self.resource.path,
            "httpMethod": request.method,
            "extendedRequestId": self.visit.extended_id,
            "requestTime": spelt(self.visit.now),
            "path": self.visit.full_path,
            "accountId": self.visit.account_id,
            "protocol": request.protocol,
            "stage": self.stage.name,
            "domainPrefix": self.api.api_id,
            "requestTimeEpoch": int(self.visit.now * 1000),
            "requestId": self.visit.request_id,
            "identity": identity | self.identity,
            "domainName": request.header("host"),
            "deploymentId": self.stage.deployment_id,
            "apiId": self.api.api_id,
        }


@dataclass(slots=True)
class HttpCall:
    """A request that has found its route."""

    visit: Visit
    api: HttpApi
    stage: Stage
    route: Route
    parameters: Mapping[str, str]
    authorizer: dict[str, Any] = field(default_factory=dict)

    @property
    def request(self) -> HttpRequest:
        return self.visit.request

    def source_arns(self) -> tuple[str, ...]:
        """The route as permissions name it: with its variables as they are, and as `*`."""
        verb, _, path = self.route.key.partition(" ")
        if not path:
            paths: Iterable[str] = ("$default",)
        else:
            plain = path.strip("/")
            starred = "/".join("*" if part.startswith("{") else part for part in plain.split("/"))
            used = self.request.method if verb == "ANY" else verb
            paths = (f"{used}/{plain}", f"{used}/{starred}")
        return tuple(_arn(self.visit, self.api.region, f"{self.api.api_id}/{self.stage.name}/{p}") for p in paths)

    @property
    def route_arn(self) -> str:
        path = self.request.path.strip("/")
        return _arn(self.visit, self.api.region, f"{self.api.api_id}/{self.stage.name}/{self.request.method}/{path}")


def _arn(visit: Visit, region: str, resource: str) -> str:
    return f"arn:aws:execute-api:{region}:{visit.account_id}:{resource}"


def spelt(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


# --- parts of an event ----------------------------------------------------------------------------------------


def forwarded(visit: Visit) -> Fields:
    """The headers that API Gateway adds."""
    port = visit.request.header("host").rpartition(":")[2]
    return (
        ("X-Amzn-Trace-Id", visit.trace_id),
        ("X-Forwarded-For", visit.request.source_ip),
        ("X-Forwarded-Port", port if port.isdigit() else "80"),
        ("X-Forwarded-Proto", "http"),
    )


def header_values(visit: Visit) -> dict[str, list[str]]:
    """All values of each header, by its name as it was sent first."""
    added = forwarded(visit)
    replaced = {name.lower() for name, _ in added}
    values: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for name, value in visit.request.headers:
        key = name.lower()
        if key in NOT_IN_EVENT or key in replaced:
            continue
        shown = names.setdefault(key, name.title() if key in CAPITALISED or key == "host" else name)
        values.setdefault(shown, []).append(value)
    return values | {name: [value] for name, value in added}


def query_values(query: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return values


def last_of(values: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: several[-1] for name, several in values.items()}


def is_binary(media_type: str, binary_types: Iterable[str]) -> bool:
    """Whether the first of these media types is one of an API's `binaryMediaTypes`.

    >>> is_binary("image/png;q=1, text/html", ["image/*"])
    True
    """
    first = media_type.partition(",")[0].partition(";")[0].strip().lower()
    if not first:
        return "*/*" in binary_types
    kind = first.partition("/")[0]
    return any(wanted.lower() in ("*/*", first, f"{kind}/*") for wanted in binary_types)


def text_or_base64(body: bytes, *, binary: bool) -> tuple[str | None, bool]:
    """What is no text of UTF-8 is damaged on its way if the API does not know it as binary, as on AWS."""
    if not body:
        return None, False
    return (base64.b64encode(body).decode(), True) if binary else (body.decode("utf-8", "replace"), False)


def proxy_event(call: RestCall) -> dict[str, Any]:
    """The event of `AWS_PROXY`."""
    event = request_parts(call)
    binary = is_binary(call.request.header("content-type"), call.definition.binary_types)
    event["body"], event["isBase64Encoded"] = text_or_base64(call.request.body, binary=binary)
    for name, value in call.headers.items():
        event["headers"][name] = value
        event["multiValueHeaders"][name] = [value]
    return event


def request_parts(call: RestCall) -> dict[str, Any]:
    """The event without the body, which is what a REQUEST authorizer gets too."""
    headers, query = header_values(call.visit), query_values(call.request.query)
    return {
        "resource": call.resource.path,
        "path": call.request.path,
        "httpMethod": call.request.method,
        "headers": last_of(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": last_of(query) or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(call.parameters) or None,
        "stageVariables": dict(call.stage.variables) or None,
        "requestContext": call.context(),
    }

"""PURE: the event of a route of an HTTP API, in payload format 2.0 or 1.0.

"Working with AWS Lambda proxy integrations for HTTP APIs". Format 2.0 is the function URL's with a route; its paths are
decoded (recorded: the events in hanabu/lambda-web) and have the stage, unless it is `$default`. Format 1.0 is the REST
API's with a `version`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import msgspec

from labkit.emulator import gateway
from labkit.emulator.apigateway.calls import HttpCall, header_values, last_of, query_values, spelt


def request_event(call: HttpCall, version: str) -> dict[str, Any]:
    return event_v1(call) if version == "1.0" else event_v2(call)


def event_v2(call: HttpCall) -> dict[str, Any]:
    visit = call.visit
    path = unquote(visit.full_path)
    event = gateway.event_of(
        msgspec.structs.replace(call.request, path=path),
        url_id=call.api.api_id,
        request_id=visit.extended_id,
        trace_id=visit.trace_id,
        now=visit.now,
    )
    event["routeKey"] = call.route.key
    event["requestContext"] |= {
        "accountId": visit.account_id,
        "routeKey": call.route.key,
        "stage": call.stage.name,
    }
    if call.authorizer:
        event["requestContext"]["authorizer"] = call.authorizer
    if call.parameters:
        event["pathParameters"] = dict(call.parameters)
    if call.stage.variables:
        event["stageVariables"] = dict(call.stage.variables)
    return event


def event_v1(call: HttpCall) -> dict[str, Any]:
    request, visit = call.request, call.visit
    headers, query = header_values(visit), query_values(request.query)
    body, encoded = gateway.event_body(request.body, request.header("content-type"))
    path = unquote(visit.full_path)
    return {
        "version": "1.0",
        "resource": call.route.key.partition(" ")[2] or call.route.key,
        "path": path,
        "httpMethod": request.method,
        "headers": last_of(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": last_of(query) or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": _context_v1(call, path),
        "pathParameters": dict(call.parameters) or None,
        "stageVariables": dict(call.stage.variables) or None,
        "body": body or None,
        "isBase64Encoded": encoded,
    }


def _context_v1(call: HttpCall, path: str) -> dict[str, Any]:
    request, visit = call.request, call.visit
    nobody = ("accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType")
    identity = dict.fromkeys((*nobody, "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId"))
    return {
        "accountId": visit.account_id,
        "apiId": call.api.api_id,
        "authorizer": authorizer_v1(call),
        "domainName": request.header("host"),
        "domainPrefix": call.api.api_id,
        "extendedRequestId": visit.extended_id,
        "httpMethod": request.method,
        "identity": {
            **identity,
            "sourceIp": request.source_ip,
            "user": None,
            "userAgent": request.header("user-agent"),
            "userArn": None,
        },
        "path": path,
        "protocol": request.protocol,
        "requestId": visit.extended_id,
        "requestTime": spelt(visit.now),
        "requestTimeEpoch": int(visit.now * 1000),
        "resourceId": call.route.key,
        "resourcePath": call.route.key.partition(" ")[2] or call.route.key,
        "stage": call.stage.name,
    }


def authorizer_v1(call: HttpCall) -> dict[str, Any] | None:
    """In format 1.0 the claims, or what a function said, stand at the top."""
    if "jwt" in call.authorizer:
        return dict(call.authorizer["jwt"])
    return dict(call.authorizer["lambda"]) if "lambda" in call.authorizer else None

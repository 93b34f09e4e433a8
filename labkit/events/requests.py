"""Events that are HTTP requests: behind API Gateway, a function URL, a load balancer; and what an authorizer is asked.

Shapes: API Gateway developer guide, "Input format of a Lambda function for proxy integration" and "Working with AWS
Lambda proxy integrations for HTTP APIs"; Lambda developer guide, "Invoking Lambda function URLs" and "Processing
Application Load Balancer requests with Lambda". A body that is no text is sent as JSON, with its content type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from labkit.events.facts import ACCOUNT_ID, AT_MS, IN_LOGS, REGION, SOURCE_IP, TRACE_ID, an_id, as_text, bare

Event = dict[str, Any]
API_ID = "a1b2c3d4e5"
AGENT = "curl/8.5.0"
NOBODY = (
    "cognitoIdentityPoolId", "accountId", "cognitoIdentityId", "caller", "principalOrgId", "accessKey",
    "cognitoAuthenticationType", "cognitoAuthenticationProvider", "userArn", "user",
)  # fmt: skip


def apigateway_rest(
    path: str = "/hello",
    method: str = "GET",
    query: str = "",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Event:
    """A request to a REST API of API Gateway, by proxy integration."""
    sent = _headers(_host("execute-api", API_ID), body, headers, title=True)
    values = _values(query)
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": {name: several[-1] for name, several in values.items()} or None,
        "multiValueQueryStringParameters": values or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": "2gxmpl",
            "resourcePath": path,
            "httpMethod": method,
            "extendedRequestId": "JJbxmplHYosFVYQ=",
            "requestTime": IN_LOGS,
            "path": f"/prod{path}",
            "accountId": ACCOUNT_ID,
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainPrefix": API_ID,
            "requestTimeEpoch": AT_MS,
            "requestId": an_id(method, path),
            "identity": dict.fromkeys(NOBODY) | {"sourceIp": SOURCE_IP, "userAgent": sent["User-Agent"]},
            "domainName": sent["Host"],
            "deploymentId": "d1xmpl",
            "apiId": API_ID,
        },
        "body": None if body is None else as_text(body),
        "isBase64Encoded": False,
    }


def apigateway_http_v1(
    path: str = "/hello",
    method: str = "GET",
    query: str = "",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Event:
    """A request to an HTTP API of API Gateway, in payload format 1.0."""
    event = apigateway_rest(path, method, query, body, headers)
    context = event["requestContext"]
    del context["deploymentId"]
    route = f"{method} {path}"
    context |= {"authorizer": None, "path": path, "stage": "$default", "resourceId": route}
    return {"version": "1.0", **event}


def apigateway_http(
    path: str = "/hello",
    method: str = "GET",
    query: str = "",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Event:
    """A request to an HTTP API of API Gateway, in payload format 2.0."""
    event = _version_2(_host("execute-api", API_ID), method, path, query=query, body=body, headers=headers)
    route = f"{method} {path}"
    event["routeKey"] = event["requestContext"]["routeKey"] = route
    event["requestContext"]["accountId"] = ACCOUNT_ID
    return event


def function_url(
    path: str = "/",
    method: str = "GET",
    query: str = "",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Event:
    """A request to a function's own HTTP address, which anybody may call."""
    return _version_2(_host("lambda-url", "u1xmpl"), method, path, query=query, body=body, headers=headers)


def alb(
    path: str = "/hello",
    method: str = "GET",
    query: str = "",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Event:
    """A request that an Application Load Balancer passes on."""
    group = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT_ID}:targetgroup/labkit/49e9d65c45c6791a"
    return {
        "requestContext": {"elb": {"targetGroupArn": group}},
        "httpMethod": method,
        "path": path,
        "queryStringParameters": {name: several[-1] for name, several in _values(query).items()},
        "headers": _headers("labkit-1234567890.us-east-1.elb.amazonaws.com", body, headers),
        "body": "" if body is None else as_text(body),
        "isBase64Encoded": False,
    }


def authorizer(token: str = "Bearer secret", path: str = "/hello", method: str = "GET") -> Event:
    """What API Gateway asks a TOKEN authorizer of a REST API."""
    where = f"{API_ID}/prod/{method}/{path.strip('/')}"
    return {
        "type": "TOKEN",
        "methodArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{where}",
        "authorizationToken": token,
    }


def _version_2(
    host: str, method: str, path: str, *, query: str, body: object, headers: Mapping[str, str] | None
) -> Event:
    sent = _headers(host, body, headers)
    agent = sent["user-agent"]
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": SOURCE_IP, "userAgent": agent}
    parameters = {name: ",".join(several) for name, several in _values(query).items()}
    return bare(
        {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": sent,
            "queryStringParameters": parameters or None,
            "requestContext": {
                "accountId": "anonymous",
                "apiId": host.partition(".")[0],
                "domainName": host,
                "domainPrefix": host.partition(".")[0],
                "http": http,
                "requestId": an_id(method, path),
                "routeKey": "$default",
                "stage": "$default",
                "time": IN_LOGS,
                "timeEpoch": AT_MS,
            },
            "body": None if body is None else as_text(body),
            "isBase64Encoded": False,
        }
    )


def _host(service: str, api_id: str) -> str:
    return f"{api_id}.{service}.{REGION}.{'on.aws' if service == 'lambda-url' else 'amazonaws.com'}"


def _headers(host: str, body: object, given: Mapping[str, str] | None, *, title: bool = False) -> dict[str, str]:
    """Names in lower case, or as a REST API has them; what is given counts, whatever its case."""
    sent = {"accept": "*/*", "host": host, "user-agent": AGENT, "x-amzn-trace-id": TRACE_ID}
    sent |= {"x-forwarded-for": SOURCE_IP, "x-forwarded-port": "443", "x-forwarded-proto": "https"}
    if body is not None:
        sent["content-type"] = "text/plain" if isinstance(body, str) else "application/json"
    sent |= {name.lower(): str(value) for name, value in (given or {}).items()}
    return {name.title() if title else name: value for name, value in sorted(sent.items())}


def _values(query: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return values

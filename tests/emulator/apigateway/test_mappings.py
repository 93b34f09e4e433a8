"""What an HTTP API takes from a request."""

from __future__ import annotations

import pytest

from labkit.emulator.apigateway.calls import HttpCall, Visit
from labkit.emulator.apigateway.configuration import HttpApi, Route, Stage
from labkit.emulator.apigateway.mappings import http_source, mapped
from labkit.emulator.gateway import HttpRequest

REQUEST = HttpRequest("GET", "/pets/1", "q=1&q=2&z=", (("X-A", "a"), ("X-B", "b")), b"")
VISIT = Visit(REQUEST, "prod", "/prod/pets/1", "r", "e", "t", 0.0, "123456789012")
CALL = HttpCall(
    VISIT, HttpApi("abc", "us-east-1"), Stage("prod", variables={"v": "1"}), Route("GET /pets/{id}", "i"), {"id": "1"}
)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("$request.header.x-a", "a"),
        ("$request.querystring.q", "2"),
        ("$request.path.id", "1"),
        ("$request.path", "/pets/1"),
        ("$context.routeKey", "GET /pets/{id}"),
        ("$context.identity.sourceIp", "127.0.0.1"),
        ("$stageVariables.v", "1"),
        ("$request.header.none", ""),
        ("$nonsense", ""),
    ],
)
def test_a_source_is_looked_up(source, value):
    assert http_source(CALL, source) == value


@pytest.mark.parametrize(
    ("parameters", "headers", "query"),
    [
        ({}, {"X-A": "a", "X-B": "b"}, "q=1&q=2&z="),
        ({"append:header.X-A": "$context.stage!"}, {"X-A": "prod!", "X-B": "b"}, "q=1&q=2&z="),
        ({"overwrite:header.x-a": "${stageVariables.v}0"}, {"x-a": "10", "X-B": "b"}, "q=1&q=2&z="),
        ({"remove:header.X-B": "''", "remove:querystring.z": "''"}, {"X-A": "a"}, "q=1&q=2"),
        ({"overwrite:querystring.q": "$request.path.id"}, {"X-A": "a", "X-B": "b"}, "z=&q=1"),
        ({"overwrite:path": "/x"}, {"X-A": "a", "X-B": "b"}, "q=1&q=2&z="),
    ],
)
def test_headers_and_query_are_mapped(parameters, headers, query):
    request = mapped(CALL, parameters).request
    assert (dict(request.headers), request.query) == (headers, query)

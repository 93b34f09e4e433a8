"""What a function's result is as a response of a proxy integration: the table of the spec's section 10."""

from __future__ import annotations

import json

import pytest

from labkit.emulator.apigateway.responses import inferred_response, proxy_response
from labkit.emulator.gateway import UnusableResultError


def rest(result, **settings):
    payload = result if isinstance(result, bytes) else json.dumps(result).encode()
    return proxy_response(payload, **{"binary_types": (), "accept": "*/*", **settings})


@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        ({"statusCode": 201, "body": "x"}, 201, b"x"),
        ({"statusCode": "404"}, 404, b""),
        ({}, 200, b""),
        ({"body": None, "headers": None}, 200, b""),
        ({"body": "grüße"}, 200, "grüße".encode()),
        ({"body": "aGk=", "isBase64Encoded": True}, 200, b"aGk="),
    ],
)
def test_a_result_becomes_a_response(result, status, body):
    made = rest(result)
    assert (made.status, made.body, dict(made.headers)) == (status, body, {"content-type": "application/json"})


@pytest.mark.parametrize(
    "result",
    [
        b"not json",
        None,
        "text",
        [1],
        5,
        {"statusCode": "abc"},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": True},
        {"statusCode": 200.5},
        {"body": {"a": 1}},
        {"body": 5},
        {"headers": ["a"]},
        {"headers": {"a": {"b": 1}}},
        {"headers": {"a\r\nb": "x"}},
        {"headers": {"a": "x\r\ny: z"}},
        {"headers": {"a": None}},
        {"multiValueHeaders": {"a": [[1]]}},
        {"statusCode": 200, "extra": 1},
        {"errorMessage": "x", "errorType": "y"},
    ],
)
def test_a_wrong_shape_is_no_response(result):
    with pytest.raises(UnusableResultError):
        rest(result)


def test_headers_of_both_kinds_are_sent():
    made = rest(
        {"headers": {"A": 1, "B": True, "Set-Cookie": "no"}, "multiValueHeaders": {"set-cookie": ["x=1", "y=2"]}}
    )
    assert made.headers == (
        ("a", "1"),
        ("b", "true"),
        ("set-cookie", "x=1"),
        ("set-cookie", "y=2"),
        ("content-type", "application/json"),
    )


def test_headers_that_are_api_gateways_own_are_renamed():
    made = rest({"headers": {"Date": "then", "WWW-Authenticate": "Basic", "Transfer-Encoding": "chunked"}})
    assert made.headers[:2] == (("x-amzn-remapped-date", "then"), ("x-amzn-remapped-www-authenticate", "Basic"))
    assert len(made.headers) == 3


@pytest.mark.parametrize(
    ("types", "accept", "body"),
    [(["image/png"], "image/png, */*", b"hi"), (["*/*"], "", b"hi"), (["image/png"], "*/*", b"aGk=")],
)
def test_base64_is_decoded_for_who_accepts_binary(types, accept, body):
    assert rest({"body": "aGk=", "isBase64Encoded": True}, binary_types=types, accept=accept).body == body


def test_what_is_no_base64_is_no_response():
    with pytest.raises(UnusableResultError):
        rest({"body": "%", "isBase64Encoded": True}, binary_types=["*/*"])


@pytest.mark.parametrize(
    ("payload", "status", "kind", "body"),
    [
        (b'{"a": 1}', 200, "application/json", b'{"a":1}'),
        (b'"text"', 200, "application/json", b"text"),
        (b"null", 200, "application/json", b"null"),
        (b'{"statusCode": 201, "body": "x"}', 201, "text/plain; charset=utf-8", b"x"),
        (b'{"statusCode": 200, "headers": {"Content-Type": "text/html"}, "body": "<p>"}', 200, "text/html", b"<p>"),
    ],
)
def test_format_2_infers_a_response(payload, status, kind, body):
    made = inferred_response(payload)
    assert (made.status, dict(made.headers)["content-type"], made.body) == (status, kind, body)

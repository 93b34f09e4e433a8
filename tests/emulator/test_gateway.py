"""Function URLs: the event of a request, the response of a result, who may come in, web pages; then real requests."""

from __future__ import annotations

import base64
import json

import boto3
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from hypothesis import given
from hypothesis import strategies as st

from labkit import Lab
from labkit.emulator import gateway
from labkit.emulator.doors import address_of
from labkit.emulator.gateway import Caller, HttpRequest, UnusableResultError
from labkit.emulator.registry import Cors, PolicyStatement

process = pytest.mark.process

TEXT = st.text(st.characters(codec="utf-8"))
ECHO = "def handler(event, context): return event"


def request(method="GET", path="/", query="", headers=(), body=b""):
    return HttpRequest(method, path, query, tuple(headers), body)


def event(**parts):
    caller = parts.pop("caller", None)
    return gateway.event_of(
        request(**parts), url_id="abc", request_id="r1", trace_id="Root=1", now=1_700_000_000.5, caller=caller
    )


# --- the event


def test_the_event_of_a_plain_request():
    headers = [("Host", "127.0.0.1:4566"), ("User-Agent", "me"), ("Connection", "keep-alive")]
    assert event(path="/a%20b", headers=headers) == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/a%20b",
        "rawQueryString": "",
        "headers": {
            "host": "127.0.0.1:4566",
            "user-agent": "me",
            "x-amzn-trace-id": "Root=1",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "4566",
            "x-forwarded-proto": "http",
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "127.0.0.1:4566",
            "domainPrefix": "abc",
            "http": {
                "method": "GET",
                "path": "/a%20b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "me",
            },
            "requestId": "r1",
            "routeKey": "$default",
            "stage": "$default",
            "time": "14/Nov/2023:22:13:20 +0000",
            "timeEpoch": 1_700_000_000_500,
        },
        "isBase64Encoded": False,
    }


def test_repeated_headers_and_parameters_are_joined():
    made = event(query="a=1&b=%C3%A4&a=2&c=", headers=[("X-A", "1"), ("x-a", "2")])
    assert made["headers"]["x-a"] == "1,2"
    assert made["queryStringParameters"] == {"a": "1,2", "b": "ä", "c": ""}
    assert made["rawQueryString"] == "a=1&b=%C3%A4&a=2&c="


def test_cookies_have_a_place_of_their_own():
    made = event(headers=[("Cookie", "a=1; b=2"), ("Cookie", "c=3")])
    assert made["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in made["headers"]


@pytest.mark.parametrize(
    ("content_type", "body", "encoded"),
    [
        ("text/plain", b"hello", False),
        ("application/json; charset=utf-8", "ü".encode(), False),
        ("application/problem+json", b"{}", False),
        ("application/x-www-form-urlencoded", b"a=1", True),
        ("multipart/form-data; boundary=x", b"--x", True),
        ("application/octet-stream", b"a", True),
        ("text/plain", b"\xff", True),
        ("", b"a", True),
    ],
)
def test_a_body_is_text_only_if_its_type_says_so(content_type, body, encoded):
    made = event(method="POST", headers=[("Content-Type", content_type)], body=body)
    assert made["isBase64Encoded"] is encoded
    assert made["body"] == (base64.b64encode(body).decode() if encoded else body.decode())


@given(st.binary(), st.sampled_from(["text/plain", "application/json", "image/png", ""]))
def test_a_body_can_always_be_had_back(body, content_type):
    text, encoded = gateway.event_body(body, content_type)
    assert (base64.b64decode(text) if encoded else text.encode()) == body


def test_a_signed_request_says_who_signed_it():
    context = event(caller=Caller("123456789012", "AKIA", "arn:aws:iam::123456789012:root"))["requestContext"]
    assert context["accountId"] == "123456789012"
    assert context["authorizer"]["iam"]["accessKey"] == "AKIA"


# --- the response


def response(result):
    return gateway.response_of(json.dumps(result).encode())


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ({"hello": "wörld"}, '{"hello":"wörld"}'),
        (["hello", 3, True], '["hello",3,true]'),
        ("hello", "hello"),
        (3, "3"),
        (3.1, "3.1"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_a_result_without_a_status_is_the_body(result, body):
    made = response(result)
    assert (made.status, made.body.decode()) == (200, body)
    assert made.headers == (("content-type", "application/json"),)


def test_a_result_with_a_status_says_all_of_it():
    made = response(
        {"statusCode": 201, "headers": {"X-A": 1, "Content-Type": "text/plain"}, "cookies": ["a=1", "b=2"], "body": "x"}
    )
    assert (made.status, made.body) == (201, b"x")
    assert made.headers == (("x-a", "1"), ("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2"))


def test_a_status_may_be_digits():
    assert response({"statusCode": "418", "body": "i'm a teapot"}).status == 418


def test_a_missing_body_is_empty():
    assert response({"statusCode": 204}).body == b""


@given(st.binary())
def test_bytes_come_through_as_base64(data):
    result = {"statusCode": 200, "body": base64.b64encode(data).decode(), "isBase64Encoded": True}
    assert response(result).body == data


@given(TEXT)
def test_text_comes_through_as_it_is(text):
    assert response({"statusCode": 200, "body": text}).body.decode() == text
    assert response(text).body.decode() == text


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": "many"},
        {"statusCode": True},
        {"statusCode": 42},
        {"statusCode": None},
        {"statusCode": 200, "headers": ["x"]},
        {"statusCode": 200, "headers": {"x-a": ["1", "2"]}},
        {"statusCode": 200, "headers": {"x-a": "1\r\nx-b: 2"}},
        {"statusCode": 200, "headers": {"a b": "1"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)
def test_what_is_no_response_is_unusable(result):
    with pytest.raises(UnusableResultError):
        response(result)


def test_a_result_that_is_no_json_is_unusable():
    with pytest.raises(UnusableResultError):
        gateway.response_of(b"hello")


@given(st.dictionaries(st.text("abc-", min_size=1), st.text("xyz 1", min_size=1), max_size=3), st.binary())
def test_a_streams_head_is_found_and_the_rest_is_body(headers, body):
    data = json.dumps({"statusCode": 202, "headers": headers}).encode() + bytes(8) + body
    assert gateway.split_prelude(data[:10], bytes(8)) is None
    head, rest = gateway.split_prelude(data, bytes(8))
    assert (head.status, rest) == (202, body)


# --- who may come in


def statement(action, **more):
    return PolicyStatement(sid=action, action=action, principal=more.pop("principal", "*"), resource="arn", **more)


BOTH = (statement("lambda:InvokeFunctionUrl", url_auth_type="NONE"), statement("lambda:InvokeFunction", via_url=True))


def test_both_permissions_open_a_url():
    assert gateway.is_public(BOTH)
    assert gateway.is_public([statement("lambda:*")])


@pytest.mark.parametrize(
    "statements",
    [
        (),
        BOTH[:1],
        BOTH[1:],
        (BOTH[0], statement("lambda:InvokeFunction", source_account="123456789012")),
        (statement("lambda:InvokeFunctionUrl", url_auth_type="AWS_IAM"), BOTH[1]),
        (statement("lambda:InvokeFunctionUrl", principal="123456789012"), BOTH[1]),
        (BOTH[0], statement("lambda:InvokeFunction", via_url=False)),
    ],
)
def test_less_than_both_permissions_for_everybody_keep_it_closed(statements):
    assert not gateway.is_public(statements)


# --- web pages


PAGE = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST")]


def test_a_preflight_is_answered_with_the_settings():
    cors = Cors(allow_origins=("https://a.example",), allow_methods=("POST",), allow_headers=("x-a",), max_age_s=60)
    asked = gateway.preflight(cors, request("OPTIONS", headers=PAGE))
    assert dict(gateway.with_cors(asked, cors, "https://a.example").headers) == {
        "access-control-allow-origin": "https://a.example",
        "vary": "Origin",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "x-a",
        "access-control-max-age": "60",
    }


def test_another_origin_is_allowed_nothing():
    cors = Cors(allow_origins=("https://b.example",), allow_methods=("*",))
    assert gateway.preflight(cors, request("OPTIONS", headers=PAGE)).headers == ()


@pytest.mark.parametrize(("credentials", "origin"), [(None, "*"), (True, "https://a.example")])
def test_a_wildcard_is_said_unless_credentials_are_allowed(credentials, origin):
    cors = Cors(allow_origins=("*",), allow_credentials=credentials)
    assert dict(gateway.allowance(cors, "https://a.example"))["access-control-allow-origin"] == origin


def test_the_settings_replace_what_the_function_says():
    made = gateway.HttpResponse(200, (("access-control-allow-origin", "evil"), ("x-a", "1")))
    after = gateway.with_cors(made, Cors(allow_origins=("*",)), "https://a.example")
    assert after.headers == (("x-a", "1"), ("access-control-allow-origin", "*"))


@pytest.mark.parametrize(
    ("path", "host", "address"),
    [
        (b"/lambda-url/abc/x%2Fy", b"127.0.0.1:1", ("abc", "/x%2Fy")),
        (b"/lambda-url/abc", b"127.0.0.1:1", ("abc", "/")),
        (b"/x", b"ABC.lambda-url.us-east-1.localhost:1", ("abc", "/x")),
        (b"/lambda-urls/abc", b"127.0.0.1:1", None),
        (b"/x", b"abc.lambda-url.us-east-1.example:1", None),
    ],
)
def test_an_address_is_a_path_or_a_host(path, host, address):
    assert address_of({"raw_path": path, "headers": [(b"host", host)]}) == address


# --- with real requests


def deployed(lab, source, name="f", **options):
    return lab.deploy(name, source, timeout_s=options.pop("timeout_s", 10)).function_url(**options)


@process
def test_a_request_reaches_the_handler_and_comes_back(lab):
    url = deployed(lab, "def handler(event, context): return {'event': event, 'id': context.aws_request_id}")
    answer = requests.post(f"{url}a%20b?x=1", json={"y": 2}, headers={"X-A": "1"}, cookies={"c": "3"}, timeout=10)
    said = answer.json()
    event = said["event"]
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert (event["rawPath"], event["rawQueryString"], event["cookies"]) == ("/a%20b", "x=1", ["c=3"])
    assert (json.loads(event["body"]), event["headers"]["x-a"]) == ({"y": 2}, "1")
    assert answer.headers["x-amzn-requestid"] == said["id"] == event["requestContext"]["requestId"]
    assert answer.headers["x-amzn-trace-id"] == event["headers"]["x-amzn-trace-id"]


@process
def test_the_address_as_a_host_is_answered_too(lab):
    url = deployed(lab, "def handler(event, context): return event['rawPath']")
    url_id = url.rstrip("/").rpartition("/")[2]
    host = f"{url_id}.lambda-url.us-east-1.localhost:{lab.endpoint.rpartition(':')[2]}"
    assert requests.get(f"{lab.endpoint}/x", headers={"Host": host}, timeout=10).text == "/x"


@process
def test_several_cookies_are_several_headers(lab):
    url = deployed(lab, "def handler(e, c): return {'statusCode': 200, 'cookies': ['a=1; Path=/', 'b=2; Path=/']}")
    assert dict(requests.get(url, timeout=10).cookies) == {"a": "1", "b": "2"}


@process
@pytest.mark.parametrize("body", ["1 / 0", "return {'statusCode': 'x'}", "import os; os._exit(1)"])
@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_an_error_of_the_function_is_a_502(lab, body, mode):
    if mode == "RESPONSE_STREAM" and "return" in body:
        body = "yield {'statusCode': 'x'}"
    answer = requests.get(deployed(lab, f"def handler(event, context):\n    {body}", invoke_mode=mode), timeout=10)
    assert (answer.status_code, answer.text) == (502, "Internal Server Error")


@process
def test_an_unknown_url_is_forbidden(lab):
    answer = requests.get(f"{lab.endpoint}/lambda-url/0123456789abcdefghijklmnopqrstuv/", timeout=10)
    assert (answer.status_code, answer.text) == (403, '{"Message":null}')
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"


@process
@pytest.mark.parametrize("auth", ["NONE", "AWS_IAM"])
def test_without_permission_or_signature_a_url_is_forbidden(lab, aws, auth):
    lab.deploy("f", "def handler(event, context): raise SystemExit")
    url = aws.create_function_url_config(FunctionName="f", AuthType=auth)["FunctionUrl"]
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 403
    assert answer.json()["Message"].startswith("Forbidden. For troubleshooting Function URL authorization issues")
    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"


@process
def test_a_throttled_request_is_a_429(lab, aws):
    url = deployed(lab, ECHO)
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")


@process
def test_a_body_beyond_six_megabytes_is_a_413(lab):
    answer = requests.post(deployed(lab, ECHO), data=bytes(6 * 1024 * 1024), timeout=30)
    assert answer.status_code == 413


@process
def test_a_page_asks_first_and_the_function_does_not_notice(lab, aws):
    url = deployed(lab, "def handler(event, context): return 'hi'", name="paged")
    aws.update_function_url_config(FunctionName="paged", Cors={"AllowOrigins": ["*"], "AllowMethods": ["GET"]})
    before = len(lab.traces("paged"))
    asked = requests.options(url, headers=dict(PAGE), timeout=10)
    assert (asked.status_code, asked.headers["access-control-allow-methods"]) == (200, "GET")
    assert len(lab.traces("paged")) == before
    answer = requests.get(url, headers=dict(PAGE), timeout=10)
    assert (answer.text, answer.headers["access-control-allow-origin"]) == ("hi", "*")


@process
def test_an_alias_has_a_url_that_runs_its_version(lab, aws):
    lab.deploy("f", "def handler(event, context): return context.function_version")
    aws.publish_version(FunctionName="f")
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    url = aws.create_function_url_config(FunctionName="f", Qualifier="live", AuthType="NONE")["FunctionUrl"]
    names = {"FunctionName": "f", "Qualifier": "live", "Principal": "*"}
    aws.add_permission(**names, StatementId="a", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
    assert requests.get(url, timeout=10).status_code == 403
    aws.add_permission(**names, StatementId="b", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)
    assert requests.get(url, timeout=10).text == "1"


STREAMS = """
import os
import pathlib

def handler(event, context):
    yield {"statusCode": 201, "headers": {"Content-Type": "text/plain"}, "cookies": ["a=1"]}
    yield "first"
    while not pathlib.Path(event["body"]).exists():
        os.sched_yield()
    yield "second"
"""


@process
def test_a_streamed_response_arrives_while_the_handler_runs(lab, tmp_path):
    url = deployed(lab, STREAMS, timeout_s=20, invoke_mode="RESPONSE_STREAM")
    until = tmp_path / "go"
    answer = requests.post(url, data=str(until), headers={"Content-Type": "text/plain"}, stream=True, timeout=20)
    chunks = answer.iter_content(chunk_size=None)
    assert (answer.status_code, answer.headers["content-type"], answer.cookies["a"]) == (201, "text/plain", "1")
    assert next(chunks) == b"first"
    until.touch()
    assert b"".join(chunks) == b"second"


@process
def test_a_streaming_function_behind_a_buffered_url_comes_at_once(lab):
    url = deployed(lab, "def handler(event, context):\n    yield {'statusCode': 201}\n    yield 'a'\n    yield 'b'")
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, answer.text) == (201, "ab")


@process
def test_a_stream_without_a_head_is_a_200(lab):
    url = deployed(lab, "def handler(event, context): yield 'ab'", invoke_mode="RESPONSE_STREAM")
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (
        200,
        b"ab",
        "application/octet-stream",
    )


@process
def test_a_result_behind_a_streaming_url_is_passed_as_it_is(lab):
    url = deployed(lab, "def handler(e, c): return {'statusCode': 201, 'body': 'x'}", invoke_mode="RESPONSE_STREAM")
    assert requests.get(url, timeout=10).json() == {"statusCode": 201, "body": "x"}


@process
def test_a_response_that_fails_midway_is_cut_off(lab):
    url = deployed(lab, "def handler(e, c):\n    yield 'a'\n    raise ValueError", invoke_mode="RESPONSE_STREAM")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(url, timeout=10)


@pytest.fixture
def signed_lab(monkeypatch):
    monkeypatch.setenv("LABKIT_ACCESS_KEY_ID", "AKIALAB")
    monkeypatch.setenv("LABKIT_SECRET_ACCESS_KEY", "s3cret")
    with Lab() as lab:
        yield lab


def signed(url, secret):
    session = boto3.Session(aws_access_key_id="AKIALAB", aws_secret_access_key=secret)
    prepared = AWSRequest("POST", url, data=b"{}", headers={"Content-Type": "application/json"})
    SigV4Auth(session.get_credentials(), "lambda", "us-east-1").add_auth(prepared)
    return requests.post(url, data=b"{}", headers=dict(prepared.headers), timeout=10)


@process
def test_a_url_for_signed_requests_lets_in_only_who_signs_well(signed_lab):
    url = deployed(signed_lab, "def handler(event, context): return event['requestContext']", auth="AWS_IAM")
    assert requests.post(url, data=b"{}", timeout=10).status_code == 403
    assert signed(url, "wrong").status_code == 403
    context = signed(url, "s3cret").json()
    assert (context["accountId"], context["authorizer"]["iam"]["accessKey"]) == ("123456789012", "AKIALAB")


@process
def test_a_public_url_needs_no_signature_where_the_api_does(signed_lab):
    assert requests.get(deployed(signed_lab, "def handler(event, context): return 'hi'"), timeout=10).text == "hi"

"""Which of moto's services answers, and what is done around its answer."""

from __future__ import annotations

import io
import json
from urllib.parse import urlencode

import pytest
import requests

from labkit.mockaws import corrected
from labkit.mockaws.dispatch import Dispatcher, disconnect


def asked(path="/", query="", service="", dispatcher=None, **more):
    """The status and the body of an answer to a request that is signed for a service."""
    signed = f"AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(more.pop("body", b"")),
        "wsgi.errors": io.StringIO(),
        **({"HTTP_AUTHORIZATION": signed} if service else {}),
        **more,
    }
    seen = []
    body = b"".join((dispatcher or Dispatcher())(environ, lambda status, fields, error=None: seen.append(status)))
    return seen[0], body.decode()


def test_a_service_is_found_by_the_signatures_scope():
    status, body = asked(service="s3")
    assert status == "200 OK"
    assert "ListAllMyBucketsResult" in body


def test_the_service_of_a_presigned_address_is_found_in_its_query():
    query = "Action=ListTopics&Version=2010-03-31&X-Amz-Credential=k%2F20260101%2Fus-east-1%2Fsns%2Faws4_request"
    status, body = asked(query=query)
    assert status == "200 OK"
    assert "ListTopicsResponse" in body


@pytest.mark.parametrize("path", ["/2015-03-31/functions/", "/2015-03-31/functions/f/invocations"])
def test_motos_own_functions_are_not_served(path):
    status, body = asked(path, service="lambda")
    assert status == "501 Not Implemented"
    assert "moto does not have" in json.loads(body)["message"]


@pytest.mark.parametrize("path", ["/moto-api/", "/moto-api/data.json", "/latest/meta-data/iam/"])
def test_motos_own_pages_are_not_served(path):
    assert asked(path)[0] == asked(path, service="s3")[0] == "501 Not Implemented"


def test_a_service_that_moto_does_not_have_is_named():
    status, body = asked(service="nosuch")
    assert status == "501 Not Implemented"
    assert "nosuch" in json.loads(body)["message"]


def test_a_client_that_sends_forms_gets_its_error_as_xml():
    _, body = asked(service="nosuch", CONTENT_TYPE="application/x-www-form-urlencoded; charset=utf-8")
    assert body.startswith("<ErrorResponse><Error><Type>Sender</Type><Code>NotImplementedException</Code>")


@pytest.fixture
def disconnected(monkeypatch):
    """moto as it is in its own process; put back after the test."""
    monkeypatch.setattr(requests, "post", requests.post)
    monkeypatch.setattr(requests, "request", requests.request)
    disconnect()
    yield
    corrected.uninstall()


def test_moto_can_be_cleared():
    assert asked("/a-bucket-to-clear", service="s3", REQUEST_METHOD="PUT")[0] == "200 OK"
    assert asked("/moto-api/reset", REQUEST_METHOD="POST") == ("200 OK", '{"status": "ok"}')
    assert asked("/a-bucket-to-clear", service="s3")[0].startswith("404")


def test_what_a_request_causes_is_sent_when_moto_has_answered_it(kept):
    function = "arn:aws:lambda:us-east-1:123456789012:function:greet"
    header = "Root=1;Lineage=11111111:0%7C22222222:1"
    assert published("kept", "lambda", function, HTTP_X_AMZN_TRACE_ID=header) == "200 OK"
    (delivery,) = kept.deliveries
    assert (delivery.function_arn, delivery.principal, delivery.kind) == (function, "sns.amazonaws.com", "Event")
    assert delivery.source_arn == "arn:aws:sns:us-east-1:123456789012:kept"
    assert delivery.trace_id == "Root=1;Lineage=11111111:0|22222222:1"
    assert json.loads(delivery.payload)["Records"][0]["Sns"]["Message"] == "m"


def published(topic, protocol, endpoint, **more):
    """The status of a message to a topic with one subscriber."""
    form = {"service": "sns", "REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/x-www-form-urlencoded"}
    arn = f"arn:aws:sns:us-east-1:123456789012:{topic}"
    subscriber = urlencode({"Action": "Subscribe", "TopicArn": arn, "Protocol": protocol, "Endpoint": endpoint})
    for text in (f"Action=CreateTopic&Name={topic}", subscriber, f"Action=Publish&TopicArn={arn}&Message=m"):
        status, _ = asked(**form, **more, body=text.encode(), CONTENT_LENGTH=str(len(text)))
    return status


@pytest.mark.usefixtures("disconnected")
def test_a_message_for_a_function_is_named_in_the_log_and_published(capsys):
    function = "arn:aws:lambda:us-east-1:123456789012:function:greet"
    assert published("to-function", "lambda", function) == "200 OK"
    assert f"not delivered to {function} by sns.amazonaws.com" in capsys.readouterr().err


@pytest.mark.usefixtures("disconnected")
def test_a_message_for_an_address_on_the_network_is_named_in_the_log_and_published(capsys):
    assert published("to-http", "http", "http://192.0.2.1/hook") == "200 OK"
    assert "not sent: POST http://192.0.2.1/hook" in capsys.readouterr().err


def test_a_service_is_made_ready_once_before_it_first_answers():
    done = []
    dispatcher = Dispatcher({"sqs": lambda: done.append("sqs"), "sns": lambda: done.append("sns")})
    for _ in range(2):
        asked(query="Action=ListQueues&Version=2012-11-05", service="sqs", dispatcher=dispatcher)
    assert done == ["sqs"]

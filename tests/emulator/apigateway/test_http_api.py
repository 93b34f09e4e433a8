"""HTTP APIs on a running lab: made with boto3, asked with `requests`."""

from __future__ import annotations

import pytest
import requests

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("apigateway")]

ECHO = "def handler(event, context): return event"
FAILED = (500, {"message": "Internal Server Error"})


def told(answer):
    return answer.status_code, answer.json()


@pytest.fixture
def echo(lab, http):
    lab.deploy("echo", ECHO)
    http.permit("echo")
    http.route("GET /pets/{id}", "echo")
    http.route("ANY /all/{proxy+}", "echo", integration={"PayloadFormatVersion": "2.0"})
    return http


def test_the_event_is_of_format_2(echo):
    answer = echo.get("/pets/a%20b?q=1&q=2", headers={"X-Who": "me", "Cookie": "a=1; b=2"})
    event = answer.json()
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "GET /pets/{id}", "/pets/a b")
    assert (event["pathParameters"], event["queryStringParameters"]) == ({"id": "a b"}, {"q": "1,2"})
    assert (event["headers"]["x-who"], event["cookies"]) == ("me", ["a=1", "b=2"])
    assert event["requestContext"]["stage"] == "$default"
    assert answer.headers["apigw-requestid"] == event["requestContext"]["requestId"]


def test_a_named_stage_is_part_of_the_path(lab, new_http):
    http = new_http(stage="prod", variables={"v": "1"})
    lab.deploy("echo", ECHO)
    http.permit("echo")
    http.route("$default", "echo")
    event = http.get("/prod/x").json()
    assert (event["rawPath"], event["stageVariables"], event["routeKey"]) == ("/prod/x", {"v": "1"}, "$default")
    assert told(http.get("/x")) == (404, {"message": "Not Found"})


def test_format_1_is_the_rest_apis(lab, http):
    code = "import json\ndef handler(event, context): return {'body': json.dumps(event)}"
    lab.deploy("one", code)
    http.permit("one")
    http.route("GET /a/{id}", "one", integration={"PayloadFormatVersion": "1.0", "IntegrationUri": http.uri("one")})
    event = http.get("/a/1?q=1&q=2", headers={"X-Who": "me"}).json()
    assert (event["version"], event["resource"], event["pathParameters"]) == ("1.0", "/a/{id}", {"id": "1"})
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"]}
    assert event["headers"]["X-Who"] == "me"


def test_what_no_route_has_is_not_found(echo):
    for answer in (echo.get("/x"), echo.get("/pets/1/2"), requests.post(echo.url("/pets/1"), timeout=15)):
        assert told(answer) == (404, {"message": "Not Found"})


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_any_takes_all_methods(echo, method):
    assert requests.request(method, echo.url("/all/x"), timeout=15).status_code == 200


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("1 / 0", FAILED),
        ("return {'statusCode': 'x'}", FAILED),
        ("return {'statusCode': 200, 'headers': 5}", FAILED),
        ("return {'statusCode': 418, 'body': '{}'}", (418, {})),
        ("return [1]", (200, [1])),
    ],
)
def test_what_a_function_does_is_seen(lab, http, code, answer):
    lab.deploy("made", f"def handler(event, context): {code}")
    http.permit("made")
    http.route("$default", "made")
    assert told(http.get("/")) == answer


def test_a_slow_function_is_unavailable(lab, http):
    lab.deploy("slow", "import time\ndef handler(event, context): time.sleep(5)", timeout_s=2)
    http.permit("slow")
    http.route("$default", "slow", integration={"TimeoutInMillis": 100})
    assert told(http.get("/")) == (503, {"message": "Service Unavailable"})


def test_without_a_permission_the_function_is_not_run(lab, http):
    lab.deploy("echo", ECHO)
    http.route("GET /pets/{id}", "echo")
    assert told(http.get("/pets/1")) == FAILED
    source = f"arn:aws:execute-api:us-east-1:123456789012:{http.id}/*/*/pets/{{id}}"
    lab.boto3("lambda").add_permission(
        FunctionName="echo",
        StatementId="a",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=source,
    )
    assert http.get("/pets/1").status_code == 200


def test_cors_is_the_apis_own(lab, new_http):
    http = new_http(CorsConfiguration={"AllowOrigins": ["http://x"], "AllowMethods": ["GET"], "MaxAge": 60})
    lab.deploy("echo", ECHO)
    http.permit("echo")
    http.route("GET /", "echo")
    asked = {"Origin": "http://x", "Access-Control-Request-Method": "GET"}
    preflight = requests.options(http.url("/"), headers=asked, timeout=15)
    assert (preflight.status_code, preflight.headers["access-control-max-age"]) == (204, "60")
    assert http.get("/", headers={"Origin": "http://x"}).headers["access-control-allow-origin"] == "http://x"
    assert "access-control-allow-origin" not in http.get("/", headers={"Origin": "http://y"}).headers


def test_a_web_socket_api_is_refused(lab):
    selection = "$request.body.action"
    made = lab.boto3("apigatewayv2").create_api(Name="w", ProtocolType="WEBSOCKET", RouteSelectionExpression=selection)
    answer = requests.get(f"{lab.endpoint}/_aws/execute-api/{made['ApiId']}/prod", timeout=15)
    assert told(answer) == (501, {"message": "labkit does not serve WEBSOCKET APIs."})

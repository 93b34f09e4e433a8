"""HTTP APIs on a running lab: made with boto3, asked with `requests`."""

from __future__ import annotations

import json
import time

import pytest
import requests

from tests.emulator.apigateway.conftest import Http, function_uri, permit
from tests.emulator.apigateway.test_jwt import KEYS, token

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("apigateway")]

ECHO = "def handler(event, context): return event"
FAILED = (500, {"message": "Internal Server Error"})


def told(answer):
    return answer.status_code, answer.json()


@pytest.fixture
def echo(lab, http):
    lab.deploy("echo", ECHO)
    permit(lab, "echo", http.id)
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


def test_a_named_stage_is_part_of_the_path(lab):
    http = Http(lab, stage="prod", variables={"v": "1"})
    lab.deploy("echo", ECHO)
    permit(lab, "echo", http.id)
    http.route("$default", "echo")
    event = http.get("/prod/x").json()
    assert (event["rawPath"], event["stageVariables"], event["routeKey"]) == ("/prod/x", {"v": "1"}, "$default")
    assert told(http.get("/x")) == (404, {"message": "Not Found"})


def test_format_1_is_the_rest_apis(lab, http):
    code = "import json\ndef handler(event, context): return {'body': json.dumps(event)}"
    lab.deploy("one", code)
    permit(lab, "one", http.id)
    http.route("GET /a/{id}", "one", integration={"PayloadFormatVersion": "1.0", "IntegrationUri": function_uri("one")})
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
    permit(lab, "made", http.id)
    http.route("$default", "made")
    assert told(http.get("/")) == answer


def test_a_slow_function_is_unavailable(lab, http):
    lab.deploy("slow", "import time\ndef handler(event, context): time.sleep(5)", timeout_s=2)
    permit(lab, "slow", http.id)
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


def test_cors_is_the_apis_own(lab):
    http = Http(lab, CorsConfiguration={"AllowOrigins": ["http://x"], "AllowMethods": ["GET"], "MaxAge": 60})
    lab.deploy("echo", ECHO)
    permit(lab, "echo", http.id)
    http.route("GET /", "echo")
    asked = {"Origin": "http://x", "Access-Control-Request-Method": "GET"}
    preflight = requests.options(http.url("/"), headers=asked, timeout=15)
    assert (preflight.status_code, preflight.headers["access-control-max-age"]) == (204, "60")
    assert http.get("/", headers={"Origin": "http://x"}).headers["access-control-allow-origin"] == "http://x"
    assert "access-control-allow-origin" not in http.get("/", headers={"Origin": "http://y"}).headers


def test_a_web_socket_api_is_refused(lab):
    http = Http.__new__(Http)
    aws = lab.boto3("apigatewayv2")
    http.lab, http.id = (
        lab,
        aws.create_api(Name="w", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.a")["ApiId"],
    )
    assert told(http.get("/")) == (501, {"message": "labkit does not serve WEBSOCKET APIs."})


# --- authorizers

SIMPLE = """
def handler(event, context):
    who = event['identitySource'][0]
    if who == 'fails': 1 / 0
    return {'isAuthorized': who == 'ada', 'context': {'who': who, 'at': context.aws_request_id}}
"""


def guarded(lab, http, code, **settings):
    lab.deploy("guard", code)
    lab.deploy("echo", ECHO)
    permit(lab, "guard", http.id)
    permit(lab, "echo", http.id)
    made = http.aws.create_authorizer(
        ApiId=http.id,
        AuthorizerType="REQUEST",
        Name="guard",
        AuthorizerUri=function_uri("guard"),
        IdentitySource=["$request.header.X-Who"],
        **{"AuthorizerPayloadFormatVersion": "2.0", **settings},
    )
    http.route("GET /", "echo", AuthorizationType="CUSTOM", AuthorizerId=made["AuthorizerId"])


def test_an_authorizer_answers_simply(lab, http):
    guarded(lab, http, SIMPLE, EnableSimpleResponses=True, AuthorizerResultTtlInSeconds=60)
    event = http.get("/", headers={"X-Who": "ada"}).json()
    first = event["requestContext"]["authorizer"]["lambda"]
    assert first["who"] == "ada"
    assert http.get("/", headers={"X-Who": "ada"}).json()["requestContext"]["authorizer"]["lambda"] == first
    assert told(http.get("/")) == (401, {"message": "Unauthorized"})
    assert told(http.get("/", headers={"X-Who": "bob"})) == (403, {"message": "Forbidden"})
    assert told(http.get("/", headers={"X-Who": "fails"})) == FAILED


def test_an_authorizer_answers_with_a_policy(lab, http):
    code = """
def handler(event, context):
    effect = 'Allow' if event['headers']['X-Who'] == 'ada' else 'Deny'
    statement = [{'Action': 'execute-api:Invoke', 'Effect': effect, 'Resource': event['methodArn']}]
    return {'principalId': 'p', 'policyDocument': {'Version': '2012-10-17', 'Statement': statement}}
"""
    guarded(lab, http, code, AuthorizerPayloadFormatVersion="1.0")
    assert [http.get("/", headers={"X-Who": who}).status_code for who in ("ada", "bob")] == [200, 403]


@pytest.fixture
def issuer(lab):
    s3 = lab.boto3("s3")
    s3.create_bucket(Bucket="issuer")
    s3.put_object(Bucket="issuer", Key="pool/.well-known/jwks.json", Body=json.dumps(KEYS))
    yield "https://issuer.s3.us-east-1.amazonaws.com/pool"
    s3.delete_object(Bucket="issuer", Key="pool/.well-known/jwks.json")
    s3.delete_bucket(Bucket="issuer")


def with_tokens(lab, http, issuer):
    lab.deploy("echo", ECHO)
    permit(lab, "echo", http.id)
    made = http.aws.create_authorizer(
        ApiId=http.id,
        AuthorizerType="JWT",
        Name="jwt",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": issuer, "Audience": ["me"]},
    )
    http.route(
        "GET /", "echo", AuthorizationType="JWT", AuthorizerId=made["AuthorizerId"], AuthorizationScopes=["read"]
    )


def bearer(issuer, **claims):
    return {
        "Authorization": "Bearer "
        + token({"iss": issuer, "aud": "me", "exp": time.time() + 400_000, "scope": "read write", **claims})
    }


def test_a_token_of_the_issuer_lets_in(lab, http, issuer):
    with_tokens(lab, http, issuer)
    authorizer = http.get("/", headers=bearer(issuer)).json()["requestContext"]["authorizer"]["jwt"]
    assert authorizer["scopes"] == ["read"]
    assert (authorizer["claims"]["aud"], authorizer["claims"]["iss"]) == ("me", issuer)


def test_other_tokens_do_not(lab, http, issuer):
    with_tokens(lab, http, issuer)
    answer = http.get("/")
    assert told(answer) == (401, {"message": "Unauthorized"})
    assert answer.headers["www-authenticate"] == "Bearer"
    answer = http.get("/", headers=bearer(issuer, aud="you"))
    assert told(answer) == (401, {"message": "Unauthorized"})
    assert answer.headers["www-authenticate"] == (
        'Bearer scope="read" error="invalid_token" error_description="the token does not have a valid audience"'
    )
    answer = http.get("/", headers=bearer(issuer, scope="write"))
    assert told(answer) == (403, {"message": "Forbidden"})
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_an_issuer_whose_keys_are_nowhere_is_an_error(lab, http):
    with_tokens(lab, http, "https://accounts.example.com")
    assert told(http.get("/", headers=bearer("https://accounts.example.com"))) == FAILED

"""Authorizers of REST and HTTP APIs on a running lab: functions, and signatures."""

from __future__ import annotations

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("apigateway")]

ECHO = "import json\ndef handler(event, context): return {'statusCode': 200, 'body': json.dumps(event)}"
FAILED = (500, {"message": "Internal Server Error"})


def told(answer):
    return answer.status_code, answer.json()


# --- REST APIs

TOKEN = """
import time
def handler(event, context):
    token = event['authorizationToken']
    if token == 'unauthorized': raise Exception('Unauthorized')
    if token == 'broken': return {'policyDocument': 5}
    if token == 'fails': 1 / 0
    statement = [{'Action': 'execute-api:Invoke', 'Effect': token.title(), 'Resource': event['methodArn']}]
    return {'principalId': 'me', 'policyDocument': {'Version': '2012-10-17', 'Statement': statement},
            'context': {'number': 1, 'flag': True, 'text': 'x', 'at': context.aws_request_id}}
"""


def guard(lab, rest, code, source, *, path="/", kind="TOKEN", key_required=False, **settings):
    """Lets a function decide who may ask for a path; it is answered by its event."""
    lab.deploy("guard", code)
    lab.deploy("echo", ECHO)
    rest.permit("guard")
    rest.permit("echo")
    made = rest.aws.create_authorizer(
        restApiId=rest.id,
        name="guard",
        type=kind,
        authorizerUri=rest.uri("guard"),
        identitySource=f"method.request.{source}",
        **settings,
    )
    rest.proxy("GET", path, "echo", authorizationType="CUSTOM", authorizerId=made["id"], apiKeyRequired=key_required)
    rest.deploy()


@pytest.fixture
def guarded(lab, rest):
    guard(lab, rest, TOKEN, "header.Authorization", authorizerResultTtlInSeconds=60)
    return rest


def test_a_lambda_authorizer_lets_in_and_tells_the_function(guarded):
    authorizer = guarded.get(headers={"Authorization": "allow"}).json()["requestContext"]["authorizer"]
    assert (authorizer["principalId"], authorizer["number"], authorizer["flag"], authorizer["text"]) == (
        "me",
        "1",
        "true",
        "x",
    )


@pytest.mark.parametrize(
    ("token", "status", "body"),
    [
        ("", 401, {"message": "Unauthorized"}),
        ("unauthorized", 401, {"message": "Unauthorized"}),
        (
            "deny",
            403,
            {
                "Message": "User is not authorized to access this resource with an explicit deny in an identity-based policy"
            },
        ),
        ("broken", 500, {"message": None}),
        ("fails", 500, {"message": None}),
    ],
)
def test_a_lambda_authorizer_keeps_out(guarded, token, status, body):
    assert told(guarded.get(headers={"Authorization": token} if token else {})) == (status, body)


def test_what_an_authorizer_said_is_kept_for_its_time(lab, guarded):
    def run():
        return guarded.get(headers={"Authorization": "allow"}).json()["requestContext"]["authorizer"]["at"]

    first = run()
    assert run() == first
    lab.advance("61s")
    assert run() != first


def test_a_request_authorizer_sees_the_request(lab, rest):
    code = """
def handler(event, context):
    allowed = event['queryStringParameters'].get('who') == 'ada' and event['pathParameters'] == {'id': '7'}
    effect = 'Allow' if allowed else 'Deny'
    return {'principalId': 'p', 'policyDocument': {'Statement': [{'Action': '*', 'Effect': effect, 'Resource': '*'}]}}
"""
    guard(lab, rest, code, "querystring.who", path="/{id}", kind="REQUEST")
    assert [rest.get(path).status_code for path in ("/7?who=ada", "/7?who=bob", "/7")] == [200, 403, 401]


def test_a_method_with_iam_authorization_wants_a_signature(lab, rest):
    lab.deploy("echo", ECHO)
    rest.permit("echo")
    rest.proxy("GET", "/", "echo", authorizationType="AWS_IAM")
    rest.deploy()
    assert told(rest.get()) == (403, {"message": "Missing Authentication Token"})
    known = lab.connection
    credentials = Credentials(known["aws_access_key_id"], known["aws_secret_access_key"])
    request = AWSRequest("GET", rest.url())
    SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)
    answer = rest.get(headers=dict(request.headers))
    assert answer.json()["requestContext"]["identity"]["accessKey"] == credentials.access_key
    wrong = dict(request.headers) | {"X-Amz-Date": "20200101T000000Z"}
    assert rest.get(headers=wrong).status_code == 403


def test_a_cognito_authorizer_is_refused(lab, rest):
    rest.proxy("GET", "/", "nobody", authorizationType="COGNITO_USER_POOLS", authorizerId="x")
    rest.deploy()
    assert rest.get().status_code == 500


def test_an_authorizer_may_name_the_api_key(lab, new_rest):
    rest = new_rest(apiKeySource="AUTHORIZER")
    key = rest.aws.create_api_key(name="k", enabled=True, value="a" * 20 + rest.id)
    allowed = "{'Statement': [{'Action': '*', 'Effect': 'Allow', 'Resource': '*'}]}"
    answer = f"{{'principalId': 'p', 'usageIdentifierKey': event['authorizationToken'], 'policyDocument': {allowed}}}"
    code = f"def handler(event, context): return {answer}"
    guard(lab, rest, code, "header.Who", key_required=True, identityValidationExpression="[a-z0-9]+")
    stages = [{"apiId": rest.id, "stage": "prod"}]
    plan = rest.aws.create_usage_plan(name="p", apiStages=stages)
    rest.aws.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    given = {key["value"]: 200, "b" * 30: 403, "NOT VALID": 401}
    assert {who: rest.get(headers={"Who": who}).status_code for who in given} == given


# --- HTTP APIs

SIMPLE = """
def handler(event, context):
    who = event['identitySource'][0]
    if who == 'fails': 1 / 0
    return {'isAuthorized': who == 'ada', 'context': {'who': who, 'at': context.aws_request_id}}
"""


def guard_route(lab, http, code, **settings):
    lab.deploy("guard", code)
    lab.deploy("echo", ECHO)
    http.permit("guard")
    http.permit("echo")
    made = http.aws.create_authorizer(
        ApiId=http.id,
        AuthorizerType="REQUEST",
        Name="guard",
        AuthorizerUri=http.uri("guard"),
        IdentitySource=["$request.header.X-Who"],
        **{"AuthorizerPayloadFormatVersion": "2.0", **settings},
    )
    http.route("GET /", "echo", AuthorizationType="CUSTOM", AuthorizerId=made["AuthorizerId"])


def test_an_authorizer_answers_simply(lab, http):
    guard_route(lab, http, SIMPLE, EnableSimpleResponses=True, AuthorizerResultTtlInSeconds=60)
    event = http.get("/", headers={"X-Who": "ada"}).json()
    first = event["requestContext"]["authorizer"]["lambda"]
    assert [found["Name"] for found in http.aws.get_authorizers(ApiId=http.id)["Items"]] == ["guard"]
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
    guard_route(lab, http, code, AuthorizerPayloadFormatVersion="1.0")
    assert [http.get("/", headers={"X-Who": who}).status_code for who in ("ada", "bob")] == [200, 403]

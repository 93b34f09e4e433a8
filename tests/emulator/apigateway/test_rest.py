"""REST APIs on a running lab: made with boto3, asked with `requests`."""

from __future__ import annotations

import ast
import base64
import http.client
import json
import subprocess
import sys

import boto3
import psutil
import pytest
import requests

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("apigateway")]

ECHO = "import json\ndef handler(event, context): return {'statusCode': 200, 'body': json.dumps(event)}"
GIVEN = "import json\ndef handler(event, context): return json.loads(event['body'])"
TABLE = "def handler(event, context):\n if event.get('fail'): raise Exception(event['fail'])\n return {'got': event}"
UNABLE = (502, {"message": "Internal server error"})


@pytest.fixture
def echo(lab, rest):
    """A REST API whose every path is answered by its own event."""
    lab.deploy("echo", ECHO)
    rest.permit("echo")
    for path in ("/", "/{proxy+}"):
        rest.proxy("ANY", path, "echo")
    rest.deploy()
    return rest


def accounts(lab):
    """The processes of this lab's moto."""
    children = psutil.Process(lab._process.pid).children()
    return [process for process in children if "labkit.mockaws" in " ".join(process.cmdline())]


def told(answer):
    return answer.status_code, answer.json()


# --- addresses


def test_the_event_is_the_request(echo):
    event = echo.post("/a%2Fb/c/?x=1&x=ä&y=", data="grüße".encode(), headers={"tEsT-HEADeR": "aValUE"}).json()
    assert (event["path"], event["pathParameters"], event["resource"]) == (
        "/a%2Fb/c/",
        {"proxy": "a%2Fb/c"},
        "/{proxy+}",
    )
    assert event["queryStringParameters"] == {"x": "ä", "y": ""}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "ä"], "y": [""]}
    assert event["headers"]["tEsT-HEADeR"] == "aValUE"
    assert event["multiValueHeaders"]["User-Agent"] == [event["requestContext"]["identity"]["userAgent"]]
    assert (event["body"], event["isBase64Encoded"]) == ("grüße", False)
    context = event["requestContext"]
    assert (context["path"], context["stage"], context["apiId"]) == ("/prod/a%2Fb/c/", "prod", echo.id)
    assert context["identity"]["sourceIp"] == "127.0.0.1"


def test_all_forms_of_an_address_lead_to_the_api(lab, echo):
    port = lab.endpoint.rpartition(":")[2]
    there = f"{lab.endpoint}/restapis/{echo.id}/prod/_user_request_/x?q=1"
    assert requests.get(there, timeout=15).json()["path"] == "/x"
    for host in (f"{echo.id}.execute-api.localhost:{port}", f"{echo.id}.execute-api.us-east-1.localhost:{port}"):
        answer = requests.get(f"{lab.endpoint}/prod/x", headers={"Host": host}, timeout=15)
        assert (answer.json()["path"], answer.json()["requestContext"]["domainName"]) == ("/x", host)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PATCH", "DELETE"])
def test_any_method_is_passed_on(echo, method):
    answer = requests.request(method, echo.url("/x"), timeout=15)
    assert answer.status_code == 200
    assert answer.headers["x-amzn-requestid"]
    assert answer.headers["x-amz-apigw-id"]
    assert method == "HEAD" or answer.json()["httpMethod"] == method


def test_an_authorization_header_of_whatever_kind_reaches_the_function(echo):
    signed = "AWS4-HMAC-SHA256 Credential=AKIAX/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    for value in ("Bearer x", signed):
        assert echo.get("/x", headers={"authorization": value}).json()["headers"]["Authorization"] == value


def test_what_is_odd_reaches_the_function_as_it_is(lab, echo):
    connection = http.client.HTTPConnection(lab.endpoint.removeprefix("http://"), timeout=15)
    connection.putrequest("GET", f"/_aws/execute-api/{echo.id}/prod/../..%2f%00/x?a=%ff&=&b", skip_accept_encoding=True)
    for value in ("one", "two", "gr\xfc\xdfe"):
        connection.putheader("X-Many", value)
    connection.endheaders()
    event = json.loads(connection.getresponse().read())
    assert (event["path"], event["pathParameters"]) == ("/../..%2f%00/x", {"proxy": "../..%2f%00/x"})
    assert event["queryStringParameters"] == {"a": "\ufffd", "": "", "b": ""}
    assert (event["headers"]["X-Many"], event["multiValueHeaders"]["X-Many"]) == (
        "gr\xfc\xdfe",
        ["one", "two", "gr\xfc\xdfe"],
    )
    connection.close()


def test_addresses_of_nothing_are_refused(lab, rest, echo):
    missing = (403, {"message": "Forbidden"})
    assert told(requests.get(f"{lab.endpoint}/_aws/execute-api/nothing/prod/", timeout=15)) == missing
    answer = requests.get(rest.url(stage="dev"), timeout=15)
    assert told(answer) == missing
    assert answer.headers["x-amzn-errortype"] == "ForbiddenException"


def test_a_path_without_a_method_is_missing_its_token(lab, rest):
    lab.deploy("echo", ECHO)
    rest.proxy("GET", "/a", "echo")
    rest.deploy()
    for answer in (rest.get("/b"), rest.post("/a"), rest.get()):
        assert told(answer) == (403, {"message": "Missing Authentication Token"})
        assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


def test_a_lab_without_an_api_starts_no_moto(own_lab):
    answer = requests.get(f"{own_lab.endpoint}/_aws/execute-api/abc/prod/x", timeout=15)
    assert told(answer) == (403, {"message": "Forbidden"})
    assert accounts(own_lab) == []


def test_an_api_of_another_region_is_found(lab, rest):
    known = {**lab.connection, "region_name": "eu-west-1"}
    aws = boto3.client("apigateway", **known)
    api_id = aws.create_rest_api(name="there")["id"]
    where = {
        "restApiId": api_id,
        "resourceId": aws.get_resources(restApiId=api_id)["items"][0]["id"],
        "httpMethod": "GET",
    }
    aws.put_method(**where, authorizationType="NONE")
    aws.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    aws.put_integration_response(**where, statusCode="200", responseTemplates={"application/json": "$context.stage"})
    aws.create_deployment(restApiId=api_id, stageName="dev")
    assert requests.get(f"{lab.endpoint}/_aws/execute-api/{api_id}/dev", timeout=15).text == "dev"


# --- deployments and stages


def test_a_stage_serves_what_was_deployed(lab, echo):
    echo.proxy("GET", "/new", "echo", apiKeyRequired=True)
    assert echo.get("/new").json()["resource"] == "/{proxy+}"
    first = echo.aws.get_stage(restApiId=echo.id, stageName="prod")["deploymentId"]
    echo.deploy()
    assert told(echo.get("/new")) == (403, {"message": "Forbidden"})
    echo.aws.create_stage(restApiId=echo.id, stageName="old", deploymentId=first, variables={"v": "1"})
    event = requests.get(echo.url("/new", stage="old"), timeout=15).json()
    assert (event["resource"], event["stageVariables"]) == ("/{proxy+}", {"v": "1"})


def test_a_stage_variable_names_the_function(lab, rest):
    lab.deploy("echo", ECHO)
    rest.permit("echo")
    rest.proxy("GET", "/a", "echo", integration={"uri": rest.uri("${stageVariables.name}")})
    rest.deploy(variables={"name": "echo"})
    assert rest.get("/a").json()["stageVariables"] == {"name": "echo"}
    rest.aws.update_stage(
        restApiId=rest.id,
        stageName="prod",
        patchOperations=[{"op": "replace", "path": "/variables/name", "value": "gone"}],
    )
    assert told(rest.get("/a")) == (500, {"message": "Internal server error"})


# --- functions


@pytest.mark.parametrize(
    "result",
    ["text", [1], {"statusCode": "x"}, {"body": {"a": 1}}, {"statusCode": 200, "more": 1}, {"headers": 1}, None],
)
def test_a_result_of_a_wrong_shape_is_a_bad_gateway(lab, rest, result):
    lab.deploy("given", GIVEN)
    rest.permit("given")
    rest.proxy("POST", "/", "given")
    rest.deploy()
    answer = rest.post(json=result)
    assert told(answer) == UNABLE
    assert answer.headers["x-amzn-errortype"] == "InternalServerErrorException"


def test_a_result_is_the_response(lab, rest):
    lab.deploy("given", GIVEN)
    rest.permit("given")
    rest.proxy("POST", "/", "given")
    rest.deploy()
    wanted = {
        "statusCode": 201,
        "headers": {"X-A": "1"},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
        "body": "ä",
    }
    answer = rest.post(json=wanted)
    assert (answer.status_code, answer.content, answer.headers["x-a"]) == (201, "ä".encode(), "1")
    assert dict(answer.cookies) == {"a": "1", "b": "2"}


def test_a_failing_function_is_a_bad_gateway(lab, rest):
    lab.deploy("bad", "def handler(event, context): 1 / 0")
    rest.permit("bad")
    rest.proxy("GET", "/", "bad")
    rest.deploy()
    assert told(rest.get()) == UNABLE


def test_a_slow_function_is_not_waited_for(lab, rest):
    lab.deploy("slow", "import time\ndef handler(event, context): time.sleep(5)", timeout_s=2)
    rest.permit("slow")
    rest.proxy("GET", "/", "slow", integration={"timeoutInMillis": 100})
    rest.deploy()
    answer = rest.get()
    assert told(answer) == (504, {"message": "Endpoint request timed out"})


def test_without_a_permission_the_function_is_not_run(rest, lab, wait_until):
    lab.deploy("echo", ECHO)
    rest.proxy("GET", "/pets/{id}", "echo")
    rest.deploy()
    assert told(rest.get("/pets/1")) == (500, {"message": "Internal server error"})
    wait_until(lambda: f"{rest.id}/prod/GET/pets/*" in lab._process.last_words())
    assert "Try: lambda.add_permission(FunctionName='arn:aws:lambda:us-east-1" in lab._process.last_words()
    permission = {"Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com", "FunctionName": "echo"}
    source = f"arn:aws:execute-api:us-east-1:123456789012:{rest.id}"
    lab.boto3("lambda").add_permission(StatementId="a", SourceArn=f"{source}/*/POST/pets/*", **permission)
    assert rest.get("/pets/1").status_code == 500
    lab.boto3("lambda").add_permission(StatementId="b", SourceArn=f"{source}/*/GET/pets/*", **permission)
    assert rest.get("/pets/1").status_code == 200


def test_a_deleted_function_is_an_error(lab, echo):
    lab.delete("echo")
    assert told(echo.get("/x")) == (500, {"message": "Internal server error"})


def test_too_large_a_body_is_refused(echo):
    answer = echo.post("/x", data=b"x" * (10 * 1024 * 1024 + 1))
    assert told(answer) == (413, {"message": "Request Too Long"})
    assert echo.post("/x", data=b"x" * (7 * 1024 * 1024)).status_code == 413  # Lambda's own limit, of 6 MB


def test_binary_bodies_go_both_ways(lab, new_rest):
    rest = new_rest(binaryMediaTypes=["image/png"])
    lab.deploy("mirror", "def handler(event, context): return {k: event[k] for k in ('body', 'isBase64Encoded')}")
    rest.permit("mirror")
    rest.proxy("POST", "/", "mirror")
    rest.deploy()
    data = bytes(range(256))
    picture = {"content-type": "image/png", "accept": "image/png"}
    assert rest.post(data=data, headers=picture).content == data
    assert rest.post(data=data, headers={"content-type": "image/png"}).content == base64.b64encode(data)


def test_a_function_can_be_called_asynchronously(lab, rest, wait_until):
    lab.deploy("echo", ECHO)
    rest.permit("echo")
    where = rest.method("POST", "/")
    rest.aws.put_integration(
        **where,
        type="AWS",
        integrationHttpMethod="POST",
        uri=rest.uri("echo"),
        requestParameters={"integration.request.header.X-Amz-Invocation-Type": "'Event'"},
    )
    rest.aws.put_integration_response(**where, statusCode="202")
    rest.deploy()
    answer = rest.post(json={"a": 1})
    assert (answer.status_code, answer.content) == (202, b"")
    wait_until(lambda: lab.traces("echo"))


# --- mapping templates


def mapped(rest, *, templates=None, responses=None, **integration):
    where = rest.method("POST", "/{id}")
    rest.aws.put_integration(
        **where,
        **{"type": "AWS", "integrationHttpMethod": "POST", "uri": rest.uri("table"), **integration},
        requestTemplates=templates or {},
    )
    for status, settings in (responses or {"200": {}}).items():
        rest.aws.put_method_response(**where, statusCode=status)
        rest.aws.put_integration_response(**where, statusCode=status, **settings)
    rest.deploy()


@pytest.fixture
def table(lab, rest):
    lab.deploy("table", TABLE)
    rest.permit("table")
    return rest


def test_a_request_template_makes_the_event(table):
    template = '{"id": "$input.params(\'id\')", "name": $input.json(\'$.name\'), "stage": "$context.stage"}'
    mapped(table, templates={"application/json": template})
    assert table.post("/7", json={"name": "Ada"}).json() == {"got": {"id": "7", "name": "Ada", "stage": "prod"}}


@pytest.mark.parametrize(
    ("behaviour", "templates", "kind", "status"),
    [
        ("WHEN_NO_MATCH", {"application/json": "{}"}, "application/x-other", 200),
        ("WHEN_NO_TEMPLATES", {"application/json": "{}"}, "application/x-other", 415),
        ("WHEN_NO_TEMPLATES", {}, "application/x-other", 200),
        ("NEVER", {}, "application/json", 415),
    ],
)
def test_what_has_no_template_is_passed_through_or_not(table, behaviour, templates, kind, status):
    mapped(table, templates=templates, passthroughBehavior=behaviour)
    assert table.post("/7", data='{"a": 1}', headers={"content-type": kind}).status_code == status


def test_a_template_that_makes_no_json_is_a_bad_request(table):
    mapped(table, templates={"application/json": "{oops"})
    answer = table.post("/7", json={})
    assert answer.status_code == 400
    assert "Could not parse request body into json" in answer.json()["message"]


def test_an_integration_response_is_selected_by_the_error_message(table):
    mapped(
        table,
        responses={
            "200": {},
            "400": {
                "selectionPattern": "Bad:.*",
                "responseTemplates": {"application/json": '{"why": $input.json("$.errorMessage")}'},
                "responseParameters": {
                    "method.response.header.X-Kind": "integration.response.body.errorType",
                    "method.response.header.Access-Control-Allow-Origin": "'*'",
                },
            },
        },
    )
    good, bad = table.post("/7", json={}), table.post("/7", json={"fail": "Bad: day"})
    assert (good.status_code, good.json()) == (200, {"got": {}})
    assert (bad.status_code, bad.json()) == (400, {"why": "Bad: day"})
    assert (bad.headers["x-kind"], bad.headers["access-control-allow-origin"]) == ("Exception", "*")
    assert table.post("/7", json={"fail": "else"}).status_code == 200


def test_a_malformed_template_is_an_error_of_the_server(table, wait_until):
    mapped(table, templates={"application/json": "#if("})
    answer = table.post("/7", json={})
    assert told(answer) == (500, {"message": "Internal server error"})
    wait_until(lambda: "the mapping template of POST /{id}: line 1: no expression" in table.lab._process.last_words())


def test_a_mock_answers_a_preflight_as_the_console_makes_it(rest):
    where = rest.method("OPTIONS", "/a")
    rest.aws.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    allowed = {
        "method.response.header.Access-Control-Allow-Origin": "'*'",
        "method.response.header.Access-Control-Allow-Methods": "'GET,OPTIONS'",
    }
    rest.aws.put_method_response(**where, statusCode="200")
    rest.aws.put_integration_response(**where, statusCode="200", responseParameters=allowed)
    rest.deploy()
    answer = requests.options(
        rest.url("/a"), headers={"Origin": "http://x", "Access-Control-Request-Method": "GET"}, timeout=15
    )
    assert (answer.status_code, answer.content) == (200, b"")
    assert (answer.headers["access-control-allow-origin"], answer.headers["access-control-allow-methods"]) == (
        "*",
        "GET,OPTIONS",
    )


def test_a_mock_overrides_its_status(rest):
    where = rest.method("GET", "/")
    template = '#set($context.responseOverride.status = 404){"path": "$context.path"}'
    rest.aws.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    rest.aws.put_integration_response(**where, statusCode="200", responseTemplates={"application/json": template})
    rest.deploy()
    assert told(rest.get()) == (404, {"path": "/prod"})


def test_an_integration_that_needs_the_network_is_refused(rest):
    where = rest.method("GET", "/")
    rest.aws.put_integration(**where, type="HTTP_PROXY", integrationHttpMethod="GET", uri="http://example.com")
    rest.deploy()
    assert told(rest.get()) == (500, {"message": "Internal server error"})


# --- who may come in, how often


def test_an_api_key_with_a_plan_lets_in(lab, rest):
    lab.deploy("echo", ECHO)
    rest.permit("echo")
    rest.proxy("GET", "/", "echo", apiKeyRequired=True)
    rest.deploy()
    key = rest.aws.create_api_key(name="k", enabled=True, value="k" * 20 + rest.id)
    stages = [{"apiId": rest.id, "stage": "prod"}]
    plan = rest.aws.create_usage_plan(name="p", apiStages=stages, quota={"limit": 2, "period": "DAY"})
    for headers in ({}, {"x-api-key": "wrong"}, {"x-api-key": key["value"]}):
        answer = rest.get(headers=headers)
        assert told(answer) == (403, {"message": "Forbidden"})
    rest.aws.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    answer = rest.get(headers={"x-api-key": key["value"]})
    assert answer.json()["requestContext"]["identity"]["apiKeyId"] == key["id"]
    assert rest.get(headers={"x-api-key": key["value"]}).status_code == 200
    answer = rest.get(headers={"x-api-key": key["value"]})
    assert told(answer) == (429, {"message": "Limit Exceeded"})
    assert answer.headers["x-amzn-errortype"] == "LimitExceededException"
    lab.advance("1d")
    assert rest.get(headers={"x-api-key": key["value"]}).status_code == 200


def test_a_plan_throttles(lab, rest):
    lab.deploy("echo", ECHO)
    rest.permit("echo")
    rest.proxy("GET", "/", "echo", apiKeyRequired=True)
    rest.deploy()
    key = rest.aws.create_api_key(name="k", enabled=True, value="t" * 20 + rest.id)
    plan = rest.aws.create_usage_plan(
        name="p", apiStages=[{"apiId": rest.id, "stage": "prod"}], throttle={"rateLimit": 0.001, "burstLimit": 1}
    )
    rest.aws.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    assert rest.get(headers={"x-api-key": key["value"]}).status_code == 200
    assert told(rest.get(headers={"x-api-key": key["value"]})) == (429, {"message": "Too Many Requests"})


def test_a_stage_throttles(lab, rest):
    lab.deploy("echo", ECHO)
    rest.permit("echo")
    rest.proxy("GET", "/", "echo")
    rest.deploy()
    limits = {"rateLimit": "0.001", "burstLimit": "1"}
    changes = [{"op": "replace", "path": f"/*/*/throttling/{name}", "value": value} for name, value in limits.items()]
    rest.aws.update_stage(restApiId=rest.id, stageName="prod", patchOperations=changes)
    assert [rest.get().status_code for _ in range(2)] == [200, 429]


# --- validation, gateway responses


def test_requests_are_validated(lab, rest):
    lab.deploy("echo", ECHO)
    rest.permit("echo")
    validator = rest.aws.create_request_validator(
        restApiId=rest.id, name="v", validateRequestBody=True, validateRequestParameters=True
    )["id"]
    name = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    rest.aws.create_model(restApiId=rest.id, name="Name", contentType="application/json", schema=json.dumps(name))
    people = {"type": "array", "items": {"$ref": f"https://apigateway.amazonaws.com/restapis/{rest.id}/models/Name"}}
    rest.aws.create_model(restApiId=rest.id, name="People", contentType="application/json", schema=json.dumps(people))
    rest.proxy(
        "POST",
        "/",
        "echo",
        requestValidatorId=validator,
        requestModels={"application/json": "People"},
        requestParameters={
            "method.request.querystring.q": True,
            "method.request.header.X-A": True,
            "method.request.querystring.o": False,
        },
    )
    rest.deploy()
    answer = rest.post(json=[])
    assert told(answer) == (400, {"message": "Missing required request parameters: [X-A, q]"})
    assert answer.headers["x-amzn-errortype"] == "BadRequestException"
    bodies = [([{"name": "Ada"}], 200), ([], 200), ([{"name": 5}], 400), ([{}], 400), ({}, 400)]
    assert [rest.post("?q=1", json=body, headers={"x-a": "1"}).status_code for body, _ in bodies] == [
        s for _, s in bodies
    ]
    answer = rest.post("?q=1", data="{", headers={"x-a": "1", "content-type": "application/json"})
    assert told(answer) == (400, {"message": "Invalid request body"})


def test_a_gateway_response_can_be_customised(rest, lab):
    rest.proxy("GET", "/a", "nobody")
    rest.aws.put_gateway_response(
        restApiId=rest.id,
        responseType="MISSING_AUTHENTICATION_TOKEN",
        statusCode="404",
        responseParameters={"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
        responseTemplates={"application/json": '{"nothing": "$context.error.responseType"}'},
    )
    rest.deploy()
    answer = rest.get("/b")
    assert told(answer) == (404, {"nothing": "MISSING_AUTHENTICATION_TOKEN"})
    assert answer.headers["access-control-allow-origin"] == "*"


# --- cost


def test_a_request_asks_moto_nothing_when_nothing_changed(lab, echo):
    echo.get("/x")
    (moto,) = accounts(lab)
    before = moto.io_counters().read_chars
    for _ in range(5):
        echo.get("/x")
    assert moto.io_counters().read_chars == before


def test_a_start_does_not_import_what_only_apis_need():
    code = "import labkit.emulator.composition, sys; print([m for m in sys.modules if 'apigateway' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    package = "labkit.emulator.apigateway"
    assert sorted(ast.literal_eval(done.stdout)) == [package, f"{package}.addresses", f"{package}.door"]

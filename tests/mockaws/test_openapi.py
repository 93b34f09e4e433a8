"""OpenAPI documents: what they say, and that an imported API answers."""

from __future__ import annotations

import json

import pytest
import requests
from botocore.exceptions import ClientError

from labkit.mockaws.openapi import NoApi, api_of, schema_text

URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:{}/invocations"
PROXY = {"type": "aws_proxy", "httpMethod": "POST", "uri": URI.format("echo")}
MOCK = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {
        "default": {
            "statusCode": "200",
            "responseParameters": {"method.response.header.Access-Control-Allow-Origin": "'*'"},
            "responseTemplates": {"application/json": '{"mocked": true}'},
        }
    },
}
NAME = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "pets"},
    "basePath": "/v1",
    "x-amazon-apigateway-binary-media-types": ["image/png"],
    "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True, "validateRequestParameters": True}},
    "x-amazon-apigateway-request-validator": "all",
    "securityDefinitions": {
        "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        "guard": {
            "type": "apiKey",
            "name": "Auth",
            "in": "header",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {
                "type": "token",
                "authorizerUri": URI.format("guard"),
                "identityValidationExpression": "^a.*$",
            },
        },
    },
    "x-amazon-apigateway-gateway-responses": {
        "DEFAULT_4XX": {"responseParameters": {"gatewayresponse.header.X-Four": "'4'"}}
    },
    "definitions": {"Name": NAME, "Names": {"type": "array", "items": {"$ref": "#/definitions/Name"}}},
    "paths": {
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "type": "string"}],
            "get": {"responses": {"200": {}}, "x-amazon-apigateway-integration": PROXY},
            "post": {
                "parameters": [
                    {"name": "q", "in": "query", "required": True, "type": "string"},
                    {"name": "body", "in": "body", "schema": {"$ref": "#/definitions/Names"}},
                ],
                "responses": {
                    "200": {"headers": {"X-A": {"type": "string"}}, "schema": {"$ref": "#/definitions/Name"}}
                },
                "x-amazon-apigateway-integration": PROXY,
            },
            "options": {"responses": {"200": {}}, "x-amazon-apigateway-integration": MOCK},
        },
        "/closed": {"get": {"security": [{"key": []}], "responses": {}, "x-amazon-apigateway-integration": PROXY}},
        "/guarded": {"get": {"security": [{"guard": []}], "responses": {}, "x-amazon-apigateway-integration": PROXY}},
    },
}
OPENAPI = {
    "openapi": "3.0.1",
    "info": {"title": "pets", "version": "1"},
    "components": {"schemas": {"Name": NAME}},
    "x-amazon-apigateway-request-validators": {"body": {"validateRequestBody": True}},
    "paths": {
        "/names": {
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Name"}}}},
                "responses": {"200": {"content": {"application/json": {"schema": {"type": "object"}}}}, "default": {}},
                "x-amazon-apigateway-request-validator": "body",
                "x-amazon-apigateway-integration": PROXY,
            }
        },
        "/{proxy+}": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": PROXY}},
    },
}


def test_a_document_of_swagger_2_is_read():
    api = api_of(SWAGGER)
    post = next(method for method in api.methods if method.verb == "POST")
    assert post.parameters == {"method.request.path.id": True, "method.request.querystring.q": True}
    assert (post.models, post.validator) == ({"application/json": "Names"}, "all")
    assert post.responses[0].parameters == {"method.response.header.X-A": False}
    closed, guarded = (next(m for m in api.methods if m.path == path) for path in ("/closed", "/guarded"))
    assert (closed.key_required, closed.authorization) == (True, "NONE")
    assert (guarded.key_required, guarded.authorization, guarded.authorizer) == (False, "CUSTOM", "guard")
    assert api.authorizers["guard"].identity_source == "method.request.header.Auth"


def test_a_document_of_openapi_3_is_read():
    api = api_of(OPENAPI)
    assert [(m.verb, m.path) for m in api.methods] == [("POST", "/names"), ("ANY", "/{proxy+}")]
    assert api.methods[0].models == {"application/json": "Name"}
    assert [r.status for r in api.methods[0].responses] == ["200"]
    assert any(name.startswith("MODEL") for name in api.models)


def test_a_reference_becomes_the_address_of_a_model():
    text = schema_text({"items": {"$ref": "#/definitions/Name"}}, "abc")
    assert json.loads(text) == {"items": {"$ref": "https://apigateway.amazonaws.com/restapis/abc/models/Name"}}


@pytest.mark.parametrize("document", [{"swagger": "2.0"}, {"info": 5, "paths": {}}, {"info": {}, "paths": []}])
def test_what_describes_no_api_is_refused(document):
    with pytest.raises(NoApi):
        api_of(document)


# --- on a running lab


@pytest.fixture
def gateway(lab):
    aws = lab.boto3("apigateway")
    before = {api["id"] for api in aws.get_rest_apis()["items"]}
    lab.deploy("echo", "import json\ndef handler(event, context): return {'body': json.dumps(event)}")
    yield aws
    for api in aws.get_rest_apis()["items"]:
        if api["id"] not in before:
            aws.delete_rest_api(restApiId=api["id"])


def served(lab, aws, document, **settings):
    api_id = aws.import_rest_api(body=json.dumps(document), **settings)["id"]
    lab.boto3("lambda").add_permission(
        FunctionName="echo",
        StatementId=api_id,
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:123456789012:{api_id}/*",
    )
    aws.create_deployment(restApiId=api_id, stageName="prod")
    return api_id, f"{lab.endpoint}/_aws/execute-api/{api_id}/prod"


@pytest.mark.process
def test_an_api_of_swagger_2_answers(lab, gateway):
    api_id, url = served(lab, gateway, SWAGGER)
    assert gateway.get_rest_api(restApiId=api_id)["binaryMediaTypes"] == ["image/png"]
    assert requests.get(f"{url}/pets/7", timeout=15).json()["pathParameters"] == {"id": "7"}
    posted = [({}, "", 400), ([{"name": "Ada"}], "?q=1", 200), ([{}], "?q=1", 400)]
    for body, query, status in posted:
        answer = requests.post(f"{url}/pets/7{query}", json=body, timeout=15)
        assert (answer.status_code, answer.headers.get("x-four")) == (status, None if status == 200 else "4")
    assert requests.options(f"{url}/pets/7", timeout=15).json() == {"mocked": True}
    assert requests.get(f"{url}/closed", timeout=15).status_code == 403
    assert requests.get(f"{url}/guarded", headers={"Auth": "bad"}, timeout=15).status_code == 401


@pytest.mark.process
def test_an_api_of_openapi_3_answers_and_is_overwritten(lab, gateway):
    api_id, url = served(lab, gateway, OPENAPI, failOnWarnings=True)
    assert requests.post(f"{url}/names", json={"name": "Ada"}, timeout=15).status_code == 200
    assert requests.post(f"{url}/names", json={}, timeout=15).status_code == 400
    assert requests.delete(f"{url}/else/where", timeout=15).json()["pathParameters"] == {"proxy": "else/where"}
    gateway.put_rest_api(restApiId=api_id, mode="overwrite", body=json.dumps(SWAGGER))
    gateway.create_deployment(restApiId=api_id, stageName="prod")
    assert requests.delete(f"{url}/else/where", timeout=15).status_code == 403


@pytest.mark.process
@pytest.mark.parametrize("document", [{"openapi": "3.0.1"}, {"swagger": "2.0", "info": {}, "paths": 5}])
def test_a_document_that_is_none_is_a_bad_request(gateway, document):
    with pytest.raises(ClientError) as caught:
        gateway.import_rest_api(body=json.dumps(document))
    assert caught.value.response["Error"]["Code"] == "BadRequestException"


@pytest.mark.process
def test_a_stage_keeps_its_variables_when_it_is_deployed_again(lab, gateway):
    api_id, url = served(lab, gateway, OPENAPI)
    gateway.update_stage(
        restApiId=api_id, stageName="prod", patchOperations=[{"op": "replace", "path": "/variables/v", "value": "1"}]
    )
    gateway.create_deployment(restApiId=api_id, stageName="prod")
    assert requests.get(f"{url}/x", timeout=15).json()["stageVariables"] == {"v": "1"}


@pytest.mark.process
def test_binary_types_are_added_and_removed(gateway):
    api_id = gateway.create_rest_api(name="b", binaryMediaTypes=["image/png"])["id"]
    changes = [
        {"op": "add", "path": "/binaryMediaTypes/image~1gif"},
        {"op": "remove", "path": "/binaryMediaTypes/image~1png"},
    ]
    assert gateway.update_rest_api(restApiId=api_id, patchOperations=changes)["binaryMediaTypes"] == ["image/gif"]

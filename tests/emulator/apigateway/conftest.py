"""APIs made with plain boto3 on the shared lab, and asked with `requests`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

ACCOUNT, REGION = "123456789012", "us-east-1"
LAMBDA_URI = "arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations"


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def function_uri(name: str) -> str:
    return LAMBDA_URI.format(region=REGION, arn=function_arn(name))


class Api:
    """What both kinds have."""

    lab: Any
    id: str
    uri = staticmethod(function_uri)

    def permit(self, name: str) -> None:
        """Lets the API run a function."""
        self.lab.boto3("lambda").add_permission(
            FunctionName=name,
            StatementId=self.id,
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{self.id}/*",
        )


class Rest(Api):
    """A REST API."""

    def __init__(self, lab: Any, **settings: Any) -> None:
        self.lab, self.aws = lab, lab.boto3("apigateway")
        self.id = self.aws.create_rest_api(name="test", **settings)["id"]
        self.resources = {"/": self.aws.get_resources(restApiId=self.id)["items"][0]["id"]}

    def resource(self, path: str) -> str:
        parent, _, part = path.rpartition("/")
        if path not in self.resources:
            made = self.aws.create_resource(restApiId=self.id, parentId=self.resource(parent or "/"), pathPart=part)
            self.resources[path] = made["id"]
        return self.resources[path]

    def method(self, verb: str, path: str, **settings: Any) -> dict[str, Any]:
        where = {"restApiId": self.id, "resourceId": self.resource(path), "httpMethod": verb}
        self.aws.put_method(**where, **{"authorizationType": "NONE", **settings})
        return where

    def proxy(
        self, verb: str, path: str, function: str, *, integration: dict[str, Any] | None = None, **settings: Any
    ) -> None:
        where = self.method(verb, path, **settings)
        self.aws.put_integration(
            **where,
            **{
                "type": "AWS_PROXY",
                "integrationHttpMethod": "POST",
                "uri": function_uri(function),
                **(integration or {}),
            },
        )

    def deploy(self, stage: str = "prod", **settings: Any) -> str:
        return self.aws.create_deployment(restApiId=self.id, stageName=stage, **settings)["id"]

    def url(self, path: str = "", stage: str = "prod") -> str:
        return f"{self.lab.endpoint}/_aws/execute-api/{self.id}/{stage}{path}"

    def get(self, path: str = "", **more: Any) -> requests.Response:
        return requests.get(self.url(path), timeout=15, **more)

    def post(self, path: str = "", **more: Any) -> requests.Response:
        return requests.post(self.url(path), timeout=15, **more)


class Http(Api):
    """An HTTP API with a `$default` stage."""

    def __init__(
        self, lab: Any, *, stage: str = "$default", variables: dict[str, str] | None = None, **settings: Any
    ) -> None:
        self.lab, self.aws = lab, lab.boto3("apigatewayv2")
        self.id = self.aws.create_api(Name="test", ProtocolType="HTTP", **settings)["ApiId"]
        self.aws.create_stage(ApiId=self.id, StageName=stage, AutoDeploy=True, StageVariables=variables or {})

    def route(self, key: str, function: str, *, integration: dict[str, Any] | None = None, **settings: Any) -> None:
        given = {"PayloadFormatVersion": "2.0", "IntegrationUri": function_arn(function), **(integration or {})}
        made = self.aws.create_integration(ApiId=self.id, IntegrationType="AWS_PROXY", **given)["IntegrationId"]
        self.aws.create_route(ApiId=self.id, RouteKey=key, Target=f"integrations/{made}", **settings)

    def url(self, path: str = "") -> str:
        return f"{self.lab.endpoint}/_aws/execute-api/{self.id}{path}"

    def get(self, path: str = "", **more: Any) -> requests.Response:
        return requests.get(self.url(path), timeout=15, **more)


@pytest.fixture
def new_rest(lab: Any) -> Iterator[Callable[..., Rest]]:
    """Makes REST APIs, which are deleted in the end."""
    made: list[Rest] = []

    def new(**settings: Any) -> Rest:
        made.append(Rest(lab, **settings))
        return made[-1]

    yield new
    for api in made:
        api.aws.delete_rest_api(restApiId=api.id)


@pytest.fixture
def new_http(lab: Any) -> Iterator[Callable[..., Http]]:
    """The same for HTTP APIs."""
    made: list[Http] = []

    def new(**settings: Any) -> Http:
        made.append(Http(lab, **settings))
        return made[-1]

    yield new
    for api in made:
        api.aws.delete_api(ApiId=api.id)


@pytest.fixture
def rest(new_rest: Callable[..., Rest]) -> Rest:
    return new_rest()


@pytest.fixture
def http(new_http: Callable[..., Http]) -> Http:
    return new_http()

"""An HTTP address for several functions: an API of API Gateway, made by the calls that anybody makes with boto3."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.client.address import proxied
from labkit.client.endpoint import ApiError
from labkit.errors import BadRoute

if TYPE_CHECKING:
    from labkit.client.lab import Lab

ROUTE = re.compile(r"(ANY|GET|HEAD|OPTIONS|PATCH|POST|PUT|DELETE) (/\S*)")
FUNCTION = re.compile(r":function:([\w-]+)")
KINDS = ("REST", "HTTP")
STAGE = "prod"
PRINCIPAL = "apigateway.amazonaws.com"
Client = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Api:
    """A deployed API. Its routes are below `url`.

    >>> api = lab.api("pets", {"GET /pets/{id}": "find_pet"})
    >>> requests.get(api.url + "/pets/7").json()
    """

    name: str
    api_id: str
    kind: str
    url: str
    routes: tuple[tuple[str, str], ...]
    link: str = ""
    """Where a browser finds it, if that is not `url`: on a hub by jupyter-server-proxy."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{route} -> {function}" for route, function in self.routes)
        return f"<Api {self.name} ({self.kind}) at {self.url}: {shown}>"


def checked(routes: Mapping[str, str], kind: str) -> list[tuple[str, str, str]]:
    """Verb, path and function of each route. Raises BadRoute."""
    if kind not in KINDS:
        raise BadRoute(f"{kind!r} is no kind of API: {' or '.join(KINDS)}.")
    if not routes:
        raise BadRoute("An API needs a route.")
    found = []
    for route, function in routes.items():
        match = ROUTE.fullmatch(route)
        if match is None:
            raise BadRoute(f"{route!r} is no route: expected a method and a path.")
        found.append((match[1], match[2], function))
    return found


def deployed_api(lab: Lab, name: str, routes: Mapping[str, str], kind: str, *, proxy_prefix: str) -> Api:
    """The API, new; one of the same name and kind is deleted first. Raises BadRoute, UnknownFunction."""
    wanted = checked(routes, kind)
    arns = {function: _arn(lab, function) for function in routes.values()}
    api_id = (_rest if kind == "REST" else _http)(lab.boto3, name, wanted, arns)
    for function, arn in arns.items():
        _, _, _, region, account, *_ = arn.split(":")
        lab.boto3("lambda").add_permission(
            FunctionName=function,
            StatementId=f"api-{api_id}",
            Action="lambda:InvokeFunction",
            Principal=PRINCIPAL,
            SourceArn=f"arn:aws:execute-api:{region}:{account}:{api_id}/*",
        )
    url = address(lab.endpoint, api_id, kind)
    return Api(name, api_id, kind, url, tuple(routes.items()), proxied(url, proxy_prefix))


def _arn(lab: Lab, function: str) -> str:
    from botocore.exceptions import ClientError  # a cold path, as boto3 is

    try:
        return str(lab.boto3("lambda").get_function_configuration(FunctionName=function)["FunctionArn"])
    except ClientError as error:
        raise ApiError(error.response).about(function, lab.names()) from None


def _rest(client: Client, name: str, wanted: list[tuple[str, str, str]], arns: Mapping[str, str]) -> str:
    aws = client("apigateway")
    for old in aws.get_rest_apis(limit=500)["items"]:
        if old["name"] == name:
            aws.delete_rest_api(restApiId=old["id"])
    api_id = str(aws.create_rest_api(name=name)["id"])
    resources = {"": aws.get_resources(restApiId=api_id)["items"][0]["id"]}
    for verb, path, function in wanted:
        whole = ""
        for part in filter(None, path.split("/")):
            parent, whole = whole, f"{whole}/{part}"
            if whole not in resources:
                resource = aws.create_resource(restApiId=api_id, parentId=resources[parent], pathPart=part)
                resources[whole] = resource["id"]
        where = {"restApiId": api_id, "resourceId": resources[whole], "httpMethod": verb}
        region = arns[function].split(":")[3]
        uri = f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arns[function]}/invocations"
        aws.put_method(**where, authorizationType="NONE")
        aws.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    aws.create_deployment(restApiId=api_id, stageName=STAGE)
    return api_id


def _http(client: Client, name: str, wanted: list[tuple[str, str, str]], arns: Mapping[str, str]) -> str:
    aws = client("apigatewayv2")
    for old in aws.get_apis()["Items"]:
        if old["Name"] == name:
            aws.delete_api(ApiId=old["ApiId"])
    api_id = str(aws.create_api(Name=name, ProtocolType="HTTP")["ApiId"])
    integrations = {
        function: aws.create_integration(
            ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
        )["IntegrationId"]
        for function, arn in arns.items()
    }
    for verb, path, function in wanted:
        aws.create_route(ApiId=api_id, RouteKey=f"{verb} {path}", Target=f"integrations/{integrations[function]}")
    aws.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    return api_id


def deployed_apis(lab: Lab, proxy_prefix: str = "") -> list[Api]:
    """All APIs of the account, by name, with the routes that run functions."""
    rest, http = lab.boto3("apigateway"), lab.boto3("apigatewayv2")
    over_rest = rest.get_rest_apis(limit=500)["items"]
    known = [(each["name"], each["id"], "REST", _rest_routes(rest, each["id"])) for each in over_rest]
    known += [(each["Name"], each["ApiId"], "HTTP", _http_routes(http, each)) for each in http.get_apis()["Items"]]
    found = []
    for name, api_id, kind, routes in known:
        url = address(lab.endpoint, api_id, kind)
        found.append(Api(name, api_id, kind, url, routes, proxied(url, proxy_prefix)))
    return sorted(found, key=lambda api: (api.name, api.kind))


def address(endpoint: str, api_id: str, kind: str) -> str:
    return f"{endpoint}/_aws/execute-api/{api_id}{f'/{STAGE}' if kind == 'REST' else ''}"


def _rest_routes(aws: Any, api_id: str) -> tuple[tuple[str, str], ...]:
    found = []
    for resource in aws.get_resources(restApiId=api_id, limit=500, embed=["methods"])["items"]:
        for verb, method in (resource.get("resourceMethods") or {}).items():
            function = FUNCTION.search((method.get("methodIntegration") or {}).get("uri") or "")
            if function:
                found.append((f"{verb} {resource['path']}", function[1]))
    return tuple(sorted(found, key=lambda route: route[0].partition(" ")[2]))


def _http_routes(aws: Any, api: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    integrations = aws.get_integrations(ApiId=api["ApiId"])["Items"]
    functions = {each["IntegrationId"]: FUNCTION.search(each.get("IntegrationUri") or "") for each in integrations}
    found = []
    for route in aws.get_routes(ApiId=api["ApiId"])["Items"]:
        function = functions.get((route.get("Target") or "").rpartition("/")[2])
        if function:
            found.append((route["RouteKey"], function[1]))
    return tuple(sorted(found, key=lambda route: route[0].partition(" ")[2]))

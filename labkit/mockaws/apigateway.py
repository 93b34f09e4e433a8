"""What moto's API Gateway lacks, put into it before it serves: each gap with the operation where it shows.

- ImportRestApi, PutRestApi: Swagger 2, authorizers, models, validators, gateway responses (`openapi`).
- CreateRestApi, UpdateRestApi: `binaryMediaTypes`.
- CreateDeployment to a stage that exists: moto makes a new stage, without variables and settings.
- CreateAuthorizer: `identityValidationExpression` is lost on its way.
- GetAuthorizers of an HTTP API is not there.

moto's names are private; a test of `openapi` and the data plane's tests hold them to the installed version.
"""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

from labkit.mockaws import openapi
from labkit.mockaws.openapi import Api, Method, NoApi

Backend = Any
RestApi = Any


def complete() -> None:
    """Replaces the methods; once is enough, and twice does no harm."""
    _stand_in_for_validator()
    from moto.apigateway import models, responses  # moto is loaded where it is served only
    from moto.apigatewayv2 import responses as http_responses

    if hasattr(models.APIGatewayBackend, "completed_by_labkit"):
        return
    models.APIGatewayBackend.completed_by_labkit = True
    models.APIGatewayBackend.import_rest_api = _import
    models.APIGatewayBackend.put_rest_api = _put
    models.RestAPI.create_deployment = _keeping_stage(models.RestAPI.create_deployment)
    models.RestAPI.create_authorizer = _keeping_expression(models.RestAPI.create_authorizer)
    models.RestAPI.apply_patch_operations = _patching_types(models.RestAPI.apply_patch_operations)
    http_responses.ApiGatewayV2Response.get_authorizers = _http_authorizers
    responses.APIGatewayResponse.create_rest_api = _creating_types(responses.APIGatewayResponse.create_rest_api)


def _stand_in_for_validator() -> None:
    """moto's own import of documents calls a validator of OpenAPI, which brings ten packages and takes 3 s to load.

    Ours does not: an empty module stands for it while moto's is not replaced yet.
    """
    if "moto.apigateway.models" in sys.modules:
        return
    for name in ("openapi_spec_validator", "openapi_spec_validator.validation"):
        sys.modules[name] = ModuleType(name)
    exceptions = ModuleType("openapi_spec_validator.validation.exceptions")
    exceptions.OpenAPIValidationError = NoApi  # type: ignore[attr-defined]
    sys.modules[exceptions.__name__] = exceptions
    sys.modules["openapi_spec_validator"].validate = openapi.api_of  # type: ignore[attr-defined]


def _keeping_stage(create: Any) -> Any:
    def create_deployment(self: RestApi, name: str, description: str, stage_variables: Any = None) -> Any:
        before = self.stages.get(name) if name else None
        deployment = create(self, name, description, stage_variables)
        if before is not None:
            before.deployment_id = deployment.id
            before.variables = {**before.variables, **(stage_variables or {})}
            self.stages[name] = before
        return deployment

    return create_deployment


def _keeping_expression(create: Any) -> Any:
    def create_authorizer(self: RestApi, *args: Any, **kwargs: Any) -> Any:
        made = create(self, *args, **kwargs)
        made.identity_validation_expression = kwargs.get("identiy_validation_expression")
        return made

    return create_authorizer


def _patching_types(apply: Any) -> Any:
    """`/binaryMediaTypes/image~1png` names the type in its path."""

    def apply_patch_operations(self: RestApi, operations: list[dict[str, Any]]) -> None:
        others = []
        for operation in operations:
            place, _, kind = operation["path"].removeprefix("/").partition("/")
            if place != "binaryMediaTypes" or not kind:
                others.append(operation)
                continue
            name = kind.replace("~1", "/").replace("~0", "~")
            kept = [known for known in self.binaryMediaTypes if known != name]
            if operation["op"] == "replace":
                kept.append(operation.get("value") or name)
            elif operation["op"] == "add":
                kept.append(name)
            self.binaryMediaTypes = kept
        apply(self, others)

    return apply_patch_operations


def _creating_types(create: Any) -> Any:
    def create_rest_api(self: Any) -> Any:
        status, headers, body = create(self)
        types = self._get_param("binaryMediaTypes")
        if types and status < 300:
            api = self.backend.get_rest_api(json.loads(body)["id"])
            api.binaryMediaTypes = list(types)
            body = json.dumps(api.to_dict())
        return status, headers, body

    return create_rest_api


def _http_authorizers(self: Any) -> str:
    api = self.apigatewayv2_backend.get_api(self.path.split("/")[-2])
    return json.dumps({"items": [authorizer.to_json() for authorizer in api.authorizers.values()]})


# --- imports


def _import(self: Backend, api_doc: dict[str, Any], fail_on_warnings: bool) -> RestApi:
    described = _described(api_doc)
    made = self.create_rest_api(name=described.name, description=described.description)
    _fill(self, made, described)
    return made


def _put(
    self: Backend, function_id: str, api_doc: dict[str, Any], fail_on_warnings: bool, mode: str = "merge"
) -> RestApi:
    from moto.apigateway.exceptions import InvalidOpenApiModeException

    if mode not in ("merge", "overwrite"):
        raise InvalidOpenApiModeException()
    described = _described(api_doc)
    api = self.get_rest_api(function_id)
    if mode == "overwrite":
        for kept in (api.resources, api.models, api.authorizers, api.request_validators, api.gateway_responses):
            kept.clear()
        api.default = api.add_child("/")
        api.root_resource_id = api.default.id
        api.name, api.description = described.name, described.description
    _fill(self, api, described)
    return api


def _described(document: dict[str, Any]) -> Api:
    """Raises moto's BadRequestException. What a document lacks is filled in, or ignored: nothing is worth a warning."""
    from moto.apigateway.exceptions import BadRequestException

    try:
        return openapi.api_of(document)
    except NoApi as error:
        raise BadRequestException(str(error)) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadRequestException(f"Invalid OpenAPI input: {error!r}") from None


def _fill(backend: Backend, api: RestApi, described: Api) -> None:
    api.binaryMediaTypes = [*dict.fromkeys([*api.binaryMediaTypes, *described.binary_types])]
    api.api_key_source = described.key_source or api.api_key_source
    api.policy = described.policy or api.policy
    for name, schema in described.models.items():
        api.add_model(name, schema.get("description", ""), openapi.schema_text(schema, api.id), "application/json")
    for kind, given in described.gateway_responses.items():
        api.put_gateway_response(
            kind, given.get("statusCode"), given.get("responseParameters") or {}, given.get("responseTemplates") or {}
        )
    authorizers, validators = _authorizers(backend, api, described), _validators(api, described)
    for method in described.methods:
        _fill_method(backend, api, method, authorizers, validators)


def _authorizers(backend: Backend, api: RestApi, described: Api) -> dict[str, str]:
    """Ids by name; one of the same name is replaced."""
    made = {}
    for name, given in described.authorizers.items():
        for known in [found for found in api.authorizers.values() if found.name == name]:
            del api.authorizers[known.id]
        made[name] = backend.create_authorizer(
            api.id,
            name,
            given.kind,
            provider_arns=list(given.providers) or None,
            authorizer_uri=given.uri or None,
            authorizer_credentials=given.credentials or None,
            identity_source=given.identity_source or None,
            identiy_validation_expression=given.validation or None,
            authorizer_result_ttl=given.ttl_s,
        ).id
    return made


def _validators(api: RestApi, described: Api) -> dict[str, str]:
    made = {}
    for name, (body, parameters) in described.validators.items():
        for known in [found for found in api.request_validators.values() if found.name == name]:
            del api.request_validators[known.id]
        made[name] = api.create_request_validator(name, body, parameters).id
    return made


def _resource(backend: Backend, api: RestApi, path: str) -> RestApi:
    """The resource of a path, made with those above it if there is none."""
    found = api.get_resource_for_path("/")
    whole = ""
    for part in path.strip("/").split("/"):
        if part:
            whole = f"{whole}/{part}"
            found = api.get_resource_for_path(whole) or backend.create_resource(api.id, found.id, part)
    return found


def _fill_method(
    backend: Backend, api: RestApi, method: Method, authorizers: dict[str, str], validators: dict[str, str]
) -> None:
    resource = _resource(backend, api, method.path)
    backend.put_method(
        api.id,
        resource.id,
        method.verb,
        method.authorization,
        api_key_required=method.key_required,
        request_parameters=dict(method.parameters) or None,
        request_models=dict(method.models) or None,
        operation_name=method.operation_name or None,
        authorizer_id=authorizers.get(method.authorizer),
        authorization_scopes=list(method.scopes) or None,
        request_validator_id=validators.get(method.validator),
    )
    for response in method.responses:
        backend.put_method_response(
            api.id, resource.id, method.verb, response.status, dict(response.models), dict(response.parameters)
        )
    if method.integration:
        _fill_integration(backend, api, resource, method)


def _fill_integration(backend: Backend, api: RestApi, resource: Any, method: Method) -> None:
    given = {**(method.integration or {})}
    kind = str(given.get("type") or "").upper()
    timeout_ms = given.get("timeoutInMillis")
    backend.put_integration(
        api.id,
        resource.id,
        method.verb,
        integration_type=kind,
        uri=given.get("uri"),
        integration_method=given.get("httpMethod") or ("" if kind == "MOCK" else method.verb),
        credentials=given.get("credentials"),
        request_templates=given.get("requestTemplates"),
        passthrough_behavior=str(given.get("passthroughBehavior") or "when_no_match").upper(),
        timeout_in_millis=timeout_ms,
        request_parameters=given.get("requestParameters"),
        content_handling=given.get("contentHandling"),
    )
    for pattern, response in (given.get("responses") or {}).items():
        backend.put_integration_response(
            api.id,
            resource.id,
            method.verb,
            str(response.get("statusCode") or "200"),
            "" if pattern == "default" else pattern,
            response.get("responseTemplates") or {},
            response.get("responseParameters") or {},
            response.get("contentHandling"),
        )

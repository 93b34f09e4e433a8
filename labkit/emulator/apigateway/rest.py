"""REST APIs: from a request to its response, in API Gateway's order: route, authorization, API key and throttling,
validation, integration; whatever refuses it becomes a gateway response (`failures`).

A function's own failure behind AWS_PROXY is 502, a throttled or unreachable function 500. HTTP integrations and
services other than Lambda are refused by name on stderr: a lab has no network, and 500 is what AWS answers for an
integration that cannot be used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labkit.emulator.apigateway import failures, integrations, validation
from labkit.emulator.apigateway.authorizers import Authorizers
from labkit.emulator.apigateway.calls import RestCall, Visit, proxy_event
from labkit.emulator.apigateway.catalogue import Catalogue
from labkit.emulator.apigateway.configuration import (
    Integration,
    RestApi,
    RestDefinition,
    Stage,
    Throttle,
    function_of,
    with_stage_variables,
)
from labkit.emulator.apigateway.failures import Failure, malformed
from labkit.emulator.apigateway.functions import Functions, NotRun, TimedOut, say
from labkit.emulator.apigateway.responses import proxy_response
from labkit.emulator.apigateway.routing import arn_path, rest_match
from labkit.emulator.apigateway.signatures import Signatures
from labkit.emulator.apigateway.usage import Meter, admission
from labkit.emulator.gateway import HttpResponse, UnusableResultError
from labkit.emulator.invoker import Answer
from labkit.errors import InvalidRequestContent, RequestTooLarge, ServiceError
from labkit.model import InvocationType

BODY_BYTES = 10 * 1024 * 1024


class RestDoor:
    """See the module's docstring."""

    def __init__(
        self, catalogue: Catalogue, functions: Functions, authorizers: Authorizers, signatures: Signatures
    ) -> None:
        self._catalogue = catalogue
        self._functions = functions
        self._authorizers = authorizers
        self._signatures = signatures
        self._meter = Meter()

    async def answer(self, api: RestApi, visit: Visit) -> HttpResponse:
        stage = api.stages.get(visit.stage)
        if stage is None or api.disabled:
            return _with_ids(forbidden(), visit)
        definition = await self._catalogue.definition(api, stage)
        context: Mapping[str, Any] = {"requestId": visit.request_id, "stage": stage.name, "apiId": api.api_id}
        try:
            call = _routed(api, stage, definition, visit)
            context = call.context()
            response = await self._answered(call)
        except Failure as failure:
            if failure.why:
                say(f"API {api.api_id}, {visit.request.method} {visit.full_path}: {failure.why}")
            response = failures.answer(failure, definition.gateway_responses, context, stage.variables, visit.request)
        return _with_ids(response, visit)

    async def _answered(self, call: RestCall) -> HttpResponse:
        await self._authorize(call)
        await self._admit(call)
        validation.check(call)
        integration = call.method.integration
        if integration is None:
            raise Failure("API_CONFIGURATION_ERROR", why="the method has no integration")
        if integration.kind == "MOCK":
            return _mocked(call, integration)
        name = function_of(with_stage_variables(integration.uri, call.stage.variables))
        if integration.kind not in ("AWS", "AWS_PROXY") or name is None:
            why = f"{integration.kind} integration with {integration.uri}: only functions and mocks are served here"
            raise Failure("API_CONFIGURATION_ERROR", why=why)
        if integration.kind == "AWS_PROXY":
            return await self._proxied(call, integration, name)
        return await self._mapped(call, integration, name)

    # --- who may come in

    async def _authorize(self, call: RestCall) -> None:
        kind = call.method.authorization
        if kind == "AWS_IAM":
            call.identity |= self._signatures.identity(call.visit)
        elif kind == "CUSTOM":
            authorizer = call.definition.authorizers.get(call.method.authorizer_id)
            if authorizer is None:
                raise Failure("AUTHORIZER_CONFIGURATION_ERROR", why="the method's authorizer does not exist")
            await self._authorizers.admit(call, authorizer)
        elif kind != "NONE":
            raise Failure("AUTHORIZER_CONFIGURATION_ERROR", why=f"{kind} authorization is not served here")

    async def _admit(self, call: RestCall) -> None:
        now, where = call.visit.now, (call.api.api_id, call.stage.name)
        if call.method.key_required:
            by_header = call.definition.key_source != "AUTHORIZER"
            value = call.request.header("x-api-key") if by_header else str(call.identity.get("apiKey") or "")
            admitted = admission(await self._catalogue.plans(call.api.region), *where, value) if value else None
            if admitted is None:
                raise Failure("INVALID_API_KEY")
            plan, key = admitted
            call.identity |= {"apiKey": key.value, "apiKeyId": key.key_id}
            if self._meter.throttled((*where, plan.plan_id, key.key_id), plan.throttle, now):
                raise Failure("THROTTLED")
            if self._meter.exhausted(plan, key, now):
                raise Failure("QUOTA_EXCEEDED")
        name, throttle = _stage_throttle(call)
        if self._meter.throttled((*where, name), throttle, now):
            raise Failure("THROTTLED")

    # --- integrations

    async def _run(
        self,
        call: RestCall,
        integration: Integration,
        name: str,
        payload: bytes,
        kind: str = InvocationType.REQUEST_RESPONSE,
    ) -> Answer:
        try:
            return await self._functions.run(
                name,
                payload,
                source_arns=(call.source_arn(arn_path(call.resource.path)),),
                timeout_s=integration.timeout_s,
                trace_id=call.visit.trace_id,
                by_role=bool(integration.credentials),
                kind=kind,
            )
        except TimedOut:
            raise Failure("INTEGRATION_TIMEOUT") from None
        except NotRun:
            raise Failure("API_CONFIGURATION_ERROR") from None
        except RequestTooLarge:
            raise Failure("REQUEST_TOO_LARGE") from None
        except InvalidRequestContent as error:
            raise Failure("DEFAULT_4XX", error.message) from None  # Lambda's own answer, as on AWS
        except ServiceError as error:
            raise Failure("API_CONFIGURATION_ERROR", why=f"{name}: {error.code}: {error}") from None

    async def _proxied(self, call: RestCall, integration: Integration, name: str) -> HttpResponse:
        if integration.http_method != "POST":  # recorded: test_lambda_aws_proxy_integration_non_post_method
            raise Failure("INTEGRATION_FAILURE", status=500, why="the integration's httpMethod must be POST")
        call.headers = integrations.request_headers(call, integration)
        kind = _invocation_type(call.headers)
        answer = await self._run(call, integration, name, _encoded(proxy_event(call)), kind)
        if answer.result is None:
            return HttpResponse(200, (("content-type", "application/json"),))
        if answer.result.failed:
            raise malformed("")
        try:
            response = proxy_response(
                answer.result.payload,
                binary_types=call.definition.binary_types,
                accept=call.request.header("accept"),
            )
        except UnusableResultError as error:
            raise malformed(f"Malformed Lambda proxy response of {name}: {error}") from None
        return _with_trace(response, call.visit)

    async def _mapped(self, call: RestCall, integration: Integration, name: str) -> HttpResponse:
        made = integrations.integration_request(call, integration)
        headers = integrations.request_headers(call, integration) | dict(made.request_override.get("header") or {})
        payload = made.text.encode("utf-8", "surrogatepass")
        answer = await self._run(call, integration, name, payload, _invocation_type(headers))
        result = answer.result
        body = result.payload if result else b""
        value = (integrations.error_message(body) if result and result.failed else "") or str(200 if result else 202)
        chosen = integrations.selected(integration.responses, value)
        return _with_trace(integrations.integration_response(call, chosen, body), call.visit)


def _routed(api: RestApi, stage: Stage, definition: RestDefinition, visit: Visit) -> RestCall:
    if len(visit.request.body) > BODY_BYTES:
        raise Failure("REQUEST_TOO_LARGE")
    match = rest_match(definition.resources, visit.request.method, visit.request.path)
    if match is None:
        raise Failure("MISSING_AUTHENTICATION_TOKEN")
    return RestCall(visit, api, stage, definition, match.resource, match.method, match.parameters)


def _mocked(call: RestCall, integration: Integration) -> HttpResponse:
    made = integrations.integration_request(call, integration)
    status = integrations.mock_status(made.text)
    return integrations.integration_response(call, integrations.selected(integration.responses, str(status)), b"")


def _stage_throttle(call: RestCall) -> tuple[str, Throttle]:
    """The method's own setting, or the stage's; a bucket belongs to what it was set for."""
    escaped = call.resource.path.replace("/", "~1")
    verb = call.method.http_method
    for name in (f"{call.resource.path.strip('/')}/{verb}", f"{call.resource.path}/{verb}", f"{escaped}/{verb}", "*/*"):
        if name in call.stage.throttles:
            return name, call.stage.throttles[name]
    return "", Throttle()


def _invocation_type(headers: Mapping[str, Any]) -> str:
    """`Event` where the integration's `X-Amz-Invocation-Type` says so ("Asynchronous invocation of the backend")."""
    given = next((str(value) for name, value in headers.items() if name.lower() == "x-amz-invocation-type"), "")
    return InvocationType.EVENT if given.strip("'") == "Event" else InvocationType.REQUEST_RESPONSE


def _encoded(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")


def forbidden() -> HttpResponse:
    """What an address without an API or a stage answers."""
    fields = (("content-type", "application/json"), ("x-amzn-errortype", "ForbiddenException"))
    return HttpResponse(403, fields, b'{"message":"Forbidden"}')


def _with_ids(response: HttpResponse, visit: Visit) -> HttpResponse:
    ids = (("x-amzn-requestid", visit.request_id), ("x-amz-apigw-id", visit.extended_id))
    return HttpResponse(response.status, (*response.headers, *ids), response.body)


def _with_trace(response: HttpResponse, visit: Visit) -> HttpResponse:
    if any(name == "x-amzn-trace-id" for name, _ in response.headers):
        return response
    return HttpResponse(response.status, (*response.headers, ("x-amzn-trace-id", visit.trace_id)), response.body)

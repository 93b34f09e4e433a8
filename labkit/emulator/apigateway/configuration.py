"""What an API consists of, as records; read from what `apigateway` and `apigatewayv2` answer. Pure.

A REST API serves what was deployed (`RestDefinition`, taken when the deployment was made); its stages, and the usage
plans, are always the newest. An HTTP API of moto has no deployments: it serves what is configured now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]
NONE: Mapping[str, Any] = {}

DEFAULT_TTL_S = 300
REST_TIMEOUT_S, HTTP_TIMEOUT_S = 29.0, 30.0
STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([^}]*)\}")
INVOCATION_URI = re.compile(r"arn:[^:]+:apigateway:[^:]*:lambda:path/(?:/)?2015-03-31/functions/(.+)/invocations/?")


@dataclass(frozen=True, slots=True)
class IntegrationResponse:
    status: int
    pattern: str = ""
    templates: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    content_handling: str = ""


@dataclass(frozen=True, slots=True)
class Integration:
    """What answers a method or a route."""

    kind: str
    uri: str = ""
    http_method: str = ""
    templates: Mapping[str, str] = field(default_factory=dict)
    passthrough: str = "WHEN_NO_MATCH"
    parameters: Mapping[str, str] = field(default_factory=dict)
    responses: tuple[IntegrationResponse, ...] = ()
    timeout_s: float = REST_TIMEOUT_S
    content_handling: str = ""
    payload_version: str = "1.0"
    credentials: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """`http_method` may be ANY."""

    http_method: str
    authorization: str = "NONE"
    authorizer_id: str = ""
    key_required: bool = False
    parameters: Mapping[str, bool] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    validator_id: str = ""
    integration: Integration | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    resource_id: str
    path: str
    methods: Mapping[str, Method] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Of a REST API (TOKEN, REQUEST, COGNITO_USER_POOLS) or of an HTTP API (REQUEST, JWT)."""

    authorizer_id: str
    kind: str
    name: str = ""
    uri: str = ""
    identity_sources: tuple[str, ...] = ()
    validation: str = ""
    ttl_s: int = DEFAULT_TTL_S
    credentials: str = ""
    payload_version: str = "1.0"
    simple: bool = False
    issuer: str = ""
    audience: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """What the API's owner made of an answer that API Gateway gives by itself."""

    status: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Validator:
    body: bool
    parameters: bool


@dataclass(frozen=True, slots=True)
class RestDefinition:
    """What a deployment freezes."""

    resources: tuple[Resource, ...] = ()
    authorizers: Mapping[str, Authorizer] = field(default_factory=dict)
    validators: Mapping[str, Validator] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    gateway_responses: Mapping[str, GatewayResponse] = field(default_factory=dict)
    binary_types: tuple[str, ...] = ()
    key_source: str = "HEADER"


@dataclass(frozen=True, slots=True)
class Throttle:
    """Requests a second, and how many may come at once; None is without limit."""

    rate: float | None = None
    burst: int | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """`throttles` are by `resource path/METHOD` as the API spells it, `*/*` for all."""

    name: str
    deployment_id: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    throttles: Mapping[str, Throttle] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RestApi:
    api_id: str
    region: str
    stages: Mapping[str, Stage]
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """`key` is `METHOD /path` or `$default`."""

    key: str
    integration_id: str
    authorization: str = "NONE"
    authorizer_id: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpCors:
    allow_credentials: bool = False
    allow_headers: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_s: int | None = None


@dataclass(frozen=True, slots=True)
class HttpApi:
    """`protocol` is HTTP, or WEBSOCKET, which is not served."""

    api_id: str
    region: str
    protocol: str = "HTTP"
    routes: tuple[Route, ...] = ()
    integrations: Mapping[str, Integration] = field(default_factory=dict)
    authorizers: Mapping[str, Authorizer] = field(default_factory=dict)
    stages: Mapping[str, Stage] = field(default_factory=dict)
    cors: HttpCors | None = None
    disabled: bool = False


# --- REST APIs, from boto3's answers --------------------------------------------------------------------------


def rest_definition(
    api: Document,
    resources: Iterable[Document],
    authorizers: Iterable[Document],
    validators: Iterable[Document],
    models: Iterable[Document],
    gateway_responses: Iterable[Document],
) -> RestDefinition:
    return RestDefinition(
        tuple(_resource(found) for found in resources),
        {found["id"]: _rest_authorizer(found) for found in authorizers},
        {
            found["id"]: Validator(bool(found.get("validateRequestBody")), bool(found.get("validateRequestParameters")))
            for found in validators
        },
        {found["name"]: found.get("schema") or "{}" for found in models},
        {found["responseType"]: _gateway_response(found) for found in gateway_responses},
        tuple(api.get("binaryMediaTypes") or ()),
        api.get("apiKeySource") or "HEADER",
    )


def _resource(found: Document) -> Resource:
    methods = {verb: _method(verb, method) for verb, method in (found.get("resourceMethods") or NONE).items()}
    return Resource(found["id"], found["path"], methods)


def _method(verb: str, found: Document) -> Method:
    integration = found.get("methodIntegration")
    return Method(
        verb,
        found.get("authorizationType") or "NONE",
        found.get("authorizerId") or "",
        bool(found.get("apiKeyRequired")),
        {name: _true(required) for name, required in (found.get("requestParameters") or NONE).items()},
        found.get("requestModels") or {},
        found.get("requestValidatorId") or "",
        rest_integration(integration) if integration else None,
    )


def rest_integration(found: Document) -> Integration:
    return Integration(
        found.get("type") or "",
        found.get("uri") or "",
        found.get("httpMethod") or "",
        _texts(found.get("requestTemplates")),
        found.get("passthroughBehavior") or "WHEN_NO_MATCH",
        found.get("requestParameters") or {},
        tuple(_integration_response(r) for r in (found.get("integrationResponses") or NONE).values()),
        _timeout_s(found, REST_TIMEOUT_S),
        found.get("contentHandling") or "",
        credentials=found.get("credentials") or "",
    )


def _integration_response(found: Document) -> IntegrationResponse:
    return IntegrationResponse(
        int(found["statusCode"]),
        found.get("selectionPattern") or "",
        _texts(found.get("responseTemplates")),
        found.get("responseParameters") or {},
        found.get("contentHandling") or "",
    )


def _texts(templates: Document | None) -> dict[str, str]:
    """A template that is null or empty is there, and lets the body through as it is."""
    return {kind: template or "" for kind, template in (templates or NONE).items()}


def _timeout_s(found: Document, most_s: float) -> float:
    given = found.get("timeoutInMillis")
    return min(int(given) / 1000, most_s) if given else most_s


def _rest_authorizer(found: Document) -> Authorizer:
    ttl_s = found.get("authorizerResultTtlInSeconds")
    return Authorizer(
        found["id"],
        found.get("type") or "",
        found.get("name") or "",
        found.get("authorizerUri") or "",
        tuple(source.strip() for source in (found.get("identitySource") or "").split(",") if source.strip()),
        found.get("identityValidationExpression") or "",
        DEFAULT_TTL_S if ttl_s is None else int(ttl_s),
        found.get("authorizerCredentials") or "",
    )


def _gateway_response(found: Document) -> GatewayResponse:
    status = found.get("statusCode")
    return GatewayResponse(
        int(status) if status else None, found.get("responseParameters") or {}, _texts(found.get("responseTemplates"))
    )


def rest_api(api: Document, stages: Iterable[Document], *, region: str) -> RestApi:
    return RestApi(
        api["id"],
        region,
        {found["stageName"]: _rest_stage(found) for found in stages},
        _true(api.get("disableExecuteApiEndpoint")),
    )


def _rest_stage(found: Document) -> Stage:
    throttles = {
        name: Throttle(settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit"))
        for name, settings in (found.get("methodSettings") or NONE).items()
        if settings.get("throttlingRateLimit") is not None or settings.get("throttlingBurstLimit") is not None
    }
    return Stage(found["stageName"], found.get("deploymentId") or "", found.get("variables") or {}, throttles)


# --- HTTP APIs ------------------------------------------------------------------------------------------------


def http_api(
    api: Document,
    routes: Iterable[Document],
    integrations: Iterable[Document],
    authorizers: Iterable[Document],
    stages: Iterable[Document],
    *,
    region: str,
) -> HttpApi:
    return HttpApi(
        api["ApiId"],
        region,
        api.get("ProtocolType") or "HTTP",
        tuple(_route(found) for found in routes),
        {found["IntegrationId"]: _http_integration(found) for found in integrations},
        {found["AuthorizerId"]: _http_authorizer(found) for found in authorizers},
        {found["StageName"]: _http_stage(found) for found in stages},
        _http_cors(api.get("CorsConfiguration")),
        _true(api.get("DisableExecuteApiEndpoint")),
    )


def _route(found: Document) -> Route:
    return Route(
        found["RouteKey"],
        (found.get("Target") or "").removeprefix("integrations/"),
        found.get("AuthorizationType") or "NONE",
        found.get("AuthorizerId") or "",
        tuple(found.get("AuthorizationScopes") or ()),
    )


def _http_integration(found: Document) -> Integration:
    return Integration(
        found.get("IntegrationType") or "",
        found.get("IntegrationUri") or "",
        found.get("IntegrationMethod") or "",
        parameters=found.get("RequestParameters") or {},
        timeout_s=_timeout_s({"timeoutInMillis": found.get("TimeoutInMillis")}, HTTP_TIMEOUT_S),
        payload_version=found.get("PayloadFormatVersion") or "1.0",
        credentials=found.get("CredentialsArn") or "",
    )


def _http_authorizer(found: Document) -> Authorizer:
    jwt = found.get("JwtConfiguration") or NONE
    return Authorizer(
        found["AuthorizerId"],
        found.get("AuthorizerType") or "",
        found.get("Name") or "",
        found.get("AuthorizerUri") or "",
        tuple(found.get("IdentitySource") or ()),
        ttl_s=int(found.get("AuthorizerResultTtlInSeconds") or 0),
        credentials=found.get("AuthorizerCredentialsArn") or "",
        payload_version=found.get("AuthorizerPayloadFormatVersion") or "1.0",
        simple=_true(found.get("EnableSimpleResponses")),
        issuer=jwt.get("Issuer") or "",
        audience=tuple(jwt.get("Audience") or ()),
    )


def _http_stage(found: Document) -> Stage:
    return Stage(found["StageName"], found.get("DeploymentId") or "", found.get("StageVariables") or {})


def _http_cors(found: Document | None) -> HttpCors | None:
    if not found:
        return None
    return HttpCors(
        _true(found.get("AllowCredentials")),
        tuple(found.get("AllowHeaders") or ()),
        tuple(found.get("AllowMethods") or ()),
        tuple(found.get("AllowOrigins") or ()),
        tuple(found.get("ExposeHeaders") or ()),
        found.get("MaxAge"),
    )


def _true(given: object) -> bool:
    """moto keeps some booleans as they came."""
    return given is True or (isinstance(given, str) and given.lower() == "true")


# --- where an integration leads -------------------------------------------------------------------------------


def with_stage_variables(text: str, variables: Mapping[str, str]) -> str:
    """`${stageVariables.name}` replaced; one that is not set becomes empty.

    >>> with_stage_variables("function:resize:${stageVariables.alias}", {"alias": "live"})
    'function:resize:live'
    """
    return STAGE_VARIABLE.sub(lambda found: variables.get(found[1], ""), text)


def function_of(uri: str) -> str | None:
    """The function's name or ARN in an integration's URI; an HTTP API may give the ARN itself.

    >>> function_of("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/resize:live/invocations")
    'resize:live'
    """
    if found := INVOCATION_URI.fullmatch(uri):
        return found[1]
    return uri if uri.startswith("arn:") and ":lambda:" in uri and ":function:" in uri else None

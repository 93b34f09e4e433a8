"""PURE: what an OpenAPI document (Swagger 2 or OpenAPI 3) says about a REST API of API Gateway.

"Working with API Gateway extensions to OpenAPI" in the developer guide: integrations, authorizers, request validators,
gateway responses, binary types, API keys. A document is taken as people write it: what only documents (descriptions,
examples, tags, servers) may be missing. `basePath` is ignored, as ImportRestApi does by default.

moto's own import knows none of this but integrations of OpenAPI 3, and fails on what only documents and is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

Document = Mapping[str, Any]

VERBS = ("get", "put", "post", "delete", "options", "head", "patch")
ANY = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
VALIDATOR = "x-amazon-apigateway-request-validator"
PLACES = {"query": "querystring", "header": "header", "path": "path"}
MODEL_ADDRESS = "https://apigateway.amazonaws.com/restapis/{api_id}/models/{name}"


class NoApi(Exception):
    """A document that describes no API."""


@dataclass(frozen=True, slots=True)
class Response:
    status: str
    models: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Method:
    """`authorizer` and `validator` are names in the document."""

    verb: str
    path: str
    operation_name: str = ""
    authorization: str = "NONE"
    authorizer: str = ""
    scopes: tuple[str, ...] = ()
    key_required: bool = False
    parameters: Mapping[str, bool] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    validator: str = ""
    responses: tuple[Response, ...] = ()
    integration: Document | None = None


@dataclass(frozen=True, slots=True)
class Authorizer:
    kind: str
    uri: str = ""
    credentials: str = ""
    identity_source: str = ""
    validation: str = ""
    ttl_s: int | None = None
    providers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Api:
    """The whole. `models` are schemas by name, their references still the document's own."""

    name: str
    description: str
    methods: tuple[Method, ...]
    models: Mapping[str, Document]
    authorizers: Mapping[str, Authorizer]
    validators: Mapping[str, tuple[bool, bool]]
    gateway_responses: Mapping[str, Document]
    binary_types: tuple[str, ...] = ()
    key_source: str = ""
    policy: str = ""


def api_of(document: Document) -> Api:
    """Raises NoApi."""
    if not isinstance(document.get("info"), Mapping) or not isinstance(document.get("paths"), Mapping):
        raise NoApi("Invalid OpenAPI input: info and paths are needed.")
    schemes = _mapping(document.get("securityDefinitions")) or _mapping(_components(document).get("securitySchemes"))
    models = dict(_mapping(document.get("definitions")) or _mapping(_components(document).get("schemas")))
    methods = [
        _method(document, path, verb, _mapping(operations), schemes, models)
        for path, operations in document["paths"].items()
        for verb in (*VERBS, ANY)
        if isinstance(_mapping(operations).get(verb), Mapping)
    ]
    validators = _mapping(document.get("x-amazon-apigateway-request-validators"))
    return Api(
        str(document["info"].get("title") or ""),
        str(document["info"].get("description") or ""),
        tuple(methods),
        models,
        {name: made for name, scheme in schemes.items() if (made := _authorizer(_mapping(scheme)))},
        {
            name: (bool(given.get("validateRequestBody")), bool(given.get("validateRequestParameters")))
            for name, given in validators.items()
        },
        _mapping(document.get("x-amazon-apigateway-gateway-responses")),
        tuple(document.get("x-amazon-apigateway-binary-media-types") or ()),
        str(document.get("x-amazon-apigateway-api-key-source") or "").upper(),
        _text(document.get("x-amazon-apigateway-policy")),
    )


def schema_text(schema: Document, api_id: str) -> str:
    """A schema as API Gateway keeps it: a reference to another one is the address of its model."""

    def with_addresses(node: Any) -> Any:
        if isinstance(node, list):
            return [with_addresses(member) for member in node]
        if not isinstance(node, Mapping):
            return node
        made = {key: with_addresses(value) for key, value in node.items()}
        if name := _referred(node):
            made["$ref"] = MODEL_ADDRESS.format(api_id=api_id, name=name)
        return made

    return json.dumps(with_addresses(schema))


def _mapping(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _components(document: Document) -> Mapping[str, Any]:
    return _mapping(document.get("components"))


def _text(given: object) -> str:
    return given if isinstance(given, str) else json.dumps(given) if given else ""


def _referred(node: Document) -> str:
    """The model that a `$ref` names."""
    address = node.get("$ref")
    local = isinstance(address, str) and address.startswith(("#/definitions/", "#/components/schemas/"))
    return str(address).rpartition("/")[2] if local else ""


def _resolved(document: Document, node: Document) -> Document:
    """A parameter, response or body that is defined elsewhere in the document."""
    address = node.get("$ref")
    if not isinstance(address, str) or not address.startswith("#/"):
        return node
    found: Any = document
    for part in address[2:].split("/"):
        found = _mapping(found).get(part.replace("~1", "/").replace("~0", "~"))
    return _mapping(found)


# --- methods


def _method(
    document: Document, path: str, verb: str, operations: Document, schemes: Document, models: dict[str, Any]
) -> Method:
    operation: Document = operations[verb]
    given = [*(operations.get("parameters") or ()), *(operation.get("parameters") or ())]
    parameters = [_resolved(document, parameter) for parameter in given if isinstance(parameter, Mapping)]
    authorization, authorizer, scopes, key_required = _security(document, operation, schemes)
    return Method(
        "ANY" if verb == ANY else verb.upper(),
        path,
        str(operation.get("operationId") or ""),
        authorization,
        authorizer,
        scopes,
        key_required,
        {
            f"method.request.{PLACES[parameter['in']]}.{parameter['name']}": bool(parameter.get("required"))
            for parameter in parameters
            if parameter.get("in") in PLACES and "name" in parameter
        },
        _body_models(document, operation, parameters, models),
        str(operation.get(VALIDATOR) or document.get(VALIDATOR) or ""),
        tuple(_responses(document, operation, models)),
        operation.get(INTEGRATION),
    )


def _security(document: Document, operation: Document, schemes: Document) -> tuple[str, str, tuple[str, ...], bool]:
    """Authorization type, authorizer, scopes, and whether a key is required."""
    kind, authorizer, scopes, key_required = "NONE", "", (), False
    for requirement in operation.get("security", document.get("security")) or ():
        for name, wanted in _mapping(requirement).items():
            scheme = _mapping(schemes.get(name))
            made = _authorizer(scheme)
            if made:
                kind = "COGNITO_USER_POOLS" if made.kind == "COGNITO_USER_POOLS" else "CUSTOM"
                authorizer, scopes = name, tuple(wanted or ())
            elif str(scheme.get("x-amazon-apigateway-authtype") or "").lower() == "awssigv4":
                kind = "AWS_IAM"
            elif scheme.get("type") == "apiKey":
                key_required = True
    if str(operation.get("x-amazon-apigateway-auth", {}).get("type", "")).upper() == "AWS_IAM":
        kind = "AWS_IAM"
    return kind, authorizer, scopes, key_required


def _authorizer(scheme: Document) -> Authorizer | None:
    found = _mapping(scheme.get("x-amazon-apigateway-authorizer"))
    if not found:
        return None
    kind = str(found.get("type") or "token").upper()
    header = f"method.request.header.{scheme['name']}" if scheme.get("in") == "header" and scheme.get("name") else ""
    ttl_s = found.get("authorizerResultTtlInSeconds")
    return Authorizer(
        kind,
        str(found.get("authorizerUri") or ""),
        str(found.get("authorizerCredentials") or ""),
        str(found.get("identitySource") or ("" if kind == "REQUEST" else header)),
        str(found.get("identityValidationExpression") or ""),
        None if ttl_s is None else int(ttl_s),
        tuple(found.get("providerARNs") or ()),
    )


def _body_models(
    document: Document, operation: Document, parameters: Iterable[Document], models: dict[str, Any]
) -> dict[str, str]:
    made = {}
    for parameter in parameters:
        if parameter.get("in") == "body" and isinstance(parameter.get("schema"), Mapping):
            for kind in operation.get("consumes") or document.get("consumes") or ("application/json",):
                made[str(kind)] = _model(parameter["schema"], models)
    body = _resolved(document, _mapping(operation.get("requestBody")))
    for kind, media in _mapping(body.get("content")).items():
        if isinstance(_mapping(media).get("schema"), Mapping):
            made[str(kind)] = _model(media["schema"], models)
    return made


def _model(schema: Document, models: dict[str, Any]) -> str:
    """The name of a schema; one that has none gets a name and becomes a model, too."""
    if name := _referred(schema):
        return name
    name = "MODEL" + sha256(json.dumps(schema, sort_keys=True, default=str).encode()).hexdigest()[:6]
    models[name] = schema
    return name


def _responses(document: Document, operation: Document, models: dict[str, Any]) -> Iterable[Response]:
    for status, given in _mapping(operation.get("responses")).items():
        response = _resolved(document, _mapping(given))
        headers = {f"method.response.header.{name}": False for name in _mapping(response.get("headers"))}
        schemas = {kind: _mapping(media).get("schema") for kind, media in _mapping(response.get("content")).items()}
        if "schema" in response:
            schemas = {"application/json": response["schema"]}
        named = {str(kind): _model(schema, models) for kind, schema in schemas.items() if isinstance(schema, Mapping)}
        if str(status).isdigit():
            yield Response(str(status), named, headers)

"""PURE: what a REST API's integrations that are no proxies make of requests and results.

Which template: by the request's Content-Type, JSON if it has none; `passthroughBehavior` says what happens without one
("Integration request body mapping", "Method request behavior for payloads without mapping templates"). Which response:
the first whose `selectionPattern` matches the whole of the function's errorMessage, or the status of a mock
("Set up an integration response", recorded by LocalStack's `test_lambda_selection_patterns`); one without a pattern is
for all else. Parameter mappings: "API Gateway API request and response data mapping reference".
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from labkit.emulator.apigateway.calls import RestCall, header_values, is_binary, last_of, query_values, text_or_base64
from labkit.emulator.apigateway.configuration import Integration, IntegrationResponse
from labkit.emulator.apigateway.failures import Failure
from labkit.emulator.apigateway.templates import MISSING, Parameters, Rendered, at_path, rendered
from labkit.emulator.apigateway.velocity import shown
from labkit.emulator.apigateway.velocity_parser import TemplateError
from labkit.emulator.gateway import FIELD_NAME, JSON, UNSENT, HttpResponse


def parameters_of(call: RestCall) -> Parameters:
    return Parameters(call.parameters, last_of(query_values(call.request.query)), last_of(header_values(call.visit)))


def media_type(header: str) -> str:
    return header.partition(",")[0].partition(";")[0].strip().lower()


# --- the request ----------------------------------------------------------------------------------------------


def integration_request(call: RestCall, integration: Integration) -> Rendered:
    """The body for the backend. Raises Failure."""
    given = media_type(call.request.header("content-type")) or JSON
    templates = {media_type(kind): template for kind, template in integration.templates.items()}
    body = _request_body(call, given)
    if given not in templates:
        if integration.passthrough == "NEVER" or (integration.passthrough == "WHEN_NO_TEMPLATES" and templates):
            raise Failure("UNSUPPORTED_MEDIA_TYPE")
        return Rendered(body, {}, {})
    if not templates[given]:
        return Rendered(body, {}, {})
    return _rendered(call, templates[given], body)


def _request_body(call: RestCall, given: str) -> str:
    """A function's event is text, so that binary data is base64 whatever `contentHandling` says."""
    text, _ = text_or_base64(call.request.body, binary=is_binary(given, call.definition.binary_types))
    return text or ""


def _rendered(call: RestCall, template: str, body: str) -> Rendered:
    try:
        return rendered(template, body, parameters_of(call), call.context(), call.stage.variables)
    except TemplateError as error:
        where = f"{call.method.http_method} {call.resource.path}"
        raise Failure("API_CONFIGURATION_ERROR", why=f"the mapping template of {where}: {error}") from None


def request_headers(call: RestCall, integration: Integration) -> dict[str, str]:
    """The headers that `requestParameters` make."""
    made = {}
    for target, source in integration.parameters.items():
        place, _, name = target.removeprefix("integration.request.").partition(".")
        value = request_value(call, source) if place == "header" else None
        if value is not None:
            made[name] = value
    return made


def request_value(call: RestCall, source: str) -> str | None:
    """`method.request.querystring.q`, `context.stage`, `stageVariables.v`, `'a literal'`."""
    if len(source) > 1 and source.startswith("'") and source.endswith("'"):
        return source[1:-1]
    if source.startswith("context."):
        return _text(at_path(call.context(), f"$.{source.removeprefix('context.')}"))
    if source.startswith("stageVariables."):
        return call.stage.variables.get(source.removeprefix("stageVariables."))
    place, _, name = source.removeprefix("method.request.").partition(".")
    if place == "body":
        return _text(at_path(_json(call.request.body), f"$.{name}" if name else "$"))
    if place == "path":
        return call.parameters.get(name)
    if place in ("header", "multivalueheader"):
        values = {key.lower(): several for key, several in header_values(call.visit).items()}.get(name.lower())
    else:
        values = query_values(call.request.query).get(name)
    if not values:
        return None
    return ",".join(values) if place.startswith("multivalue") else values[-1]


def _json(body: bytes | str) -> Any:
    try:
        return json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return {}


def _text(value: Any) -> str | None:
    if value is MISSING or value is None:
        return None
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict | list) else shown(value)


def mock_status(body: str) -> int:
    """The status that a mock's request template asks for. Raises Failure."""
    document = _json(body)
    status = document.get("statusCode") if isinstance(document, dict) else None
    if isinstance(status, bool) or not isinstance(status, int):
        raise Failure("API_CONFIGURATION_ERROR", why="a MOCK's request template must make JSON with a statusCode")
    return status


# --- the response ---------------------------------------------------------------------------------------------


def selected(responses: Iterable[IntegrationResponse], value: str) -> IntegrationResponse:
    """Raises Failure if none matches and there is no default."""
    default = None
    for response in responses:
        if not response.pattern:
            default = default or response
        elif _matches(response.pattern, value):
            return response
    if default is None:
        raise Failure(
            "API_CONFIGURATION_ERROR", why=f"no integration response matches {value!r}, and none is the default"
        )
    return default


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error as error:
        raise Failure("API_CONFIGURATION_ERROR", why=f"selectionPattern {pattern!r}: {error}") from None


def error_message(payload: bytes) -> str:
    """What a selection pattern looks at: the function's errorMessage; 200 of a success."""
    document = _json(payload)
    return str(document.get("errorMessage") or "") if isinstance(document, dict) else ""


def integration_response(call: RestCall, chosen: IntegrationResponse, body: bytes) -> HttpResponse:
    """What a backend's body becomes. Raises Failure."""
    kind, template = _response_template(chosen.templates, call.request.header("accept"))
    override: Mapping[str, Any] = {}
    converted = _response_body(chosen, body)
    if template:
        result = _rendered(call, template, converted.decode("utf-8", "replace"))
        converted, override = result.text.encode("utf-8", "surrogatepass"), result.response_override
    fields = {name.lower(): value for name, value in response_headers(call, chosen, body)}
    fields |= {str(name).lower(): shown(value) for name, value in override["header"].items()} if override else {}
    fields.setdefault("content-type", kind)
    kept = tuple((name, _checked(name, value)) for name, value in fields.items() if name not in UNSENT)
    return HttpResponse(_status(override.get("status"), chosen.status), kept, converted)


def _status(override: object, status: int) -> int:
    """An override that is no status is ignored (recorded, LocalStack)."""
    text = shown(override)
    return int(text) if text.isdigit() and 100 <= int(text) <= 599 else status


def _checked(name: str, value: str) -> str:
    if not FIELD_NAME.fullmatch(name) or any(
        (ord(c) < 32 and c != "\t") or ord(c) == 127 or ord(c) > 255 for c in value
    ):
        raise Failure("API_CONFIGURATION_ERROR", why=f"header {name} cannot be sent")
    return value


def _response_template(templates: Mapping[str, str], accept: str) -> tuple[str, str]:
    """By the request's Accept header, else JSON's, else the first (recorded, LocalStack)."""
    wanted = media_type(accept)
    for kind in (wanted, JSON, *templates):
        if kind in templates:
            return kind, templates[kind]
    return JSON, ""


def _response_body(chosen: IntegrationResponse, body: bytes) -> bytes:
    if chosen.content_handling != "CONVERT_TO_BINARY":
        return body
    text = _json(body)
    try:
        return base64.b64decode(text if isinstance(text, str) else body, validate=True)
    except (binascii.Error, ValueError):
        raise Failure("API_CONFIGURATION_ERROR", why="the body to convert to binary is no base64") from None


def response_headers(call: RestCall, chosen: IntegrationResponse, body: bytes) -> Iterable[tuple[str, str]]:
    """`method.response.header.X` from a literal, the context, or the backend's body."""
    for target, source in chosen.parameters.items():
        name = target.removeprefix("method.response.header.")
        if name == target:
            continue
        if source.startswith("integration.response.body"):
            path = source.removeprefix("integration.response.body").removeprefix(".")
            value = _text(at_path(_json(body), f"$.{path}" if path else "$"))
        elif source.startswith("integration.response."):
            value = None  # a function's result has no headers
        else:
            value = request_value(call, source)
        if value is not None:
            yield name, value

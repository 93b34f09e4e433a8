"""PURE: request validators: required parameters, and bodies against the JSON schemas (draft 4) of models.

Developer guide, "Request validation for REST APIs". The words of the answers are recorded (LocalStack's
`method_request.py`): the missing parameters by name, sorted; of a body only that it is invalid. The log says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labkit.emulator.apigateway.calls import RestCall, header_values, query_values
from labkit.emulator.apigateway.failures import Failure
from labkit.emulator.apigateway.integrations import media_type
from labkit.emulator.gateway import JSON

MODEL_ADDRESS = "https://apigateway.amazonaws.com/restapis/"


def check(call: RestCall) -> None:
    """Raises Failure if the method's validator does not let the request through."""
    validator = call.definition.validators.get(call.method.validator_id)
    if validator is None:
        return
    if validator.parameters and (missing := _missing(call)):
        raise Failure("BAD_REQUEST_PARAMETERS", f"Missing required request parameters: [{', '.join(missing)}]")
    if validator.body:
        _check_body(call)


def _missing(call: RestCall) -> list[str]:
    headers = {name.lower() for name, values in header_values(call.visit).items() if any(values)}
    query = {name for name, values in query_values(call.request.query).items() if any(values)}
    missing = []
    for source, required in sorted(call.method.parameters.items()):
        place, _, name = source.removeprefix("method.request.").partition(".")
        there = {
            "header": name.lower() in headers,
            "querystring": name in query,
            "path": bool(call.parameters.get(name)),
        }
        if required and not there.get(place, True):
            missing.append(name)
    return missing


def _check_body(call: RestCall) -> None:
    models = call.method.models
    given = media_type(call.request.header("content-type")) or JSON
    name = models.get(given) or models.get("$default") or (models.get(JSON) if not call.request.body else None)
    if not name:
        return
    schema = call.definition.models.get(name)
    if schema is None:
        return
    try:
        problem = body_problem(call.request.body, schema, call.definition.models)
    except ValueError as error:
        raise Failure("API_CONFIGURATION_ERROR", why=f"the model {name}: {error}") from None
    if problem:
        raise Failure("BAD_REQUEST_BODY", why=problem)


def body_problem(body: bytes, schema: str, models: Mapping[str, str]) -> str:
    """What is wrong with a body; empty if nothing is. Raises ValueError for a schema that is none."""
    import jsonschema  # a cold path: few labs validate

    whole = _whole(json.loads(schema), models)
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return "the body is no JSON"
    try:
        problems = sorted(jsonschema.Draft4Validator(whole).iter_errors(document), key=str)
    except Exception as error:  # a schema that is none fails in many ways
        raise ValueError(str(error)) from None
    return "; ".join(f"{problem.json_path}: {problem.message}" for problem in problems[:3])


def _whole(schema: Any, models: Mapping[str, str]) -> Any:
    """A schema with the models that it refers to among its own definitions."""
    if not isinstance(schema, dict):
        raise ValueError("a schema is an object")
    needed: dict[str, Any] = {}

    def local(node: Any) -> Any:
        if isinstance(node, list):
            return [local(member) for member in node]
        if not isinstance(node, dict):
            return node
        address = node.get("$ref")
        if isinstance(address, str) and address.startswith(MODEL_ADDRESS):
            name = address.rpartition("/")[2]
            if name not in needed:
                needed[name] = {}
                needed[name] = local(json.loads(models.get(name, "{}")))
            return {"$ref": f"#/definitions/{name}"}
        return {key: local(value) for key, value in node.items()}

    whole = local(schema)
    return {**whole, "definitions": {**whole.get("definitions", {}), **needed}} if needed else whole

"""PURE: request validators: required parameters, and bodies against the JSON schemas (draft 4) of models.

Developer guide, "Request validation for REST APIs". The words of the answers are recorded (LocalStack's
`method_request.py`): the missing parameters by name, sorted; of a body only that it is invalid. The log says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from labkit.emulator.apigateway.calls import RestCall, header_values, query_values
from labkit.emulator.apigateway.failures import Failure
from labkit.emulator.apigateway.integrations import media_type
from labkit.emulator.gateway import JSON

DRAFT = "http://json-schema.org/draft-04/schema#"
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
    check = _compiled(json.dumps(_whole(json.loads(schema), models)))
    try:
        check(json.loads(body or b"{}"))
    except (ValueError, RecursionError) as error:  # of JSON, and of fastjsonschema
        return str(error)
    return ""


@lru_cache(maxsize=128)
def _compiled(schema: str) -> Callable[[Any], object]:
    """A check of this schema. jsonschema says more, but takes 3 s to import where its optional parts are installed."""
    import fastjsonschema  # a cold path: few labs validate

    def refuse(address: str) -> None:
        raise ValueError(f"{address} is not within the API")

    try:
        made: Callable[[Any], object] = fastjsonschema.compile(
            json.loads(schema), handlers={"http": refuse, "https": refuse, "file": refuse}
        )
    except Exception as error:  # a schema that is none fails in many ways
        raise ValueError(f"{type(error).__name__}: {error}") from None
    return made


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

    whole = {**local(schema), "$schema": DRAFT}
    return {**whole, "definitions": {**whole.get("definitions", {}), **needed}} if needed else whole

"""PURE: what an HTTP API takes from a request: identity sources of authorizers, parameter mappings of integrations.

"Transform API requests and responses for HTTP APIs in API Gateway": `append`, `overwrite` and `remove` of headers and
of the query. Paths and responses are not mapped here: a function's event and answer say both.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

import msgspec

from labkit.emulator.apigateway.calls import HttpCall, last_of, query_values

TARGET = re.compile(r"(append|overwrite|remove):(header|querystring)\.(.+)")
VARIABLE = re.compile(r"\$\{(?P<braced>[\w.-]+)\}|\$(?P<plain>[a-zA-Z]+(?:\.[\w-]+)*)")


def http_source(call: HttpCall, source: str) -> str:
    """`$request.header.X`, `$request.querystring.q`, `$context.routeKey`, `$stageVariables.v`."""
    expression = source.removeprefix("$")
    place, _, name = expression.removeprefix("request.").partition(".")
    if place == "header":
        return call.request.header(name.lower())
    if place == "path":
        return call.parameters.get(name, "") if name else call.request.path
    if place == "querystring":
        return last_of(query_values(call.request.query)).get(name, "")
    if place == "stageVariables":
        return call.stage.variables.get(name, "")
    known = {
        "routeKey": call.route.key,
        "httpMethod": call.request.method,
        "path": call.visit.full_path,
        "stage": call.stage.name,
        "identity.sourceIp": call.request.source_ip,
    }
    return known.get(name, "") if place == "context" else ""


def mapped(call: HttpCall, parameters: Mapping[str, str]) -> HttpCall:
    """The call as its integration gets it."""
    request = call.request
    headers, query = list(request.headers), parse_qsl(request.query, keep_blank_values=True)
    for target, source in parameters.items():
        found = TARGET.fullmatch(target)
        if found is None:
            continue
        doing, place, name = found.groups()
        value = VARIABLE.sub(lambda part: http_source(call, part["braced"] or part["plain"]), source)
        if place == "header":
            kept = [field for field in headers if doing == "append" or field[0].lower() != name.lower()]
            headers = kept if doing == "remove" else [*kept, (name, value)]
        else:
            kept = [pair for pair in query if doing == "append" or pair[0] != name]
            query = kept if doing == "remove" else [*kept, (name, value)]
    changed = msgspec.structs.replace(request, headers=tuple(headers))
    if query != parse_qsl(request.query, keep_blank_values=True):
        changed = msgspec.structs.replace(changed, query=urlencode(query))
    return dataclasses.replace(call, visit=dataclasses.replace(call.visit, request=changed))

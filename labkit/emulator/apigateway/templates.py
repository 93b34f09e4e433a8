"""PURE: mapping templates: `$input`, `$util`, `$context`, `$stageVariables` on top of Velocity.

Developer guide, "Mapping template variable reference"; what is missing or null was recorded by LocalStack
(`template_mapping.py`): an empty body is `{}`, `escapeJavaScript` of nothing `{}`, an unknown parameter an empty text.
Not verified: `$input.json` of a path that leads nowhere is `""`. JSONPath is Jayway's on AWS: a path that names one
place gives its value, one with `..`, `*`, a slice or a filter a list; those are left to jsonpath-ng.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from labkit.emulator.apigateway.velocity import Tool, from_json, render, shown
from labkit.emulator.apigateway.velocity_parser import TemplateError

STEP = re.compile(r"\.([\w-]+)|\[(-?\d+)\]|\[\s*'([^']*)'\s*\]|\[\s*\"([^\"]*)\"\s*\]")
MISSING = object()


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of a method request."""

    path: Mapping[str, str] = field(default_factory=dict)
    querystring: Mapping[str, str] = field(default_factory=dict)
    header: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text, and what the template wants changed: `$context.requestOverride`, `$context.responseOverride`."""

    text: str
    request_override: Mapping[str, Any]
    response_override: Mapping[str, Any]


def rendered(
    template: str, body: str, parameters: Parameters, context: Mapping[str, Any], variables: Mapping[str, str]
) -> Rendered:
    """Raises TemplateError."""
    overrides: dict[str, Any] = {
        "requestOverride": {"header": {}, "path": {}, "querystring": {}},
        "responseOverride": {"header": {}},
    }
    known = {
        "input": _input(body, parameters),
        "util": UTIL,
        "context": {**context, **overrides},
        "stageVariables": dict(variables),
    }
    text = render(template, known)
    return Rendered(text, overrides["requestOverride"], overrides["responseOverride"])


# --- JSONPath -------------------------------------------------------------------------------------------------


def at_path(document: Any, path: str) -> Any:
    """What a JSONPath leads to; MISSING if nothing is there.

    >>> at_path({"a": [{"b c": 1}]}, "$.a[0]['b c']")
    1
    """
    rest = path.strip().removeprefix("$")
    if rest and rest[0] not in ".[":
        rest = f".{rest}"
    at, node = 0, document
    while at < len(rest):
        step = STEP.match(rest, at)
        if step is None:
            return _by_library(document, path)
        at = step.end()
        node = _stepped(node, next(part for part in step.groups() if part is not None), by_index=step[2] is not None)
        if node is MISSING and STEP.sub("", rest[at:]) == "":
            return MISSING
        if node is MISSING:
            return _by_library(document, path)
    return node


def _stepped(node: Any, name: str, *, by_index: bool) -> Any:
    if by_index:
        there = isinstance(node, list) and -len(node) <= int(name) < len(node)
        return node[int(name)] if there else MISSING
    return node.get(name, MISSING) if isinstance(node, dict) else MISSING


def _by_library(document: Any, path: str) -> Any:
    from jsonpath_ng.ext import parse  # a cold path: its grammar takes long to load

    try:
        return [found.value for found in parse(path if path.startswith("$") else f"$.{path}").find(document)]
    except Exception as error:  # its parsers raise several kinds, without a common one
        raise TemplateError(f"{path!r} is no JSONPath: {error}") from None


# --- $input ---------------------------------------------------------------------------------------------------


def _input(body: str, parameters: Parameters) -> Tool:
    def document() -> Any:
        if not body.strip():
            return {}
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise TemplateError("the body is no JSON") from None

    def path(given: str = "$") -> Any:
        found = at_path(document(), given)
        return None if found is MISSING else from_json(found)

    def as_json(given: str = "$") -> str:
        found = at_path(document(), given)
        return '""' if found is MISSING else json.dumps(found, separators=(",", ":"), ensure_ascii=False)

    def params(name: str | None = None) -> Any:
        places = {
            "path": dict(parameters.path),
            "querystring": dict(parameters.querystring),
            "header": dict(parameters.header),
        }
        if name is None or name in places:
            return places if name is None else places[name]
        for place in places.values():
            if name in place:
                return place[name]
        return next((value for key, value in places["header"].items() if key.lower() == name.lower()), "")

    return Tool({"path": path, "json": as_json, "params": params}, {"body": body or "{}"}, "$input")


# --- $util ----------------------------------------------------------------------------------------------------


def _escape_javascript(value: Any = None) -> str:
    """Java's StringEscapeUtils, so a single quote is escaped too, which is no JSON ("$util variables")."""
    if value is None:
        return "null"
    text = shown(value)
    if isinstance(value, str) and not text.strip():
        return "{}"
    return json.dumps(text)[1:-1].replace("'", "\\'").replace("/", "\\/")


def _parse_json(text: str) -> Any:
    try:
        return from_json(json.loads(text))
    except (ValueError, RecursionError, TypeError):
        raise ValueError("the text is no JSON") from None


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise ValueError("the text is no base64") from None


UTIL = Tool(
    {
        "escapeJavaScript": _escape_javascript,
        "parseJson": _parse_json,
        "urlEncode": lambda text: quote_plus(shown(text)),
        "urlDecode": lambda text: unquote_plus(shown(text)),
        "base64Encode": lambda text: base64.b64encode(shown(text).encode()).decode(),
        "base64Decode": lambda text: _decoded(shown(text)),
    },
    shown="$util",
)

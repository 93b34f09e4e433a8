"""PURE: which resource of a REST API, or which route of an HTTP API, answers a request.

Segments are compared as they were sent, undecoded, so that an encoded slash stays within its segment; trailing slashes
do not count for a REST API (recorded against AWS, LocalStack's `test_lambda_aws_proxy_integration`). Precedence: a
literal segment before `{name}` before `{name+}`, from the left (HTTP API developer guide, "Working with routes":
full match, then greedy, then `$default`; the same order holds for REST resources, "Set up a proxy integration").

Not verified against AWS: a REST request whose most specific resource lacks the method goes on to the next resource
that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar
from urllib.parse import unquote

from labkit.emulator.apigateway.configuration import Method, Resource, Route

LITERAL, VARIABLE, GREEDY = 0, 1, 2
T = TypeVar("T")


class RestMatch(NamedTuple):
    resource: Resource
    method: Method
    parameters: Mapping[str, str]


class RouteMatch(NamedTuple):
    route: Route
    parameters: Mapping[str, str]


def rest_match(resources: Iterable[Resource], verb: str, path: str) -> RestMatch | None:
    """The method that answers; None if there is none."""
    segments = _segments(path)
    found = []
    for resource in resources:
        method = resource.methods.get(verb) or resource.methods.get("ANY")
        match = _match(_segments(resource.path), segments) if method else None
        if method and match:
            found.append((match[0], RestMatch(resource, method, match[1])))
    return _best(found)


def route_match(routes: Iterable[Route], verb: str, path: str) -> RouteMatch | None:
    """The route of an HTTP API; its parameters are decoded."""
    segments = path.split("/")[1:]
    found, default = [], None
    for route in routes:
        wanted, _, pattern = route.key.partition(" ")
        if route.key == "$default":
            default = RouteMatch(route, {})
        elif wanted in (verb, "ANY") and (match := _match(pattern.split("/")[1:], segments)):
            parameters = {name: unquote(value) for name, value in match[1].items()}
            found.append(((*match[0], wanted == "ANY"), RouteMatch(route, parameters)))
    return _best(found) or default


def _best(found: list[tuple[tuple[int, ...], T]]) -> T | None:
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _segments(path: str) -> list[str]:
    stripped = path.strip("/")
    return stripped.split("/") if stripped else []


def _match(pattern: list[str], segments: list[str]) -> tuple[tuple[int, ...], dict[str, str]] | None:
    """How general a match is, segment by segment, and its parameters; None if it is none."""
    rank: list[int] = []
    parameters: dict[str, str] = {}
    for at, part in enumerate(pattern):
        if part.startswith("{") and part.endswith("+}"):
            if at != len(pattern) - 1 or len(segments) <= at or not any(segments[at:]):
                return None
            parameters[part[1:-2]] = "/".join(segments[at:])
            return (*rank, GREEDY), parameters
        if at >= len(segments):
            return None
        if part.startswith("{") and part.endswith("}") and segments[at]:
            parameters[part[1:-1]] = segments[at]
            rank.append(VARIABLE)
        elif part == segments[at]:
            rank.append(LITERAL)
        else:
            return None
    return (tuple(rank), parameters) if len(pattern) == len(segments) else None


def arn_path(path: str) -> str:
    """A resource's path as it stands in the ARN of a permission: `*` for each variable.

    >>> arn_path("/pets/{id}")
    'pets/*'
    """
    return "/".join("*" if part.startswith("{") else part for part in path.strip("/").split("/"))

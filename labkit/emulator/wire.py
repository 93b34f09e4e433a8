"""The Lambda API on the wire (restJson1), read from botocore's own model of it: nothing here knows an operation.

A request's way in: `match` finds the operation of a method and a raw path, `parse` turns query, headers and body into
the parameters that boto3's caller wrote, types and constraints checked. A result's way out: `serialise`, with the
names of boto3's answers; `error` for a ServiceError. Behaviour is `control`'s, conversions are `values`' and rules are
`constraints`'.

Routes are a tree of path segments, literals before parameters, built once from the model's `requestUri`s; two of those
end in a query (`?find=LayerVersion`), so a query decides between operations of the same path. Shapes are resolved when
an operation is first used, because most never are.

The model is followed to the letter but for three documented things: CORRECTED_STATUS, FRAMEWORK_ERRORS, and what
`constraints` corrects.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from labkit.emulator import eventstream, values
from labkit.emulator.apimodel import Operation, description
from labkit.emulator.constraints import Constraints
from labkit.errors import InvalidRequestContent, SerializationFailed, ServiceError

CORRECTED_STATUS: Mapping[str, int] = {
    # The model says 200 since DeleteFunction may report a status; Lambda answers 204 for a plain deletion (recorded).
    "DeleteFunction": 204,
}
FRAMEWORK_ERRORS: Mapping[str, str] = {
    # Not in the model: AWS's web framework answers these before Lambda sees the request. Their bodies have only a
    # message, under this name (recorded), and no Type.
    "ValidationException": "message",
    "SerializationException": "Message",
}
ERROR_DETAILS: Mapping[str, str] = {"Reason": "reason", "retryAfterSeconds": "retry_after_s"}
"""Members of an exception's shape, and the attributes of a ServiceError that fill them, where it has them."""

JSON = "application/json"
BODILESS = frozenset({204, 304})
Query = Sequence[tuple[str, str]]


class Match(msgspec.Struct, frozen=True):
    """The operation that a request means, and the decoded parameters of its path."""

    operation: str
    uri: dict[str, str]


class Reply(msgspec.Struct, frozen=True):
    """An HTTP response; header names are in lower case, values ASCII. Content-Length is the server's to add."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Route(msgspec.Struct, frozen=True):
    operation: str
    method: str
    names: tuple[str, ...]
    query: frozenset[tuple[str, str]]


class _Segment(msgspec.Struct):
    """A node of the route tree: what may follow literally, what may follow as a parameter, what ends here."""

    literal: dict[str, _Segment] = msgspec.field(default_factory=dict)
    parameter: _Segment | None = None
    routes: list[_Route] = msgspec.field(default_factory=list)

    def child(self, text: str) -> _Segment:
        if not text.startswith("{"):
            return self.literal.setdefault(text, _Segment())
        self.parameter = self.parameter or _Segment()
        return self.parameter


class Wire:
    def __init__(self) -> None:
        model = description()
        self._described, self._shapes = model["operations"], model["shapes"]
        self._operations: dict[str, Operation] = {}
        self._exceptions: dict[str, Any] = {n: s for n, s in self._shapes.items() if s.get("exception")}
        self._constraints = Constraints()
        self._routes = Routes(self._described)
        self.operations: tuple[str, ...] = tuple(self._described)

    def match(self, method: str, path: str, query: Query = ()) -> Match | None:
        """The operation that answers; `path` is raw (ARNs still percent-encoded), a trailing slash does not matter."""
        return self._routes.match(method, path, query)

    def parse(self, match: Match, query: Query, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """The operation's parameters, absent ones left out.

        Raises SerializationFailed, InvalidRequestContent (a payload that must be JSON), ValidationFailed.
        """
        operation = self._operation(match.operation)
        shape = operation.input_shape
        if shape is None:
            return {}
        params = _located(shape, match.uri, query, headers) | _from_body(operation, body)
        self._constraints.check(shape, params)
        return params

    def serialise(self, operation: str, result: Mapping[str, Any]) -> Reply:
        """The response to a result; None is an absent member, a member that the model does not know stays behind."""
        model = self._operation(operation)
        shape = model.output_shape
        status = _status(model, result)
        kind, body = ("", b"") if status in BODILESS or shape is None else _result_body(shape, result)
        headers = {"content-type": kind} if body else {}
        return Reply(status, headers | _result_headers(shape, result), body)

    def event(self, operation: str, event: Mapping[str, Any]) -> bytes:
        """One message of a streamed response, ready to send: {"PayloadChunk": {"Payload": b"..."}}."""
        return eventstream.encode_event(self._operation(operation).event_stream, event)

    def error(self, error: ServiceError, request_id: str) -> Reply:
        """The error response: its code in a header, the rest as the exception's shape in the model says."""
        members = self._exceptions.get(error.code, {}).get("members", {"Type": {}, "Message": {}})
        fields = _error_fields(error, members)
        headers = {"content-type": JSON, "x-amzn-errortype": error.code, "x-amzn-requestid": _ascii(request_id)}
        in_headers = [name for name in fields if members.get(name, {}).get("location") == "header"]
        headers |= {members[name]["locationName"].lower(): _ascii(str(fields.pop(name))) for name in in_headers}
        return Reply(error.status, headers, json.dumps(fields).encode())

    def _operation(self, name: str) -> Operation:
        if name not in self._operations:
            self._operations[name] = Operation(name, self._described[name], self._shapes)
        return self._operations[name]


# --- routes -------------------------------------------------------------------------------------------------


class Routes:
    """The operations of a REST service by method and path, of `operations` as botocore's models have them."""

    def __init__(self, operations: Mapping[str, Any]) -> None:
        self._root = _route_tree(operations)

    def match(self, method: str, path: str, query: Query = ()) -> Match | None:
        """The operation that a request means, the most literal path first."""
        for found, encoded in _walk(self._root, _segments(path), 0, ()):
            route = _choose(found.routes, method, query)
            if route is not None:
                return Match(route.operation, dict(zip(route.names, map(unquote, encoded), strict=True)))
        return None


def _route_tree(operations: Mapping[str, Any]) -> _Segment:
    root = _Segment()
    for name, said in operations.items():
        path, _, query = said["http"]["requestUri"].partition("?")
        node, parameters = root, []
        for segment in _segments(path):
            node = node.child(segment)
            parameters += [segment.strip("{+}")] if segment.startswith("{") else []
        literal = frozenset(parse_qsl(query, keep_blank_values=True))
        node.routes.append(_Route(name, said["http"]["method"], tuple(parameters), literal))
    return root


def _segments(path: str) -> list[str]:
    return path.removeprefix("/").removesuffix("/").split("/")


def _walk(
    node: _Segment, segments: list[str], at: int, encoded: tuple[str, ...]
) -> Iterable[tuple[_Segment, tuple[str, ...]]]:
    """The ends of the path in the tree, the most literal one first, with the texts of its parameters."""
    if at == len(segments):
        yield node, encoded
        return
    text = segments[at]
    if text in node.literal:
        yield from _walk(node.literal[text], segments, at + 1, encoded)
    if node.parameter is not None and text:
        yield from _walk(node.parameter, segments, at + 1, (*encoded, text))


def _choose(routes: list[_Route], method: str, query: Query) -> _Route | None:
    given = set(query)
    fitting = [route for route in routes if route.method == method and route.query <= given]
    return max(fitting, key=lambda route: len(route.query), default=None)


# --- a request's parts --------------------------------------------------------------------------------------


def _located(shape: Any, uri: Mapping[str, str], query: Query, headers: Mapping[str, str]) -> dict[str, Any]:
    """The members that are in the path, the query or a header."""
    texts = {name.lower(): text for name, text in headers.items()}
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        location, key = member.serialization.get("location"), values.json_name(name, member)
        if location == "uri":
            found[name] = values.from_text(member, uri[key], values.ISO)
        elif location == "querystring":
            found[name] = _from_query(member, [text for other, text in query if other == key])
        elif location == "header" and key.lower() in texts:
            found[name] = values.from_text(member, texts[key.lower()], values.HTTP_DATE)
    return {name: value for name, value in found.items() if value is not None}


def _from_query(member: Any, texts: list[str]) -> Any:
    if not texts:
        return None
    if member.type_name == "list":
        return [values.from_text(member.member, text, values.ISO) for text in texts]
    return values.from_text(member, texts[0], values.ISO)


def _from_body(operation: Operation, body: bytes) -> dict[str, Any]:
    """The members that are in the body: the payload member alone, or all that are nowhere else."""
    shape = operation.input_shape
    if not body or shape is None:
        return {}
    payload = shape.serialization.get("payload")
    if payload is None:
        return _from_document(_body_members(shape), body)
    member = shape.members[payload]
    if member.type_name == "blob":
        _check_payload(operation, body)
        return {payload: body}
    return {payload: _from_document(member.members, body)}


def _from_document(members: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    # An operation without a body ignores whatever comes as one.
    return values.members_from_json(members, _document(body)) if members else {}


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = values.read_document(body)
    except values.NotJson as e:
        raise SerializationFailed(f"Could not parse request body into json: {e}") from None
    return values.expect_structure({} if document is None else document)


def _body_members(shape: Any) -> dict[str, Any]:
    return {name: member for name, member in shape.members.items() if "location" not in member.serialization}


def _check_payload(operation: Operation, body: bytes) -> None:
    """A raw payload must be JSON where the model lists the error for one that is not: the Invoke family."""
    if InvalidRequestContent.code in operation.errors:
        check_event(body)


def check_event(body: bytes) -> None:
    """Raises InvalidRequestContent unless an invocation's payload is JSON."""
    try:
        values.read_document(body)
    except values.NotJson as e:
        said = f"Could not parse request body into json: Could not parse payload into json: {e}"
        raise InvalidRequestContent(said) from None


# --- a result's parts ---------------------------------------------------------------------------------------


def _status(model: Operation, result: Mapping[str, Any]) -> int:
    members = model.output_shape.members if model.output_shape is not None else {}
    for name, member in members.items():
        if member.serialization.get("location") == "statusCode" and result.get(name) is not None:
            return int(result[name])
    return int(CORRECTED_STATUS.get(model.name, model.response_code))


def _result_headers(shape: Any, result: Mapping[str, Any]) -> dict[str, str]:
    members = shape.members if shape is not None else {}
    placed = [
        n for n, m in members.items() if m.serialization.get("location") == "header" and result.get(n) is not None
    ]
    return {_header_name(n, members[n]): _ascii(values.to_text(members[n], result[n])) for n in placed}


def _header_name(name: str, member: Any) -> str:
    return values.json_name(name, member).lower()


def _result_body(shape: Any, result: Mapping[str, Any]) -> tuple[str, bytes]:
    """The body and its content type."""
    payload = shape.serialization.get("payload")
    if payload is None:
        return JSON, _json_body(_body_members(shape), result)
    member, value = shape.members[payload], result.get(payload)
    if value is None:
        return JSON, b""
    if member.serialization.get("eventstream"):
        return eventstream.CONTENT_TYPE, b"".join(eventstream.encode_event(member, event) for event in value)
    if member.type_name == "structure":
        return JSON, _json_body(member.members, value)
    return JSON, values.as_bytes(value)


def _json_body(members: Mapping[str, Any], result: Mapping[str, Any]) -> bytes:
    """A JSON object, `{}` if nothing is known; no body at all where the model has no member for one."""
    return json.dumps(values.members_to_json(members, result)).encode() if members else b""


def _error_fields(error: ServiceError, members: Mapping[str, Any]) -> dict[str, Any]:
    if error.code in FRAMEWORK_ERRORS:
        return {FRAMEWORK_ERRORS[error.code]: error.message}
    fields: dict[str, Any] = {"Type": error.fault} if "Type" in members else {}
    fields |= {name: error.message for name in members if name.lower() == "message"}
    details = {name: getattr(error, ERROR_DETAILS[name], None) for name in members if name in ERROR_DETAILS}
    return fields | {name: value for name, value in details.items() if value is not None}


def _ascii(text: str) -> str:
    """A header's value; a line end in it must not begin another header."""
    return " ".join(text.splitlines()).encode("ascii", "replace").decode("ascii")

"""Lambda authorizers: what they are asked, what their answers mean, and how long an answer is kept.

REST APIs: "Use API Gateway Lambda authorizers" (input, output, caching); a value that an identity source names must be
there, else 401 without asking. A function that fails with `Unauthorized` gives 401; every other failure 500 with the
message null, as public reports show it (`AuthorizerConfigurationException`); not verified which of them AWS calls
AuthorizerFailureException. HTTP APIs: "Control access to HTTP APIs with AWS Lambda authorizers", simple answers and
policies, 401, 403, 500. An answer is kept by the values of its identity sources, on the lab's clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from labkit.emulator.apigateway import policies
from labkit.emulator.apigateway.calls import (
    HttpCall,
    RestCall,
    header_values,
    last_of,
    query_values,
    request_parts,
)
from labkit.emulator.apigateway.configuration import Authorizer, function_of, with_stage_variables
from labkit.emulator.apigateway.events import request_event
from labkit.emulator.apigateway.failures import Failure
from labkit.emulator.apigateway.functions import Functions, NotRun, TimedOut, say
from labkit.emulator.apigateway.mappings import http_source
from labkit.errors import ServiceError

MOST_KEPT = 4096
EXPLICIT = "User is not authorized to access this resource with an explicit deny in an identity-based policy"
Values = tuple[str, ...]


class Refused(Exception):
    """An HTTP API answers with this status."""

    def __init__(self, status: int, message: str, authenticate: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.authenticate = status, message, authenticate


class AuthorizerFailed(Exception):
    """The function failed or answered what is no answer. `message` is its errorMessage, if it failed."""

    def __init__(self, why: str, message: str = "") -> None:
        super().__init__(why)
        self.message = message


class Authorizers:
    """See the module's docstring."""

    def __init__(self, functions: Functions, now: Callable[[], float]) -> None:
        self._functions = functions
        self._now = now
        self._kept: dict[object, tuple[float, dict[str, Any]]] = {}

    # --- REST APIs

    async def admit(self, call: RestCall, authorizer: Authorizer) -> None:
        """Notes what the authorizer says in the call. Raises Failure."""
        values = self._rest_values(call, authorizer)
        key = (call.api.api_id, call.stage.deployment_id, call.stage.name, authorizer.authorizer_id, values)
        try:
            answer = self._known(key) or await self._ask_rest(call, authorizer, values)
            verdict = policies.verdict(answer.get("policyDocument"), call.method_arn)
            context = _stringified(answer.get("context"))
            principal = answer["principalId"]
        except (AuthorizerFailed, policies.PolicyError, KeyError) as error:
            if isinstance(error, AuthorizerFailed) and error.message == "Unauthorized":
                raise Failure("UNAUTHORIZED") from None
            raise Failure("AUTHORIZER_CONFIGURATION_ERROR", why=f"authorizer {authorizer.name}: {error}") from None
        self._keep(key, answer, authorizer.ttl_s if values else 0)
        if verdict != policies.ALLOWED:
            raise Failure("ACCESS_DENIED", EXPLICIT if verdict == policies.DENIED else None)
        call.authorizer = {"principalId": principal, "integrationLatency": 0, **context}
        if answer.get("usageIdentifierKey"):
            call.identity["apiKey"] = str(answer["usageIdentifierKey"])

    def _rest_values(self, call: RestCall, authorizer: Authorizer) -> Values:
        sources = authorizer.identity_sources
        if authorizer.kind == "TOKEN":
            sources = sources[:1] or ("method.request.header.Authorization",)
        values = tuple(rest_source(call, source) for source in sources)
        if any(not value for value in values):
            raise Failure("UNAUTHORIZED")
        if authorizer.kind == "TOKEN" and authorizer.validation and not _matches(authorizer.validation, values[0]):
            raise Failure("UNAUTHORIZED")
        return values

    async def _ask_rest(self, call: RestCall, authorizer: Authorizer, values: Values) -> dict[str, Any]:
        event: dict[str, Any] = {"type": authorizer.kind, "methodArn": call.method_arn}
        if authorizer.kind == "TOKEN":
            event["authorizationToken"] = values[0]
        else:
            event |= request_parts(call)
        arn = f"arn:aws:execute-api:{call.api.region}:{call.visit.account_id}:{call.api.api_id}"
        return await self._ask(
            authorizer,
            event,
            f"{arn}/authorizers/{authorizer.authorizer_id}",
            call.stage.variables,
            call.visit.trace_id,
        )

    # --- HTTP APIs

    async def let_in(self, call: HttpCall, authorizer: Authorizer) -> None:
        """The same for a route. Raises Refused."""
        values = tuple(http_source(call, source) for source in authorizer.identity_sources)
        if any(not value for value in values):
            raise Refused(401, "Unauthorized")
        key = (call.api.api_id, call.stage.name, authorizer.authorizer_id, values)
        try:
            answer = self._known(key) or await self._ask_http(call, authorizer, values)
            allowed = self._allows(answer, authorizer, call.route_arn)
        except (AuthorizerFailed, policies.PolicyError) as error:
            if isinstance(error, AuthorizerFailed) and error.message == "Unauthorized":
                raise Refused(401, "Unauthorized") from None
            say(f"API {call.api.api_id}, authorizer {authorizer.name}: {error}")
            raise Refused(500, "Internal Server Error") from None
        self._keep(key, answer, authorizer.ttl_s if values else 0)
        if not allowed:
            raise Refused(403, "Forbidden")
        context = answer.get("context") or {}
        call.authorizer = {"lambda": context}

    @staticmethod
    def _allows(answer: Mapping[str, Any], authorizer: Authorizer, route_arn: str) -> bool:
        if not authorizer.simple:
            return policies.verdict(answer.get("policyDocument"), route_arn) == policies.ALLOWED
        if not isinstance(answer.get("isAuthorized"), bool):
            raise AuthorizerFailed("a simple response needs isAuthorized, true or false")
        return bool(answer["isAuthorized"])

    async def _ask_http(self, call: HttpCall, authorizer: Authorizer, values: Values) -> dict[str, Any]:
        event = request_event(call, authorizer.payload_version)
        event.pop("body", None)
        event.pop("isBase64Encoded", None)
        event |= {"type": "REQUEST"}
        if authorizer.payload_version == "2.0":
            event |= {"routeArn": call.route_arn, "identitySource": list(values) or None}
        else:
            event |= {
                "methodArn": call.route_arn,
                "identitySource": ",".join(values),
                "authorizationToken": ",".join(values),
            }
        arn = f"arn:aws:execute-api:{call.api.region}:{call.visit.account_id}:{call.api.api_id}"
        return await self._ask(
            authorizer,
            event,
            f"{arn}/authorizers/{authorizer.authorizer_id}",
            call.stage.variables,
            call.visit.trace_id,
        )

    # --- both

    async def _ask(
        self,
        authorizer: Authorizer,
        event: dict[str, Any],
        source_arn: str,
        variables: Mapping[str, str],
        trace_id: str,
    ) -> dict[str, Any]:
        name = function_of(with_stage_variables(authorizer.uri, variables))
        if name is None:
            raise AuthorizerFailed(f"{authorizer.uri!r} names no function")
        payload = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
        try:
            answer = await self._functions.run(
                name,
                payload,
                source_arns=(source_arn,),
                timeout_s=29.0,
                trace_id=trace_id,
                by_role=bool(authorizer.credentials),
            )
        except (NotRun, TimedOut, ServiceError) as error:
            raise AuthorizerFailed(f"its function was not run: {type(error).__name__} {error}") from None
        assert answer.result is not None
        return _answer_of(answer.result.payload, failed=answer.result.failed)

    def _known(self, key: object) -> dict[str, Any] | None:
        kept = self._kept.get(key)
        if kept is None or kept[0] <= self._now():
            self._kept.pop(key, None)
            return None
        return kept[1]

    def _keep(self, key: object, answer: dict[str, Any], ttl_s: int) -> None:
        if ttl_s <= 0 or key in self._kept:
            return
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[key] = self._now() + ttl_s, answer


def _answer_of(payload: bytes, *, failed: bool) -> dict[str, Any]:
    try:
        answer = json.loads(payload)
    except ValueError:
        raise AuthorizerFailed("its answer is no JSON") from None
    if failed:
        message = str(answer.get("errorMessage", "")) if isinstance(answer, dict) else ""
        raise AuthorizerFailed(f"its function failed: {message}", message)
    if not isinstance(answer, dict):
        raise AuthorizerFailed("its answer is no object")
    return answer


def _stringified(context: object) -> dict[str, str]:
    """Texts, numbers and booleans, as text; a list or an object makes the answer an error."""
    if context is None:
        return {}
    if not isinstance(context, dict) or any(isinstance(value, dict | list) for value in context.values()):
        raise AuthorizerFailed("its context may hold texts, numbers and booleans only")
    known = {name: value for name, value in context.items() if value is not None}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in known.items()}


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return False


def rest_source(call: RestCall, source: str) -> str:
    """`method.request.header.X`, `method.request.querystring.q`, `context.x`, `stageVariables.v`."""
    if source.startswith("context."):
        node: Any = call.context()
        for part in source.split(".")[1:]:
            node = node.get(part) if isinstance(node, dict) else None
        return "" if node is None else str(node)
    if source.startswith("stageVariables."):
        return call.stage.variables.get(source.removeprefix("stageVariables."), "")
    place, _, name = source.removeprefix("method.request.").partition(".")
    if place == "header":
        headers = {key.lower(): value for key, value in last_of(header_values(call.visit)).items()}
        return headers.get(name.lower(), "")
    return last_of(query_values(call.request.query)).get(name, "")

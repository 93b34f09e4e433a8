"""HTTP APIs: from a request to its response: CORS, route, authorization, integration.

Answers of its own: 404 `Not Found`, 401, 403, 413, 500 `Internal Server Error` for a function that fails or may not be
run, 503 `Service Unavailable` for one that takes too long or is throttled ("Troubleshooting HTTP APIs"). WebSocket APIs
are refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from labkit.emulator import gateway
from labkit.emulator.apigateway import jwt
from labkit.emulator.apigateway.addresses import split_stage
from labkit.emulator.apigateway.authorizers import Authorizers, Refused
from labkit.emulator.apigateway.calls import HttpCall, Visit
from labkit.emulator.apigateway.configuration import (
    Authorizer,
    HttpApi,
    HttpCors,
    Integration,
    function_of,
    with_stage_variables,
)
from labkit.emulator.apigateway.events import request_event
from labkit.emulator.apigateway.functions import Functions, NotRun, TimedOut, say
from labkit.emulator.apigateway.mappings import http_source, mapped
from labkit.emulator.apigateway.responses import inferred_response, proxy_response
from labkit.emulator.apigateway.routing import route_match
from labkit.emulator.apigateway.signatures import Signatures
from labkit.emulator.clients import CallFailed
from labkit.emulator.gateway import HttpRequest, HttpResponse, UnusableResultError
from labkit.emulator.registry import Cors
from labkit.errors import RequestTooLarge, ServiceError, TooManyRequests

BODY_BYTES = 10 * 1024 * 1024
KEYS_KEPT_S = 7200.0  # "API Gateway can cache the public key for two hours"
FAILED = "Internal Server Error"


class HttpDoor:
    """See the module's docstring. `read_object` reads S3."""

    def __init__(
        self,
        functions: Functions,
        authorizers: Authorizers,
        signatures: Signatures,
        read_object: Callable[[str, str], Awaitable[bytes]],
        now: Callable[[], float],
        *,
        endpoint: str,
    ) -> None:
        self._functions = functions
        self._authorizers = authorizers
        self._signatures = signatures
        self._read_object = read_object
        self._now = now
        self._endpoint = endpoint
        self._keys: dict[str, tuple[float, Mapping[str, Any]]] = {}

    async def answer(self, api: HttpApi, visit: Visit) -> HttpResponse:
        cors = _cors(api.cors)
        if cors and gateway.is_preflight(visit.request):
            preflight = gateway.with_cors(gateway.preflight(cors, visit.request), cors, visit.request.header("origin"))
            return _with_id(HttpResponse(204, preflight.headers), visit)
        try:
            response = await self._answered(api, visit)
        except Refused as refusal:
            response = _message(refusal.status, refusal.message, refusal.authenticate)
        return _with_id(gateway.with_cors(response, cors, visit.request.header("origin")), visit)

    async def _answered(self, api: HttpApi, visit: Visit) -> HttpResponse:
        if len(visit.request.body) > BODY_BYTES:
            raise Refused(413, "Request Entity Too Large")
        match = route_match(api.routes, visit.request.method, visit.request.path)
        if match is None:
            raise Refused(404, "Not Found")
        call = HttpCall(visit, api, api.stages[visit.stage], match.route, match.parameters)
        await self._authorize(call)
        integration = api.integrations.get(match.route.integration_id)
        name = function_of(with_stage_variables(integration.uri, call.stage.variables)) if integration else None
        if integration is None or integration.kind != "AWS_PROXY" or name is None:
            say(f"API {api.api_id}, route {match.route.key}: only integrations with functions are served here")
            raise Refused(500, FAILED)
        return await self._run(call, integration, name)

    async def _run(self, call: HttpCall, integration: Integration, name: str) -> HttpResponse:
        event = request_event(mapped(call, integration.parameters), integration.payload_version)
        payload = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
        try:
            answer = await self._functions.run(
                name,
                payload,
                source_arns=call.source_arns(),
                timeout_s=integration.timeout_s,
                trace_id=call.visit.trace_id,
                by_role=bool(integration.credentials),
            )
        except (TimedOut, TooManyRequests):
            raise Refused(503, "Service Unavailable") from None
        except RequestTooLarge:
            raise Refused(413, "Request Entity Too Large") from None
        except NotRun:
            raise Refused(500, FAILED) from None
        except ServiceError as error:
            say(f"API {call.api.api_id}, route {call.route.key}: {name}: {error.code}: {error}")
            raise Refused(500, FAILED) from None
        assert answer.result is not None
        if answer.result.failed:
            raise Refused(500, FAILED)
        try:
            if integration.payload_version == "1.0":
                return proxy_response(answer.result.payload, binary_types=("*/*",), accept="", remaps=False)
            return inferred_response(answer.result.payload)
        except UnusableResultError as error:
            say(f"API {call.api.api_id}, route {call.route.key}: the result of {name} is no response: {error}")
            raise Refused(500, FAILED) from None

    # --- who may come in

    async def _authorize(self, call: HttpCall) -> None:
        kind = call.route.authorization
        authorizer = call.api.authorizers.get(call.route.authorizer_id)
        if kind == "NONE":
            return
        if kind == "AWS_IAM":
            self._signed(call)
        elif authorizer is None:
            say(f"API {call.api.api_id}, route {call.route.key}: its authorizer does not exist")
            raise Refused(500, FAILED)
        elif authorizer.kind == "JWT":
            await self._check_token(call, authorizer)
        else:
            await self._authorizers.let_in(call, authorizer)

    def _signed(self, call: HttpCall) -> None:
        try:
            key = self._signatures.check(call.visit)
        except ServiceError:
            raise Refused(403, "Forbidden") from None
        account = call.visit.account_id
        known = {"accessKey": key, "accountId": account, "callerId": account, "userId": account}
        call.authorizer = {
            "iam": {**known, "cognitoIdentity": None, "principalOrgId": None, "userArn": f"arn:aws:iam::{account}:root"}
        }

    async def _check_token(self, call: HttpCall, authorizer: Authorizer) -> None:
        given = next((value for source in authorizer.identity_sources if (value := http_source(call, source))), "")
        if not given:
            raise Refused(401, "Unauthorized", "Bearer")
        wanted = " ".join(call.route.scopes)
        text = given[7:] if given.lower().startswith("bearer ") else given
        try:
            token = jwt.read(text.strip())
            await self._verify(token, authorizer)
            jwt.check_claims(token.claims, issuer=authorizer.issuer, audience=authorizer.audience, now=self._now())
            jwt.check_scopes(token.claims, call.route.scopes)
        except jwt.InvalidToken as error:
            said = f'Bearer scope="{wanted}" error="invalid_token" error_description="{error}"'
            raise Refused(401, "Unauthorized", said) from None
        except jwt.InsufficientScope:
            why = "the token does not have a valid scope"
            said = f'Bearer scope="{wanted}" error="insufficient_scope" error_description="{why}"'
            raise Refused(403, "Forbidden", said) from None
        scopes = [scope for scope in jwt.scopes_of(token.claims) if scope in call.route.scopes] or None
        call.authorizer = {"jwt": {"claims": jwt.shown_claims(token.claims), "scopes": scopes}}

    async def _verify(self, token: jwt.Token, authorizer: Authorizer) -> None:
        """With the issuer's keys, which are read again when a token names another one: keys are rotated."""
        until, keys = self._keys.get(authorizer.issuer, (0.0, {}))
        try:
            known = jwt.key_of(token, keys if until > self._now() else {})
        except jwt.InvalidToken:
            keys = await self._issuers_keys(authorizer)
            self._keys[authorizer.issuer] = self._now() + KEYS_KEPT_S, keys
            known = jwt.key_of(token, keys)
        jwt.check_signature(token, known)

    async def _issuers_keys(self, authorizer: Authorizer) -> Mapping[str, Any]:
        place = jwt.keys_place(authorizer.issuer, self._endpoint)
        try:
            if place is None:
                raise ValueError("its keys must be in the lab's S3: an issuer such as https://BUCKET.s3.amazonaws.com")
            keys = json.loads(await self._read_object(place.bucket, place.key))
            if not isinstance(keys, dict):
                raise ValueError(f"{place.key} in {place.bucket} holds no set of keys")
        except (CallFailed, ValueError) as error:
            where = f"s3://{place.bucket}/{place.key}: " if place else ""
            say(f"the JWT authorizer {authorizer.name} with the issuer {authorizer.issuer}: {where}{error}")
            raise Refused(500, FAILED) from None
        return keys


def _cors(settings: HttpCors | None) -> Cors | None:
    if settings is None:
        return None
    return Cors(
        settings.allow_credentials,
        settings.allow_headers or None,
        settings.allow_methods or None,
        settings.allow_origins or None,
        settings.expose_headers or None,
        settings.max_age_s,
    )


def _message(status: int, message: str, authenticate: str = "") -> HttpResponse:
    fields = [("content-type", "application/json")]
    if authenticate:
        fields.append(("www-authenticate", authenticate))
    return HttpResponse(status, tuple(fields), json.dumps({"message": message}, separators=(",", ":")).encode())


def _with_id(response: HttpResponse, visit: Visit) -> HttpResponse:
    return HttpResponse(response.status, (*response.headers, ("apigw-requestid", visit.extended_id)), response.body)


def stage_of(api: HttpApi, path: str) -> tuple[str, str] | None:
    """The stage that a path names, and the path below it; `$default` need not be named.

    >>> stage_of(HttpApi("a", "r"), "/items/1") is None
    True
    """
    stage, rest = split_stage(path)
    if stage in api.stages:
        return stage, rest
    return ("$default", path) if "$default" in api.stages else None


def request_below(request: HttpRequest, path: str) -> HttpRequest:
    """The same request, with the path that follows the stage."""
    return HttpRequest(
        request.method, path, request.query, request.headers, request.body, request.source_ip, request.protocol
    )

"""What somebody may do: a request's needs, compared with policies, their own and those of resources.

Decides only; whoever asks has found out who signs. Beside policies of identities these of resources are looked at: of
buckets, queues, topics, secrets and functions, and the trust policies of roles that somebody wants to be. What is
encrypted with a key of KMS needs that key to be read. Policies of keys and of APIs are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote
from xml.sax.saxutils import escape

from labkit.emulator import refusals
from labkit.emulator.doors import address_of
from labkit.emulator.http import Scope
from labkit.emulator.iam import Asked, Refusal
from labkit.emulator.needs import Need, ServiceRequest, lambda_needs, needs, operations_of
from labkit.emulator.needs_s3 import s3_needs
from labkit.emulator.permissions import permits
from labkit.emulator.principals import Principal, Principals, allowed
from labkit.emulator.registry import Registry, parse_reference
from labkit.emulator.rest_operations import RestOperations
from labkit.emulator.wire import Wire
from labkit.errors import AccessDenied
from labkit.model import LATEST

DECRYPTS = frozenset({"s3:GetObject", "s3:GetObjectVersion", "secretsmanager:GetSecretValue"})
OWN_PAGES = "/_labkit/"


class Denial(NamedTuple):
    """A need that is not met, and who says so."""

    need: Need
    resource: str
    refusal: Refusal


class Authority:
    """See the module's docstring."""

    def __init__(self, principals: Principals, wire: Wire, registry: Registry, now: Callable[[], float]) -> None:
        self._principals, self._wire, self._registry, self._now = principals, wire, registry, now
        self._rest = RestOperations()

    async def answer(self, principal: Principal, request: ServiceRequest, scope: Scope) -> refusals.Reply | None:
        """What stands in place of the service's own answer. Raises AccessDenied for Lambda's API."""
        if request.service == "lambda":
            await self._check_lambda(principal, request, scope)
            return None
        if request.service == "execute-api":
            return None  # an API has its own authorization
        wanted = await self._wanted(request)
        if wanted and wanted[0].action == "sts:GetCallerIdentity":  # nobody may forbid it
            return _identity(principal, request) if principal.function_arn else None
        denial = await self._denial(principal, wanted, request, scope)
        if denial is None:
            return None
        message = refusals.sentence(principal.arn, denial.need.action, denial.resource, denial.refusal)
        return refusals.denied(request.service, request.headers, message)

    async def _wanted(self, request: ServiceRequest) -> list[Need]:
        if request.service == "s3":
            return s3_needs(request)
        named = operations_of(request)[0] or request.service == "apigateway"
        return needs(request, "" if named else await self._rest.of(request))

    async def _denial(
        self, principal: Principal, wanted: list[Need], request: ServiceRequest, scope: Scope
    ) -> Denial | None:
        context = {**self._context(request, scope), **principal.context()}
        left = list(wanted)
        while left:
            need = left.pop(0)
            page: Mapping[str, Any] = {}
            if need.named:
                service, name = need.named
                account, region = request.account_id, request.region
                page = await self._principals.resource(service, name, account=account, region=region)
            resource = page.get("arn") or need.resource
            refusal = allowed(principal, Asked(need.action, resource, {**context, **need.context}), page.get("policy"))
            if refusal is None and need.action == "sts:AssumeRole":
                refusal = await self._trust(principal, need.resource)
            if refusal:
                return Denial(
                    need, need.named[1] if need.named and request.service == "secretsmanager" else resource, refusal
                )
            key = page.get("kms_key_id")
            if key and need.action in DECRYPTS and not key.startswith("alias/aws/"):
                arn = key if key.startswith("arn:") else request.arn(f"key/{key}", service="kms")
                left.append(Need("kms:Decrypt", arn, named=("kms", key)))
        return None

    async def _trust(self, principal: Principal, role_arn: str) -> Refusal | None:
        """A role is assumed by whom its trust policy names, or by whom it leaves to the account's own policies."""
        account = f"arn:aws:iam::{principal.arn.split(':')[4]}:root"
        trusted = await self._principals.may_be_assumed(role_arn, [*principal.names, account, account.split(":")[4]])
        return None if trusted else Refusal.IDENTITY

    def _context(self, request: ServiceRequest, scope: Scope) -> dict[str, list[str]]:
        """What conditions may ask about any request; the lab's address stands for AWS's, which are TLS only."""
        now = self._now()
        client = scope.get("client")
        return {
            "aws:sourceip": [client[0] if client else "127.0.0.1"],
            "aws:currenttime": [datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")],
            "aws:epochtime": [str(int(now))],
            "aws:requestedregion": [request.region or self._registry.region],
            "aws:securetransport": ["true"],
            "aws:useragent": [request.header(b"user-agent")],
        }

    async def _check_lambda(self, principal: Principal, request: ServiceRequest, scope: Scope) -> None:
        path = request.raw_path.decode("latin-1")
        if unquote(path).startswith(OWN_PAGES):
            raise AccessDenied(f"User: {principal.arn} is not the lab's owner, for whom labkit's own pages are.")
        wanted = self._url_needs(scope)
        if wanted is None:
            query = [(name, value) for name, _, value in (p.partition("=") for p in request.query.split("&"))]
            match = self._wire.match(request.method, path, query)
            if match is None:
                raise AccessDenied(f"User: {principal.arn} is not authorized to perform: {request.method} {path}")
            wanted = lambda_needs(request, match.operation, match.uri)
        context = {**self._context(request, scope), **principal.context()}
        for need in wanted:
            refusal = allowed(principal, Asked(need.action, need.resource, {**context, **need.context}))
            if refusal and (refusal.explicit or not self._granted(principal, need)):
                raise AccessDenied(refusals.sentence(principal.arn, need.action, need.resource, refusal))

    def _url_needs(self, scope: Scope) -> list[Need] | None:
        """Of a function URL that is signed for; None if it is none."""
        address = address_of(scope)
        if address is None:
            return None
        found = self._registry.url(address.url_id)
        if found is None or found[2].auth_type == "NONE":
            return []
        function, qualifier, url = found
        arn = self._registry.arn(function.name)
        resource = arn if qualifier == LATEST else f"{arn}:{qualifier}"
        return [Need("lambda:InvokeFunctionUrl", resource, {"lambda:functionurlauthtype": [url.auth_type]})]

    def _granted(self, principal: Principal, need: Need) -> bool:
        """Whether the function's own policy lets this role, user or session do it."""
        if ":function:" not in need.resource:
            return False
        reference = parse_reference(need.resource)
        function = self._registry.functions.get(reference.name)
        held = function.policies.get(reference.qualifier or LATEST, ()) if function else ()
        account = self._registry.account_id
        return any(permits(held, principal=n, source_account=account, action=need.action) for n in principal.names)


def _identity(principal: Principal, request: ServiceRequest) -> refusals.Reply:
    """GetCallerIdentity, for sessions that moto does not know."""
    parts = {"Arn": principal.arn, "UserId": principal.user_id, "Account": request.account_id}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
    result = f"<GetCallerIdentityResult>{inner}</GetCallerIdentityResult>"
    text = f'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{result}</GetCallerIdentityResponse>'
    return refusals.Reply(200, ((b"content-type", b"text/xml"),), text.encode())

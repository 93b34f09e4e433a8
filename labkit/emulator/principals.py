"""Who signs a request, and what IAM lets them do: functions' sessions of their roles, and whom moto knows.

A function's environments sign as its role, in a session that has the function's name, as on AWS: this makes their
credentials. Users' access keys and sessions of AssumeRole are moto's. Policies are read from moto when they are first
needed, and again when a request to IAM or STS has passed by: `changed`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any

from labkit.emulator.iam import Asked, Policies, Refusal, Statement, is_for, may_assume, refusal, statements
from labkit.emulator.registry import FunctionVersion
from labkit.emulator.signing import Credentials, Verifier
from labkit.settings import new_key_id

LAMBDA = "lambda.amazonaws.com"
Ask = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who signs. `arn` is what AWS's messages call them, `principal_arn` the role or user behind it."""

    arn: str
    principal_arn: str
    user_id: str
    policies: Policies
    credentials: Credentials
    expires_at: float | None = None
    function_arn: str = ""

    @property
    def names(self) -> tuple[str, str]:
        """Under which a resource's policy may name it."""
        return self.arn, self.principal_arn

    def context(self) -> dict[str, list[str]]:
        """What conditions may ask about the one who signs."""
        kind = "User" if ":user/" in self.principal_arn else "AssumedRole"
        facts = {
            "aws:principalarn": [self.principal_arn],
            "aws:principalaccount": [self.arn.split(":")[4]],
            "aws:principaltype": [kind],
            "aws:userid": [self.user_id],
        }
        if kind == "User":
            facts["aws:username"] = [self.principal_arn.rpartition("/")[2]]
        if self.function_arn:
            facts["lambda:sourcefunctionarn"] = [self.function_arn]
        return facts


@dataclass(frozen=True, slots=True)
class _Session:
    """A function's credentials of its role."""

    role_arn: str
    function_name: str
    function_arn: str
    credentials: Credentials


class Principals:
    """See the module's docstring. `ask` asks moto's process; the verifier knows whoever this knows."""

    def __init__(self, ask: Ask, verifier: Verifier) -> None:
        self._ask = ask
        self._verifier = verifier
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._session_of_key: dict[str, _Session] = {}
        self._known: dict[str, Any] = {}
        self._generation = 0

    def credentials(self, version: FunctionVersion) -> Credentials:
        """What a function's environments sign with."""
        identity = (version.config.role, version.config.name)
        if identity not in self._sessions:
            made = Credentials(new_key_id("ASIA"), token_urlsafe(30), token_urlsafe(90))
            session = _Session(*identity, version.arn, made)
            self._sessions[identity] = self._session_of_key[made.access_key_id] = session
            self._verifier.admit(made)
        return self._sessions[identity].credentials

    def changed(self) -> None:
        """Somebody spoke to IAM: what was read may not be true any more."""
        self._generation += 1
        self._known.clear()

    async def of_key(self, access_key_id: str) -> Principal | None:
        """Whose key this is, if it is anybody's. Raises ServicesNotStarted."""
        if session := self._session_of_key.get(access_key_id):
            return await self._of_session(session)
        page = await self._read("key", key_id=access_key_id)
        if page is None:
            self._verifier.forget(access_key_id)
            return None
        credentials = Credentials(access_key_id, page["secret"], page["token"])
        self._verifier.admit(credentials)
        name = f":{page['name']}" if page["token"] else ""
        return Principal(
            page["arn"],
            page["principal_arn"],
            page["id"] + name,
            _policies(page),
            credentials,
            page["expires_at"],
        )

    async def of_function(self, version: FunctionVersion) -> Principal:
        """A function's role, in the session that its environments have."""
        self.credentials(version)
        return await self._of_session(self._sessions[version.config.role, version.config.name])

    async def _of_session(self, session: _Session) -> Principal:
        page = await self._read("role", arn=session.role_arn)
        account, role_name = session.role_arn.split(":")[4], session.role_arn.rpartition("/")[2]
        return Principal(
            f"arn:aws:sts::{account}:assumed-role/{role_name}/{session.function_name}",
            session.role_arn,
            f"{page['id'] if page else 'AROA'}:{session.function_name}",
            _policies(page) if page else Policies(),
            session.credentials,
            function_arn=session.function_arn,
        )

    async def may_be_assumed(self, role_arn: str, principals: Iterable[str]) -> bool:
        """Whether there is such a role, and its trust policy names one of these."""
        page = await self._read("role", arn=role_arn)
        return page is not None and may_assume(_read_statements([page["trust"]]), list(principals))

    async def resource(self, service: str, name: str, *, account: str, region: str) -> Mapping[str, Any]:
        """What moto knows of a resource: its `arn`, `policy`, `kms_key_id`, as far as there are any."""
        page: Mapping[str, Any] = await self._ask(
            "resource", service=service, name=name, account=account, region=region
        )
        return page

    async def _read(self, page: str, **params: str) -> Any:
        """Kept until IAM is spoken to; what was read while it was is not. Who is not known may be so the next time."""
        kept = f"{page} {params}"
        if kept in self._known:
            return self._known[kept]
        generation = self._generation
        found = await self._ask(page, **params)
        if found is not None and generation == self._generation:
            self._known[kept] = found
        return found


def allowed(principal: Principal, asked: Asked, policy: str | None = None) -> Refusal | None:
    """What IAM says, with a resource's policy where there is one."""
    of_resource = [s for s in _read_statements([policy] if policy else []) if is_for(s, principal.names)]
    return refusal(principal.policies, asked, of_resource=of_resource)


def _policies(page: Mapping[str, Any]) -> Policies:
    boundary, session = page.get("boundary"), page.get("session")
    return Policies(
        _read_statements(page["documents"]),
        _read_statements([boundary]) if boundary else None,
        _read_statements([session]) if session else None,
    )


def _read_statements(documents: Iterable[str]) -> list[Statement]:
    """The statements of documents; one that cannot be read gives no permission, which is said."""
    found: list[Statement] = []
    for document in documents:
        try:
            found += statements(document)
        except ValueError as error:
            print(f"labkit: a policy cannot be read and gives nothing ({error}): {document}", file=sys.stderr)  # noqa: T201
    return found

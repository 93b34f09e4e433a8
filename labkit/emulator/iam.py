"""PURE: what IAM's policies say about a request: allowed, or which kind of policy refuses it.

The rules are those of the IAM user guide, "Policy evaluation logic", for requests inside one account:

1. A statement with `Deny` that fits refuses, whatever else allows.
2. Otherwise one with `Allow` must fit, of an identity-based policy (the role's or user's own, and those attached to
   it) or of the resource's policy, where that names the very session.
3. A permissions boundary and a session's policy give nothing: they are limits, which must allow it too.

Nothing that fits is a refusal too, an *implicit* one. A statement fits if its action, its resource, its principal (in
policies of resources) and all its conditions do. A document that cannot be read is an error at its reading, and whoever
reads it decides; here there are statements only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from labkit.emulator.conditions import Context, arn_like, like, meets, texts

ANY = "*"
UNKNOWN = ""
"""A resource that nobody knows: what allows the action allows it there, and only a refusal of all refuses it."""
READS_VARIABLES = "2012-10-17"


class Refusal(Enum):
    """Who refuses, in the words of AWS's messages ("Troubleshoot access denied error messages")."""

    IDENTITY = "no identity-based policy allows"
    BOUNDARY = "no permissions boundary allows"
    SESSION = "no session policy allows"
    DENIED_BY_IDENTITY = "an identity-based policy"
    DENIED_BY_BOUNDARY = "a permissions boundary"
    DENIED_BY_SESSION = "a session policy"
    DENIED_BY_RESOURCE = "a resource-based policy"

    @property
    def explicit(self) -> bool:
        return self.name.startswith("DENIED")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants to do, and the facts that conditions may look at."""

    action: str
    resource: str = ANY
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy; `principals` is None in a policy that belongs to an identity."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...] = (ANY,)
    all_actions_but: bool = False
    all_resources_but: bool = False
    condition: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    principals: tuple[str, ...] | None = None
    all_principals_but: bool = False
    has_variables: bool = True


@dataclass(frozen=True, slots=True)
class Policies:
    """All that is to be looked at for one identity."""

    identity: Sequence[Statement] = ()
    boundary: Sequence[Statement] | None = None
    session: Sequence[Statement] | None = None


def refusal(policies: Policies, asked: Asked, *, of_resource: Sequence[Statement] = ()) -> Refusal | None:
    """Who refuses the request; None if it is allowed. `of_resource` are its statements for this very identity.

    >>> reads = statements('{"Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}')
    >>> refusal(Policies(reads), Asked("s3:PutObject", "arn:aws:s3:::photos/1.jpg"))
    <Refusal.IDENTITY: 'no identity-based policy allows'>
    """
    for refuses, held in (
        (Refusal.DENIED_BY_IDENTITY, policies.identity),
        (Refusal.DENIED_BY_RESOURCE, of_resource),
        (Refusal.DENIED_BY_BOUNDARY, policies.boundary or ()),
        (Refusal.DENIED_BY_SESSION, policies.session or ()),
    ):
        if any(not s.allows and fits(s, asked) for s in held):
            return refuses
    if _allow(of_resource, asked):
        return None
    for lacks, limit in (
        (Refusal.IDENTITY, policies.identity),
        (Refusal.BOUNDARY, policies.boundary),
        (Refusal.SESSION, policies.session),
    ):
        if limit is not None and not _allow(limit, asked):
            return lacks
    return None


def _allow(held: Iterable[Statement], asked: Asked) -> bool:
    return any(s.allows and fits(s, asked) for s in held)


def fits(statement: Statement, asked: Asked) -> bool:
    """Whether a statement is about this request; actions are compared without regard to case."""
    context = asked.context if statement.has_variables else None
    named = any(like(asked.action, pattern, ignore_case=True) for pattern in statement.actions)
    if named is statement.all_actions_but:
        return False
    if asked.resource == UNKNOWN:
        meant = ANY in statement.resources or statement.allows is not statement.all_resources_but
    else:
        meant = any(_is(asked.resource, pattern, context) for pattern in statement.resources)
    return meant is not statement.all_resources_but and meets(statement.condition, asked.context)


def _is(resource: str, pattern: str, context: Context | None) -> bool:
    """An operation without a resource of its own (`*`) is allowed by a statement about everything only."""
    return pattern == ANY or (resource != ANY and arn_like(resource, pattern, context))


def is_for(statement: Statement, principals: Iterable[str]) -> bool:
    """Whether a statement of a resource is about somebody who is known under these names."""
    named = statement.principals is not None and not {ANY, *principals}.isdisjoint(statement.principals)
    return named is not statement.all_principals_but


def may_assume(trust: Iterable[Statement], principals: Sequence[str], context: Context | None = None) -> bool:
    """Whether a role's trust policy lets somebody be it, such as `lambda.amazonaws.com`."""
    asked = Asked("sts:AssumeRole", ANY, context or {})
    fitting = [s for s in trust if is_for(s, principals) and fits(s, asked)]
    return bool(fitting) and all(s.allows for s in fitting)


# --- from a document ----------------------------------------------------------------------------------------


def statements(document: str | Mapping[str, Any]) -> tuple[Statement, ...]:
    """The statements of a policy document, JSON. Raises ValueError if it is none."""
    policy = json.loads(document) if isinstance(document, str) else document
    if not isinstance(policy, Mapping):
        raise ValueError("a policy is a JSON object")
    given = policy.get("Statement", [])
    variables = policy.get("Version") == READS_VARIABLES
    return tuple(_statement(each, variables) for each in (given if isinstance(given, list) else [given]))


def _statement(given: Any, variables: bool) -> Statement:
    if not isinstance(given, Mapping) or given.get("Effect") not in ("Allow", "Deny"):
        raise ValueError("a statement has an Effect, Allow or Deny")
    condition = given.get("Condition") or {}
    _check_condition(condition)
    actions, all_actions_but = _element(given, "Action", ())
    resources, all_resources_but = _element(given, "Resource", (ANY,))
    return Statement(
        allows=given["Effect"] == "Allow",
        actions=actions,
        resources=resources,
        all_actions_but=all_actions_but,
        all_resources_but=all_resources_but,
        condition=condition,
        principals=_principals(given),
        all_principals_but="NotPrincipal" in given,
        has_variables=variables,
    )


def _element(given: Mapping[str, Any], name: str, otherwise: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    if f"Not{name}" in given:
        return tuple(texts(given[f"Not{name}"])), True
    return (tuple(texts(given[name])), False) if name in given else (otherwise, False)


def _principals(given: Mapping[str, Any]) -> tuple[str, ...] | None:
    """`{"AWS": [...], "Service": "..."}` or `*`, as one list of names."""
    named = given.get("Principal", given.get("NotPrincipal"))
    if named is None:
        return None
    if not isinstance(named, Mapping):
        return tuple(texts(named))
    return tuple(name for names in named.values() for name in texts(names))


def _check_condition(condition: Any) -> None:
    """Raises ValueError for what cannot be evaluated: when it is read, and not in the middle of a request."""
    if not isinstance(condition, Mapping) or not all(isinstance(keys, Mapping) for keys in condition.values()):
        raise ValueError("a Condition has operators, each with keys")
    meets({operator: dict.fromkeys(keys, "") for operator, keys in condition.items()}, {})

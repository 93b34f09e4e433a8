"""PURE: what a Lambda authorizer's policy says about one method.

IAM user guide, "Policy evaluation logic": an explicit Deny beats every Allow, and what nobody allows is denied.
`Resource` knows `*` and `?`. A statement with a condition that we cannot look at does not allow, and does deny.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

ACTION = "execute-api:Invoke"
ALLOWED, DENIED, NOT_ALLOWED = "allowed", "denied", "not allowed"


class PolicyError(Exception):
    """No policy document."""


def verdict(document: object, method_arn: str) -> str:
    """ALLOWED, DENIED, or NOT_ALLOWED. Raises PolicyError."""
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise PolicyError("policyDocument has no Statement")
    result = NOT_ALLOWED
    for statement in _several(document["Statement"]):
        if not isinstance(statement, Mapping) or statement.get("Effect") not in ("Allow", "Deny"):
            raise PolicyError("a Statement needs an Effect, Allow or Deny")
        if not _is_about(statement, method_arn):
            continue
        if statement["Effect"] == "Deny":
            return DENIED
        if not statement.get("Condition"):
            result = ALLOWED
    return result


def _is_about(statement: Mapping[str, Any], method_arn: str) -> bool:
    action = _matches(statement.get("Action", ()), ACTION.lower(), lower=True)
    if "NotAction" in statement:
        action = not _matches(statement["NotAction"], ACTION.lower(), lower=True)
    resource = _matches(statement.get("Resource", ()), method_arn)
    if "NotResource" in statement:
        resource = not _matches(statement["NotResource"], method_arn)
    return action and resource


def _matches(patterns: object, text: str, *, lower: bool = False) -> bool:
    wanted = [str(pattern) for pattern in _several(patterns)]
    return any(fnmatchcase(text, (p.lower() if lower else p).replace("[", "[[]")) for p in wanted)


def _several(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]

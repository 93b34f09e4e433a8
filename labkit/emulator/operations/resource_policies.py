"""Resource policies as whole documents: read, replaced and deleted under the ARN that has them.

They are the same policies that AddPermission writes statement by statement: a Put replaces those, and what it wrote
can be read and removed by the older operations (API reference, PutResourcePolicy). labkit keeps what AddPermission can
say, so a document may have statements of that shape only: one action, one principal, this resource, those conditions.
Any other is refused by name rather than kept and not followed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations.policies import (
    MOST_POLICY_BYTES,
    NO_POLICY,
    document,
    keep_policy,
    policy_text,
    principal_of,
    resource_arn,
)
from labkit.emulator.registry import Function, PolicyStatement
from labkit.errors import InvalidParameterValue, PolicyLengthExceeded, ResourceNotFound
from labkit.model import LATEST

MEMBERS = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
CONDITIONS: dict[tuple[str, str], tuple[str, Callable[[str], Any]]] = {
    ("StringEquals", "lambda:FunctionUrlAuthType"): ("url_auth_type", str),
    ("StringEquals", "aws:PrincipalOrgID"): ("organisation", str),
    ("StringEquals", "AWS:SourceAccount"): ("source_account", str),
    ("StringEquals", "lambda:EventSourceToken"): ("event_source_token", str),
    ("Bool", "lambda:InvokedViaFunctionUrl"): ("via_url", lambda text: text == "true"),
    ("ArnLike", "AWS:SourceArn"): ("source_arn", str),
}
SHAPE = "labkit keeps statements of the shape that AddPermission writes"


async def get_policy(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _named(account, params)
    return _answer(function, qualifier)


async def put_policy(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _named(account, params)
    function.check_revision(params.get("RevisionId"), qualifier)
    statements = read_policy(params["Policy"], resource_arn(account, function, qualifier))
    size = len(policy_text(statements).encode())
    if size > MOST_POLICY_BYTES:
        raise PolicyLengthExceeded(f"The final policy size ({size}) is bigger than the limit ({MOST_POLICY_BYTES}).")
    keep_policy(function, qualifier, statements)
    return _answer(function, qualifier)


async def delete_policy(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = _named(account, params)
    if qualifier not in function.policies:
        raise ResourceNotFound(NO_POLICY)
    function.check_revision(params.get("RevisionId"), qualifier)
    keep_policy(function, qualifier, ())
    return {}


def read_policy(text: str, resource: str) -> tuple[PolicyStatement, ...]:
    """The statements of a policy document for this resource. Raises InvalidParameterValue."""
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        policy = None
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not statements:
        raise InvalidParameterValue("The policy is no JSON object with a list of statements under Statement.")
    read = tuple(_statement(statement, resource) for statement in statements)
    sids = [statement.sid for statement in read]
    if len(set(sids)) < len(sids):
        raise InvalidParameterValue("Every statement of a policy needs a Sid of its own.")
    return read


# --- how they do it -----------------------------------------------------------------------------------------


def _named(account: Account, params: Params) -> tuple[Function, str]:
    arn = params["ResourceArn"]
    if ":function:" not in arn:
        raise ResourceNotFound("The resource you requested does not exist.")
    function, qualifier = account.registry.named(arn)
    if arn.endswith(f":{LATEST}"):
        raise InvalidParameterValue("We currently do not support adding policies for $LATEST.")
    return function, qualifier


def _answer(function: Function, qualifier: str) -> dict[str, Any]:
    statements = function.policies.get(qualifier)
    if not statements:
        raise ResourceNotFound("The resource you requested does not exist.")
    return {"Policy": policy_text(statements), "RevisionId": function.revision_of(qualifier)}


def _statement(given: object, resource: str) -> PolicyStatement:
    """A statement that `document` would write just so; anything that it could not write is refused."""
    if not isinstance(given, dict) or not given.keys() <= MEMBERS:
        raise _unlike(given)
    sid, action = given.get("Sid"), given.get("Action")
    if not isinstance(sid, str) or not sid or not isinstance(action, str) or not action.startswith("lambda:"):
        raise _unlike(given)
    statement = PolicyStatement(
        sid=sid,
        action=action,
        principal=_principal(given),
        resource=resource,
        **_conditions(given),
    )
    if document(statement) != {**given, "Principal": principal_of(statement.principal)}:
        raise _unlike(given)
    return statement


def _principal(given: Mapping[str, Any]) -> str:
    principal = given.get("Principal")
    if principal == "*":
        return "*"
    ((kind, name),) = principal.items() if isinstance(principal, dict) and len(principal) == 1 else [("", None)]
    if not isinstance(name, str):
        raise _unlike(given)
    written = principal_of(name)
    if kind not in (written if isinstance(written, dict) else ("AWS",)):
        raise _unlike(given)
    return name


def _conditions(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    condition = given.get("Condition") or {}
    if not isinstance(condition, dict):
        raise _unlike(given)
    for test, keys in condition.items():
        for key, value in (keys if isinstance(keys, dict) else {"": None}).items():
            if (test, key) not in CONDITIONS or not isinstance(value, str):
                raise _unlike(given)
            field, read = CONDITIONS[test, key]
            found[field] = read(value)
    return found


def _unlike(given: object) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"{SHAPE}, with the ARN of the policy's own resource; this is none: {json.dumps(given)[:500]}"
    )


OPERATIONS: dict[str, Operation] = {
    "DeleteResourcePolicy": delete_policy,
    "GetResourcePolicy": get_policy,
    "PutResourcePolicy": put_policy,
}

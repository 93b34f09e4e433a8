"""Resource policies: who may use a function. A function without qualifier, each version and each alias has its own.

The record only: nothing here lets a caller in or keeps one out, whoever checks a request reads `Function.policies`.

Words, and which error comes in which case: LocalStack's provider and its tests, which were recorded against AWS. The
limit of 20 KB: developer guide, "Lambda quotas"; its message and that of FunctionUrlAuthType: quoted from AWS in many
public bug reports. `lambda:InvokedViaFunctionUrl`: developer guide, "Control access to Lambda function URLs".
"""

from __future__ import annotations

import json
import re
from typing import Any

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.registry import Function, PolicyStatement, parse_reference
from labkit.errors import (
    InvalidParameterValue,
    PolicyLengthExceeded,
    ResourceConflict,
    ResourceNotFound,
)
from labkit.model import LATEST

MOST_POLICY_BYTES = 20_480
NO_POLICY = "No policy is associated with the given resource."


async def add_permission(account: Account, params: Params) -> dict[str, Any]:
    _refuse_latest(params)
    function, qualifier = account.registry.named(params["FunctionName"], params.get("Qualifier"))
    function.check_revision(params.get("RevisionId"), qualifier)
    statement = _statement(account, function, qualifier, params)
    existing = function.policies.get(qualifier, ())
    if any(known.sid == statement.sid for known in existing):
        raise ResourceConflict(
            f"The statement id ({statement.sid}) provided already exists. Please provide a new statement id, "
            "or remove the existing statement."
        )
    size = len(policy_text((*existing, statement)).encode())
    if size > MOST_POLICY_BYTES:
        raise PolicyLengthExceeded(f"The final policy size ({size}) is bigger than the limit ({MOST_POLICY_BYTES}).")
    keep_policy(function, qualifier, (*existing, statement))
    return {"Statement": text_of(document(statement))}


async def remove_permission(account: Account, params: Params) -> dict[str, Any]:
    name = parse_reference(params["FunctionName"]).name
    if name not in account.registry.functions:
        raise ResourceNotFound(f"No policy found for: {account.registry.arn(name)}")
    function, qualifier = account.registry.named(params["FunctionName"], params.get("Qualifier"))
    existing = function.policies.get(qualifier, ())
    if not existing:
        raise ResourceNotFound(NO_POLICY)
    sid = params["StatementId"]
    left = tuple(statement for statement in existing if statement.sid != sid)
    if len(left) == len(existing):
        raise ResourceNotFound(f"Statement {sid} is not found in resource policy.")
    function.check_revision(params.get("RevisionId"), qualifier)
    keep_policy(function, qualifier, left)
    return {}


async def get_policy(account: Account, params: Params) -> dict[str, Any]:
    function, qualifier = account.registry.named(params["FunctionName"], params.get("Qualifier"))
    statements = function.policies.get(qualifier)
    if not statements:
        raise ResourceNotFound("The resource you requested does not exist.")
    return {"Policy": policy_text(statements), "RevisionId": function.revision_of(qualifier)}


def document(statement: PolicyStatement) -> dict[str, Any]:
    """A statement as AWS writes it."""
    conditions = {
        "StringEquals": {
            "lambda:FunctionUrlAuthType": statement.url_auth_type,
            "aws:PrincipalOrgID": statement.organisation,
            "AWS:SourceAccount": statement.source_account,
            "lambda:EventSourceToken": statement.event_source_token,
        },
        "Bool": {"lambda:InvokedViaFunctionUrl": None if statement.via_url is None else str(statement.via_url).lower()},
        "ArnLike": {"AWS:SourceArn": statement.source_arn},
    }
    given = {test: {key: v for key, v in keys.items() if v is not None} for test, keys in conditions.items()}
    condition = {test: keys for test, keys in given.items() if keys}
    return {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Principal": principal_of(statement.principal),
        "Action": statement.action,
        "Resource": statement.resource,
    } | ({"Condition": condition} if condition else {})


def resource_arn(account: Account, function: Function, qualifier: str) -> str:
    """The ARN of what has the policy."""
    arn = account.registry.arn(function.name)
    return arn if qualifier == LATEST else f"{arn}:{qualifier}"


# --- how they do it -----------------------------------------------------------------------------------------


def _statement(account: Account, function: Function, qualifier: str, params: Params) -> PolicyStatement:
    auth_type, action = params.get("FunctionUrlAuthType"), params["Action"]
    if auth_type and action != "lambda:InvokeFunctionUrl":
        raise InvalidParameterValue("FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action")
    principal_of(params["Principal"])
    return PolicyStatement(
        sid=params["StatementId"],
        action=action,
        principal=params["Principal"],
        resource=resource_arn(account, function, qualifier),
        source_arn=params.get("SourceArn"),
        source_account=params.get("SourceAccount"),
        organisation=params.get("PrincipalOrgID"),
        event_source_token=params.get("EventSourceToken"),
        url_auth_type=auth_type,
        via_url=params.get("InvokedViaFunctionUrl"),
    )


def principal_of(principal: str) -> str | dict[str, str]:
    """A principal as it stands in a policy: everybody, a service, an account or something of IAM's."""
    if principal == "*":
        return principal
    if re.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?", principal):
        return {"Service": principal}
    if re.fullmatch(r"\d{12}", principal, re.ASCII):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    if re.match(r"arn:aws[a-zA-Z-]*:(iam|sts):", principal):
        return {"AWS": principal}
    raise InvalidParameterValue("The provided principal was invalid. Please check the principal and try again.")


def _refuse_latest(params: Params) -> None:
    if parse_reference(params["FunctionName"], params.get("Qualifier")).qualifier == LATEST:
        raise InvalidParameterValue("We currently do not support adding policies for $LATEST.")


def keep_policy(function: Function, qualifier: str, statements: tuple[PolicyStatement, ...]) -> None:
    """A policy's change is one of what has it, function, version or alias: that has a new revision (recorded).

    Without statements there is no policy.
    """
    function.policies.pop(qualifier, None)
    if statements:
        function.policies[qualifier] = statements
    function.touch(qualifier)


def policy_text(statements: tuple[PolicyStatement, ...]) -> str:
    """A whole policy as GetPolicy shows it."""
    return text_of({"Version": "2012-10-17", "Id": "default", "Statement": [document(s) for s in statements]})


def text_of(value: dict[str, Any]) -> str:
    """JSON as AWS writes it into an answer."""
    return json.dumps(value, separators=(",", ":"))


OPERATIONS: dict[str, Operation] = {
    "AddPermission": add_permission,
    "GetPolicy": get_policy,
    "RemovePermission": remove_permission,
}

"""PURE: whether a function's resource policy lets a service of AWS run it.

A service that calls a function (S3, SNS, EventBridge, API Gateway) is a principal such as `s3.amazonaws.com`, acts for
one of its resources (`source_arn`: a bucket, a topic, a rule, a route) and for the account that owns it. Policies hold
`Allow` statements only (AddPermission makes no others), so one that matches is enough. Rules: IAM user guide, "Policy
evaluation logic"; `ArnLike` compares the six parts of an ARN one by one, with `*` and `?` ("IAM JSON policy elements:
Condition operators"). A condition on something that the caller does not say is not met.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from labkit.emulator.registry import PolicyStatement

INVOKE = "lambda:InvokeFunction"


def permits(
    statements: Iterable[PolicyStatement],
    *,
    principal: str,
    source_arn: str = "",
    source_account: str = "",
    action: str = INVOKE,
) -> bool:
    """Whether one of the statements allows `action` to the service `principal`, acting for `source_arn`.

    >>> all_of_s3 = PolicyStatement("s", "lambda:InvokeFunction", "s3.amazonaws.com", "arn:aws:lambda:...", None)
    >>> permits([all_of_s3], principal="s3.amazonaws.com", source_arn="arn:aws:s3:::photos")
    True
    """
    return any(
        fnmatchcase(action, statement.action)
        and statement.principal in ("*", principal)
        and _meets(statement, source_arn, source_account)
        for statement in statements
    )


def _meets(statement: PolicyStatement, source_arn: str, source_account: str) -> bool:
    if statement.source_arn is not None and not arn_like(source_arn, statement.source_arn):
        return False
    if statement.source_account is not None and statement.source_account != source_account:
        return False
    unsaid = (statement.organisation, statement.event_source_token, statement.url_auth_type)
    return not any(unsaid) and statement.via_url is not True


def arn_like(arn: str, pattern: str) -> bool:
    """`ArnLike`: part by part, so that a `*` does not reach over a colon of the first five.

    >>> arn_like("arn:aws:execute-api:us-east-1:123456789012:a1b2/prod/GET/items", "arn:aws:execute-api:*:*:a1b2/*")
    True
    """
    parts, patterns = arn.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) and all(
        fnmatchcase(part, _literal_brackets(p)) for part, p in zip(parts, patterns, strict=True)
    )


def _literal_brackets(pattern: str) -> str:
    """fnmatch knows `[seq]`; IAM does not."""
    return pattern.replace("[", "[[]")

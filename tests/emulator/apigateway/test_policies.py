"""Policies of Lambda authorizers."""

from __future__ import annotations

import pytest

from labkit.emulator.apigateway.policies import ALLOWED, DENIED, NOT_ALLOWED, PolicyError, verdict

ARN = "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/pets/1"


def statement(effect="Allow", action="execute-api:Invoke", resource="*", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("statements", "result"),
    [
        ([statement()], ALLOWED),
        (statement(resource="arn:aws:execute-api:*:*:abc/*/GET/pets/?"), ALLOWED),
        ([statement(action=["execute-api:*"])], ALLOWED),
        ([statement(action="EXECUTE-API:invoke")], ALLOWED),
        ([statement(resource=["arn:aws:execute-api:*:*:abc/prod/POST/*"])], NOT_ALLOWED),
        ([statement(action="s3:GetObject")], NOT_ALLOWED),
        ([statement(), statement("Deny", resource="*/GET/*")], DENIED),
        ([statement(Condition={"IpAddress": {}})], NOT_ALLOWED),
        ([statement(), statement("Deny", Condition={"IpAddress": {}})], DENIED),
        ([{"Effect": "Allow", "NotAction": "s3:*", "NotResource": "arn:aws:s3:::*"}], ALLOWED),
        ([], NOT_ALLOWED),
    ],
)
def test_a_policy_allows_or_not(statements, result):
    assert verdict({"Version": "2012-10-17", "Statement": statements}, ARN) == result


@pytest.mark.parametrize("document", [None, {}, "x", {"Statement": ["x"]}, {"Statement": [{"Effect": "Maybe"}]}])
def test_what_is_no_policy_is_an_error(document):
    with pytest.raises(PolicyError):
        verdict(document, ARN)

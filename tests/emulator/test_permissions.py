"""Whether a resource policy lets a service run a function."""

from __future__ import annotations

import msgspec
import pytest

from labkit.emulator.permissions import arn_like, permits
from labkit.emulator.registry import PolicyStatement

S3, BUCKET = "s3.amazonaws.com", "arn:aws:s3:::photos"
STATEMENT = PolicyStatement("s", "lambda:InvokeFunction", S3, "arn:aws:lambda:us-east-1:123456789012:function:f")


def allowed(**changes):
    statement = msgspec.structs.replace(STATEMENT, **changes)
    return permits([statement], principal=S3, source_arn=BUCKET, source_account="123456789012")


def test_no_statement_permits_nothing():
    assert not permits([], principal=S3)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"action": "lambda:*"},
        {"principal": "*"},
        {"source_arn": BUCKET},
        {"source_arn": "arn:aws:s3:::pho*"},
        {"source_account": "123456789012"},
        {"via_url": False},
    ],
)
def test_a_statement_that_matches_permits(changes):
    assert allowed(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "lambda:GetFunction"},
        {"principal": "sns.amazonaws.com"},
        {"principal": "123456789012"},
        {"source_arn": "arn:aws:s3:::other"},
        {"source_account": "999999999999"},
        {"organisation": "o-1"},
        {"event_source_token": "amzn1"},
        {"url_auth_type": "NONE"},
        {"via_url": True},
    ],
)
def test_a_statement_that_does_not_match_permits_nothing(changes):
    assert not allowed(**changes)


def test_one_of_several_is_enough():
    other = msgspec.structs.replace(STATEMENT, principal="sns.amazonaws.com")
    assert permits([other, STATEMENT], principal=S3)


def test_a_star_does_not_reach_over_the_parts_of_an_arn():
    assert not arn_like("arn:aws:execute-api:us-east-1:123456789012:api/x", "arn:aws:execute-api:*:api/x")
    assert arn_like("arn:aws:execute-api:us-east-1:123456789012:api/x", "arn:aws:execute-api:*:*:api/?")


def test_brackets_are_no_pattern():
    assert arn_like("arn:aws:s3:::a[b]", "arn:aws:s3:::a[b]")
    assert not arn_like("arn:aws:s3:::ab", "arn:aws:s3:::a[b]")

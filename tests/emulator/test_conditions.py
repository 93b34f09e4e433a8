"""IAM's patterns and condition operators, one row each."""

from __future__ import annotations

import pytest

from labkit.emulator.conditions import arn_like, like, meets

CONTEXT = {
    "aws:username": ["ada"],
    "aws:sourceip": ["10.1.2.3"],
    "aws:securetransport": ["true"],
    "aws:currenttime": ["2026-05-01T12:00:00Z"],
    "s3:max-keys": ["10"],
    "aws:principalarn": ["arn:aws:iam::123456789012:role/worker"],
    "dynamodb:attributes": ["id", "name"],
    "odd": ["a*b"],
}


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("s3:PutObject", "s3:Put*", True),
        ("s3:PutObject", "s3:?utObject", True),
        ("s3:PutObject", "s3:[P]utObject", False),
        ("a[1].txt", "a[1].*", True),
        ("a\nb", "a*", True),
        ("ada/1", "${aws:username}/*", True),
        ("eve/1", "${aws:username}/*", False),
        ("x", "${aws:unknown}", False),
        ("x", "${aws:unknown, 'x'}", True),
        ("a*c", "a${*}c", True),
        ("abc", "a${*}c", False),
        ("a*b", "${odd}", True),
        ("axb", "${odd}", False),
    ],
)
def test_only_stars_question_marks_and_variables_are_special(text, pattern, fits):
    assert like(text, pattern, CONTEXT) is fits


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("arn:aws:s3:::photos/*", True),
        ("arn:aws:s3:::*", True),
        ("arn:*:s3:::photos/${aws:username}/1.jpg", True),
        ("arn:aws:*photos/ada/1.jpg", False),
        ("arn:aws:s3:*:*:photos/ada/1.jpg", True),
        ("arn:aws:s3:::photos", False),
    ],
)
def test_an_arn_is_compared_part_by_part(pattern, fits):
    assert arn_like("arn:aws:s3:::photos/ada/1.jpg", pattern, CONTEXT) is fits


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "met"),
    [
        ("StringEquals", "aws:username", "ada", True),
        ("StringEquals", "AWS:UserName", ["eve", "ada"], True),
        ("StringEquals", "aws:username", "a*", False),
        ("StringEquals", "odd", "a*b", True),
        ("StringEquals", "aws:username", "${aws:username}", True),
        ("StringEquals", "none", "ada", False),
        ("StringEqualsIfExists", "none", "ada", True),
        ("StringEqualsIfExists", "aws:username", "eve", False),
        ("StringNotEquals", "aws:username", ["eve", "ada"], False),
        ("StringNotEquals", "aws:username", "eve", True),
        ("StringNotEquals", "none", "eve", True),
        ("StringEqualsIgnoreCase", "aws:username", "ADA", True),
        ("StringNotEqualsIgnoreCase", "aws:username", "ADA", False),
        ("StringLike", "aws:username", "a?a", True),
        ("StringNotLike", "aws:username", "a*", False),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/w*", True),
        ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:role/w*", False),
        ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::*:role/other", False),
        ("Bool", "aws:SecureTransport", True, True),
        ("Bool", "aws:SecureTransport", "false", False),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/8", True),
        ("IpAddress", "aws:SourceIp", ["192.168.0.0/16", "10.1.2.3"], True),
        ("NotIpAddress", "aws:SourceIp", "10.0.0.0/8", False),
        ("NumericLessThanEquals", "s3:max-keys", 10, True),
        ("NumericLessThan", "s3:max-keys", "10", False),
        ("NumericGreaterThan", "aws:username", "1", False),
        ("NumericNotEquals", "s3:max-keys", "11", True),
        ("DateGreaterThan", "aws:CurrentTime", "2026-01-01T00:00:00Z", True),
        ("DateLessThan", "aws:CurrentTime", "2026-01-01", False),
        ("DateLessThan", "aws:CurrentTime", "4102444800", True),
        ("Null", "none", "true", True),
        ("Null", "aws:username", "true", False),
        ("Null", "aws:username", "false", True),
        ("ForAllValues:StringEquals", "dynamodb:Attributes", ["id", "name", "age"], True),
        ("ForAllValues:StringEquals", "dynamodb:Attributes", ["id"], False),
        ("ForAllValues:StringEquals", "none", ["id"], True),
        ("ForAnyValue:StringEquals", "dynamodb:Attributes", ["id"], True),
        ("ForAnyValue:StringEquals", "dynamodb:Attributes", ["age"], False),
        ("ForAnyValue:StringEquals", "none", ["id"], False),
        ("ForAnyValue:StringNotEquals", "dynamodb:Attributes", ["id"], True),
        ("ForAllValues:StringNotLike", "dynamodb:Attributes", ["i*"], False),
    ],
)
def test_an_operator_compares_the_requests_values_with_the_policys(operator, key, wanted, met):
    assert meets({operator: {key: wanted}}, CONTEXT) is met


def test_every_operator_and_every_key_must_be_met():
    both = {"StringEquals": {"aws:username": "ada"}, "Bool": {"aws:SecureTransport": "true"}}
    assert meets(both, CONTEXT)
    assert not meets(both | {"IpAddress": {"aws:SourceIp": "192.168.0.0/16"}}, CONTEXT)


def test_an_operator_that_iam_does_not_have_is_an_error():
    with pytest.raises(ValueError, match="StringAlike"):
        meets({"StringAlike": {"aws:username": "ada"}}, CONTEXT)

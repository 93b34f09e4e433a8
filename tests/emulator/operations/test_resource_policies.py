"""Resource policies as whole documents, by an unmodified boto3; and how a document is read."""

from __future__ import annotations

import json

import pytest

from labkit.emulator.operations.policies import document
from labkit.emulator.operations.resource_policies import read_policy
from labkit.errors import InvalidParameterValue

pytestmark = pytest.mark.process

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
S3 = {
    "Sid": "s3",
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "lambda:InvokeFunction",
    "Resource": ARN,
    "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::photos"}},
}


def policy(*statements: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def sids(answer) -> list[str]:
    return [statement["Sid"] for statement in json.loads(answer["Policy"])["Statement"]]


def test_a_document_replaces_what_add_permission_wrote(aws, arn):
    aws.add_permission(
        FunctionName="f", StatementId="old", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
    )
    put = aws.put_resource_policy(ResourceArn=arn, Policy=policy(S3))
    assert json.loads(put["Policy"])["Statement"] == [S3]
    for found in (aws.get_resource_policy(ResourceArn=arn), aws.get_policy(FunctionName="f")):
        assert (found["Policy"], found["RevisionId"]) == (put["Policy"], put["RevisionId"])


def test_what_a_document_wrote_can_be_removed_by_its_statement_id(aws, arn):
    aws.put_resource_policy(ResourceArn=arn, Policy=policy(S3, {**S3, "Sid": "other"}))
    aws.remove_permission(FunctionName="f", StatementId="s3")
    assert sids(aws.get_resource_policy(ResourceArn=arn)) == ["other"]


def test_a_version_and_an_alias_have_policies_of_their_own(aws, arn, refused):
    aws.publish_version(FunctionName="f")
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    for resource in (f"{arn}:1", f"{arn}:live"):
        aws.put_resource_policy(ResourceArn=resource, Policy=policy({**S3, "Resource": resource}))
        assert sids(aws.get_resource_policy(ResourceArn=resource)) == ["s3"]
    assert refused(aws.get_resource_policy, ResourceArn=arn)[0] == "ResourceNotFoundException"


def test_a_policy_is_deleted_once(aws, arn, refused):
    aws.put_resource_policy(ResourceArn=arn, Policy=policy(S3))
    assert aws.delete_resource_policy(ResourceArn=arn)["ResponseMetadata"]["HTTPStatusCode"] == 204
    for operation in (aws.delete_resource_policy, aws.get_resource_policy):
        assert refused(operation, ResourceArn=arn)[:2] == ("ResourceNotFoundException", 404)


def test_an_older_revision_is_refused(aws, arn, refused):
    old = aws.get_function_configuration(FunctionName="f")["RevisionId"]
    aws.put_resource_policy(ResourceArn=arn, Policy=policy(S3), RevisionId=old)
    stale = {"ResourceArn": arn, "RevisionId": old}
    assert refused(aws.put_resource_policy, Policy=policy(S3), **stale)[:2] == ("PreconditionFailedException", 412)
    assert refused(aws.delete_resource_policy, **stale)[:2] == ("PreconditionFailedException", 412)
    assert sids(aws.get_resource_policy(ResourceArn=arn)) == ["s3"]


def test_what_is_not_there_has_no_policy(aws, arn, refused):
    for resource in (f"{arn}:7", arn[:-1] + "g", "arn:aws:lambda:us-east-1:123456789012:runtime/python3.13"):
        assert refused(aws.get_resource_policy, ResourceArn=resource)[:2] == ("ResourceNotFoundException", 404)


def test_latest_takes_no_policy(aws, arn, refused):
    code, _, message = refused(aws.put_resource_policy, ResourceArn=f"{arn}:$LATEST", Policy=policy(S3))
    assert (code, "$LATEST" in message) == ("InvalidParameterValueException", True)


def test_a_policy_has_the_limit_of_20_kb(aws, arn, refused):
    """The request may have as many bytes; AWS's spelling of it, which counts, has some more."""

    def spelt(padding: int) -> str:
        long = {**S3, "Condition": {"ArnLike": {"AWS:SourceArn": "b" * padding}}}
        return json.dumps({"Statement": [long]}, separators=(",", ":"))

    fitting = 20_480 - len(spelt(0))
    code, _, message = refused(aws.put_resource_policy, ResourceArn=arn, Policy=spelt(fitting))
    assert (code, message.endswith("is bigger than the limit (20480).")) == ("PolicyLengthExceededException", True)
    assert aws.put_resource_policy(ResourceArn=arn, Policy=spelt(fitting - 100))["Policy"]


@pytest.mark.parametrize(
    "changes",
    [
        {"Principal": "*"},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"AWS": "123456789012"}},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:role/r"}, "Condition": None},
        {"Action": "lambda:InvokeFunctionUrl", "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}},
        {"Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}, "StringEquals": {"AWS:SourceAccount": "1"}}},
    ],
)
def test_a_statement_is_read_as_it_would_be_written(changes):
    given = {key: value for key, value in {**S3, **changes}.items() if value is not None}
    (read,) = read_policy(policy(given), ARN)
    assert document(read) | {"Principal": None} == given | {"Principal": None}
    (again,) = read_policy(policy(document(read)), ARN)
    assert document(again) == document(read)


@pytest.mark.parametrize(
    "statement",
    [
        {**S3, "Effect": "Deny"},
        {**S3, "Action": ["lambda:InvokeFunction", "lambda:GetFunction"]},
        {**S3, "Action": "s3:GetObject"},
        {**S3, "Resource": ARN + ":1"},
        {**S3, "Resource": [ARN]},
        {**S3, "Sid": ""},
        {key: value for key, value in S3.items() if key != "Sid"},
        {**S3, "Principal": {"AWS": ["123456789012"]}},
        {**S3, "Principal": {"Federated": "cognito-identity.amazonaws.com"}},
        {**S3, "Principal": {"Service": "nobody"}},
        {**S3, "Principal": {"Service": "123456789012"}},
        {**S3, "Principal": {"AWS": "s3.amazonaws.com"}},
        {**S3, "Principal": "123456789012"},
        {**S3, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {**S3, "Condition": {"ArnLike": {"AWS:SourceArn": ["arn:aws:s3:::a"]}}},
        {**S3, "Condition": {"ArnLike": "arn:aws:s3:::a"}},
        {**S3, "Condition": ["ArnLike"]},
        {**S3, "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "True"}}},
        {**S3, "NotAction": "lambda:*"},
        "everybody",
    ],
    ids=str,
)
def test_a_statement_that_add_permission_could_not_write_is_refused(statement):
    with pytest.raises(InvalidParameterValue):
        read_policy(policy(statement), ARN)


@pytest.mark.parametrize("text", ["{", "[]", "null", "{}", '{"Statement": []}', '{"Statement": "x"}', "[" * 100_000])
def test_a_document_without_statements_is_refused(text):
    with pytest.raises(InvalidParameterValue, match="no JSON object"):
        read_policy(text, ARN)


def test_two_statements_of_one_id_are_refused():
    with pytest.raises(InvalidParameterValue, match="Sid of its own"):
        read_policy(policy(S3, S3), ARN)

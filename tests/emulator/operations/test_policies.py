"""Resource policies, by an unmodified boto3."""

from __future__ import annotations

import json
import re

import pytest

pytestmark = pytest.mark.process

BUCKET = "arn:aws:s3:::photos"
S3 = {"StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}


def statement(aws, **parameters):
    return json.loads(aws.add_permission(FunctionName="f", **parameters)["Statement"])


def test_a_permission_is_written_as_aws_writes_it(aws, arn):
    answer = aws.add_permission(FunctionName="f", **S3, SourceArn=BUCKET, SourceAccount="123456789012")
    written = {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}, "ArnLike": {"AWS:SourceArn": BUCKET}},
    }
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], json.loads(answer["Statement"])) == (201, written)
    policy = json.loads(aws.get_policy(FunctionName="f")["Policy"])
    assert policy == {"Version": "2012-10-17", "Id": "default", "Statement": [written]}


@pytest.mark.parametrize(
    ("principal", "written"),
    [
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:role/r", {"AWS": "arn:aws:iam::123456789012:role/r"}),
        ("events.amazonaws.com", {"Service": "events.amazonaws.com"}),
        ("*", "*"),
    ],
)
def test_a_principal_is_a_service_an_account_a_role_or_everybody(aws, arn, principal, written):
    assert statement(aws, **S3 | {"Principal": principal})["Principal"] == written


def test_a_principal_that_is_none_of_these_is_refused(aws, arn, refused):
    assert refused(aws.add_permission, FunctionName="f", **S3 | {"Principal": "nobody"}) == (
        "InvalidParameterValueException", 400,
        "The provided principal was invalid. Please check the principal and try again.",
    )  # fmt: skip


def test_the_two_permissions_of_a_public_url_have_their_conditions(aws, arn):
    url = {"StatementId": "url", "Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"}
    assert statement(aws, **url)["Condition"] == {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}
    call = {"StatementId": "call", "Action": "lambda:InvokeFunction", "Principal": "*", "InvokedViaFunctionUrl": True}
    assert statement(aws, **call)["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}


def test_a_permission_may_be_for_one_organisation_and_one_token(aws, arn):
    more = {"Principal": "*", "PrincipalOrgID": "o-0123456789", "EventSourceToken": "t"}
    assert statement(aws, **S3 | more)["Condition"] == {
        "StringEquals": {"aws:PrincipalOrgID": "o-0123456789", "lambda:EventSourceToken": "t"}
    }


def test_an_auth_type_belongs_to_urls_only(aws, arn, refused):
    assert refused(aws.add_permission, FunctionName="f", **S3, FunctionUrlAuthType="NONE") == (
        "InvalidParameterValueException", 400,
        "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
    )  # fmt: skip


def test_a_second_statement_of_the_same_id_is_refused(aws, arn, refused):
    statement(aws, **S3)
    assert refused(aws.add_permission, FunctionName="f", **S3) == (
        "ResourceConflictException", 409,
        "The statement id (s3) provided already exists. Please provide a new statement id, "
        "or remove the existing statement.",
    )  # fmt: skip


def test_each_change_is_a_new_revision_and_an_older_one_is_refused(aws, create, refused):
    create()
    first = aws.get_function_configuration(FunctionName="f")["RevisionId"]
    aws.add_permission(FunctionName="f", **S3, RevisionId=first)
    second = aws.get_policy(FunctionName="f")["RevisionId"]
    assert second == aws.get_function_configuration(FunctionName="f")["RevisionId"] != first
    for call, more in ((aws.add_permission, S3 | {"StatementId": "x"}), (aws.remove_permission, {"StatementId": "s3"})):
        assert refused(call, FunctionName="f", RevisionId=first, **more)[:2] == ("PreconditionFailedException", 412)
    aws.remove_permission(FunctionName="f", StatementId="s3", RevisionId=second)
    assert aws.get_function_configuration(FunctionName="f")["RevisionId"] not in (first, second)


def test_with_its_last_statement_the_policy_is_gone(aws, arn, refused):
    statement(aws, **S3)
    statement(aws, **S3 | {"StatementId": "other"})
    assert aws.remove_permission(FunctionName="f", StatementId="s3")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert [s["Sid"] for s in json.loads(aws.get_policy(FunctionName="f")["Policy"])["Statement"]] == ["other"]
    aws.remove_permission(FunctionName="f", StatementId="other")
    not_there = ("ResourceNotFoundException", 404, "The resource you requested does not exist.")
    assert refused(aws.get_policy, FunctionName="f") == not_there


def test_removing_what_is_not_there_says_what_is_missing(aws, arn, refused):
    def message(name: str) -> str:
        code, status, text = refused(aws.remove_permission, FunctionName=name, StatementId="x")
        assert (code, status) == ("ResourceNotFoundException", 404)
        return text

    assert message("f") == "No policy is associated with the given resource."
    statement(aws, **S3)
    assert message("f") == "Statement x is not found in resource policy."
    assert message("g") == "No policy found for: arn:aws:lambda:us-east-1:123456789012:function:g"


def test_latest_takes_no_policy(aws, arn, refused):
    assert refused(aws.add_permission, FunctionName="f", Qualifier="$LATEST", **S3) == (
        "InvalidParameterValueException", 400, "We currently do not support adding policies for $LATEST.",
    )  # fmt: skip


def test_a_policy_has_a_limit_and_a_refused_statement_is_not_in_it(aws, arn, refused):
    long = "arn:aws:s3:::" + "b" * 9_000
    for sid in ("a", "b"):
        statement(aws, **S3 | {"StatementId": sid}, SourceArn=long)
    code, status, message = refused(aws.add_permission, FunctionName="f", **S3, SourceArn=long)
    assert (code, status) == ("PolicyLengthExceededException", 400)
    assert re.fullmatch(r"The final policy size \(27\d{3}\) is bigger than the limit \(20480\)\.", message)
    assert len(json.loads(aws.get_policy(FunctionName="f")["Policy"])["Statement"]) == 2


def test_a_function_of_the_same_name_begins_without_the_old_policy(aws, create, arn, refused):
    statement(aws, **S3)
    aws.delete_function(FunctionName="f")
    create()
    assert refused(aws.get_policy, FunctionName="f")[0] == "ResourceNotFoundException"


@pytest.fixture
def parts(aws, create):
    """A function with a version and an alias: what names each of them in a request."""
    create()
    aws.publish_version(FunctionName="f")
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    return {"function": {}, "version": {"Qualifier": "1"}, "alias": {"Qualifier": "live"}}


def revisions(aws) -> dict[str, str]:
    return {
        "function": aws.get_function_configuration(FunctionName="f")["RevisionId"],
        "version": aws.get_function_configuration(FunctionName="f", Qualifier="1")["RevisionId"],
        "alias": aws.get_alias(FunctionName="f", Name="live")["RevisionId"],
    }


@pytest.mark.parametrize("part", ["function", "version", "alias"])
def test_a_policy_is_of_the_revision_of_what_has_it(aws, parts, part, refused):
    """Recorded: a permission changes the revision of its function, version or alias, and of that only."""
    before = revisions(aws)
    aws.add_permission(FunctionName="f", **parts[part], **S3, RevisionId=before[part])
    after = revisions(aws)
    assert {name for name in after if after[name] != before[name]} == {part}
    assert aws.get_policy(FunctionName="f", **parts[part])["RevisionId"] == after[part]
    stale = (
        "PreconditionFailedException", 412,
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
    )  # fmt: skip
    again = {**S3, "StatementId": "again", **parts[part], "RevisionId": before[part]}
    assert refused(aws.add_permission, FunctionName="f", **again) == stale
    remove = {"StatementId": "s3", **parts[part]}
    assert refused(aws.remove_permission, FunctionName="f", **remove, RevisionId=before[part]) == stale
    aws.remove_permission(FunctionName="f", **remove, RevisionId=after[part])
    assert revisions(aws)[part] not in (before[part], after[part])

"""Permissions of layer versions, by an unmodified boto3."""

from __future__ import annotations

import json
import uuid

import pytest

pytestmark = pytest.mark.process

USE = {"Action": "lambda:GetLayerVersion", "Principal": "*"}
NO_POLICY = ("ResourceNotFoundException", 404, "No policy is associated with the given resource.")


@pytest.fixture
def layer(aws, zipped):
    """A layer version without a policy: what names it, and its ARN."""
    made = aws.publish_layer_version(LayerName=f"l-{uuid.uuid4().hex[:8]}", Content={"ZipFile": zipped("x = 1")})
    yield {"LayerName": made["LayerArn"], "VersionNumber": made["Version"]}, made["LayerVersionArn"]
    aws.delete_layer_version(LayerName=made["LayerArn"], VersionNumber=made["Version"])


def test_a_permission_is_written_as_aws_writes_it(aws, layer):
    version, arn = layer
    answer = aws.add_layer_version_permission(**version, StatementId="all", **USE)
    written = {"Sid": "all", "Effect": "Allow", "Principal": "*", "Action": USE["Action"], "Resource": arn}
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], json.loads(answer["Statement"])) == (201, written)
    found = aws.get_layer_version_policy(**version)
    assert json.loads(found["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [written]}
    assert found["RevisionId"] == answer["RevisionId"]


def test_a_permission_may_be_for_an_account_or_an_organisation(aws, layer):
    version, _ = layer
    other = {**USE, "Principal": "210987654321"}
    one = aws.add_layer_version_permission(**version, StatementId="one", **other)
    assert json.loads(one["Statement"])["Principal"] == {"AWS": "arn:aws:iam::210987654321:root"}
    two = aws.add_layer_version_permission(**version, StatementId="two", **USE, OrganizationId="o-0123456789")
    assert json.loads(two["Statement"])["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-0123456789"}}


def test_a_second_statement_of_the_same_id_is_refused(aws, layer, refused):
    version, _ = layer
    aws.add_layer_version_permission(**version, StatementId="s", **USE)
    assert refused(aws.add_layer_version_permission, **version, StatementId="s", **USE) == (
        "ResourceConflictException", 409,
        "The statement id (s) provided already exists. Please provide a new statement id, "
        "or remove the existing statement.",
    )  # fmt: skip


def test_each_change_is_a_new_revision_and_an_older_one_is_refused(aws, layer, refused):
    version, _ = layer
    old = aws.add_layer_version_permission(**version, StatementId="a", **USE)["RevisionId"]
    new = aws.add_layer_version_permission(**version, StatementId="b", **USE, RevisionId=old)["RevisionId"]
    stale = (
        "PreconditionFailedException", 412,
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetLayerPolicy API to retrieve the latest Revision Id",
    )  # fmt: skip
    assert refused(aws.add_layer_version_permission, **version, StatementId="c", **USE, RevisionId=old) == stale
    assert refused(aws.remove_layer_version_permission, **version, StatementId="a", RevisionId=old) == stale
    aws.remove_layer_version_permission(**version, StatementId="a", RevisionId=new)
    found = aws.get_layer_version_policy(**version)
    assert [s["Sid"] for s in json.loads(found["Policy"])["Statement"]] == ["b"]
    assert found["RevisionId"] not in (old, new)


def test_an_emptied_policy_is_still_there(aws, layer):
    version, _ = layer
    aws.add_layer_version_permission(**version, StatementId="s", **USE)
    aws.remove_layer_version_permission(**version, StatementId="s")
    assert json.loads(aws.get_layer_version_policy(**version)["Policy"])["Statement"] == []


def test_what_is_missing_is_named(aws, layer, refused):
    version, arn = layer
    assert refused(aws.get_layer_version_policy, **version) == NO_POLICY
    assert refused(aws.remove_layer_version_permission, **version, StatementId="x") == NO_POLICY
    aws.add_layer_version_permission(**version, StatementId="s", **USE)
    assert refused(aws.remove_layer_version_permission, **version, StatementId="x") == (
        "ResourceNotFoundException", 404, "Statement x is not found in resource policy.",
    )  # fmt: skip
    absent = {**version, "VersionNumber": 99}
    message = f"Layer version {arn.removesuffix(':1')}:99 does not exist."
    assert refused(aws.get_layer_version_policy, **absent) == ("ResourceNotFoundException", 404, message)


def test_a_policy_goes_with_its_version(aws, zipped, refused):
    name = f"l-{uuid.uuid4().hex[:8]}"
    numbers = [
        aws.publish_layer_version(LayerName=name, Content={"ZipFile": zipped(f"x = {n}")})["Version"] for n in (1, 2)
    ]
    aws.add_layer_version_permission(LayerName=name, VersionNumber=numbers[0], StatementId="s", **USE)
    assert refused(aws.get_layer_version_policy, LayerName=name, VersionNumber=numbers[1]) == NO_POLICY
    aws.delete_layer_version(LayerName=name, VersionNumber=numbers[0])
    code, _, message = refused(aws.get_layer_version_policy, LayerName=name, VersionNumber=numbers[0])
    assert (code, message.endswith("does not exist.")) == ("ResourceNotFoundException", True)
    aws.delete_layer_version(LayerName=name, VersionNumber=numbers[1])

"""Code signing configurations, by an unmodified boto3."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.process

PROFILE = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/course/0123456789"
UNKNOWN = f"arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-{'0' * 17}"


@pytest.fixture
def config(aws, create):
    """A configuration that no function has; gone after the test."""
    made = aws.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}, Description="d", Tags={"course": "ml"}
    )["CodeSigningConfig"]
    arn = made["CodeSigningConfigArn"]
    yield made
    left = {c["CodeSigningConfigArn"] for c in aws.list_code_signing_configs()["CodeSigningConfigs"]}
    if arn in left:
        for user in aws.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"]:
            aws.delete_function_code_signing_config(FunctionName=user)
        aws.delete_code_signing_config(CodeSigningConfigArn=arn)


def test_a_configuration_warns_unless_told_otherwise(config):
    assert re.fullmatch("csc-[0-9a-f]{17}", config["CodeSigningConfigId"])
    assert config["AllowedPublishers"] == {"SigningProfileVersionArns": [PROFILE]}
    assert config["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}


def test_an_update_leaves_what_it_does_not_name(aws, config):
    arn = config["CodeSigningConfigArn"]
    policies = {"UntrustedArtifactOnDeployment": "Enforce"}
    changed = aws.update_code_signing_config(CodeSigningConfigArn=arn, CodeSigningPolicies=policies)
    found = aws.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"]
    assert found == changed["CodeSigningConfig"]
    same = ("CodeSigningConfigId", "Description", "AllowedPublishers")
    assert [found[name] for name in same] == [config[name] for name in same]
    assert found["CodeSigningPolicies"] == policies


def test_a_function_gets_a_configuration_and_loses_it(aws, config, create):
    arn = config["CodeSigningConfigArn"]
    create("f")
    put = aws.put_function_code_signing_config(FunctionName="f", CodeSigningConfigArn=arn)
    got = aws.get_function_code_signing_config(FunctionName="f")
    assert (put["CodeSigningConfigArn"], put["FunctionName"]) == (arn, "f")
    assert (got["CodeSigningConfigArn"], got["FunctionName"]) == (arn, "f")
    aws.delete_function_code_signing_config(FunctionName="f")
    assert set(aws.get_function_code_signing_config(FunctionName="f")) == {"ResponseMetadata"}


def test_a_function_can_be_created_with_one_and_its_users_are_listed(aws, config, create):
    arn = config["CodeSigningConfigArn"]
    arns = [create(name, CodeSigningConfigArn=arn)["FunctionArn"] for name in ("f", "g")]
    create("h")
    first = aws.list_functions_by_code_signing_config(CodeSigningConfigArn=arn, MaxItems=1)
    rest = aws.list_functions_by_code_signing_config(CodeSigningConfigArn=arn, Marker=first["NextMarker"])
    assert first["FunctionArns"] + rest["FunctionArns"] == arns


def test_unsigned_code_is_deployed_under_enforce_too(aws, config, create, zipped):
    arn = config["CodeSigningConfigArn"]
    policies = {"UntrustedArtifactOnDeployment": "Enforce"}
    aws.update_code_signing_config(CodeSigningConfigArn=arn, CodeSigningPolicies=policies)
    create(says="unsigned", CodeSigningConfigArn=arn)
    assert aws.invoke(FunctionName="f")["Payload"].read() == b'"unsigned"'


def test_a_configuration_in_use_cannot_be_deleted(aws, config, create, refused):
    arn = config["CodeSigningConfigArn"]
    create(CodeSigningConfigArn=arn)
    assert refused(aws.delete_code_signing_config, CodeSigningConfigArn=arn)[:2] == ("ResourceConflictException", 409)
    aws.delete_function(FunctionName="f")
    answer = aws.delete_code_signing_config(CodeSigningConfigArn=arn)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_a_configuration_that_is_not_there_is_named(aws, arn, refused):
    missing = ("ResourceNotFoundException", 404, f"The Lambda code signing configuration {UNKNOWN} can not be found.")
    for operation in (
        aws.get_code_signing_config,
        aws.update_code_signing_config,
        aws.delete_code_signing_config,
        aws.list_functions_by_code_signing_config,
    ):
        assert refused(operation, CodeSigningConfigArn=UNKNOWN) == missing


def test_a_function_cannot_have_a_configuration_that_is_not_there(aws, arn, create, refused):
    missing = (
        "CodeSigningConfigNotFoundException", 404,
        "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
        f"{UNKNOWN}.",
    )  # fmt: skip
    put = aws.put_function_code_signing_config
    assert refused(put, FunctionName="f", CodeSigningConfigArn=UNKNOWN) == missing
    assert refused(put, FunctionName="nobody", CodeSigningConfigArn=UNKNOWN) == missing
    assert refused(create, name="g", CodeSigningConfigArn=UNKNOWN) == missing


def test_the_configuration_is_looked_for_before_the_function(aws, config, refused):
    not_found = (
        "ResourceNotFoundException",
        404,
        "Function not found: arn:aws:lambda:us-east-1:123456789012:function:x",
    )
    put = aws.put_function_code_signing_config
    assert refused(put, FunctionName="x", CodeSigningConfigArn=config["CodeSigningConfigArn"]) == not_found
    assert refused(aws.get_function_code_signing_config, FunctionName="x") == not_found
    assert refused(aws.delete_function_code_signing_config, FunctionName="x") == not_found


def test_a_configuration_has_tags(aws, config):
    arn = config["CodeSigningConfigArn"]
    aws.tag_resource(Resource=arn, Tags={"week": "2"})
    aws.untag_resource(Resource=arn, TagKeys=["course"])
    assert aws.list_tags(Resource=arn)["Tags"] == {"week": "2"}

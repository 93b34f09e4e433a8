"""Secrets Manager: the steps of a rotation, their order, and what ends it."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from labkit.mockaws import seam
from labkit.mockaws.rotation import rotate_in_steps
from labkit.mockaws.seam import REQUEST_RESPONSE, Delivery, Reply

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]


@pytest.fixture
def secrets(moto_here):
    client = boto3.client("secretsmanager")
    client.create_secret(Name="db", SecretString="old")
    return client


def test_the_four_steps_run_in_order_and_the_old_value_stays_until_the_last(secrets, moto_here, wait_until):
    asked = secrets.rotate_secret(SecretId="db", RotationLambdaARN=ARN)
    assert secrets.get_secret_value(SecretId="db")["SecretString"] == "old"
    wait_until(lambda: len(moto_here.deliveries) == 4)
    told = [json.loads(delivery.payload) for delivery in moto_here.deliveries]
    assert [step["Step"] for step in told] == STEPS
    assert {step["SecretId"] for step in told} == {asked["ARN"]}
    assert {step["ClientRequestToken"] for step in told} == {asked["VersionId"]}
    assert {delivery.kind for delivery in moto_here.deliveries} == {REQUEST_RESPONSE}


def test_the_next_rotation_needs_no_name_of_the_function(secrets, moto_here, wait_until):
    first = secrets.rotate_secret(SecretId="db", RotationLambdaARN=ARN)["VersionId"]
    wait_until(lambda: len(moto_here.deliveries) == 4)
    secrets.update_secret_version_stage(
        SecretId="db",
        VersionStage="AWSCURRENT",
        MoveToVersionId=first,
        RemoveFromVersionId=secrets.get_secret_value(SecretId="db")["VersionId"],
    )
    secrets.update_secret_version_stage(SecretId="db", VersionStage="AWSPENDING", RemoveFromVersionId=first)
    secrets.rotate_secret(SecretId="db")
    wait_until(lambda: len(moto_here.deliveries) == 8)
    assert {delivery.function_arn for delivery in moto_here.deliveries} == {ARN}


def test_a_step_that_fails_is_the_last(moto_here, capsys):
    moto_here.refusals["bad"] = Reply(payload='{"errorMessage": "no luck"}', failed=True)
    steps = [Delivery(arn, "secretsmanager.amazonaws.com", "", "", "{}") for arn in ("good", "bad", "never")]
    rotate_in_steps(steps)
    assert [delivery.function_arn for delivery in moto_here.deliveries] == ["good", "bad"]
    assert "the rotation ends, its step failed" in capsys.readouterr().err


def test_the_version_that_awscurrent_is_moved_to_is_read(secrets):
    old = secrets.get_secret_value(SecretId="db")["VersionId"]
    new = "1" * 32
    secrets.put_secret_value(SecretId="db", ClientRequestToken=new, SecretString="new", VersionStages=["AWSPENDING"])
    assert secrets.get_secret_value(SecretId="db")["SecretString"] == "old"
    secrets.update_secret_version_stage(
        SecretId="db", VersionStage="AWSCURRENT", MoveToVersionId=new, RemoveFromVersionId=old
    )
    assert secrets.get_secret_value(SecretId="db")["SecretString"] == "new"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply("Function not found", missing=True), "ResourceNotFoundException"),
        (Reply("no statement"), "AccessDeniedException"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused(secrets, moto_here, reply, code):
    moto_here.refusals[ARN] = reply
    with pytest.raises(ClientError) as caught:
        secrets.rotate_secret(SecretId="db", RotationLambdaARN=ARN)
    assert caught.value.response["Error"]["Code"] == code
    assert moto_here.deliveries == []


def test_nobody_else_is_in_a_rotation():
    from labkit.mockaws.corrected import functions

    assert isinstance(functions("123456789012", "us-east-1"), seam.Functions)

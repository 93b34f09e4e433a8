"""Capacity providers, of which there are none, by an unmodified boto3."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.process


def test_there_are_no_providers(aws):
    assert aws.list_capacity_providers()["CapacityProviders"] == []


@pytest.mark.parametrize("name", ["p", "arn:aws:lambda:us-east-1:123456789012:capacity-provider:p"])
@pytest.mark.parametrize("operation", ["get", "update", "delete"])
def test_no_provider_is_found(aws, refused, operation, name):
    arn = "arn:aws:lambda:us-east-1:123456789012:capacity-provider:p"
    call = getattr(aws, f"{operation}_capacity_provider")
    missing = ("ResourceNotFoundException", 404, f"Capacity provider not found: {arn}")
    assert refused(call, CapacityProviderName=name) == missing
    assert refused(aws.list_function_versions_by_capacity_provider, CapacityProviderName=name) == missing


def test_a_function_has_no_scaling_of_its_own(aws, arn, refused):
    aws.publish_version(FunctionName="f")
    answer = aws.get_function_scaling_config(FunctionName="f", Qualifier="1")
    assert (answer.pop("ResponseMetadata")["HTTPStatusCode"], answer) == (200, {"FunctionArn": f"{arn}:1"})
    wanted = {"FunctionName": "f", "Qualifier": "1", "FunctionScalingConfig": {"MinExecutionEnvironments": 1}}
    assert refused(aws.put_function_scaling_config, **wanted)[0] == "InvalidParameterValueException"


def test_the_scaling_of_a_function_that_is_not_there_is_not_found(aws, refused):
    asked = {"FunctionName": "nobody", "Qualifier": "1"}
    assert refused(aws.get_function_scaling_config, **asked)[:2] == ("ResourceNotFoundException", 404)
    assert refused(aws.put_function_scaling_config, **asked)[:2] == ("ResourceNotFoundException", 404)

"""The configuration of function URLs, by an unmodified boto3 client."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.process

CORS = {
    "AllowCredentials": True,
    "AllowHeaders": ["x-a"],
    "AllowMethods": ["GET", "POST"],
    "AllowOrigins": ["https://a.example"],
    "ExposeHeaders": ["x-b"],
    "MaxAge": 60,
}
OPERATIONS = ["create", "get", "update", "delete"]


def operation(aws, verb):
    return getattr(aws, f"{verb}_function_url_config")


def arguments(verb):
    return {"AuthType": "NONE"} if verb == "create" else {}


@pytest.fixture
def alias(aws, arn):
    aws.publish_version(FunctionName="f")
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    return f"{arn}:live"


def test_a_new_url_is_described(aws, arn, lab):
    made = aws.create_function_url_config(FunctionName="f", AuthType="NONE", Cors=CORS)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert re.fullmatch(rf"{lab.endpoint}/lambda-url/[a-z0-9]{{32}}/", made["FunctionUrl"])
    assert (made["FunctionArn"], made["AuthType"], made["InvokeMode"], made["Cors"]) == (arn, "NONE", "BUFFERED", CORS)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", made["CreationTime"])
    assert "LastModifiedTime" not in made


def test_what_was_made_can_be_read_again(aws, arn):
    made = aws.create_function_url_config(FunctionName="f", AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM")
    read = aws.get_function_url_config(FunctionName="f")
    names = ("FunctionUrl", "FunctionArn", "AuthType", "CreationTime", "InvokeMode")
    assert [read[name] for name in names] == [made[name] for name in names]
    assert read["LastModifiedTime"] == read["CreationTime"]
    assert "Cors" not in read


def test_an_update_leaves_what_it_does_not_name(aws, arn):
    made = aws.create_function_url_config(FunctionName="f", AuthType="NONE", InvokeMode="RESPONSE_STREAM", Cors=CORS)
    after = aws.update_function_url_config(FunctionName="f", AuthType="AWS_IAM")
    assert (after["AuthType"], after["InvokeMode"], after["Cors"]) == ("AWS_IAM", "RESPONSE_STREAM", CORS)
    assert (after["FunctionUrl"], after["CreationTime"]) == (made["FunctionUrl"], made["CreationTime"])
    assert after["LastModifiedTime"] > made["CreationTime"]


def test_empty_cors_settings_take_them_away(aws, arn):
    aws.create_function_url_config(FunctionName="f", AuthType="NONE", Cors=CORS)
    assert "Cors" not in aws.update_function_url_config(FunctionName="f", Cors={})


def test_a_function_and_its_alias_have_urls_of_their_own(aws, arn, alias):
    made = [
        aws.create_function_url_config(FunctionName="f", AuthType="NONE"),
        aws.create_function_url_config(FunctionName="f", Qualifier="live", AuthType="NONE"),
    ]
    assert [m["FunctionArn"] for m in made] == [arn, alias]
    listed = aws.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"]
    assert {c["FunctionUrl"] for c in listed} == {m["FunctionUrl"] for m in made}


def test_a_list_comes_in_pages(aws, alias):
    aws.create_function_url_config(FunctionName="f", AuthType="NONE")
    aws.create_function_url_config(FunctionName="f", Qualifier="live", AuthType="NONE")
    first = aws.list_function_url_configs(FunctionName="f", MaxItems=1)
    second = aws.list_function_url_configs(FunctionName="f", MaxItems=1, Marker=first["NextMarker"])
    arns = [page["FunctionUrlConfigs"][0]["FunctionArn"] for page in (first, second)]
    assert (len(set(arns)), "NextMarker" in second) == (2, False)


def test_a_second_url_is_a_conflict(aws, arn, refused):
    aws.create_function_url_config(FunctionName="f", AuthType="NONE")
    assert refused(aws.create_function_url_config, FunctionName="f", AuthType="NONE") == (
        "ResourceConflictException",
        409,
        f"Failed to create function url config for [functionArn = {arn}]. "
        "Error message:  FunctionUrlConfig exists for this Lambda function",
    )


def test_a_deleted_url_is_gone(aws, arn, refused):
    aws.create_function_url_config(FunctionName="f", AuthType="NONE")
    answer = aws.delete_function_url_config(FunctionName="f")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    code, status, message = refused(aws.get_function_url_config, FunctionName="f")
    assert (code, status, message) == (
        "ResourceNotFoundException",
        404,
        "The resource you requested does not exist.",
    )


@pytest.mark.parametrize("verb", ["get", "update", "delete"])
@pytest.mark.parametrize("names", [{"FunctionName": "nobody"}, {"FunctionName": "f", "Qualifier": "v1"}])
def test_what_has_no_url_is_not_found(aws, arn, refused, verb, names):
    said = refused(operation(aws, verb), **names)
    assert said == ("ResourceNotFoundException", 404, "The resource you requested does not exist.")


@pytest.mark.parametrize("names", [{"FunctionName": "nobody"}, {"FunctionName": "f", "Qualifier": "v1"}])
def test_a_url_needs_a_function_or_an_alias_that_exists(aws, arn, refused, names):
    said = refused(aws.create_function_url_config, AuthType="NONE", **names)
    assert said == ("ResourceNotFoundException", 404, "Function does not exist")


def test_the_urls_of_an_unknown_function_are_not_found(aws, refused):
    said = refused(aws.list_function_url_configs, FunctionName="nobody")
    assert said == ("ResourceNotFoundException", 404, "Function does not exist")


@pytest.mark.parametrize("verb", OPERATIONS)
@pytest.mark.parametrize("qualifier", ["1", "$LATEST"])
def test_a_version_cannot_have_a_url(aws, alias, refused, verb, qualifier):
    said = refused(operation(aws, verb), FunctionName="f", Qualifier=qualifier, **arguments(verb))
    assert said[:2] == ("ValidationException", 400)
    assert said[2].startswith(f"1 validation error detected: Value '{qualifier}' at 'qualifier' failed to satisfy")


@pytest.mark.parametrize(("name", "value"), [("InvokeMode", "UNKNOWN"), ("AuthType", "PASSWORD")])
def test_a_setting_outside_its_choices_is_refused(aws, arn, refused, name, value):
    said = refused(aws.create_function_url_config, **{"FunctionName": "f", "AuthType": "NONE", name: value})
    assert said[:2] == ("ValidationException", 400)

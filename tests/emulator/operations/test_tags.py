"""Tags, by an unmodified boto3."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.process

QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"


def test_tags_are_added_changed_and_taken_away(aws, arn):
    aws.tag_resource(Resource=arn, Tags={"course": "ml", "room": "1"})
    answer = aws.tag_resource(Resource=arn, Tags={"room": "2"})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert aws.list_tags(Resource=arn)["Tags"] == {"course": "ml", "room": "2"}
    aws.untag_resource(Resource=arn, TagKeys=["course", "never there"])
    assert aws.list_tags(Resource=arn)["Tags"] == {"room": "2"}


def test_tags_of_a_functions_creation_are_listed(aws, create):
    assert aws.list_tags(Resource=create(Tags={"course": "ml"})["FunctionArn"])["Tags"] == {"course": "ml"}


def test_a_tag_is_in_the_answer_to_get_function(aws, arn):
    aws.tag_resource(Resource=arn, Tags={"course": "ml"})
    assert aws.get_function(FunctionName="f")["Tags"] == {"course": "ml"}


def test_a_change_of_tags_is_a_new_revision(aws, create):
    function = create()
    aws.tag_resource(Resource=function["FunctionArn"], Tags={"course": "ml"})
    assert aws.get_function_configuration(FunctionName="f")["RevisionId"] != function["RevisionId"]


def test_a_resource_has_at_most_50_tags(aws, arn, refused):
    aws.tag_resource(Resource=arn, Tags={f"k{n}": "" for n in range(50)})
    aws.tag_resource(Resource=arn, Tags={"k7": "again"})
    assert refused(aws.tag_resource, Resource=arn, Tags={"one more": ""}) == (
        "InvalidParameterValueException", 400, "Number of tags exceeds resource tag limit.",
    )  # fmt: skip


def test_no_tags_at_all_are_refused(aws, arn, refused):
    assert refused(aws.tag_resource, Resource=arn, Tags={})[0] == "InvalidParameterValueException"


def test_a_version_has_no_tags_of_its_own(aws, arn, refused):
    message = "Tags on function aliases and versions are not supported. Please specify a function ARN."
    for call, more in ((aws.tag_resource, {"Tags": {"k": "v"}}), (aws.list_tags, {})):
        assert refused(call, Resource=f"{arn}:1", **more) == ("InvalidParameterValueException", 400, message)


@pytest.mark.parametrize("place", ["us-east-1:123456789012:function:g", "eu-west-1:123456789012:function:f"])
def test_a_function_that_is_not_here_is_named(aws, arn, refused, place):
    assert refused(aws.list_tags, Resource=f"arn:aws:lambda:{place}") == (
        "ResourceNotFoundException", 404, f"Function not found: arn:aws:lambda:{place}",
    )  # fmt: skip


def test_an_event_source_mapping_has_tags(aws, arn, source_of):
    source_of(QUEUE)
    mapping = aws.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="f", Tags={"a": "1"})
    resource = mapping["EventSourceMappingArn"]
    aws.tag_resource(Resource=resource, Tags={"b": "2"})
    aws.untag_resource(Resource=resource, TagKeys=["a"])
    assert aws.list_tags(Resource=resource)["Tags"] == {"b": "2"}

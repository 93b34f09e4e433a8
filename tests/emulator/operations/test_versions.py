"""Published versions and aliases, through an unmodified boto3 client."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.registry import Alias

pytestmark = pytest.mark.process

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


def says(aws, **params):
    return json.load(aws.invoke(FunctionName="f", **params)["Payload"])


@pytest.fixture
def two_versions(aws, create, zipped):
    """Version 1 says "one", version 2 and $LATEST say "two"."""
    create(says="one")
    aws.publish_version(FunctionName="f", Description="the first")
    aws.update_function_code(FunctionName="f", ZipFile=zipped("def handler(event, context): return 'two'"))
    aws.publish_version(FunctionName="f")


def test_a_version_keeps_its_code_when_the_function_changes(aws, two_versions):
    assert [says(aws, Qualifier=q) for q in ("1", "2", "$LATEST")] == ["one", "two", "two"]


def test_a_version_keeps_its_configuration(aws, two_versions):
    aws.update_function_configuration(FunctionName="f", MemorySize=512)
    sizes = [aws.get_function_configuration(FunctionName="f", Qualifier=q)["MemorySize"] for q in ("1", "$LATEST")]
    assert sizes == [128, 512]


def test_a_version_has_an_arn_and_a_description_of_its_own(aws, two_versions):
    one = aws.get_function(FunctionName="f", Qualifier="1")["Configuration"]
    assert (one["FunctionArn"], one["Version"], one["Description"]) == (f"{ARN}:1", "1", "the first")


def test_unchanged_code_publishes_no_new_version(aws, two_versions):
    assert aws.publish_version(FunctionName="f")["Version"] == "2"
    assert aws.publish_version(FunctionName="f", Description="again")["Version"] == "2"


def test_create_and_update_can_publish(aws, create, zipped):
    assert create(Publish=True)["Version"] == "1"
    updated = aws.update_function_code(FunctionName="f", ZipFile=zipped("def handler(e, c): return 2"), Publish=True)
    assert (updated["Version"], updated["FunctionArn"]) == ("2", f"{ARN}:2")


def test_versions_are_listed_in_pages_with_latest_first(aws, two_versions):
    pages = list(
        aws.get_paginator("list_versions_by_function").paginate(FunctionName="f", PaginationConfig={"PageSize": 2})
    )
    assert [[v["Version"] for v in p["Versions"]] for p in pages] == [["$LATEST", "1"], ["2"]]
    assert pages[0]["Versions"][0]["FunctionArn"] == f"{ARN}:$LATEST"


def test_all_versions_are_among_the_functions_when_asked_for(aws, two_versions):
    assert [f["Version"] for f in aws.list_functions(FunctionVersion="ALL")["Functions"]] == ["$LATEST", "1", "2"]


def test_publishing_other_code_than_expected_is_refused(aws, create, refused):
    create()
    code, _, message = refused(aws.publish_version, FunctionName="f", CodeSha256="other")
    assert code == "InvalidParameterValueException"
    assert "is different from current CodeSHA256 in $LATEST" in message


def test_the_handler_knows_its_version(aws, create, zipped, lab):
    create()
    source = "import os\ndef handler(e, c): return [c.function_version, os.environ['AWS_LAMBDA_FUNCTION_VERSION'], c.invoked_function_arn, c.log_stream_name]"
    aws.update_function_code(FunctionName="f", ZipFile=zipped(source), Publish=True)
    version, variable, arn, stream = says(aws, Qualifier="1")
    assert (version, variable, arn) == ("1", "1", f"{ARN}:1")
    assert "/[1]" in stream
    assert aws.invoke(FunctionName="f", Qualifier="1")["ExecutedVersion"] == "1"


def test_the_waiter_for_a_published_version_ends(aws, two_versions):
    aws.get_waiter("published_version_active").wait(FunctionName="f", Qualifier="1")


def test_an_alias_names_a_version_and_can_be_moved(aws, two_versions):
    made = aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1", Description="what users see")
    assert (made["AliasArn"], says(aws, Qualifier="live")) == (f"{ARN}:live", "one")
    aws.update_alias(FunctionName="f", Name="live", FunctionVersion="2")
    assert says(aws, Qualifier="live") == "two"
    assert aws.get_alias(FunctionName="f", Name="live")["Description"] == "what users see"


def test_an_alias_is_part_of_the_invoked_arn(aws, create, zipped):
    create()
    aws.update_function_code(
        FunctionName="f", ZipFile=zipped("def handler(e, c): return c.invoked_function_arn"), Publish=True
    )
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    assert json.load(aws.invoke(FunctionName=f"{ARN}:live")["Payload"]) == f"{ARN}:live"


def test_an_alias_with_weights_serves_both_versions(aws, two_versions):
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    aws.create_alias(FunctionName="f", Name="canary", FunctionVersion="1", RoutingConfig=weights)
    executed = {aws.invoke(FunctionName="f", Qualifier="canary")["ExecutedVersion"] for _ in range(60)}
    assert executed == {"1", "2"}  # 60 equal draws: a miss has a chance of 2 in 10**18


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1))
def test_a_draw_below_the_weight_goes_to_the_other_version(draw, weight):
    assert Alias("a", "1", weights={"2": weight}).pick(draw) == ("2" if draw < weight else "1")


def test_aliases_are_listed_by_name_and_by_version(aws, two_versions):
    for name, version in (("b", "1"), ("a", "2"), ("c", "1")):
        aws.create_alias(FunctionName="f", Name=name, FunctionVersion=version)
    assert [a["Name"] for a in aws.list_aliases(FunctionName="f")["Aliases"]] == ["a", "b", "c"]
    assert [a["Name"] for a in aws.list_aliases(FunctionName="f", FunctionVersion="1")["Aliases"]] == ["b", "c"]


def test_deleting_an_alias_leaves_its_version(aws, two_versions, refused):
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    aws.delete_alias(FunctionName="f", Name="live")
    aws.delete_alias(FunctionName="f", Name="live")
    code, _, message = refused(aws.get_alias, FunctionName="f", Name="live")
    assert (code, message) == ("ResourceNotFoundException", f"Cannot find alias arn: {ARN}:live")
    assert says(aws, Qualifier="1") == "one"


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"FunctionVersion": "9"}, "ResourceNotFoundException", f"Function not found: {ARN}:9"),
        (
            {"FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.1}}},
            "InvalidParameterValueException",
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ),
        (
            {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.1}}},
            "InvalidParameterValueException",
            "Invalid function version 1. Function version 1 is already included in routing configuration.",
        ),
    ],
)
def test_an_alias_that_cannot_be_is_refused(aws, two_versions, refused, params, code, message):
    assert refused(aws.create_alias, FunctionName="f", Name="live", **params)[::2] == (code, message)


def test_a_second_alias_of_the_same_name_is_refused(aws, two_versions, refused):
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    code, status, message = refused(aws.create_alias, FunctionName="f", Name="live", FunctionVersion="2")
    assert (code, status, message) == ("ResourceConflictException", 409, f"Alias already exists: {ARN}:live")


def test_an_alias_changed_meanwhile_is_not_overwritten(aws, two_versions, refused):
    old = aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")["RevisionId"]
    aws.update_alias(FunctionName="f", Name="live", FunctionVersion="2")
    code, status, _ = refused(aws.update_alias, FunctionName="f", Name="live", FunctionVersion="1", RevisionId=old)
    assert (code, status) == ("PreconditionFailedException", 412)


def test_a_version_can_be_deleted_alone(aws, two_versions, refused):
    aws.delete_function(FunctionName="f", Qualifier="1")
    assert refused(aws.invoke, FunctionName="f", Qualifier="1")[2] == f"Function not found: {ARN}:1"
    assert [v["Version"] for v in aws.list_versions_by_function(FunctionName="f")["Versions"]] == ["$LATEST", "2"]


def test_a_number_is_never_used_again(aws, two_versions, zipped):
    aws.delete_function(FunctionName="f", Qualifier="2")
    aws.update_function_code(FunctionName="f", ZipFile=zipped("def handler(e, c): return 3"))
    assert aws.publish_version(FunctionName="f")["Version"] == "3"


def test_a_version_that_an_alias_names_cannot_be_deleted(aws, two_versions, refused):
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    code, status, message = refused(aws.delete_function, FunctionName="f", Qualifier="1")
    assert (code, status) == ("ResourceConflictException", 409)
    assert message == "Unable to delete version because the following aliases reference it: [live]"


def test_deleting_a_version_that_is_not_there_is_no_error(aws, two_versions):
    aws.delete_function(FunctionName="f", Qualifier="99")


def test_a_deleted_functions_versions_end_with_it(aws, two_versions, lab):
    import psutil

    aws.invoke(FunctionName="f", Qualifier="1")
    processes = [psutil.Process(e["pid"]) for e in lab.status()["environments"] if e["function"] == "f"]
    aws.delete_function(FunctionName="f")
    assert psutil.wait_procs(processes, timeout=10)[1] == []


def test_publishing_gives_latest_a_new_revision_unless_nothing_is_published(aws, create):
    """Recorded: what was read before the publication is out of date after it."""
    create()
    revisions = [aws.get_function_configuration(FunctionName="f")["RevisionId"]]
    for _ in range(2):
        aws.publish_version(FunctionName="f")
        revisions.append(aws.get_function_configuration(FunctionName="f")["RevisionId"])
    assert revisions[0] != revisions[1] == revisions[2]


def test_an_older_revision_is_not_published(aws, create, refused):
    create()
    old = aws.get_function_configuration(FunctionName="f")["RevisionId"]
    aws.update_function_configuration(FunctionName="f", Timeout=5)
    assert refused(aws.publish_version, FunctionName="f", RevisionId=old)[:2] == ("PreconditionFailedException", 412)
    new = aws.get_function_configuration(FunctionName="f")["RevisionId"]
    assert aws.publish_version(FunctionName="f", RevisionId=new)["Version"] == "1"

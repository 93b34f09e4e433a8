"""Functions: what an update may say, what a description shows, what a deletion takes along; by boto3."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.process

FOREVER = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "StatementId": "s3"}


def test_a_dry_run_describes_what_would_be_and_changes_nothing(aws, create, zipped):
    before = create()
    would = aws.update_function_code(
        FunctionName="f", ZipFile=zipped("x = 1"), Architectures=["arm64"], DryRun=True, Publish=True
    )
    assert (would["Architectures"], would["CodeSha256"] != before["CodeSha256"]) == (["arm64"], True)
    after = aws.get_function_configuration(FunctionName="f")
    assert (after["Architectures"], after["CodeSha256"]) == (["x86_64"], before["CodeSha256"])
    assert len(aws.list_versions_by_function(FunctionName="f")["Versions"]) == 1


def test_new_code_may_be_for_another_architecture(aws, create, zipped):
    create()
    aws.update_function_code(FunctionName="f", ZipFile=zipped("x = 1"), Architectures=["arm64"])
    assert aws.get_function_configuration(FunctionName="f")["Architectures"] == ["arm64"]


def test_a_function_names_the_runtime_that_runs_it_and_a_list_does_not(aws, create):
    create()
    found = aws.get_function_configuration(FunctionName="f")["RuntimeVersionConfig"]["RuntimeVersionArn"]
    assert re.fullmatch("arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}", found)
    (listed,) = aws.list_functions()["Functions"]
    assert not {"RuntimeVersionConfig", "State", "LastUpdateStatus"} & listed.keys()


def test_lists_of_replicas_are_empty(aws, create, refused):
    """A master region is where Lambda@Edge copies a function from; ALL means every function."""
    create()
    assert aws.list_functions(MasterRegion="us-east-1", FunctionVersion="ALL")["Functions"] == []
    assert len(aws.list_functions(MasterRegion="ALL", FunctionVersion="ALL")["Functions"]) == 1
    assert refused(aws.list_functions, MasterRegion="us-east-1")[0] == "InvalidParameterValueException"


def test_a_marker_that_no_list_gave_out_is_refused(aws, create, refused):
    create()
    wanted = ("InvalidParameterValueException", 400, "Invalid pagination key.")
    assert refused(aws.list_functions, Marker="garbage") == wanted
    assert refused(aws.list_event_source_mappings, Marker="garbage") == wanted
    assert refused(aws.list_aliases, FunctionName="f", Marker="garbage") == wanted


@pytest.fixture
def furnished(aws, create):
    """A function, a version 1 and an alias of version 2, each with all that it can have."""
    create(says="one")
    aws.publish_version(FunctionName="f")
    aws.update_function_configuration(FunctionName="f", Timeout=4)
    aws.publish_version(FunctionName="f")
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="2")
    for part in ({}, {"Qualifier": "1"}, {"Qualifier": "live"}):
        aws.add_permission(FunctionName="f", **FOREVER, **part)
        aws.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0, **part)
        aws.put_runtime_management_config(FunctionName="f", UpdateRuntimeOn="FunctionUpdate", **part)
    for part in ({}, {"Qualifier": "live"}):
        aws.create_function_url_config(FunctionName="f", AuthType="AWS_IAM", **part)
    for qualifier in ("1", "live"):
        aws.put_provisioned_concurrency_config(FunctionName="f", Qualifier=qualifier, ProvisionedConcurrentExecutions=1)


def qualifiers(aws) -> dict[str, list[str]]:
    """Who has what, by the end of each ARN; the function's own is `f` or $LATEST."""
    lists = {
        "events": aws.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"],
        "urls": aws.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"],
        "provisioned": aws.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"],
    }
    return {name: sorted(item["FunctionArn"].rpartition(":")[2] for item in items) for name, items in lists.items()}


def test_deleting_an_alias_takes_all_that_it_had(aws, furnished, refused):
    aws.delete_alias(FunctionName="f", Name="live")
    assert qualifiers(aws) == {"events": ["$LATEST", "1"], "urls": ["f"], "provisioned": ["1"]}
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="2")
    assert refused(aws.get_policy, FunctionName="f", Qualifier="live")[0] == "ResourceNotFoundException"
    assert aws.get_runtime_management_config(FunctionName="f", Qualifier="live")["UpdateRuntimeOn"] == "Auto"
    assert aws.get_policy(FunctionName="f", Qualifier="1")["Policy"]


def test_deleting_a_version_takes_all_that_it_had(aws, furnished, refused):
    aws.delete_function(FunctionName="f", Qualifier="1")
    assert qualifiers(aws) == {"events": ["$LATEST", "live"], "urls": ["f", "live"], "provisioned": ["live"]}
    assert refused(aws.get_policy, FunctionName="f", Qualifier="1")[0] == "ResourceNotFoundException"
    assert aws.get_policy(FunctionName="f", Qualifier="live")["Policy"]


def test_deleting_a_function_takes_all_that_it_had(aws, furnished, create, lab, wait_until):
    aws.delete_function(FunctionName="f")
    create()
    assert qualifiers(aws) == {"events": [], "urls": [], "provisioned": []}
    assert aws.list_aliases(FunctionName="f")["Aliases"] == []
    assert [v["Version"] for v in aws.list_versions_by_function(FunctionName="f")["Versions"]] == ["$LATEST"]
    wait_until(lambda: lab.status()["environments"] == [])

"""A function that is created or updated: what callers see who do not wait."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.process

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


@pytest.fixture
def create(hasty_aws, zipped):
    def make(says="one"):
        return hasty_aws.create_function(
            FunctionName="f", Runtime="python3.13", Role="arn:aws:iam::123456789012:role/r", Handler="app.handler",
            Code={"ZipFile": zipped(says)},
        )  # fmt: skip

    return make


@pytest.fixture
def zipped():
    import io
    import zipfile

    def make(says):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("app.py", f"def handler(event, context): return {says!r}")
        return buffer.getvalue()

    return make


def said(aws):
    return json.load(aws.invoke(FunctionName="f")["Payload"])


def conflict(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 409
    return error["Error"]["Code"], error["Error"]["Message"]


PENDING = (
    "ResourceConflictException",
    "The operation cannot be performed at this time. The function is currently in the following state: Pending",
)


def test_a_new_function_is_pending(create):
    answer = create()
    state = answer["State"], answer["StateReason"], answer["StateReasonCode"], answer.get("LastUpdateStatus")
    assert state == ("Pending", "The function is being created.", "Creating", None)


def test_a_pending_function_takes_no_invocation(hasty_aws, create):
    create()
    assert conflict(hasty_aws.invoke, FunctionName="f") == PENDING
    assert conflict(hasty_aws.invoke, FunctionName="f", InvocationType="Event") == PENDING


def test_a_pending_function_takes_no_update(hasty_aws, create):
    create()
    assert conflict(hasty_aws.update_function_configuration, FunctionName="f", Timeout=9) == PENDING


def test_a_function_is_not_published_while_it_changes(hasty_aws, create):
    create()
    assert conflict(hasty_aws.publish_version, FunctionName="f") == PENDING
    hasty_aws.get_function(FunctionName="f")
    hasty_aws.update_function_configuration(FunctionName="f", Timeout=9)
    _, message = conflict(hasty_aws.publish_version, FunctionName="f")
    assert message == f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}"
    hasty_aws.get_function(FunctionName="f")
    assert hasty_aws.publish_version(FunctionName="f")["Version"] == "1"


def test_who_looks_finds_it_active_under_a_new_revision(hasty_aws, create):
    before = create()
    after = hasty_aws.get_function(FunctionName="f")["Configuration"]
    assert (after["State"], after["LastUpdateStatus"], after.get("StateReason")) == ("Active", "Successful", None)
    assert after["RevisionId"] != before["RevisionId"]
    assert said(hasty_aws) == "one"


def test_it_becomes_active_by_itself(hasty_aws, create, wait_until):
    create()

    def answers():
        try:
            return said(hasty_aws) == "one"
        except ClientError:
            return False

    wait_until(answers)


def test_an_update_is_in_progress(hasty_aws, create, zipped):
    create()
    hasty_aws.get_function(FunctionName="f")
    answer = hasty_aws.update_function_code(FunctionName="f", ZipFile=zipped("two"))
    assert [answer.get(k) for k in ("State", "LastUpdateStatus", "LastUpdateStatusReasonCode")] == [
        "Active",
        "InProgress",
        "Creating",
    ]


def test_the_old_version_serves_until_the_update_is_seen_to_be_done(hasty_aws, create, zipped):
    create()
    hasty_aws.get_function(FunctionName="f")
    hasty_aws.update_function_code(FunctionName="f", ZipFile=zipped("two"))
    before = said(hasty_aws)
    hasty_aws.get_waiter("function_updated_v2").wait(FunctionName="f")
    assert (before, said(hasty_aws)) == ("one", "two")


def test_a_second_update_must_wait_for_the_first(hasty_aws, create):
    create()
    hasty_aws.get_function(FunctionName="f")
    hasty_aws.update_function_configuration(FunctionName="f", Timeout=9)
    assert conflict(hasty_aws.update_function_configuration, FunctionName="f", Timeout=10) == (
        "ResourceConflictException",
        f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}",
    )


def test_an_update_that_changes_nothing_is_an_update_too(hasty_aws, create, zipped):
    create()
    before = hasty_aws.get_function(FunctionName="f")["Configuration"]["RevisionId"]
    answer = hasty_aws.update_function_code(FunctionName="f", ZipFile=zipped("one"))
    assert (answer["LastUpdateStatus"], answer["RevisionId"] != before) == ("InProgress", True)


def test_a_published_version_is_pending_in_its_answer_and_can_be_waited_for(hasty_aws, create):
    create()
    hasty_aws.get_function(FunctionName="f")
    assert hasty_aws.publish_version(FunctionName="f")["State"] == "Pending"
    hasty_aws.get_waiter("published_version_active").wait(FunctionName="f", Qualifier="1")


def test_lists_have_no_states(hasty_aws, create):
    create()
    listed = [
        *hasty_aws.list_functions()["Functions"],
        *hasty_aws.list_versions_by_function(FunctionName="f")["Versions"],
    ]
    assert {f.get("State") for f in listed} | {f.get("LastUpdateStatus") for f in listed} == {None}


def test_of_updates_at_once_one_is_taken_and_the_others_are_refused(hasty_aws, create):
    create()
    hasty_aws.get_function(FunctionName="f")

    def update(seconds):
        try:
            return hasty_aws.update_function_configuration(FunctionName="f", Timeout=seconds)["Timeout"]
        except hasty_aws.exceptions.ResourceConflictException:
            return None

    with ThreadPoolExecutor(8) as pool:
        taken = [seconds for seconds in pool.map(update, range(10, 18)) if seconds is not None]
    assert taken == [hasty_aws.get_function_configuration(FunctionName="f")["Timeout"]]

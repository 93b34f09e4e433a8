"""Settings of asynchronous invocation, by an unmodified boto3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.process

HERE = "arn:aws:{}:us-east-1:123456789012:{}"
QUEUE, TOPIC = HERE.format("sqs", "q"), HERE.format("sns", "t")


def settings(answer):
    return {k: v for k, v in answer.items() if k not in ("ResponseMetadata", "LastModified", "FunctionArn")}


def destinations(success=None, failure=None):
    return {
        "OnSuccess": {"Destination": success} if success is not None else {},
        "OnFailure": {"Destination": failure} if failure is not None else {},
    }


def test_what_nobody_set_is_absent(aws, arn):
    answer = aws.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0)
    assert settings(answer) == {"MaximumRetryAttempts": 0, "DestinationConfig": destinations()}
    assert answer["FunctionArn"] == f"{arn}:$LATEST"
    assert abs(datetime.now(UTC) - answer["LastModified"]) < timedelta(minutes=1)
    assert settings(aws.get_function_event_invoke_config(FunctionName="f")) == settings(answer)


def test_put_replaces_all_and_update_only_what_it_names(aws, arn):
    put, update = aws.put_function_event_invoke_config, aws.update_function_event_invoke_config
    put(FunctionName="f", MaximumEventAgeInSeconds=60, DestinationConfig=destinations(QUEUE, TOPIC))
    after_update = settings(update(FunctionName="f", MaximumRetryAttempts=1))
    assert after_update == {
        "MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60, "DestinationConfig": destinations(QUEUE, TOPIC),
    }  # fmt: skip
    after_put = settings(put(FunctionName="f", MaximumRetryAttempts=2))
    assert after_put == {"MaximumRetryAttempts": 2, "DestinationConfig": destinations()}


def test_an_empty_destination_takes_it_away(aws, arn):
    aws.put_function_event_invoke_config(FunctionName="f", DestinationConfig=destinations(failure=QUEUE))
    answer = aws.update_function_event_invoke_config(FunctionName="f", DestinationConfig=destinations(failure=""))
    assert answer["DestinationConfig"] == destinations()


def test_a_request_without_any_setting_is_refused(aws, arn, refused):
    for call in (aws.put_function_event_invoke_config, aws.update_function_event_invoke_config):
        assert refused(call, FunctionName="f") == (
            "InvalidParameterValueException", 400,
            "You must specify at least one of error handling or destination setting.",
        )  # fmt: skip


def test_settings_that_were_never_made_are_not_found(aws, arn, refused):
    missing = ("ResourceNotFoundException", 404, f"The function {arn}:$LATEST doesn't have an EventInvokeConfig")
    assert refused(aws.get_function_event_invoke_config, FunctionName="f") == missing
    assert refused(aws.delete_function_event_invoke_config, FunctionName="f") == missing
    assert refused(aws.update_function_event_invoke_config, FunctionName="f", MaximumRetryAttempts=1) == missing


def test_an_unknown_function_takes_no_settings(aws, refused):
    unknown = ("ResourceNotFoundException", 404, "The function doesn't exist.")
    assert refused(aws.put_function_event_invoke_config, FunctionName="g", MaximumRetryAttempts=1) == unknown
    assert refused(aws.list_function_event_invoke_configs, FunctionName="g") == unknown


def test_deleted_settings_are_gone(aws, arn, refused):
    aws.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1)
    listed = aws.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"]
    assert [c["FunctionArn"] for c in listed] == [f"{arn}:$LATEST"]
    assert aws.delete_function_event_invoke_config(FunctionName="f")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(aws.get_function_event_invoke_config, FunctionName="f")[0] == "ResourceNotFoundException"
    assert aws.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"] == []


@pytest.mark.parametrize(
    "config",
    [
        destinations(success=QUEUE, failure="arn:aws:dynamodb:us-east-1:123456789012:table/t"),
        destinations(success="arn:aws:s3:::successes-are-not-kept-there"),
        destinations(failure="kafka://topic"),
    ],
)
def test_a_destination_of_another_kind_is_refused_and_nothing_changes(aws, arn, refused, config):
    code, _, message = refused(aws.put_function_event_invoke_config, FunctionName="f", DestinationConfig=config)
    assert code == "InvalidParameterValueException"
    assert message.startswith("The provided destination config DestinationConfig(onSuccess=")
    assert refused(aws.get_function_event_invoke_config, FunctionName="f")[1] == 404


def test_failures_may_go_to_a_bucket(aws, arn):
    config = destinations(failure="arn:aws:s3:::failures")
    assert (
        aws.put_function_event_invoke_config(FunctionName="f", DestinationConfig=config)["DestinationConfig"] == config
    )


def test_a_function_is_a_destination_if_it_is_there_and_another_one(aws, arn, create, refused):
    put = aws.put_function_event_invoke_config
    other = create("g")["FunctionArn"]
    assert put(FunctionName="f", DestinationConfig=destinations(other))["DestinationConfig"] == destinations(other)
    missing = HERE.format("lambda", "function:h")
    assert refused(put, FunctionName="f", DestinationConfig=destinations(missing))[2] == (
        f"The destination ARN {missing} is invalid."
    )
    assert refused(put, FunctionName="f", DestinationConfig=destinations(arn))[2] == (
        "You can't specify the function as a destination for itself."
    )


@pytest.mark.parametrize("setting", [{"MaximumRetryAttempts": 3}, {"MaximumEventAgeInSeconds": 21_601}])
def test_a_value_out_of_range_is_refused(aws, arn, refused, setting):
    assert refused(aws.put_function_event_invoke_config, FunctionName="f", **setting)[0] == "ValidationException"


def test_settings_survive_an_update_and_end_with_the_function(aws, arn, create, refused):
    aws.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1)
    aws.update_function_configuration(FunctionName="f", Timeout=9)
    assert aws.get_function_event_invoke_config(FunctionName="f")["MaximumRetryAttempts"] == 1
    aws.delete_function(FunctionName="f")
    create()
    assert refused(aws.get_function_event_invoke_config, FunctionName="f")[1] == 404

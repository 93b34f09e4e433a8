"""Event source mappings, by an unmodified boto3."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from labkit.emulator.operations.mappings import state
from labkit.emulator.registry import EventSourceMapping

HERE = "arn:aws:{}:us-east-1:123456789012:{}"
QUEUE = HERE.format("sqs", "q")
FIFO = HERE.format("sqs", "q.fifo")
STREAM = HERE.format("kinesis", "stream/s")
TABLE = HERE.format("dynamodb", "table/t/stream/2026-01-01T00:00:00.000")
NOT_FOUND = ("ResourceNotFoundException", 404, "The resource you requested does not exist.")
WINDOW_NEEDED = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"


@pytest.fixture
def create_mapping(aws, arn, source_of):
    def create_mapping(source=QUEUE, function="f", **more):
        source_of(source)
        return aws.create_event_source_mapping(EventSourceArn=source, FunctionName=function, **more)

    return create_mapping


@pytest.mark.parametrize(
    ("enabled", "polled", "expected"),
    [(True, True, "Enabled"), (True, False, "Enabling"), (False, True, "Disabling"), (False, False, "Disabled")],
)
def test_a_mapping_is_enabled_only_while_something_polls(enabled, polled, expected):
    mapping = EventSourceMapping("id", QUEUE, "arn", 10, 0, 0)
    assert state(msgspec.structs.replace(mapping, enabled=enabled, polled=polled)) == expected


@pytest.mark.process
def test_a_queues_mapping_has_awss_defaults(aws, arn, create_mapping):
    answer = create_mapping()
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["State"]) == (202, "Creating")
    mapping = aws.get_event_source_mapping(UUID=answer["UUID"])
    wanted = {
        "EventSourceArn": QUEUE,
        "FunctionArn": arn,
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "EventSourceMappingArn": HERE.format("lambda", f"event-source-mapping:{answer['UUID']}"),
    }
    assert {name: mapping.get(name) for name in wanted} == wanted
    assert not {"StartingPosition", "MaximumRetryAttempts", "FilterCriteria", "ScalingConfig"} & mapping.keys()


@pytest.mark.process
def test_a_streams_mapping_has_awss_defaults(aws, create_mapping):
    mapping = aws.get_event_source_mapping(UUID=create_mapping(STREAM, StartingPosition="LATEST")["UUID"])
    wanted = {
        "BatchSize": 100,
        "StartingPosition": "LATEST",
        "ParallelizationFactor": 1,
        "BisectBatchOnFunctionError": False,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": -1,
        "TumblingWindowInSeconds": 0,
        "DestinationConfig": {"OnFailure": {}},
        "LastProcessingResult": "No records processed",
    }
    assert {name: mapping.get(name) for name in wanted} == wanted


@pytest.mark.process
def test_a_mapping_is_enabled_disabled_and_enabled_again(aws, create_mapping, wait_until):
    mapping_id = create_mapping()["UUID"]

    def says(state):
        return lambda: aws.get_event_source_mapping(UUID=mapping_id)["State"] == state

    wait_until(says("Enabled"))
    assert aws.update_event_source_mapping(UUID=mapping_id, Enabled=False)["State"] == "Disabling"
    wait_until(says("Disabled"))
    assert aws.get_event_source_mapping(UUID=mapping_id)["StateTransitionReason"] == "USER_INITIATED"
    assert aws.update_event_source_mapping(UUID=mapping_id, Enabled=True)["State"] == "Enabling"
    wait_until(says("Enabled"))


@pytest.mark.process
@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        (
            HERE.format("sqs", "nowhere"),
            {},
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
            "SQS Error Message: The specified queue does not exist.",
        ),
        (
            "arn:aws:sqs:us-east-1:210987654321:q",
            {},
            "The provided execution role does not have permissions to call ReceiveMessage on SQS",
        ),
        (HERE.format("kinesis", "stream/nowhere"), {"StartingPosition": "LATEST"}, "Stream not found: "),
        (TABLE, {"StartingPosition": "LATEST"}, f"Stream not found: {TABLE}"),
    ],
)
def test_a_source_must_be_there(aws, arn, refused, source, settings, message):
    code, status, said = refused(aws.create_event_source_mapping, EventSourceArn=source, FunctionName="f", **settings)
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert message in said
    assert aws.list_event_source_mappings()["EventSourceMappings"] == []


@pytest.mark.process
def test_a_function_may_not_run_longer_than_its_messages_are_hidden(aws, create, lab, refused):
    create("slow", Timeout=60)
    lab.boto3("sqs").create_queue(QueueName="q")
    said = refused(aws.create_event_source_mapping, EventSourceArn=QUEUE, FunctionName="slow")[2]
    assert said == "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds"


@pytest.mark.process
def test_settings_are_kept_changed_and_taken_away(aws, create_mapping):
    pattern = '{"body": {"kind": ["order"]}}'
    answer = create_mapping(
        BatchSize=500, MaximumBatchingWindowInSeconds=5, FunctionResponseTypes=["ReportBatchItemFailures"],
        FilterCriteria={"Filters": [{"Pattern": pattern}]}, ScalingConfig={"MaximumConcurrency": 7},
    )  # fmt: skip
    assert (answer["BatchSize"], answer["FunctionResponseTypes"]) == (500, ["ReportBatchItemFailures"])
    assert answer["FilterCriteria"] == {"Filters": [{"Pattern": pattern}]}
    assert answer["ScalingConfig"] == {"MaximumConcurrency": 7}
    changed = aws.update_event_source_mapping(
        UUID=answer["UUID"], BatchSize=20, FilterCriteria={}, ScalingConfig={}, FunctionResponseTypes=[]
    )
    assert (changed["State"], changed["BatchSize"], changed["MaximumBatchingWindowInSeconds"]) == ("Updating", 20, 5)
    assert changed["FunctionResponseTypes"] == []
    assert not {"FilterCriteria", "ScalingConfig"} & changed.keys()


@pytest.mark.process
def test_a_streams_settings_come_back(create_mapping):
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    given = {
        "StartingPosition": "AT_TIMESTAMP",
        "StartingPositionTimestamp": at,
        "ParallelizationFactor": 3,
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 4,
        "MaximumRecordAgeInSeconds": 60,
        "DestinationConfig": {"OnFailure": {"Destination": QUEUE}},
    }
    answer = create_mapping(STREAM, **given)
    assert {name: answer[name] for name in given} == given


@pytest.mark.process
def test_a_big_batch_of_a_queue_needs_a_window(aws, create_mapping, refused):
    assert refused(create_mapping, BatchSize=11) == ("InvalidParameterValueException", 400, WINDOW_NEEDED)
    mapping = create_mapping(BatchSize=11, MaximumBatchingWindowInSeconds=1)
    update = aws.update_event_source_mapping
    assert refused(update, UUID=mapping["UUID"], MaximumBatchingWindowInSeconds=0)[2] == WINDOW_NEEDED
    assert aws.get_event_source_mapping(UUID=mapping["UUID"])["MaximumBatchingWindowInSeconds"] == 1


@pytest.mark.process
@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        (QUEUE, {"StartingPosition": "LATEST"}, "StartingPosition is not valid for SQS event sources."),
        (QUEUE, {"ParallelizationFactor": 2}, "ParallelizationFactor is not valid for SQS event sources."),
        (FIFO, {"MaximumBatchingWindowInSeconds": 1}, "Batching window is not supported for FIFO queues"),
        (FIFO, {"BatchSize": 11}, "Batch size of a FIFO queue must be 10 or less."),
        (TABLE, {"StartingPosition": "AT_TIMESTAMP"}, f"Unsupported starting position for arn type: {TABLE}"),
        (STREAM, {}, "Value null at 'startingPosition'"),
        (STREAM, {"StartingPosition": "AT_TIMESTAMP"}, "Value null at 'startingPositionTimestamp'"),
        (STREAM, {"StartingPosition": "LATEST", "ScalingConfig": {"MaximumConcurrency": 2}}, "ScalingConfig"),
        (STREAM, {"StartingPosition": "LATEST", "MaximumRecordAgeInSeconds": 59}, "MaximumRecordAgeInSeconds"),
        (
            STREAM,
            {"StartingPosition": "LATEST", "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}}},
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ),
        (
            STREAM,
            {"StartingPosition": "LATEST", "DestinationConfig": {"OnFailure": {"Destination": STREAM}}},
            "The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(",
        ),
        (QUEUE, {"FilterCriteria": {"Filters": [{"Pattern": "{oops"}]}}, "Invalid filter pattern definition."),
        (QUEUE, {"FilterCriteria": {"Filters": [{"Pattern": "[1]"}]}}, "Invalid filter pattern definition."),
        (QUEUE, {"FilterCriteria": {"Filters": [{"Pattern": '{"body": "a"}'}]}}, "Invalid filter pattern definition."),
        (STREAM, {"StartingPosition": "LATEST", "TumblingWindowInSeconds": 9}, "tumbling windows"),
        (QUEUE, {"KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k"}, "KMSKeyArn"),
        (HERE.format("kafka", "cluster/c/1"), {"StartingPosition": "LATEST"}, "Unrecognized event source."),
    ],
)
def test_a_setting_that_does_not_fit_its_source_is_refused(aws, create_mapping, refused, source, settings, message):
    code, status, said = refused(create_mapping, source=source, **settings)
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert message in said
    assert aws.list_event_source_mappings()["EventSourceMappings"] == []


@pytest.mark.process
def test_a_mapping_without_a_source_is_refused(aws, arn, refused):
    assert refused(aws.create_event_source_mapping, FunctionName="f")[2] == "Unrecognized event source."


@pytest.mark.process
def test_a_mapping_needs_its_function(aws, create_mapping, refused):
    missing = ("InvalidParameterValueException", 400, "Function does not exist")
    assert refused(create_mapping, function="nobody") == missing
    update = aws.update_event_source_mapping
    assert refused(update, UUID=create_mapping()["UUID"], FunctionName="nobody") == missing


@pytest.mark.process
def test_a_second_mapping_of_the_same_ends_is_refused_in_the_sources_own_words(create_mapping, refused):
    queue, stream = create_mapping(), create_mapping(STREAM, StartingPosition="LATEST")
    assert refused(create_mapping) == (
        "ResourceConflictException", 409,
        f'An event source mapping with SQS arn (" {QUEUE} ") and function (" f ") already exists. '
        f"Please update or delete the existing mapping with UUID {queue['UUID']}",
    )  # fmt: skip
    assert refused(create_mapping, source=STREAM, StartingPosition="LATEST") == (
        "ResourceConflictException", 409,
        f'The event source arn (" {STREAM} ") and function (" f ") provided mapping already exists. '
        f"Please update or delete the existing mapping with UUID {stream['UUID']}",
    )  # fmt: skip


@pytest.mark.process
def test_a_mapping_moves_to_another_function_but_not_onto_its_mapping(aws, create, create_mapping, refused):
    other = create("g")["FunctionArn"]
    mapping = create_mapping()
    update = aws.update_event_source_mapping
    assert update(UUID=mapping["UUID"], FunctionName="g")["FunctionArn"] == other
    assert update(UUID=mapping["UUID"], FunctionName="g", BatchSize=3)["BatchSize"] == 3
    again = create_mapping()
    assert refused(update, UUID=again["UUID"], FunctionName="g")[0] == "ResourceConflictException"


@pytest.mark.process
def test_mappings_are_listed_by_source_and_by_function_in_pages(aws, create, create_mapping):
    create("g")
    for name in ("f", "g"):
        for number in range(3):
            create_mapping(f"{QUEUE}{number}", name)

    def listed(**parameters):
        pages = aws.get_paginator("list_event_source_mappings").paginate(PaginationConfig={"PageSize": 2}, **parameters)
        return [(m["FunctionArn"][-1], m["EventSourceArn"][-1]) for p in pages for m in p["EventSourceMappings"]]

    assert listed() == [(f, n) for f in "fg" for n in "012"]
    assert listed(FunctionName="g") == [("g", n) for n in "012"]
    assert listed(EventSourceArn=f"{QUEUE}1") == [("f", "1"), ("g", "1")]
    assert listed(EventSourceArn=f"{QUEUE}1", FunctionName="f") == [("f", "1")]


@pytest.mark.process
def test_a_deleted_mapping_is_gone(aws, create_mapping, refused):
    mapping = create_mapping()
    answer = aws.delete_event_source_mapping(UUID=mapping["UUID"])
    assert (answer["State"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("Deleting", 202)
    for call in (
        aws.get_event_source_mapping, aws.delete_event_source_mapping, aws.update_event_source_mapping,
    ):  # fmt: skip
        assert refused(call, UUID=mapping["UUID"]) == NOT_FOUND


@pytest.mark.process
def test_a_mapping_outlives_its_function_as_it_does_at_aws(aws, create_mapping):
    mapping = create_mapping()
    aws.delete_function(FunctionName="f")
    assert aws.get_event_source_mapping(UUID=mapping["UUID"])["EventSourceArn"] == QUEUE

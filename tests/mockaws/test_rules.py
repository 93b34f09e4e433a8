"""EventBridge: which rules send, and what their targets get."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import boto3
import pytest

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
RULE = "arn:aws:events:us-east-1:123456789012:rule/r"


@pytest.fixture
def events(moto_here):
    client = boto3.client("events")
    client.put_rule(Name="r", EventPattern='{"source": ["shop"]}')
    return client


def put(events, detail=None, **more):
    entry = {"Source": "shop", "DetailType": "order", "Detail": json.dumps(detail or {"x": 1}), **more}
    (answer,) = events.put_events(Entries=[entry])["Entries"]
    return answer["EventId"]


def payloads(kept):
    return [json.loads(delivery.payload) for delivery in kept.deliveries]


def test_a_function_gets_the_event_in_awss_envelope(events, moto_here):
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": ARN}])
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    event_id = put(events, Time=at, Resources=["arn:aws:shop:::1"])
    (delivery,) = moto_here.deliveries
    assert (delivery.function_arn, delivery.principal, delivery.source_arn) == (ARN, "events.amazonaws.com", RULE)
    assert payloads(moto_here) == [
        {
            "version": "0",
            "id": event_id,
            "detail-type": "order",
            "source": "shop",
            "account": "123456789012",
            "time": "2026-01-02T03:04:05Z",
            "region": "us-east-1",
            "resources": ["arn:aws:shop:::1"],
            "detail": {"x": 1},
        }
    ]


def test_a_target_says_what_it_wants(events, moto_here):
    template = {"InputPathsMap": {"x": "$.detail.x"}, "InputTemplate": '{"x": <x>, "rule": "<aws.events.rule-name>"}'}
    targets = [
        {"Id": "1", "Arn": ARN, "Input": '{"constant": true}'},
        {"Id": "2", "Arn": ARN, "InputPath": "$.detail"},
        {"Id": "3", "Arn": ARN, "InputTransformer": template},
    ]
    events.put_targets(Rule="r", Targets=targets)
    put(events)
    assert payloads(moto_here) == [{"constant": True}, {"x": 1}, {"x": 1, "rule": "r"}]


def test_a_queue_and_a_topic_get_their_input_too(events, moto_here):
    sqs, sns = boto3.client("sqs"), boto3.client("sns")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN)
    queue = "arn:aws:sqs:us-east-1:123456789012:q"
    targets = [{"Id": "1", "Arn": queue, "InputPath": "$.detail"}, {"Id": "2", "Arn": topic, "Input": '"hello"'}]
    events.put_targets(Rule="r", Targets=targets)
    put(events)
    assert json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]) == {"x": 1}
    assert payloads(moto_here)[0]["Records"][0]["Sns"]["Message"] == '"hello"'


def test_a_rule_that_is_disabled_or_only_a_schedule_sends_nothing(events, moto_here):
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": ARN}])
    events.disable_rule(Name="r")
    events.put_rule(Name="s", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="s", Targets=[{"Id": "1", "Arn": ARN}])
    put(events)
    assert moto_here.deliveries == []
    events.enable_rule(Name="r")
    put(events)
    assert [delivery.source_arn for delivery in moto_here.deliveries] == [RULE]


def test_a_target_that_fails_is_a_line_and_the_others_get_the_event(events, moto_here, capsys):
    gone = "arn:aws:sqs:us-east-1:123456789012:none"
    targets = [
        {"Id": "1", "Arn": gone},
        {"Id": "2", "Arn": ARN, "InputPath": "$.detail.none"},
        {"Id": "3", "Arn": "arn:aws:batch:us-east-1:123456789012:job-queue/q"},
        {"Id": "4", "Arn": ARN},
    ]
    events.put_targets(Rule="r", Targets=targets)
    assert put(events)
    assert len(moto_here.deliveries) == 1
    said = capsys.readouterr().err
    assert f"not delivered to {gone} by {RULE}" in said
    assert "its InputPath $.detail.none is not in the event" in said
    assert "not delivered to arn:aws:batch" in said


def test_a_log_group_is_still_motos_own_target(events, moto_here):
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="/events")
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/events"
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": group}])
    put(events)
    (found,) = logs.filter_log_events(logGroupName="/events")["events"]
    assert json.loads(found["message"])["detail"] == {"x": 1}


def test_that_a_bucket_was_created_is_told_as_cloudtrail_does(events, moto_here):
    pattern = {"source": ["aws.s3"], "detail": {"eventName": ["CreateBucket"]}}
    events.put_rule(Name="trail", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="trail", Targets=[{"Id": "1", "Arn": ARN}])
    boto3.client("s3").create_bucket(Bucket="photos")
    (told,) = payloads(moto_here)
    assert told["detail-type"] == "AWS API Call via CloudTrail"
    assert told["detail"]["requestParameters"] == {"bucketName": "photos"}


def test_an_archive_is_still_motos_own_and_a_replay_says_its_name(events, moto_here):
    bus = events.describe_event_bus(Name="default")["Arn"]
    archive = events.create_archive(ArchiveName="a", EventSourceArn=bus)["ArchiveArn"]
    put(events)
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": ARN}])
    span = {"EventStartTime": datetime(2020, 1, 1, tzinfo=UTC), "EventEndTime": datetime(2090, 1, 1, tzinfo=UTC)}
    events.start_replay(ReplayName="again", EventSourceArn=archive, Destination={"Arn": bus}, **span)
    (told,) = payloads(moto_here)
    assert (told["replay-name"], told["detail"]) == ("again", {"x": 1})

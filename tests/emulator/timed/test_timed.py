"""Rules and schedules in a running lab, made with unmodified boto3; time passes by `advance` only."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError

from labkit import Lab

pytestmark = pytest.mark.process
SOURCE = "import json\ndef handler(event, context):\n    print('GOT', json.dumps(event))\n    return event"
FAILING = "def handler(event, context):\n    raise RuntimeError('no')"
ROLE = "arn:aws:iam::123456789012:role/scheduler"
OFF = {"Mode": "OFF"}


@pytest.fixture(scope="module")
def timed_lab():
    with Lab(notice=lambda message: None) as lab:
        yield lab


@pytest.fixture
def lab(timed_lab):
    """A lab without functions, rules and schedules."""
    yield timed_lab
    events, scheduler = timed_lab.boto3("events"), timed_lab.boto3("scheduler")
    for rule in events.list_rules()["Rules"]:
        targets = [target["Id"] for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]]
        if targets:
            events.remove_targets(Rule=rule["Name"], Ids=targets)
        events.delete_rule(Name=rule["Name"])
    for schedule in scheduler.list_schedules()["Schedules"]:
        scheduler.delete_schedule(Name=schedule["Name"], GroupName=schedule["GroupName"])
    for name in timed_lab.names():
        timed_lab.delete(name)


def arn_of(lab, name):
    return lab.boto3("lambda").get_function(FunctionName=name)["Configuration"]["FunctionArn"]


def permitted(lab, name, rule_arn):
    lab.boto3("lambda").add_permission(
        FunctionName=name,
        StatementId="by-rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule_arn,
    )


def got(lab, name):
    """The events that the function has seen, in order."""
    lines = [line for _, text in lab.logs(name) for line in text.splitlines()]
    return [json.loads(line.removeprefix("GOT ")) for line in lines if line.startswith("GOT ")]


def queue(lab, name):
    sqs = lab.boto3("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:us-east-1:123456789012:{name}"


def received(lab, url):
    sqs, found = lab.boto3("sqs"), []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
    ).get("Messages"):
        found += messages
    return found


def scheduled(lab, name, target, expression="rate(5 minutes)", **more):
    lab.boto3("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow=more.pop("FlexibleTimeWindow", OFF),
        Target={"RoleArn": ROLE, **target},
        **more,
    )


def soon(lab, minutes):
    """A moment that the lab's clock will reach, for at() and the like."""
    return lab.advance(0).astimezone(UTC) + timedelta(minutes=minutes)


def test_a_rule_fires_twelve_times_in_an_hour(lab):
    lab.deploy("tick", SOURCE)
    events = lab.boto3("events")
    rule = events.put_rule(Name="every", ScheduleExpression="rate(5 minutes)")["RuleArn"]
    permitted(lab, "tick", rule)
    events.put_targets(Rule="every", Targets=[{"Id": "1", "Arn": arn_of(lab, "tick")}])
    lab.advance("1h")
    seen = got(lab, "tick")
    times = [datetime.fromisoformat(event["time"]) for event in seen]
    assert len(seen) == 12
    assert [b - a for a, b in pairwise(times)] == [timedelta(minutes=5)] * 11
    assert seen[0]["detail-type"] == "Scheduled Event"
    assert seen[0]["resources"] == [rule]


def test_a_rules_targets_each_get_what_they_want_of_the_event(lab):
    lab.deploy("tick", SOURCE)
    events, (url, queue_arn) = lab.boto3("events"), queue(lab, "of-rules")
    topic = lab.boto3("sns").create_topic(Name="t")["TopicArn"]
    topic_url, topic_queue = queue(lab, "of-topic")
    lab.boto3("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=topic_queue)
    rule = events.put_rule(Name="cron", ScheduleExpression="cron(0 12 * * ? *)")["RuleArn"]
    permitted(lab, "tick", rule)
    function = arn_of(lab, "tick")
    template = {"InputPathsMap": {"at": "$.time"}, "InputTemplate": '{"text": "noon is <at>"}'}
    events.put_targets(
        Rule="cron",
        Targets=[
            {"Id": "1", "Arn": function, "Input": '{"constant": true}'},
            {"Id": "2", "Arn": function, "InputPath": "$.resources"},
            {"Id": "3", "Arn": function, "InputTransformer": template},
            {"Id": "4", "Arn": queue_arn},
            {"Id": "5", "Arn": topic, "Input": '"hello"'},
        ],
    )
    now = lab.advance("24h")
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    noon -= timedelta(days=1) if noon > now else timedelta(0)
    text = f"noon is {noon:%Y-%m-%dT%H:%M:%SZ}"
    assert sorted(map(str, got(lab, "tick"))) == sorted(map(str, [{"constant": True}, [rule], {"text": text}]))
    [message] = received(lab, url)
    assert json.loads(message["Body"])["time"] == f"{noon:%Y-%m-%dT%H:%M:%SZ}"
    [published] = received(lab, topic_url)
    assert json.loads(published["Body"])["Message"] == '"hello"'


def test_a_function_that_lets_no_rule_in_is_not_run_and_the_letter_says_why(lab):
    lab.deploy("tick", SOURCE)
    events, (url, queue_arn) = lab.boto3("events"), queue(lab, "letters")
    events.put_rule(Name="every", ScheduleExpression="rate(1 hour)")
    permitted(lab, "tick", "arn:aws:events:us-east-1:123456789012:rule/other")
    target = {"Id": "1", "Arn": arn_of(lab, "tick"), "DeadLetterConfig": {"Arn": queue_arn}}
    events.put_targets(Rule="every", Targets=[target])
    lab.advance("1h")
    assert got(lab, "tick") == []
    [letter] = received(lab, url)
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


def test_disabled_deleted_and_renewed_rules(lab):
    lab.deploy("tick", SOURCE)
    events = lab.boto3("events")
    rule = events.put_rule(Name="every", ScheduleExpression="rate(5 minutes)")["RuleArn"]
    permitted(lab, "tick", rule)
    events.put_targets(Rule="every", Targets=[{"Id": "1", "Arn": arn_of(lab, "tick")}])
    lab.advance("5m")
    assert len(got(lab, "tick")) == 1
    events.disable_rule(Name="every")
    lab.advance("20m")
    assert len(got(lab, "tick")) == 1
    events.enable_rule(Name="every")
    lab.advance("5m")
    assert len(got(lab, "tick")) == 2
    events.remove_targets(Rule="every", Ids=["1"])
    events.delete_rule(Name="every")
    lab.advance("1h")
    assert len(got(lab, "tick")) == 2


def test_an_event_that_the_function_fails_is_retried_as_any_asynchronous_one(lab):
    lab.deploy("fails", FAILING)
    scheduled(lab, "once", {"Arn": arn_of(lab, "fails")}, f"at({soon(lab, 10):%Y-%m-%dT%H:%M:%S})")
    lab.advance("30m")
    assert "".join(text for _, text in lab.logs("fails")).count("START RequestId") == 3


@pytest.mark.parametrize("expression", ["rate(1 minutes)", "rate(5)", "cron(0 1 * * * *)", "at(2030-01-01T00:00:00)"])
def test_a_rule_with_a_bad_expression_is_refused_in_awss_words(lab, expression):
    with pytest.raises(ClientError) as refused:
        lab.boto3("events").put_rule(Name="r", ScheduleExpression=expression)
    assert refused.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "Parameter ScheduleExpression is not valid.",
    }


def test_a_schedules_input_is_filled_in_and_goes_to_its_function(lab):
    lab.deploy("tick", SOURCE)
    given = {"arn": "<aws.scheduler.schedule-arn>", "at": "<aws.scheduler.scheduled-time>"}
    when = soon(lab, 10)
    target = {"Arn": arn_of(lab, "tick"), "Input": json.dumps(given)}
    scheduled(lab, "once", target, f"at({when:%Y-%m-%dT%H:%M:%S})", ActionAfterCompletion="DELETE")
    lab.advance("9m")
    assert got(lab, "tick") == []
    lab.advance("2h")
    arn = "arn:aws:scheduler:us-east-1:123456789012:schedule/default/once"
    assert got(lab, "tick") == [{"arn": arn, "at": f"{when:%Y-%m-%dT%H:%M:%SZ}"}]
    assert lab.boto3("scheduler").list_schedules()["Schedules"] == []


def test_a_schedule_lasts_from_its_start_to_its_end_in_its_time_zone(lab):
    lab.deploy("tick", SOURCE)
    starts = soon(lab, 24 * 60)
    scheduled(
        lab,
        "daily",
        {"Arn": arn_of(lab, "tick")},
        "cron(0 9 * * ? *)",
        ScheduleExpressionTimezone="Asia/Tokyo",
        StartDate=starts,
        EndDate=starts + timedelta(days=3),
    )
    lab.advance(7 * 86_400)
    seen = [event["time"] for event in got(lab, "tick")]
    assert len(seen) == 3
    assert all(time.endswith("T00:00:00Z") for time in seen)
    assert datetime.fromisoformat(seen[0]) >= starts.replace(microsecond=0)


def test_a_schedules_rate_fires_at_once_and_a_window_only_delays(lab):
    lab.deploy("tick", SOURCE)
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}
    scheduled(lab, "often", {"Arn": arn_of(lab, "tick")}, FlexibleTimeWindow=window)
    lab.advance("1h")
    lab.boto3("scheduler").delete_schedule(Name="often")
    lab.advance("1h")
    assert len(got(lab, "tick")) == 13


def test_universal_targets_call_any_operation(lab):
    lab.deploy("tick", SOURCE)
    url, _ = queue(lab, "universal")
    message = {"QueueUrl": url, "MessageBody": "at <aws.scheduler.scheduled-time>"}
    call = {"FunctionName": "tick", "InvocationType": "Event", "Payload": json.dumps({"by": "the SDK"})}
    when = soon(lab, 10)
    once = f"at({when:%Y-%m-%dT%H:%M:%S})"
    sdk = "arn:aws:scheduler:::aws-sdk"
    scheduled(lab, "sends", {"Arn": f"{sdk}:sqs:sendMessage", "Input": json.dumps(message)}, once)
    scheduled(lab, "runs", {"Arn": f"{sdk}:lambda:invoke", "Input": json.dumps(call)}, once)
    scheduled(lab, "errs", {"Arn": f"{sdk}:sqs:noSuchThing", "Input": "{}"}, once)
    lab.advance("20m")
    assert [m["Body"] for m in received(lab, url)] == [f"at {when:%Y-%m-%dT%H:%M:%SZ}"]
    assert got(lab, "tick") == [{"by": "the SDK"}]


def test_a_schedule_for_a_missing_queue_ends_in_its_dead_letter_queue(lab):
    url, letters = queue(lab, "dead")
    target = {"Arn": "arn:aws:sqs:us-east-1:123456789012:none", "Input": "x", "DeadLetterConfig": {"Arn": letters}}
    scheduled(lab, "once", target, f"at({soon(lab, 10):%Y-%m-%dT%H:%M:%S})")
    lab.advance("20m")
    [letter] = received(lab, url)
    assert letter["Body"] == "x"
    assert "NonExistentQueue" in letter["MessageAttributes"]["ERROR_CODE"]["StringValue"]
    assert letter["MessageAttributes"]["RETRY_ATTEMPTS"]["StringValue"] == "0"


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"ScheduleExpression": "cron(0 1 * * * *)"}, "ValidationException", "Invalid Schedule Expression cron(0 1"),
        ({"ScheduleExpression": "at(2020-01-01T00:00:00)"}, "ValidationException", "Invalid Schedule Expression at("),
        ({"ScheduleExpressionTimezone": "Mars/Base"}, "ValidationException", "Mars/Base"),
        ({"ScheduleExpressionTimezone": "../etc"}, "ValidationException", "../etc"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "ValidationException", "MaximumWindowInMinutes"),
        ({"GroupName": "none"}, "ResourceNotFoundException", "none"),
    ],
)
def test_a_schedule_that_cannot_run_is_refused(lab, given, code, says):
    whole = {
        "Name": "s",
        "ScheduleExpression": "rate(5 minutes)",
        "FlexibleTimeWindow": OFF,
        "Target": {"Arn": "arn:aws:sqs:us-east-1:123456789012:q", "RoleArn": ROLE},
    }
    with pytest.raises(ClientError) as refused:
        lab.boto3("scheduler").create_schedule(**{**whole, **given})
    assert refused.value.response["Error"]["Code"] == code
    assert says in refused.value.response["Error"]["Message"]


def test_an_update_changes_when_and_what(lab):
    lab.deploy("tick", SOURCE)
    target = {"Arn": arn_of(lab, "tick"), "RoleArn": ROLE}
    scheduled(lab, "s", target, "rate(1 day)", State="DISABLED")
    whole = {"Name": "s", "FlexibleTimeWindow": OFF, "Target": {**target, "Input": '"new"'}}
    when = soon(lab, 10)
    lab.boto3("scheduler").update_schedule(
        **whole, ScheduleExpression=f"at({when:%Y-%m-%dT%H:%M:%S})", ActionAfterCompletion="DELETE"
    )
    lab.advance("20m")
    assert got(lab, "tick") == ["new"]
    assert lab.boto3("scheduler").list_schedules()["Schedules"] == []

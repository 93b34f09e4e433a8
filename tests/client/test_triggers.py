"""What is called to connect a function with a source: by a fake account, in boto3's words."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from labkit.client.triggers import Account, Wish, connect
from labkit.errors import BadTrigger

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


class FakeService:
    """Answers each operation with what the test says; an exception is raised."""

    def __init__(self, name, answers, asked):
        self._name, self._answers, self._asked = name, answers, asked

    def __getattr__(self, operation):
        def call(**params):
            self._asked.append((f"{self._name}.{operation}", params))
            answer = self._answers.get(f"{self._name}.{operation}", {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_waiter(self, name):
        return SimpleNamespace(wait=lambda **params: self._asked.append((f"{self._name}.{name}", params)))


def refused(code):
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Any")


NO_MAPPINGS = {"lambda.list_event_source_mappings": {"EventSourceMappings": []}}
QUEUE = "arn:aws:sqs:us-east-1:123456789012:orders"


def connected(source, answers=(), **options):
    """The trigger, and everything that was asked, by name."""
    asked = []
    account = Account(lambda service: FakeService(service, {**NO_MAPPINGS, **dict(answers)}, asked))
    trigger = connect(account, Wish("f", FUNCTION, 3, source, **options))
    return trigger, dict(asked)


def test_a_bucket_is_made_permitted_and_told():
    trigger, asked = connected("s3://photos/raw/", suffix=".png")
    assert trigger.source_arn == "arn:aws:s3:::photos"
    assert asked["lambda.add_permission"]["Principal"] == "s3.amazonaws.com"
    [told] = asked["s3.put_bucket_notification_configuration"]["NotificationConfiguration"][
        "LambdaFunctionConfigurations"
    ]
    assert told["LambdaFunctionArn"] == FUNCTION
    rules = {rule["Name"]: rule["Value"] for rule in told["Filter"]["Key"]["FilterRules"]}
    assert rules == {"prefix": "raw/", "suffix": ".png"}


def test_what_a_bucket_tells_others_already_stays():
    other = {"Id": "other", "LambdaFunctionArn": "arn:other", "Events": ["s3:ObjectRemoved:*"]}
    queue = {"QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"]}
    known = {"LambdaFunctionConfigurations": [other], "QueueConfigurations": [queue], "ResponseMetadata": {}}
    _, asked = connected("s3://photos", {"s3.get_bucket_notification_configuration": known})
    told = asked["s3.put_bucket_notification_configuration"]["NotificationConfiguration"]
    assert [each["LambdaFunctionArn"] for each in told["LambdaFunctionConfigurations"]] == ["arn:other", FUNCTION]
    assert told["QueueConfigurations"] == [queue]
    assert "ResponseMetadata" not in told


def test_what_is_there_already_is_no_error():
    answers = {
        "s3.create_bucket": refused("BucketAlreadyOwnedByYou"),
        "lambda.add_permission": refused("ResourceConflictException"),
    }
    trigger, _ = connected("s3://photos", answers)
    assert [call.partition("(")[0] for call in trigger.calls] == ["s3.put_bucket_notification_configuration"]


def test_a_queue_that_is_made_hides_a_message_six_times_as_long_as_the_function_may_run():
    answers = {
        "sqs.get_queue_url": refused("AWS.SimpleQueueService.NonExistentQueue"),
        "sqs.create_queue": {"QueueUrl": "u"},
        "sqs.get_queue_attributes": {"Attributes": {"QueueArn": QUEUE}},
    }
    trigger, asked = connected("sqs:orders", answers, batch_size=100, window_s=5)
    assert asked["sqs.create_queue"]["Attributes"]["VisibilityTimeout"] == "18"
    mapping = asked["lambda.create_event_source_mapping"]
    assert (mapping["EventSourceArn"], mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (
        QUEUE,
        100,
        5,
    )
    assert trigger.source_arn == QUEUE


def test_a_queue_that_is_mapped_already_gets_the_new_batches():
    answers = {
        "sqs.get_queue_url": {"QueueUrl": "u"},
        "sqs.get_queue_attributes": {"Attributes": {"QueueArn": QUEUE}},
        "lambda.list_event_source_mappings": {"EventSourceMappings": [{"UUID": "m"}]},
    }
    _, asked = connected("sqs:orders", answers, batch_size=5)
    assert asked["lambda.update_event_source_mapping"] == {"UUID": "m", "BatchSize": 5}
    assert "lambda.create_event_source_mapping" not in asked


def test_a_topic_has_the_function_subscribed():
    _, asked = connected("sns:news", {"sns.create_topic": {"TopicArn": "arn:topic"}})
    assert asked["sns.subscribe"] == {"TopicArn": "arn:topic", "Protocol": "lambda", "Endpoint": FUNCTION}
    assert asked["lambda.add_permission"]["SourceArn"] == "arn:topic"


def test_a_table_without_a_stream_gets_one():
    answers = {
        "dynamodb.describe_table": {"Table": {}},
        "dynamodb.update_table": {"TableDescription": {"LatestStreamArn": "arn:stream"}},
    }
    trigger, asked = connected("dynamodb:orders", answers)
    assert trigger.source_arn == "arn:stream"
    assert asked["lambda.create_event_source_mapping"]["StartingPosition"] == "TRIM_HORIZON"


def test_a_stream_is_waited_for():
    answers = {"kinesis.describe_stream_summary": {"StreamDescriptionSummary": {"StreamARN": "arn:stream"}}}
    trigger, asked = connected("kinesis:clicks", answers)
    assert trigger.source_arn == "arn:stream"
    assert list(asked).index("kinesis.stream_exists") < list(asked).index("kinesis.describe_stream_summary")


@pytest.mark.parametrize(
    ("source", "when"),
    [
        ("rate(5 minutes)", {"ScheduleExpression": "rate(5 minutes)"}),
        ("cron(0 8 * * ? *)", {"ScheduleExpression": "cron(0 8 * * ? *)"}),
        ('{"source": ["shop"]}', {"EventPattern": '{"source": ["shop"]}'}),
    ],
)
def test_a_schedule_and_a_pattern_are_rules(source, when):
    _, asked = connected(source, {"events.put_rule": {"RuleArn": "arn:rule"}})
    rule = asked["events.put_rule"]
    assert {name: rule[name] for name in when} == when
    assert asked["events.put_targets"]["Rule"] == rule["Name"]
    assert asked["lambda.add_permission"]["Principal"] == "events.amazonaws.com"


@pytest.mark.parametrize("source", ["", "photos", "s3:", "sqs:a/b", "rate()", "{not json", "ftp://x"])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(BadTrigger):
        connected(source)


def test_a_misspelt_kind_is_named():
    with pytest.raises(BadTrigger, match="Did you mean kinesis:clicks"):
        connected("kinesiss:clicks")


def test_the_calls_are_kept_in_boto3s_words():
    trigger, _ = connected("sns:news", {"sns.create_topic": {"TopicArn": "arn:topic"}})
    assert trigger.calls[0] == "sns.create_topic(Name='news')"
    assert len(trigger.calls) == 3

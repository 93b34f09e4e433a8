"""Connects a function with what shall call it: a bucket, a queue, a topic, a table, a stream, a schedule, a pattern.

Everything is done by plain calls of boto3, and kept in its words, so that a student sees what to write on AWS. What the
source needs and is not there is made (a bucket, a queue, the permission); what is there stays as it is. A table or a
stream that is made has what an exercise needs and no more: a key `id`, one shard.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.client.endpoint import ApiError
from labkit.errors import BadTrigger, nearest
from labkit.model import Trigger

NAMED = re.compile(r"(s3|sqs|sns|dynamodb|kinesis):(?://)?([^/\s]+)(?:/(\S*))?")
SCHEDULE = re.compile(r"(?:rate|cron)\(.+\)")
SHOWN = 400  # characters of a call


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be connected, and how."""

    function_name: str
    function_arn: str
    timeout_s: int
    source: str
    suffix: str = ""
    batch_size: int | None = None
    window_s: int | None = None

    @property
    def batching(self) -> dict[str, int]:
        given = {"BatchSize": self.batch_size, "MaximumBatchingWindowInSeconds": self.window_s}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def statement_id(self) -> str:
        """The same for the same source: connecting twice is no second permission."""
        return f"labkit-{hashlib.sha256(self.source.encode()).hexdigest()[:12]}"


@dataclass(slots=True)
class Account:
    """boto3's clients by service, and the calls that changed something."""

    boto3: Callable[[str], Any]
    calls: list[str] = field(default_factory=list)

    def change(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """Raises ApiError."""
        answer = self.ask(service, operation, **params)
        given = ", ".join(f"{name}={value!r}" for name, value in params.items())
        said = f"{service.replace('-', '_')}.{operation}({given})"
        self.calls.append(said if len(said) <= SHOWN else f"{said[: SHOWN - 3]}...")
        return answer

    def ask(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """Raises ApiError."""
        import botocore.exceptions as wrong  # a cold path

        try:
            answer: dict[str, Any] = getattr(self.boto3(service), operation)(**params)
        except wrong.ClientError as error:
            raise ApiError(error.response) from None
        return answer

    def unless(self, code: str, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """A change; an empty answer if this error says that it is not needed."""
        try:
            return self.change(service, operation, **params)
        except ApiError as error:
            if error.code != code:
                raise
            return {}

    def permit(self, wish: Wish, principal: str, source_arn: str) -> None:
        """Lets a service call the function for one of its resources."""
        self.unless(
            "ResourceConflictException", "lambda", "add_permission",
            FunctionName=wish.function_name, StatementId=wish.statement_id, Action="lambda:InvokeFunction",
            Principal=principal, SourceArn=source_arn,
        )  # fmt: skip

    def map_source(self, wish: Wish, source_arn: str, **more: Any) -> None:
        """An event source mapping: Lambda reads the source and calls the function with batches."""
        known = self.ask(
            "lambda", "list_event_source_mappings", FunctionName=wish.function_name, EventSourceArn=source_arn
        )["EventSourceMappings"]
        if known:
            if wish.batching:
                self.change("lambda", "update_event_source_mapping", UUID=known[0]["UUID"], **wish.batching)
            return
        self.change(
            "lambda", "create_event_source_mapping",
            FunctionName=wish.function_name, EventSourceArn=source_arn, **more, **wish.batching,
        )  # fmt: skip


def connect(account: Account, wish: Wish) -> Trigger:
    """Raises BadTrigger for a source that nobody knows, ApiError for what AWS refuses."""
    source = wish.source.strip()
    if source.startswith("{"):
        source_arn = _rule(account, wish, EventPattern=_pattern(source))
    elif SCHEDULE.fullmatch(source):
        source_arn = _rule(account, wish, ScheduleExpression=source)
    elif match := NAMED.fullmatch(source):
        kind, name, rest = match.groups(default="")
        if rest and kind != "s3":
            raise BadTrigger(f"{source}: only a bucket has a prefix.")
        source_arn = SOURCES[kind](account, wish, name, rest)
    else:
        raise _unknown(source)
    return Trigger(wish.function_name, source, source_arn, tuple(account.calls))


def _unknown(source: str) -> BadTrigger:
    kind = source.partition(":")[0]
    near = nearest(kind, SOURCES)
    hint = f"Did you mean {near}:{source.partition(':')[2]}?" if near and ":" in source else None
    return BadTrigger(f"{source or 'Nothing'} is no source that could call a function.", hint=hint)


def _pattern(text: str) -> str:
    try:
        return json.dumps(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise BadTrigger(f"The pattern of events is no JSON: {error}.") from None


def _bucket(account: Account, wish: Wish, name: str, prefix: str) -> str:
    account.unless("BucketAlreadyOwnedByYou", "s3", "create_bucket", Bucket=name)
    arn = f"arn:aws:s3:::{name}"
    account.permit(wish, "s3.amazonaws.com", arn)
    known = account.ask("s3", "get_bucket_notification_configuration", Bucket=name)
    kept = {kind: known[kind] for kind in NOTIFICATIONS if known.get(kind)}
    rules = [{"Name": name, "Value": value} for name, value in (("prefix", prefix), ("suffix", wish.suffix)) if value]
    ours: dict[str, Any] = {
        "Id": wish.statement_id,
        "LambdaFunctionArn": wish.function_arn,
        "Events": ["s3:ObjectCreated:*"],
    }
    if rules:
        ours["Filter"] = {"Key": {"FilterRules": rules}}
    others = [each for each in kept.get("LambdaFunctionConfigurations", ()) if each.get("Id") != ours["Id"]]
    account.change(
        "s3", "put_bucket_notification_configuration",
        Bucket=name, NotificationConfiguration={**kept, "LambdaFunctionConfigurations": [*others, ours]},
    )  # fmt: skip
    return arn


NOTIFICATIONS = (
    "LambdaFunctionConfigurations",
    "QueueConfigurations",
    "TopicConfigurations",
    "EventBridgeConfiguration",
)


def _queue(account: Account, wish: Wish, name: str, _: str) -> str:
    """Its visibility timeout is six times the function's timeout, as the developer guide advises."""
    attributes = {"VisibilityTimeout": str(6 * wish.timeout_s)}
    if name.endswith(".fifo"):
        attributes["FifoQueue"] = "true"
    try:
        url = account.ask("sqs", "get_queue_url", QueueName=name)["QueueUrl"]
    except ApiError:
        url = account.change("sqs", "create_queue", QueueName=name, Attributes=attributes)["QueueUrl"]
    found = account.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["QueueArn"])
    arn = str(found["Attributes"]["QueueArn"])
    account.map_source(wish, arn)
    return arn


def _topic(account: Account, wish: Wish, name: str, _: str) -> str:
    arn = str(account.change("sns", "create_topic", Name=name)["TopicArn"])
    account.permit(wish, "sns.amazonaws.com", arn)
    account.change("sns", "subscribe", TopicArn=arn, Protocol="lambda", Endpoint=wish.function_arn)
    return arn


def _table(account: Account, wish: Wish, name: str, _: str) -> str:
    """Its stream. A table without one gets it."""
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    try:
        table = account.ask("dynamodb", "describe_table", TableName=name)["Table"]
    except ApiError:
        table = account.change(
            "dynamodb", "create_table",
            TableName=name, BillingMode="PAY_PER_REQUEST", StreamSpecification=stream,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )["TableDescription"]  # fmt: skip
    if not table.get("LatestStreamArn"):
        changed = account.change("dynamodb", "update_table", TableName=name, StreamSpecification=stream)
        table = changed["TableDescription"]
    arn = str(table["LatestStreamArn"])
    account.map_source(wish, arn, StartingPosition="TRIM_HORIZON")
    return arn


def _stream(account: Account, wish: Wish, name: str, _: str) -> str:
    account.unless("ResourceInUseException", "kinesis", "create_stream", StreamName=name, ShardCount=1)
    account.boto3("kinesis").get_waiter("stream_exists").wait(StreamName=name)
    found = account.ask("kinesis", "describe_stream_summary", StreamName=name)
    arn = str(found["StreamDescriptionSummary"]["StreamARN"])
    account.map_source(wish, arn, StartingPosition="TRIM_HORIZON")
    return arn


def _rule(account: Account, wish: Wish, **when: str) -> str:
    name = f"{wish.function_name}-{wish.statement_id}"
    arn = str(account.change("events", "put_rule", Name=name, **when)["RuleArn"])
    account.permit(wish, "events.amazonaws.com", arn)
    target = {"Id": wish.function_name, "Arn": wish.function_arn}
    account.change("events", "put_targets", Rule=name, Targets=[target])
    return arn


SOURCES: Mapping[str, Callable[[Account, Wish, str, str], str]] = {
    "s3": _bucket,
    "sqs": _queue,
    "sns": _topic,
    "dynamodb": _table,
    "kinesis": _stream,
}

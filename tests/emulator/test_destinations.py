"""The record of an event's end, the dead letter, and the ways to functions, queues, topics, buses, buckets."""

from __future__ import annotations

import asyncio
import json
import re

import msgspec
import pytest

from labkit.emulator.clients import CallFailed
from labkit.emulator.destinations import DeadLetter, Ending, burial, dead_letter, delivery, record
from labkit.emulator.registry import Reference, Registry
from labkit.emulator.retries import EndCondition
from labkit.errors import RequestTooLarge

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:t"
BUS = "arn:aws:events:us-east-1:123456789012:event-bus/b"
ERROR = b'{"errorMessage": "no luck", "errorType": "Exception", "requestId": "r", "stackTrace": []}'


def ended(condition, **more):
    facts = {"request_id": "r", "function_arn": ARN, "event": b'{"x": 1}', "at": 1573755365.568, "runs": 3}
    return Ending(condition, **{**facts, **more})


def test_the_record_of_a_failure_has_exactly_awss_shape():
    failed = ended(EndCondition.RETRIES_EXHAUSTED, status=200, version="$LATEST", payload=ERROR)
    document = json.loads(record(failed))
    assert document == {
        "version": "1.0",
        "timestamp": "2019-11-14T18:16:05.568Z",
        "requestContext": {
            "requestId": "r",
            "functionArn": f"{ARN}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"x": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": json.loads(ERROR),
    }
    assert list(document) == [
        "version", "timestamp", "requestContext", "requestPayload", "responseContext", "responsePayload",
    ]  # fmt: skip


def test_the_record_of_a_success_names_no_error():
    document = json.loads(record(ended(EndCondition.SUCCESS, runs=1, status=200, version="3", payload=b"null")))
    assert document["responseContext"] == {"statusCode": 200, "executedVersion": "3"}
    assert document["requestContext"]["condition"] == "Success"
    assert document["responsePayload"] is None


def test_the_record_names_the_alias_that_was_asked_for():
    document = json.loads(record(ended(EndCondition.SUCCESS, function_arn=f"{ARN}:live")))
    assert document["requestContext"]["functionArn"] == f"{ARN}:live"


def test_an_event_that_never_ran_has_no_response():
    document = json.loads(record(ended(EndCondition.ZERO_RESERVED_CONCURRENCY, runs=0)))
    assert document["requestContext"]["approximateInvokeCount"] == 0
    assert set(document) == {"version", "timestamp", "requestContext", "requestPayload"}


def test_an_event_that_was_throttled_to_its_end_says_so():
    document = json.loads(record(ended(EndCondition.EVENT_AGE_EXCEEDED, runs=0, status=429)))
    assert document["responseContext"] == {"statusCode": 429}
    assert "responsePayload" not in document


@pytest.mark.parametrize("payload", [b"no json", b"\xff", b"[" * 100_000])
def test_a_response_that_cannot_be_read_is_kept_as_text(payload):
    document = json.loads(record(ended(EndCondition.SUCCESS, status=200, payload=payload)))
    assert document["responsePayload"] == payload.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("ending", "code", "message"),
    [
        (ended(EndCondition.RETRIES_EXHAUSTED, status=200, payload=ERROR), "200", "no luck"),
        (
            ended(
                EndCondition.RETRIES_EXHAUSTED, status=200, payload=json.dumps({"errorMessage": "é" * 2000}).encode()
            ),
            "200",
            "é" * 1024,
        ),
        (ended(EndCondition.EVENT_AGE_EXCEEDED, status=429, message="Rate Exceeded."), "429", "Rate Exceeded."),
        (
            ended(EndCondition.ZERO_RESERVED_CONCURRENCY),
            "429",
            "Function not invoked. Function isconfigured with zero reserved concurrent executions",
        ),
    ],
)
def test_a_dead_letter_is_the_event_itself_with_the_error_beside_it(ending, code, message):
    assert dead_letter(ending, QUEUE) == DeadLetter(QUEUE, b'{"x": 1}', code, message, "r")


class FakeInvoke:
    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[tuple[Reference, bytes]] = []
        self._error = error

    async def __call__(self, function: Reference, body: bytes, trace_id: str) -> None:
        self.seen.append((function, body))
        if self._error:
            raise self._error


class FakeCall:
    """Stands for all other services: remembers what it is asked for."""

    def __init__(self, answer: dict | None = None, error: Exception | None = None) -> None:
        self.seen: list[tuple[str, str, str, dict]] = []
        self._answer, self._error = answer or {}, error

    async def __call__(self, service, operation, *, region="", **params):
        self.seen.append((service, operation, region, params))
        if self._error:
            raise self._error
        return self._answer


GONE = CallFailed("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")


def delivered(arn, *, invoke=None, call=None, body=b"{}"):
    registry = Registry(account_id="123456789012", region="us-east-1")
    call = call or FakeCall()
    asyncio.run(delivery(registry, invoke or FakeInvoke(), call)(arn, body, "Root=1"))
    return call.seen


@pytest.mark.parametrize(("arn", "function"), [(ARN, Reference("f")), (f"{ARN}:live", Reference("f", "live"))])
def test_a_function_of_this_account_is_invoked(arn, function, capsys):
    invoke = FakeInvoke()
    assert delivered(arn, invoke=invoke) == []
    assert invoke.seen == [(function, b"{}")]
    assert capsys.readouterr().err == ""


def test_a_queue_gets_the_record_as_its_message():
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
    body = record(ended(EndCondition.SUCCESS, status=200, payload='"ü"'.encode()))
    sent = {"QueueUrl": url, "MessageBody": body.decode()}
    assert delivered(QUEUE, body=body) == [("sqs", "send_message", "us-east-1", sent)]


def test_a_topic_gets_the_record_as_its_message():
    assert delivered(TOPIC) == [("sns", "publish", "eu-west-1", {"TopicArn": TOPIC, "Message": "{}"})]


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        (EndCondition.SUCCESS, "Success"),
        (EndCondition.RETRIES_EXHAUSTED, "Failure"),
        (EndCondition.EVENT_AGE_EXCEEDED, "Failure"),
    ],
)
def test_a_bus_gets_an_event_whose_detail_is_the_record(condition, result):
    body = record(ended(condition, status=200, payload=b"null"))
    entry = {
        "EventBusName": BUS,
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {result}",
        "Resources": [BUS, f"{ARN}:$LATEST"],
        "Detail": body.decode(),
    }
    assert delivered(BUS, body=body) == [("events", "put_events", "us-east-1", {"Entries": [entry]})]


def test_a_bucket_gets_the_record_under_awss_key():
    body = record(ended(EndCondition.RETRIES_EXHAUSTED))
    ((service, operation, _, params),) = delivered("arn:aws:s3:::failures", body=body)
    assert (service, operation, params["Bucket"], params["Body"]) == ("s3", "put_object", "failures", body)
    assert re.fullmatch(r"aws/lambda/async/f/2019/11/14/2019-11-14T18\.16\.05-[0-9a-f-]{36}", params["Key"])


@pytest.mark.parametrize(
    "arn",
    ["arn:aws:kinesis:us-east-1:123456789012:stream/s", ARN.replace("123456789012", "210987654321"),
     ARN.replace("us-east-1", "eu-west-1"), "f"],
)  # fmt: skip
def test_what_cannot_be_reached_is_named_in_the_log(arn, capsys):
    invoke = FakeInvoke()
    assert delivered(arn, invoke=invoke) == []
    assert invoke.seen == []
    assert f"not delivered to {arn}: UnsupportedTarget" in capsys.readouterr().err


def test_a_function_that_refuses_the_record_is_named_in_the_log(capsys):
    delivered(ARN, invoke=FakeInvoke(RequestTooLarge("Request must be smaller")))
    assert f"not delivered to {ARN}: Request must be smaller" in capsys.readouterr().err


def test_a_queue_that_is_not_there_is_named_in_the_log(capsys):
    delivered(QUEUE, call=FakeCall(error=GONE))
    assert f"not delivered to {QUEUE}: AWS.SimpleQueueService.NonExistentQueue: The spec" in capsys.readouterr().err


def test_an_event_that_the_bus_refuses_is_named_in_the_log(capsys):
    entries = [{"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}]
    body = record(ended(EndCondition.SUCCESS))
    delivered(BUS, call=FakeCall({"FailedEntryCount": 1, "Entries": entries}), body=body)
    assert f"not delivered to {BUS}: MalformedDetail: Detail is malformed." in capsys.readouterr().err


# --- dead letters

LETTER = DeadLetter(QUEUE, b'{"x": 1}', "200", "no luck", "r")
ATTRIBUTES = {
    "RequestID": {"DataType": "String", "StringValue": "r"},
    "ErrorCode": {"DataType": "Number", "StringValue": "200"},
    "ErrorMessage": {"DataType": "String", "StringValue": "no luck"},
}


def buried(letter, call=None):
    call = call or FakeCall()
    asyncio.run(burial(call)(letter))
    return call.seen


def test_a_dead_letter_for_a_queue_is_the_event_with_three_attributes():
    ((service, operation, _, params),) = buried(LETTER)
    assert (service, operation, params["MessageBody"]) == ("sqs", "send_message", '{"x": 1}')
    assert params["MessageAttributes"] == ATTRIBUTES


def test_a_dead_letter_for_a_topic_is_the_event_with_three_attributes():
    params = {"TopicArn": TOPIC, "Message": '{"x": 1}', "MessageAttributes": ATTRIBUTES}
    assert buried(msgspec.structs.replace(LETTER, target_arn=TOPIC)) == [("sns", "publish", "eu-west-1", params)]


def test_an_error_without_a_message_has_no_attribute_for_it():
    ((*_, params),) = buried(msgspec.structs.replace(LETTER, error_message=""))
    assert set(params["MessageAttributes"]) == {"RequestID", "ErrorCode"}


@pytest.mark.parametrize("target", [QUEUE, BUS])
def test_a_lost_dead_letter_is_named_in_the_log(target, capsys):
    buried(msgspec.structs.replace(LETTER, target_arn=target), FakeCall(error=GONE))
    said = capsys.readouterr().err
    assert f"not delivered to {target}" in said
    assert "the event r failed with 'no luck'" in said


# --- on a running lab

UNLUCKY = "def handler(event, context):\n    raise ValueError('no luck')"
LUCKY = "def handler(event, context):\n    return event"


@pytest.fixture
def queue(lab):
    """A queue: its ARN, and what it holds within the time that a delivery takes."""
    sqs = lab.boto3("sqs")
    url = sqs.create_queue(QueueName="ends")["QueueUrl"]

    class Queue:
        arn = QUEUE.replace(":q", ":ends")

        def messages(self):
            asked = {"QueueUrl": url, "WaitTimeSeconds": 10, "MaxNumberOfMessages": 10}
            got = sqs.receive_message(**asked, MessageAttributeNames=["All"])
            return got.get("Messages", [])

    yield Queue()
    sqs.delete_queue(QueueUrl=url)


def ends_at(lab, name, **destinations):
    wanted = {kind: {"Destination": arn} for kind, arn in destinations.items()}
    lab.boto3("lambda").put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=0, DestinationConfig=wanted
    )


@pytest.mark.process
def test_a_queue_of_the_lab_gets_the_record_of_a_success(lab, queue):
    lab.deploy("lucky", LUCKY)
    ends_at(lab, "lucky", OnSuccess=queue.arn)
    request_id = lab.invoke("lucky", {"x": "ü"}, kind="Event").request_id
    (message,) = queue.messages()
    document = json.loads(message["Body"])
    assert document["requestContext"]["requestId"] == request_id
    assert document["requestPayload"] == document["responsePayload"] == {"x": "ü"}


@pytest.mark.process
def test_a_failure_goes_to_its_destination_and_to_the_dead_letter_queue(lab, queue):
    lab.deploy("unlucky", UNLUCKY)
    topic = lab.boto3("sns").create_topic(Name="failures")["TopicArn"]
    lab.boto3("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    ends_at(lab, "unlucky", OnFailure=topic)
    lab.boto3("lambda").update_function_configuration(FunctionName="unlucky", DeadLetterConfig={"TargetArn": queue.arn})
    lab.boto3("lambda").get_waiter("function_updated_v2").wait(FunctionName="unlucky")
    request_id = lab.invoke("unlucky", {"x": 1}, kind="Event").request_id
    messages = []
    while len(messages) < 2:
        got = queue.messages()
        assert got, "ten seconds without a message"
        messages += got
    (letter,) = [m for m in messages if "MessageAttributes" in m]
    (notice,) = [m for m in messages if m is not letter]
    assert json.loads(letter["Body"]) == {"x": 1}
    assert {k: v["StringValue"] for k, v in letter["MessageAttributes"].items()} == {
        "ErrorCode": "200", "ErrorMessage": "no luck", "RequestID": request_id,
    }  # fmt: skip
    told = json.loads(json.loads(notice["Body"])["Message"])
    assert told["requestContext"]["condition"] == "RetriesExhausted"
    lab.boto3("sns").delete_topic(TopicArn=topic)


@pytest.mark.process
def test_a_rule_on_the_bus_sees_the_record_in_awss_envelope(lab, queue):
    events = lab.boto3("events")
    bus = events.create_event_bus(Name="results")["EventBusArn"]
    pattern = json.dumps({"source": ["lambda"], "detail-type": ["Lambda Function Invocation Result - Success"]})
    events.put_rule(Name="successes", EventBusName="results", EventPattern=pattern)
    events.put_targets(Rule="successes", EventBusName="results", Targets=[{"Id": "q", "Arn": queue.arn}])
    lab.deploy("lucky", LUCKY)
    ends_at(lab, "lucky", OnSuccess=bus)
    lab.invoke("lucky", {"x": 1}, kind="Event")
    (message,) = queue.messages()
    event = json.loads(message["Body"])
    assert event["resources"] == [bus, f"{ARN[:-1]}lucky:$LATEST"]
    assert (event["source"], event["detail-type"]) == ("lambda", "Lambda Function Invocation Result - Success")
    assert event["detail"]["responsePayload"] == {"x": 1}
    events.remove_targets(Rule="successes", EventBusName="results", Ids=["q"])
    events.delete_rule(Name="successes", EventBusName="results")
    events.delete_event_bus(Name="results")


@pytest.mark.process
def test_a_bucket_of_the_lab_gets_the_record_of_a_failure(lab, wait_until):
    s3 = lab.boto3("s3")
    s3.create_bucket(Bucket="failures")
    lab.deploy("unlucky", UNLUCKY)
    ends_at(lab, "unlucky", OnFailure="arn:aws:s3:::failures")
    lab.invoke("unlucky", {"x": 1}, kind="Event")
    wait_until(lambda: s3.list_objects_v2(Bucket="failures")["KeyCount"] == 1)
    (found,) = s3.list_objects_v2(Bucket="failures")["Contents"]
    document = json.loads(s3.get_object(Bucket="failures", Key=found["Key"])["Body"].read())
    assert document["responsePayload"]["errorMessage"] == "no luck"
    s3.delete_object(Bucket="failures", Key=found["Key"])
    s3.delete_bucket(Bucket="failures")


@pytest.mark.process
def test_a_queue_that_is_not_there_does_not_hurt_invocations(own_lab, wait_until):
    own_lab.deploy("lucky", LUCKY)
    ends_at(own_lab, "lucky", OnSuccess=QUEUE)
    own_lab.invoke("lucky", kind="Event")
    wait_until(lambda: f"not delivered to {QUEUE}" in own_lab._process.last_words())
    assert "The specified queue does not exist" in own_lab._process.last_words()
    assert own_lab.invoke("lucky", {"x": 1}).payload == {"x": 1}

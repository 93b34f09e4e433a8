"""Sample events: in the shapes of those that the emulator delivers, and the same in every run."""

from __future__ import annotations

import base64
import gzip
import inspect
import json
import time

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

import labkit
from labkit import events
from labkit.errors import BadEvent
from labkit.events.streams import typed

KEEP = """
import json, os, time
def handler(event, context):
    kind = os.environ.get("KIND") or event.get("kind", "x")
    path = os.path.join(os.environ["FOLDER"], f"{kind}-{time.time_ns()}")
    with open(path + ".new", "w") as file: json.dump(event, file)
    os.rename(path + ".new", path + ".json")
    if event.get("type") == "TOKEN":
        return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}]}}
    return {"statusCode": 200, "body": "kept"}
"""
ROLE = "arn:aws:iam::123456789012:role/labkit"


class Kept:
    """Functions that keep what they get, one for each kind of event, and what calls them."""

    def __init__(self, lab, folder) -> None:
        self.lab, self.folder = lab, folder

    def function(self, kind):
        return self.lab.deploy(f"keep_{kind}", KEEP, variables={"FOLDER": str(self.folder), "KIND": kind}, timeout_s=20)

    def wait_event(self, kind):
        deadline = time.monotonic() + 60
        while not (found := sorted(self.folder.glob(f"{kind}-*.json"))):
            assert time.monotonic() < deadline, f"no event of {kind} came"
            time.sleep(0.02)
        return json.loads(found[0].read_text())


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A lab of its own: buckets and queues of other tests would be in the way."""
    with labkit.Lab(notice=lambda message: None) as lab:
        yield Kept(lab, tmp_path_factory.mktemp("kept"))


def from_s3(kept):
    kept.lab.trigger(kept.function("s3").name, "s3://photos/")
    kept.lab.boto3("s3").put_object(Bucket="photos", Key="raw/cat.png", Body=b"meow")


def from_sqs(kept):
    kept.lab.trigger(kept.function("sqs").name, "sqs:orders")
    sqs = kept.lab.boto3("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="orders")["QueueUrl"], MessageBody="hello")


def from_fifo(kept):
    sqs, function = kept.lab.boto3("sqs"), kept.function("sqs_fifo")
    url = sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:orders.fifo"
    kept.lab.boto3("lambda").create_event_source_mapping(FunctionName=function.name, EventSourceArn=arn)
    sqs.send_message(QueueUrl=url, MessageBody="hello", MessageGroupId="customer-1", MessageDeduplicationId="1")


def from_sns(kept):
    made = kept.lab.trigger(kept.function("sns").name, "sns:news")
    kept.lab.boto3("sns").publish(TopicArn=made.source_arn, Message="hello")


def from_kinesis(kept):
    kept.lab.trigger(kept.function("kinesis").name, "kinesis:clicks")
    kept.lab.boto3("kinesis").put_record(StreamName="clicks", Data=b"hello", PartitionKey="user-1")


def from_dynamodb(kept):
    kept.lab.trigger(kept.function("dynamodb").name, "dynamodb:orders")
    item = {"id": {"S": "1"}, "total": {"N": "12"}}
    kept.lab.boto3("dynamodb").put_item(TableName="orders", Item=item)


def from_logs(kept):
    function, aws = kept.function("logs"), kept.lab.boto3("logs")
    aws.create_log_group(logGroupName="mine")
    aws.create_log_stream(logGroupName="mine", logStreamName="one")
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:mine:*"
    permit(kept, function, "logs", arn)
    aws.put_subscription_filter(logGroupName="mine", filterName="all", filterPattern="", destinationArn=function.arn)
    entry = {"timestamp": int(time.time() * 1000), "message": "ERROR"}
    aws.put_log_events(logGroupName="mine", logStreamName="one", logEvents=[entry])


def permit(kept, function, service, arn):
    kept.lab.boto3("lambda").add_permission(
        FunctionName=function.name, StatementId="it", Action="lambda:InvokeFunction",
        Principal=f"{service}.amazonaws.com", SourceArn=arn,
    )  # fmt: skip


def from_bus(kept):
    kept.lab.trigger(kept.function("eventbridge").name, '{"source": ["shop"]}')
    kept.lab.boto3("events").put_events(Entries=[{"Source": "shop", "DetailType": "sold", "Detail": '{"order": 7}'}])


def from_rule(kept):
    kept.lab.trigger(kept.function("schedule").name, "rate(1 minute)")
    kept.lab.advance("90s")


def from_scheduler(kept):
    kept.lab.boto3("scheduler").create_schedule(
        Name="soon", ScheduleExpression="rate(1 minute)", FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": kept.function("scheduler").arn, "RoleArn": ROLE},
    )  # fmt: skip
    kept.lab.advance("90s")


def from_rest(kept):
    api = kept.lab.api("rest", {"POST /hello": kept.function("apigateway_rest").name})
    requests.post(f"{api.url}/hello?a=1", json={"x": 1}, timeout=30)


def from_http(kept):
    api = kept.lab.api("http", {"POST /hello": kept.function("apigateway_http").name}, kind="HTTP")
    requests.post(f"{api.url}/hello?a=1", json={"x": 1}, timeout=30)


def from_http_v1(kept):
    api = kept.lab.api("old", {"POST /hello": kept.function("apigateway_http_v1").name}, kind="HTTP")
    aws = kept.lab.boto3("apigatewayv2")
    for made in aws.get_integrations(ApiId=api.api_id)["Items"]:
        aws.update_integration(ApiId=api.api_id, IntegrationId=made["IntegrationId"], PayloadFormatVersion="1.0")
    requests.post(f"{api.url}/hello?a=1", json={"x": 1}, timeout=30)


def from_url(kept):
    requests.post(f"{kept.function('function_url').function_url()}?a=1", json={"x": 1}, timeout=30)


def from_authorizer(kept):
    function = kept.function("authorizer")
    api = kept.lab.api("guarded", {"POST /hello": function.name})
    aws = kept.lab.boto3("apigateway")
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function.arn}/invocations"
    made = aws.create_authorizer(
        restApiId=api.api_id, name="a", type="TOKEN", authorizerUri=uri,
        identitySource="method.request.header.Authorization",
    )  # fmt: skip
    [hello] = [r for r in aws.get_resources(restApiId=api.api_id)["items"] if r["path"] == "/hello"]
    where = {"restApiId": api.api_id, "resourceId": hello["id"], "httpMethod": "POST"}
    aws.put_method(**where, authorizationType="CUSTOM", authorizerId=made["id"])
    aws.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    aws.create_deployment(restApiId=api.api_id, stageName="prod")
    requests.post(f"{api.url}/hello", headers={"Authorization": "Bearer secret"}, timeout=30)


def from_secret(kept):
    function, aws = kept.function("secretsmanager"), kept.lab.boto3("secretsmanager")
    arn = aws.create_secret(Name="database", SecretString="old")["ARN"]
    permit(kept, function, "secretsmanager", arn)
    aws.rotate_secret(SecretId="database", RotationLambdaARN=function.arn)


def from_destination(kept):
    target, source = kept.function("destination"), kept.lab.deploy("done", "def handler(event, context): return event")
    kept.lab.boto3("lambda").put_function_event_invoke_config(
        FunctionName=source.name, DestinationConfig={"OnSuccess": {"Destination": target.arn}}
    )
    source.invoke({"order": 7}, kind="Event")


BODY = {"query": "a=1", "body": {"x": 1}, "method": "POST"}
REAL = {
    "s3": (from_s3, {}),
    "sqs": (from_sqs, {}),
    "sqs_fifo": (from_fifo, {}),
    "sns": (from_sns, {}),
    "kinesis": (from_kinesis, {}),
    "dynamodb": (from_dynamodb, {}),
    "logs": (from_logs, {}),
    "eventbridge": (from_bus, {}),
    "schedule": (from_rule, {}),
    "scheduler": (from_scheduler, {}),
    "apigateway_rest": (from_rest, BODY),
    "apigateway_http": (from_http, BODY),
    "apigateway_http_v1": (from_http_v1, BODY),
    "function_url": (from_url, BODY),
    "authorizer": (from_authorizer, {"method": "POST"}),
    "secretsmanager": (from_secret, {}),
    "destination": (from_destination, {"payload": {"order": 7}}),
}
FREE = {"headers", "multiValueHeaders", "detail", "requestPayload", "responsePayload"}


def shape(value, name=""):
    """Names and types, all the way down; not what a caller is free to put in."""
    if name in FREE:
        return type(value).__name__
    if isinstance(value, dict):
        return {key: shape(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def unpacked(event):
    if "awslogs" not in event:
        return event
    return json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))


@pytest.mark.process
@pytest.mark.parametrize("kind", REAL)
def test_a_sample_has_the_shape_of_what_is_really_delivered(kept, kind):
    cause, chosen = REAL[kind]
    cause(kept)
    real = kept.wait_event(kind)
    assert shape(unpacked(events.sample(kind, **chosen))) == shape(unpacked(real))


@pytest.mark.parametrize("kind", events.EVENTS)
def test_a_sample_is_json_fresh_and_the_same_in_every_run(kind):
    one, other = events.sample(kind), events.sample(kind)
    assert json.loads(json.dumps(one)) == one == other
    one.clear()
    assert events.sample(kind) == other


@pytest.mark.parametrize("kind", events.EVENTS)
def test_every_parameter_changes_the_sample_and_has_a_default(kind):
    other = {
        "n": 2, "size": 7, "item": {"id": 2}, "old": {"id": 3}, "detail": {"a": 1}, "payload": {"a": 1},
        "properties": {"a": 1}, "headers": {"a": "b"}, "step": "testSecret", "condition": "RetriesExhausted",
        "trigger": "PostConfirmation_ConfirmSignUp", "request": "Update", "method": "PUT", "query": "q=2",
        "queue": "other.fifo", "path": "/other",
    }  # fmt: skip
    start = {"action": "MODIFY"} if kind == "dynamodb" else {}
    other["action"] = "REMOVE" if kind == "dynamodb" else "ObjectRemoved:Delete"
    for name, parameter in events.parameters(kind).items():
        assert parameter.default is not inspect.Parameter.empty
        chosen = {**start, name: other.get(name, "other")}
        assert events.sample(kind, **chosen) != events.sample(kind, **start), name


def test_the_package_has_the_samples_as_functions():
    assert labkit.events.s3(bucket="b", key="ä b")["Records"][0]["s3"]["object"]["key"] == "%C3%A4+b"
    assert labkit.events.sqs(body={"a": 1}, n=3)["Records"][2]["body"] == '{"a": 1}'


@pytest.mark.parametrize(
    ("kind", "chosen", "said"),
    [
        ("sqss", {}, "Did you mean sqs"),
        ("s3", {"buckt": "b"}, "Did you mean bucket"),
        ("s3", {"queue": "q"}, "It takes: bucket, key, size, action"),
        ("sqs", {"n": 0}, "1 to 10,000"),
        ("dynamodb", {"action": "DELETE"}, "INSERT, MODIFY, REMOVE"),
        ("dynamodb", {"item": {}}, "needs an attribute"),
        ("cognito", {"trigger": "SignUp"}, "PreSignUp_SignUp"),
    ],
)
def test_what_there_is_not_is_said_with_what_there_is(kind, chosen, said):
    with pytest.raises(BadEvent, match=said):
        events.sample(kind, **chosen)


ITEM = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30)
@given(ITEM)
def test_an_items_json_is_read_back_by_boto3s_own_reader(value):
    from boto3.dynamodb.types import TypeDeserializer

    assert TypeDeserializer().deserialize(typed(value)) == value

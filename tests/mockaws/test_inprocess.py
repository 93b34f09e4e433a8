"""moto's users: tests as they write them, on `mock_aws` in their own process, whose functions really run."""

from __future__ import annotations

import io
import json
import zipfile

import boto3
import psutil
import pytest
from moto import mock_aws

from labkit.mockaws import disable, enable

pytestmark = pytest.mark.process

ROLE = "arn:aws:iam::123456789012:role/r"
DOUBLE = """
def handler(event, context):
    print("doubling", event)
    return {"twice": event["n"] * 2, "name": context.function_name}
"""
COPY = """
import boto3, os
def handler(event, context):
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
        s3 = boto3.client("s3")
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        s3.put_object(Bucket="copies", Key=key, Body=body.upper())
"""


@pytest.fixture(autouse=True)
def fake_credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def enabled():
    with enable() as handle:
        yield handle


def zipped(source):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", source)
    return content.getvalue()


def created(source, name="f", region="us-east-1", **more):
    client, iam = boto3.client("lambda", region), boto3.client("iam")
    if not iam.list_roles()["Roles"]:
        iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    known = {"Runtime": "python3.12", "Role": ROLE, "Handler": "app.handler", "Timeout": 20} | more
    arn = client.create_function(FunctionName=name, Code={"ZipFile": zipped(source)}, **known)["FunctionArn"]
    return client, arn


def emulators():
    return [p for p in psutil.Process().children(recursive=True) if "labkit.emulator" in " ".join(p.cmdline())]


@mock_aws
def test_a_function_runs_without_docker(enabled):
    client, _ = created(DOUBLE)
    answer = client.invoke(FunctionName="f", Payload=b'{"n": 21}', LogType="Tail")
    assert json.loads(answer["Payload"].read()) == {"twice": 42, "name": "f"}
    assert "FunctionError" not in answer
    logs = boto3.client("logs", "us-east-1")
    found = logs.filter_log_events(logGroupName="/aws/lambda/f")["events"]
    assert any("doubling {'n': 21}" in event["message"] for event in found)


@mock_aws
def test_an_error_of_the_handler_is_aws_own(enabled):
    client, _ = created("def handler(event, context): raise ValueError('no luck')")
    answer = client.invoke(FunctionName="f", Payload=b"{}")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorMessage"] == "no luck"


@mock_aws
def test_new_code_and_another_region_run_as_they_are(enabled):
    client, _ = created("def handler(event, context): return 1")
    assert client.invoke(FunctionName="f")["Payload"].read() == b"1"
    client.update_function_code(FunctionName="f", ZipFile=zipped("def handler(event, context): return 2"))
    assert client.invoke(FunctionName="f")["Payload"].read() == b"2"
    west, _ = created("import os\ndef handler(event, context): return os.environ['AWS_REGION']", region="eu-west-1")
    assert west.invoke(FunctionName="f")["Payload"].read() == b'"eu-west-1"'


@mock_aws
def test_an_object_runs_its_function_which_reaches_the_same_buckets(enabled):
    _, arn = created(COPY, MemorySize=512)
    s3 = boto3.client("s3", "us-east-1")
    for bucket in ("originals", "copies"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_notification_configuration(
        Bucket="originals",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    s3.put_object(Bucket="originals", Key="cat", Body=b"meow")
    assert s3.get_object(Bucket="copies", Key="cat")["Body"].read() == b"MEOW"


@mock_aws
def test_a_rule_of_eventbridge_runs_its_function(enabled):
    source = (
        "import boto3\ndef handler(event, context):\n"
        "    boto3.client('s3').put_object(Bucket='seen', Key=event['detail']['key'])\n"
    )
    _, arn = created(source, MemorySize=512)
    boto3.client("s3", "us-east-1").create_bucket(Bucket="seen")
    events = boto3.client("events", "us-east-1")
    events.put_rule(Name="r", EventPattern='{"source": ["shop"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
    events.put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": '{"key": "k"}'}])
    assert [found["Key"] for found in boto3.client("s3", "us-east-1").list_objects_v2(Bucket="seen")["Contents"]] == [
        "k"
    ]


@enable()
@mock_aws
def test_as_a_decorator_it_is_enabled_while_the_test_runs():
    client, _ = created("def handler(event, context): return event")
    assert client.invoke(FunctionName="f", Payload=b'{"a": 1}')["Payload"].read() == b'{"a": 1}'


def test_disabled_moto_is_its_own_again_and_nothing_is_left():
    from moto.awslambda.models import LambdaFunction
    from moto.s3 import notifications

    before, others = (LambdaFunction._invoke_lambda, notifications.send_event), set(emulators())
    enable()
    enable()
    assert (LambdaFunction._invoke_lambda, notifications.send_event) != before
    with mock_aws():
        client, _ = created("def handler(event, context): return 1")
        client.invoke(FunctionName="f")
        assert set(emulators()) > others
    disable()
    assert (LambdaFunction._invoke_lambda, notifications.send_event) == before
    assert set(emulators()) == others


@mock_aws
def test_a_runtime_that_labkit_does_not_have_says_so(enabled):
    client, _ = created("exports.handler = 1", Runtime="nodejs20.x")
    answer = client.invoke(FunctionName="f")
    assert "labkit runs Python functions" in json.loads(answer["Payload"].read())["errorMessage"]

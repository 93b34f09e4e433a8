"""Events that the account's services bring: who is let in; and each service through unmodified boto3 on a running lab."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import subprocess
import sys
import time
from dataclasses import MISSING, fields
from pathlib import Path

import boto3
import msgspec
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from labkit.emulator.clock import Clock
from labkit.emulator.deliveries import Deliveries, Delivery, Reply, refusal
from labkit.emulator.invocation import Result
from labkit.emulator.invoker import Answer
from labkit.emulator.lineage import continued
from labkit.emulator.logstream import Entry
from labkit.emulator.registry import Function, FunctionVersion, PolicyStatement, Registry
from labkit.errors import RequestTooLarge, ResourceConflict, TooManyRequests
from labkit.mockaws import seam
from labkit.model import DeploymentPackage, FunctionConfig

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
BUCKET = "arn:aws:s3:::photos"
FROM_S3 = Delivery(ARN, "s3.amazonaws.com", BUCKET, "123456789012", '{"x": 1}')


def registry(*statements):
    known = Registry(account_id="123456789012", region="us-east-1")
    config = FunctionConfig("f", "app.handler")
    version = FunctionVersion("f:1", ARN, config, DeploymentPackage("sha", 1), "$LATEST", "", "")
    known.functions["f"] = Function(version)
    if statements:
        known.functions["f"].policies["$LATEST"] = statements
    return known


def allows(principal, source_arn=None, account=None):
    return PolicyStatement("s", "lambda:InvokeFunction", principal, ARN, source_arn, account)


def test_a_service_that_the_policy_names_is_let_in():
    assert refusal(registry(allows("s3.amazonaws.com", BUCKET)), FROM_S3) is None


def test_so_is_one_that_it_names_with_its_region():
    from_logs = msgspec.structs.replace(FROM_S3, principal="logs.amazonaws.com")
    assert refusal(registry(allows("logs.us-east-1.amazonaws.com")), from_logs) is None


@pytest.mark.parametrize(
    "statement", [allows("sns.amazonaws.com"), allows("s3.amazonaws.com", "arn:aws:s3:::other"), None]
)
def test_whom_no_statement_names_is_told_which_one_is_missing(statement):
    refused = refusal(registry(*([statement] if statement else [])), FROM_S3)
    assert refused is not None
    assert not refused.missing
    assert "Principal='s3.amazonaws.com', SourceArn='arn:aws:s3:::photos'" in refused.refusal


@pytest.mark.parametrize(
    "arn", [ARN[:-1] + "none", f"{ARN}:none", "arn:aws:lambda:eu-west-1:123456789012:function:f", "arn:aws:sqs:x", ""]
)
def test_a_function_that_is_not_there_is_missing(arn):
    refused = refusal(registry(allows("*")), msgspec.structs.replace(FROM_S3, function_arn=arn))
    assert refused is not None
    assert refused.missing


def test_without_a_principal_only_the_function_is_asked_for():
    assert refusal(registry(), msgspec.structs.replace(FROM_S3, principal="")) is None


def answered(delivery, *, answer=None, error=None):
    """The reply, and what the invoker got."""
    seen = []

    async def invoke(reference, payload, *, kind, trace_id):
        seen.append((reference.name, payload, kind, trace_id))
        if error:
            raise error
        return answer or Answer(202, "r", "$LATEST")

    async def ask():
        return await Deliveries(registry(allows("*")), invoke, Clock()).answer(delivery)

    return asyncio.run(ask()), seen


def test_both_sides_of_the_socket_have_the_same_records():
    for here, there in ((Delivery, seam.Delivery), (Reply, seam.Reply)):
        assert list(here.__annotations__.items()) == [(f.name, f.type) for f in fields(there)]
        defaults = {f.name: f.default for f in fields(there) if f.default is not MISSING}
        assert defaults == {
            f.name: f.default for f in msgspec.structs.fields(here) if f.default is not msgspec.NODEFAULT
        }


def test_an_event_goes_to_the_queue_with_its_header():
    reply, seen = answered(msgspec.structs.replace(FROM_S3, trace_id="Root=1"))
    assert (reply, seen) == (Reply(), [("f", b'{"x": 1}', "Event", "Root=1")])


def test_a_question_runs_nothing():
    assert answered(msgspec.structs.replace(FROM_S3, kind="DryRun")) == (Reply(), [])


def test_a_run_is_answered_with_its_result():
    result = Result(b'{"errorMessage": "no luck"}', True, Entry(), None)  # type: ignore[arg-type]
    reply, _ = answered(
        msgspec.structs.replace(FROM_S3, kind="RequestResponse"), answer=Answer(200, "r", "$LATEST", result)
    )
    assert reply == Reply(payload='{"errorMessage": "no luck"}', failed=True)


def test_an_error_is_a_refusal():
    reply, _ = answered(FROM_S3, error=RequestTooLarge("Request must be smaller"))
    assert "RequestEntityTooLargeException: Request must be smaller" in reply.refusal
    reply, _ = answered(
        msgspec.structs.replace(FROM_S3, kind="RequestResponse"), error=TooManyRequests("CallerRateLimitExceeded")
    )
    assert "TooManyRequestsException" in reply.refusal


def tried(errors, *, seconds, revoked=False):
    """When attempts at one event were made, which fail with these errors first."""
    known = registry(allows("*"))

    async def scene():
        clock, made = Clock(time_of_day=lambda: 0.0), []

        async def invoke(reference, payload, *, kind, trace_id):
            made.append(clock.now())
            if len(made) <= len(errors):
                raise errors[len(made) - 1]
            return Answer(202, "r", "$LATEST")

        deliveries = Deliveries(known, invoke, clock)
        reply = await deliveries.answer(FROM_S3)
        if revoked:
            known.functions["f"].policies.clear()
        await clock.advance(seconds)
        await deliveries.stop()
        return reply, made

    return asyncio.run(scene())


@pytest.mark.parametrize("error", [TooManyRequests("CallerRateLimitExceeded"), ResourceConflict("Pending")])
def test_an_event_that_cannot_be_taken_now_is_tried_again(error, capsys):
    assert tried([error] * 3, seconds=100) == (Reply(), [0.0, 1.0, 3.0, 7.0])
    assert capsys.readouterr().err == ""


def test_after_an_hour_it_is_given_up_with_a_line(capsys):
    reply, made = tried([ResourceConflict("Pending")] * 1000, seconds=7200)
    assert reply == Reply()
    assert 3600 < made[-1] <= 3660
    assert f"not delivered to {ARN}: ResourceConflictException: Pending" in capsys.readouterr().err


def test_whose_permission_is_taken_meanwhile_is_not_let_in(capsys):
    _, made = tried([ResourceConflict("Pending")], seconds=100, revoked=True)
    assert made == [0.0]
    assert "no statement of the function's resource policy permits it" in capsys.readouterr().err


def exchanged(tmp_path, question):
    """The answer of the socket to some bytes."""

    async def scene():
        async def invoke(reference, payload, *, kind, trace_id):
            return Answer(202, "r", "$LATEST")

        deliveries = Deliveries(registry(allows("*")), invoke, Clock())
        await deliveries.listen(tmp_path / "s")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(question)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await deliveries.stop()
        return answer

    return asyncio.run(scene())


def test_the_socket_takes_one_document_and_gives_one_back(tmp_path):
    assert json.loads(exchanged(tmp_path, msgspec.json.encode(FROM_S3))) == msgspec.structs.asdict(Reply())


@pytest.mark.parametrize("question", [b"", b"{", b"[]", b'{"function_arn": 1}'])
def test_what_is_no_event_is_a_line_and_no_answer(tmp_path, question, capsys):
    assert exchanged(tmp_path, question) == b""
    assert "an event was not understood" in capsys.readouterr().err


# --- on a running lab

ECHO = "import json\ndef handler(event, context):\n    print('GOT ' + json.dumps(event))\n"


class Account:
    """A lab of the test's own, with the function `f`."""

    def __init__(self, lab, wait_until, source=ECHO):
        self.lab, self._wait_until = lab, wait_until
        lab.deploy("f", source, memory_mb=512, timeout_s=20)
        self.lam = lab.boto3("lambda")

    def permit(self, service, **more):
        self.lam.add_permission(
            FunctionName="f", StatementId=service, Action="lambda:InvokeFunction",
            Principal=f"{service}.amazonaws.com", **more,
        )  # fmt: skip

    def events(self):
        lines = [line for _, text in self.lab.logs("f") for line in text.splitlines()]
        return [json.loads(line[4:]) for line in lines if line.startswith("GOT ")]

    def wait_events(self, count=1):
        self._wait_until(lambda: len(self.events()) >= count)
        return self.events()

    def watch(self, bucket, *, create=True):
        s3 = self.lab.boto3("s3")
        if create:
            s3.create_bucket(Bucket=bucket)
        wanted = {"LambdaFunctionArn": ARN, "Events": ["s3:ObjectCreated:*"]}
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [wanted]}
        )
        return s3


@pytest.fixture
def account(own_lab, wait_until):
    return Account(own_lab, wait_until)


@pytest.mark.process
def test_an_object_runs_its_function_which_finds_it_whole(own_lab, wait_until):
    source = (
        "import boto3\ndef handler(event, context):\n"
        "    print('GOT 1')\n"
        "    about = event['Records'][0]['s3']\n"
        "    head = boto3.client('s3').head_object(Bucket=about['bucket']['name'], Key=about['object']['key'])\n"
        "    print('GOT ' + __import__('json').dumps([head['Metadata'], head['ContentLength']]))\n"
    )
    account = Account(own_lab, wait_until, source)
    account.permit("s3", SourceArn=BUCKET, SourceAccount="123456789012")
    answer = account.watch("photos").put_object(Bucket="photos", Key="cat", Body=b"meow", Metadata={"who": "ann"})
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    assert account.wait_events(2) == [1, [{"who": "ann"}, 4]]


@pytest.mark.process
def test_s3_is_refused_until_the_policy_lets_it_in(account):
    with pytest.raises(ClientError, match="Unable to validate the following destination configurations"):
        account.watch("photos")
    assert any("missing: add_permission(FunctionName='f'" in line for line in account.lab.messages())
    account.permit("s3", SourceArn=BUCKET)
    account.watch("photos", create=False)


@pytest.mark.process
def test_a_message_of_a_topic_runs_its_function_once_it_is_permitted(account, wait_until):
    sns = account.lab.boto3("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN)
    sns.publish(TopicArn=topic, Message="for nobody")
    assert any(f"SourceArn='{topic}'" in line for line in account.lab.messages())
    account.permit("sns", SourceArn=topic)
    sns.publish(TopicArn=topic, Message="hello")
    (event,) = account.wait_events()
    assert event["Records"][0]["Sns"]["Message"] == "hello"


@pytest.mark.process
def test_an_event_of_the_bus_and_log_events_run_their_function(account):
    events, logs = account.lab.boto3("events"), account.lab.boto3("logs")
    for service in ("events", "logs"):
        account.permit(service)
    events.put_rule(Name="r", EventPattern='{"source": ["shop"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": ARN, "InputPath": "$.detail"}])
    events.put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": '{"x": 1}'}])
    assert account.wait_events() == [{"x": 1}]
    logs.create_log_group(logGroupName="/app")
    logs.create_log_stream(logGroupName="/app", logStreamName="s")
    logs.put_subscription_filter(logGroupName="/app", filterName="x", filterPattern="", destinationArn=ARN)
    now_ms = int(account.lab.advance(0).timestamp() * 1000)
    logs.put_log_events(logGroupName="/app", logStreamName="s", logEvents=[{"timestamp": now_ms, "message": "m"}])
    assert "awslogs" in account.wait_events(2)[-1]


ROTATION = """
import boto3
def handler(event, context):
    secrets = boto3.client("secretsmanager")
    secret, token = event["SecretId"], event["ClientRequestToken"]
    if event["Step"] == "createSecret":
        secrets.put_secret_value(SecretId=secret, ClientRequestToken=token, SecretString="new", VersionStages=["AWSPENDING"])
    if event["Step"] == "finishSecret":
        old = next(v for v, s in secrets.describe_secret(SecretId=secret)["VersionIdsToStages"].items() if "AWSCURRENT" in s)
        secrets.update_secret_version_stage(
            SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=old
        )
"""


@pytest.mark.process
def test_a_secret_is_rotated_by_its_function(own_lab, wait_until):
    account = Account(own_lab, wait_until, ROTATION)
    secrets = own_lab.boto3("secretsmanager")
    secrets.create_secret(Name="db", SecretString="old")
    account.permit("secretsmanager")
    secrets.rotate_secret(SecretId="db", RotationLambdaARN=ARN, RotationRules={"AutomaticallyAfterDays": 30})
    wait_until(lambda: secrets.get_secret_value(SecretId="db")["SecretString"] == "new")
    assert len(own_lab.traces("f")) >= 2


SELF = """
import boto3
def handler(event, context):
    boto3.client("s3").put_object(Bucket="photos", Key=context.aws_request_id, Body=b"again")
"""


@pytest.mark.process
def test_a_function_that_writes_where_it_listens_is_stopped_and_its_event_kept(own_lab, wait_until):
    account = Account(own_lab, wait_until, SELF)
    sqs = own_lab.boto3("sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    dead = "arn:aws:sqs:us-east-1:123456789012:dead"
    account.lam.put_function_event_invoke_config(
        FunctionName="f", DestinationConfig={"OnFailure": {"Destination": dead}}
    )
    account.permit("s3", SourceArn=BUCKET)
    s3 = account.watch("photos")
    s3.put_object(Bucket="photos", Key="first")
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    record = json.loads(message["Body"])
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert record["requestPayload"]["Records"][0]["eventName"] == "ObjectCreated:Put"
    assert len(own_lab.traces("f")) == 16
    assert any("f is in a recursive loop" in line for line in own_lab.messages())


@pytest.mark.process
def test_a_loop_that_is_allowed_goes_on(own_lab, wait_until):
    source = (
        "import boto3\ndef handler(event, context):\n"
        "    n = int(event['Records'][0]['Sns']['Message'])\n"
        "    print('GOT', n)\n"
        "    if n < 20:\n"
        "        topic = event['Records'][0]['Sns']['TopicArn']\n"
        "        boto3.client('sns').publish(TopicArn=topic, Message=str(n + 1))\n"
    )
    account = Account(own_lab, wait_until, source)
    sns = own_lab.boto3("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN)
    account.permit("sns")
    sns.publish(TopicArn=topic, Message="1")
    wait_until(lambda: any("recursive loop" in line for line in own_lab.messages()))
    assert max(account.events()) == 16
    account.lam.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")
    sns.publish(TopicArn=topic, Message="1")
    wait_until(lambda: max(account.events()) == 20)


@pytest.mark.process
def test_an_invocation_that_is_one_too_many_in_its_chain_is_refused(own_lab):
    own_lab.deploy("f", "def handler(event, context): return 1")
    client = boto3.client("lambda", **own_lab.connection, config=Config(retries={"total_max_attempts": 1}))
    header = functools.reduce(continued, ["f"] * 15, "Root=1-5759e988-bd862e3fe1be46a994272793")
    sent = [header, continued(header, "f")]
    client.meta.events.register(
        "before-call.lambda.Invoke", lambda params, **_: params["headers"].update({"X-Amzn-Trace-Id": sent.pop(0)})
    )
    assert client.invoke(FunctionName="f")["Payload"].read() == b"1"
    with pytest.raises(client.exceptions.RecursiveInvocationException, match="invoked in a recursive loop"):
        client.invoke(FunctionName="f")


@pytest.mark.process
def test_functions_that_are_each_others_destinations_are_stopped(own_lab, wait_until):
    for name in ("f", "g"):
        own_lab.deploy(name, "def handler(event, context): return 1")
    for name, other in (("f", "g"), ("g", "f")):
        target = {"OnSuccess": {"Destination": ARN[:-1] + other}}
        own_lab.boto3("lambda").put_function_event_invoke_config(FunctionName=name, DestinationConfig=target)
    own_lab.invoke("f", kind="Event")
    wait_until(lambda: any("f is in a recursive loop" in line for line in own_lab.messages()))
    assert len(own_lab.traces("f")) == 16


@pytest.mark.process
def test_a_moto_that_is_killed_while_objects_are_put_is_started_again_and_nothing_hangs(account, wait_until):
    account.permit("s3", SourceArn=BUCKET)
    s3 = account.watch("photos")
    (moto,) = [
        p for p in psutil.Process(account.lab.status()["pid"]).children() if "labkit.mockaws" in " ".join(p.cmdline())
    ]
    lost = False
    for number in range(60):
        if number == 30:
            moto.kill()
        try:
            s3.put_object(Bucket="photos", Key=str(number))
        except (ClientError, BotoCoreError):
            lost = True
    assert lost
    psutil.wait_procs([moto], timeout=15)
    assert s3.list_buckets()["Buckets"] == []
    assert any("its queues, topics and buckets are gone" in line for line in account.lab.messages())
    told = len(account.wait_events(30))
    account.watch("photos").put_object(Bucket="photos", Key="again")
    wait_until(lambda: len(account.events()) == told + 1)


@pytest.mark.process
def test_a_put_does_not_wait_for_its_handler(own_lab, wait_until):
    account = Account(
        own_lab,
        wait_until,
        "import time\ndef handler(event, context):\n    print('GOT 1', flush=True)\n    time.sleep(15)",
    )
    account.permit("s3")
    s3 = account.watch("photos")
    for key in "abc":
        s3.put_object(Bucket="photos", Key=key)
    assert s3.list_objects_v2(Bucket="photos")["KeyCount"] == 3
    assert own_lab.traces("f") == []  # none of the three has ended


@pytest.mark.process
def test_the_aws_cli_puts_an_object_and_sees_its_functions_log(account, wait_until, tmp_path):
    account.permit("s3")
    account.watch("photos")
    (tmp_path / "cat").write_bytes(b"meow")
    body, before_ms = str(tmp_path / "cat"), int(time.time() * 1000) - 1000
    put = cli(account.lab, tmp_path, "s3api", "put-object", "--bucket", "photos", "--key", "cat", "--body", body)
    assert put["ETag"]
    wait_until(lambda: account.lab.traces("f"))
    # what `aws logs tail` asks, which version 1 of the CLI, the one that pip installs, does not have
    asked = ("--log-group-name", "/aws/lambda/f", "--start-time", str(before_ms), "--interleaved")
    lines = [event["message"] for event in cli(account.lab, tmp_path, "logs", "filter-log-events", *asked)["events"]]
    (said,) = [json.loads(line[4:]) for line in lines if line.startswith("GOT ")]
    assert said["Records"][0]["s3"]["object"]["key"] == "cat"
    assert any(line.startswith("REPORT RequestId: ") for line in lines)


def cli(lab, home, *words):
    """The answer to an unmodified AWS CLI that is told where the lab is, and its keys, and nothing else."""
    known = lab.connection
    variables = {
        "PATH": os.defpath,
        "HOME": str(home),
        "AWS_ENDPOINT_URL": known["endpoint_url"],
        "AWS_DEFAULT_REGION": known["region_name"],
        "AWS_ACCESS_KEY_ID": known["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": known["aws_secret_access_key"],
    }
    aws = Path(sys.executable).with_name("aws")
    assert aws.exists(), f"{aws} is not there: install the project's extra `test`"
    done = subprocess.run([aws, *words], env=variables, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.process
def test_a_users_own_endpoint_variable_wins(own_lab):
    source = "import os\ndef handler(event, context): return os.environ['AWS_ENDPOINT_URL']"
    own_lab.deploy("f", source)
    assert own_lab.invoke("f").payload == own_lab.endpoint
    own_lab.deploy("f", source, variables={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert own_lab.invoke("f").payload == "http://127.0.0.1:1"

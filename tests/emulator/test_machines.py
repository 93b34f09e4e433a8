"""State machines: their waiting on the clock, and whole machines in a running lab with unmodified boto3."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from labkit import Lab
from labkit.emulator.clock import Clock
from labkit.emulator.machines import Machines

NOON = 1_800_000_000.0
ROLE = "arn:aws:iam::123456789012:role/machine"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"
INVOKE = "arn:aws:states:::lambda:invoke"


class Moto:
    """Stands for moto's process: notes what it is told, and when; is at rest when the test says so."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seen: list[tuple[str, float]] = []
        self.rest = asyncio.Event()
        self.rest.set()

    async def tell(self, path):
        self.seen.append((path, self._clock.now() - NOON))
        if path == "/rest":
            await self.rest.wait()


def play(scene):
    async def played():
        clock = Clock(time_of_day=lambda: NOON)
        moto = Moto(clock)
        machines = Machines(clock, moto.tell)
        async with asyncio.timeout(10):
            await scene(clock, moto, machines)
        machines.stop()
        for _ in range(3):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(played())


def test_a_machine_is_woken_at_its_moment_and_the_clock_stands_until_it_rests():
    async def scene(clock, moto, machines):
        machines.pause("p", NOON + 600)
        moto.rest.clear()
        advance = asyncio.ensure_future(clock.advance(3600))
        for _ in range(20):
            await asyncio.sleep(0)
        assert moto.seen == [("/wake/p", 600.0), ("/rest", 600.0)]
        assert clock.now() == NOON + 600
        machines.pause("q", clock.now() + 300)
        moto.rest.set()
        await advance
        assert moto.seen[2:] == [("/wake/q", 900.0), ("/rest", 900.0)]
        assert clock.now() == NOON + 3600

    play(scene)


def test_a_machine_that_is_started_is_at_work_until_it_rests():
    async def scene(clock, moto, machines):
        moto.rest.clear()
        machines.passed("states", {"headers": [(b"x-amz-target", b"AWSStepFunctions.DescribeExecution")]})
        machines.passed("sqs", {"headers": [(b"x-amz-target", b"AWSStepFunctions.StartExecution")]})
        assert await clock.advance(60) == NOON + 60
        machines.passed("states", {"headers": [(b"x-amz-target", b"AWSStepFunctions.StartExecution")]})
        advance = asyncio.ensure_future(clock.advance(60))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not advance.done()
        moto.rest.set()
        assert await advance == NOON + 120

    play(scene)


def test_many_that_want_to_know_whether_machines_rest_ask_once_and_once_more():
    async def scene(clock, moto, machines):
        moto.rest.clear()
        for _ in range(100):
            machines.passed("states", {"headers": [(b"x-amz-target", b"AWSStepFunctions.StartExecution")]})
        for _ in range(20):
            await asyncio.sleep(0)
        machines.passed("states", {"headers": [(b"x-amz-target", b"AWSStepFunctions.StartExecution")]})
        for _ in range(20):
            await asyncio.sleep(0)
        moto.rest.set()
        await clock.advance(60)
        assert moto.seen == [("/rest", 0.0), ("/rest", 0.0)]

    play(scene)


# --- in a running lab


@pytest.fixture(scope="module")
def machine_lab():
    with Lab(notice=lambda message: None) as lab:
        lab.deploy(
            "double",
            """
            import json
            def handler(event, context):
                print("GOT", json.dumps(event))
                if event.get("fail"):
                    raise ValueError("no luck")
                return {"x": event["x"] * 2}
            """.replace("\n            ", "\n"),
        )
        yield lab


@pytest.fixture
def lab(machine_lab):
    return machine_lab


@pytest.fixture
def states(lab):
    client = boto3.client("stepfunctions", **lab.connection, config=Config(inject_host_prefix=False))
    yield client
    for machine in client.list_state_machines()["stateMachines"]:
        for execution in client.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]:
            if execution["status"] == "RUNNING":
                client.stop_execution(executionArn=execution["executionArn"])
        client.delete_state_machine(stateMachineArn=machine["stateMachineArn"])


def task(resource=f"{FUNCTION}double", **more):
    return {"Type": "Task", "Resource": resource, **(more if "Next" in more else {"End": True, **more})}


def machine_of(first, kind="STANDARD", **others):
    """A definition whose first state is called First."""
    definition = {"StartAt": "First", "States": {"First": first, **others}}
    return {"name": "m", "definition": json.dumps(definition), "roleArn": ROLE, "type": kind}


def start(states, definition, given):
    arn = states.create_state_machine(**definition)["stateMachineArn"]
    return states.start_execution(stateMachineArn=arn, input=json.dumps(given))["executionArn"]


def ran(lab, states, definition, given, for_="1m"):
    """How an execution has ended after some time."""
    execution = start(states, definition, given)
    lab.advance(for_)
    return states.describe_execution(executionArn=execution)


def history(states, execution):
    return [event["type"] for event in states.get_execution_history(executionArn=execution)["events"]]


process = pytest.mark.process


@process
@pytest.mark.parametrize(
    "first",
    [
        task(),
        task(INVOKE, Parameters={"FunctionName": "double", "Payload.$": "$"}, OutputPath="$.Payload"),
        task(
            INVOKE, Parameters={"FunctionName": f"{FUNCTION}double:$LATEST", "Payload.$": "$"}, OutputPath="$.Payload"
        ),
    ],
)
def test_a_task_runs_a_function_of_the_lab(lab, states, first):
    ended = ran(lab, states, machine_of(first), {"x": 21})
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"x": 42})
    kinds = history(states, ended["executionArn"])
    assert kinds[0] == "ExecutionStarted"
    assert kinds[-1] == "ExecutionSucceeded"


@process
@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize(
    ("name", "error", "cause"),
    [
        ("double", "ValueError", '"errorMessage":"no luck"'),
        ("none", "Lambda.ResourceNotFoundException", "Status Code: 404"),
    ],
)
def test_an_error_has_the_functions_name_for_it(lab, states, direct, name, error, cause):
    called = task(FUNCTION + name) if direct else task(INVOKE, Parameters={"FunctionName": name, "Payload.$": "$"})
    ended = ran(lab, states, machine_of(called), {"fail": True})
    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert cause in ended["cause"]


@process
def test_a_throttle_is_lambdas_error_and_can_be_caught(lab, states):
    aws = lab.boto3("lambda")
    aws.put_function_concurrency(FunctionName="double", ReservedConcurrentExecutions=0)
    try:
        caught = {"ErrorEquals": ["Lambda.TooManyRequestsException"], "ResultPath": "$.why", "Next": "Caught"}
        ended = ran(lab, states, machine_of(task(Catch=[caught]), Caught={"Type": "Pass", "End": True}), {"x": 1})
    finally:
        aws.delete_function_concurrency(FunctionName="double")
    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"])["why"]["Error"] == "Lambda.TooManyRequestsException"


@process
def test_retries_wait_on_the_labs_clock_and_then_the_error_is_caught(lab, states):
    before = "".join(text for _, text in lab.logs("double")).count("START")
    retry = {"ErrorEquals": ["ValueError"], "IntervalSeconds": 600, "MaxAttempts": 2, "BackoffRate": 2}
    caught = {"ErrorEquals": ["States.ALL"], "Next": "Caught"}
    definition = machine_of(
        task(Retry=[retry], Catch=[caught]), Caught={"Type": "Pass", "Result": "sorry", "End": True}
    )
    execution = start(states, definition, {"fail": True})
    lab.advance("25m")
    assert states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    lab.advance("10m")
    ended = states.describe_execution(executionArn=execution)
    assert (ended["status"], ended["output"]) == ("SUCCEEDED", '"sorry"')
    assert "".join(text for _, text in lab.logs("double")).count("START") == before + 3


@process
def test_an_advance_takes_a_machine_through_its_waiting(lab, states):
    waits = {
        "First": {"Type": "Wait", "Seconds": 600, "Next": "Work"},
        "Work": task(Next="Again"),
        "Again": {"Type": "Wait", "SecondsPath": "$.x", "Next": "More"},
        "More": task(),
    }
    execution = start(states, machine_of(first=waits.pop("First"), **waits), {"x": 600})
    for minutes, kind in (("9m", "WaitStateEntered"), ("2m", "WaitStateEntered"), ("18m", "WaitStateEntered")):
        lab.advance(minutes)
        assert history(states, execution)[-1] == kind
    assert history(states, execution).count("LambdaFunctionSucceeded") == 1
    lab.advance("2m")
    assert json.loads(states.describe_execution(executionArn=execution)["output"]) == {"x": 2400}
    again = states.start_execution(
        stateMachineArn=states.describe_execution(executionArn=execution)["stateMachineArn"], input='{"x": 600}'
    )
    lab.advance("1h")
    assert states.describe_execution(executionArn=again["executionArn"])["status"] == "SUCCEEDED"


@process
def test_a_timestamp_is_a_moment_of_the_labs_clock(lab, states):
    when = lab.advance("3h") + timedelta(minutes=10)
    waits = {"Type": "Wait", "TimestampPath": "$.when", "End": True}
    execution = start(states, machine_of(waits), {"when": f"{when:%Y-%m-%dT%H:%M:%SZ}"})
    lab.advance("9m")
    assert states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    lab.advance("2m")
    assert states.describe_execution(executionArn=execution)["status"] == "SUCCEEDED"


@process
def test_map_and_parallel_and_choice(lab, states):
    each = {"Type": "Map", "ItemProcessor": {"StartAt": "Each", "States": {"Each": task()}}, "Next": "Both"}
    both = {
        "Type": "Parallel",
        "Next": "Which",
        "Branches": [
            {"StartAt": "A", "States": {"A": {"Type": "Pass", "InputPath": "$[1]", "End": True}}},
            {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}},
        ],
    }
    which = {
        "Type": "Choice",
        "Choices": [{"Variable": "$[0].x", "NumericEquals": 2, "Next": "Good"}],
        "Default": "Bad",
    }
    ends = {"Good": {"Type": "Succeed"}, "Bad": {"Type": "Fail", "Error": "Bad"}}
    ended = ran(lab, states, machine_of(each, Both=both, Which=which, **ends), [{"x": n} for n in range(5)], "2m")
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == [{"x": 2}, [{"x": 2 * n} for n in range(5)]]


@process
def test_other_services_are_tasks_too(lab, states):
    url = lab.boto3("sqs").create_queue(QueueName="q")["QueueUrl"]
    table = {"AttributeName": "id", "KeyType": "HASH"}
    lab.boto3("dynamodb").create_table(
        TableName="t",
        KeySchema=[table],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    put = task(
        "arn:aws:states:::dynamodb:putItem",
        Parameters={"TableName": "t", "Item": {"id": {"S.$": "$.id"}}},
        ResultPath=None,
        Next="Send",
    )
    send = task("arn:aws:states:::sqs:sendMessage", Parameters={"QueueUrl": url, "MessageBody.$": "$.id"}, Next="Make")
    make = task("arn:aws:states:::aws-sdk:s3:createBucket", Parameters={"Bucket": "made-by-a-machine"})
    assert ran(lab, states, machine_of(put, Send=send, Make=make), {"id": "7"})["status"] == "SUCCEEDED"
    assert lab.boto3("sqs").receive_message(QueueUrl=url)["Messages"][0]["Body"] == "7"
    assert lab.boto3("dynamodb").scan(TableName="t")["Items"] == [{"id": {"S": "7"}}]
    assert "made-by-a-machine" in [bucket["Name"] for bucket in lab.boto3("s3").list_buckets()["Buckets"]]


@process
def test_a_function_hands_a_token_back(lab, states):
    url = lab.boto3("sqs").create_queue(QueueName="tokens")["QueueUrl"]
    body = {"token.$": "$$.Task.Token"}
    asks = task("arn:aws:states:::sqs:sendMessage.waitForTaskToken", Parameters={"QueueUrl": url, "MessageBody": body})
    execution = start(states, machine_of(asks), {})
    lab.advance("1h")
    assert states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    message = lab.boto3("sqs").receive_message(QueueUrl=url)["Messages"][0]
    states.send_task_success(taskToken=json.loads(message["Body"])["token"], output='"done"')
    lab.advance("1s")
    assert states.describe_execution(executionArn=execution)["output"] == '"done"'


@process
def test_a_task_that_takes_too_long_times_out_in_real_time(lab, states):
    lab.deploy("slow", "import time\ndef handler(event, context):\n    time.sleep(1.5)", timeout_s=10)
    ended = ran(lab, states, machine_of(task(f"{FUNCTION}slow", TimeoutSeconds=1)), {}, "1m")
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")


@process
def test_jsonata_is_read(lab, states):
    first = task(INVOKE, Arguments={"FunctionName": "double", "Payload": "{% {'x': $states.input.n + 1} %}"})
    first |= {"QueryLanguage": "JSONata", "Output": "{% $states.result.Payload.x %}"}
    assert ran(lab, states, machine_of(first), {"n": 4})["output"] == "10"
    bad = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $nothing( %}", "End": True}
    ended = ran(lab, states, {**machine_of(bad), "name": "bad"}, {})
    assert ended["status"] == "FAILED"
    assert "Expected )" in ended["cause"]


@process
def test_an_express_machine_answers_at_once(lab, states):
    arn = states.create_state_machine(**machine_of(task(), kind="EXPRESS"))["stateMachineArn"]
    answer = states.start_sync_execution(stateMachineArn=arn, input='{"x": 4}')
    assert (answer["status"], json.loads(answer["output"])) == ("SUCCEEDED", {"x": 8})
    failed = states.start_sync_execution(stateMachineArn=arn, input='{"fail": true}')
    assert (failed["status"], failed["error"]) == ("FAILED", "ValueError")
    with pytest.raises(ClientError, match="InvalidExecutionInput"):
        states.start_sync_execution(stateMachineArn=arn, input="nope")


@process
def test_a_standard_machine_does_not_answer_at_once(states):
    arn = states.create_state_machine(**machine_of(task()))["stateMachineArn"]
    with pytest.raises(ClientError, match="StateMachineTypeNotSupported"):
        states.start_sync_execution(stateMachineArn=arn)


@process
def test_a_machine_that_never_ends_can_be_stopped_and_holds_nothing_up(lab, states, wait_until):
    loop = {"Type": "Wait", "Seconds": 60, "Next": "First"}
    execution = start(states, machine_of(loop), {})
    lab.advance(630)
    assert history(states, execution).count("WaitStateEntered") == 11
    states.stop_execution(executionArn=execution, error="Enough", cause="of this")
    wait_until(lambda: states.describe_execution(executionArn=execution)["status"] == "ABORTED")


@process
@pytest.mark.parametrize(
    ("definition", "code"),
    [
        ("{", "INVALID_JSON_DESCRIPTION"),
        ("{}", "SCHEMA_VALIDATION_FAILED"),
        ('{"StartAt": "A", "States": {}}', "SCHEMA_VALIDATION_FAILED"),
        ('{"StartAt": "A", "States": {"A": {"Type": "Nothing"}}}', "SCHEMA_VALIDATION_FAILED"),
    ],
)
def test_a_definition_that_is_none_is_refused(states, definition, code):
    with pytest.raises(ClientError) as refused:
        states.create_state_machine(name="m", definition=definition, roleArn=ROLE)
    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidDefinition"
    assert error["Message"].startswith(f"Invalid State Machine Definition: '{code}: ")


@process
def test_bad_requests_have_awss_codes(states):
    arn = states.create_state_machine(**machine_of(task()))["stateMachineArn"]
    with pytest.raises(ClientError, match="InvalidExecutionInput"):
        states.start_execution(stateMachineArn=arn, input="{")
    with pytest.raises(ClientError, match="StateMachineDoesNotExist"):
        states.start_execution(stateMachineArn=f"{arn}x")
    with pytest.raises(ClientError, match="InvalidToken"):
        states.send_task_success(taskToken="none", output="{}")
    with pytest.raises(ClientError, match="ExecutionDoesNotExist"):
        states.describe_execution(executionArn=arn.replace("stateMachine", "execution") + ":none")


@process
@pytest.mark.parametrize("query", ["", "seconds=", "seconds=soon", "seconds=nan", "until=inf"])
def test_a_pause_needs_a_number(lab, signature, query):
    answer = requests.post(f"{lab.endpoint}/_labkit/pause?{query}", auth=signature)
    assert answer.status_code == 400
    assert "expected a number" in answer.json()["message"]


@process
def test_a_rule_starts_a_machine(lab, states):
    arn = states.create_state_machine(**machine_of({"Type": "Wait", "Seconds": 60, "End": True}))["stateMachineArn"]
    events = lab.boto3("events")
    events.put_rule(Name="starts", ScheduleExpression="rate(1 hour)")
    events.put_targets(Rule="starts", Targets=[{"Id": "1", "Arn": arn, "RoleArn": ROLE, "Input": '{"by": "rule"}'}])
    lab.advance("62m")
    events.remove_targets(Rule="starts", Ids=["1"])
    events.delete_rule(Name="starts")
    [execution] = states.list_executions(stateMachineArn=arn)["executions"]
    ended = states.describe_execution(executionArn=execution["executionArn"])
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"by": "rule"})

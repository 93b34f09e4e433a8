"""What functions leave, in the account's CloudWatch and X-Ray when somebody looks."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import io
import json
import time
import zipfile

import psutil
import pytest

from labkit import Lab
from labkit.emulator.daemon import Daemon
from labkit.emulator.loglines import Origin
from labkit.emulator.logstream import STREAM_BYTES
from labkit.emulator.metrics import Book
from labkit.emulator.recorder import TRACES, Recorder
from labkit.emulator.reel import BATCH
from labkit.emulator.segments import Sampler
from labkit.emulator.services import ServiceRefused
from labkit.emulator.telemetry import WAITING_RUNS, Telemetry
from labkit.errors import ServicesNotStarted
from labkit.model import Status, Trace

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


class FakeServices:
    """moto's logs and metrics in a dict; each call takes a turn of the loop."""

    def __init__(self) -> None:
        self.starts = self.pid = 0
        self.streams: dict[tuple[str, str], list[str]] = {}
        self.groups: set[str] = set()
        self.posted: list[str] = []
        self.invocations = 0.0
        self.dies = False
        self.refuses = ""

    async def reached(self):
        self.starts = self.starts or 1
        self.pid = 1

    def restart(self):
        self.streams, self.groups, self.starts, self.invocations = {}, set(), self.starts + 1, 0

    async def post(self, service, region, body, *, target="", path="/"):
        await asyncio.sleep(0)
        if self.dies:
            raise ServicesNotStarted("moto ended.")
        what = target.partition(".")[2] or path
        self.posted.append(what)
        if self.refuses == what:
            raise ServiceRefused(500, "InternalError")
        return getattr(self, what.strip("/"))(body)

    def CreateLogGroup(self, call):  # noqa: N802 AWS's names, as below
        if call["logGroupName"] in self.groups:
            raise ServiceRefused(400, "ResourceAlreadyExistsException")
        self.groups.add(call["logGroupName"])

    def CreateLogStream(self, call):  # noqa: N802
        self.streams[call["logGroupName"], call["logStreamName"]] = []

    def PutLogEvents(self, call):  # noqa: N802
        key = (call["logGroupName"], call["logStreamName"])
        if key not in self.streams:
            raise ServiceRefused(400, "ResourceNotFoundException")
        self.streams[key] += [event["message"].split()[0] for event in call["logEvents"]]

    def PutMetricData(self, call):  # noqa: N802
        for datum in call["MetricData"]:
            if datum["MetricName"] == "Invocations" and not datum["Dimensions"]:
                self.invocations += datum["StatisticValues"]["Sum"]

    def TraceSegments(self, call):  # noqa: N802
        return {"UnprocessedTraceSegments": []}


@dataclasses.dataclass
class Scene:
    services: FakeServices
    recorder: Recorder
    telemetry: Telemetry

    def invoked(self, request_id, output=b"hello\n", stream=None):
        log = stream or self.recorder.stream(Origin("f"), "s")
        log.begin(request_id)
        log.write(output)
        trace = Trace(request_id, "f", "$LATEST", "e", "s", time.time(), 0.0, 0.1, 128, 36, Status.SUCCESS)
        log.open_entry.trace = trace
        self.recorder.record(trace)
        return log

    @property
    def lines(self):
        return self.services.streams.get(("/aws/lambda/f", "s"), [])


WHOLE = ["START", "hello", "END", "REPORT"]


def play(act):
    """Runs a scene with a recorder, telemetry and a moto that is none."""

    async def run():
        services, recorder = FakeServices(), Recorder()
        more = {"account_id": "1", "region": "us-east-1", "book": Book(), "sampler": Sampler(), "daemon": Daemon()}
        return await act(Scene(services, recorder, Telemetry(recorder, services, **more)))

    return asyncio.run(run())


def test_each_look_brings_what_is_new():
    async def act(scene):
        log = scene.invoked("r1")
        await scene.telemetry.before("logs", "Logs_20140328.GetLogEvents")
        assert scene.lines == WHOLE
        scene.invoked("r2", stream=log)
        await scene.telemetry.before("monitoring", "")
        assert scene.lines == WHOLE * 2
        assert scene.services.invocations == 2
        scene.services.posted.clear()
        await scene.telemetry.before("xray", "")
        assert scene.services.posted == []

    play(act)


def test_other_services_bring_nothing():
    async def act(scene):
        scene.invoked("r1")
        await scene.telemetry.before("s3", "")
        assert (scene.services.posted, scene.services.starts) == ([], 0)

    play(act)


def test_many_who_look_at_once_bring_nothing_twice_and_each_sees_what_was_before_it():
    async def act(scene):
        log = scene.invoked("r0")
        seen = []

        async def look():
            await scene.telemetry.before("logs", "")
            seen.append(scene.lines.count("END"))

        looks = []
        for number in range(1, 6):
            looks.append(asyncio.create_task(look()))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            scene.invoked(f"r{number}", stream=log)
        looks.append(asyncio.create_task(look()))
        await asyncio.gather(*looks)
        assert scene.lines == WHOLE * 6
        assert all(count >= number + 1 for number, count in enumerate(sorted(seen)))

    play(act)


def test_a_group_that_was_deleted_is_made_again_by_the_next_line():
    async def act(scene):
        log = scene.invoked("r1")
        await scene.telemetry.up_to_date()
        scene.services.streams.clear()
        await scene.telemetry.up_to_date()
        assert scene.lines == []
        scene.invoked("r2", stream=log)
        await scene.telemetry.up_to_date()
        assert scene.lines == WHOLE

    play(act)


def test_after_motos_death_all_that_is_kept_is_brought_again():
    async def act(scene):
        log = scene.invoked("r1")
        await scene.telemetry.up_to_date()
        scene.invoked("r2", stream=log)
        scene.services.dies = True
        with pytest.raises(ServicesNotStarted):
            await scene.telemetry.up_to_date()
        scene.services.dies = False
        scene.services.restart()
        await scene.telemetry.up_to_date()
        assert (scene.lines, scene.services.invocations) == (WHOLE * 2, 2)

    play(act)


def test_every_run_of_an_event_counts_but_not_the_time_of_extensions_after_it():
    async def act(scene):
        scene.invoked("r1")
        first = scene.recorder.trace("r1")
        scene.recorder.record(dataclasses.replace(first, duration_s=2.0))
        scene.recorder.record(dataclasses.replace(first, arrived_at=first.arrived_at + 60))
        await scene.telemetry.up_to_date()
        assert scene.services.invocations == 2

    play(act)


def test_a_deleted_functions_lines_are_brought_and_then_forgotten():
    async def act(scene):
        scene.invoked("r1")
        scene.recorder.forget("f")
        await scene.telemetry.up_to_date()
        assert scene.lines == WHOLE
        assert scene.recorder.all_streams() == []

    play(act)


def test_what_fell_out_before_it_was_brought_is_said(capfd):
    async def act(scene):
        log = None
        for number in range(3):
            log = scene.invoked(f"r{number}", b"x" * (STREAM_BYTES // 2 + 1) + b"\n", stream=log)
        await scene.telemetry.up_to_date()
        await scene.telemetry.up_to_date()

    play(act)
    [said] = capfd.readouterr().err.splitlines()
    assert said.startswith("labkit: 2 parts of logs of f ")


def test_what_is_refused_is_said_and_does_not_hold_up_the_rest(capfd):
    async def act(scene):
        scene.services.refuses = "PutLogEvents"
        scene.invoked("r1")
        await scene.telemetry.up_to_date()
        assert scene.services.invocations == 1

    play(act)
    assert "labkit: 4 lines of s are not in CloudWatch Logs: 500" in capfd.readouterr().err


def test_a_tick_counts_traces_before_the_recorder_forgets_them_and_starts_no_moto():
    async def act(scene):
        log = None
        for number in range(3 * WAITING_RUNS):
            log = scene.invoked(f"r{number}", b"", stream=log)
            if number % WAITING_RUNS == WAITING_RUNS - 1:
                scene.telemetry.tick()
                for _ in range(100):
                    await asyncio.sleep(0)
        assert scene.services.starts == 0
        scene.recorder.clear()
        await scene.telemetry.up_to_date()
        assert scene.services.invocations == 3 * WAITING_RUNS

    play(act)


def test_invocations_that_could_not_be_counted_are_said(capfd):
    async def act(scene):
        log = None
        for number in range(TRACES + 3 * BATCH):
            log = scene.invoked(f"r{number}", b"", stream=log)
        await scene.telemetry.up_to_date()
        fallen = scene.recorder.first_run
        assert scene.services.invocations == TRACES + 3 * BATCH - fallen
        assert f"labkit: {fallen} invocations ended faster than they were counted" in capfd.readouterr().err

    play(act)


def test_ticks_bring_new_lines_only_where_there_may_be_a_subscription():
    async def act(scene):
        log = scene.invoked("r1")
        await scene.telemetry.before("logs", "Logs_20140328.DescribeLogGroups")
        scene.invoked("r2", stream=log)
        scene.telemetry.tick()
        for _ in range(20):
            await asyncio.sleep(0)
        assert scene.lines == WHOLE
        await scene.telemetry.before("logs", "Logs_20140328.PutSubscriptionFilter")
        scene.invoked("r3", stream=log)
        scene.telemetry.tick()
        for _ in range(20):
            await asyncio.sleep(0)
        assert scene.lines == WHOLE * 3

    play(act)


# --- with unmodified boto3

HANDLER = """
import os, time
def handler(event, context):
    print('got', event)
    if event == 'bad':
        raise ValueError('no')
    while str(event).startswith('/') and not os.path.exists(event):
        time.sleep(0.01)
"""


def zipped(source):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
    return buffer.getvalue()


def made(lab, name, **more):
    aws = lab.boto3("lambda")
    aws.create_function(
        FunctionName=name,
        Timeout=60,
        Runtime="python3.13",
        Role="arn:aws:iam::123456789012:role/r",
        Handler="app.handler",
        Code={"ZipFile": zipped(HANDLER)},
        **more,
    )
    aws.get_waiter("function_active_v2").wait(FunctionName=name)
    return lambda event=None, **how: aws.invoke(FunctionName=name, Payload=json.dumps(event), **how)


def said(lab, group, **more):
    events = lab.boto3("logs").filter_log_events(logGroupName=group, interleaved=True, **more)["events"]
    return [event["message"].rstrip() for event in events]


def statistic(lab, metric, statistic="Sum", **dimensions):
    now = lab.advance(0)  # other tests may have advanced the account's clock
    points = lab.boto3("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - datetime.timedelta(minutes=10),
        EndTime=now + datetime.timedelta(minutes=1),
        Period=3600,
        Statistics=[statistic],
    )["Datapoints"]
    return sum(point[statistic] for point in points)


@pytest.mark.process
def test_a_functions_lines_are_in_its_group_one_stream_for_each_environment(lab):
    invoke = made(lab, "told")
    invoke(1)
    lab.boto3("lambda").update_function_configuration(FunctionName="told", Description="another environment")
    lab.boto3("lambda").get_waiter("function_updated_v2").wait(FunctionName="told")
    invoke(2)
    logs = lab.boto3("logs")
    [group] = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/told")["logGroups"]
    streams = logs.describe_log_streams(logGroupName=group["logGroupName"])["logStreams"]
    assert len(streams) == 2
    heads = {}
    for stream in streams:
        assert stream["logStreamName"].startswith(f"{datetime.datetime.now(datetime.UTC):%Y/%m/%d}/[$LATEST]")
        events = logs.get_log_events(
            logGroupName=group["logGroupName"], logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
        heads[events[2]["message"]] = [event["message"].split()[0] for event in events]
    assert heads == {f"got {n}\n": ["INIT_START", "START", "got", "END", "REPORT"] for n in (1, 2)}
    assert said(lab, "/aws/lambda/told", filterPattern="got") == ["got 1", "got 2"]


@pytest.mark.process
def test_a_log_can_be_followed_while_its_function_runs(lab, wait_until, tmp_path):
    invoke = made(lab, "long")
    door = tmp_path / "door"
    invoke(str(door), InvocationType="Event")
    seen = {}

    def poll():
        for event in lab.boto3("logs").filter_log_events(logGroupName="/aws/lambda/long")["events"]:
            seen[event["eventId"]] = event["message"]
        return any(message == f"got {door}\n" for message in seen.values())

    wait_until(lambda: lab.boto3("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/long")["logGroups"])
    wait_until(poll)
    assert [message for message in seen.values() if message.startswith("REPORT")] == []
    door.touch()
    wait_until(lambda: poll() and any(message.startswith("REPORT") for message in seen.values()))
    assert sum(message.startswith("got") for message in seen.values()) == 1


@pytest.mark.process
def test_functions_with_a_group_of_their_own_share_it(lab):
    for name in ("one", "two"):
        made(lab, name, LoggingConfig={"LogGroup": "together"})(name)
    assert sorted(line for line in said(lab, "together") if line.startswith("got")) == ["got one", "got two"]


@pytest.mark.process
def test_the_log_of_a_deleted_function_stays_and_that_of_a_deleted_group_goes(lab):
    made(lab, "gone")(1)
    lab.boto3("lambda").delete_function(FunctionName="gone")
    assert "got 1" in said(lab, "/aws/lambda/gone")
    invoke = made(lab, "gone")
    invoke(2)
    lab.boto3("logs").delete_log_group(logGroupName="/aws/lambda/gone")
    invoke(3)
    assert [line for line in said(lab, "/aws/lambda/gone") if line.startswith("got")] == ["got 3"]


@pytest.mark.process
def test_a_subscription_fires_by_itself_with_new_lines_only(lab, wait_until):
    invoke = made(lab, "source")
    invoke("before")
    kinesis = lab.boto3("kinesis")
    kinesis.create_stream(StreamName="lines", ShardCount=1)
    arn = kinesis.describe_stream(StreamName="lines")["StreamDescription"]["StreamARN"]
    lab.boto3("logs").put_subscription_filter(
        logGroupName="/aws/lambda/source", filterName="all", filterPattern="", destinationArn=arn, roleArn="arn:aws:iam::123456789012:role/r"
    )  # fmt: skip
    invoke("after")
    shard = kinesis.get_shard_iterator(
        StreamName="lines", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]

    def arrived():
        import gzip

        records = kinesis.get_records(ShardIterator=shard)["Records"]
        found = [json.loads(gzip.decompress(record["Data"])) for record in records]
        return [event["message"] for batch in found for event in batch["logEvents"]]

    wait_until(lambda: any(message.startswith("REPORT") for message in arrived()))
    assert [message for message in arrived() if message.startswith("got")] == ["got after\n"]


@pytest.mark.process
def test_lambdas_metrics_are_those_of_the_invocations(lab):
    invoke = made(lab, "measured")
    aws = lab.boto3("lambda")
    version = aws.publish_version(FunctionName="measured")["Version"]
    aws.create_alias(FunctionName="measured", Name="live", FunctionVersion=version)
    for event in (1, "bad", 2):
        invoke(event)
    invoke(3, Qualifier="live")
    function = {"FunctionName": "measured"}
    assert statistic(lab, "Invocations", **function) == 4
    assert statistic(lab, "Errors", **function) == 1
    assert statistic(lab, "Invocations", **function, Resource="measured") == 3
    assert statistic(lab, "Invocations", **function, Resource="measured:live", ExecutedVersion=version) == 1
    assert statistic(lab, "ConcurrentExecutions", "Maximum", **function) == 1
    assert statistic(lab, "Duration", "SampleCount", **function) == 4


@pytest.mark.process
def test_throttles_are_counted(lab):
    invoke = made(lab, "narrow")
    aws = lab.boto3("lambda")
    aws.put_function_concurrency(FunctionName="narrow", ReservedConcurrentExecutions=0)
    for _ in range(3):
        with pytest.raises(aws.exceptions.TooManyRequestsException):
            invoke(1)
    refused = statistic(lab, "Throttles", FunctionName="narrow")
    assert refused >= 3  # boto3 tries again
    assert statistic(lab, "Invocations", FunctionName="narrow") == 0


@pytest.mark.process
def test_metrics_can_be_asked_for_together(lab):
    made(lab, "asked")(1)
    now = lab.advance(0)
    metric = {"Namespace": "AWS/Lambda", "MetricName": "Invocations"}
    answer = lab.boto3("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {"Id": "own", "MetricStat": {"Metric": {**metric, "Dimensions": [{"Name": "FunctionName", "Value": "asked"}]}, "Period": 3600, "Stat": "Sum"}},
            {"Id": "none", "MetricStat": {"Metric": {**metric, "Dimensions": [{"Name": "FunctionName", "Value": "no such"}]}, "Period": 3600, "Stat": "Sum"}},
        ],
        StartTime=now - datetime.timedelta(minutes=10),
        EndTime=now + datetime.timedelta(minutes=1),
    )  # fmt: skip
    assert {result["Id"]: result["Values"] for result in answer["MetricDataResults"]} == {"own": [1.0], "none": []}


@pytest.mark.process
def test_a_passed_through_header_is_the_handlers_and_leaves_no_segment(lab):
    aws = lab.boto3("lambda")
    source = "import os\ndef handler(event, context): return os.environ['_X_AMZN_TRACE_ID']\n"
    root = "1-65432100-0123456789abcdef01234567"
    header = f"Root={root};Parent=0123456789abcdef;Sampled=1"
    aws.meta.events.register("before-call.lambda.Invoke", lambda params, **_: params["headers"].update({"X-Amzn-Trace-Id": header}))  # fmt: skip
    lab.deploy("passing", source)
    seen = json.loads(aws.invoke(FunctionName="passing")["Payload"].read())
    assert seen.rpartition(";Lineage=")[0] == header  # by which Lambda knows a loop
    assert lab.boto3("xray").batch_get_traces(TraceIds=[root])["Traces"] == []
    aws.update_function_configuration(FunctionName="passing", TracingConfig={"Mode": "Active"})
    aws.get_waiter("function_updated_v2").wait(FunctionName="passing")
    seen = json.loads(aws.invoke(FunctionName="passing")["Payload"].read())
    assert (seen.split(";")[0], seen.split(";")[2]) == (f"Root={root}", "Sampled=1")
    [trace] = lab.boto3("xray").batch_get_traces(TraceIds=[root])["Traces"]
    assert len(trace["Segments"]) == 2
    now = time.time()
    summaries = lab.boto3("xray").get_trace_summaries(StartTime=now - 600, EndTime=now + 60)["TraceSummaries"]
    assert [s["HasFault"] for s in summaries if s["Id"] == root] == [False]


def motos():
    below = psutil.Process().children(recursive=True)
    return {process.pid for process in below if "labkit.mockaws" in process.cmdline()}


@pytest.mark.process
def test_a_lab_that_looks_at_nothing_starts_no_moto():
    others = motos()
    with Lab(notice=lambda message: None) as lab:
        for _ in range(3):
            lab.deploy("alone", "def handler(event, context): print(1)").invoke()
        assert motos() == others
        lab.boto3("logs").describe_log_groups()
        assert len(motos()) == len(others) + 1

"""The queue of events, with a fake in the dispatcher's place and a clock that moves only when it is advanced."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import msgspec
import pytest

from labkit.emulator.clock import Clock
from labkit.emulator.destinations import delivery
from labkit.emulator.invocation import Invocation, Result
from labkit.emulator.invoker import Invoker
from labkit.emulator.logstream import Entry
from labkit.emulator.queue import EventQueue, Ways
from labkit.emulator.registry import Function, FunctionVersion, Registry, parse_reference
from labkit.errors import ResourceNotFound, ServiceFault, TooManyRequests
from labkit.model import DeploymentPackage, EventInvokeConfig, FunctionConfig, Status, Trace

NOON = 1_800_000_000.0
ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
GOOD, BAD = "arn:aws:lambda:us-east-1:123456789012:function:good", "arn:aws:sns:us-east-1:123456789012:bad"
DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"
THROTTLE = TooManyRequests("ConcurrentInvocationLimitExceeded")
TRACE = Trace("r", "f", "$LATEST", "e", "s", NOON, 0.0, 0.1, 128, 40, Status.SUCCESS)
VERSION = FunctionVersion(
    "f:1", ARN, FunctionConfig("f", "app.handler"), DeploymentPackage("sha", 1), "$LATEST", "", ""
)


def result(payload, *, failed):
    return Result(json.dumps(payload).encode(), failed, Entry(), TRACE)


OK = result("fine", failed=False)
FAILURE = result({"errorMessage": "no luck"}, failed=True)


class Stage:
    """A queue on which each attempt goes as `script` says; the last line is repeated."""

    def __init__(self, *script, most_events=10, reserved=None, **config):
        self.clock = Clock(time_of_day=lambda: NOON)
        self.script = list(script)
        self.attempts: list[tuple[float, Invocation]] = []
        self.records: list[tuple[str, dict]] = []
        self.dead: list = []
        self.noted: list[tuple[str, float]] = []
        self.arrives = True
        self.version: FunctionVersion | None = VERSION
        self.config = EventInvokeConfig(**config)
        ways = Ways(
            submit=self.submit,
            version_of=self.version_of,
            config_of=lambda arn: self.config,
            reserved_of=lambda version: reserved,
            deliver=self.deliver,
            bury=self.bury,
            note=lambda metric, invocation, value: self.noted.append((metric, value)),
        )
        self.queue = EventQueue(self.clock, ways, most_events=most_events)

    def submit(self, invocation):
        self.attempts.append((self.clock.now() - NOON, invocation))
        said = self.script[0] if len(self.script) == 1 else self.script.pop(0)
        if isinstance(said, Exception):
            invocation.ending.set_exception(said)
        else:
            invocation.ending.set_result(said)

    def version_of(self, arn):
        if self.version is None:
            raise ResourceNotFound(f"Function not found: {arn}")
        return self.version

    async def deliver(self, arn, body, trace_id):
        self.records.append((arn, json.loads(body)))
        return self.arrives

    async def bury(self, letter):
        self.dead.append(letter)
        return self.arrives

    def put(self, request_id="r", event=b'{"x": 1}'):
        future = asyncio.get_running_loop().create_future()
        self.queue.put(Invocation(request_id, VERSION, ARN, event, 0.0, NOON, future))

    @property
    def moments(self):
        return [at for at, _ in self.attempts]


async def no_service(service, operation, **params):
    raise AssertionError(f"{service} is not needed here")


def play(scene):
    asyncio.run(asyncio.wait_for(scene(), 10))


def test_an_event_that_succeeds_is_run_once():
    async def scene():
        s = Stage(OK)
        s.put()
        await s.clock.advance(21_600)
        assert (s.moments, len(s.queue), s.records, s.dead) == ([0], 0, [], [])

    play(scene)


@pytest.mark.parametrize("arrives", [True, False])
def test_what_becomes_of_an_event_is_noted_for_its_metrics(arrives):
    async def scene():
        s = Stage(FAILURE, maximum_retry_attempts=1, on_failure=BAD)
        s.version = msgspec.structs.replace(VERSION, config=replace(VERSION.config, dead_letter_arn=DEAD))
        s.arrives = arrives
        s.put()
        await s.clock.advance(21_600)
        assert s.noted == [
            ("AsyncEventsReceived", 1),
            ("AsyncEventAge", 0),
            ("AsyncEventAge", 60_000),
            ("AsyncEventsDropped", 1),
            *([] if arrives else [("DestinationDeliveryFailures", 1), ("DeadLetterErrors", 1)]),
        ]

    play(scene)


def test_an_event_that_fails_is_run_again_after_one_minute_and_after_two_more_with_one_request_id():
    async def scene():
        s = Stage(FAILURE)
        s.put()
        for advance_s, moments in [(59, [0]), (1, [0, 60]), (119, [0, 60]), (1, [0, 60, 180]), (9999, [0, 60, 180])]:
            await s.clock.advance(advance_s)
            assert s.moments == moments
        assert {invocation.request_id for _, invocation in s.attempts} == {"r"}
        assert len(s.queue) == 0

    play(scene)


def test_one_advance_runs_all_the_attempts_that_fall_into_it():
    async def scene():
        s = Stage(FAILURE)
        s.put()
        await s.clock.advance(180)
        assert s.moments == [0, 60, 180]

    play(scene)


def test_each_attempt_waits_for_an_answer_of_its_own():
    async def scene():
        s = Stage(FAILURE)
        s.put()
        await s.clock.advance(180)
        assert len({id(invocation.ending) for _, invocation in s.attempts}) == 3
        assert [invocation.arrived_at for _, invocation in s.attempts] == [NOON, NOON + 60, NOON + 180]

    play(scene)


def test_without_retries_the_first_failure_is_the_end():
    async def scene():
        s = Stage(FAILURE, maximum_retry_attempts=0, on_failure=BAD, on_success=GOOD)
        s.put()
        await s.clock.advance(21_600)
        assert s.moments == [0]
        assert [(arn, r["requestContext"]["approximateInvokeCount"]) for arn, r in s.records] == [(BAD, 1)]

    play(scene)


def test_the_record_of_a_failure_tells_of_the_last_attempt():
    async def scene():
        s = Stage(FAILURE, result({"errorMessage": "worse"}, failed=True), on_failure=BAD, on_success=GOOD)
        s.put()
        await s.clock.advance(180)
        [(arn, record)] = s.records
        assert arn == BAD
        assert record["requestContext"] == {
            "requestId": "r",
            "functionArn": f"{ARN}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        }
        assert record["requestPayload"] == {"x": 1}
        assert record["responseContext"] == {
            "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
        }  # fmt: skip
        assert record["responsePayload"] == {"errorMessage": "worse"}

    play(scene)


def test_a_destination_that_is_a_function_is_invoked_with_the_record():
    async def scene():
        s = Stage(FAILURE, FAILURE, FAILURE, OK, on_failure=GOOD)
        registry = Registry(account_id="123456789012", region="us-east-1")
        for arn in (ARN, GOOD):
            name = arn.rpartition(":")[2]
            version = msgspec.structs.replace(VERSION, key=name, arn=arn, config=FunctionConfig(name, "app.handler"))
            registry.functions[name] = Function(version)
        ways = Ways(
            submit=s.submit,
            version_of=lambda arn: registry.version(parse_reference(arn)),
            config_of=lambda arn: s.config if arn == ARN else EventInvokeConfig(),
            reserved_of=lambda version: None,
            deliver=delivery(
                registry, lambda function, body, trace_id: invoker.invoke(function, body, kind="Event"), no_service
            ),
            bury=s.bury,
        )
        invoker = Invoker(registry, s, EventQueue(s.clock, ways), s.clock)
        accepted = await invoker.invoke(parse_reference("f"), b'{"x": 1}', kind="Event", on_answer=print)
        await s.clock.advance(180)
        assert [(at, invocation.version.key) for at, invocation in s.attempts] == [
            (0, "f"), (60, "f"), (180, "f"), (180, "good"),
        ]  # fmt: skip
        last = s.attempts[-1][1]
        assert last.request_id != accepted.request_id
        assert {invocation.on_answer for _, invocation in s.attempts} == {None}  # its caller has gone
        assert json.loads(last.payload)["requestContext"]["requestId"] == accepted.request_id

    play(scene)


def test_the_record_of_a_success_after_a_failure_counts_both_runs():
    async def scene():
        s = Stage(FAILURE, OK, on_failure=BAD, on_success=GOOD)
        s.put()
        await s.clock.advance(60)
        [(arn, record)] = s.records
        assert (arn, record["requestContext"]["condition"], record["responsePayload"]) == (GOOD, "Success", "fine")
        assert record["requestContext"]["approximateInvokeCount"] == 2

    play(scene)


@pytest.mark.parametrize("refusal", [THROTTLE, ServiceFault("no environment")], ids=["throttle", "fault"])
def test_a_refused_event_goes_back_with_growing_delays_and_is_then_run(refusal):
    async def scene():
        s = Stage(refusal, refusal, refusal, OK, on_success=GOOD)
        s.put()
        await s.clock.advance(7)
        assert s.moments == [0, 1, 3, 7]
        assert s.records[0][1]["requestContext"]["approximateInvokeCount"] == 1

    play(scene)


def test_an_event_that_is_throttled_for_ever_ends_when_it_is_too_old():
    async def scene():
        s = Stage(THROTTLE, maximum_event_age_s=60, on_failure=BAD)
        s.put()
        await s.clock.advance(60)
        assert s.moments == [0, 1, 3, 7, 15, 31]
        [(_, record)] = s.records
        assert record["requestContext"]["condition"] == "EventAgeExceeded"
        assert record["requestContext"]["approximateInvokeCount"] == 0
        assert record["responseContext"] == {"statusCode": 429}

    play(scene)


def test_an_event_whose_retry_would_come_too_late_ends_at_once():
    async def scene():
        s = Stage(FAILURE, maximum_event_age_s=60, on_failure=BAD)
        s.put()
        await s.clock.advance(0.5)
        assert s.moments == [0]
        assert s.records[0][1]["requestContext"]["condition"] == "EventAgeExceeded"

    play(scene)


def test_an_event_whose_limit_was_lowered_while_it_waited_is_not_run_again():
    async def scene():
        s = Stage(FAILURE, on_failure=BAD)
        s.put()
        await s.clock.advance(1)
        s.config = replace(s.config, maximum_event_age_s=60)
        await s.clock.advance(60)
        assert s.moments == [0]
        assert s.records[0][1]["requestContext"]["condition"] == "EventAgeExceeded"

    play(scene)


def test_without_any_concurrency_an_event_is_never_run():
    async def scene():
        s = Stage(OK, reserved=0, on_failure=BAD)
        s.put()
        await s.clock.advance(1)
        assert s.attempts == []
        context = s.records[0][1]["requestContext"]
        assert (context["condition"], context["approximateInvokeCount"]) == ("ZeroReservedConcurrency", 0)

    play(scene)


def test_a_failed_event_goes_to_its_destination_and_to_the_dead_letter_queue():
    async def scene():
        s = Stage(FAILURE, on_failure=BAD)
        s.version = msgspec.structs.replace(VERSION, config=replace(VERSION.config, dead_letter_arn=DEAD))
        s.put()
        await s.clock.advance(180)
        assert [arn for arn, _ in s.records] == [BAD]
        [letter] = s.dead
        assert (letter.target_arn, letter.event, letter.error_message) == (DEAD, b'{"x": 1}', "no luck")

    play(scene)


def test_an_event_that_succeeds_is_no_dead_letter():
    async def scene():
        s = Stage(OK)
        s.version = msgspec.structs.replace(VERSION, config=replace(VERSION.config, dead_letter_arn=DEAD))
        s.put()
        await s.clock.advance(1)
        assert (s.moments, s.dead) == ([0], [])

    play(scene)


def test_a_retry_runs_what_was_deployed_meanwhile():
    async def scene():
        s = Stage(FAILURE, OK)
        s.put()
        await s.clock.advance(1)
        s.version = msgspec.structs.replace(VERSION, key="f:2")
        await s.clock.advance(60)
        assert [invocation.version.key for _, invocation in s.attempts] == ["f:1", "f:2"]

    play(scene)


def test_the_events_of_a_deleted_function_are_dropped(capsys):
    async def scene():
        s = Stage(FAILURE, on_failure=BAD)
        s.put()
        await s.clock.advance(1)
        s.version = None
        await s.clock.advance(60)
        assert (s.moments, s.records, len(s.queue)) == ([0], [], 0)

    play(scene)
    assert capsys.readouterr().err == ""


def test_a_full_queue_refuses_and_has_room_again_when_an_event_has_ended():
    async def scene():
        s = Stage(FAILURE, most_events=2)
        s.put("a")
        s.put("b")
        with pytest.raises(TooManyRequests):
            s.put("c")
        await s.clock.advance(180)
        s.put("d")
        await s.clock.advance(1)
        assert [invocation.request_id for _, invocation in s.attempts] == ["a", "b"] * 3 + ["d"]

    play(scene)


def test_an_event_that_breaks_the_queue_itself_is_named_in_the_log_and_hurts_no_other(capsys):
    async def scene():
        s = Stage(RuntimeError("a bug"), OK, on_success=GOOD)
        s.put("a")
        s.put("b")
        await s.clock.advance(1)
        assert [record["requestContext"]["requestId"] for _, record in s.records] == ["b"]

    play(scene)
    assert "the event a is lost" in capsys.readouterr().err


def test_a_queue_that_stops_runs_nothing_more():
    async def scene():
        s = Stage(FAILURE)
        s.put()
        await s.clock.advance(1)
        s.queue.stop()
        await s.clock.advance(180)
        assert (s.moments, len(s.queue)) == ([0], 0)

    play(scene)

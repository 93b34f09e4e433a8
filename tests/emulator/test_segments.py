"""X-Ray: who is traced, what the handler is told, and Lambda's own segments."""

from __future__ import annotations

import dataclasses
import json

import pytest

from labkit.emulator.loglines import Origin
from labkit.emulator.logstream import Entry
from labkit.emulator.segments import RATE_OF_THE_REST, Sampler, fields_of, segments
from labkit.model import Status, Trace

NOON = 1_800_000_000.0
ARN = "arn:aws:lambda:us-east-1:123456789012:function:f:live"
ROOT = "1-6b49d200-0123456789abcdef01234567"
TRACE = Trace("r1", "f", "7", "e", "s", NOON - 0.3, 0.3, 0.5, 128, 36, Status.SUCCESS, init_s=0.2)


def header(given="", request_id="r1", now=NOON, sampler=None):
    return fields_of((sampler or Sampler()).header(given, request_id, "f", now))


def documents(trace=TRACE, *, tracing="", traced=True, parent=""):
    tracing = tracing or Sampler().header(f"Root={ROOT};Sampled=1", "r1", "f", NOON)
    entry = Entry("r1", Origin("f", traced=traced), NOON, function_arn=ARN, tracing=tracing, trace=trace)
    return [json.loads(document) for document in segments(entry, "123456789012", parent)]


@pytest.mark.parametrize("decided", ["0", "1"])
def test_a_decision_that_came_is_respected(decided):
    sampler = Sampler()
    header(sampler=sampler, request_id="first")
    found = header(f"Root={ROOT};Parent=0123456789abcdef;Sampled={decided}", sampler=sampler)
    assert (found["Root"], found["Sampled"]) == (ROOT, decided)


@pytest.mark.parametrize("given", ["", f"Root={ROOT}", f"Root={ROOT};Sampled=?", "nonsense", "Root=1-x;Sampled=1;="])
def test_without_one_the_first_of_a_second_is_sampled_and_a_few_of_the_others(given):
    sampler = Sampler()
    decided = [header(given if "x" not in given else "", f"r{n}", sampler=sampler)["Sampled"] for n in range(2000)]
    assert decided[0] == "1"
    assert 0.5 * RATE_OF_THE_REST < decided[1:].count("1") / 2000 < 2 * RATE_OF_THE_REST
    assert header(given if "x" not in given else "", "next", now=NOON + 1, sampler=sampler)["Sampled"] == "1"


def test_what_is_not_a_trace_id_is_replaced():
    assert header("Root=1-zz;Parent=no;Sampled=1")["Root"].startswith(f"1-{int(NOON):08x}-")


def test_an_invocation_has_two_segments_as_recorded_from_xray():
    service, function = documents(parent="0123456789abcdef")
    assert service == {
        "id": service["id"],
        "name": "f",
        "trace_id": ROOT,
        "parent_id": "0123456789abcdef",
        "start_time": NOON - 0.3,
        "end_time": NOON + 0.5,
        "http": {"response": {"status": 200}},
        "aws": {"request_id": "r1"},
        "origin": "AWS::Lambda",
        "resource_arn": ARN,
    }
    assert (function["parent_id"], function["origin"]) == (service["id"], "AWS::Lambda::Function")
    assert function["aws"] == {"account_id": "123456789012", "function_arn": ARN, "resource_names": ["f"]}
    parts = [(part["name"], part["start_time"] - NOON, part["end_time"] - NOON) for part in function["subsegments"]]
    assert parts == [
        ("Initialization", pytest.approx(-0.2, abs=1e-6), 0),
        ("Invocation", 0, 0.5),
        ("Overhead", 0.5, 0.5),
    ]
    ids = [service["id"], function["id"], *(part["id"] for part in function["subsegments"])]
    assert len({*ids}) == 5
    assert "fault" not in function


def test_what_a_handler_sends_comes_under_the_invocation():
    tracing = Sampler().header(f"Root={ROOT};Sampled=1", "r1", "f", NOON)
    function = documents(tracing=tracing)[1]
    invocation = next(part for part in function["subsegments"] if part["name"] == "Invocation")
    assert fields_of(tracing)["Parent"] == invocation["id"]


def test_two_attempts_of_an_event_are_two_segments_each():
    first, second = (json.loads(segments(entry, "1")[1]) for entry in attempts())
    assert first["id"] != second["id"]
    assert first["trace_id"] == second["trace_id"]


def attempts():
    tracing = Sampler().header("", "r1", "f", NOON)
    return [Entry("r1", Origin("f", traced=True), NOON + n, tracing=tracing, trace=TRACE) for n in range(2)]


def test_a_warm_invocation_has_no_initialization_and_a_restored_one_a_restore():
    warm = dataclasses.replace(TRACE, init_s=None)
    restored = dataclasses.replace(warm, restore_s=0.1)
    names = [[part["name"] for part in documents(trace)[1]["subsegments"]] for trace in (warm, restored)]
    assert names == [["Invocation", "Overhead"], ["Restore", "Invocation", "Overhead"]]


def test_an_error_of_the_function_is_a_fault_with_its_cause():
    failed = dataclasses.replace(TRACE, status=Status.ERROR, error_type="ValueError")
    function = documents(failed)[1]
    assert (function["fault"], function["cause"]["exceptions"][0]["type"]) == (True, "ValueError")


def test_nothing_is_said_of_what_is_not_sampled_or_only_passed_through_or_not_over():
    assert documents(tracing=f"Root={ROOT};Parent=0123456789abcdef;Sampled=0") == []
    assert documents(tracing=f"Root={ROOT};Parent=0123456789abcdef;Sampled=1", traced=False) == []
    assert documents(trace=None) == []


def test_the_callers_segment_is_known_until_it_is_needed():
    sampler = Sampler()
    sampler.header(f"Root={ROOT};Parent=0123456789abcdef;Sampled=1", "r1", "f", NOON)
    assert (sampler.parent_of("r1"), sampler.parent_of("r2")) == ("0123456789abcdef", "")

"""Traces as CloudWatch's data points."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.metrics import Book, Subject, dimensions_of, peaks
from labkit.model import Status, Trace

NOON = 1_800_000_000.0  # the beginning of a minute
ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
TRACE = Trace("r", "f", "$LATEST", "e", "s", NOON, 0.0, 0.1, 128, 36, Status.SUCCESS, function_arn=ARN)


def trace(at=0.0, duration_s=0.1, **changes):
    return dataclasses.replace(TRACE, arrived_at=NOON + at, duration_s=duration_s, **changes)


def counted(book, metric, dimensions=(("FunctionName", "f"),)):
    """By minute: how many values, their sum, the least and the most."""
    found = {}
    for datum in book:
        named = tuple((d["Name"], d["Value"]) for d in datum["Dimensions"])
        if datum["MetricName"] == metric and named == tuple(dimensions):
            values = datum["StatisticValues"]
            found[datum["Timestamp"]] = tuple(values[k] for k in ("SampleCount", "Sum", "Minimum", "Maximum"))
    return found


def taken(traces):
    book = Book()
    book.count(traces)
    return book.take()


def test_an_invocation_counts_in_the_minute_in_which_it_came():
    book = taken([trace(0), trace(59.9, 5.0), trace(60)])
    assert counted(book, "Invocations") == {
        "2027-01-15T08:00:00.000Z": (2, 2, 1, 1),
        "2027-01-15T08:01:00.000Z": (1, 1, 1, 1),
    }


def test_every_invocation_says_whether_it_was_an_error_and_none_that_it_was_throttled():
    book = taken([trace(), trace(status=Status.ERROR), trace(status=Status.TIMEOUT)])
    assert list(counted(book, "Errors").values()) == [(3, 2, 0, 1)]
    assert list(counted(book, "Throttles").values()) == [(3, 0, 0, 0)]


def test_durations_are_in_milliseconds():
    book = taken([trace(0, 0.25), trace(1, 0.75)])
    assert list(counted(book, "Duration").values()) == [(2, 1000.0, 250.0, 750.0)]
    assert {d["Unit"] for d in book if d["MetricName"] == "Duration"} == {"Milliseconds"}


def test_a_throttle_is_no_invocation():
    book = Book()
    book.note("Throttles", ARN, "$LATEST", NOON)
    data = book.take()
    assert list(counted(data, "Throttles").values()) == [(1, 1, 1, 1)]
    assert counted(data, "Invocations") == {}


def test_an_age_is_in_milliseconds():
    book = Book()
    book.note("AsyncEventAge", ARN, "$LATEST", NOON, 1500.0)
    data = book.take()
    assert list(counted(data, "AsyncEventAge").values()) == [(1, 1500.0, 1500.0, 1500.0)]
    assert {datum["Unit"] for datum in data} == {"Milliseconds"}


def test_what_was_taken_is_not_taken_again():
    book = Book()
    book.count([trace()])
    book.take()
    assert book.take() == []


@pytest.mark.parametrize(
    ("arn", "version", "resources"),
    [
        (ARN, "$LATEST", ["f"]),
        (f"{ARN}:$LATEST", "$LATEST", ["f:$LATEST"]),
        (f"{ARN}:7", "7", ["f:7"]),
        (f"{ARN}:live", "7", ["f:live", "f:live", "7"]),
        ("f", "1", ["f"]),  # a trace that knows its function's name only
    ],
)
def test_dimensions_are_those_of_the_user_guide(arn, version, resources):
    found = dimensions_of(Subject(arn, version, 0))
    assert found[:2] == [(), (("FunctionName", "f"),)]
    assert [value for each in found[2:] for name, value in each if name != "FunctionName"] == resources


def test_concurrency_is_the_most_that_ran_at_once_of_a_function_and_of_all():
    g = {"function_name": "g"}
    found = peaks([trace(0, 2), trace(1, 2), trace(2, 2), trace(1.5, 0.1, **g)])
    assert found == {("f", 29_999_999 + 1): 2, ("g", 30_000_000): 1, ("", 30_000_000): 3}


def test_who_ends_at_a_moment_makes_room_for_who_begins():
    assert peaks([trace(n, 1.0) for n in range(5)])["f", 30_000_000] == 1


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 20), st.sampled_from("fg")), max_size=25))
def test_a_peak_is_what_can_be_counted_at_the_beginnings(made):
    traces = [trace(at, duration_s, function_name=name) for at, duration_s, name in made]
    for (name, minute), most in peaks(traces).items():
        mine = [(at, at + d) for at, d, who in made if name in ("", who)]
        begun = [at for at, _ in mine if at // 60 + 30_000_000 == minute]
        assert most == max(sum(1 for begin, end in mine if begin <= at < end) for at in begun)


def test_an_init_is_concurrency_too():
    assert peaks([trace(0, 0.1, queued_s=2.0), trace(1)])["f", 30_000_000] == 2


def test_who_still_ran_when_others_were_counted_is_seen_with_them():
    book = Book()
    book.count([trace(1)])
    book.count([trace(0, 5.0)], running_before=[trace(1)])
    assert list(counted(book.take(), "ConcurrentExecutions").values()) == [(1, 2, 2, 2)]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 5)), max_size=60), st.integers(0, 60))
def test_counted_at_once_or_by_and_by_the_sums_are_the_same(made, cut):
    traces = [trace(at, duration_s) for at, duration_s in made]
    at_once, by_and_by = Book(), Book()
    at_once.count(traces)
    by_and_by.count(traces[:cut])
    by_and_by.count(traces[cut:])
    whole, parts = at_once.take(), by_and_by.take()
    for metric in ("Invocations", "Errors", "Throttles", "Duration"):
        assert counted(whole, metric) == counted(parts, metric)
    assert sum(values[1] for values in counted(whole, "Invocations").values()) == len(traces)


def test_minutes_that_nobody_asks_for_are_bounded():
    book = Book(most_tallies=5)
    for minute in range(8):
        book.note("Throttles", ARN, "$LATEST", minute * 60.0)
    assert len(counted(book.take(), "Throttles")) == 5

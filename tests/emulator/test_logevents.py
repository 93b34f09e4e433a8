"""What a log stream holds as CloudWatch's events: none twice, none lost, each at its time."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.logevents import (
    BATCH_BYTES,
    BATCH_EVENTS,
    EVENT_BYTES,
    EVENT_EXTRA_BYTES,
    LogEvent,
    batches,
    in_order,
    news,
)
from labkit.emulator.loglines import FRAME_MAGIC, Origin
from labkit.emulator.logstream import STREAM_BYTES, LogStream
from labkit.model import LoggingConfig, Status, Trace

NOON = 1_800_000_000.0
TRACE = Trace("r1", "f", "$LATEST", "e", "s", NOON, 0.1, 0.5, 128, 36, Status.SUCCESS)


class Hand:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> float:
        return self.at


def stream(hand=None, origin=Origin("f")):  # noqa: B008 it is frozen
    return LogStream("s", origin, clock=hand or Hand())


def frame(message, at=NOON, kind=0x0F):
    head = FRAME_MAGIC + bytes([kind]) + len(message).to_bytes(4, "big") + int(at * 1e6).to_bytes(8, "big")
    return head + message


def brought(log, now=NOON + 60):
    """What is new, as telemetry brings it."""
    events = []
    for entry in log.unsent():
        new = news(entry, now, is_open=entry is log.open_entry)
        log.mark(entry, sent=new.sent, ended=new.ended, done=new.done)
        events += new.events
    return events


def messages(log):
    return [event.message for event in brought(log)]


def test_each_line_is_an_event_and_a_message_of_logging_is_one_with_all_its_lines():
    log = stream()
    log.begin_init()
    log.begin("r1").trace = TRACE
    log.write(b"one\ntwo\n" + frame(b"three\nlines\nlong\n") + b"four\n")
    said = messages(log)
    assert [text.split()[0] for text in said] == ["INIT_START", "START", "one", "two", "three", "four", "END", "REPORT"]
    assert said[4] == "three\nlines\nlong\n"


def test_nothing_is_brought_twice():
    log = stream()
    log.begin("r1")
    log.write(b"one\n")
    assert [text.split()[0] for text in messages(log)] == ["START", "one"]
    assert messages(log) == []
    log.write(b"two\n")
    assert messages(log) == ["two\n"]
    log.open_entry.trace = TRACE
    assert [text.split()[0] for text in messages(log)] == ["END", "REPORT"]
    assert messages(log) == []


def test_a_line_without_an_end_waits_for_it_or_for_the_end_of_its_invocation():
    log = stream()
    log.begin("r1")
    log.write(b"ha")
    assert messages(log)[1:] == []
    log.write(b"lf\nwith no end")
    assert messages(log) == ["half\n"]
    log.open_entry.trace = TRACE
    assert messages(log)[0] == "with no end\n"


def test_half_a_frame_is_no_line_although_its_head_has_a_lines_end_in_it():
    log = stream()
    log.begin("r1")
    whole = frame(b"ten bytes\n")
    assert b"\n" in whole[:15]
    log.write(b"before\n" + whole[:15])
    assert messages(log)[1:] == ["before\n"]
    log.write(whole[15:20])
    assert messages(log) == []
    log.write(whole[20:])
    assert messages(log) == ["ten bytes\n"]


def test_the_report_waits_for_extensions():
    log = stream()
    entry = log.begin("r1")
    entry.trace, entry.lingers = TRACE, True
    assert [text.split()[0] for text in messages(log)] == ["START"]
    entry.trace, entry.lingers = dataclasses.replace(TRACE, duration_s=2.0), False
    assert "Duration: 2000.00 ms" in messages(log)[-1]


def test_what_comes_after_the_report_is_brought_too():
    log = stream()
    log.begin("r1").trace = TRACE
    messages(log)
    log.write(b"a thread's last words\n")
    assert messages(log) == ["a thread's last words\n"]


def test_the_words_of_a_timeout_are_one_event():
    log = stream()
    entry = log.begin("r1")
    entry.closing, entry.trace = "Task timed out\n\n", dataclasses.replace(TRACE, status=Status.TIMEOUT)
    assert messages(log)[1] == "Task timed out\n\n"


def test_a_message_has_its_own_time_a_print_the_time_when_it_was_read():
    hand = Hand()
    log = stream(hand)
    log.begin("r1")
    hand.at += 0.2
    log.write(b"print\n" + frame(b"message\n", at=NOON + 0.1))
    hand.at += 0.2
    log.write(b"later\n" + frame(b"forged\n", at=NOON + 1e6))
    log.open_entry.trace = TRACE
    times = [(event.at_ms - int(NOON * 1000), event.message.split()[0]) for event in brought(log)]
    assert times == [(0, "START"), (200, "print"), (100, "message"), (400, "later"), (400, "forged"), (500, "END"), (500, "REPORT")]  # fmt: skip


def test_cloudwatch_shows_lines_by_their_time_so_none_is_earlier_than_the_one_before():
    events = [LogEvent(5, "a"), LogEvent(3, "b"), LogEvent(9, "c")]
    assert in_order(events, 4) == [LogEvent(5, "a"), LogEvent(5, "b"), LogEvent(9, "c")]


def test_levels_hold_for_events_too():
    log = stream(origin=Origin("f", logging=LoggingConfig("JSON", application_level="ERROR", system_level="WARN")))
    log.begin("r1").trace = TRACE
    log.write(frame(b"info\n", kind=0x0E) + frame(b"error\n", kind=0x16) + b"print\n")
    assert messages(log) == ["error\n"]


def test_a_json_record_of_the_platform_is_one_event_each():
    log = stream(origin=Origin("f", logging=LoggingConfig("JSON", system_level="DEBUG")))
    log.end_init(1.0)
    log.begin("r1").trace = TRACE
    kinds = [text.split('"type":"')[1].split('"')[0] for text in messages(log)]
    assert kinds == [f"platform.{k}" for k in ("initRuntimeDone", "initReport", "start", "runtimeDone", "report")]


def test_what_a_long_output_lost_is_told():
    log = stream()
    entry = log.begin("r1")
    for _ in range(3 * STREAM_BYTES // 1_000_000 + 1):
        log.write(b"x" * 999_999 + b"\n")
    new = news(entry, NOON, is_open=True)
    kept = sum(len(event.message) for event in new.events[1:])
    assert new.lost_bytes > 0
    assert new.lost_bytes + kept == (3 * STREAM_BYTES // 1_000_000 + 1) * 1_000_000


@given(
    st.lists(st.sampled_from([b"line\n", b"no end", b"\n", b"\xc3", b"\xa9\n", FRAME_MAGIC, frame(b"a\nb"), frame(b"q\xa5Z")])),
    st.lists(st.integers(1, 9), max_size=60),
    st.sets(st.integers(0, 60)),
)  # fmt: skip
def test_however_it_comes_and_whenever_it_is_asked_for_the_events_are_the_same(pieces, sizes, asked):
    output = b"".join(pieces)
    at_once, by_and_by = stream(), stream()
    at_once.begin("r1").trace = TRACE
    at_once.write(output)
    by_and_by.begin("r1")
    found = []
    for number, size in enumerate([*sizes, len(output)]):
        by_and_by.write(output[:size])
        output = output[size:]
        if number in asked:
            found += messages(by_and_by)
    by_and_by.open_entry.trace = TRACE
    found += messages(by_and_by)
    assert found == messages(at_once)
    without_ends = "".join(found).replace("\n", "")  # an unfinished print before a message is a line of its own
    assert without_ends == at_once.text().replace("\n", "")


# --- batches


def test_a_call_has_no_more_events_than_cloudwatch_takes():
    sizes = [len(batch) for batch in batches([LogEvent(0, "x")] * (BATCH_EVENTS + 1))]
    assert sizes == [BATCH_EVENTS, 1]


@pytest.mark.parametrize("character", ["x", "é", "😀"])
def test_a_line_that_is_too_long_is_several_events_and_no_call_is_too_large(character):
    message = "y" + character * (2 * EVENT_BYTES // len(character.encode()) + 7)
    found = list(batches([LogEvent(1, "first"), LogEvent(2, message), LogEvent(3, "last")]))
    assert "".join(event.message for batch in found for event in batch) == f"first{message}last"
    for batch in found:
        assert sum(len(event.message.encode()) + EVENT_EXTRA_BYTES for event in batch) <= BATCH_BYTES

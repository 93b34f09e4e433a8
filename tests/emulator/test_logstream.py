"""One environment's log: what stands in it, how much of it is kept, and where."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator import logstream
from labkit.emulator.logevents import news
from labkit.emulator.loglines import FRAME_MAGIC, Origin, report_line
from labkit.emulator.logstream import NEAR_BYTES, STREAM_BYTES, LogStream, log_tail
from labkit.emulator.reel import BATCH
from labkit.model import LoggingConfig, Status, Trace

TRACE = Trace(
    request_id="r1", function_name="f", version="$LATEST", environment_id="e", log_stream="s", arrived_at=0.0,
    queued_s=0.1, duration_s=0.00301, memory_mb=128, max_memory_mb=36, status=Status.SUCCESS,
)  # fmt: skip
AS_JSON = Origin("f", logging=LoggingConfig("JSON"))


def stream(origin: Origin = Origin("f")) -> LogStream:  # noqa: B008 it is frozen
    return LogStream("s", origin, clock=lambda: 0.0)


# --- one stream


def test_an_invocation_stands_between_start_and_report():
    log = stream()
    log.begin_init()
    log.write(b"loading\n")
    log.begin("r1").trace = TRACE
    log.write(b"hello\n")
    lines = log.text().splitlines()
    assert [line.split()[0] for line in lines] == ["INIT_START", "loading", "START", "hello", "END", "REPORT"]


def test_what_the_platform_says_stands_where_it_was_said():
    log = stream()
    log.write(b"first\n")
    log.end_init(1.0, status="timeout")
    log.write(b"second\n")
    log.end_init(1.0, phase="invoke", status="timeout")
    assert [line.split("\t")[0] for line in log.text().splitlines()] == [
        "first", "INIT_REPORT Init Duration: 1000.00 ms", "second", "INIT_REPORT Init Duration: 1000.00 ms"
    ]  # fmt: skip


def test_the_words_of_a_timeout_are_a_line_in_text_and_a_status_in_json():
    texts = []
    for origin in (Origin("f"), AS_JSON):
        entry = stream(origin).begin("r1")
        entry.closing, entry.trace = "Task timed out\n", dataclasses.replace(TRACE, status=Status.TIMEOUT)
        texts.append(entry.text())
    assert ["Task timed out" in text for text in texts] == [True, False]
    assert '"status":"timeout"' in texts[1]


def test_a_log_tail_is_at_most_4_kb_and_ends_with_the_report():
    log = stream()
    entry = log.begin("r1")
    log.write(b"x" * 10_000 + b"\n")
    entry.trace = TRACE
    assert len(log_tail(entry)) == 4096
    assert log_tail(entry).endswith(report_line(TRACE).encode() + b"\n")


@pytest.mark.parametrize(("origin", "first"), [(Origin("f"), b"START"), (AS_JSON, b'{"time":')])
def test_the_tail_of_a_first_invocation_shows_its_init_in_json(origin, first):
    log = stream(origin)
    log.begin_init()
    tail = log_tail(log.begin("r1"))
    assert tail.startswith(first)
    assert (b"platform.initStart" in tail) is origin.as_json


def test_the_tail_of_a_second_invocation_shows_no_init():
    log = stream(AS_JSON)
    log.begin_init()
    log.begin("r1").trace = TRACE
    assert b"platform.initStart" not in log_tail(log.begin("r2"))


@given(st.lists(st.integers(1, 30), max_size=30))
def test_a_frame_may_come_in_pieces(sizes):
    message = b"a message of some length\n"
    output = (FRAME_MAGIC + b"\x03" + len(message).to_bytes(4, "big") + b"\0" * 8 + message) * 3
    log = stream()
    for size in sizes:
        log.write(output[:size])
        output = output[size:]
    log.write(output)
    assert log.text() == message.decode() * 3


# --- bounds


def test_a_stream_keeps_its_newest_part():
    log = stream()
    for number in range(50):
        log.begin(f"r{number}")
        log.write(b"x" * 100_000)
    text = log.text()
    assert len(text) < STREAM_BYTES + 200_000
    assert "r49" in text
    assert "RequestId: r0 " not in text


@pytest.mark.parametrize("chunk", [7, 65_536, 1_000_000])
def test_one_endless_line_does_not_fill_the_memory(chunk):
    log = stream()
    log.begin("r")
    for _ in range(3 * STREAM_BYTES // chunk):
        log.write(b"y" * chunk)
    assert STREAM_BYTES / 4 < len(log.text()) < STREAM_BYTES + 1_000_000
    assert log.size <= STREAM_BYTES + 1_000_000


def test_a_stream_tells_how_many_invocations_fell_out_before_they_were_sent():
    log = stream()
    for number in range(5):
        log.begin(f"r{number}")
        log.write(b"x" * 1_000_000)
        if number == 0:  # CloudWatch has this one
            log.mark(log.open_entry, sent=1_000_000, ended=False, done=True)
    kept = [entry.request_id for entry in log.entries()]
    assert kept == ["r3", "r4"]
    assert log.lost == 2


# --- what lies on disk


def lived(log: LogStream, sizes: list[int]) -> None:
    """So many bytes are printed by one invocation after the other."""
    for number, size in enumerate(sizes):
        entry = log.begin(f"r{number}")
        log.write(f"{number} ".encode() * (size // 4) + b"\n")
        entry.trace = dataclasses.replace(TRACE, request_id=f"r{number}")


def test_only_the_newest_lie_in_memory():
    many, much = stream(), stream()
    lived(many, [4] * 20 * BATCH)
    lived(much, [60_000] * BATCH)
    assert (len(many.near) < 2 * BATCH, len(list(many.entries()))) == (True, 20 * BATCH + 1)
    assert sum(entry.size for entry in much.near) < NEAR_BYTES + 2 * 60_000


@given(st.lists(st.sampled_from([0, 40, 3_000, 90_000]), max_size=120))
def test_what_lies_on_disk_reads_as_if_it_were_in_memory(sizes):
    log, plain = stream(AS_JSON), stream(AS_JSON)
    plain._put_away = lambda: None
    for each in (log, plain):
        each.begin_init()
        lived(each, sizes)
    assert log.text() == plain.text() or log.lost  # by and by the oldest goes: in dozens
    assert plain.text().endswith(log.text())
    assert log.size == sum(entry.size for entry in log.entries()) <= STREAM_BYTES


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["more", "brought", "forgotten"])), max_size=9))
def test_what_falls_out_before_it_was_brought_is_counted_wherever_it_lies(steps):
    log, begun = stream(), 0
    unknown, lost = {""}, 0  # to CloudWatch; and how many of them are gone
    for invocations, then in steps:
        for begun in range(begun + 1, begun + invocations + 1):  # noqa: B020 - it goes on counting
            log.begin(f"r{begun}").trace = TRACE
            log.write(b"x" * 60_000)
            unknown.add(f"r{begun}")
        kept = {entry.request_id for entry in log.entries()}
        lost += len(unknown - kept - {""})
        unknown &= kept
        if then == "brought":
            for entry in [entry for entry in log.unsent() if entry is not log.open_entry]:
                log.mark(entry, sent=60_000, ended=True, done=True)
                unknown.discard(entry.request_id)
        elif then == "forgotten":
            log.send_again()
            unknown |= kept
        assert log.lost == lost


@given(st.lists(st.tuples(st.integers(0, 90), st.booleans()), max_size=8), st.booleans())
def test_each_line_is_brought_once_wherever_it_lies(steps, forgotten):
    log, brought, number = stream(), [], 0
    for invocations, looks in steps:
        for _ in range(invocations):
            entry = log.begin(f"r{number}")
            log.write(b"%d\n" % number)
            entry.trace, number = TRACE, number + 1
        if looks:
            brought += look(log)
    if forgotten:
        log.send_again()
        brought = []
    brought += look(log)
    assert [line for line in brought if line.strip().isdigit()] == [f"{n}\n" for n in range(number)]
    assert look(log) == []


def look(log: LogStream) -> list[str]:
    """Brings what is new, as telemetry does."""
    lines: list[str] = []
    with log.held():
        for entry in log.unsent():
            new = news(entry, 1.0, is_open=entry is log.open_entry)
            lines += [event.message for event in new.events]
            log.mark(entry, sent=new.sent, ended=new.ended, done=new.done)
    return lines


def test_while_somebody_looks_nothing_goes_to_disk():
    log = stream()
    with log.held():
        lived(log, [4] * 5 * BATCH)
        assert len(log.near) == 5 * BATCH + 1
    lived(log, [4] * BATCH)
    assert len(log.near) < 6 * BATCH


def test_an_invocation_that_extensions_still_work_on_stays_in_memory():
    log = stream()
    lived(log, [4])
    log.open_entry.lingers = True
    lived(log, [4] * 5 * BATCH)
    assert [entry.request_id for entry in list(log.near)[:2]] == ["r0", "r0"]


def test_what_a_full_disk_does_not_take_is_lost_and_the_log_goes_on(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logstream.Reel, "write", full)
    log = stream()
    lived(log, [4] * 3 * BATCH)
    assert "RequestId: r95 " in log.text()
    assert "RequestId: r0 " not in log.text()

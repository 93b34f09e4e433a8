"""What comes after an invocation with records of a stream."""

from __future__ import annotations

import json
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.registry import StreamSettings
from labkit.emulator.triggers.batch import Delivery
from labkit.emulator.triggers.retrying import (
    GivenUp,
    StreamItem,
    Why,
    Work,
    after,
    record,
    with_payload,
    without_old,
)

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/s"


def work(*ids, runs=0, at=100.0):
    return Work(tuple(StreamItem(each, b"{}", at, "k") for each in ids), "shard", 0, runs)


def failed(*ids):
    return Delivery(frozenset(ids))


def crashed(batch):
    return Delivery(frozenset(batch.ids), error=True, request_id="r", version="$LATEST")


def settings(**more):
    return StreamSettings(starting_position="LATEST", **more)


def again(found):
    return [each.ids for each in found[0]]


def test_success_leaves_nothing():
    assert after(work("1", "2"), failed(), settings(), now=0) == ([], None)


def test_a_batch_that_fails_comes_again_as_a_whole_later_each_time():
    batch, delays = work("1", "2"), []
    for _ in range(9):
        (batch,), given_up = after(batch, crashed(batch), settings(), now=0)
        assert (batch.ids, given_up) == (("1", "2"), None)
        delays.append(batch.due_at)
    assert delays == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_the_lowest_failed_record_is_the_checkpoint():
    assert again(after(work("1", "2", "3", "4"), failed("4", "2"), settings(), now=0)) == [("2", "3", "4")]


def test_a_batch_with_bisecting_is_halved_and_halving_is_no_attempt():
    halves, _ = after(work("1", "2", "3"), crashed(work("1", "2", "3")), settings(bisects_batches=True), now=0)
    assert [(half.ids, half.runs) for half in halves] == [(("1",), 0), (("2", "3"), 0)]


def test_after_its_attempts_a_batch_is_given_up():
    batch = work("1", runs=2)
    assert again(after(batch, crashed(batch), settings(maximum_retry_attempts=3), now=0)) == [("1",)]
    left, given_up = after(batch, crashed(batch), settings(maximum_retry_attempts=2), now=0)
    assert left == []
    assert (given_up.why, given_up.work.runs) == (Why.RETRIES_EXHAUSTED, 3)


def test_a_throttle_uses_up_no_attempt():
    batch = work("1", runs=2)
    throttled = Delivery(frozenset({"1"}), refused=True, status=429)
    (left,), given_up = after(batch, throttled, settings(maximum_retry_attempts=2), now=0)
    assert (left.runs, given_up) == (2, None)


def test_records_that_are_too_old_are_taken_out():
    young, old = StreamItem("2", b"{}", 90.0, "k"), StreamItem("1", b"{}", 10.0, "k")
    left, given_up = without_old(Work((old, young), "shard", 0), settings(maximum_record_age_s=60), now=100)
    assert left.ids == ("2",)
    assert (given_up.work.ids, given_up.why) == (("1",), Why.TOO_OLD)
    assert without_old(Work((old,), "shard", 0), settings(maximum_record_age_s=60), now=100)[0] is None
    assert without_old(Work((old,), "shard", 0), settings(), now=1e9)[1] is None


def test_the_record_of_a_batch_that_was_given_up_has_awss_shape():
    batch = work("1", "2", at=1573691884.835)
    given_up = after(batch, crashed(batch), settings(maximum_retry_attempts=0), now=0)[1]
    document = record(given_up, info="KinesisBatchInfo", stream_arn=STREAM, function_arn=ARN, at=1573691886.021)
    assert document == {
        "requestContext": {
            "requestId": "r", "functionArn": ARN, "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 1,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2019-11-14T00:38:06.021Z",
        "KinesisBatchInfo": {
            "shardId": "shard", "startSequenceNumber": "1", "endSequenceNumber": "2",
            "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.835Z",
            "approximateArrivalOfLastRecord": "2019-11-14T00:38:04.835Z",
            "batchSize": 2, "streamArn": STREAM,
        },
    }  # fmt: skip
    assert json.loads(with_payload(document, given_up.work))["payload"] == '{"Records":[{},{}]}'


def test_what_never_ran_has_no_response():
    old = GivenUp(work("1"), Why.TOO_OLD)
    assert "responseContext" not in record(old, info="i", stream_arn=STREAM, function_arn=ARN, at=0)


@given(
    st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))),
    st.booleans(), st.booleans(), st.integers(0, 3),
)  # fmt: skip
def test_whatever_is_poison_the_rest_is_processed_in_order_and_only_poison_is_given_up(
    case, bisects, reports, attempts
):
    """A handler that stops at its first bad record, to the end, by the rules alone."""
    count, poison = case
    rules = settings(bisects_batches=bisects, maximum_retry_attempts=attempts)
    queue, done, lost = deque([work(*(str(n) for n in range(count)))]), [], []
    while queue:
        batch = queue.popleft()
        bad = next((item_id for item_id in batch.ids if int(item_id) in poison), None)
        if bad is None or reports:
            good = batch.ids if bad is None else batch.ids[: batch.ids.index(bad)]
            delivery = failed(*([bad] if bad is not None else []))
            done += good
        else:
            delivery = crashed(batch)
        left, given_up = after(batch, delivery, rules, now=0)
        queue.extendleft(reversed(left))
        lost += given_up.work.ids if given_up else []
    assert sorted((*done, *lost), key=int) == [str(n) for n in range(count)]
    assert done == sorted(done, key=int)
    if bisects:
        assert {int(each) for each in lost} == poison

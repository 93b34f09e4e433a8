"""The seam: when deliveries are sent, and what stands for moto's Lambda."""

from __future__ import annotations

import pytest

from labkit.mockaws import seam
from labkit.mockaws.seam import Cause, Delivery, Functions, NoFunction, Reply

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


def delivery(payload="{}"):
    return Delivery(ARN, "s3.amazonaws.com", "arn:aws:s3:::b", "123456789012", payload)


def test_what_a_request_causes_waits_for_its_answer(kept):
    with seam.answering(request := Cause()):
        seam.deliver(delivery("1"))
        seam.deliver(delivery("2"))
        assert kept.deliveries == []
    seam.post(request)
    assert [sent.payload for sent in kept.deliveries] == ["1", "2"]
    seam.post(request)
    assert len(kept.deliveries) == 2


def test_without_a_request_it_is_sent_at_once(kept):
    seam.deliver(delivery())
    assert len(kept.deliveries) == 1


def test_a_refusal_is_a_line(kept, capsys):
    kept.refusals[ARN] = Reply("no statement permits it")
    seam.deliver(delivery())
    assert capsys.readouterr().err == f"labkit: not delivered to {ARN} by s3.amazonaws.com: no statement permits it\n"


def test_nobody_to_bring_it_is_a_line_too(capsys):
    seam.use(None)
    seam.deliver(delivery())
    assert "not delivered" in capsys.readouterr().err


def test_functions_that_are_not_there_are_not_found(kept):
    functions = Functions("123456789012", "us-east-1")
    functions.get_function("f")
    kept.refusals[ARN] = Reply("Function not found", missing=True)
    with pytest.raises(NoFunction):
        functions.get_function("f")


def test_one_that_moto_runs_gets_an_event(kept):
    Functions("123456789012", "us-east-1").get_function("f", "live").invoke('{"x": 1}', {}, {})
    (sent,) = kept.deliveries
    assert (sent.function_arn, sent.payload, sent.kind) == (f"{ARN}:live", '{"x": 1}', "Event")


def test_queues_and_streams_are_not_pushed(kept):
    functions = Functions("123456789012", "us-east-1")
    assert functions.send_sqs_batch("f", [], "q") is False
    assert functions.send_dynamodb_items("f", [], "t") is functions.send_kinesis_message("f") is None
    assert kept.deliveries == []

"""A result in the words of the one before is read without the parser, and everything else is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.wording import Result, Wording

FIRST, SECOND = "8476a536-e9f4-11e8-9739-2dfe598c3fcd", "11111111-2222-4333-8444-555555555555"
QUESTION = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"


def result(request_id=FIRST, body=b"{}", question=QUESTION, *, more="", length=None):
    head = (
        f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\nHost: x\r\n{more}"
        f"labkit-confirm: with-next\r\ncontent-length: {len(body) if length is None else length}\r\n\r\n"
    )
    return head.encode() + body + question


def taught(segment=None):
    wording = Wording()
    wording.learn(result() if segment is None else segment)
    return wording


@given(st.uuids(), st.binary(max_size=200), st.booleans())
def test_the_next_one_is_read_with_its_own_id_and_body(request_id, body, asks):
    segment = result(str(request_id), body, QUESTION if asks else b"")
    assert taught().read(segment) == Result(str(request_id), body, asks)


def test_nothing_is_read_before_anything_was_learned():
    assert Wording().read(result()) is None


OTHERS = {
    "another header": result(SECOND, more="Lambda-Runtime-Function-Response-Mode: streaming\r\n"),
    "an error": result(SECOND).replace(b"/response ", b"/error "),
    "another question": result(SECOND, question=QUESTION.replace(b"/next", b"/text")),
    "two questions": result(SECOND, question=QUESTION * 2),
    "half a question": result(SECOND, question=QUESTION[:-1]),
    "a length that is too long": result(SECOND, length=30000),
    "a length that is too short": result(SECOND, length=1),
    "a length that is none": result(SECOND, length="1x"),
    "no length": result(SECOND, length=""),
    "a longer id": result(SECOND + "0"),
    "half a head": result(SECOND)[:60],
    "half a body": result(SECOND, b"x" * 50, b"")[:-1],
    "no result": QUESTION,
    "nothing": b"",
}


@pytest.mark.parametrize("segment", OTHERS.values(), ids=OTHERS)
def test_what_is_worded_otherwise_is_left_to_the_parser(segment):
    assert taught().read(segment) is None


UNTAUGHT = {
    "a result without the question": result(question=b""),
    "a question with a body": result(question=QUESTION[:-2] + b"Content-Length: 2\r\n\r\n{}"),
    "a question in chunks": result(question=QUESTION[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"),
    "a length that is not the last header": result().replace(b"\r\n\r\n", b"\r\nA: b\r\n\r\n", 1),
    "an id of another form": result("1"),
    "an error": result().replace(b"/response ", b"/error "),
}


@pytest.mark.parametrize("segment", UNTAUGHT.values(), ids=UNTAUGHT)
def test_only_a_whole_result_with_its_question_is_a_pattern(segment):
    wording = taught(segment)
    assert [wording.read(one) for one in (segment, result(), result(SECOND))] == [None] * 3

"""A streamed response, read by botocore's own reader."""

from __future__ import annotations

import io

import pytest
from botocore.eventstream import EventStream, EventStreamBuffer
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.eventstream import encode_message
from labkit.emulator.wire import Wire

OPERATION = "InvokeWithResponseStream"
MODEL = ServiceModel(Loader().load_service_model("lambda", "service-2")).operation_model(OPERATION)
WIRE = Wire()


class Raw(io.BytesIO):
    def stream(self, **_):
        yield self.read()


def read_by_botocore(body):
    parser = create_parser("rest-json")._event_stream_parser
    return list(EventStream(Raw(body), MODEL.get_event_stream_output(), parser, OPERATION))


@pytest.mark.parametrize(
    "event",
    [
        {"PayloadChunk": {"Payload": b"\x00\xff"}},
        {"PayloadChunk": {"Payload": b""}},
        {"InvokeComplete": {"LogResult": "bG9n", "ErrorCode": "Unhandled"}},
        {"InvokeComplete": {}},
    ],
)
def test_an_event_reads_in_botocore_as_it_was_given(event):
    assert read_by_botocore(WIRE.event(OPERATION, event)) == [event]


def test_a_finished_stream_is_served_as_one_body():
    events = [{"PayloadChunk": {"Payload": b"a"}}, {"PayloadChunk": {"Payload": b"b"}}, {"InvokeComplete": {}}]
    reply = WIRE.serialise(OPERATION, {"StatusCode": 200, "EventStream": events})
    assert reply.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert read_by_botocore(reply.body) == events


def test_the_functions_own_content_type_wins():
    result = {"EventStream": [{"InvokeComplete": {}}], "ResponseStreamContentType": "text/html"}
    assert WIRE.serialise(OPERATION, result).headers["content-type"] == "text/html"


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=50)), max_size=4), st.integers(1, 40))
def test_messages_survive_any_cut_of_the_stream(messages, step):
    stream = b"".join(encode_message({":event-type": text}, payload) for text, payload in messages)
    buffer, seen = EventStreamBuffer(), []
    for at in range(0, len(stream), step):
        buffer.add_data(stream[at : at + step])
        seen += [(m.headers[":event-type"], m.payload) for m in buffer]
    assert seen == messages

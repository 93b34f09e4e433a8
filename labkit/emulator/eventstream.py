"""The framing of a streamed response: `application/vnd.amazon.eventstream`, for InvokeWithResponseStream.

A message is a prelude (total length, headers' length, checksum of both), headers, a payload, and a checksum of all
that: big endian, CRC-32. Every header here is a string. An event's member with the `eventpayload` trait is the payload
as it is; an event without one carries its members as JSON. Each message can be sent as soon as it is made.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from labkit.emulator import values

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7


def encode_event(stream_shape: Any, event: Mapping[str, Any]) -> bytes:
    """One message for an event as botocore shows it: {"PayloadChunk": {"Payload": b"..."}}."""
    ((name, members),) = event.items()
    kind, payload = _content(stream_shape.members[name], members)
    return encode_message({":event-type": name, ":content-type": kind, ":message-type": "event"}, payload)


def _content(shape: Any, members: Mapping[str, Any]) -> tuple[str, bytes]:
    for name, member in shape.members.items():
        if member.serialization.get("eventpayload"):
            return "application/octet-stream", values.as_bytes(members.get(name, b""))
    return "application/json", json.dumps(values.members_to_json(shape.members, members)).encode()


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """A framed message."""
    head = b"".join(_header(name.encode(), text.encode()) for name, text in headers.items())
    lengths = struct.pack("!II", len(head) + len(payload) + 16, len(head))
    message = lengths + struct.pack("!I", zlib.crc32(lengths)) + head + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _header(name: bytes, text: bytes) -> bytes:
    return struct.pack("!B", len(name)) + name + struct.pack("!BH", _STRING, len(text)) + text

"""PURE: how a runtime words its results. It words each like the one before, so only what is new need be read.

labkit's own transport (runtime/transport.py) sends a result and the question for the next event in one segment, and of
its nine headers only the request id and the length ever change. What httptools has read of one such segment is the
pattern for the next: the same bytes mean the same. Whatever differs is the parser's again.
"""

from __future__ import annotations

from typing import NamedTuple

INVOCATION = b"/2018-06-01/runtime/invocation/"
RESULT = b"POST " + INVOCATION
ID_END = len(RESULT) + 36
RESPONSE = b"/response HTTP/1.1\r\n"
LENGTH = b"\r\ncontent-length: "
ASKS = b"GET " + INVOCATION + b"next HTTP/1.1\r\n"
BODY_HEADERS = (b"content-length:", b"transfer-encoding:")


class Result(NamedTuple):
    request_id: str
    body: bytes
    asks: bool
    """Whether the question for the next event follows."""


class Wording:
    """See the module's docstring."""

    def __init__(self) -> None:
        self._head = b""  # from the request id to the digits of the length; none is known yet
        self._question = b""

    def learn(self, segment: bytes) -> None:
        """The parser has read a segment that began with a response, and found no fault."""
        head, _, rest = segment.partition(b"\r\n\r\n")
        known, mark, digits = head[ID_END:].rpartition(LENGTH)
        if not (mark and digits.isdigit() and head.startswith(RESULT) and known.startswith(RESPONSE)):
            return
        question = rest[int(digits) :]
        plain = question.startswith(ASKS) and question.find(b"\r\n\r\n") == len(question) - 4
        if plain and not any(name in question.lower() for name in BODY_HEADERS):
            self._head, self._question = known + mark, question

    def read(self, segment: bytes) -> Result | None:
        """The result, if the segment is one in the known words, whole, and nothing more than the question follows."""
        begin = ID_END + len(self._head)
        if not (self._head and segment.startswith(self._head, ID_END) and segment.startswith(RESULT)):
            return None
        end = segment.find(b"\r\n\r\n", begin)
        digits = segment[begin:end]
        if end < 0 or not digits.isdigit():
            return None
        body_end = end + 4 + int(digits)
        asks = segment[body_end:] == self._question
        if not asks and len(segment) != body_end:
            return None
        return Result(segment[len(RESULT) : ID_END].decode("latin-1"), segment[end + 4 : body_end], asks)

"""Brings deliveries to the emulator: one connection to its UNIX socket each, a JSON document there and one back.

The socket lies in the emulator's private folder. The end of a document is the end of what a side sends. An emulator
that does not answer is a refusal, never an error in the middle of somebody's request.
"""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass

from labkit.mockaws.seam import REQUEST_RESPONSE, Delivery, Reply

ACCEPT_S = 10.0
RUN_S = 910.0  # Lambda's longest timeout, and some


@dataclass(frozen=True, slots=True)
class EmulatorCourier:
    """`path` is the emulator's socket."""

    path: str

    def send(self, delivery: Delivery) -> Reply:
        try:
            answer = self._exchange(json.dumps(asdict(delivery)).encode(), _patience_s(delivery))
            return Reply(**json.loads(answer))
        except (OSError, ValueError) as error:
            return Reply(f"the emulator does not answer: {error or type(error).__name__}")

    def _exchange(self, question: bytes, patience_s: float) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patience_s)
            connection.connect(self.path)
            connection.sendall(question)
            connection.shutdown(socket.SHUT_WR)
            chunks = []
            while chunk := connection.recv(65536):
                chunks.append(chunk)
        return b"".join(chunks)


def _patience_s(delivery: Delivery) -> float:
    return RUN_S if delivery.kind == REQUEST_RESPONSE else ACCEPT_S

"""The courier: one document there, one back, and an emulator that is not there is a refusal."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from labkit.mockaws import courier
from labkit.mockaws.courier import EmulatorCourier
from labkit.mockaws.seam import Delivery, Reply

DELIVERY = Delivery("arn", "s3.amazonaws.com", "arn:aws:s3:::b", "123456789012", '{"x": "ü"}')


@pytest.fixture
def emulator(tmp_path):
    """Answers one connection; tells what it heard."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    heard = []

    def serve(answer):
        connection, _ = listener.accept()
        with connection:
            while chunk := connection.recv(65536):
                heard.append(chunk)
            connection.sendall(answer)

    def start(answer):
        threading.Thread(target=serve, args=(answer,), daemon=True).start()
        return EmulatorCourier(str(tmp_path / "s")), heard

    yield start
    listener.close()


def test_a_delivery_goes_there_whole_and_its_reply_comes_back(emulator):
    brings, heard = emulator(b'{"payload": "1", "failed": true}')
    assert brings.send(DELIVERY) == Reply(payload="1", failed=True)
    assert Delivery(**json.loads(b"".join(heard))) == DELIVERY


@pytest.mark.parametrize("answer", [b"", b"not json"])
def test_an_answer_that_is_none_is_a_refusal(emulator, answer):
    brings, _ = emulator(answer)
    assert "the emulator does not answer" in brings.send(DELIVERY).refusal


def test_a_socket_that_is_not_there_is_a_refusal(tmp_path):
    assert "the emulator does not answer" in EmulatorCourier(str(tmp_path / "none")).send(DELIVERY).refusal


def test_silence_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(courier, "ACCEPT_S", 0.05)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        assert "timed out" in EmulatorCourier(str(tmp_path / "s")).send(DELIVERY).refusal

"""moto's process: its socket, its end, and that it reaches no network."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys

import pytest

from labkit.mockaws.server import NetworkRefused, refuse_network


@pytest.fixture
def connect():
    """A socket of a family, closed after the test."""
    made = []

    def make(family):
        made.append(socket.socket(family))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_connection_to_the_network_is_refused(connect, family):
    with pytest.raises(NetworkRefused, match="does not reach the network"):
        refuse_network("socket.connect", (connect(family), ("192.0.2.1", 80)))


def test_a_name_is_not_looked_up():
    with pytest.raises(NetworkRefused, match=r"example\.com|getaddrinfo"):
        refuse_network("socket.getaddrinfo", ("example.com", 443, 0, 0, 0))


def test_a_unix_socket_is_no_network(connect):
    assert refuse_network("socket.connect", (connect(socket.AF_UNIX), "/tmp/x")) is None


def test_the_emulators_own_address_is_no_network_and_no_other_port_of_it_is(connect):
    emulator = ("127.0.0.1", 4566)
    assert refuse_network("socket.getaddrinfo", (*emulator, 0, 1, 0), allowed=emulator) is None
    assert refuse_network("socket.connect", (connect(socket.AF_INET), emulator), allowed=emulator) is None
    for other in (("127.0.0.1", 80), ("192.0.2.1", 4566)):
        with pytest.raises(NetworkRefused):
            refuse_network("socket.getaddrinfo", (*other, 0, 1, 0), allowed=emulator)
        with pytest.raises(NetworkRefused):
            refuse_network("socket.connect", (connect(socket.AF_INET), other), allowed=emulator)


def test_what_is_not_about_sockets_is_let_pass():
    assert refuse_network("open", ("/etc/passwd", "r", 0)) is None


@pytest.mark.process
def test_it_serves_on_a_socket_of_this_user_until_its_pipe_closes(tmp_path):
    path = tmp_path / "s"
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit.mockaws", "--socket", str(path), "--parent-pipe"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == b"ready\n"
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
        process.stdin.close()
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

"""Whose connections are whose, and that another user of the machine reaches neither a lab nor its functions."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from labkit import Lab
from labkit.neighbours import is_foreign, owner_of
from labkit.settings import Settings

NOBODY = 65534
ENDS = ("127.0.0.1", 34567), ("127.0.0.1", 8080)
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 0100007F:8707 01 00000000:00000000 00:00000000 00000000     0        0 11 1 0 20 4 30 10 -1
   1: 0100007F:8707 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  {uid}        0 12 1 0 20 4 30 10 -1
"""
linux = pytest.mark.skipif(sys.platform != "linux" or sys.byteorder != "little", reason="the table as x86 writes it")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def table(tmp_path):
    def written(uid: int):
        path = tmp_path / "tcp"
        path.write_text(TABLE.format(uid=uid))
        return path

    return written


@linux
def test_the_owner_is_that_of_the_other_end(table):
    assert owner_of(*ENDS, table(4321)) == 4321
    assert owner_of(*reversed(ENDS), table(4321)) == 0


@linux
@pytest.mark.parametrize(("uid", "foreign"), [(4321, True), (0, False), (os.getuid(), False)])
def test_root_and_we_ourselves_are_not_foreign(table, uid, foreign):
    assert is_foreign(*ENDS, table(uid)) is foreign


@linux
def test_what_the_system_does_not_tell_is_not_foreign(table, tmp_path):
    unknown = ("127.0.0.1", 1), ENDS[1]
    assert owner_of(*unknown, table(4321)) is None
    assert not is_foreign(*unknown, table(4321))
    assert not is_foreign(*ENDS, tmp_path / "there-is-none")


def test_a_unix_socket_is_not_foreign():
    assert not is_foreign("", "/tmp/door")


@linux
def test_a_real_connection_is_ours():
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as made:
        assert owner_of(made.getsockname(), made.getpeername()) == os.getuid()


def answer_to_nobody(address: str, path: str) -> bytes:
    """What another user's process is answered there."""
    host, _, port = address.rpartition(":")
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(NOBODY)
            with socket.create_connection((host, int(port)), timeout=20) as made:
                made.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
                os.write(tell, made.recv(65_536))
        except OSError as error:
            os.write(tell, repr(error).encode())
        finally:
            os._exit(0)
    os.close(tell)
    os.waitpid(child, 0)
    with os.fdopen(told, "rb") as pipe:
        return pipe.read()


@linux
@as_root
@pytest.mark.process
def test_another_user_is_refused_at_the_door_and_told_why(lab):
    said = answer_to_nobody(lab.endpoint.removeprefix("http://"), "/_labkit/status")
    assert said.startswith(b"HTTP/1.1 403 ")
    assert b"another user's" in said
    assert b"AccessDeniedException" in said


@linux
@as_root
@pytest.mark.process
def test_another_user_is_let_in_where_the_lab_says_so():
    with Lab(settings=Settings(users="all")) as lab:
        said = answer_to_nobody(lab.endpoint.removeprefix("http://"), "/_labkit/status")
    assert b"MissingAuthenticationTokenException" in said  # as anybody who does not sign


@linux
@as_root
@pytest.mark.process
def test_another_user_gets_no_event_from_a_runtime_api(lab):
    tells = "import os\ndef handler(event, context): return os.environ['AWS_LAMBDA_RUNTIME_API']"
    function = lab.deploy("tells", tells)
    address = function.invoke().payload
    said = answer_to_nobody(address, "/2018-06-01/runtime/invocation/next")
    assert said == b"" or b"ConnectionResetError" in said
    assert function.invoke().payload == address  # it goes on

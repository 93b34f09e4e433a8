"""A real process in a network namespace, programs that it starts, and rules that the tests give."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import textwrap
import threading
from contextlib import contextmanager

import pytest

from labkit import confinement
from labkit.emulator import proc
from labkit.emulator.egress import supervise

OBSTACLE = confinement.obstacle()
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(bool(OBSTACLE), reason=f"this machine has no network namespaces for us: {OBSTACLE}"),
]

PRELUDE = f"""
import os, sys
sys.path.append({str(confinement.NAMESPACE.parent)!r})
import namespace
namespace.leave_network()
listener = namespace.be_asked_for()
print(listener, flush=True)
sys.stdin.readline()
os.close(listener)
import errno, select, signal, socket, subprocess, threading

def port(number):
    return int(sys.argv[number])

def tried(connect, *args):
    try:
        return connect(*args)
    except OSError as error:
        return errno.errorcode[error.errno]

def greeting(host, port):
    with socket.create_connection((host, port)) as connection:
        return connection.recv(64).decode()
"""


class Confined:
    """Runs `code` in a namespace; `asked` is what it wanted, `said` what it printed, `log` its standard error."""

    def __init__(self, code, *ports, permitted=()):
        self.asked = []
        self._permitted = permitted
        said, log = asyncio.run(asyncio.wait_for(self._run(code, ports), 60))
        self.said, self.log = said.decode().split("\n")[:-1], log.decode()

    async def _run(self, code, ports):
        pipe = asyncio.subprocess.PIPE
        source = PRELUDE + textwrap.dedent(code)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", source, *map(str, ports), stdin=pipe, stdout=pipe, stderr=pipe, process_group=0
        )
        self._child = child
        listener = confinement.Listener(child.pid, int(await child.stdout.readline()))
        supervising = asyncio.create_task(supervise(listener, self._rule))
        ended = await child.communicate(b"go\n")
        await asyncio.wait([supervising])
        self.ended_well = not supervising.cancelled() and supervising.exception() is None
        return ended

    async def _rule(self, protocol, host, port):
        self.asked.append((protocol, host, port))
        if port == 1:
            raise LookupError("a rule that cannot be read")
        if port == 4:
            asyncio.current_task().cancel()
            await asyncio.sleep(0)
        if port == 3:
            for caller in proc.descendants(self._child.pid):
                os.kill(caller, signal.SIGKILL)
        return "" if port in self._permitted else "no rule"


@contextmanager
def served(kind=socket.SOCK_STREAM, host="127.0.0.1"):
    """The port of a server outside, which greets whoever connects, or sends back what it gets."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as server:
        server.bind((host, 0))
        if kind == socket.SOCK_STREAM:
            server.listen()
        over = threading.Event()
        thread = threading.Thread(target=greet if kind == socket.SOCK_STREAM else echo, args=(server, over))
        thread.start()
        yield server.getsockname()[1]
        over.set()
        with socket.socket(family, kind) as last:
            last.connect(server.getsockname())
            last.send(b"wake up")
            thread.join()


def greet(server, over):
    while not over.is_set():
        connection, peer = server.accept()
        connection.sendall(f"outside {peer[1]}".encode())
        connection.close()


def echo(server, over):
    while not over.is_set():
        server.sendto(b"back", server.recvfrom(64)[1])


def test_what_the_rules_permit_is_reached_and_the_rest_times_out_at_once_with_a_line_in_the_log():
    with served() as good, served() as bad:
        code = """
        print(greeting("127.0.0.1", port(1))[:7])
        print(tried(greeting, "127.0.0.1", port(2)))
        print(tried(greeting, "0.0.0.0", port(2)))
        """
        run = Confined(code, good, bad, permitted=[good])
    assert run.said == ["outside", "ETIMEDOUT", "ETIMEDOUT"]
    assert run.asked == [("tcp", "127.0.0.1", good), ("tcp", "127.0.0.1", bad), ("tcp", "0.0.0.0", bad)]
    line = (
        f"labkit: tcp to 127.0.0.1:{bad} was not let out: no rule (on AWS a client waits here until its time is over)"
    )
    assert line in run.log.splitlines()


def test_programs_that_are_started_are_held_to_the_rules_in_whatever_language():
    with served() as good, served() as bad:
        code = """
        for number in (port(1), port(2)):
            script = f"exec 3<>/dev/tcp/127.0.0.1/{number} && head -c 7 <&3"
            done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
            print(done.stdout or done.stderr.strip().rpartition(": ")[2])
        """
        run = Confined(code, good, bad, permitted=[good])
    assert run.said == ["outside", "Connection timed out"]
    assert f"tcp to 127.0.0.1:{bad} was not let out" in run.log


def test_datagrams_leave_where_they_may_and_their_answers_come_back():
    with served(socket.SOCK_DGRAM) as good, served(socket.SOCK_DGRAM) as bad:
        code = """
        sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(2):
            sending.sendto(b"x", ("127.0.0.1", port(1)))
            print(sending.recv(64).decode())
        connected = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        connected.connect(("127.0.0.1", port(1)))
        connected.send(b"x")
        print(connected.recv(64).decode())
        fresh = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        print(tried(fresh.sendto, b"x", ("127.0.0.1", port(2))))
        print(tried(fresh.connect, ("127.0.0.1", port(2))))
        print(tried(fresh.sendmsg, [b"x"], [], 0, ("192.0.2.1", port(1))))
        """
        run = Confined(code, good, bad, permitted=[good])
    assert run.said == ["back", "back", "back", "ETIMEDOUT", "ENETUNREACH", "ENETUNREACH"]
    assert run.log.count("labkit: udp to") == 1


def test_what_listens_inside_is_reached_inside_though_there_is_another_outside():
    with served() as port:
        code = """
        server = socket.create_server(("127.0.0.1", port(1)))
        threading.Thread(target=lambda: server.accept()[0].sendall(b"inside")).start()
        print(socket.create_connection(("localhost", port(1))).recv(64).decode())
        server.close()
        print(greeting("127.0.0.1", port(1))[:7])
        """
        run = Confined(code, port, permitted=[port])
    assert run.said == ["inside", "outside"]
    assert run.asked[-1:] == [("tcp", "127.0.0.1", port)]


def test_a_connection_that_nobody_waits_for_is_made_as_without_a_namespace():
    with served() as port:
        code = """
        import asyncio
        connecting = socket.socket()
        connecting.setblocking(False)
        error = connecting.connect_ex(("127.0.0.1", port(1)))
        print(error in (0, errno.EINPROGRESS))
        select.select([], [connecting], [])
        print(connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), connecting.getblocking())
        async def read():
            reader, writer = await asyncio.open_connection("127.0.0.1", port(1))
            print((await reader.read())[:7].decode())
            writer.close()
        asyncio.run(read())
        print(tried(greeting, "127.0.0.1", 2))
        """
        run = Confined(code, port, permitted=[port, 2])
    assert run.said == ["True", "0 False", "outside", "ECONNREFUSED"]


def test_a_socket_from_outside_has_what_its_owner_had_set():
    with served() as port:
        code = """
        made = socket.socket()
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, (9).to_bytes(8, sys.byteorder) + bytes(8))
        made.bind(("127.0.0.1", 0))
        own = made.getsockname()[1]
        made.connect(("127.0.0.1", port(1)))
        print(made.recv(64).decode() == f"outside {own}", os.get_inheritable(made.fileno()))
        options = (socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        print(*(made.getsockopt(*option) for option in (*options, (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))))
        print(made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)[0])
        inherited = socket.socket()
        inherited.set_inheritable(True)
        inherited.connect(("127.0.0.1", port(1)))
        print(os.get_inheritable(inherited.fileno()))
        """
        run = Confined(code, port, permitted=[port])
    assert run.said == ["True False", "1 1 77", "9", "True"]


def test_the_sixth_version_of_the_protocol_is_let_out_too():
    try:
        outside = served(host="::1")
        with outside as port:
            run = Confined('print(greeting("::1", port(1))[:7])', port, permitted=[port])
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    assert (run.said, run.asked) == (["outside"], [("tcp", "::1", port)])


def test_sockets_of_the_machines_own_and_calls_that_make_no_sense_go_on_as_they_are():
    code = """
    one, other = socket.socketpair()
    path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"labkit-{os.getpid()}")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
        server.accept()[0].sendall(b"hello")
        print(client.recv(5).decode())
    os.unlink(path)
    import ctypes
    call = ctypes.CDLL(None, use_errno=True)
    address = socket.AF_INET.to_bytes(2, sys.byteorder) + bytes(14)
    made = socket.socket()
    for fd, where, size in ((99, address, 16), (0, address, 16), (made.fileno(), None, 16), (made.fileno(), b"", 0)):
        print(call.connect(fd, where, size), errno.errorcode[ctypes.get_errno()])
    """
    run = Confined(code)
    assert run.said == ["hello", "-1 EBADF", "-1 ENOTSOCK", "-1 EFAULT", "-1 EINVAL"]
    assert run.asked == []


def test_signals_and_many_threads_do_no_harm():
    with served() as port:
        code = """
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.siginterrupt(signal.SIGALRM, False)
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        found = []
        def work():
            for _ in range(10):
                found.append(greeting("127.0.0.1", port(1))[:7])
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads: thread.start()
        work()
        for thread in threads: thread.join()
        print(len(found), set(found))
        """
        run = Confined(code, port, permitted=[port])
    assert run.said == ["40 {'outside'}"]


def test_who_cannot_be_judged_gets_an_error_and_the_next_call_is_judged():
    with served() as port:
        code = 'print(tried(greeting, "127.0.0.1", 1), greeting("127.0.0.1", port(1))[:7])'
        run = Confined(code, port, permitted=[port])
    assert run.said == ["EIO outside"]


def test_a_caller_that_is_killed_while_it_waits_leaves_nothing_behind():
    code = """
    code = "import socket; socket.create_connection(('127.0.0.1', 3))"
    print(subprocess.run([sys.executable, "-I", "-c", code]).returncode)
    print(greeting("127.0.0.1", port(1))[:7])
    """
    with served() as port:
        run = Confined(code, port, permitted=[3, port])
    assert run.said == ["-9", "outside"]
    assert run.ended_well


def test_when_nobody_judges_any_more_who_waits_gets_an_error_and_no_call_waits_again():
    with served() as port:
        code = """
        print(tried(greeting, "127.0.0.1", 4), tried(greeting, "127.0.0.1", port(1)))
        """
        run = Confined(code, port, permitted=[4, port])
    assert run.said == ["ENOSYS ENOSYS"]
    assert run.asked == [("tcp", "127.0.0.1", 4)]

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from labkit.lesson.run import OFFLINE, Options, run

PROBES = {
    "a connection": "socket.create_connection(('192.0.2.1', 80), timeout=1)",
    "a connection by IPv6": "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
    "a datagram": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "a look-up": "socket.getaddrinfo('example.org', 80)",
    "a page": "__import__('urllib.request').request.urlopen('http://example.org', timeout=1)",
}


def said(code: str) -> str:
    environ = {**os.environ, "PYTHONPATH": str(OFFLINE)}
    done = subprocess.run([sys.executable, "-c", f"import socket; {code}"], capture_output=True, text=True, env=environ)
    return done.stderr


@pytest.mark.process
@pytest.mark.parametrize("code", PROBES.values(), ids=list(PROBES))
def test_what_would_leave_the_machine_is_refused(code):
    assert "Nothing leaves this machine here" in said(code)


@pytest.mark.process
def test_loopback_and_sockets_of_this_machine_work():
    local = "s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(('localhost', s.getsockname()[1]))"
    assert said(f"{local}; a, b = socket.socketpair(); socket.getaddrinfo(socket.gethostname(), 80)") == ""


LESSON = f"""
import socket, subprocess, sys
try:
    {PROBES["a connection"]}
except PermissionError as refused:
    print(refused)
child = subprocess.run([sys.executable, "-c", "import socket; {PROBES["a look-up"]}"], capture_output=True, text=True)
print(child.stderr.splitlines()[-1])
"""


@pytest.mark.process
def test_a_lessons_kernel_and_its_children_stay_on_this_machine(notebook):
    (report,) = run([notebook(LESSON)])
    assert report.error is None
    first, second = report.texts[0].splitlines()
    assert "connection to 192.0.2.1 was refused" in first
    assert "connection to example.org was refused" in second


@pytest.mark.process
def test_a_lessons_handlers_stay_on_this_machine(notebook):
    cells = [
        "%load_ext labkit",
        f"%%function probe\nimport socket\ndef handler(event, context):\n    {PROBES['a connection']}\n",
        "failed = %invoke probe {}\nprint(failed.error.message)",
    ]
    (report,) = run([notebook(*cells)])
    assert report.error is None
    assert "Nothing leaves this machine here: a connection to 192.0.2.1 was refused." in report.texts[-1]


@pytest.mark.process
def test_a_notebook_of_ones_own_may_use_the_network(notebook):
    (report,) = run(
        [notebook("import sys; print('sitecustomize' in sys.modules and sys.modules['sitecustomize'].__file__)")],
        options=Options(offline=False),
    )
    assert str(OFFLINE) not in report.texts[0]

"""The process before the handler: who ends it, what the interpreter looks like, what the report says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
RUNTIME = Path(__file__).parents[2] / "labkit" / "runtime"
ECHO = "def handler(event, context): return event\n"
FORKS = """
import os
def handler(event, context):
    if os.fork() == 0:
        while True: pass
    return os.getpid()
"""
HANGS = """
import os
def handler(event, context):
    os.write(int(os.environ["FRAMES"]), b"in")
    while True: pass
"""
STARTS = """
import os, subprocess
def handler(event, context):
    subprocess.Popen(["sleep", "1000"], pass_fds=[int(os.environ["FRAMES"])])
"""
TIED_BY_A_THREAD = """
import fcntl, os, sys
from importlib.machinery import SourceFileLoader
from types import ModuleType
del fcntl.F_SETSIG
environment = ModuleType("environment")
SourceFileLoader("environment", sys.argv[1]).exec_module(environment)
environment.tether(int(sys.argv[2]))
os.write(int(os.environ["FRAMES"]), b"tied")
while True: pass
"""


@pytest.fixture
def pipe():
    """The lifeline: the read end is the environment's, the write end the emulator's."""
    ends = list(os.pipe())
    yield ends
    for fd in ends:
        if fd is not None:
            os.close(fd)


def cut(pipe) -> None:
    os.close(pipe[1])
    pipe[1] = None


# --- the lifeline -------------------------------------------------------------------------------------------


def test_an_idle_environment_dies_with_the_emulator(start, client, pipe):
    environment = start(client, ECHO, lifeline=pipe[0])
    environment.invoke()
    cut(pipe)
    assert environment.exit_status() == -signal.SIGKILL


def test_a_busy_environment_dies_with_the_emulator(start, client, pipe):
    environment = start(client, HANGS, lifeline=pipe[0])
    environment.api.send(b"{}")
    environment.wait_frame()
    cut(pipe)
    assert environment.exit_status() == -signal.SIGKILL


def test_a_frozen_environment_dies_with_the_emulator(start, pipe):
    environment = start("awslambdaric", ECHO, lifeline=pipe[0])
    environment.invoke()
    os.killpg(environment.process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, environment.process.pid, os.WSTOPPED)
    cut(pipe)
    assert environment.exit_status() == -signal.SIGKILL


def test_a_frozen_environments_children_die_with_the_emulator(start, pipe):
    environment = start("awslambdaric", FORKS, lifeline=pipe[0])
    group = environment.invoke().json()
    os.killpg(group, signal.SIGSTOP)
    cut(pipe)
    assert environment.exit_status() == -signal.SIGKILL
    environment.wait_all_gone()


def test_programs_that_the_handler_started_die_with_the_emulator(start, pipe):
    environment = start("awslambdaric", STARTS, lifeline=pipe[0])
    environment.invoke()
    cut(pipe)
    assert environment.exit_status() == -signal.SIGKILL
    environment.wait_all_gone()


def test_the_emulators_death_is_enough(start, pipe):
    """Not only its closing the pipe: here the only holder of the write end is killed."""
    environment = start("awslambdaric", ECHO, lifeline=pipe[0])
    environment.invoke()
    holder = subprocess.Popen(["sleep", "1000"], pass_fds=[pipe[1]])
    cut(pipe)
    assert environment.invoke(1).json() == 1
    holder.kill()
    holder.wait()
    assert environment.exit_status() == -signal.SIGKILL


def test_an_environment_that_starts_after_the_emulators_end_leaves_at_once(start, pipe):
    cut(pipe)
    environment = start("awslambdaric", ECHO, lifeline=pipe[0])
    assert environment.exit_status() in (1, -signal.SIGKILL)
    assert environment.api.requests == []


def test_a_runtime_with_extensions_begins_at_a_first_byte(start, client, pipe):
    """A byte that comes when nobody waits for it would kill the group."""
    environment = start(client, ECHO, lifeline=pipe[0], waits=True)
    os.write(pipe[1], b"\0")
    assert environment.invoke(1).json() == 1
    cut(pipe)
    assert environment.exit_status() == -signal.SIGKILL


def test_a_runtime_that_waits_dies_with_the_emulator(start, pipe):
    environment = start("awslambdaric", ECHO, lifeline=pipe[0], waits=True)
    cut(pipe)
    assert environment.exit_status() == -signal.SIGKILL
    assert environment.api.requests == []


def test_an_extension_that_outlives_its_runtime_dies_with_the_emulator(start, pipe):
    environment = start("awslambdaric", ECHO, lifeline=pipe[0])
    environment.invoke()
    group = environment.process.pid
    extension = subprocess.Popen(["sleep", "1000"], pass_fds=[pipe[0]], process_group=group)
    environment.process.kill()
    environment.exit_status()
    cut(pipe)
    assert extension.wait(15) == -signal.SIGKILL


def test_programs_of_the_handler_do_not_hold_the_lifeline(start, pipe):
    source = (
        "import os, subprocess\n"
        f"def handler(event, context):\n    return [os.get_inheritable({pipe[0]}),\n"
        f"        subprocess.run(['test', '-e', '/dev/fd/{pipe[0]}'], close_fds=False).returncode]\n"
    )
    assert start("awslambdaric", source, lifeline=pipe[0]).invoke().json() == [False, 1]


def test_without_a_group_of_its_own_an_environment_refuses_to_start(start, pipe):
    """The kernel would otherwise kill the group of whoever started it."""
    python, *options = start("awslambdaric", ECHO).process.args[:4]
    command = [python, *options, str(pipe[0]), "-", "auto", sys.prefix]
    done = subprocess.run(command, pass_fds=[pipe[0]], capture_output=True, timeout=20, check=False)
    assert (done.returncode, b"process group" in done.stderr) == (1, True)


def test_where_the_kernel_cannot_watch_a_pipe_a_thread_does(start, pipe):
    """macOS has no F_SETSIG: the same function without it."""
    module = str(RUNTIME / "environment.py")
    command = [sys.executable, "-c", TIED_BY_A_THREAD, module, str(pipe[0])]
    environment = start("-", "", argv=command, lifeline=pipe[0])
    environment.wait_frame()
    cut(pipe)
    assert environment.exit_status() == -signal.SIGKILL


# --- the interpreter ----------------------------------------------------------------------------------------


def test_the_path_is_the_task_root_and_what_was_given(start, client):
    source = "import sys\ndef handler(event, context): return [sys.path, sys.prefix, sys.exec_prefix]\n"
    environment = start(client, source)
    path, *prefixes = environment.invoke().json()
    assert path[0] == str(environment.folder / "task")
    assert path[1:] == environment.process.args[8:]
    assert prefixes == [sys.prefix, sys.prefix]


def test_nothing_of_labkit_is_imported(start, client):
    source = "import sys\ndef handler(event, context): return [m for m in sys.modules if m.startswith('labkit')]\n"
    assert start(client, source).invoke().json() == []


def test_what_site_adds_to_the_built_in_names_is_there(start, client):
    values = "[repr(exit), repr(quit), callable(help), str(copyright)[:13], bool(credits), bool(license)]"
    source = f"def handler(event, context): return {values}\n"
    assert start(client, source).invoke().json() == [
        "Use exit() or Ctrl-D (i.e. EOF) to exit",
        "Use quit() or Ctrl-D (i.e. EOF) to exit",
        True,
        "Copyright (c)",
        True,
        True,
    ]


@pytest.mark.parametrize("name", ["json", "logging", "socket", "traceback", "transport", "environment", "imports"])
def test_a_students_file_cannot_take_a_runtime_modules_place(start, client, name):
    files = {
        f"{name}.py": "raise RuntimeError('shadowed')\n",
        "app.py": "def handler(event, context): return 1 / event\n",
    }
    environment = start(client, files)
    assert environment.invoke(2).json() == 0.5
    assert environment.invoke(0).json()["errorType"] == "ZeroDivisionError"


def test_garbage_is_collected_in_handlers(start, client):
    source = "import gc\nAT_IMPORT = gc.isenabled()\ndef handler(event, context): return [AT_IMPORT, gc.isenabled()]\n"
    assert start(client, source).invoke().json() == [True, True]


def test_traceback_is_an_ordinary_module_for_a_handler(start, client):
    source = (
        "import inspect, sys, threading, traceback, types\n"
        "def handler(event, context):\n"
        "    found = []\n"
        "    threads = [threading.Thread(target=lambda: found.append(traceback.format_exc())) for _ in range(8)]\n"
        "    [t.start() for t in threads]; [t.join() for t in threads]\n"
        "    from traceback import TracebackException\n"
        "    return [len(found), type(traceback) is types.ModuleType, 'print_exc' in dir(traceback),\n"
        "            sys.modules['traceback'] is traceback, inspect.isclass(TracebackException)]\n"
    )
    assert start(client, source).invoke().json() == [8, True, True, True, True]


def test_dir_of_an_unused_traceback_lists_its_functions(start, client):
    source = "import traceback\nNAMES = dir(traceback)\ndef handler(event, context): return 'format_exc' in NAMES\n"
    assert start(client, source).invoke().json() is True


def test_auto_takes_awslambdaric_where_it_is_installed(start):
    environment = start("auto", ECHO)
    environment.invoke()
    assert environment.report()["client"].startswith("awslambdaric ")


def test_auto_takes_the_fallback_elsewhere(start):
    path = [p for p in sys.path if "python3" in p and "site-packages" not in p]
    environment = start("auto", ECHO, path=path)
    assert environment.invoke([1]).json() == [1]
    assert environment.report()["client"] == "labkit fallback"


# --- the report ---------------------------------------------------------------------------------------------

SLOW = "import time\nuntil = time.monotonic() + 0.003\nwhile time.monotonic() < until: pass\n"


def test_the_report_puts_the_inits_moments_in_order(start, client):
    before = time.monotonic()
    environment = start(client, ECHO)
    environment.invoke()
    report = environment.report()
    assert before < report["started"] < report["load_started"] < report["loaded"] < time.monotonic()


def test_the_report_names_the_imports_of_student_code_outermost_and_in_order(start, client):
    files = {
        "app.py": (
            "import sys, helper\nfrom pkg.part import x\nfrom slow import *\n"
            "def late():\n    import inner\nlate()\ndef handler(event, context): pass\n"
        ),
        "helper.py": "import below\n" + SLOW,
        "below.py": SLOW,
        "slow.py": SLOW,
        "inner.py": SLOW,
        "pkg/__init__.py": "from . import other\n",
        "pkg/part.py": f"{SLOW}x = 1\n",
        "pkg/other.py": "",
    }
    environment = start(client, files)
    environment.invoke()
    report = environment.report()
    assert [name for name, _ in report["imports"]] == ["helper", "pkg", "slow"]
    assert dict(report["imports"])["helper"] >= 0.006
    assert sum(seconds for _, seconds in report["imports"]) < report["loaded"] - report["load_started"]


def test_the_report_leaves_out_what_was_loaded_already(start, client):
    environment = start(client, "import json, sys, os\n" + ECHO)
    environment.invoke()
    assert environment.report()["imports"] == []


def test_the_report_comes_for_a_failed_init_too(start, client):
    environment = start(client, {"app.py": "import slow\n1 / 0\n", "slow.py": SLOW})
    environment.posted()
    assert [name for name, _ in environment.report()["imports"]] == ["slow"]


def test_the_report_comes_when_the_module_leaves_the_process(start, client):
    environment = start(client, "import sys\nsys.exit(4)\n")
    assert environment.exit_status() == 4
    assert environment.report()["loaded"] > 0


def test_import_is_python_s_own_again_after_the_init(start, client):
    source = (
        "import builtins, sys\nDURING = builtins.__import__\n"
        "def handler(event, context): return [repr(DURING), repr(builtins.__import__)]\n"
    )
    during, after = start(client, source).invoke().json()
    assert "timed" in during
    assert after == "<built-in function __import__>"


def test_somebody_elses_import_function_stays(start, client):
    source = (
        "import builtins\noriginal = builtins.__import__\ndef mine(*a, **k): return original(*a, **k)\n"
        "builtins.__import__ = mine\nimport helper\n"
        "def handler(event, context): return builtins.__import__ is mine\n"
    )
    assert start(client, {"app.py": source, "helper.py": ""}).invoke().json() is True


def test_an_environment_without_a_report_works(start):
    environment = start("awslambdaric", ECHO)
    args = environment.process.args
    other = start("-", ECHO, argv=[*args[:5], "-", *args[6:]])
    assert other.invoke(5).json() == 5

"""One execution environment's process: ties it to the emulator, prepares the interpreter, starts the client.

Owns what is true before the handler's module loads: who kills the process, what `sys` looks like, which Runtime
API client is used, and the report of where the init's time went. It must not import anything that a handler does
not need: every module here is paid for in every cold start.

The runtime's own modules are imported before the task root is put on `sys.path`: a student's `logging.py` or
`socket.py` cannot take their place, and on AWS it could not either.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib.machinery import PathFinder
from time import monotonic
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs two milliseconds of cold start
    from collections.abc import Callable
    from typing import Any

    Neighbour = Callable[[str], ModuleType]


def run(argv: list[str], *, started: float, neighbour: Neighbour) -> None:
    """Becomes the environment that the arguments describe; returns only when the handler's loop ends."""
    lifeline, report_fd, client_name, prefix, *path = argv
    fd, _, waits = lifeline.partition(",")
    if fd != "-":
        tether(int(fd), waits=bool(waits))
    gc.disable()  # nothing here is garbage, and collecting looks at all of it
    sys.path[:] = path
    sys.prefix = sys.exec_prefix = prefix
    add_site_builtins()
    postpone("traceback")
    root = os.environ["LAMBDA_TASK_ROOT"].rstrip("/")
    client_name, _, control = client_name.partition(",")
    client = CLIENTS[client_name](neighbour)
    if told := os.environ.pop("_LABKIT_VPC", ""):
        neighbour("network").Rules(told).restrict(neighbour)
    if os.environ.pop("_LABKIT_OFFLINE", ""):
        neighbour("offline").keep()
    if control:
        client.become_template(int(control), lifeline=int(fd))
    imports = neighbour("imports")
    sys.path_hooks.insert(0, imports.task_finder(root))
    sys.path.insert(0, root)
    client.watch(InitReport(report_fd, started, client.name), imports, root)
    gc.enable()
    client.run(os.environ["_HANDLER"])


# --- the process --------------------------------------------------------------------------------------------


def tether(lifeline: int, *, waits: bool = False) -> None:
    """Makes the kernel kill our process group as soon as nobody holds the pipe's write end any more.

    Linux can send any signal when a pipe changes: SIGKILL also ends a group that is stopped, busy in C, or has
    forked. Elsewhere a thread waits for the pipe's end, which cannot help a stopped group.
    `waits`: for a first byte, which says that every extension has registered.
    """
    import fcntl

    if os.getpgrp() != os.getpid():
        raise SystemExit("labkit: an environment must lead its own process group")
    os.set_inheritable(lifeline, False)
    if waits and os.read(lifeline, 1) == b"":
        os.killpg(0, 9)
    if not hasattr(fcntl, "F_SETSIG"):
        import _thread

        _thread.start_new_thread(_wait_for_end, (lifeline,))
        return
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, 9)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    try:  # the emulator may have gone before the kernel knew whom to signal
        gone = os.read(lifeline, 1) == b""
    except BlockingIOError:
        gone = False
    if gone:
        os.killpg(0, 9)  # with the extensions that share the group


def _wait_for_end(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    os.killpg(0, 9)


def add_site_builtins() -> None:
    """The built-in names that `site` adds and a handler may call."""
    import _sitebuiltins
    import builtins

    end_of_file = "Ctrl-D (i.e. EOF)"
    added: dict[str, object] = {
        "exit": _sitebuiltins.Quitter("exit", end_of_file),
        "quit": _sitebuiltins.Quitter("quit", end_of_file),
        "help": _sitebuiltins._Helper(),
        "copyright": _sitebuiltins._Printer("copyright", sys.copyright),
        "credits": _sitebuiltins._Printer("credits", "See https://www.python.org for who makes Python."),
        "license": _sitebuiltins._Printer("license", "See https://docs.python.org/3/license.html"),
    }
    for name, value in added.items():
        setattr(builtins, name, value)


class Postponed(ModuleType):
    """A module that loads itself when somebody first looks inside."""

    def __getattr__(self, name: str) -> Any:
        with self.__dict__["__postponed__"]:
            # Another thread may have loaded it while we waited.
            if type(self) is Postponed:
                spec = self.__spec__
                assert spec is not None
                assert spec.loader is not None
                spec.loader.exec_module(self)
                self.__class__ = ModuleType  # type: ignore[assignment]
        return getattr(self, name)

    def __dir__(self) -> list[str]:
        self.__getattr__("__doc__")
        return list(self.__dict__)


def postpone(name: str) -> None:
    """Puts off the cost of a module that the runtime imports but uses only when something fails.

    `traceback` with what it imports is an eighth of an echo handler's cold start.
    """
    import _thread

    spec = PathFinder.find_spec(name)
    if spec is None or name in sys.modules:
        return
    module = Postponed(name)
    module.__dict__.update(__spec__=spec, __loader__=spec.loader, __file__=spec.origin, __postponed__=_thread.RLock())
    sys.modules[name] = module


# --- the client ---------------------------------------------------------------------------------------------


class Client:
    """Who drives the handler: its module, and the names of the two functions in it that we watch.

    `on_restore` puts a function in the place of the client's waiting for a restore.
    """

    def __init__(
        self,
        name: str,
        module: ModuleType,
        run: Callable[[str], None],
        *,
        load: str,
        fault: str,
        on_restore: Callable[[Callable[[], None]], None],
        neighbour: Neighbour,
    ) -> None:
        self.name, self.module, self.run = name, module, run
        self._load, self._fault, self._neighbour = load, fault, neighbour
        self._on_restore = on_restore

    def become_template(self, control: int, *, lifeline: int) -> None:
        """Environments are forked from this process when the client asks for its restore (see template.py)."""
        template = self._neighbour("template").Template(control, lifeline=lifeline, tether=tether)
        self._on_restore(template.wait)

    def watch(self, report: InitReport, imports: ModuleType, root: str) -> None:
        """Measures the loading of the handler, and keeps our frames out of what a failed one reports.

        A provider with another handler style wraps what `load` returns, here.
        """
        load, fault = getattr(self.module, self._load), getattr(self.module, self._fault)
        times = imports.ImportTimes(root)

        def watched_load(handler: str) -> Any:
            load_started = monotonic()
            try:
                with times:
                    return may_yield(load(handler), self._neighbour)
            except BaseException as error:
                imports.hide([error])
                raise
            finally:
                report.write(load_started, times.loaded())

        def clean_fault(exc_info: tuple[Any, Any, Any], message: str | None = None) -> object:
            return fault((*exc_info[:2], imports.cleaned(exc_info[2])), message)

        setattr(self.module, self._load, watched_load)
        setattr(self.module, self._fault, clean_fault)


def may_yield(handler: Callable[..., Any], neighbour: Neighbour) -> Callable[..., Any]:
    """The handler, with a response that is streamed when it is a generator (see streaming.py)."""
    code = getattr(handler, "__code__", None)
    if code is not None and code.co_argcount < 2 and not code.co_flags & TAKES_ANY_NUMBER:
        return handler  # every call fails, and the error's only frame must be the client's

    def answer(event: Any, context: Any) -> Any:
        result = handler(event, context)
        if type(result) is GENERATOR:
            return neighbour("streaming").send(result, context.aws_request_id)
        return result

    # The clients keep what stands above the handler out of an error's frames, and know it by this file's name.
    answer.__code__ = answer.__code__.replace(co_filename=f"{__file__.rpartition('/')[0]}/bootstrap.py")
    return answer


GENERATOR = type(_ for _ in ())
TAKES_ANY_NUMBER = 0x04  # inspect.CO_VARARGS


def awslambdaric(neighbour: Neighbour) -> Client:
    """AWS's client, over our transport. ImportError if it is not installed."""
    sys.modules["runtime_client"] = neighbour("transport")
    return _awslambdaric(neighbour, "", threaded=False)


def native(neighbour: Neighbour) -> Client:
    """AWS's client with its own transport, which waits in a thread as on Lambda: Python's signal handlers must run.

    ImportError if it is not installed.
    """
    return _awslambdaric(neighbour, ", native transport", threaded=True)


def _awslambdaric(neighbour: Neighbour, remark: str, *, threaded: bool) -> Client:
    from awslambdaric import __version__, bootstrap, lambda_runtime_client

    LambdaRuntimeClient = lambda_runtime_client.LambdaRuntimeClient  # noqa: N806 - a class
    api = os.environ["AWS_LAMBDA_RUNTIME_API"]

    def run(handler: str) -> None:
        if bootstrap.run.__code__.co_argcount == 2:
            bootstrap.run(handler, LambdaRuntimeClient(api, threaded))
        else:  # 3.x makes the client itself, with a thread for polling that our transport does not need
            bootstrap.LambdaRuntimeClient = lambda address, _: LambdaRuntimeClient(address, threaded)
            bootstrap.run(os.environ["LAMBDA_TASK_ROOT"], handler, api)

    def on_restore(wait: Callable[[], None]) -> None:
        def restore_next(client: Any) -> None:
            wait()
            client.lambda_runtime_address = os.environ["AWS_LAMBDA_RUNTIME_API"]
            lambda_runtime_client.runtime_client.initialize_client(lambda_runtime_client._user_agent())

        LambdaRuntimeClient.restore_next = restore_next

    name, watched = f"awslambdaric {__version__}{remark}", {"load": "_get_handler", "fault": "build_fault_result"}
    return Client(name, bootstrap, run, **watched, on_restore=on_restore, neighbour=neighbour)


def fallback(neighbour: Neighbour) -> Client:
    """Our own client, for systems that awslambdaric has no wheel for."""
    sys.modules["runtime_client"] = neighbour("transport")
    client, logs = neighbour("fallback"), neighbour("logs").Logs

    def run(handler: str) -> None:
        client.run(handler, logs(client.to_json))

    def on_restore(wait: Callable[[], None]) -> None:
        def restore_next() -> None:
            wait()
            client.connect()

        client.restore_next = restore_next  # type: ignore[attr-defined]

    watched = {"load": "load_handler", "fault": "fault_result"}
    return Client("labkit fallback", client, run, **watched, on_restore=on_restore, neighbour=neighbour)


def auto(neighbour: Neighbour) -> Client:
    """AWS's client where it is installed, else our own."""
    try:
        return awslambdaric(neighbour)
    except ImportError:
        return fallback(neighbour)


CLIENTS: dict[str, Callable[[Neighbour], Client]] = {
    "auto": auto,
    "awslambdaric": awslambdaric,
    "native": native,
    "fallback": fallback,
}


# --- the report ---------------------------------------------------------------------------------------------


class InitReport:
    """Where the init's time went: one line of JSON, in CLOCK_MONOTONIC seconds, which all processes share."""

    def __init__(self, fd: str, started: float, client: str) -> None:
        self._fd = None if fd == "-" else int(fd)
        if self._fd is not None:
            os.set_inheritable(self._fd, False)
        self._started, self._client = started, client

    def write(self, load_started: float, imports: list[tuple[str, float]]) -> None:
        """Call when the handler's module has loaded or failed to. Closes the descriptor; the emulator may be deaf."""
        loaded = monotonic()
        if self._fd is None:
            return
        import json

        times = {"started": self._started, "load_started": load_started, "loaded": loaded}
        line = json.dumps({**times, "imports": imports, "client": self._client}) + "\n"
        try:  # noqa: SIM105 - contextlib is not loaded, and would cost half a millisecond
            os.write(self._fd, line.encode())
        except OSError:
            pass
        os.close(self._fd)
        self._fd = None

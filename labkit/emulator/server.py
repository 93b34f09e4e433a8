"""The composition root: the only file that knows all parts, and how a lab starts, runs and ends."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import uvicorn

from labkit.emulator.account import Account
from labkit.emulator.changes import Changes
from labkit.emulator.clock import Clock
from labkit.emulator.destinations import delivery, lose_dead_letter
from labkit.emulator.dispatcher import Dispatcher, keep_time
from labkit.emulator.doors import Doors
from labkit.emulator.environment import Environment
from labkit.emulator.http import FrontDoor
from labkit.emulator.invoker import Invoker
from labkit.emulator.packages import PackageStore
from labkit.emulator.pages import Pages
from labkit.emulator.queue import EventQueue, Ways
from labkit.emulator.recorder import Recorder
from labkit.emulator.registry import FunctionVersion, Registry, parse_reference
from labkit.emulator.restore import restore
from labkit.emulator.sandbox import Sandbox, adopt_orphans, reap_orphans
from labkit.emulator.signing import Credentials, Presigner, Verifier
from labkit.emulator.store import Contents, Store
from labkit.emulator.variables import module_folders, process_variables
from labkit.emulator.wire import Wire
from labkit.errors import LabkitError, NoScratchFolder, PortTaken
from labkit.model import InvocationType
from labkit.scheduler import Scheduler
from labkit.settings import Settings, new_key_id

BOOTSTRAP = Path(__file__).resolve().parent.parent / "runtime" / "bootstrap.py"
DEFAULT_PORT = 4566


def main(argv: Sequence[str] | None = None) -> int:
    """`labkit serve`. Prints the endpoint, alone on the first line of standard output, when it answers."""
    args = _parser().parse_args(argv)
    try:
        settings = Settings.from_environment(os.environ)
        store = Store(args.state, account_id=settings.account_id, region=settings.region) if args.state else None
        listener = _listen(args.port)
        scratch = _scratch(settings)
    except LabkitError as error:
        print(f"labkit: {error}", file=sys.stderr)  # noqa: T201
        return 1
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings, listener, scratch, store, options=args))
    except KeyboardInterrupt:
        pass
    finally:
        _delete(scratch)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="labkit serve", description="Runs the Lambda emulator on this machine.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 picks a free one (default: %(default)s)")
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="keep functions, layers and waiting events here; they survive a crash"
    )
    parser.add_argument(
        "--unsigned", action="store_true", help="take requests without a valid signature, from any user of this machine"
    )
    parser.add_argument(
        "--parent-pipe", action="store_true", help="end when standard input closes, with the process that started this"
    )
    return parser


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # a cold path: there is none for Windows
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise PortTaken(port, getattr(error, "strerror", None) or str(error)) from None
    return listener


def _scratch(settings: Settings) -> Path:
    """A fresh private folder of this emulator; what dead emulators left is deleted."""
    home = settings.scratch_folder()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in home.iterdir():
            pid = folder.name.partition("-")[0]
            if pid.isdigit() and not psutil.pid_exists(int(pid)):
                _delete(folder)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=home))
    except OSError as error:
        raise NoScratchFolder(str(home), error.strerror or str(error)) from None
    return folder


def _delete(folder: Path) -> None:
    for task in folder.glob("environments/*/task"):
        with suppress(OSError):
            task.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


async def _serve(
    given: Settings, listener: socket.socket, scratch: Path, store: Store | None, *, options: argparse.Namespace
) -> None:
    adopt_orphans()
    settings, parent = given.with_credentials(), options.parent_pipe
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    user = Credentials(settings.access_key_id, settings.secret_access_key)
    role = Credentials(new_key_id("ASIA"), secrets.token_urlsafe(30), secrets.token_urlsafe(90))
    recorder = Recorder()
    registry = Registry(account_id=settings.account_id, region=settings.region)
    scheduler = Scheduler(account_limit=settings.account_concurrency, idle_timeout_s=settings.idle_timeout_s)
    packages = PackageStore((store.folder if store else scratch) / "packages")
    contents = restore(store, registry, packages) if store else Contents()
    dispatcher = Dispatcher(scheduler, _maker(settings, role, recorder, packages, scratch / "environments"))
    clock = Clock(ahead_s=contents.ahead_s)
    invoker, queue = _invoking(registry, dispatcher, clock, store)
    verifier = None if options.unsigned else Verifier([user, role], region=settings.region)
    presign = Presigner(user, settings.region) if verifier else None
    account = Account(registry, packages, dispatcher, Changes(dispatcher.retire), recorder, endpoint, presign, store)
    wire = Wire()
    pages = Pages(account, wire, clock, verifier).application()
    app = FrontDoor(invoker, wire, Doors(invoker, registry, wire, pages, verifier), verifier)

    for event in contents.events:
        queue.resume(event)

    server = uvicorn.Server(_config(app))
    parent_pid = os.getppid() if parent else 0
    ticking = asyncio.create_task(keep_time(lambda: _tick(dispatcher, server, parent_pid)))
    if parent:
        _end_with_parent(server)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.001)
    _announce(endpoint, settings, made=not given.access_key_id, options=options)
    await serving
    ticking.cancel()
    queue.stop()
    await dispatcher.stop()
    if store:
        store.close()


def _invoking(
    registry: Registry, dispatcher: Dispatcher, clock: Clock, store: Store | None
) -> tuple[Invoker, EventQueue]:
    """The invoker and its queue, which needs the invoker in turn: a destination may be a function."""
    ways = Ways(
        submit=dispatcher.submit,
        version_of=lambda arn: registry.serving(parse_reference(arn)),
        config_of=lambda arn: registry.event_policy(parse_reference(arn)),
        reserved_of=lambda version: dispatcher.reserved.get(version.config.name),
        deliver=delivery(registry, lambda function, body: invoker.invoke(function, body, kind=InvocationType.EVENT)),
        bury=lose_dead_letter,
    )
    queue = EventQueue(clock, ways, journal=store)
    invoker = Invoker(registry, dispatcher, queue, clock)
    return invoker, queue


def _announce(endpoint: str, settings: Settings, *, made: bool, options: argparse.Namespace) -> None:
    """The address on the first line, for programs; below it, for a person, what a client needs to sign."""
    print(endpoint, flush=True)  # noqa: T201
    if options.unsigned:
        warning = "labkit: --unsigned: every user of this machine who finds the port can call it."
        print(warning, file=sys.stderr, flush=True)  # noqa: T201
    elif made and not options.parent_pipe:
        print(  # noqa: T201
            f"export AWS_ENDPOINT_URL_LAMBDA={endpoint} AWS_DEFAULT_REGION={settings.region}\n"
            f"export AWS_ACCESS_KEY_ID={settings.access_key_id}\n"
            f"export AWS_SECRET_ACCESS_KEY={settings.secret_access_key}",
            flush=True,
        )


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
        backlog=1024,
    )


def _end_with_parent(server: uvicorn.Server) -> None:
    """Standard input is a pipe that only the parent holds: its end is ours."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            server.should_exit = True

    loop.add_reader(0, read)


def _tick(dispatcher: Dispatcher, server: uvicorn.Server, parent_pid: int) -> None:
    dispatcher.tick()
    reap_orphans(e.pid for e in dispatcher.environments.values() if e.pid)
    # a fork of the parent may hold the pipe open after its death
    if parent_pid and os.getppid() != parent_pid:
        server.should_exit = True


def _maker(
    settings: Settings, role: Credentials, recorder: Recorder, packages: PackageStore, folder: Path
) -> Callable[[str, FunctionVersion, Callable[[Environment, str], None]], Environment]:
    start = [sys.executable, "-I", "-S", str(BOOTSTRAP), "{lifeline}", "{report}", settings.runtime_client, sys.prefix]
    own_paths = tuple(path for path in sys.path if path and Path(path).exists())

    def make(env_id: str, version: FunctionVersion, notify: Callable[[Environment, str], None]) -> Environment:
        opt = packages.opt_of([layer.package for layer in version.layers])
        paths = (*(module_folders(opt) if opt else ()), *own_paths)
        stream = recorder.stream(version.config.name, log_stream_name(version.version))

        def sandbox(environment: Environment) -> Sandbox:
            code = packages.folder_of(version.package)
            return Sandbox(folder / env_id, code, on_output=environment.on_output, on_exit=environment.on_exit)

        return Environment(
            env_id,
            version,
            sandbox=sandbox,
            stream=stream,
            argv=[*start, *paths],
            variables=process_variables(version, region=settings.region, credentials=role, opt=opt, paths=paths),
            record=recorder.record,
            notify=notify,
        )

    return make


def log_stream_name(version: str) -> str:
    """`YYYY/MM/DD/[VERSION]` and 32 hexadecimal digits, in UTC."""
    return f"{datetime.now(UTC):%Y/%m/%d}/[{version}]{secrets.token_hex(16)}"

"""The emulator's process: its command line, its socket and folder, how it starts, runs and ends."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from labkit.emulator.composition import Composition
from labkit.emulator.dispatcher import keep_time
from labkit.emulator.listening import Listening
from labkit.emulator.own_log import shorten
from labkit.emulator.sandbox import adopt_orphans, reap_orphans
from labkit.emulator.store import Store
from labkit.errors import LabkitError, NoScratchFolder, PortTaken
from labkit.settings import Settings

DEFAULT_PORT = 4566


def main(argv: Sequence[str] | None = None) -> int:
    """`labkit serve`. Prints the endpoint, alone on the first line of standard output, when it answers."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.iam and args.unsigned:
        parser.error("--iam needs signatures, which --unsigned does not look at")
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
        "--iam", action="store_true", help="enforce IAM: functions may do what their roles allow, users what theirs do"
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
            if pid.isdigit() and not _runs(int(pid)):
                _delete(folder)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=home))
    except OSError as error:
        raise NoScratchFolder(str(home), error.strerror or str(error)) from None
    return folder


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _delete(folder: Path) -> None:
    for task in folder.glob("environments/*/task"):
        with suppress(OSError):
            task.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


async def _serve(
    given: Settings, listener: socket.socket, scratch: Path, store: Store | None, *, options: argparse.Namespace
) -> None:
    adopt_orphans()
    settings = given.with_credentials()
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    lab = Composition(settings, endpoint, scratch, store, signed=not options.unsigned, iam=options.iam)
    ended = asyncio.Event()
    parent_pid = os.getppid() if options.parent_pipe else 0
    ticking = asyncio.create_task(keep_time(lambda: _tick(lab, ended, parent_pid)))
    _end_with_signals(ended)
    if parent_pid:
        _end_with_parent(ended)
    async with Listening(lab.app, [listener], users=settings.users):
        _announce(endpoint, settings, made=not given.access_key_id, options=options)
        await ended.wait()
    ticking.cancel()
    await lab.stop()


def _announce(endpoint: str, settings: Settings, *, made: bool, options: argparse.Namespace) -> None:
    """The address on the first line, for programs; below it, for a person, what a client needs to sign."""
    print(endpoint, flush=True)  # noqa: T201
    if options.unsigned:
        warning = "labkit: --unsigned: every user of this machine who finds the port can call it."
        print(warning, file=sys.stderr, flush=True)  # noqa: T201
    elif made and not options.parent_pipe:
        print(  # noqa: T201
            f"export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION={settings.region}\n"
            f"export AWS_ACCESS_KEY_ID={settings.access_key_id}\n"
            f"export AWS_SECRET_ACCESS_KEY={settings.secret_access_key}",
            flush=True,
        )


def _end_with_signals(ended: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)


def _end_with_parent(ended: asyncio.Event) -> None:
    """Standard input is a pipe that only the parent holds: its end is ours."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            ended.set()

    loop.add_reader(0, read)


def _tick(lab: Composition, ended: asyncio.Event, parent_pid: int) -> None:
    lab.dispatcher.tick()
    lab.telemetry.tick()
    reap_orphans(lab.pids())
    if parent_pid:
        shorten()
    # a fork of the parent may hold the pipe open after its death
    if parent_pid and os.getppid() != parent_pid:
        ended.set()

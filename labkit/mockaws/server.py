"""Serves moto on a UNIX socket, until the pipe from its parent closes.

Prints `ready` when it listens. Nothing of it reaches the network: an audit hook refuses every address that is looked
up or connected to but the emulator's, whatever a service wants to call (an HTTP subscription of SNS, an API destination
of EventBridge).
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from werkzeug.serving import BaseWSGIServer, make_server

from labkit.mockaws import emulator, pauses

READY = "ready"
NETWORK_EVENTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})


class NetworkRefused(ConnectionError):
    """What a service of moto gets that wants to reach the network."""


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    os.umask(0o077)  # the socket is this user's only
    server = _server(args.socket, args.deliveries)
    sys.addaudithook(partial(refuse_network, allowed=emulator.address()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(READY, flush=True)  # noqa: T201
    os.dup2(2, 1)  # moto prints; nobody reads the pipe from here on
    if not args.parent_pipe:
        threading.Event().wait()
    while os.read(0, 4096):
        pass
    os._exit(0)  # requests that wait for messages are not waited for


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="labkit.mockaws", description="Runs moto on a UNIX socket.")
    parser.add_argument("--socket", type=Path, required=True, help="where to listen; must not exist")
    parser.add_argument("--deliveries", default="", help="the emulator's socket for events that are for functions")
    parser.add_argument("--parent-pipe", action="store_true", help="end when standard input closes")
    return parser


def _server(path: Path, deliveries: str) -> BaseWSGIServer:
    from moto.moto_server.werkzeug_app import MotoRequestHandler  # moto is loaded where it is served only

    from labkit.mockaws import seam
    from labkit.mockaws.courier import EmulatorCourier
    from labkit.mockaws.dispatch import Dispatcher, disconnect
    from labkit.mockaws.machines import run_machines
    from labkit.mockaws.schedules import check_rules, check_schedules

    class Handler(MotoRequestHandler):  # type: ignore[misc]
        protocol_version = "HTTP/1.1"  # connections are kept

        def log(self, kind: str, message: str, *args: object) -> None:
            """Says errors only: a line for each request is nobody's."""
            if kind == "error":
                print(f"labkit: moto: {message % args}", file=sys.stderr, flush=True)  # noqa: T201

        def address_string(self) -> str:
            return "unix"

    disconnect()
    own = {"/rest": lambda _: pauses.wait_rest(), "/wake": pauses.wake}
    prepare = {
        "events": check_rules,
        "cloudformation": check_rules,
        "scheduler": check_schedules,
        "stepfunctions": run_machines,
    }
    seam.use(EmulatorCourier(deliveries) if deliveries else None)
    return make_server(f"unix://{path}", 0, Dispatcher(prepare, own), threaded=True, request_handler=Handler)


def refuse_network(event: str, args: tuple[object, ...], allowed: tuple[str, int] | None = None) -> None:
    """An audit hook. Raises NetworkRefused; neither UNIX sockets nor the emulator's address are the network."""
    if event not in NETWORK_EVENTS:
        return
    first = args[0] if args else None
    if isinstance(first, socket.socket) and first.family == socket.AF_UNIX:
        return
    if allowed and (args[:2] == allowed or (event == "socket.connect" and args[1:2] == (allowed,))):
        return
    raise NetworkRefused(f"the mocked account does not reach the network ({event} {args[1:2]})")

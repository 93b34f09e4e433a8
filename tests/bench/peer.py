"""The peer of a warm call: FastAPI and uvicorn serve the same handlers in their own process, without isolation.

    python peer.py WORKERS HANDLER...        in the folder of the handlers' modules

Prints its address when it accepts connections, and ends when its standard input does. `POST /HANDLER` decodes the
event, calls `HANDLER.handler(event, None)` and encodes the answer, in the words that FastAPI's tutorial uses.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any

import uvicorn
from fastapi import Body, FastAPI


def application(names: Sequence[str]) -> FastAPI:
    """One path per handler."""
    app = FastAPI()
    for name in names:
        app.post(f"/{name}")(endpoint(importlib.import_module(name).handler))
    return app


def endpoint(handler: Any) -> Any:
    # async: a plain function would go through a thread pool, which is slower
    async def call(event: Any = Body()) -> Any:  # noqa: B008 - FastAPI's own form
        return handler(event, None)

    return call


def end_with_parent() -> None:
    """Standard input is a pipe that only the parent holds."""
    sys.stdin.buffer.read()
    os._exit(0)


def main(workers: int, names: Sequence[str]) -> None:
    sys.path.insert(0, os.getcwd())
    app = application(names)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    for _ in range(workers - 1):  # they share the socket
        if os.fork() == 0:
            break
    threading.Thread(target=end_with_parent, daemon=True).start()
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,  # the connection waits while the others have their turn
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

"""A peer of a warm call: Google's functions-framework serves one handler, as its own command line does.

    python peer_functions.py PORT HANDLER        in the folder of the handlers' modules

Ends when its standard input does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib.metadata import entry_points
from pathlib import Path

SOURCE = """\
from {name} import handler


def answer(request):
    return handler(request.get_json(), None)
"""


def end_with_parent() -> None:
    """gunicorn's quick end, which waits for its workers."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGINT)


def main(port: str, name: str) -> None:
    sys.path.insert(0, os.getcwd())
    source = Path(f"functions_{name}.py")
    source.write_text(SOURCE.format(name=name))
    threading.Thread(target=end_with_parent, daemon=True).start()
    (command,) = entry_points(group="console_scripts", name="functions-framework")
    command.load()(["--target=answer", f"--source={source}", "--host=127.0.0.1", f"--port={port}"])


if __name__ == "__main__":
    main(*sys.argv[1:])

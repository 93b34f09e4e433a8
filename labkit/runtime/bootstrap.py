"""The script that an execution environment runs, from the interpreter's first line to the handler's loop.

    python -I -S bootstrap.py LIFELINE_FD REPORT_FD CLIENT PREFIX PATH...

The emulator starts it as the leader of a process group, with Lambda's variables set and the task root as working
folder. LIFELINE_FD: the read end of a pipe that only the emulator can write ("-": none); the group dies with it.
"FD,wait": the runtime begins when a first byte comes on it.
REPORT_FD: where the init's times go, one line of JSON ("-": nowhere). CLIENT: who drives the handler, see
`environment.CLIENTS`; "CLIENT,FD": as a template, by orders that come on this socket (template.py). PREFIX: becomes
`sys.prefix`. PATH: `sys.path` behind the task root, standard library included; `site` does not run, because its .pth
files would cost more than everything else here.

A script has no cached byte code, so this one is short and the work is in its neighbours, which have.
"""

import time

STARTED = time.monotonic()

import sys  # noqa: E402
from importlib.machinery import ModuleSpec, SourceFileLoader  # noqa: E402
from types import ModuleType  # noqa: E402

FOLDER = __file__.rpartition("/")[0]


def neighbour(name: str) -> ModuleType:
    """Loads a module of this folder by path: the package labkit stays out of the handler's process."""
    path = f"{FOLDER}/{name}.py"
    loader = SourceFileLoader(name, path)
    module = ModuleType(name)
    module.__file__, module.__loader__ = path, loader
    module.__spec__ = ModuleSpec(name, loader, origin=path)
    loader.exec_module(module)
    return module


if __name__ == "__main__":  # multiprocessing's spawned children import this file under another name
    neighbour("environment").run(sys.argv[1:], started=STARTED, neighbour=neighbour)

"""SnapStart's template: a process that has done its init once, and from which environments are forked.

The client calls `restore_next` when the handler's module is loaded and the hooks before the snapshot have run. In a
template our replacement of it, `Template.wait`, says that it is ready and then serves orders for ever; each order is
answered with the id of a new process, in which `wait` returns, so that the client runs the hooks after the restore
and its loop there. The image that all share is the template's memory, copied by the kernel page by page on writing.

    emulator --order, descriptors--> template --fork--> middle, ends --fork--> environment
    emulator <--its process id------ template <--pipe---'

The process between makes the environment an orphan, which the emulator adopts, so that it can wait for its end. It does
nothing until the emulator, which knows its id by then, has written to its lifeline.

What an environment has of its own: id, process group, lifeline, output, `/tmp` (with a copy of what the init left
there) and the variables of the order. `random` is seeded anew by the interpreter itself after every fork; what
else must be unique is the handler's task, as on AWS (developer guide, "Handling uniqueness with Lambda SnapStart").
Folder and paths stay the template's: modules have been loaded from there.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from _socket import CMSG_SPACE, socket

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs two milliseconds of cold start
    from collections.abc import Callable
    from typing import Any

ORDER_BYTES = 16384
FD_BYTES = 4
DESCRIPTORS = 2  # of an order: the output's end, the lifeline


class Template:
    """See the module's docstring. `lifeline` is its own; `tether` ties an environment to its."""

    def __init__(self, control: int, *, lifeline: int, tether: Callable[..., None]) -> None:
        os.set_inheritable(control, False)
        self._control = socket(fileno=control)
        self._lifeline, self._tether = lifeline, tether
        self._telemetry = int(os.environ["_LAMBDA_TELEMETRY_LOG_FD"])  # the client takes the variable away

    def wait(self) -> None:
        """Returns in each environment that is forked, and in the template never."""
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        gc.freeze()  # else the first collection in an environment would write to, and so copy, every page
        self._say(threads=len(os.listdir("/proc/self/task")))
        while True:
            order, descriptors = self._receive()
            if self._fork():
                self._become(order, *descriptors)
                return
            for fd in descriptors:
                os.close(fd)

    def _say(self, **what: object) -> None:
        self._control.send(json.dumps(what).encode())

    def _receive(self) -> tuple[dict[str, Any], list[int]]:
        data, ancillary, _, _ = self._control.recvmsg(ORDER_BYTES, CMSG_SPACE(DESCRIPTORS * FD_BYTES))
        if not data:
            os._exit(0)  # the emulator has closed it
        packed = b"".join(content for _, _, content in ancillary)
        ends = range(FD_BYTES, len(packed) + 1, FD_BYTES)
        return json.loads(data), [int.from_bytes(packed[end - FD_BYTES : end], sys.byteorder) for end in ends]

    def _fork(self) -> bool:
        """True in the new environment. The order is answered with its id, or with none."""
        answer, answer_end = os.pipe()
        try:
            middle = os.fork()
        except OSError:
            middle = -1
        if middle == 0:
            return self._fork_on(answer_end)
        os.close(answer_end)
        said = os.read(answer, 32)
        os.close(answer)
        if middle > 0:
            _collect(middle)
        self._say(pid=int(said or 0))
        return False

    def _fork_on(self, answer_end: int) -> bool:
        try:
            pid = os.fork()
        except OSError:
            os._exit(1)
        if pid:
            os.write(answer_end, str(pid).encode())
            os._exit(0)
        os.close(answer_end)
        return True

    def _become(self, order: dict[str, Any], output: int, lifeline: int) -> None:
        self._control.close()
        os.close(self._lifeline)  # the template's
        os.setpgid(0, 0)
        for fd in (1, 2, self._telemetry):
            os.dup2(output, fd, inheritable=fd < 3)
        os.close(output)
        self._tether(lifeline, waits=True)
        old_tmp = os.environ["TMPDIR"]
        os.environ.update(order)
        _move_tmp(old_tmp, os.environ["TMPDIR"])


def _collect(pid: int) -> None:
    try:  # noqa: SIM105 - contextlib need not be loaded
        os.waitpid(pid, 0)
    except ChildProcessError:  # a handler's module may ignore SIGCHLD
        pass


def _move_tmp(old: str, new: str) -> None:
    """What the init left in `/tmp` is there after a restore, in every environment a copy."""
    if os.listdir(old):
        import shutil  # a cold path

        shutil.copytree(old, new, symlinks=True, dirs_exist_ok=True)
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None and getattr(tempfile, "tempdir", None) == old:
        tempfile.tempdir = new  # type: ignore[attr-defined]

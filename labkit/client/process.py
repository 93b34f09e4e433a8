"""The emulator as a child process: started by command line, found by its first line, ended with its pipe.

It runs in a session of its own, so a notebook's interrupts do not reach it, and it ends when the pipe to this
process closes: also when this process is killed.
"""

from __future__ import annotations

import os
import selectors
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from labkit.errors import EmulatorNotStarted
from labkit.settings import Settings

START_S = 60.0
STOP_S = 10.0
LAST_WORDS = 2000


class EmulatorProcess:
    """A running emulator, which takes what the settings' credentials sign. `endpoint` is its address."""

    def __init__(self, settings: Settings, *, options: Sequence[str] = ()) -> None:
        # it lives as long as the process; the emulator keeps it short
        self._log: IO[bytes] = tempfile.TemporaryFile("a+b")  # noqa: SIM115
        # -P: the notebook's folder is not a place that handlers import from
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "labkit.emulator", "--port", "0", "--parent-pipe", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
            env={
                **child_variables(),
                "LABKIT_ACCOUNT_ID": settings.account_id,
                "LABKIT_REGION": settings.region,
                "LABKIT_ACCESS_KEY_ID": settings.access_key_id,
                "LABKIT_SECRET_ACCESS_KEY": settings.secret_access_key,
                "LABKIT_ACCOUNT_CONCURRENCY": str(settings.account_concurrency),
                "LABKIT_PROXY_PREFIX": settings.proxy_prefix,
            },
        )
        try:
            self.endpoint = self._first_line()
        except BaseException:
            self.stop()
            raise

    def _first_line(self) -> str:
        assert self._process.stdout is not None
        deadline, line = time.monotonic() + START_S, b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise EmulatorNotStarted(f"The emulator did not answer in {START_S:.0f} s.\n{self.last_words()}")
                chunk = os.read(self._process.stdout.fileno(), 4096)
                if not chunk:
                    raise EmulatorNotStarted(f"The emulator ended as it started.\n{self.last_words()}")
                line += chunk
        return line.decode().strip()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> str | None:
        """How it ended, in words; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"

    def wait_ended(self) -> bool:
        """Whether it is gone, for a caller that found nobody listening: its death may not be reported yet."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        return self._process.poll() is not None

    def last_words(self) -> str:
        with suppress(OSError, ValueError):
            self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, self._log.tell() - LAST_WORDS))
            return self._log.read().decode("utf-8", "replace").strip()
        return ""

    def stop(self) -> None:
        """Ends it and everything it started; returns when it is gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()


def child_variables() -> dict[str, str]:
    """This process's variables; a labkit that is imported from a folder of its own is found there by the child too."""
    home = str(Path(__file__).resolve().parents[2])
    if home in site.getsitepackages():
        return dict(os.environ)
    path = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}

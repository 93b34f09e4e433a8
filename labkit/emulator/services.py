"""The other services of the account, which moto has: its process is started on first use and ends with the emulator.

With it opens the socket by which its services bring events to functions (`deliveries`).

All who need it first wait for the same start. It holds its state in memory: if it dies, the log says what is lost, and
the next use starts another. The pipe to its standard input is its life: its end also follows a killed emulator's.
"""

from __future__ import annotations

import asyncio
import json
import os
import site
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

import msgspec

from labkit.errors import ServicesNotStarted

if TYPE_CHECKING:
    import httpcore

START_S = 60.0
STOP_S = 2.0
READY = b"ready\n"
OWN_HOST = "labkit"
OK = 200
SOCKET_PATH_BYTES = 100  # 104 with its end on macOS, 108 on Linux


class ServiceRefused(Exception):
    """moto's answer to a call of the emulator's own: an error."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said[:300]}")
        self.said = said


class Listener(Protocol):
    """Takes what moto's services bring to functions."""

    async def listen(self, path: Path) -> None: ...
    async def stop(self) -> None: ...


class _Running(msgspec.Struct, frozen=True):
    process: asyncio.subprocess.Process
    pool: httpcore.AsyncConnectionPool


class Services:
    """See the module's docstring. `argv` is the command without its socket."""

    def __init__(
        self,
        folder: Path,
        *,
        account_id: str,
        deliveries: Listener | None = None,
        argv: tuple[str, ...] = ("-P", "-m", "labkit.mockaws"),
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`variables` are added to the process's: by what it finds the emulator."""
        self._deliveries = deliveries
        self._folder = folder
        self._variables = {"MOTO_ACCOUNT_ID": account_id, **variables}
        self._argv = argv
        self._starts = 0
        self._starting: asyncio.Task[_Running] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def starts(self) -> int:
        """How often moto was started: each start begins with nothing."""
        return self._starts

    async def post(self, service: str, region: str, body: object, *, target: str = "", path: str = "/") -> Any:
        """One call of a service that speaks JSON, past the front door: the emulator's own word, which nobody signs.

        Raises ServicesNotStarted if moto does not answer, ServiceRefused if it says no.
        """
        import httpcore  # a cold path: most labs never come here

        scope = f"Credential=LABKIT/20000101/{region}/{service}/aws4_request"
        headers: dict[bytes | str, bytes | str] = {
            "Host": "localhost",
            "Content-Type": "application/x-amz-json-1.1" if target else "application/json",
            "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none",
            **({"X-Amz-Target": target} if target else {}),
        }
        pool = await self.reached()
        try:
            content = json.dumps(body).encode()
            answer = await pool.request("POST", f"http://localhost{path}", headers=headers, content=content)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise ServicesNotStarted(f"The mocked account does not answer: {error or type(error).__name__}") from None
        said = answer.content.decode("utf-8", "replace")
        if answer.status >= 300:
            raise ServiceRefused(answer.status, said)
        return json.loads(said) if said else {}

    async def reached(self) -> httpcore.AsyncConnectionPool:
        """Connections to moto, which is started if it does not run. Raises ServicesNotStarted."""
        if self._stopped:
            raise ServicesNotStarted("The emulator is ending.")
        if self._starting is None or self._over(self._starting):
            self._starting = asyncio.create_task(self._start())
        running = await asyncio.shield(self._starting)  # who does not want to wait any more stops nobody else's start
        return running.pool

    async def ask(self, page: str, **params: str) -> Any:
        """What moto's process knows beside AWS's API (`mockaws/identities.py`). Raises ServicesNotStarted."""
        pool = await self.reached()
        import httpcore  # as below

        try:
            answer = await pool.request("GET", f"http://{OWN_HOST}/ask/{page}?{urlencode(params)}")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise ServicesNotStarted(f"It does not answer: {error or type(error).__name__}") from None
        if answer.status != OK:
            raise ServicesNotStarted(f"It answered {answer.status} to a question about {params}.")
        return json.loads(answer.content)

    async def command(self, path: str) -> None:
        """One request of the emulator's own. Raises ServicesNotStarted, and RuntimeError if it is not answered well."""
        pool = await self.reached()
        answer = await pool.request("POST", f"http://localhost{path}", headers={"host": "localhost"}, content=b"")
        if answer.status != 200:
            raise RuntimeError(f"moto answers {answer.status} to {path}")

    def _over(self, starting: asyncio.Task[_Running]) -> bool:
        """Whether there must be another start: this one failed, or what it started has died, which is said."""
        if not starting.done():
            return False
        if starting.cancelled() or starting.exception():
            return True
        status = starting.result().process.returncode
        if status is None:
            return False
        print(  # noqa: T201
            f"labkit: the mocked account's process ended with status {status}; its queues, topics and buckets are"
            " gone, and it is started again",
            file=sys.stderr,
            flush=True,
        )
        return True

    async def _start(self) -> _Running:
        self._starts += 1
        path = self._folder / f"moto-{self._starts}.sock"
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
            raise ServicesNotStarted(f"{path} is too long a name for a socket; set LABKIT_SCRATCH to a shorter one.")
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._argv,
            "--socket",
            str(path),
            "--parent-pipe",
            *await self._listening(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**_variables(), **self._variables},
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_S)
        except TimeoutError:
            await _end(process)
            raise ServicesNotStarted(f"moto did not answer in {START_S:.0f} s.") from None
        if line != READY:
            await _end(process)
            raise ServicesNotStarted(f"moto ended with status {process.returncode} as it started.")
        import httpcore  # a cold path: most labs never come here

        return _Running(process, httpcore.AsyncConnectionPool(uds=str(path), max_connections=None))

    async def tell(self, path: str) -> None:
        """Asks something of the process itself, not of a service; returns when it has answered, or has died."""
        import httpcore  # a cold path, as below

        if self.pid is None:
            return
        with suppress(httpcore.NetworkError, httpcore.ProtocolError, ServicesNotStarted):
            await (await self.reached()).request("POST", f"http://{OWN_HOST}{path}")

    async def _listening(self) -> Sequence[str]:
        """What its command line says of the socket for deliveries, which opens with the first start and stays."""
        if self._deliveries is None:
            return ()
        path = self._folder / "calls.sock"
        if self._starts == 1:
            await self._deliveries.listen(path)
        return ("--deliveries", str(path))

    async def stop(self) -> None:
        """Ends moto; returns when it is gone."""
        self._stopped = True
        if self._deliveries:
            await self._deliveries.stop()
        if self._starting:
            self._starting.cancel()
        if self._process:
            await _end(self._process)


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _variables() -> dict[str, str]:
    """This process's variables; a labkit that is imported from a folder of its own is found there by the child too."""
    home = str(Path(__file__).resolve().parents[2])
    path = list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    if home not in site.getsitepackages():
        path.insert(0, home)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "MOTO_DISABLE_GLOBAL_CORS": "true",  # other origins' pages have nothing to read here
    }

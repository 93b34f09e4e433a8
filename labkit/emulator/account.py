"""What the operations of the API act on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from labkit.emulator.changes import Changes
from labkit.emulator.dispatcher import Dispatcher
from labkit.emulator.packages import PackageStore
from labkit.emulator.recorder import Recorder
from labkit.emulator.registry import Reference, Registry
from labkit.emulator.signing import Presigner
from labkit.emulator.store import Store
from labkit.emulator.triggers.pollers import Pollers
from labkit.emulator.vpc import Vpc

if TYPE_CHECKING:
    from labkit.emulator.execution_role import ExecutionRole

Params = Mapping[str, Any]


class Account(msgspec.Struct, frozen=True):
    """What the operations act on."""

    registry: Registry
    packages: PackageStore
    dispatcher: Dispatcher
    changes: Changes
    recorder: Recorder
    endpoint: str
    read_object: Callable[[str, str, str], Awaitable[bytes]]
    """An object of S3, by bucket, key and version (none: the newest). Raises InvalidParameterValue."""
    accept_event: Callable[[Reference, bytes], Awaitable[object]]
    """Puts an asynchronous invocation into the queue. Raises the ServiceErrors of the Invoke operation."""
    pollers: Pollers
    """Who reads the queues and streams of event source mappings."""
    presign: Presigner | None = None
    store: Store | None = None
    vpc: Vpc | None = None
    role_checks: ExecutionRole | None = None
    """With `--iam`: whether a role may do what a configuration asks of it."""

    def keep(self, names: Iterable[tuple[str, str]]) -> None:
        """Writes these records, by kind and name, as they are now; without a store, nothing."""
        if self.store:
            for kind, name in names:
                self.store.keep(kind, name, getattr(self.registry, kind).get(name))

    def location(self, sha256: str) -> str:
        """Where a package can be downloaded; for ten minutes, as on AWS, unless signatures are not looked at."""
        address = f"{self.endpoint}/_labkit/packages/{sha256.replace('/', '_')}"
        return self.presign(address) if self.presign else address


Operation = Callable[[Account, Params], Awaitable[dict[str, Any]]]

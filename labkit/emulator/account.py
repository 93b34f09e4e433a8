"""What the operations of the API act on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.emulator.dispatcher import Dispatcher
from labkit.emulator.packages import PackageStore
from labkit.emulator.recorder import Recorder
from labkit.emulator.registry import Registry

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """What the operations act on."""

    registry: Registry
    packages: PackageStore
    dispatcher: Dispatcher
    recorder: Recorder
    endpoint: str
    paths: tuple[str, ...]
    """Where environments find packages that a function does not bring itself."""
    read_object: Callable[[str, str, str], Awaitable[bytes]]
    """An object of S3, by bucket, key and version (none: the newest). Raises InvalidParameterValue."""

    def location(self, sha256: str) -> str:
        """Where a package can be downloaded."""
        return f"{self.endpoint}/_labkit/packages/{sha256.replace('/', '_')}"


Operation = Callable[[Account, Params], Awaitable[dict[str, Any]]]

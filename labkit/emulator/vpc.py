"""The networks of functions with a VpcConfig: checked as it is set, asked whenever a handler wants to connect.

A handler's process asks here, by a UNIX socket in the emulator's private folder, before it connects anywhere
(`runtime/network.py`), so that a changed rule counts at once. One line each way: `KEY ports` or `KEY tcp 10.0.0.5
5432`, and why not, or nothing. The key is a version's, so that a function is ruled by its own groups. Nothing listens
before the first environment of such a function.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from labkit.emulator import network as rules
from labkit.emulator.registry import FunctionVersion
from labkit.errors import InvalidParameterValue, ServicesNotStarted
from labkit.model import VpcConfig

VARIABLE = "_LABKIT_VPC"
EVERY_PORT = "all"
LINE_BYTES = 1024
NEITHER_OR_BOTH = "SubnetIds and SecurityIds must coexist or be both empty list."
ONE_VPC = "Security Groups are required to be in the same VPC."
OPENED = "the security groups permit it since this environment started; the next invocation meets a fresh one"


class Vpc:
    """See the module's docstring. `ask` asks moto's process, `recycle` gives a version a fresh environment."""

    def __init__(
        self,
        folder: Path,
        ask: Callable[..., Awaitable[Any]],
        recycle: Callable[[FunctionVersion], object],
        *,
        endpoint: str,
        region: str,
    ) -> None:
        self._path, self._ask, self._recycle, self._region = folder / "vpc.sock", ask, recycle, region
        self._port = urlsplit(endpoint).port or 0
        self._versions: dict[str, FunctionVersion] = {}
        self._keys: dict[str, str] = {}
        self._ports: dict[str, list[int] | None] = {}  # what environments of a version were started with
        self._serving: asyncio.Task[asyncio.Server] | None = None

    async def checked(self, config: VpcConfig) -> VpcConfig:
        """The configuration with its VPC's id. Raises InvalidParameterValue, in the words of Lambda and EC2."""
        if bool(config.subnet_ids) != bool(config.security_group_ids):
            raise InvalidParameterValue(NEITHER_OR_BOTH)
        if not config.subnet_ids:
            return config
        page = await self._page(config)
        if unknown := page["unknown"]:
            raise InvalidParameterValue(_not_found(unknown))
        if len(page["vpcs"]) > 1:
            raise InvalidParameterValue(ONE_VPC)
        return VpcConfig(config.subnet_ids, config.security_group_ids, config.ipv6, page["vpc_id"])

    def variables(self, version: FunctionVersion, *, extensions: bool) -> dict[str, str]:
        """What tells a version's environments whom to ask; none for a function without a VPC."""
        if not version.config.vpc.subnet_ids:
            return {}
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        if version.key not in self._keys:
            key = self._keys[version.key] = secrets.token_urlsafe(12)
            self._versions[key] = version
        return {VARIABLE: "\n".join((str(self._path), self._keys[version.key], "extensions" if extensions else ""))}

    async def stop(self) -> None:
        if self._serving:
            with suppress(OSError):  # it never listened, and every handler was told so
                (await self._serving).close()

    async def _serve(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._answer, self._path, limit=LINE_BYTES)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, LookupError):  # whoever asked is gone, or it is no question of ours
            while line := await reader.readline():
                key, *question = line.decode("ascii", "replace").split()
                writer.write(f"{await self._said(self._versions[key], key, question)}\n".encode())
                await writer.drain()
        writer.close()

    async def _said(self, version: FunctionVersion, key: str, question: list[str]) -> str:
        try:
            network = await self._network(version.config.vpc)
        except (ServicesNotStarted, InvalidParameterValue) as error:
            return "none" if question == ["ports"] else str(error)
        permitted = rules.ports(network, self._port)
        if question == ["ports"]:
            self._ports[key] = permitted
            return EVERY_PORT if permitted is None else ",".join(map(str, permitted)) or "none"
        protocol, host, port = question[0], question[1], int(question[2])
        of_aws = port == self._port and protocol == "tcp" and rules.is_loopback(host)
        found = rules.obstacle(network, protocol, host, port, of_aws=of_aws)
        began_with = self._ports.get(key)
        if not found and protocol == "tcp" and began_with is not None and port not in began_with:
            self._recycle(version)
            return OPENED
        return found

    async def _network(self, config: VpcConfig) -> rules.Network:
        """Raises InvalidParameterValue for a network that is gone, ServicesNotStarted."""
        page = await self._page(config)
        if unknown := page["unknown"]:
            raise InvalidParameterValue(_not_found(unknown))
        return rules.network_of(page, config.security_group_ids)

    async def _page(self, config: VpcConfig) -> Any:
        subnets, groups = ",".join(config.subnet_ids), ",".join(config.security_group_ids)
        return await self._ask("network", subnets=subnets, groups=groups, region=self._region)


def _not_found(name: str) -> str:
    what = "DescribeSecurityGroups" if name.startswith("sg-") else "DescribeSubnets"
    code, said = (
        ("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
        if name.startswith("sg-")
        else ("InvalidSubnetID.NotFound", f"The subnet ID '{name}' does not exist")
    )
    return f"Error occurred while {what}. EC2 Error Code: {code}. EC2 Error Message: {said}"

"""The networks of functions with a VpcConfig: checked as it is set, asked whenever a handler wants to connect.

An environment's process asks here how it is held to the rules, by a UNIX socket in the emulator's private folder
(`runtime/network.py`). Where the kernel lets us (`confinement.obstacle`), it enters a network namespace and says from
where all connections that it and its children want arrive (`egress.py`). Where not, it asks before it connects
anywhere. Either way the rules are looked up each time, so that a changed one counts at once.

One line each way, which begins with a version's key, so that a function is ruled by its own groups: `KEY how`, `KEY
confined PID FD`, `KEY ports` or `KEY tcp 10.0.0.5 5432`; the last and `confined` are answered with why not, or nothing.
Nothing listens before the first environment of such a function.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from labkit.emulator import network as rules
from labkit.emulator.registry import FunctionVersion
from labkit.errors import InvalidParameterValue, ServicesNotStarted
from labkit.model import VpcConfig

VARIABLE = "_LABKIT_VPC"
EVERY_PORT = "all"
BY_NAMESPACE, BY_HOOK = "namespace", "hook"
LINE_BYTES = 1024
DNS = 53
RESOLVERS = Path("/etc/resolv.conf")
NEITHER_OR_BOTH = "SubnetIds and SecurityIds must coexist or be both empty list."
ONE_VPC = "Security Groups are required to be in the same VPC."
OPENED = "the security groups permit it since this environment started; the next invocation meets a fresh one"


class Vpc:
    """See the module's docstring. `ask` asks moto's process, `recycle` gives a version a fresh environment.

    `platform`: the ports on 127.0.0.1 of what is Lambda's own, which every environment reaches. `namespaces`: whether
    they may be used where the kernel lets us.
    """

    def __init__(
        self,
        folder: Path,
        ask: Callable[..., Awaitable[Any]],
        recycle: Callable[[FunctionVersion], object],
        platform: Callable[[], Iterable[int]],
        *,
        endpoint: str,
        region: str,
        namespaces: bool,
        resolvers: Path = RESOLVERS,
    ) -> None:
        self._path, self._ask, self._recycle, self._region = folder / "vpc.sock", ask, recycle, region
        self._platform, self._resolvers = platform, resolvers
        self._by = None if namespaces else BY_HOOK  # None until it has been tried
        self._port = urlsplit(endpoint).port or 0
        self._versions: dict[str, FunctionVersion] = {}
        self._keys: dict[str, str] = {}
        self._ports: dict[str, list[int] | None] = {}  # what environments of a version were started with
        self._serving: asyncio.Task[asyncio.Server] | None = None
        self._supervising: set[asyncio.Task[None]] = set()

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
        for task in self._supervising:
            task.cancel()
        await asyncio.gather(*self._supervising, return_exceptions=True)

    async def _serve(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._answer, self._path, limit=LINE_BYTES)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, LookupError):  # whoever asked is gone, or it is no question of ours
            while line := await reader.readline():
                key, *question = line.decode("ascii", "replace").split()
                version = self._versions[key]
                match question:
                    case ["how"]:
                        said = await self._how()
                    case ["confined", pid, fd]:
                        said = self._supervise(version, int(pid), int(fd))
                    case ["ports"]:
                        said = await self._said_of_ports(version, key)
                    case [protocol, host, port]:
                        said = await self._said(version, key, protocol, host, int(port))
                    case _:
                        break
                writer.write(f"{said}\n".encode())
                await writer.drain()
        writer.close()

    # --- by a namespace

    def _supervise(self, version: FunctionVersion, pid: int, fd: int) -> str:
        from labkit.confinement import Listener  # a cold path, as below: most labs have no VPC
        from labkit.emulator.egress import supervise

        try:
            listener = Listener(pid, fd)
        except OSError as error:
            return f"its network namespace cannot be supervised: {error}"
        task = asyncio.create_task(supervise(listener, partial(self._obstacle, version)))
        self._supervising.add(task)
        task.add_done_callback(self._supervising.discard)
        return ""

    async def _how(self) -> str:
        if self._by is None:
            from labkit import confinement

            self._by = BY_HOOK if await asyncio.to_thread(confinement.obstacle) else BY_NAMESPACE
        return self._by

    # --- by the hook

    async def _said_of_ports(self, version: FunctionVersion, key: str) -> str:
        try:
            permitted = rules.ports(await self._network(version.config.vpc), self._port)
        except (ServicesNotStarted, InvalidParameterValue):
            return "none"
        self._ports[key] = permitted
        return EVERY_PORT if permitted is None else ",".join(map(str, permitted)) or "none"

    async def _said(self, version: FunctionVersion, key: str, protocol: str, host: str, port: int) -> str:
        found = await self._obstacle(version, protocol, host, port)
        began_with = self._ports.get(key)
        if not found and protocol == "tcp" and began_with is not None and port not in began_with:
            self._recycle(version)
            return OPENED
        return found

    # --- the rules

    async def _obstacle(self, version: FunctionVersion, protocol: str, host: str, port: int) -> str:
        """Why an address is not reached; "" if it is."""
        if rules.is_loopback(host) and port in self._platform():
            return ""
        if port == DNS and host in _servers_of_names(self._resolvers):
            return ""  # it stands for the VPC's, which no rule filters
        try:
            network = await self._network(version.config.vpc)
        except (ServicesNotStarted, InvalidParameterValue) as error:
            return str(error)
        of_aws = port == self._port and protocol == "tcp" and rules.is_loopback(host)
        return rules.obstacle(network, protocol, host, port, of_aws=of_aws)

    async def _network(self, config: VpcConfig) -> rules.Network:
        """Raises InvalidParameterValue for a network that is gone, ServicesNotStarted."""
        page = await self._page(config)
        if unknown := page["unknown"]:
            raise InvalidParameterValue(_not_found(unknown))
        return rules.network_of(page, config.security_group_ids)

    async def _page(self, config: VpcConfig) -> Any:
        subnets, groups = ",".join(config.subnet_ids), ",".join(config.security_group_ids)
        return await self._ask("network", subnets=subnets, groups=groups, region=self._region)


def _servers_of_names(resolvers: Path) -> list[str]:
    """This machine's."""
    try:
        lines = [line.split() for line in resolvers.read_text(errors="replace").splitlines()]
    except OSError:
        return []
    return [line[1] for line in lines if len(line) > 1 and line[0] == "nameserver"]


def _not_found(name: str) -> str:
    what = "DescribeSecurityGroups" if name.startswith("sg-") else "DescribeSubnets"
    code, said = (
        ("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
        if name.startswith("sg-")
        else ("InvalidSubnetID.NotFound", f"The subnet ID '{name}' does not exist")
    )
    return f"Error occurred while {what}. EC2 Error Code: {code}. EC2 Error Message: {said}"

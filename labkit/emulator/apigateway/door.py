"""The front door's view of API Gateway: is a request for an API, and what to do when somebody changes one.

What is behind (`desk`) is imported with the first request for an API, or the first deployment: a lab without any API
pays for two comparisons of a request's path and host.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from labkit.emulator.apigateway.addresses import address_of, api_of_change
from labkit.emulator.exchange import Receive, Send
from labkit.emulator.http import Scope

if TYPE_CHECKING:
    from labkit.emulator.apigateway.desk import Desk


class ApiDoor:
    """An ASGI application, for requests that `wanted` says are an API's. `make` makes what answers them, and is given
    the regions in which there may be APIs, a collection that grows.
    """

    def __init__(self, make: Callable[[Collection[str]], Desk], *, region: str) -> None:
        self._make = make
        self._regions = {region: None}
        self._made: Desk | None = None

    def wanted(self, scope: Scope, host: bytes) -> bool:
        return address_of(scope["raw_path"], host) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = address_of(scope["raw_path"], dict(scope["headers"]).get(b"host", b""))
        assert address is not None
        await self._desk.answer(address, scope, receive, send)

    async def changed(self, method: str, path: str, region: str) -> None:
        """Somebody changed the configuration. Returns when what a deployment freezes has been read."""
        self._regions[region] = None
        deployed = method == "POST" and path.rstrip("/").endswith("/deployments")
        if deployed or self._made:
            await self._desk.catalogue.changed(api_of_change(path), region, deployed=deployed)

    @property
    def _desk(self) -> Desk:
        if self._made is None:
            self._made = self._make(self._regions.keys())
        return self._made

"""Which operation of a REST service a request means, by botocore's models: loaded when a role first asks one."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl

from labkit.emulator.needs import ServiceRequest
from labkit.emulator.wire import Routes

FOLDERS = {
    "ses": "sesv2",
    "elasticfilesystem": "efs",
    "es": "opensearch",
    "iotdata": "iot-data",
    "bedrock": "bedrock-runtime",
}
"""Services whose name in a signature is not that of their model."""
NO_OPERATION = "UnknownOperation"


class RestOperations:
    """Routes by service; a service that has no model, or none with routes, has no operations."""

    def __init__(self) -> None:
        self._routes: dict[str, Routes | None] = {}

    async def of(self, request: ServiceRequest) -> str:
        """The operation that a request means; the model is read in a thread."""
        service = request.service
        if service not in self._routes:
            self._routes[service] = await asyncio.to_thread(_routes_of, service)
        routes = self._routes[service]
        path, query = request.raw_path.decode("latin-1"), parse_qsl(request.query, keep_blank_values=True)
        match = routes.match(request.method, path, query) if routes else None
        return match.operation if match else NO_OPERATION


def _routes_of(service: str) -> Routes | None:
    import botocore.loaders  # a cold path, and so is the model
    from botocore.exceptions import UnknownServiceError

    try:
        model: dict[str, Any] = botocore.loaders.Loader().load_service_model(FOLDERS.get(service, service), "service-2")
    except UnknownServiceError:
        return None
    return Routes(model["operations"]) if model["metadata"]["protocol"].startswith("rest") else None

"""Where a request for an API is read, given to the door of its kind, and answered."""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from collections.abc import Callable, Collection, Sequence

from labkit.emulator.apigateway.addresses import Address, split_stage
from labkit.emulator.apigateway.authorizers import Authorizers
from labkit.emulator.apigateway.calls import Visit
from labkit.emulator.apigateway.catalogue import Catalogue
from labkit.emulator.apigateway.configuration import RestApi
from labkit.emulator.apigateway.functions import Functions, say
from labkit.emulator.apigateway.http_api import HttpDoor, request_below, stage_of
from labkit.emulator.apigateway.rest import BODY_BYTES, RestDoor, forbidden
from labkit.emulator.apigateway.signatures import Signatures
from labkit.emulator.clients import CallFailed, Clients
from labkit.emulator.clock import Clock
from labkit.emulator.exchange import Receive, Send
from labkit.emulator.gateway import HttpRequest, HttpResponse
from labkit.emulator.http import Scope, body_of, respond
from labkit.emulator.invoker import Invoker
from labkit.emulator.pages import fault
from labkit.emulator.registry import Registry
from labkit.emulator.signing import Verifier
from labkit.errors import RequestAborted


class Desk:
    """See the module's docstring."""

    def __init__(
        self,
        invoker: Invoker,
        registry: Registry,
        clients: Clients,
        clock: Clock,
        verifier: Verifier | None,
        incarnation: Callable[[], object],
        regions: Collection[str],
    ) -> None:
        async def read_object(bucket: str, key: str) -> bytes:
            body: bytes = (await clients.call("s3", "get_object", Bucket=bucket, Key=key))["Body"]
            return body

        self._account_id = registry.account_id
        self._clock = clock
        self.catalogue = Catalogue(clients.call, incarnation, regions)
        functions, signatures = Functions(invoker, registry), Signatures(verifier)
        authorizers = Authorizers(functions, clock.now)
        self._rest = RestDoor(self.catalogue, functions, authorizers, signatures)
        self._http = HttpDoor(functions, authorizers, signatures, read_object, clock.now, endpoint=clients.endpoint)

    async def answer(self, address: Address, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await body_of(receive, most=BODY_BYTES)
            response = await self._answered(address, scope, body)
        except RequestAborted:
            return  # nobody is there to read an answer
        except CallFailed as error:
            say(f"API {address.api_id}: its configuration could not be read: {error}")
            response = _message(503, "Service Unavailable")
        except Exception as error:
            fault(error)
            response = _message(500, "Internal server error")
        fields = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers]
        await respond(send, response.status, fields, response.body)

    async def _answered(self, address: Address, scope: Scope, body: bytes) -> HttpResponse:
        api = await self.catalogue.find(address.api_id, address.region)
        if api is None or api.disabled:
            return forbidden()
        if isinstance(api, RestApi):
            stage, path = split_stage(address.path)
            return await self._rest.answer(api, self._visit(scope, body, address.path, stage=stage, path=path))
        if api.protocol != "HTTP":
            say(f"API {api.api_id} is a {api.protocol} API; only REST and HTTP APIs are served here")
            return _message(501, f"labkit does not serve {api.protocol} APIs.")
        found = stage_of(api, address.path)
        if found is None:
            return _message(404, "Not Found")
        stage, path = found
        full_path = path if stage == "$default" else address.path
        return await self._http.answer(api, self._visit(scope, body, full_path, stage=stage, path=path))

    def _visit(self, scope: Scope, body: bytes, full_path: str, *, stage: str, path: str) -> Visit:
        request = request_below(_request(scope, body), path)
        trace = request.header("x-amzn-trace-id") or f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"
        return Visit(
            request,
            stage,
            full_path,
            request_id=str(uuid.uuid4()),
            extended_id=base64.urlsafe_b64encode(os.urandom(11)).decode(),
            trace_id=trace,
            now=self._clock.now(),
            account_id=self._account_id,
            scope=scope,
        )


def _request(scope: Scope, body: bytes) -> HttpRequest:
    """Header names as they were sent: an event of payload 1.0 has them so."""
    names: Sequence[bytes] = scope.get("labkit.header_names", ())
    headers = scope["headers"]
    spelt = names if len(names) == len(headers) else [name for name, _ in headers]
    client = scope.get("client")
    return HttpRequest(
        scope["method"],
        "",
        scope["query_string"].decode("latin-1"),
        tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, (_, value) in zip(spelt, headers, strict=True)
        ),
        body,
        client[0] if client else "127.0.0.1",
        f"HTTP/{scope.get('http_version', '1.1')}",
    )


def _message(status: int, message: str) -> HttpResponse:
    body = json.dumps({"message": message}, separators=(",", ":"))
    return HttpResponse(status, (("content-type", "application/json"),), body.encode())

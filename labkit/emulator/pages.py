"""Everything over HTTP but invocations: the Lambda API's other operations, and labkit's own pages.

The operations come by the wire, from botocore's model. Under `/_labkit/` stands what the API has no word for:
status, traces, logs, fresh environments, the clock, and the packages that GetFunction's location names.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labkit.emulator.account import Account
from labkit.emulator.clock import Clock
from labkit.emulator.control import perform
from labkit.emulator.machines import Machines
from labkit.emulator.registry import FunctionVersion, parse_reference
from labkit.emulator.signing import Verifier
from labkit.emulator.status import environments_of, lab_status, life_of
from labkit.emulator.wire import Reply, Wire
from labkit.errors import RequestAborted, RequestTooLarge, ServiceError, ServiceFault, UnknownOperation

METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]
BODY_BYTES = 70_167_211  # AWS's own limit of a request: a 50 MB zip in base64, and the rest of it


RESET_PATH = "/moto-api/reset"
LONGEST_ADVANCE_S = 366 * 86_400.0


def fault(error: Exception) -> ServiceFault:
    """The answer to an error of labkit's own; its traceback goes to the emulator's log."""
    traceback.print_exception(error, file=sys.stderr)
    return ServiceFault("An internal error of labkit; the emulator's log has the traceback.")


Page = Callable[[Request], Awaitable[Response]]


class Pages:
    """The endpoints, on one account."""

    def __init__(
        self,
        account: Account,
        wire: Wire,
        clock: Clock,
        verifier: Verifier | None = None,
        *,
        machines: Machines,
        reset: Callable[[Account], Awaitable[None]] | None = None,
    ) -> None:
        self._reset = reset
        self._account = account
        self._machines = machines
        self._verifier = verifier
        self._wire = wire
        self._clock = clock

    def application(self) -> Starlette:
        own = [
            ("status", self.status, "GET"),
            ("life", self.life, "GET"),
            ("advance", self.advance, "POST"),
            ("pause", self.pause, "POST"),
            ("traces", self.traces, "GET"),
            ("traces/{request_id}", self.trace, "GET"),
            ("logs/{name}", self.logs, "GET"),
            ("functions/{name}/environments", self.environments, "GET"),
            ("functions/{name}/recycle", self.recycle, "POST"),
            ("functions/{name}/abort", self.abort, "POST"),
            ("packages/{sha256}", self.package, "GET"),
        ]
        return Starlette(
            routes=[
                *(Route(f"/_labkit/{path}", self._signed(page), methods=[method]) for path, page, method in own),
                Route(RESET_PATH, self._signed(self.reset), methods=["POST"]),
                Route("/{path:path}", self.operation, methods=METHODS),
            ],
            exception_handlers={HTTPException: _no_page},
        )

    def _signed(self, page: Page) -> Page:
        """The same page, for requests with a valid signature only."""

        async def signed(request: Request) -> Response:
            try:
                self._check_signature(request, b"")
                return await page(request)
            except ServiceError as error:
                return _refused(error)
            except Exception as error:
                return _refused(fault(error))

        return signed

    def _check_signature(self, request: Request, body: bytes) -> None:
        if self._verifier:
            scope = request.scope
            self._verifier.check(
                request.method, scope["raw_path"], scope["query_string"], scope["headers"], body, time.time()
            )

    async def operation(self, request: Request) -> Response:
        """One operation of the Lambda API."""
        request_id = str(uuid.uuid4())
        try:
            reply = await self._performed(request)
        except ServiceError as error:
            reply = self._wire.error(error, request_id)
        except Exception as error:
            reply = self._wire.error(fault(error), request_id)
        return Response(reply.body, reply.status, headers={"x-amzn-requestid": request_id, **reply.headers})

    async def _performed(self, request: Request) -> Reply:
        query = request.query_params.multi_items()
        match = self._wire.match(request.method, request.scope["raw_path"].decode("latin-1"), query)
        if match is None:
            raise _unknown(request)
        if self._verifier:
            self._verifier.check_claim(request.scope["query_string"], request.scope["headers"], time.time())
        body = await _body(request, match.operation)
        self._check_signature(request, body)
        params = self._wire.parse(match, query, request.headers, body)
        return self._wire.serialise(match.operation, await perform(self._account, match.operation, params))

    async def status(self, request: Request) -> Response:
        return JSONResponse(lab_status(self._account))

    async def life(self, request: Request) -> Response:
        """Environments, throttles and call times; `since` is an earlier answer's `runs`, and without it none."""
        runs = self._account.recorder.runs
        since = request.query_params.get("since", "")
        return JSONResponse(life_of(self._account, int(since) if since.isdecimal() and len(since) < 16 else runs))

    async def pause(self, request: Request) -> Response:
        """A state machine waits for `seconds`, or `until` a moment of the emulator's clock: moto's process says so."""
        given = request.query_params
        try:
            until = float(given["until"]) if "until" in given else self._clock.now() + float(given["seconds"])
        except (KeyError, ValueError):
            until = math.nan
        if not math.isfinite(until):
            return JSONResponse({"message": "expected a number, as seconds or until."}, 400)
        self._machines.pause(given.get("id", ""), until)
        return JSONResponse({})

    async def advance(self, request: Request) -> Response:
        """The emulator's clock skips `seconds`; answers when what falls due meanwhile has run."""
        given = request.query_params.get("seconds", "")
        try:
            seconds = float(given)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= LONGEST_ADVANCE_S:
            wanted = f"a number of seconds from 0 to {LONGEST_ADVANCE_S:.0f}"
            return JSONResponse({"message": f"seconds={given}: expected {wanted}."}, 400)
        now = await self._clock.advance(seconds)
        if self._account.store:
            self._account.store.keep_clock(self._clock.ahead_s)
        return JSONResponse({"now": now})

    async def reset(self, request: Request) -> Response:
        """Clears moto and everything of Lambda's. Answers as moto does."""
        if self._reset:
            await self._reset(self._account)
        return JSONResponse({"status": "ok"})

    async def trace(self, request: Request) -> Response:
        found = self._account.recorder.trace(request.path_params["request_id"])
        return JSONResponse(dataclasses.asdict(found) if found else None, 200 if found else 404)

    async def traces(self, request: Request) -> Response:
        found = self._account.recorder.traces(request.query_params.get("function", ""))
        return JSONResponse([dataclasses.asdict(trace) for trace in found])

    async def logs(self, request: Request) -> Response:
        streams = self._account.recorder.streams(request.path_params["name"])
        return JSONResponse([{"name": stream.name, "text": stream.text()} for stream in streams])

    async def environments(self, request: Request) -> Response:
        """A function's environments with their phases and CPU times: cheap enough to ask while a load runs."""
        return JSONResponse(environments_of(self._account, request.path_params["name"]))

    async def recycle(self, request: Request) -> Response:
        """The next invocation of this function meets a fresh environment."""
        return self._on_version(request, self._account.dispatcher.recycle)

    async def abort(self, request: Request) -> Response:
        """What this function is starting or running now is ended."""
        return self._on_version(request, lambda v: self._account.dispatcher.abort(v, "stopped by the caller"))

    async def package(self, request: Request) -> Response:
        content = self._account.packages.zip_of(request.path_params["sha256"].replace("_", "/"))
        return Response(content, 200 if content else 404, media_type="application/zip")

    def _on_version(self, request: Request, act: Callable[[FunctionVersion], object]) -> Response:
        try:
            version = self._account.registry.version(parse_reference(request.path_params["name"]))
        except ServiceError as error:
            return _refused(error)
        return JSONResponse({"done": act(version)})


def _refused(error: ServiceError) -> Response:
    return JSONResponse({"message": str(error)}, error.status, {"x-amzn-errortype": error.code})


async def _no_page(request: Request, _: Exception) -> Response:
    """For a method or a path that no route has: HTTP's own plain text is not what the API speaks."""
    return _refused(_unknown(request))


def _unknown(request: Request) -> UnknownOperation:
    return UnknownOperation(f"No operation of the Lambda API is {request.method} {request.scope['path']}.")


async def _body(request: Request, operation: str) -> bytes:
    """The whole body. Raises RequestTooLarge as soon as it is, and reads no further; RequestAborted."""
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > BODY_BYTES:
                raise RequestTooLarge(f"Request must be smaller than {BODY_BYTES} bytes for the {operation} operation")
            chunks.append(chunk)
    except ClientDisconnect:
        raise RequestAborted("The request ended before it was whole.") from None
    return b"".join(chunks)

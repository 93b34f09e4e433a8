"""The one way to a handler: every invocation, whoever asks, goes through `invoke`.

Resolves the name, checks type and size, gives the request its id, and waits for the result. Knows neither HTTP nor
the scheduler's rules.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypedDict, Unpack

import msgspec

from labkit.emulator.clock import Clock
from labkit.emulator.dispatcher import Dispatcher
from labkit.emulator.invocation import Ending, Invocation, Result
from labkit.emulator.lineage import continued, is_loop
from labkit.emulator.queue import EventQueue
from labkit.emulator.registry import Reference, Registry
from labkit.emulator.segments import Sampler
from labkit.emulator.streaming import ResponseStream
from labkit.emulator.wire import check_event
from labkit.errors import InvalidParameterValue, InvalidRequestContent, RecursiveInvocation, RequestTooLarge
from labkit.model import EVENT_PAYLOAD_BYTES, SYNC_PAYLOAD_BYTES, InvocationType

if TYPE_CHECKING:
    from labkit.emulator.admission import Admission

KINDS = tuple(kind.value for kind in InvocationType)
IDS_AT_ONCE = 256
RUNS = 200  # the status of an invocation whose caller waits
LOOP = (
    "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your"
    " function's invocation."
)  # the API reference's own words for the error
CLIENT_CONTEXT_BYTES = 3583  # the API's limit, in base64


class Answer(msgspec.Struct, frozen=True):
    """What the caller of Invoke gets. `result` is None for Event and DryRun."""

    status: int
    request_id: str
    executed_version: str
    result: Result | None = None


class Begun(NamedTuple):
    """An invocation on its way. With status 200 its ending will hear of it; there is no more of Event and DryRun."""

    status: int
    request_id: str
    executed_version: str


class How(TypedDict, total=False):
    """What else may be said of an invocation; see `Invoker.begin`."""

    kind: str
    client_context: str
    trace_id: str
    request_id: str
    stream: ResponseStream | None
    on_answer: Callable[[Invocation, bytes, bool], None] | None


class Invoker:
    """See the module's docstring."""

    def __init__(
        self,
        registry: Registry,
        dispatcher: Dispatcher | Admission,
        queue: EventQueue,
        clock: Clock,
        sampler: Sampler | None = None,
    ) -> None:
        self._registry = registry
        self._dispatcher = dispatcher
        self._queue = queue
        self._clock = clock
        self._sampler = sampler or Sampler()
        self._loop = asyncio.get_running_loop()
        self._new_id = RequestIds()

    async def invoke(self, reference: Reference, payload: bytes, **how: Unpack[How]) -> Answer:
        """Runs a function. Raises the ServiceErrors of the Invoke operation.

        With a `stream`, what the handler yields is read there, meanwhile, and missing in the result.
        """
        ending: asyncio.Future[Result] = self._loop.create_future()
        begun = self.begin(reference, payload, ending, **how)
        return Answer(*begun, await ending if begun.status == RUNS else None)

    def begin(
        self,
        reference: Reference,
        payload: bytes,
        ending: Ending,
        *,
        kind: str = InvocationType.REQUEST_RESPONSE,
        client_context: str = "",
        trace_id: str = "",
        request_id: str = "",
        stream: ResponseStream | None = None,
        on_answer: Callable[[Invocation, bytes, bool], None] | None = None,
    ) -> Begun:
        """Sets an invocation going, as `invoke` does, and does not wait for it; its `ending` may hear ServiceErrors.

        `on_answer` is Invocation's.
        """
        version = self._registry.serving(reference)
        _check(payload, kind, client_context)
        request_id = request_id or self._new_id()
        if stream:
            stream.request_id, stream.executed_version = request_id, version.version
        if kind == InvocationType.DRY_RUN:
            return Begun(204, request_id, version.version)
        caused, header = trace_id, trace_id or _trace_id(request_id)
        if version.config.tracing == "Active":
            header = self._sampler.header(trace_id, request_id, version.config.name, time.time())
        invocation = Invocation(
            request_id=request_id,
            version=version,
            function_arn=version.arn if reference.qualifier is None else f"{version.arn}:{reference.qualifier}",
            payload=payload or b"{}",
            arrived=time.monotonic(),
            arrived_at=self._clock.now(),
            ending=ending,
            client_context=_decoded(client_context),
            trace_id=continued(header, version.config.name),
            stream=stream,
            on_answer=None if kind == InvocationType.EVENT else on_answer,  # its caller has an answer by then
        )
        if kind == InvocationType.EVENT:
            self._queue.put(invocation)
            return Begun(202, request_id, version.version)
        if caused and self.loops(invocation):
            raise RecursiveInvocation(LOOP)
        self._dispatcher.submit(invocation)
        return Begun(RUNS, request_id, version.version)

    def loops(self, invocation: Invocation) -> bool:
        """Whether a chain of events has come back to this function too often, and its settings say that it ends."""
        name = invocation.version.config.name
        return is_loop(invocation.trace_id, name) and self._registry.functions[name].recursive_loop == "Terminate"


def _check(payload: bytes, kind: str, client_context: str) -> None:
    if kind not in KINDS:
        allowed = ", ".join(KINDS)
        raise InvalidParameterValue(f"Value '{kind}' at 'invocationType' must be one of: [{allowed}]")
    limit = EVENT_PAYLOAD_BYTES if kind == InvocationType.EVENT else SYNC_PAYLOAD_BYTES
    if len(payload) > limit:
        raise RequestTooLarge(f"Request must be smaller than {limit} bytes for the InvokeFunction operation")
    if len(client_context) > CLIENT_CONTEXT_BYTES:
        raise RequestTooLarge(f"Client context must be no more than {CLIENT_CONTEXT_BYTES} bytes.")
    if payload:
        try:
            msgspec.json.decode(payload)  # the fast look; who fails it gets the wire's, which finds AWS's words
        except (msgspec.DecodeError, ValueError, RecursionError):
            check_event(payload)


def _decoded(client_context: str) -> str:
    """The JSON behind the header's base64, as the Runtime API hands it on: one line of ASCII."""
    if not client_context:
        return ""
    try:
        return json.dumps(json.loads(base64.b64decode(client_context, validate=True)))
    except (ValueError, RecursionError):
        raise InvalidRequestContent("Client context must be a valid Base64-encoded JSON object.") from None


class RequestIds:
    """UUIDs of version 4, from the system's randomness taken in blocks: a system call each would cost more."""

    def __init__(self) -> None:
        self._left: list[str] = []

    def __call__(self) -> str:
        if not self._left:
            digits = os.urandom(16 * IDS_AT_ONCE).hex()
            self._left = [digits[at : at + 32] for at in range(0, len(digits), 32)]
        d = self._left.pop()
        variant = "89ab"[int(d[16], 16) & 3]  # RFC 9562, section 4.1
        return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{variant}{d[17:20]}-{d[20:]}"


def _trace_id(request_id: str) -> str:
    """An X-Ray header for a caller that sent none. A request id is random already: no more randomness is needed."""
    digits = request_id.replace("-", "")
    return f"Root=1-{int(time.time()):08x}-{digits[:24]};Parent={digits[16:]};Sampled=0"

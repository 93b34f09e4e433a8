"""Events that the mocked account's services bring to functions: by a UNIX socket, into the queue of events.

One connection is one event: a JSON document up to the end of what the other side sends, and one back. The socket lies
in the emulator's private folder, opens with the mocked account's process, and takes nothing but events. `refusal` says
who is let in: a function that is there, and whose resource policy permits the service (`permissions`), as on AWS.
Kinds are those of Invoke: `Event` is in the queue when it is answered, `RequestResponse` has run, and `DryRun` only
asks whether it might. The other side is mockaws/courier.py.

An event that cannot be taken now (its function is being created, the queue is full) is tried again, as services of AWS
do for hours: after 1 s, 2 s, and so on up to a minute, for an hour of the emulator's clock.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from labkit.emulator.clock import Clock
from labkit.emulator.destinations import function_of, undelivered
from labkit.emulator.invoker import Answer
from labkit.emulator.permissions import permits
from labkit.emulator.registry import PolicyStatement, Reference, Registry
from labkit.errors import ResourceConflict, ServiceError, TooManyRequests
from labkit.model import LATEST, InvocationType

QUESTION_BYTES = 16 * 1024 * 1024
QUESTION_S = 10.0
LONGEST_DELAY_S, LONGEST_TRYING_S = 60.0, 3600.0
MOST_TRIED_AGAIN = 10_000
NOT_NOW = (ResourceConflict, TooManyRequests)


class Delivery(msgspec.Struct, frozen=True):
    """See mockaws/seam.py."""

    function_arn: str
    principal: str
    source_arn: str
    source_account: str
    payload: str
    kind: str = InvocationType.EVENT
    trace_id: str = ""


class Reply(msgspec.Struct, frozen=True):
    """See mockaws/seam.py."""

    refusal: str = ""
    missing: bool = False
    payload: str = ""
    failed: bool = False


class Invoke(Protocol):
    """The invoker's own."""

    def __call__(self, reference: Reference, payload: bytes, *, kind: str, trace_id: str) -> Awaitable[Answer]: ...


def refusal(registry: Registry, delivery: Delivery) -> Reply | None:
    """Why an event is not let in; None if it is. One without a principal asks for the function only."""
    reference = function_of(delivery.function_arn, registry)
    try:
        if reference is None:
            return Reply(f"{delivery.function_arn} is no function of this account and region", missing=True)
        function, qualifier = registry.named(reference.name, reference.qualifier)
    except ServiceError as error:
        return Reply(error.message, missing=True)
    if not delivery.principal or _permitted(function.policies.get(qualifier, ()), delivery, registry.region):
        return None
    return Reply(_advice(function.name, qualifier, delivery))


def _permitted(statements: Iterable[PolicyStatement], delivery: Delivery, region: str) -> bool:
    """A service may also be named with its region: `logs.us-east-1.amazonaws.com`."""
    service, _, domain = delivery.principal.partition(".")
    return any(
        permits(
            statements,
            principal=principal,
            source_arn=delivery.source_arn,
            source_account=delivery.source_account,
        )
        for principal in (delivery.principal, f"{service}.{region}.{domain}")
    )


def _advice(name: str, qualifier: str, delivery: Delivery) -> str:
    """What is missing, as the call that adds it."""
    service = delivery.principal.partition(".")[0]
    given = {"FunctionName": name} | ({} if qualifier == LATEST else {"Qualifier": qualifier})
    given |= {"StatementId": service, "Action": "lambda:InvokeFunction", "Principal": delivery.principal}
    given |= {"SourceArn": delivery.source_arn} if delivery.source_arn else {}
    call = ", ".join(f"{key}={value!r}" for key, value in given.items())
    return f"no statement of the function's resource policy permits it; missing: add_permission({call})"


class Deliveries:
    """The socket, and what is done with what comes."""

    def __init__(self, registry: Registry, invoke: Invoke, clock: Clock) -> None:
        self._registry = registry
        self._invoke = invoke
        self._clock = clock
        self._again: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._answering: set[asyncio.Task[None]] = set()

    async def listen(self, path: Path) -> None:
        """From now on events may come here."""
        self._servers.append(await asyncio.start_unix_server(self._serve, path))

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        ending = [*self._answering, *self._again]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def answer(self, delivery: Delivery) -> Reply:
        """Lets it in, or says why not."""
        if refused := refusal(self._registry, delivery):
            return refused
        reference = function_of(delivery.function_arn, self._registry)
        if delivery.kind == InvocationType.DRY_RUN or reference is None:
            return Reply()
        try:
            answer = await self._invoke(
                reference, delivery.payload.encode(), kind=delivery.kind, trace_id=delivery.trace_id
            )
        except NOT_NOW as error:
            if delivery.kind == InvocationType.EVENT and len(self._again) < MOST_TRIED_AGAIN:
                self._try_again(delivery)
                return Reply()
            return Reply(f"{error.code}: {error.message}")
        except ServiceError as error:
            return Reply(f"{error.code}: {error.message}")
        result = answer.result
        return Reply(payload=result.payload.decode("utf-8", "replace"), failed=result.failed) if result else Reply()

    def _try_again(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._tried_again(delivery))
        self._again.add(task)
        task.add_done_callback(self._again.discard)
        self._clock.follow(task)

    async def _tried_again(self, delivery: Delivery) -> None:
        """Until it is taken, or nobody will take it any more."""
        delay_s, until = 1.0, self._clock.now() + LONGEST_TRYING_S
        while True:
            await self._clock.wait_until(self._clock.now() + delay_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)
            reference = function_of(delivery.function_arn, self._registry)
            refused = refusal(self._registry, delivery)
            if refused or reference is None:
                undelivered(delivery.function_arn, refused.refusal if refused else "it is gone")
                return
            try:
                await self._invoke(reference, delivery.payload.encode(), kind=delivery.kind, trace_id=delivery.trace_id)
            except ServiceError as error:
                if self._clock.now() < until and isinstance(error, NOT_NOW):
                    continue
                undelivered(delivery.function_arn, f"{error.code}: {error.message}")
            return

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        try:
            async with asyncio.timeout(QUESTION_S):
                question = await _whole(reader)
            reply = await self.answer(msgspec.json.decode(question, type=Delivery))
            writer.write(msgspec.json.encode(reply))
            await writer.drain()
        except (ConnectionError, TimeoutError, msgspec.DecodeError) as error:
            print(f"labkit: an event was not understood: {error!r}", file=sys.stderr, flush=True)  # noqa: T201
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _whole(reader: asyncio.StreamReader) -> bytes:
    """Everything up to the end; what is longer than any event is cut, and no document any more."""
    chunks, size = [], 0
    while size <= QUESTION_BYTES and (chunk := await reader.read(65536)):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)

"""The one seam between moto's services and functions: what happened becomes a `Delivery`, and a courier brings it.

    a caller's request (S3 put, SNS publish, PutEvents ...)
      -> moto's service, where `corrections` has put our code in the place of moto's own
         buckets.py topics.py rules.py loggroups.py secrets.py queues.py   events in AWS's own shape
      -> deliver(Delivery)         kept in the request's outbox
      <- the answer is ready       what happened is over: now, and not before, its events may be seen
      -> courier.send(Delivery)    courier.py: the emulator's UNIX socket -> emulator/deliveries.py: may it? -> queue
                                   inprocess.py: moto's functions of this process, for users of `mock_aws`

An event is sent when its request has been answered by moto, so that a handler finds the object with its metadata and
tags; and it is accepted before the caller has that answer, so that whoever waits for the queue finds it there. Nothing
waits for a handler: but for `run`, which is for those who need its answer, and who are threads of moto's own.

What an event needs to know of its request (who asked, under which X-Ray header) is `cause()`. The header carries the
lineage that ends loops (see emulator/lineage.py).

`Functions` is what moto's services find where they look for functions (`moto.awslambda.utils.get_backend`).
Nothing here knows how an emulator is reached, or that there is one.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

SOURCE_IP = "127.0.0.1"  # all callers are on this machine
EVENT, REQUEST_RESPONSE, DRY_RUN = "Event", "RequestResponse", "DryRun"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for a function: who brings it (a service, for one of its resources), and how it is to be run."""

    function_arn: str
    principal: str
    source_arn: str
    source_account: str
    payload: str
    kind: str = EVENT
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a delivery: `refusal` says why nothing did, `payload` is a run's result."""

    refusal: str = ""
    missing: bool = False  # there is no such function
    payload: str = ""
    failed: bool = False


class Courier(Protocol):
    """Brings deliveries to where functions are."""

    def send(self, delivery: Delivery) -> Reply:
        """Hands it over, and says nothing itself."""


@dataclass(slots=True)
class Cause:
    """The request that is being answered, as far as events tell of it, and the deliveries that it has caused."""

    trace_id: str = ""
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex[:16].upper())
    named: bool = False  # whether an event tells the request's id
    outbox: list[Delivery] = field(default_factory=list)


class NoCourier:
    """For moto without functions."""

    def send(self, delivery: Delivery) -> Reply:
        return Reply("functions are not called by other services here")


_cause: ContextVar[Cause | None] = ContextVar("cause", default=None)
_courier: list[Courier] = [NoCourier()]


def use(courier: Courier | None) -> None:
    """From now on this one brings the deliveries."""
    _courier[0] = courier or NoCourier()


@contextmanager
def answering(request: Cause) -> Iterator[None]:
    """What is delivered meanwhile waits in the request's outbox; `post` sends it."""
    token = _cause.set(request)
    try:
        yield
    finally:
        _cause.reset(token)


def cause() -> Cause:
    """The request that is being answered; one that says nothing, for what a thread of moto does by itself."""
    return _cause.get() or Cause()


def deliver(delivery: Delivery) -> None:
    """An event on its way; what cannot be delivered is a line on standard error."""
    request = _cause.get()
    if request is not None:
        request.outbox.append(delivery)
    else:
        _bring(delivery)


def post(request: Cause) -> None:
    """Sends what the request has caused."""
    while request.outbox:
        _bring(request.outbox.pop(0))


def run(delivery: Delivery) -> Reply:
    """Runs a function and waits for its answer: never on the way of a caller's request."""
    return _courier[0].send(delivery)


def why_not(function_arn: str, *, principal: str, source_arn: str, account_id: str) -> Reply:
    """Whether a delivery would be let in now."""
    return _courier[0].send(Delivery(function_arn, principal, source_arn, account_id, "", DRY_RUN))


def _bring(delivery: Delivery) -> None:
    reply = _courier[0].send(delivery)
    if reply.refusal:
        say_undelivered(delivery, reply.refusal)


def say_undelivered(delivery: Delivery, why: str) -> None:
    by = f" by {delivery.principal}" if delivery.principal else ""
    say(f"not delivered to {delivery.function_arn}{by}: {why}")


def say(message: str) -> None:
    """One line on standard error, which is the emulator's own."""
    print(f"labkit: {message}", file=sys.stderr, flush=True)  # noqa: T201


class NoFunction(Exception):
    """There is no such function, or the service that asks may not run it."""


@dataclass(frozen=True, slots=True)
class Functions:
    """Stands for moto's Lambda, for those of its services that are not corrected: with the methods that they call."""

    account_id: str
    region: str

    def get_function(self, function_name: str, qualifier: str | None = None) -> CalledFunction:
        """Raises NoFunction."""
        arn = self._arn(function_name, qualifier)
        if why_not(arn, principal="", source_arn="", account_id=self.account_id).missing:
            raise NoFunction(arn)
        return CalledFunction(arn, self.account_id)

    def invoke(
        self, function_name: str, qualifier: str | None, body: Any, headers: Any, response_headers: Any
    ) -> bytes | None:
        """An event from a service that does not say which one it is."""
        CalledFunction(self._arn(function_name, qualifier), self.account_id).invoke(body, headers, response_headers)
        return None

    def send_sqs_batch(self, *args: object) -> bool:
        """Queues and streams are read by the emulator (event source mappings), never pushed by moto."""
        return False

    def send_kinesis_message(self, *args: object, **kwargs: object) -> None:
        return None

    def send_dynamodb_items(self, *args: object) -> None:
        return None

    def _arn(self, name: str, qualifier: str | None) -> str:
        arn = name if name.startswith("arn:") else f"arn:aws:lambda:{self.region}:{self.account_id}:function:{name}"
        return f"{arn}:{qualifier}" if qualifier else arn


@dataclass(frozen=True, slots=True)
class CalledFunction:
    """Stands for one of moto's functions. A custom resource of CloudFormation runs it, in its caller's name."""

    function_arn: str
    account_id: str

    def invoke(self, body: str, request_headers: Any, response_headers: Any) -> str:
        deliver(Delivery(self.function_arn, "", "", self.account_id, body, trace_id=cause().trace_id))
        return ""

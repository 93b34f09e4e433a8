"""Sample events: what a handler gets from each thing that can call a function, in AWS's shapes.

One function per trigger; it takes what a lesson wants to choose, and gives a fresh `dict` each time. Everything else,
ids and times too, is the same in every run, so that a notebook's output is. Shapes are those of the Lambda developer
guide, and for what the emulator itself delivers the tests hold them against the real ones, name by name.

>>> labkit.events.s3(bucket="photos", key="raw/cat.png")["Records"][0]["s3"]["object"]["key"]
'raw/cat.png'
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from labkit.errors import BadEvent, nearest
from labkit.events.buses import (
    cloudformation,
    cognito,
    destination,
    eventbridge,
    schedule,
    scheduler,
    secretsmanager,
    stepfunctions,
)
from labkit.events.requests import alb, apigateway_http, apigateway_http_v1, apigateway_rest, authorizer, function_url
from labkit.events.streams import dynamodb, kinesis, logs, s3, sns, sqs, sqs_fifo

Event = dict[str, Any]

EVENTS: Mapping[str, Callable[..., Event]] = {
    made.__name__: made
    for made in (
        s3, sqs, sqs_fifo, sns, kinesis, dynamodb, logs, eventbridge, schedule, scheduler, apigateway_rest,
        apigateway_http, apigateway_http_v1, authorizer, function_url, alb, stepfunctions, secretsmanager, cognito,
        destination, cloudformation,
    )
}  # fmt: skip
__all__ = [*EVENTS, "EVENTS", "parameters", "sample", "summary"]


def sample(kind: str, **chosen: Any) -> Event:
    """The event of one kind, by its name. Raises BadEvent for what there is not, with the near miss.

    >>> sample("sqs", body={"order": 7})["Records"][0]["body"]
    '{"order": 7}'
    """
    if kind not in EVENTS:
        near = nearest(kind, EVENTS)
        hint = f"Did you mean {near}?" if near else f"There are: {', '.join(EVENTS)}."
        raise BadEvent(f"No event {kind}.", hint=hint)
    known = parameters(kind)
    for name in chosen:
        if name not in known:
            near = nearest(name, known)
            hint = f"Did you mean {near}?" if near else f"It takes: {', '.join(known)}."
            raise BadEvent(f"The event {kind} takes no {name}.", hint=hint)
    return EVENTS[kind](**chosen)


def parameters(kind: str) -> dict[str, inspect.Parameter]:
    """What may be chosen of an event."""
    return dict(inspect.signature(EVENTS[kind]).parameters)


def summary(kind: str) -> str:
    """A line about an event."""
    return (EVENTS[kind].__doc__ or "").strip().partition("\n")[0]

"""CloudWatch Logs' subscription filters: log events that match go to a function, packed as AWS packs them.

Shape: CloudWatch Logs user guide, "Log group-level subscription filters", example 2: gzip in base64, one document for
each batch of one stream. moto sends what its filter does not match, too; here its own reading of patterns decides
(single words and quoted phrases; JSON and `[a, b]` patterns match everything). Ids are as long as AWS's.
`PutSubscriptionFilter` on a function that is missing, or does not let CloudWatch Logs in, is refused as on AWS.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from labkit.mockaws.corrections import Corrections
from labkit.mockaws.seam import Delivery, cause, deliver, say, why_not

LOGS = "logs.amazonaws.com"
REFUSED = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your"
    " function."
)


def correct(module: ModuleType, corrections: Corrections) -> None:
    """moto.logs.models"""
    corrections.replace(module.LogStream, "_send_log_events", _sending)
    corrections.replace(module.LogsBackend, "put_subscription_filter", _validating)


def _sending(send: Callable[..., None]) -> Callable[..., None]:
    def _send_log_events(
        stream: Any, service: str, destination_arn: str, filter_name: str, log_events: list[dict[str, Any]]
    ) -> None:
        from moto.logs.utils import EventMessageFilter  # moto is loaded where it is used

        group = stream.log_group
        matches = EventMessageFilter(group.subscription_filters[filter_name].filter_pattern).matches
        wanted = [event for event in log_events if matches(event["message"])]
        if not wanted:
            return
        try:
            if service == "lambda":
                payload = packed(stream.account_id, group.name, stream.log_stream_name, filter_name, wanted)
                delivery = Delivery(
                    destination_arn, LOGS, source_of(group), stream.account_id, payload, trace_id=cause().trace_id
                )
                deliver(delivery)
            else:
                send(stream, service, destination_arn, filter_name, wanted)
        except Exception as error:
            say(f"log events of {group.name} were not delivered to {destination_arn}: {error!r}")

    return _send_log_events


def source_of(group: Any) -> str:
    """A log group's ARN as policies have it."""
    return f"{str(group.arn).removesuffix(':*')}:*"


def packed(account_id: str, group: str, stream: str, filter_name: str, events: Sequence[dict[str, Any]]) -> str:
    """The event that a function gets for some log events."""
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": account_id,
        "logGroup": group,
        "logStream": stream,
        "subscriptionFilters": [filter_name],
        "logEvents": [
            {"id": f"{int(event['id']):056d}", "timestamp": event["timestamp"], "message": event["message"]}
            for event in events
        ],
    }
    data = base64.b64encode(gzip.compress(json.dumps(document, separators=(",", ":")).encode())).decode()
    return json.dumps({"awslogs": {"data": data}}, separators=(",", ":"))


def _validating(put: Callable[..., None]) -> Callable[..., None]:
    def put_subscription_filter(
        backend: Any, log_group_name: str, filter_name: str, filter_pattern: str, destination_arn: str, role_arn: str
    ) -> None:
        group = backend.groups.get(log_group_name)
        if group is not None and destination_arn.split(":")[2:3] == ["lambda"]:
            reply = why_not(destination_arn, principal=LOGS, source_arn=source_of(group), account_id=backend.account_id)
            if reply.refusal:
                from moto.logs.exceptions import InvalidParameterException  # as above

                say(f"the subscription filter {filter_name} was refused: {reply.refusal}")
                raise InvalidParameterException(REFUSED)
        put(backend, log_group_name, filter_name, filter_pattern, destination_arn, role_arn)

    return put_subscription_filter

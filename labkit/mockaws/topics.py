"""SNS's messages to functions as AWS writes them, and a topic that does not fail with one of its subscribers.

Shape: Lambda developer guide, "Invoking Lambda functions with Amazon SNS notifications"; the order of the names is that
of events that AWS has sent. The signature is a stand-in: there is no certificate that could be fetched.
A publisher on AWS does not notice a subscriber that cannot be reached: what moto raises then is a line on standard
error.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from labkit.mockaws.corrections import Corrections
from labkit.mockaws.seam import Delivery, cause, deliver, say

SNS = "sns.amazonaws.com"
CERTIFICATE = "SimpleNotificationService-0000000000000000000000labkit.pem"


def correct(module: ModuleType, corrections: Corrections) -> None:
    """moto.sns.models"""
    corrections.replace(module.Subscription, "publish", _publishing)


def _publishing(publish: Callable[..., None]) -> Callable[..., None]:
    def told(
        subscription: Any,
        message: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_structure: str | None = None,
    ) -> None:
        try:
            if subscription.protocol == "lambda":
                _to_function(subscription, message, message_id, subject, message_attributes or {}, message_structure)
                return
            publish(
                subscription,
                message,
                message_id,
                subject=subject,
                message_attributes=message_attributes,
                group_id=group_id,
                deduplication_id=deduplication_id,
                message_structure=message_structure,
            )
        except Exception as error:
            say(f"a message of {subscription.topic.arn} was not delivered to {subscription.endpoint}: {error!r}")

    return told


def _to_function(
    subscription: Any,
    message: str,
    message_id: str,
    subject: str | None,
    attributes: dict[str, Any],
    structure: str | None,
) -> None:
    matcher = subscription._filter_policy_matcher
    if matcher is not None and not matcher.matches(attributes, message):
        return
    if structure == "json":
        message = subscription._parse_message_structure(message, "lambda")
    event = record(
        topic_arn=subscription.topic.arn,
        subscription_arn=subscription.arn,
        message=message,
        message_id=message_id,
        subject=subject,
        attributes=attributes,
        at=datetime.now(UTC),
    )
    account_id = subscription.account_id
    deliver(
        Delivery(
            subscription.endpoint,
            SNS,
            subscription.topic.arn,
            account_id,
            json.dumps(event, separators=(",", ":")),
            trace_id=cause().trace_id,
        )
    )


def record(
    *,
    topic_arn: str,
    subscription_arn: str,
    message: str,
    message_id: str,
    subject: str | None,
    attributes: Mapping[str, Mapping[str, Any]],
    at: datetime,
) -> dict[str, Any]:
    """The event that a function gets for one message."""
    host = f"https://sns.{topic_arn.split(':')[3]}.amazonaws.com"
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription_arn,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": message_id,
                    "TopicArn": topic_arn,
                    "Subject": subject,
                    "Message": message,
                    "Timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "SignatureVersion": "1",
                    "Signature": base64.b64encode(b"not signed: labkit").decode(),
                    "SigningCertUrl": f"{host}/{CERTIFICATE}",
                    "UnsubscribeUrl": f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}",
                    "MessageAttributes": {name: _attribute(value) for name, value in attributes.items()},
                },
            }
        ]
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, str]:
    """Binary values are base64, all others text."""
    content = value["Value"]
    text = base64.b64encode(content).decode() if isinstance(content, bytes) else str(content)
    return {"Type": value["Type"], "Value": text}

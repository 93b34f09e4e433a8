"""S3's notifications: the event as AWS writes it, to functions, queues, topics and the event bus.

Shape: S3 user guide, "Event message structure" (2.1; tagging and ACL events 2.3) and "EventBridge: Event message
structure". A multipart upload is one event, CompleteMultipartUpload; tags that come with an object are none.
What moto swallows (a queue or topic that is gone) is a line on standard error. A configuration is accepted if every
destination is there and, if it is a function, its policy lets S3 in; else AWS answers InvalidArgument, and keeps the
old one.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from types import ModuleType
from typing import Any
from urllib.parse import quote_plus

from labkit.mockaws.corrections import Corrections
from labkit.mockaws.overlaps import AMBIGUOUS, is_ambiguous, rule_of
from labkit.mockaws.seam import SOURCE_IP, Delivery, cause, deliver, say, why_not

S3 = "s3.amazonaws.com"
NOT_VALID = "Unable to validate the following destination configurations"
DESTINATIONS = {
    "CloudFunctionConfiguration": "CloudFunction",
    "QueueConfiguration": "Queue",
    "TopicConfiguration": "Topic",
}
REASONS = {
    "Put": "PutObject",
    "Post": "POST Object",
    "Copy": "CopyObject",
    "CompleteMultipartUpload": "CompleteMultipartUpload",
    "Delete": "DeleteObject",
}
_places = itertools.count()
_is_tagging = ContextVar("_is_tagging", default=False)
"""Whether a request is one for tags: moto sets an object's tags with each of its puts, too."""


def correct_notifications(module: ModuleType, corrections: Corrections) -> None:
    """moto.s3.notifications"""
    corrections.replace(module, "send_event", lambda _: send_event)


def correct_buckets(module: ModuleType, corrections: Corrections) -> None:
    """moto.s3.models"""
    corrections.replace(module.FakeBucket, "set_notification_configuration", _validating)
    corrections.replace(module.S3Backend, "_set_delete_marker", _telling)


def correct_requests(module: ModuleType, corrections: Corrections) -> None:
    """moto.s3.responses"""
    corrections.replace(module.S3Response, "put_object_tagging", _tagging)
    corrections.replace(module.S3Response, "_notification_config_from_body", _lowering)


def send_event(account_id: str, event_name: str, bucket: Any, key: Any) -> None:
    """Stands for moto's own."""
    name = str(getattr(event_name, "value", event_name))
    config = bucket.notification_configuration
    if config is None or not happens(name, key, tagging=_is_tagging.get()):
        return
    at = time.time()
    sequencer = f"{time.time_ns() // 1000:014X}{next(_places) & 0xFFFF:04X}"
    for wanted in config.cloud_function:
        if wanted.matches(name, key.name):
            _to_function(account_id, wanted, record(name, bucket, key, wanted.id, account_id, at, sequencer), bucket)
    for wanted, send in [*((q, _to_queue) for q in config.queue), *((t, _to_topic) for t in config.topic)]:
        if wanted.matches(name, key.name):
            _tried(
                wanted.arn,
                send,
                account_id,
                wanted.arn,
                record(name, bucket, key, wanted.id, account_id, at, sequencer),
            )
    if config.event_bridge is not None:
        _tried("EventBridge", _to_bus, account_id, bucket, bus_event(name, bucket, key, account_id, at, sequencer))


def happens(event_name: str, key: Any, *, tagging: bool) -> bool:
    """Whether AWS would send it: moto also tells of the steps that one request takes inside."""
    if event_name == "s3:ObjectCreated:Put" and getattr(key, "multipart", None) is not None:
        return False
    return event_name != "s3:ObjectTagging:Put" or tagging


def record(
    event_name: str, bucket: Any, key: Any, configuration_id: str, account_id: str, at: float, sequencer: str
) -> dict[str, Any]:
    """The event of one thing that happened to an object."""
    request = cause()
    request.named = True
    kind = event_name.removeprefix("s3:")
    about: dict[str, Any] = {"key": quote_plus(key.name, safe="/")}
    if not kind.startswith("ObjectRemoved"):
        about |= {"size": key.size, "eTag": key.etag.strip('"')}
    if bucket.is_versioned and getattr(key, "version_id", None) not in (None, "null"):
        about["versionId"] = key.version_id
    about["sequencer"] = sequencer
    return {
        "Records": [
            {
                "eventVersion": "2.3" if kind.startswith(("ObjectTagging", "ObjectAcl")) else "2.1",
                "eventSource": "aws:s3",
                "awsRegion": bucket.region_name,
                "eventTime": _spelt(at, "milliseconds"),
                "eventName": kind,
                "userIdentity": {"principalId": f"AWS:{account_id}"},
                "requestParameters": {"sourceIPAddress": SOURCE_IP},
                "responseElements": {"x-amz-request-id": request.request_id, "x-amz-id-2": id_2(request.request_id)},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": configuration_id,
                    "bucket": {
                        "name": bucket.name,
                        "ownerIdentity": {"principalId": account_id},
                        "arn": bucket.arn,
                    },
                    "object": about,
                },
            }
        ]
    }


def id_2(request_id: str) -> str:
    """The second id that S3 gives to a request, the same in its answer and in its events."""
    return f"labkit/{request_id}"


def bus_event(event_name: str, bucket: Any, key: Any, account_id: str, at: float, sequencer: str) -> dict[str, Any]:
    """The event for EventBridge, whose key is not encoded."""
    from moto.s3.notifications import _detail_type  # moto is loaded where it is used

    request = cause()
    request.named = True
    _, kind, action = event_name.split(":")
    about: dict[str, Any] = {"key": key.name}
    if kind != "ObjectRemoved":
        about |= {"size": key.size, "etag": key.etag.strip('"')}
    if bucket.is_versioned and getattr(key, "version_id", None) not in (None, "null"):
        about["version-id"] = key.version_id
    detail = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": about | {"sequencer": sequencer},
        "request-id": request.request_id,
        "requester": account_id,
        "source-ip-address": SOURCE_IP,
        "reason": REASONS.get(action, action),
    }
    if kind == "ObjectRemoved":
        detail["deletion-type"] = "Delete Marker Created" if action == "DeleteMarkerCreated" else "Permanently Deleted"
    return {
        "detail-type": _detail_type(event_name),
        "source": "aws.s3",
        "account": account_id,
        "time": int(at),
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "detail": detail,
    }


def _to_function(account_id: str, wanted: Any, event: dict[str, Any], bucket: Any) -> None:
    deliver(Delivery(wanted.arn, S3, bucket.arn, account_id, _json(event), trace_id=cause().trace_id))


def _to_queue(account_id: str, arn: str, event: dict[str, Any]) -> None:
    from moto.sqs.models import sqs_backends  # as above

    sqs_backends[account_id][arn.split(":")[3]].send_message(queue_name=arn.split(":")[-1], message_body=_json(event))


def _to_topic(account_id: str, arn: str, event: dict[str, Any]) -> None:
    from moto.sns.models import sns_backends  # as above

    sns_backends[account_id][arn.split(":")[3]].publish(arn=arn, message=_json(event), subject="Amazon S3 Notification")


def _to_bus(account_id: str, bucket: Any, event: dict[str, Any]) -> None:
    from labkit.mockaws.rules import publish

    publish(account_id, bucket.region_name, event)


def _tried(what: str, send: Callable[..., None], *args: Any) -> None:
    """A notification is sent after the fact: what goes wrong is nothing that the caller's request could tell."""
    try:
        send(*args)
    except Exception as error:
        say(f"a notification of S3 was not delivered to {what}: {error or type(error).__name__}")


def _tagging(put: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def put_object_tagging(response: Any) -> Any:
        token = _is_tagging.set(True)
        try:
            return put(response)
        finally:
            _is_tagging.reset(token)

    return put_object_tagging


def _lowering(read: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """S3 takes `Prefix` for `prefix`; moto fails at it."""

    def _notification_config_from_body(response: Any) -> dict[str, Any]:
        body = response.body
        for name in ("Prefix", "Suffix"):
            low, high = (f"<Name>{spelt}</Name>" for spelt in (name.lower(), name))
            body = body.replace(high.encode(), low.encode()) if isinstance(body, bytes) else body.replace(high, low)
        response.body = body
        return read(response)

    return _notification_config_from_body


def _telling(mark: Callable[[Any, str, str], Any]) -> Callable[[Any, str, str], Any]:
    """moto sends nothing when an object of a versioned bucket is deleted."""

    def _set_delete_marker(backend: Any, bucket_name: str, key_name: str) -> Any:
        marker = mark(backend, bucket_name, key_name)
        bucket = backend.get_bucket(bucket_name)
        send_event(backend.account_id, "s3:ObjectRemoved:DeleteMarkerCreated", bucket, marker)
        return marker

    return _set_delete_marker


def _validating(change: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def set_notification_configuration(bucket: Any, notification_config: dict[str, Any] | None) -> None:
        given = notification_config or {}
        if is_ambiguous(rule_of(item) for group in DESTINATIONS for item in given.get(group) or ()):
            raise _ambiguous()
        for destination, arn in _destinations(given):
            if refusal := _refusal(bucket, destination, arn):
                raise _invalid(arn, refusal)
        before = bucket.notification_configuration
        try:
            change(bucket, notification_config)
        except Exception:
            bucket.notification_configuration = before
            raise

    return set_notification_configuration


def _destinations(config: dict[str, Any]) -> list[tuple[str, str]]:
    return [(kind, item[kind]) for group, kind in DESTINATIONS.items() for item in config.get(group) or ()]


def _refusal(bucket: Any, destination: str, arn: str) -> str:
    """Why S3 could not notify it, in S3's words; nothing if it could. A wrong region is moto's own to refuse."""
    parts = arn.split(":")
    if len(parts) < 6 or parts[3] != bucket.region_name:
        return ""
    if destination == "CloudFunction":
        reply = why_not(arn, principal=S3, source_arn=bucket.arn, account_id=bucket.account_id)
        if reply.missing:
            return "The destination Lambda function does not exist"
        if reply.refusal:
            say(f"the notification of {bucket.arn} was refused: {reply.refusal}")
            return f"Not authorized to invoke function [{arn}]"
    elif destination == "Queue":
        from moto.sqs.models import sqs_backends  # as above

        if parts[5] not in sqs_backends[parts[4]][parts[3]].queues:
            return "The destination queue does not exist"
    else:
        from moto.sns.models import sns_backends  # as above

        if arn not in sns_backends[parts[4]][parts[3]].topics:
            return "The destination topic does not exist"
    return ""


def _ambiguous() -> Exception:
    from moto.s3.exceptions import S3ClientError  # as above

    error: Exception = S3ClientError("InvalidArgument", AMBIGUOUS)
    return error


def _invalid(arn: str, value: str) -> Exception:
    from moto.s3.exceptions import InvalidArgumentError  # as above

    error: Exception = InvalidArgumentError(NOT_VALID, arn, value)
    return error


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _spelt(at: float, precision: str) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=precision).replace("+00:00", "Z")

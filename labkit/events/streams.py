"""Events that come as records: objects, messages, changes of tables, lines of logs.

Shapes: Lambda developer guide, "Process Amazon S3 event notifications", "Using Lambda with Amazon SQS", "... SNS",
"... Kinesis", "... DynamoDB", "... CloudWatch Logs"; S3 user guide, "Event message structure".
"""

from __future__ import annotations

import base64
import gzip
import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus

from labkit.errors import BadEvent
from labkit.events.facts import (
    ACCOUNT_ID,
    AT,
    AT_MS,
    MILLISECOND,
    REGION,
    ROLE_ARN,
    SOURCE_IP,
    an_id,
    arn,
    as_text,
    counted,
    digest,
    one_of,
)  # fmt: skip

Event = dict[str, Any]
CHANGES = ("INSERT", "MODIFY", "REMOVE")
AT_S = int(AT.timestamp())


def s3(bucket: str = "photos", key: str = "raw/cat.png", size: int = 1024, action: str = "ObjectCreated:Put") -> Event:
    """An object was created or removed in a bucket; the key is URL-encoded, as S3 does it."""
    about: dict[str, Any] = {"key": quote_plus(key, safe="/")}
    if not action.startswith("ObjectRemoved"):
        about |= {"size": size, "eTag": digest(key)}
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": MILLISECOND,
        "eventName": action.removeprefix("s3:"),
        "userIdentity": {"principalId": f"AWS:{ACCOUNT_ID}"},
        "requestParameters": {"sourceIPAddress": SOURCE_IP},
        "responseElements": {"x-amz-request-id": digest(bucket)[:16].upper(), "x-amz-id-2": digest(bucket + key)},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "labkit",
            "bucket": {
                "name": bucket,
                "ownerIdentity": {"principalId": ACCOUNT_ID},
                "arn": f"arn:aws:s3:::{bucket}",
            },
            "object": about | {"sequencer": "00695B84A8A1B2C3D4"},
        },
    }
    return {"Records": [record]}


def sqs(queue: str = "orders", body: object = "hello", n: int = 1) -> Event:
    """A batch of messages of a queue; a body that is no text is sent as JSON."""
    return {"Records": [_message(queue, as_text(body), at) for at in counted(n)]}


def sqs_fifo(queue: str = "orders.fifo", body: object = "hello", group: str = "customer-1", n: int = 1) -> Event:
    """A batch of messages of a FIFO queue, all of one message group, in order."""
    name = queue if queue.endswith(".fifo") else f"{queue}.fifo"
    records = []
    for at in counted(n):
        record = _message(name, as_text(body), at)
        record["attributes"] |= {
            "SequenceNumber": str(18_850_496_460_467_696_128 + 256 * at),
            "MessageGroupId": group,
            "MessageDeduplicationId": an_id(name, group, at),
        }
        records.append(record)
    return {"Records": records}


def _message(queue: str, body: str, at: int) -> Event:
    return {
        "messageId": an_id(queue, at),
        "receiptHandle": base64.b64encode(f"{queue} {at}".encode()).decode(),
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(AT_MS + at),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": str(AT_MS + at + 5),
        },
        "messageAttributes": {},
        "md5OfMessageAttributes": None,
        "md5OfBody": digest(body),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn("sqs", queue),
        "awsRegion": REGION,
    }


def sns(topic: str = "news", message: object = "hello", subject: str | None = None) -> Event:
    """A message of a topic; one that is no text is sent as JSON."""
    topic_arn = arn("sns", topic)
    subscription_arn = f"{topic_arn}:{an_id(topic, 'subscription')}"
    host = f"https://sns.{REGION}.amazonaws.com"
    about: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": an_id(topic, message),
        "TopicArn": topic_arn,
        "Subject": subject,
        "Message": as_text(message),
        "Timestamp": MILLISECOND,
        "SignatureVersion": "1",
        "Signature": base64.b64encode(b"not signed: a sample").decode(),
        "SigningCertUrl": f"{host}/SimpleNotificationService-sample.pem",
        "UnsubscribeUrl": f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}",
        "MessageAttributes": {},
    }
    record = {
        "EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription_arn, "Sns": about
    }  # fmt: skip
    return {"Records": [record]}


def kinesis(stream: str = "clicks", data: object = "hello", key: str = "user-1", n: int = 1) -> Event:
    """A batch of records of a data stream, with one partition key; the data are in base64."""
    packed = base64.b64encode(as_text(data).encode()).decode()
    records = []
    for at in counted(n):
        number = str(49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898 + at)
        about: dict[str, Any] = {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": key,
            "sequenceNumber": number,
            "data": packed,
            "approximateArrivalTimestamp": AT_S + at / 1000,
        }
        records.append(
            {
                "kinesis": about,
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000000:{number}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": ROLE_ARN,
                "awsRegion": REGION,
                "eventSourceARN": arn("kinesis", f"stream/{stream}"),
            }
        )
    return {"Records": records}


def dynamodb(
    table: str = "orders",
    item: dict[str, Any] | None = None,
    old: dict[str, Any] | None = None,
    action: str = "INSERT",
    n: int = 1,
) -> Event:
    """A batch of changes of a table: INSERT, MODIFY or REMOVE of an item, whose key is its first attribute.

    `item` and `old` are plain Python; the event has them in DynamoDB's JSON, as {"S": "text"}. Without `old`, a MODIFY
    changes nothing, and a REMOVE takes the item.
    """
    one_of(action, CHANGES, "change of a table")
    new = {"id": "1", "total": 12} if item is None else item
    before = new if old is None else old
    if not new or not before:
        raise BadEvent("An item needs an attribute, its key.")
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": AT_S,
        "Keys": {name: typed(value) for name, value in list(new.items())[:1]},
    }
    if action != "REMOVE":
        change["NewImage"] = {name: typed(value) for name, value in new.items()}
    if action != "INSERT":
        change["OldImage"] = {name: typed(value) for name, value in before.items()}
    records = []
    for at in counted(n):
        numbered = {**change, "SequenceNumber": str(100_000_000_003_363_991_527 + at)}
        numbered |= {"SizeBytes": len(json.dumps(change, default=str)), "StreamViewType": "NEW_AND_OLD_IMAGES"}
        records.append(
            {
                "eventID": digest(f"{table} {at}"),
                "eventName": action,
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": REGION,
                "dynamodb": numbered,
                "eventSourceARN": arn("dynamodb", f"table/{table}/stream/2026-01-05T09:00:00.000"),
            }
        )
    return {"Records": records}


def typed(value: object) -> dict[str, Any]:
    """A value in DynamoDB's JSON. Raises BadEvent.

    >>> typed({"n": 1})
    {'M': {'n': {'N': '1'}}}
    """
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float | Decimal):
        return {"N": str(value)}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bytes):
        return {"B": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {"M": {name: typed(inner) for name, inner in value.items()}}
    if isinstance(value, list | tuple):
        return {"L": [typed(inner) for inner in value]}
    raise BadEvent(f"A table has no {type(value).__name__}.", hint="Give text, numbers, bytes, lists or dicts.")


def logs(group: str = "/aws/lambda/predict", message: str = "ERROR something failed", n: int = 1) -> Event:
    """Lines of a log group that a subscription filter lets through: gzip in base64, as they come."""
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT_ID,
        "logGroup": group,
        "logStream": f"2026/01/05/[$LATEST]{digest(group)}",
        "subscriptionFilters": ["labkit"],
        "logEvents": [
            {"id": f"{31953106606966983378809025079804211143289615424298221568 + at:056d}", "timestamp": AT_MS + at}
            | {"message": message}
            for at in counted(n)
        ],
    }
    packed = gzip.compress(json.dumps(document, separators=(",", ":")).encode(), mtime=0)
    return {"awslogs": {"data": base64.b64encode(packed).decode()}}

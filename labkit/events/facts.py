"""The account, the time and the ids of all samples: the same in every run."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from labkit.errors import BadEvent

REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/labkit"
AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)
SECOND = "2026-01-05T09:30:00Z"
MILLISECOND = "2026-01-05T09:30:00.000Z"
IN_LOGS = "05/Jan/2026:09:30:00 +0000"  # as Apache writes it
SOURCE_IP = "192.0.2.44"  # of the range that is kept for examples (RFC 5737)
TRACE_ID = "Root=1-695b84a8-0123456789abcdef01234567"
MOST = 10_000


def an_id(*parts: object) -> str:
    """A UUID, the same for the same parts."""
    import uuid  # looks at the platform: when the first sample is made

    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, ("labkit", *parts)))))


def digest(text: str) -> str:
    """As SQS and S3 give it."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def as_text(value: object) -> str:
    """Text as it is; anything else as JSON, for fields that carry text only."""
    return value if isinstance(value, str) else json.dumps(value)


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{resource}"


def counted(n: int) -> range:
    """One number for each record. Raises BadEvent."""
    if not 1 <= n <= MOST:
        raise BadEvent(f"{n} records: a batch has 1 to {MOST:,}.")
    return range(n)


def one_of(value: str, known: tuple[str, ...], what: str) -> str:
    """The value. Raises BadEvent."""
    if value not in known:
        raise BadEvent(f"{value} is no {what}.", hint=f"It is one of: {', '.join(known)}.")
    return value


def bare(event: dict[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in event.items() if value is not None}

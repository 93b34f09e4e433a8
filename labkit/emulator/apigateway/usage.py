"""PURE: API keys and usage plans: who may call, how fast, how often.

Throttling is a token bucket: `burstLimit` requests at once, refilled with `rateLimit` a second (developer guide,
"Throttle requests to your REST APIs"). A quota counts a key's requests in a day, a week or a month of UTC; `offset` is
taken off in the first one (API reference, `QuotaSettings`). Not verified: a week begins on Sunday.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from labkit.emulator.apigateway.configuration import Throttle


@dataclass(frozen=True, slots=True)
class ApiKey:
    key_id: str
    value: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class UsagePlan:
    """`stages` are pairs of API and stage; `keys` are by value."""

    plan_id: str
    stages: frozenset[tuple[str, str]] = frozenset()
    keys: Mapping[str, ApiKey] = field(default_factory=dict)
    throttle: Throttle = field(default_factory=Throttle)
    quota: int | None = None
    offset: int = 0
    period: str = "DAY"


def usage_plan(found: Mapping[str, Any], keys: Iterable[Mapping[str, Any]]) -> UsagePlan:
    """From boto3's answers."""
    throttle, quota = found.get("throttle") or {}, found.get("quota") or {}
    return UsagePlan(
        found["id"],
        frozenset((stage["apiId"], stage["stage"]) for stage in found.get("apiStages") or ()),
        {key["value"]: ApiKey(key["id"], key["value"], key.get("enabled", True)) for key in keys},
        Throttle(throttle.get("rateLimit"), throttle.get("burstLimit")),
        int(quota["limit"]) if "limit" in quota else None,
        int(quota.get("offset") or 0),
        quota.get("period") or "DAY",
    )


def admission(plans: Iterable[UsagePlan], api_id: str, stage: str, value: str) -> tuple[UsagePlan, ApiKey] | None:
    """The plan and key that let a caller in; None for a key that is unknown, disabled, or of another stage."""
    for plan in plans:
        key = plan.keys.get(value)
        if key and key.enabled and (api_id, stage) in plan.stages:
            return plan, key
    return None


def period_start(period: str, now: float) -> float:
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "WEEK":
        today -= timedelta(days=(today.weekday() + 1) % 7)
    elif period == "MONTH":
        today = today.replace(day=1)
    return today.timestamp()


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class _Count:
    start: float
    used: int
    first: bool


class Meter:
    """What was used so far. Time is told, and may only go on."""

    def __init__(self) -> None:
        self._buckets: dict[object, _Bucket] = {}
        self._counts: dict[tuple[str, str], _Count] = {}

    def throttled(self, who: object, throttle: Throttle, now: float) -> bool:
        """Takes one request out of a bucket; True if there is none left."""
        if throttle.rate is None and throttle.burst is None:
            return False
        burst = float(throttle.rate or 0) if throttle.burst is None else float(throttle.burst)
        bucket = self._buckets.setdefault(who, _Bucket(burst, now))
        refilled = max(0.0, now - bucket.at) * (burst if throttle.rate is None else throttle.rate)
        bucket.tokens, bucket.at = min(burst, bucket.tokens + refilled), now
        if bucket.tokens < 1:
            return True
        bucket.tokens -= 1
        return False

    def exhausted(self, plan: UsagePlan, key: ApiKey, now: float) -> bool:
        """Counts one request of a key; True if its quota is used up."""
        if plan.quota is None:
            return False
        start = period_start(plan.period, now)
        count = self._counts.setdefault((plan.plan_id, key.key_id), _Count(start, 0, first=True))
        if start > count.start:
            count.start, count.used, count.first = start, 0, False
        if count.used >= plan.quota - (plan.offset if count.first else 0):
            return True
        count.used += 1
        return False

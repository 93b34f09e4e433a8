"""PURE: rules and schedules as the services describe them, made into what fires: when next, until when, for whom."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from labkit.schedules import Expression, Rate, parsed_rule, parsed_schedule

Target = Mapping[str, Any]
"""A target as its service gives it back."""

INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule, or a schedule. `since` is the moment up to which it has fired; `anchor` is where its rate counts from."""

    arn: str
    service: str
    """`events` or `scheduler`."""
    region: str
    expression: Expression
    zone: ZoneInfo
    since: datetime
    anchor: datetime
    targets: tuple[Target, ...]
    enabled: bool = True
    starts: datetime | None = None
    ends: datetime | None = None
    window_s: int = 0
    deleted_at_end: bool = False
    changed: object = None
    """Differs when the record does."""

    @property
    def name(self) -> str:
        return self.arn.rsplit("/", 1)[1]

    @property
    def group(self) -> str:
        return self.arn.split("/")[1]

    @property
    def due(self) -> datetime | None:
        """When it fires next; None if it does not any more, or is disabled."""
        if not self.enabled:
            return None
        after = max(self.since, self.starts - INSTANT) if self.starts else self.since
        due = self.expression.next_after(after, self.zone, self.anchor)
        return None if due is None or (self.ends and due > self.ends) else due

    def fired(self, now: datetime) -> Entry:
        """After it has fired. What fell due while nobody could look (the machine slept) is not made up for."""
        return dataclasses.replace(self, since=max(self.since, now))

    def taking_over(self, old: Entry | None, now: datetime) -> Entry:
        """This, newly read, in the place of what was known: a rate goes on counting from where it did."""
        if old is None or (old.expression, old.zone, old.starts) != (self.expression, self.zone, self.starts):
            return self
        return dataclasses.replace(self, anchor=old.anchor, since=old.since if old.enabled else now)


def rule_entry(rule: Mapping[str, Any], targets: Sequence[Target], region: str, now: datetime) -> Entry:
    """A rule with a ScheduleExpression, as ListRules and ListTargetsByRule answer. Raises InvalidExpression.

    The clock of a rule is UTC, and its rate counts from its creation.
    """
    return Entry(
        arn=rule["Arn"],
        service="events",
        region=region,
        expression=parsed_rule(rule["ScheduleExpression"]),
        zone=ZoneInfo("UTC"),
        since=now,
        anchor=now,
        targets=tuple(targets),
        enabled=rule.get("State") != "DISABLED",
    )


def schedule_entry(schedule: Mapping[str, Any], region: str, now: datetime) -> Entry:
    """A schedule as GetSchedule answers. Raises InvalidExpression.

    Without a StartDate a rate fires at once, then at its distances ("Schedule types", Scheduler user guide).
    """
    expression = parsed_schedule(schedule["ScheduleExpression"])
    starts, ends = _moment(schedule.get("StartDate")), _moment(schedule.get("EndDate"))
    recurring = _is_recurring(schedule["ScheduleExpression"])
    at_once = isinstance(expression, Rate) and not starts
    return Entry(
        arn=schedule["Arn"],
        service="scheduler",
        region=region,
        expression=expression,
        zone=ZoneInfo(schedule.get("ScheduleExpressionTimezone") or "UTC"),
        since=now - INSTANT if at_once else now,
        anchor=starts or now,
        targets=(schedule["Target"],),
        enabled=schedule.get("State") != "DISABLED",
        starts=starts if recurring else None,  # both are ignored for a schedule that fires once
        ends=ends if recurring else None,
        window_s=60 * int((schedule.get("FlexibleTimeWindow") or {}).get("MaximumWindowInMinutes") or 0),
        deleted_at_end=schedule.get("ActionAfterCompletion") == "DELETE",
        changed=schedule.get("LastModificationDate"),
    )


def _is_recurring(expression: str) -> bool:
    return not expression.startswith("at(")


def _moment(given: datetime | None) -> datetime | None:
    return given.astimezone(UTC) if given else None

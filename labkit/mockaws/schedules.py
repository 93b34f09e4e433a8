"""moto's rules and schedules, made to refuse what AWS refuses; when they fire is the emulator's business.

moto takes almost every expression. Its methods are wrapped when its service is first asked for.

AWS's own words: "Parameter ScheduleExpression is not valid." (recorded by LocalStack), "Invalid Schedule
Expression ..." (LocalStack's issue 9284). That a moment of the past is refused is known from users only, without the
words for it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from labkit.schedules import At, Expression, InvalidExpression, parsed_rule, parsed_schedule


@functools.cache
def check_rules() -> None:
    """From now on PutRule refuses a bad expression."""
    from moto.events.exceptions import ValidationException  # moto is loaded where it is served only
    from moto.events.models import EventsBackend

    put_rule = EventsBackend.put_rule

    @functools.wraps(put_rule)
    def checked(self: Any, *args: Any, **given: Any) -> Any:
        if expression := given.get("scheduled_expression"):
            try:
                parsed_rule(expression)
            except InvalidExpression:
                raise ValidationException("Parameter ScheduleExpression is not valid.") from None
        return put_rule(self, *args, **given)

    EventsBackend.put_rule = checked


@functools.cache
def check_schedules() -> None:
    """From now on CreateSchedule and UpdateSchedule refuse what cannot run, and an update keeps all that it sets."""
    from moto.scheduler.exceptions import ScheduleGroupNotFound, ValidationException  # as above
    from moto.scheduler.models import EventBridgeSchedulerBackend
    from moto.scheduler.responses import EventBridgeSchedulerResponse

    def checked(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(self: Any, **given: Any) -> Any:
            group = given.get("group_name") or "default"
            if group not in self.schedule_groups:
                raise ScheduleGroupNotFound(group)
            if wrong := fault_of(given, datetime.now(UTC)):
                raise ValidationException(wrong)
            return method(self, **given)

        return call

    EventBridgeSchedulerBackend.create_schedule = checked(EventBridgeSchedulerBackend.create_schedule)
    EventBridgeSchedulerBackend.update_schedule = checked(EventBridgeSchedulerBackend.update_schedule)
    update = EventBridgeSchedulerResponse.update_schedule

    @functools.wraps(update)
    def update_schedule(self: Any) -> Any:
        answer = update(self)
        name = self.uri.split("?")[0].split("/")[-1]
        schedule = self.scheduler_backend.get_schedule(self._get_param("GroupName"), name)
        schedule.action_after_completion = self._get_param("ActionAfterCompletion")
        return answer

    EventBridgeSchedulerResponse.update_schedule = update_schedule


def fault_of(schedule: Mapping[str, Any], now: datetime) -> str:
    """What is wrong with a schedule, by moto's names of its fields; nothing if all is well."""
    expression = schedule.get("schedule_expression") or ""
    zone_name = schedule.get("schedule_expression_timezone") or "UTC"
    window = schedule.get("flexible_time_window") or {}
    try:
        parsed: Expression = parsed_schedule(expression)
    except InvalidExpression:
        return f"Invalid Schedule Expression {expression}."
    try:
        zone = ZoneInfo(zone_name)
    except (KeyError, ValueError, OSError):  # no such zone, a path, a folder of zones
        return f"Invalid ScheduleExpressionTimezone {zone_name}."
    if isinstance(parsed, At) and parsed.next_after(now, zone, now) is None:
        return f"Invalid Schedule Expression {expression}."
    minutes = window.get("MaximumWindowInMinutes")
    if (window.get("Mode") == "FLEXIBLE") != (minutes is not None):
        return "MaximumWindowInMinutes goes with the FlexibleTimeWindow mode FLEXIBLE, and only with it."
    return ""

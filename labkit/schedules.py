"""PURE: when a schedule fires. `rate()`, six-field `cron()` and `at()`: read, checked, asked for the next moment.

Shared by the mocked account, which refuses what AWS refuses, and the emulator, which fires. The dialect is that of the
pages "Cron expressions reference" (EventBridge user guide) and "Schedule types on EventBridge Scheduler"; what rules
accept and refuse was recorded against AWS (LocalStack's tests). No library has it whole: croniter and APScheduler have
neither `?` nor AWS's days of the week, aws-croniter has no time zones and gives up after ten steps.

A moment is an aware datetime. A cron expression is read on the wall clock of its zone: a time that the change to
summer time skips is skipped, one that the change back repeats fires once, at its first coming (both as in the guide).
"""

from __future__ import annotations

import calendar
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

YEARS = range(1970, 2200)
RATE = re.compile(r"rate\(([1-9]\d{0,8}) (minute|hour|day)(s?)\)", re.ASCII)
CRON = re.compile(r"cron\((\S+(?: +\S+){5})\)")
AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)", re.ASCII)
UNIT_S = {"minute": 60, "hour": 3600, "day": 86_400}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")  # from 1 on
SATURDAY = 7
FIRST_WORKDAY, LAST_WORKDAY = 2, 6


class InvalidExpression(ValueError):
    """Not an expression of AWS's; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At regular distances from an anchor, whatever the wall clock does."""

    every_s: int

    def next_after(self, moment: datetime, zone: ZoneInfo, anchor: datetime) -> datetime | None:
        if moment < anchor:
            return anchor
        try:
            every = timedelta(seconds=self.every_s)
            return anchor + ((moment - anchor) // every + 1) * every
        except OverflowError:
            return None  # beyond the calendar's last year


@dataclass(frozen=True, slots=True)
class At:
    """Once, at a time of a zone's wall clock."""

    wall: datetime

    def next_after(self, moment: datetime, zone: ZoneInfo, anchor: datetime) -> datetime | None:
        at = self.wall.replace(tzinfo=zone).astimezone(UTC)
        return at if at > moment else None


@dataclass(frozen=True, slots=True)
class Days:
    """The days of a month that fit: of the month, or of the week. Each set is one kind of item of the field."""

    numbers: frozenset[int] = frozenset()
    before_last: frozenset[int] = frozenset()
    """`L` and `L-n`: so many days before the month's last."""
    nearest_workday: frozenset[int] = frozenset()
    """`nW`; 0 stands for `LW`, the last one."""
    weekdays: frozenset[int] = frozenset()
    last_weekdays: frozenset[int] = frozenset()
    """`nL`: the last of this weekday."""
    nth_weekday: tuple[int, int] | None = None
    """`n#k`: the weekday, and which of the month's."""

    def of(self, year: int, month: int) -> list[int]:
        last = calendar.monthrange(year, month)[1]
        found = {day for day in self.numbers if day <= last}
        found |= {last - n for n in self.before_last if n < last}
        found |= {_nearest_workday(year, month, day or last, last) for day in self.nearest_workday if day <= last}
        for day in range(1, last + 1) if self.weekdays or self.last_weekdays or self.nth_weekday else ():
            weekday = _weekday(year, month, day)
            if (
                weekday in self.weekdays
                or (weekday in self.last_weekdays and day + 7 > last)
                or (weekday, (day + 6) // 7) == self.nth_weekday
            ):
                found.add(day)
        return sorted(found)


@dataclass(frozen=True, slots=True)
class Cron:
    """Six fields, each as the sorted values that it lets through."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: tuple[int, ...]
    years: tuple[int, ...]

    def next_after(self, moment: datetime, zone: ZoneInfo, anchor: datetime) -> datetime | None:
        """None when the years are over, or no such day exists."""
        wall = moment.astimezone(zone).replace(tzinfo=None)
        for candidate in self._walls(wall.replace(second=0, microsecond=0)):
            local = candidate.replace(tzinfo=zone)
            at = local.astimezone(UTC)
            skipped = at.astimezone(zone).replace(tzinfo=None) != candidate
            if not skipped and at > moment:
                return at
        return None

    def _walls(self, start: datetime) -> Iterator[datetime]:
        """Times of a wall clock from `start` on."""
        for day in self._dates(start.date()):
            earliest = (start.hour, start.minute) if day == start.date() else (0, 0)
            for hour in self.hours[bisect_left(self.hours, earliest[0]) :]:
                for minute in self.minutes:
                    if (hour, minute) >= earliest:
                        yield datetime(day.year, day.month, day.day, hour, minute)

    def _dates(self, start: date) -> Iterator[date]:
        for year in self.years[bisect_left(self.years, start.year) :]:
            for month in self.months:
                if (year, month) >= (start.year, start.month):
                    yield from (d for n in self.days.of(year, month) if (d := date(year, month, n)) >= start)


Expression = Rate | Cron | At


def _weekday(year: int, month: int, day: int) -> int:
    """AWS's number: Sunday is 1."""
    return date(year, month, day).isoweekday() % 7 + 1


def _nearest_workday(year: int, month: int, day: int, last: int) -> int:
    """Monday to Friday, without leaving the month (Quartz's rule, from which `W` is taken)."""
    weekday = _weekday(year, month, day)
    if FIRST_WORKDAY <= weekday <= LAST_WORKDAY:
        return day
    if weekday == SATURDAY:
        return day - 1 if day > 1 else day + 2
    return day + 1 if day < last else day - 2


# --- reading


def parsed_rule(expression: str) -> Expression:
    """What a rule of EventBridge takes: no `at()`, and a unit in the number of its value. Raises InvalidExpression."""
    if found := RATE.fullmatch(expression):
        if (found[1] == "1") == bool(found[3]):
            raise InvalidExpression(f"{expression}: 1 {found[2]}, but 2 {found[2]}s")
        return _rate(found)
    if found := CRON.fullmatch(expression):
        return _cron(found[1])
    raise InvalidExpression(f"{expression} is neither rate(value unit) nor cron(six fields)")


def parsed_schedule(expression: str) -> Expression:
    """What EventBridge Scheduler takes. Raises InvalidExpression."""
    if found := RATE.fullmatch(expression):
        return _rate(found)
    if found := CRON.fullmatch(expression):
        return _cron(found[1])
    if found := AT.fullmatch(expression):
        try:
            return At(datetime.fromisoformat(found[1]))
        except ValueError as error:
            raise InvalidExpression(f"{expression}: {error}") from None
    raise InvalidExpression(f"{expression} is neither rate(value unit), cron(six fields) nor at(yyyy-mm-ddThh:mm:ss)")


def _rate(found: re.Match[str]) -> Rate:
    return Rate(int(found[1]) * UNIT_S[found[2]])


def _cron(fields: str) -> Cron:
    minute, hour, day, month, weekday, year = fields.upper().split()
    if (day == "?") == (weekday == "?"):
        raise InvalidExpression("one of day-of-month and day-of-week must be ?, and only one")
    return Cron(
        _values("minutes", minute, range(60)),
        _values("hours", hour, range(24)),
        _days_of_week(weekday) if day == "?" else _days_of_month(day),
        _values("month", month, range(1, 13), MONTHS),
        _values("year", year, YEARS),
    )


def _days_of_month(field: str) -> Days:
    numbers: set[int] = set()
    before_last: set[int] = set()
    workdays: set[int] = set()
    for item in field.split(","):
        if item == "LW":
            workdays.add(0)
        elif item.endswith("W"):
            workdays.add(_number("day-of-month", item[:-1], range(1, 32)))
        elif item == "L":
            before_last.add(0)
        elif item.startswith("L-"):
            before_last.add(_number("day-of-month", item[2:], range(1, 31)))
        else:
            numbers.update(_values("day-of-month", item, range(1, 32)))
    return Days(frozenset(numbers), frozenset(before_last), frozenset(workdays))


def _days_of_week(field: str) -> Days:
    name, days = "day-of-week", range(1, 8)
    if "#" in field:
        weekday, _, nth = field.partition("#")
        return Days(nth_weekday=(_number(name, weekday, days, WEEKDAYS), _number(name, nth, range(1, 6))))
    if "/" in field:
        raise InvalidExpression(f"{name}: {field!r} has a step, which this field does not know")
    weekdays: set[int] = set()
    last: set[int] = set()
    for item in field.split(","):
        if item == "L":
            weekdays.add(SATURDAY)
        elif item.endswith("L"):
            last.add(_number(name, item[:-1], days, WEEKDAYS))
        else:
            weekdays.update(_values(name, item, days, WEEKDAYS))
    return Days(weekdays=frozenset(weekdays), last_weekdays=frozenset(last))


def _values(field: str, text: str, among: range, names: tuple[str, ...] = ()) -> tuple[int, ...]:
    found: set[int] = set()
    for item in text.split(","):
        body, slash, step = item.partition("/")
        first, dash, last = body.partition("-")
        if body == "*":
            low, high = among[0], among[-1]
        else:
            low = _number(field, first, among, names)
            high = _number(field, last, among, names) if dash else among[-1] if slash else low
        every = _number(field, step, range(1, len(among))) if slash else 1
        if low > high and among is YEARS:
            raise InvalidExpression(f"{field}: {item!r} runs backwards")
        # 20-2 is the guide's own example of hours: a range goes round
        span = range(low, high + 1) if low <= high else range(low, high + len(among) + 1)
        found.update(among[(value - among[0]) % len(among)] for value in span[::every])
    return tuple(sorted(found))


def _number(field: str, text: str, among: range, names: tuple[str, ...] = ()) -> int:
    if text in names:
        return names.index(text) + among[0]
    if re.fullmatch(r"[0-9]{1,4}", text) and int(text) in among:
        return int(text)
    raise InvalidExpression(f"{field}: {text!r} is not one of {among[0]}-{among[-1]}")

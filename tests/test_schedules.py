"""Schedule expressions: AWS's documented examples, what AWS accepts and refuses, and a walk over every minute."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.schedules import Cron, InvalidExpression, Rate, parsed_rule, parsed_schedule

UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(expression: str, after: str, count: int, zone: ZoneInfo = UTC_ZONE) -> list[str]:
    parsed, moment, found = parsed_schedule(expression), at(after), []
    anchor = moment
    while len(found) < count and (upcoming := parsed.next_after(moment, zone, anchor)):
        moment = upcoming
        found.append(f"{moment:%a %Y-%m-%dT%H:%M}")
    return found


# the tables of the EventBridge user guide, "Cron expressions reference"; 2024-01-01 is a Monday
@pytest.mark.parametrize(
    ("fields", "after", "expected"),
    [
        ("0 10 * * ? *", "2024-01-01T10:00", ["Tue 2024-01-02T10:00", "Wed 2024-01-03T10:00"]),
        ("15 12 * * ? *", "2024-01-01T00:00", ["Mon 2024-01-01T12:15", "Tue 2024-01-02T12:15"]),
        ("0 18 ? * MON-FRI *", "2024-01-05T00:00", ["Fri 2024-01-05T18:00", "Mon 2024-01-08T18:00"]),
        ("0 8 1 * ? *", "2024-01-01T08:00", ["Thu 2024-02-01T08:00", "Fri 2024-03-01T08:00"]),
        ("0/15 * * * ? *", "2024-01-01T00:46", ["Mon 2024-01-01T01:00", "Mon 2024-01-01T01:15"]),
        ("0/10 * ? * MON-FRI *", "2024-01-05T23:50", ["Mon 2024-01-08T00:00", "Mon 2024-01-08T00:10"]),
        ("0/5 8-17 ? * MON-FRI *", "2024-01-01T17:50", ["Mon 2024-01-01T17:55", "Tue 2024-01-02T08:00"]),
        ("0/30 20-2 ? * MON-FRI *", "2024-01-05T02:00", ["Fri 2024-01-05T02:30", "Fri 2024-01-05T20:00"]),
        ("15 10 ? * 6L 2019-2022", "2022-11-01T00:00", ["Fri 2022-11-25T10:15", "Fri 2022-12-30T10:15"]),
        ("0/5 5 ? JAN 1-5 2022", "2022-01-06T05:50", ["Thu 2022-01-06T05:55", "Sun 2022-01-09T05:00"]),
        ("1/10 * * * ? *", "2024-01-01T00:00", ["Mon 2024-01-01T00:01", "Mon 2024-01-01T00:11"]),
        ("0 0 3W * ? *", "2024-02-01T00:00", ["Fri 2024-02-02T00:00", "Mon 2024-03-04T00:00"]),
        ("0 0 ? * 3#2 *", "2024-01-01T00:00", ["Tue 2024-01-09T00:00", "Tue 2024-02-13T00:00"]),
        ("0 2 ? * SAT#3 *", "2024-01-01T00:00", ["Sat 2024-01-20T02:00", "Sat 2024-02-17T02:00"]),
        ("0 0 L * ? *", "2024-01-31T00:00", ["Thu 2024-02-29T00:00", "Sun 2024-03-31T00:00"]),
        ("0 0 L-2 * ? *", "2024-02-01T00:00", ["Tue 2024-02-27T00:00", "Fri 2024-03-29T00:00"]),
        ("0 0 LW * ? *", "2024-03-01T00:00", ["Fri 2024-03-29T00:00", "Tue 2024-04-30T00:00"]),
        ("0 0 1W * ? *", "2024-06-01T00:00", ["Mon 2024-06-03T00:00", "Mon 2024-07-01T00:00"]),
        ("0 0 31W * ? *", "2024-03-01T00:00", ["Fri 2024-03-29T00:00", "Fri 2024-05-31T00:00"]),
        ("0 0 ? * L *", "2024-01-01T00:00", ["Sat 2024-01-06T00:00", "Sat 2024-01-13T00:00"]),
        ("0 0 ? * FRIL *", "2024-01-01T00:00", ["Fri 2024-01-26T00:00", "Fri 2024-02-23T00:00"]),
        ("0 0 ? * FRI-MON *", "2024-01-01T00:00", ["Fri 2024-01-05T00:00", "Sat 2024-01-06T00:00"]),
        ("0 0 29 2 ? *", "2024-03-01T00:00", ["Tue 2028-02-29T00:00", "Sun 2032-02-29T00:00"]),
        ("0 0 ? * 2#5 *", "2024-01-30T00:00", ["Mon 2024-04-29T00:00", "Mon 2024-07-29T00:00"]),
        ("0 9 1,15 JAN,JUL ? 2024", "2024-01-02T00:00", ["Mon 2024-01-15T09:00", "Mon 2024-07-01T09:00"]),
    ],
)
def test_a_cron_expression_fires_when_the_guide_says(fields, after, expected):
    assert fires(f"cron({fields})", after, 2) == expected


@pytest.mark.parametrize("fields", ["0 0 30 2 ? *", "0 0 1 1 ? 2020", "0 0 31 4,6,9,11 ? *"])
def test_a_day_that_never_comes_ends_the_search(fields):
    assert fires(f"cron({fields})", "2024-01-01T00:00", 1) == []


# recorded against AWS: LocalStack's tests of PutRule, and issue 13572 there
@pytest.mark.parametrize(
    "fields",
    [
        "0 2 ? * SAT *", "0 12 * * ? *", "5,35 14 * * ? *", "15 10 ? * 6L 2002-2005", "0 2 ? * SAT#3 *",
        "* * ? * SAT#3 *", "0/5 5 ? JAN 1-5 2022", "0/30 20-23 ? * MON-FRI *", "0-15/1 8-8 ? * 2,3,4,5,6,7 *",
        "30-30 13-13 ? * 2,4,6 *", "1-31/30 1-1 ? * 1,7 *", "*/10 * * * ? *", "0 10 ? * mon-fri *",
    ],
)  # fmt: skip
def test_rules_take_what_aws_takes(fields):
    assert isinstance(parsed_rule(f"cron({fields})"), Cron)


@pytest.mark.parametrize(
    "expression",
    [
        "rate(10 seconds)", "rate(10 years)", "rate(1 minutes)", "rate(1 hours)", "rate(1 days)", "rate(10 minute)",
        "rate(10 hour)", "rate(10 day)", "rate()", "rate(10)", "rate(10 minutess)", "rate(foo minutes)",
        "rate(0 minutes)", "rate(-10 minutes)", "rate(10 MINUTES)", "rate( 10 minutes )", " rate(10 minutes)",
        "cron(0 1 * * * *)", "cron(7 20 * * NOT *)", "cron(INVALID)", "cron(0 dummy ? * MON-FRI *)",
        "cron(71 8 1 * ? *)", "cron(*/60 * * * ? *)", "cron(0/10 * ? * *)", "cron(15 12 ? * -1 *)", "cron(0 0 ? * ? *)",
        "cron(0/0 * * * ? *)", "cron(0 0 ? * 1#6 *)", "cron(0 0 ? * 1#1,2#2 *)", "cron(0 0 32W * ? *)",
        "cron(0 0 1#2 * ? *)", "cron(0 0 ? * 0 *)", "cron(0 0 ? * 2/2 *)", "cron(0 0 * 13 ? *)", "cron(0 0 * * ? 2030-2020)",
        "cron(0, 0 * * ? *)", "cron(- 0 * * ? *)", "cron(/ 0 * * ? *)", "cron(0 0 ١ * ? *)", "cron(0 0 * * ? 1969)",
        "at(2030-01-01T00:00:00)", "", "5 minutes",
    ],
)  # fmt: skip
def test_rules_refuse_what_aws_refuses(expression):
    with pytest.raises(InvalidExpression):
        parsed_rule(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "at(2030-02-30T00:00:00)",
        "at(2030-01-01)",
        "at(2030-01-01T00:00:00Z)",
        "at(31-12-2030T00:00:00)",
        "rate(0 days)",
    ],
)
def test_the_scheduler_refuses_what_is_no_moment(expression):
    with pytest.raises(InvalidExpression):
        parsed_schedule(expression)


def test_an_error_names_the_field_and_the_value():
    with pytest.raises(InvalidExpression, match="minutes: '71' is not one of 0-59"):
        parsed_rule("cron(71 8 1 * ? *)")


def test_a_rate_counts_from_its_anchor():
    rate, anchor = parsed_rule("rate(5 minutes)"), at("2024-01-01T00:00:30")
    assert rate == Rate(300)
    assert rate.next_after(at("2023-01-01T00:00:00"), UTC_ZONE, anchor) == anchor
    assert rate.next_after(anchor, UTC_ZONE, anchor) == at("2024-01-01T00:05:30")
    assert rate.next_after(at("2024-01-01T00:07:00"), UTC_ZONE, anchor) == at("2024-01-01T00:10:30")


def test_a_rate_longer_than_the_calendar_never_comes():
    start = at("2024-01-01T00:00:00")
    assert parsed_rule("rate(999999999 days)").next_after(start, UTC_ZONE, start) is None


def test_at_comes_once_in_the_time_of_its_zone():
    assert fires("at(2024-07-01T08:00:00)", "2024-01-01T00:00", 2, BERLIN) == ["Mon 2024-07-01T06:00"]
    assert fires("at(2024-07-01T08:00:00)", "2024-07-01T06:00", 2, BERLIN) == []


def test_cron_follows_the_wall_clock_through_summer_time():
    # Berlin goes from 2:00 to 3:00 on 31 March 2024, and from 3:00 back to 2:00 on 27 October
    assert fires("cron(0 9 * * ? *)", "2024-03-30T00:00", 2, BERLIN) == ["Sat 2024-03-30T08:00", "Sun 2024-03-31T07:00"]


def test_a_time_that_is_skipped_does_not_fire():
    assert fires("cron(30 2 * * ? *)", "2024-03-30T12:00", 1, BERLIN) == ["Mon 2024-04-01T00:30"]


def test_a_time_that_comes_twice_fires_once():
    found = fires("cron(30 2 * * ? *)", "2024-10-26T12:00", 2, BERLIN)
    assert found == ["Sun 2024-10-27T00:30", "Mon 2024-10-28T01:30"]


# --- against a walk over every minute: fields read naively, one value after the other


def listed(low, high):
    return st.lists(st.integers(low, high), min_size=1, max_size=3).map(lambda v: ",".join(map(str, v)))


def ranged(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda p: f"{min(p)}-{max(p)}")


def stepped(low, high):
    return st.tuples(st.integers(low, high), st.integers(1, high - low)).map(lambda p: f"{p[0]}/{p[1]}")


def field(low, high):
    return st.one_of(st.just("*"), listed(low, high), ranged(low, high), stepped(low, high))


DAYS = st.one_of(
    st.tuples(st.one_of(field(1, 31), st.just("L"), st.integers(1, 31).map("{}W".format)), st.just("?")),
    st.tuples(
        st.just("?"),
        st.one_of(
            st.one_of(st.just("*"), listed(1, 7), ranged(1, 7)),
            st.integers(1, 7).map("{}L".format),
            st.tuples(st.integers(1, 7), st.integers(1, 5)).map(lambda p: f"{p[0]}#{p[1]}"),
        ),
    ),
)
MINUTES = st.datetimes(datetime(2023, 1, 1), datetime(2025, 12, 31))


def naive(text: str, value: int, high: int) -> bool:
    for item in text.split(","):
        if item == "*":
            return True
        if "/" in item:
            start, step = map(int, item.split("/"))
            if value >= start and (value - start) % step == 0:
                return True
        elif "-" in item:
            low, top = map(int, item.split("-"))
            if low <= value <= top:
                return True
        elif int(item) == value:
            return True
    return False


def day_fits(dom: str, dow: str, day: datetime) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    weekday = day.isoweekday() % 7 + 1
    if dom == "L":
        return day.day == last
    if dom.endswith("W"):
        wanted = int(dom[:-1])
        workdays = [d for d in range(1, last + 1) if datetime(day.year, day.month, d).isoweekday() <= 5]
        return wanted <= last and day.day == min(workdays, key=lambda d: (abs(d - wanted), -d))
    if dom != "?":
        return naive(dom, day.day, 31)
    if dow.endswith("L"):
        return weekday == int(dow[:-1]) and day.day + 7 > last
    if "#" in dow:
        wanted, nth = map(int, dow.split("#"))
        return weekday == wanted and (day.day - 1) // 7 + 1 == nth
    return naive(dow, weekday, 7)


def fits(fields: tuple[str, str, str, str, str], moment: datetime) -> bool:
    minute, hour, dom, month, dow = fields
    return (
        naive(minute, moment.minute, 59)
        and naive(hour, moment.hour, 23)
        and naive(month, moment.month, 12)
        and day_fits(dom, dow, moment)
    )


@settings(max_examples=300, deadline=None)
@given(minute=field(0, 59), hour=field(0, 23), days=DAYS, month=field(1, 12), start=MINUTES)
def test_stepping_from_fire_to_fire_leaves_nothing_out(minute, hour, days, month, start):
    fields = (minute, hour, days[0], month, days[1])
    cron = parsed_rule("cron({} {} {} {} {} *)".format(*fields))
    start = start.replace(tzinfo=UTC)
    end = start + timedelta(days=3)
    found, moment = [], start
    while (moment := cron.next_after(moment, UTC_ZONE, start)) and moment <= end and len(found) < 400:
        found.append(moment)
    first = start.replace(second=0, microsecond=0) + timedelta(minutes=1)
    every_minute = (first + timedelta(minutes=n) for n in range(3 * 1440) if first + timedelta(minutes=n) <= end)
    assert found == list(islice((m for m in every_minute if fits(fields, m)), 400))


@settings(max_examples=300, deadline=None)
@given(
    minute=field(0, 59),
    hour=field(0, 23),
    days=DAYS,
    month=field(1, 12),
    start=MINUTES,
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_the_next_fire_is_later_and_fits_the_wall_clock(minute, hour, days, month, start, zone):
    fields = (minute, hour, days[0], month, days[1])
    start = start.replace(tzinfo=UTC)
    found = parsed_rule("cron({} {} {} {} {} *)".format(*fields)).next_after(start, ZoneInfo(zone), start)
    if found is None:  # a day that no month of these has: nothing in the five years around fits
        days_of_months = (datetime(2024, 1, 1) + timedelta(days=n) for n in range(5 * 366))
        assert not any(naive(month, d.month, 12) and day_fits(days[0], days[1], d) for d in days_of_months)
    else:
        assert found > start
        assert fits(fields, found.astimezone(ZoneInfo(zone)).replace(tzinfo=None))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="crontae() 0123456789*/?LW#-,MONJAN", max_size=40))
def test_any_text_is_read_or_refused(text):
    for parsed in (parsed_rule, parsed_schedule):
        for given_text in (text, f"cron({text})", f"rate({text})", f"at({text})"):
            try:
                parsed(given_text)
            except InvalidExpression:
                continue

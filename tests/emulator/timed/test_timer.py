"""The timer on a clock that is advanced, with an account that answers as moto does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from labkit.emulator.clients import CallFailed
from labkit.emulator.clock import Clock
from labkit.emulator.timed.timer import Timer

NOON = 1_800_000_000.0


class Account:
    """Answers for moto: rules by name, schedules by name, one page each time."""

    def __init__(self) -> None:
        self.rules: dict[str, dict] = {}
        self.schedules: dict[str, dict] = {}
        self.asked: list[str] = []
        self.pid: int | None = 1

    def rule(self, name, expression, **more):
        arn = f"arn:aws:events:us-east-1:123456789012:rule/{name}"
        self.rules[name] = {"Arn": arn, "Name": name, "ScheduleExpression": expression, **more}

    def schedule(self, name, expression, version=1, **more):
        arn = f"arn:aws:scheduler:us-east-1:123456789012:schedule/default/{name}"
        self.schedules[name] = {
            "Arn": arn,
            "Name": name,
            "GroupName": "default",
            "ScheduleExpression": expression,
            "LastModificationDate": version,
            "Target": {"Arn": "target"},
            **more,
        }

    async def call(self, service, operation, *, region="", **params):
        await asyncio.sleep(0)
        self.asked.append(operation)
        if self.pid is None:
            raise CallFailed("ServiceUnavailableException", "gone")
        match operation:
            case "list_rules":  # two to a page
                at = int(params.get("NextToken", 0))
                more = {"NextToken": str(at + 2)} if at + 2 < len(self.rules) else {}
                return {"Rules": list(self.rules.values())[at : at + 2], **more}
            case "list_targets_by_rule":
                return {"Targets": [{"Id": "1", "Arn": params["Rule"]}]}
            case "list_schedules":
                return {"Schedules": list(self.schedules.values())}
            case "get_schedule":
                return self.schedules[params["Name"]]
            case "delete_schedule":
                del self.schedules[params["Name"]]
        return {}


class Deliveries:
    """Remembers who fired, when it was due, and what the clock said."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seen: list[tuple[str, float, float]] = []

    async def deliver(self, firing, target):
        name = firing.entry.name
        self.seen.append((name, firing.at.timestamp() - NOON, self._clock.now() - NOON))
        if name == "broken":
            raise RuntimeError("a fault of labkit's own")

    @property
    def moments(self):
        return [(name, at) for name, at, _ in self.seen]


def play(scene):
    async def played():
        clock = Clock(time_of_day=lambda: NOON)
        account, deliveries = Account(), Deliveries(clock)
        timer = Timer(clock, account.call, deliveries, account_id="123456789012", moto=lambda: account.pid)
        async with asyncio.timeout(10):
            await scene(clock, account, deliveries, timer)
        timer.stop()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(played())


def test_a_rate_of_five_minutes_fires_twelve_times_in_an_hour_each_at_its_own_moment():
    async def scene(clock, account, deliveries, timer):
        account.rule("r", "rate(5 minutes)")
        timer.changed("events", "us-east-1")
        await clock.advance(3600)
        assert deliveries.seen == [("r", 300.0 * n, 300.0 * n) for n in range(1, 13)]

    play(scene)


def test_a_day_of_cron_fires_at_every_minute_that_fits():
    async def scene(clock, account, deliveries, timer):
        account.rule("r", "cron(0/30 * * * ? *)")
        timer.changed("events", "us-east-1")
        await clock.advance(86_400)
        assert [at for _, at in deliveries.moments] == [1800.0 * n for n in range(1, 49)]

    play(scene)


def test_all_that_is_due_fires_in_the_order_of_its_moments():
    async def scene(clock, account, deliveries, timer):
        for name, expression in (("c", "rate(3 minutes)"), ("a", "rate(2 minutes)"), ("b", "rate(3 minutes)")):
            account.rule(name, expression)
        timer.changed("events", "us-east-1")
        await clock.advance(360)
        assert deliveries.moments == [
            ("a", 120.0), ("b", 180.0), ("c", 180.0), ("a", 240.0), ("a", 360.0), ("b", 360.0), ("c", 360.0),
        ]  # fmt: skip

    play(scene)


def test_a_rule_that_is_deleted_between_two_firings_does_not_fire_again():
    async def scene(clock, account, deliveries, timer):
        account.rule("r", "rate(5 minutes)")
        timer.changed("events", "us-east-1")
        await clock.advance(400)
        account.rules.clear()
        timer.changed("events", "us-east-1")
        await clock.advance(3600)
        assert deliveries.moments == [("r", 300.0)]

    play(scene)


def test_a_disabled_rule_rests_and_an_enabled_one_goes_on():
    async def scene(clock, account, deliveries, timer):
        account.rule("r", "rate(5 minutes)", State="DISABLED")
        timer.changed("events", "us-east-1")
        await clock.advance(900)
        account.rule("r", "rate(5 minutes)", State="ENABLED")
        timer.changed("events", "us-east-1")
        await clock.advance(300)
        assert deliveries.moments == [("r", 1200.0)]

    play(scene)


def test_a_rule_without_a_schedule_is_nothing_to_the_timer():
    async def scene(clock, account, deliveries, timer):
        account.rules["r"] = {"Arn": "a/r", "Name": "r", "EventPattern": "{}"}
        timer.changed("events", "us-east-1")
        await clock.advance(3600)
        assert (account.asked, deliveries.seen) == (["list_rules"], [])

    play(scene)


def test_many_changes_at_once_are_read_together():
    async def scene(clock, account, deliveries, timer):
        account.rule("r", "rate(5 minutes)")
        for _ in range(100):
            timer.changed("events", "us-east-1")
        await clock.advance(1)
        assert account.asked == ["list_rules", "list_targets_by_rule"]

    play(scene)


def test_only_schedules_that_were_changed_are_asked_for():
    async def scene(clock, account, deliveries, timer):
        for n in range(10):
            account.schedule(f"s{n}", "rate(5 minutes)")
        timer.changed("scheduler", "us-east-1")
        await clock.advance(1)
        account.schedule("s3", "rate(1 minute)", version=2)
        account.asked.clear()
        timer.changed("scheduler", "us-east-1")
        await clock.advance(1)
        assert account.asked == ["list_schedules", "get_schedule"]

    play(scene)


def test_a_completed_schedule_is_deleted_if_it_wants_to_be():
    async def scene(clock, account, deliveries, timer):
        when = datetime.fromtimestamp(NOON + 600, UTC)
        account.schedule("gone", f"at({when:%Y-%m-%dT%H:%M:%S})", ActionAfterCompletion="DELETE")
        account.schedule("kept", f"at({when:%Y-%m-%dT%H:%M:%S})")
        timer.changed("scheduler", "us-east-1")
        await clock.advance(3600)
        assert deliveries.moments == [("gone", 600.0), ("kept", 600.0)]
        assert list(account.schedules) == ["kept"]

    play(scene)


def test_a_flexible_window_delays_the_target_but_not_the_next_moment():
    async def scene(clock, account, deliveries, timer):
        window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}
        account.schedule("s", "rate(10 minutes)", FlexibleTimeWindow=window)
        timer.changed("scheduler", "us-east-1")
        await clock.advance(3600)
        assert sorted(at for _, at, _ in deliveries.seen)[:6] == [0.0, 600.0, 1200.0, 1800.0, 2400.0, 3000.0]
        assert all(at <= now < at + 300 for _, at, now in deliveries.seen)
        assert any(now > at for _, at, now in deliveries.seen)

    play(scene)


def test_what_cannot_fire_is_said_once_and_the_others_fire(capfd):
    async def scene(clock, account, deliveries, timer):
        account.schedule("past", "at(2020-01-01T00:00:00)")
        account.schedule("bad", "rate(5 centuries)")
        account.schedule("zone", "rate(5 minutes)", ScheduleExpressionTimezone="Mars/Base")
        account.schedule("good", "rate(5 minutes)")
        timer.changed("scheduler", "us-east-1")
        await clock.advance(1)
        timer.changed("scheduler", "us-east-1")
        await clock.advance(1)
        assert deliveries.moments == [("good", 0.0)]

    play(scene)
    said = capfd.readouterr().err
    assert said.count("default/past never fires: its time is over") == 1
    assert "default/bad never fires" in said
    assert "default/zone never fires" in said


def test_when_motos_process_dies_its_rules_are_gone(capfd):
    async def scene(clock, account, deliveries, timer):
        account.rule("r", "rate(5 minutes)")
        timer.changed("events", "us-east-1")
        await clock.advance(300)
        account.pid = None
        await clock.advance(3600)
        assert deliveries.moments == [("r", 300.0)]
        timer.changed("events", "us-east-1")
        await clock.advance(1)
        account.pid, account.rules = 2, {}
        account.rule("new", "rate(5 minutes)")
        timer.changed("events", "us-east-1")
        await clock.advance(300)
        assert deliveries.moments == [("r", 300.0), ("new", 4201.0)]

    play(scene)
    assert "the schedules of events in us-east-1 could not be read" in capfd.readouterr().err


def test_when_moto_is_cleared_nothing_is_scheduled():
    async def scene(clock, account, deliveries, timer):
        account.rule("r", "rate(5 minutes)")
        timer.changed("events", "us-east-1")
        await clock.advance(300)
        timer.forget()
        await clock.advance(3600)
        assert deliveries.moments == [("r", 300.0)]

    play(scene)


def test_a_fault_of_one_delivery_stops_no_other(capfd):
    async def scene(clock, account, deliveries, timer):
        account.rule("broken", "rate(5 minutes)")
        account.rule("r", "rate(5 minutes)")
        timer.changed("events", "us-east-1")
        await clock.advance(600)
        assert [name for name, _ in deliveries.moments] == ["broken", "r", "broken", "r"]

    play(scene)
    assert "a fault of labkit's own" in capfd.readouterr().err

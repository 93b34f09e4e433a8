"""Knows what is scheduled, waits for the next moment on the clock, and fires.

The records are moto's. When one may have changed they are read again, through the front door; the task that reads is
known to the clock, so that an `advance` skips nothing. Without a change there is no task and no timer here, and moto is
never started from here. If moto's process is another one than that which was read from, its rules are gone with it.

Each firing is a task for each target, so that a slow target holds up no other; within an advance the clock stands until
they have done their work, or wait for a retry.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
import uuid
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any

from labkit.emulator.clients import CallFailed
from labkit.emulator.clock import Clock
from labkit.emulator.destinations import Call
from labkit.emulator.timed.delivery import Delivery
from labkit.emulator.timed.entries import Entry, Target, rule_entry, schedule_entry
from labkit.emulator.timed.payloads import Firing, delayed
from labkit.emulator.timed.watch import RULES, SCHEDULES
from labkit.schedules import InvalidExpression


class Timer:
    """See the module's docstring. `moto` says which process moto is, if it runs."""

    def __init__(
        self, clock: Clock, call: Call, delivery: Delivery, *, account_id: str, moto: Callable[[], int | None]
    ) -> None:
        self._clock = clock
        self._call = call
        self._delivery = delivery
        self._account_id = account_id
        self._moto = moto
        self._loop = asyncio.get_running_loop()
        self._read_from: int | None = None
        self._entries: dict[str, Entry] = {}
        self._due: dict[str, datetime] = {}
        self._stale: set[tuple[str, str]] = set()
        self._reading: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._firings: set[asyncio.Task[None]] = set()

    def changed(self, service: str, region: str) -> None:
        """What a service has scheduled in a region may be different from now on."""
        self._stale.add((service, region))
        if self._reading is None or self._reading.done():
            self._reading = self._loop.create_task(self._read())
            self._clock.follow(self._reading)

    def forget(self) -> None:
        """moto has been cleared, and with it whatever is scheduled."""
        self._entries.clear()
        self._due.clear()

    def stop(self) -> None:
        for task in filter(None, (self._reading, self._waiting, *self._firings)):
            task.cancel()

    # --- what is scheduled

    async def _read(self) -> None:
        while self._stale:
            service, region = self._stale.pop()
            try:
                found = await (self._rules(region) if service == RULES else self._schedules(region))
            except CallFailed as error:
                _say(f"the schedules of {service} in {region} could not be read: {error}")
                continue
            except Exception as error:
                _say(f"the schedules of {service} in {region} could not be read")
                traceback.print_exception(error, file=sys.stderr)
                continue
            self._forget_dead_moto()
            self._read_from = self._moto()
            self._take(service, region, found)
        self._wait_again()

    def _take(self, service: str, region: str, found: list[Entry]) -> None:
        for arn in [e.arn for e in self._entries.values() if (e.service, e.region) == (service, region)]:
            if arn not in {entry.arn for entry in found}:
                del self._entries[arn]
                self._due.pop(arn, None)
        for entry in found:
            self._set(entry.taking_over(self._entries.get(entry.arn), self._now()))

    def _set(self, entry: Entry) -> None:
        self._entries[entry.arn] = entry
        self._due.pop(entry.arn, None)
        if due := entry.due:
            self._due[entry.arn] = due

    def _forget_dead_moto(self) -> None:
        if self._moto() != self._read_from:
            self.forget()

    async def _rules(self, region: str) -> list[Entry]:
        found: list[tuple[str, Callable[[datetime], Entry]]] = []
        for rule in await self._pages(RULES, "list_rules", "Rules", region):
            if rule.get("ScheduleExpression"):
                targets = await self._pages(RULES, "list_targets_by_rule", "Targets", region, Rule=rule["Name"])
                found.append((rule["Arn"], partial(rule_entry, rule, targets, region)))
        return self._readable(found)

    async def _schedules(self, region: str) -> list[Entry]:
        """Only those are asked for that have changed since."""
        found: list[tuple[str, Callable[[datetime], Entry]]] = []
        known = []
        for brief in await self._pages(SCHEDULES, "list_schedules", "Schedules", region):
            old = self._entries.get(brief["Arn"])
            if old and old.changed == brief["LastModificationDate"]:
                known.append(old)
                continue
            group, name = brief["GroupName"], brief["Name"]
            whole = await self._call(SCHEDULES, "get_schedule", region=region, GroupName=group, Name=name)
            found.append((whole["Arn"], partial(schedule_entry, whole, region)))
        return known + self._readable(found)

    def _readable(self, found: list[tuple[str, Callable[[datetime], Entry]]]) -> list[Entry]:
        entries = []
        for arn, made in found:
            try:
                entry = made(self._now())
            except (InvalidExpression, KeyError, ValueError) as error:
                _say(f"{arn} never fires: {error}")
                continue
            entries.append(entry)
            if entry.enabled and entry.due is None and arn not in self._entries:
                _say(f"{arn} never fires: its time is over on the lab's clock")
        return entries

    async def _pages(self, service: str, operation: str, key: str, region: str, **params: str) -> list[Any]:
        found: list[Any] = []
        token: dict[str, str] = {}
        while True:
            page = await self._call(service, operation, region=region, **params, **token)
            found += page[key]
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    # --- when it fires

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def _wait_again(self) -> None:
        if self._waiting:
            self._waiting.cancel()
        self._waiting = self._loop.create_task(self._wait()) if self._due else None
        if self._waiting:
            self._clock.follow(self._waiting)

    async def _wait(self) -> None:
        while self._due:
            at = min(self._due.values())
            await self._clock.wait_until(at.timestamp())
            self._fire(max(at, self._now()))  # a float's last digit may be missing

    def _fire(self, now: datetime) -> None:
        self._forget_dead_moto()
        for at, arn in sorted((at, arn) for arn, at in self._due.items() if at <= now):
            entry = self._entries[arn]
            self._set(entry.fired(now))
            last = arn not in self._due
            firing = Firing(entry, at, str(uuid.uuid4()), uuid.uuid4().hex[:16], self._account_id)
            for target in entry.targets:
                self._start(self._carried_out(firing, target, last=last))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._firings.add(task)
        task.add_done_callback(self._firings.discard)
        self._clock.follow(task)

    async def _carried_out(self, firing: Firing, target: Target, *, last: bool) -> None:
        entry = firing.entry
        try:
            await self._clock.wait_until(delayed(firing).timestamp())
            await self._delivery.deliver(firing, target)
            if last and entry.deleted_at_end:
                await self._call(
                    SCHEDULES, "delete_schedule", region=entry.region, Name=entry.name, GroupName=entry.group
                )
        except CallFailed as error:
            _say(f"{entry.arn} could not be deleted after its completion: {error}")
        except Exception as error:
            _say(f"{entry.arn}: what fell due at {firing.at} is lost")
            traceback.print_exception(error, file=sys.stderr)


def _say(what: str) -> None:
    print(f"labkit: {what}", file=sys.stderr, flush=True)  # noqa: T201

"""The clock on a real loop: who waits, who is woken, in which order, and what an advance waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.emulator.clock import Clock

NOON = 1_800_000_000.0


def run(scene: Callable[[Clock], Awaitable[None]]) -> None:
    """Plays a scene on a clock that moves only when it is advanced."""

    async def play() -> None:
        await scene(Clock(time_of_day=lambda: NOON))

    asyncio.run(asyncio.wait_for(play(), 10))


async def started(coroutine: Awaitable[None]) -> asyncio.Task[None]:
    """A task that has come as far as its first wait."""
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    return task


def test_an_advance_is_added_to_the_time_of_day():
    async def scene(clock):
        assert clock.now() == NOON
        assert await clock.advance(120) == clock.now() == NOON + 120

    run(scene)


def test_nobody_is_woken_before_the_moment_has_come():
    async def scene(clock):
        task = await started(clock.wait_until(NOON + 60))
        await clock.advance(59)
        assert not task.done()
        await clock.advance(1)
        assert task.done()

    run(scene)


def test_a_moment_that_is_past_is_not_waited_for():
    async def scene(clock):
        await clock.wait_until(NOON)
        await clock.wait_until(NOON - 1)

    run(scene)


def test_a_moment_comes_by_itself_too():
    async def scene():
        clock = Clock()
        at = clock.now() + 0.02
        await clock.wait_until(at)
        assert clock.now() >= at

    asyncio.run(asyncio.wait_for(scene(), 10))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 100), max_size=20))
def test_they_are_woken_in_the_order_of_their_moments_each_at_its_own(moments):
    async def scene(clock):
        seen = []

        async def wait(moment):
            await clock.wait_until(NOON + moment)
            seen.append((moment, clock.now()))

        for moment in moments:
            await started(wait(moment))
        await clock.advance(100)
        assert seen == [(moment, NOON + moment) for moment in sorted(moments)]

    run(scene)


def test_who_starts_to_wait_during_an_advance_is_woken_within_it():
    async def scene(clock):
        seen = []

        async def retry():
            for delay_s in (60, 120, 240):
                await clock.wait_until(clock.now() + delay_s)
                seen.append(clock.now() - NOON)

        await started(retry())
        await clock.advance(180)
        assert seen == [60, 180]
        assert clock.now() == NOON + 180

    run(scene)


def test_the_clock_stands_while_somebody_it_woke_is_at_work():
    async def scene(clock):
        finished = asyncio.get_running_loop().create_future()
        seen = []

        async def work():
            await clock.wait_until(NOON + 10)
            await finished
            seen.append(clock.now())

        await started(work())
        advance = await started(clock.advance(100))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (clock.now(), advance.done()) == (NOON + 10, False)
        finished.set_result(None)
        await advance
        assert seen == [NOON + 10]

    run(scene)


def test_an_advance_begins_when_those_who_are_followed_have_come_to_wait():
    async def scene(clock):
        told = asyncio.get_running_loop().create_future()
        seen = []

        async def first_attempt():
            await told
            await clock.wait_until(clock.now() + 60)
            seen.append(clock.now())

        clock.follow(asyncio.ensure_future(first_attempt()))
        advance = await started(clock.advance(60))
        assert not advance.done()
        told.set_result(None)
        await advance
        assert seen == [NOON + 60]

    run(scene)


def test_endless_work_holds_an_advance_up_no_longer_than_it_skips():
    async def scene(clock):
        endless = await started(asyncio.Event().wait())
        clock.follow(endless)
        assert await clock.advance(0.01) == NOON + 0.01
        assert not endless.done()

    run(scene)


def test_who_is_woken_at_the_very_end_of_an_advance_has_worked_when_it_returns():
    async def scene(clock):
        seen = []

        async def work():
            await clock.wait_until(NOON + 60)
            for _ in range(50):
                await asyncio.sleep(0)
            seen.append("done")

        await started(work())
        await clock.advance(60)
        assert seen == ["done"]

    run(scene)


def test_a_cancelled_wait_is_forgotten():
    async def scene(clock):
        gone = await started(clock.wait_until(NOON + 5))
        stays = await started(clock.wait_until(NOON + 6))
        gone.cancel()
        await clock.advance(10)
        assert (gone.cancelled(), stays.done(), stays.cancelled()) == (True, True, False)

    run(scene)


def test_advances_that_overlap_add_up():
    async def scene(clock):
        assert await asyncio.gather(clock.advance(60), clock.advance(120)) == [NOON + 60, NOON + 180]

    run(scene)


def test_who_advances_may_have_waited_before():
    async def scene(clock):
        await clock.wait_until(NOON)
        waiter = await started(clock.wait_until(NOON + 60))
        assert await clock.advance(60) == NOON + 60
        assert waiter.done()

    run(scene)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_time_does_not_go_back_and_does_not_end(seconds):
    async def scene(clock):
        with pytest.raises(ValueError, match="cannot be advanced"):
            await clock.advance(seconds)
        assert clock.now() == NOON

    run(scene)

"""Requests that come together begin one in each pass of the loop."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.turns import Turns


def played(scene):
    """What began, in its order; the scene gets `begin(name)` and the turns."""
    begun: list[object] = []

    async def play():
        turns = Turns()
        await scene(lambda name: turns.take(lambda: begun.append(name)), turns, begun)

    asyncio.run(asyncio.wait_for(play(), 15))
    return begun


def test_who_comes_alone_begins_at_once():
    async def scene(begin, turns, begun):
        begin("a")
        assert begun == ["a"]

    played(scene)


def test_after_an_answer_the_next_one_begins_at_once():
    async def scene(begin, turns, begun):
        begin("a")
        turns.answered()
        begin("b")
        assert begun == ["a", "b"]

    played(scene)


def test_those_who_come_together_begin_one_in_each_pass():
    async def scene(begin, turns, begun):
        for name in "abcd":
            begin(name)
        passes = [len(begun)]
        for _ in range(3):
            await asyncio.sleep(0)
            passes.append(len(begun))
        assert passes == [1, 2, 3, 4]

    assert played(scene) == ["a", "b", "c", "d"]


def test_nobody_goes_before_one_who_waits():
    async def scene(begin, turns, begun):
        begin("a")
        begin("b")
        turns.answered()
        begin("c")
        assert begun == ["a"]
        await asyncio.sleep(0.01)

    assert played(scene) == ["a", "b", "c"]


def test_one_that_fails_to_begin_keeps_nobody_from_his_turn():
    async def scene(begin, turns, begun):
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: begun.append(context["exception"].args))
        begin("a")
        turns.take(lambda: [].pop())
        begin("b")
        await asyncio.sleep(0.01)

    assert played(scene) == ["a", ("pop from empty list",), "b"]


@given(st.lists(st.sampled_from(["begin", "answered", "pass"]), max_size=30))
def test_all_begin_once_and_in_the_order_of_their_coming(steps):
    async def scene(begin, turns, begun):
        for number, step in enumerate(steps):
            if step == "begin":
                begin(number)
            elif step == "answered":
                turns.answered()
            else:
                await asyncio.sleep(0)
        for _ in steps:
            await asyncio.sleep(0)

    assert played(scene) == [number for number, step in enumerate(steps) if step == "begin"]

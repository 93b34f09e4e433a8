"""How many batches of a queue are on their way at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.triggers.scaling import Concurrency


def test_it_starts_with_five():
    assert Concurrency().allowed(None) == 5


def test_while_messages_are_left_it_grows_by_300_a_minute_up_to_1000():
    busy = Concurrency().busy(0).busy(30)
    assert busy.allowed(None) == 155
    assert busy.busy(60).allowed(None) == 305
    assert busy.busy(3600).allowed(None) == 1000


def test_a_mappings_own_maximum_holds():
    assert Concurrency().busy(0).busy(600).allowed(7) == 7
    assert Concurrency().allowed(2) == 2


def test_when_nothing_is_left_it_is_five_again():
    assert Concurrency().busy(0).busy(60).idle().allowed(None) == 5


def test_a_throttle_halves_it_and_successes_bring_it_back():
    few = Concurrency().throttled().throttled().throttled().throttled()
    assert few.allowed(None) == 1
    for _ in range(9):
        few = few.succeeded()
    assert few.allowed(None) == 5


STEPS = st.lists(st.sampled_from(["busy", "idle", "throttled", "failed", "succeeded"]))


@given(STEPS, st.none() | st.integers(2, 1000))
def test_there_is_always_one_and_never_more_than_allowed(steps, maximum):
    level = Concurrency()
    for at, step in enumerate(steps):
        level = level.busy(at) if step == "busy" else getattr(level, step)()
        assert 1 <= level.allowed(maximum) <= (maximum or 1000)

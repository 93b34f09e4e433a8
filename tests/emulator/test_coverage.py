from __future__ import annotations

from labkit.emulator.control import OPERATIONS
from labkit.emulator.coverage import coverage
from labkit.emulator.wire import Wire


def test_every_operation_of_the_model_is_either_served_or_missing():
    served, missing = coverage()
    assert sorted((*served, *missing)) == sorted(Wire().operations)


def test_what_has_a_function_or_a_door_of_its_own_is_served():
    served, _ = coverage()
    assert set(served) == {*OPERATIONS, "Invoke", "InvokeWithResponseStream"}


def test_what_has_neither_is_missing():
    assert "CreateCapacityProvider" in coverage().missing

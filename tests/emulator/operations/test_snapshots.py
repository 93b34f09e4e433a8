"""What the description of a version says of its snapshot."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from labkit.emulator.operations.snapshots import snapshot_state


class FakeSnapshot:
    def __init__(self, *, settled, failed=False):
        self.failed = failed
        self._settled = asyncio.Event()
        if settled:
            self._settled.set()

    async def settled(self):
        await self._settled.wait()


@pytest.fixture
def state():
    def look(**snapshot):
        async def asked():
            found = FakeSnapshot(**snapshot) if snapshot else None
            account = SimpleNamespace(dispatcher=SimpleNamespace(snapshot=lambda version: found))
            return await snapshot_state(account, "a version", look_s=0.001)

        return asyncio.run(asked())

    return look


def test_a_version_without_snapshot_is_described_as_it_is(state):
    assert state() == {}


def test_a_snapshot_that_is_made_changes_nothing(state):
    assert state(settled=True) == {}


def test_a_snapshot_that_takes_long_leaves_the_version_pending(state):
    said = state(settled=False)
    assert (said["State"], said["StateReasonCode"]) == ("Pending", "Creating")


def test_a_snapshot_that_failed_makes_the_version_failed(state):
    said = state(settled=True, failed=True)
    assert (said["State"], said["LastUpdateStatus"]) == ("Failed", "Failed")
    assert said["StateReason"] == "An error occurred during function initialization."

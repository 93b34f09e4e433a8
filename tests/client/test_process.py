"""The emulator as a child process: its log on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.emulator.own_log import KEPT_BYTES, LOG_BYTES

pytestmark = pytest.mark.process


def test_an_emulator_that_says_much_leaves_little_on_disk(own_lab, wait_until):
    log = Path(f"/proc/{own_lab.status()['pid']}/fd/2")
    if not log.exists():
        pytest.skip("only /proc shows another process's files")
    with log.open("ab", buffering=0) as file:
        file.write(b"x" * 3 * LOG_BYTES + b"last words")
    wait_until(lambda: log.stat().st_size == KEPT_BYTES)
    assert own_lab._process.last_words().endswith("xlast words")

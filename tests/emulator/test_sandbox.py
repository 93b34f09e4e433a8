"""The sandbox and a process that a template gives it."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from labkit.emulator import sandbox as module
from labkit.emulator.sandbox import Sandbox


class FakeTemplate:
    """Keeps the answer to its last order for the test."""

    def fork(self, variables, descriptors, answer):
        self.variables, self.answer = variables, answer


@pytest.fixture
def restoring(tmp_path):
    """Runs a story of a sandbox that waits for its process; returns what it told: "plain", or the exit status."""
    package = tmp_path / "package"
    package.mkdir()

    def run(story):
        async def told():
            said = asyncio.get_running_loop().create_future()
            sandbox, template = (
                Sandbox(tmp_path / "e", package, on_output=print, on_exit=said.set_result),
                FakeTemplate(),
            )
            sandbox.restore(template, {"A": "b"}, otherwise=lambda: said.set_result("plain"))
            assert template.variables == {"A": "b", "TMPDIR": str(sandbox.tmp)}
            story(sandbox, template)
            async with asyncio.timeout(15):
                return await said

        return asyncio.run(told())

    return run


def sleeper():
    """The id of a process that leads its group, and whose parent we are."""
    return os.posix_spawn("/bin/sleep", ["sleep", "60"], {}, setpgroup=0)


def test_without_an_answer_of_the_template_the_start_is_a_plain_one(restoring):
    assert restoring(lambda sandbox, template: template.answer(None)) == "plain"


def test_what_is_ended_before_it_is_forked_is_not_started_plainly(restoring):
    def story(sandbox, template):
        sandbox.kill()
        template.answer(None)

    assert restoring(story) == -signal.SIGKILL


@pytest.mark.process
def test_what_is_ended_before_it_is_forked_ends_as_soon_as_it_is(restoring):
    def story(sandbox, template):
        sandbox.kill()
        template.answer(sleeper())

    assert restoring(story) == -signal.SIGKILL


@pytest.mark.process
def test_the_exit_status_of_a_forked_process_is_its_own(restoring):
    def story(sandbox, template):
        pid = sleeper()
        template.answer(pid)
        assert sandbox.pids == [pid]
        os.kill(pid, signal.SIGTERM)

    assert restoring(story) == -signal.SIGTERM


@pytest.mark.process
def test_a_forked_process_that_is_gone_before_it_is_known_has_been_killed(restoring):
    def story(sandbox, template):
        pid = sleeper()
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        template.answer(pid)

    assert restoring(story) == -signal.SIGKILL


@pytest.mark.process
@pytest.mark.parametrize(
    ("newer", "looks"),
    [([0, 0, 0, 0], 1), ([0, 0, 1, 1], 2), ([0, 1, 2, 3], 3), ([-1, -1, -1, -1], 3)],
    ids=["nobody", "one", "always", "a system that tells it late"],
)
def test_children_are_looked_for_when_anybody_was_started_since(restoring, monkeypatch, newer, looks):
    """`newer`: than the process itself, at its start and at each of three looks at its memory."""
    found = []
    monkeypatch.setattr(module, "FAMILY_S", 0.0)
    monkeypatch.setattr(module.proc, "descendants", lambda pid: found.append(pid) or [])

    def story(sandbox, template):
        pid = sleeper()
        known = iter(newer)
        monkeypatch.setattr(module.proc, "newest", lambda: pid + next(known))
        template.answer(pid)
        for _ in range(3):
            assert sandbox.resident_bytes() > 0
        assert found == [pid] * looks
        os.kill(pid, signal.SIGTERM)

    assert restoring(story) == -signal.SIGTERM

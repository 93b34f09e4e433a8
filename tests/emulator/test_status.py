"""What the emulator says of its environments while they work."""

from __future__ import annotations

from urllib.parse import quote

import pytest

pytestmark = pytest.mark.process


def test_a_functions_environments_are_told_with_phase_and_cpu_time(lab):
    source = "def handler(event, context):\n    return sum(range(event))"
    outcome = lab.deploy("adder", source).invoke(10)
    lab.deploy("other", source).invoke(10)
    told = lab._page("functions/adder/environments")
    assert list(told) == [outcome.trace.environment_id]
    assert told[outcome.trace.environment_id]["phase"] == "idle"
    assert told[outcome.trace.environment_id]["cpu_s"] > 0


def test_cpu_time_is_what_the_handler_used(lab):
    source = (
        "import time\ndef handler(event, context):\n    began = time.process_time()\n"
        "    while time.process_time() - began < event: pass"
    )
    burner = lab.deploy("burner", source)
    first = burner.invoke(0.0)
    [before] = lab._page("functions/burner/environments").values()
    second = burner.invoke(0.05)
    [after] = lab._page("functions/burner/environments").values()
    assert first.ok
    assert second.ok
    assert after["cpu_s"] - before["cpu_s"] >= 0.049


def test_of_a_function_without_environments_there_are_none(lab):
    assert lab._page("functions/nobody/environments") == {}


def test_who_watches_is_told_of_the_runs_since_the_answer_before(lab):
    lab.deploy("adder", "def handler(event, context): return event + 1")
    lab.invoke("adder", 1)
    before = lab._page("life")
    assert before["times_s"] == {}
    assert [phase for name, phase in before["environments"].values() if name == "adder"] == ["idle"]
    lab.invoke("adder", 1)
    now = lab._page(f"life?since={before['runs']}")
    assert now["runs"] == before["runs"] + 1
    assert [len(times) for times in now["times_s"].values()] == [1]


@pytest.mark.parametrize("since", ["x", "-1", "9" * 5000, "²"])
def test_a_since_that_is_no_earlier_answers_is_none(lab, since):
    assert lab._page(f"life?since={quote(since)}")["times_s"] == {}

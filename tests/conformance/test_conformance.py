"""The table: every row of what real Lambda does, on running emulators of its own."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from labkit.conformance.behaviour import Behaviour, Pattern, Verdict
from labkit.conformance.report import BEHAVIOURS, Report, run

# the rows share one run, and therefore one worker
pytestmark = [pytest.mark.process, pytest.mark.xdist_group("conformance")]

NOT_ENFORCED = {
    "1. Invoke on the wire: throttled by requests per second: ten for each environment",
    "1. Invoke on the wire: throttled by a caller's rate, or by snapshots being made",
    "3. Life of an execution environment: 742 processes",
    "3. Life of an execution environment: /tmp has 512 MB",
    "5. Billing: 1,769 MB are one vCPU, so 128 MB are 0.07",
    "6. Concurrency: growth: 1,000 environments every 10 s per function",
}


@pytest.fixture(scope="session")
def conformance() -> Report:
    return run()


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.title)
def test_the_emulator_does_what_lambda_does(conformance: Report, behaviour: Behaviour):
    row = next(row for row in conformance.rows if row.behaviour is behaviour)
    expected = Verdict.NOT_ENFORCED if behaviour.title in NOT_ENFORCED else Verdict.CONFORMS
    assert row.verdict is expected, f"expected {behaviour.expected!r}, found {row.error or repr(row.found)}"


def test_only_what_this_machine_cannot_do_or_show_has_an_excuse():
    assert {behaviour.title for behaviour in BEHAVIOURS if behaviour.excuse} == NOT_ENFORCED


def test_every_row_has_a_name_of_its_own():
    assert [title for title, count in Counter(b.title for b in BEHAVIOURS).items() if count > 1] == []


def test_all_eight_sections_have_rows():
    assert {behaviour.section[0] for behaviour in BEHAVIOURS} == set("12345678")


def patterns(value: object) -> list[Pattern]:
    if isinstance(value, dict):
        return [found for each in value.values() for found in patterns(each)]
    if isinstance(value, list | tuple):
        return [found for each in value for found in patterns(each)]
    return [value] if isinstance(value, Pattern) else []


@pytest.mark.parametrize("behaviour", [b for b in BEHAVIOURS if patterns(b.expected)], ids=lambda b: b.title)
def test_no_pattern_takes_everything(behaviour: Behaviour):
    for pattern in patterns(behaviour.expected):
        assert not re.fullmatch(pattern, "", re.DOTALL)
        assert not re.fullmatch(pattern, "§ something else §", re.DOTALL) or pattern in (".+", r"\S+")

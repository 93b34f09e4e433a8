from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from labkit.conformance import limits
from labkit.conformance.behaviour import Behaviour, Place, Source, Verdict
from labkit.conformance.report import Report, check, check_one, run
from labkit.conformance.trial import Stage


class FakeTrial:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class FakeStage:
    """Hands out trials that can do nothing."""

    def __init__(self) -> None:
        self.trials: list[FakeTrial] = []

    def trial(self) -> FakeTrial:
        self.trials.append(FakeTrial())
        return self.trials[-1]


def row(claim: str, probe, **more) -> Behaviour:
    return Behaviour("1. Invoke", claim, Source.REC, 200, probe, **more)


def fails(trial) -> object:
    raise KeyError("x")


def test_a_probe_that_raises_is_a_row_that_differs_and_its_trial_is_closed():
    stage = FakeStage()
    checked = check_one(stage, row("raises", fails))
    assert (checked.verdict, checked.error, checked.found) == (Verdict.DIFFERS, "KeyError: 'x'", None)
    assert [trial.closed for trial in stage.trials] == [True]


def test_a_value_that_json_cannot_say_is_a_row_that_differs():
    assert check_one(FakeStage(), row("odd", lambda trial: {1})).error.startswith("TypeError")


def test_a_probe_that_does_not_come_back_holds_nobody_up():
    release = threading.Event()
    try:
        checked = check_one(FakeStage(), row("hangs", lambda trial: release.wait()), limit_s=0.05)
    finally:
        release.set()
    assert (checked.verdict, checked.error) == (Verdict.DIFFERS, "no answer within 0.05 s")


def test_one_failing_row_leaves_the_others():
    rows = check(FakeStage(), [row("raises", fails), row("answers", lambda trial: 200)])
    assert {checked.behaviour.claim: checked.verdict for checked in rows} == {
        "raises": Verdict.DIFFERS,
        "answers": Verdict.CONFORMS,
    }


def test_rows_that_must_be_alone_run_after_all_others_have_ended():
    order: list[str] = []

    def probe(name: str):
        return lambda trial: order.append(name)

    alone = row("alone", probe("alone"), place=Place.ALONE)
    check(FakeStage(), [alone, row("a", probe("a")), row("b", probe("b"))])
    assert (order[-1], sorted(order)) == ("alone", ["a", "alone", "b"])


def test_a_report_that_differs_in_one_row_does_not_conform():
    good = check_one(FakeStage(), row("answers", lambda trial: 200))
    bad = check_one(FakeStage(), row("raises", fails))
    assert Report((good,), at=None).conforms
    assert not Report((good, bad), at=None).conforms


@pytest.mark.process
def test_a_wrong_expectation_is_found_out(lab):
    right = next(b for b in limits.BEHAVIOURS if b.claim == "timeout 3 s by default")
    stage = Stage(lab)
    rows = check(stage, [right, replace(right, claim="timeout 4 s by default", expected=4)])
    stage.close()
    assert {checked.found for checked in rows} == {3}
    assert {checked.behaviour.expected: checked.verdict for checked in rows} == {
        3: Verdict.CONFORMS,
        4: Verdict.DIFFERS,
    }


@pytest.mark.process
def test_a_run_starts_the_emulators_that_its_rows_need_and_keeps_the_rows_order():
    def size(trial) -> object:
        return trial.lab.status()["concurrency_limit"]

    small = replace(row("small", size, place=Place.SMALL), expected=1)
    usual = replace(row("usual", size), expected=1000)
    report = run([small, usual])
    assert [checked.behaviour.claim for checked in report.rows] == ["small", "usual"]
    assert report.conforms

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from labkit.lesson.display import (
    deployed,
    failure_lines,
    headline,
    measured,
    predicted,
    progress,
    proved,
    show,
    show_proofs,
    summary,
)
from labkit.lesson.report import Failure, Progress, Report

FUNCTION = {
    "kind": "function",
    "name": "predict",
    "handler": "app.handler",
    "memory_mb": 512,
    "timeout_s": 3,
    "size_bytes": 2_500_000,
    "requirements": ["numpy==2.4.6"],
    "change": "created",
}
OUTCOME = {"kind": "outcome", "function": "predict", "status": "success", "payload": {"y": 3}, "error": None}
COLD = {"n": 5, "median_s": 0.8, "low_s": 0.7, "high_s": 0.9}
WARM = {"n": 20, "median_s": 0.002, "low_s": 0.001, "high_s": 0.003}
OUTCOMES = {"kind": "outcomes", "series": [{"label": "predict", "cold": COLD, "warm": WARM}]}
LESSON = Path("01-first.ipynb")
ROW = {"exercise": "q", "answer": "9", "expected": "9", "found": "9", "message": "Too large.", "holds": True}
CHECKED = {
    "kind": "checks",
    "rows": [{"exercise": "q", "result": "passed"}, {"exercise": "r", "result": "not done yet"}],
}


def texts(table) -> list[tuple[str, ...]]:
    return list(zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True))


def screen(*, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=80, _environ={})


def said(console: Console) -> str:
    return console.file.getvalue()


def test_a_function_shows_its_memory_its_package_and_its_requirements():
    assert texts(deployed([FUNCTION])) == [("predict", "512 MB", "2.5 MB", "numpy==2.4.6")]


def test_a_function_that_was_deployed_twice_shows_as_it_was_last():
    assert texts(deployed([FUNCTION, {**FUNCTION, "memory_mb": 1024}]))[0][1] == "1,024 MB"


def test_many_requirements_are_counted():
    fact = {**FUNCTION, "requirements": ["a", "b", "c", "d", "e", "f"]}
    assert texts(deployed([fact]))[0][3] == "a, b, c, d and 2 more"


def test_a_call_shows_its_status_and_its_payload_as_json():
    assert texts(predicted([OUTCOME])) == [("predict", "success", '{"y": 3}')]


def test_a_failed_call_shows_its_error_instead_of_a_payload():
    fact = {**OUTCOME, "status": "error", "error": {"type": "KeyError", "message": "'x'"}}
    assert texts(predicted([fact])) == [("predict", "error", "KeyError: 'x'")]


def test_a_long_payload_is_cut():
    assert len(texts(predicted([{**OUTCOME, "payload": "x" * 2000}]))[0][2]) < 100


def test_a_series_shows_medians_and_intervals_in_milliseconds_and_their_ratio():
    assert texts(measured([OUTCOMES])) == [("predict", "800 (700 to 900)", "2.00 (1.00 to 3.00)", "400")]


def test_a_series_without_warm_calls_has_no_ratio():
    fact = {"kind": "outcomes", "series": [{"label": "predict", "cold": COLD, "warm": None}]}
    assert texts(measured([fact]))[0][2:] == ("–", "–")


def objects(values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    keys = st.sampled_from(
        sorted({*FUNCTION, *OUTCOME, *OUTCOMES, *COLD, *ROW, "rows", "label", "cold", "warm", "type", "message"})
    )
    kinds = st.fixed_dictionaries(
        {"kind": st.sampled_from(["function", "outcome", "outcomes", "checks", "proof", "other"])}
    )
    return st.builds(lambda fact, kind: {**fact, **kind}, st.dictionaries(keys, values, max_size=6), kinds)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | objects(inner)
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a loaded machine
@given(st.lists(objects(json_values), max_size=4))
def test_no_fact_that_a_notebook_may_hold_breaks_the_summary(facts):
    show([Report(LESSON, 1.0, 3, facts=tuple(facts), budget_s=2.0)], console := screen())
    show_proofs([Report(LESSON, 1.0, 3, facts=tuple(facts))], console)
    assert "3 cells in 1.0 s" in said(console)


def test_a_failed_lesson_says_so_first():
    assert headline(Report(LESSON, 2.0, 1, error=Failure("E", "v"))) == "01-first: FAILED after 1 cell in 2.0 s"


def test_a_failed_cell_is_counted_from_one_and_its_error_is_not_said_twice():
    error = Failure("ValueError", "no", index=0, line="f()", lines=("Traceback", "ValueError: no"))
    assert failure_lines(error) == ["Cell 1 of the notebook: f()", "Traceback", "ValueError: no"]


def test_a_failure_of_no_cell_says_its_reason():
    assert failure_lines(Failure("NotebookMissing", "There is no file x.")) == ["NotebookMissing: There is no file x."]


def test_brackets_in_a_students_line_are_no_markup():
    error = Failure("NameError", "m", index=0, line="a[/b][red]")
    show([Report(LESSON, 1.0, 0, error=error)], console := screen())
    assert "a[/b][red]" in said(console)


def test_tables_without_rows_are_left_out():
    show([Report(LESSON, 1.0, 3)], console := screen())
    assert "Deployed" not in said(console)


def test_progress_outside_a_terminal_is_plain_lines():
    with progress(console := screen()) as tell:
        tell(Progress(LESSON, 0, 2, "%%function predict [b]"))
        tell(Progress(LESSON, 2, 2))
    assert said(console) == "01-first: cell 1 of 2: %%function predict [b]\n01-first: 2 cells done\n"


@pytest.mark.parametrize("line", ["%%function predict [b]", "x" * 500])
def test_progress_on_a_terminal_counts_cells_in_one_bar(line):
    with progress(console := screen(terminal=True)) as tell:
        tell(Progress(LESSON, 0, 2, line))
        tell(Progress(LESSON, 1, 2, line))
    shown = said(console).split("1/2")
    assert len(shown) > 1
    assert "01-first" in shown[-2]
    assert line[:10] in shown[-1]


def test_the_summary_sets_time_against_budget_and_counts_checks_and_cold_starts():
    report = Report(LESSON, 4.0, 3, facts=(CHECKED, OUTCOMES), budget_s=5.0)
    assert texts(summary([report])) == [("01-first", "student", "4.0 s", "5 s", "1 of 2 passed, 1 not done yet", "5")]


def test_a_lesson_over_its_budget_says_so():
    assert texts(summary([Report(LESSON, 6.0, 3, budget_s=5.0, solved=True)]))[0][1:4] == (
        "solution",
        "6.0 s",
        "5 s, over",
    )


def test_a_proof_has_a_line_for_each_answer_and_names_what_was_judged_wrongly():
    wrong = {**ROW, "answer": "%%function f\ndef handler(event, context): pass\n", "found": "passed", "holds": False}
    lines = proved(Report(LESSON, 1.0, 3, facts=({"kind": "proof", "rows": [ROW, wrong]},)))
    assert lines[1].split() == ["q", "9", "9", "Too", "large."]
    assert "def handler(event, context): …" in lines[2]
    assert "passed, NOT 9" in lines[2]


def test_a_report_with_a_wrong_judgement_is_not_well():
    bad = Report(LESSON, 1.0, 3, facts=({"kind": "proof", "rows": [{**ROW, "holds": False}]},))
    assert not bad.ok
    assert headline(bad).startswith("01-first: NOT PROVED")

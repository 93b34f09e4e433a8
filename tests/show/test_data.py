"""Facts as JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.model import Outcome, Status
from labkit.show import data
from labkit.simulate import Limits, simulate


def test_a_functions_facts_never_hold_its_variables(function):
    facts = data.function(function(variables={"TOKEN": "s3cret"}, requirements=("numpy==2.4.6",)))
    assert facts == {
        "kind": "function",
        "name": "predict",
        "handler": "predict.handler",
        "memory_mb": 256,
        "timeout_s": 3,
        "size_bytes": 1234,
        "requirements": ["numpy==2.4.6"],
        "change": "created",
    }


def test_an_outcomes_facts_hold_payload_and_times(outcome, cold):
    facts = data.outcome(outcome({"label": 1}, trace=cold()))
    assert facts == {
        "kind": "outcome",
        "function": "predict",
        "status": "success",
        "payload": {"label": 1},
        "error": None,
        "cold": True,
        "duration_s": 0.008,
        "init_s": pytest.approx(0.09),
        "billed_ms": 98,
    }


def test_a_throttled_outcome_has_no_times_and_says_so_with_null():
    facts = data.outcome(Outcome("f", Status.THROTTLED))
    assert [facts[key] for key in ("cold", "duration_s", "init_s", "billed_ms")] == [None] * 4


def test_an_error_is_its_type_and_message(failed):
    assert data.outcome(failed("KeyError", "'x'"))["error"] == {"type": "KeyError", "message": "'x'"}


def test_a_payload_that_is_no_json_becomes_its_repr(outcome):
    assert data.outcome(outcome({1, 2}))["payload"] == "{1, 2}"


def test_not_a_number_becomes_text_because_browsers_cannot_read_it_as_json(outcome):
    assert data.outcome(outcome([float("nan")]))["payload"] == "[nan]"


def test_a_long_payload_is_cut_at_two_thousand_characters(outcome):
    payload = data.outcome(outcome(list(range(5000))))["payload"]
    assert isinstance(payload, str)
    assert (len(payload), payload[:12]) == (2000, "[0, 1, 2, 3,")


def test_a_comparison_holds_intervals_phases_and_imports(series):
    (facts,) = data.outcomes(series(imports=(("numpy", 0.03),)))["series"]
    same = pytest.approx(0.1)
    assert facts["label"] == "model"
    assert facts["cold"] == {"n": 7, "median_s": same, "low_s": same, "high_s": same}
    assert facts["phases"] == {
        "process_start_s": 0.010,
        "runtime_start_s": 0.020,
        "imports_s": 0.040,
        "module_init_s": 0.020,
    }
    assert facts["imports"] == [["numpy", 0.03]]


def test_a_series_without_warm_calls_has_null_for_them(series):
    (facts,) = data.outcomes(series(n_warm=0))["series"]
    assert facts["warm"] is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_payload_gives_facts_that_a_notebook_file_can_hold(payload):
    facts = data.outcome(Outcome("f", Status.SUCCESS, payload))
    text = json.dumps(facts, allow_nan=False, ensure_ascii=False)
    assert json.loads(text.encode("utf-8")) == facts


def test_a_simulation_is_its_numbers(simulation):
    facts = data.simulation(simulation)
    assert (facts["requests"], facts["served"], facts["throttled"], facts["cold"]) == (20, 14, 6, 4)
    assert (facts["median_s"], facts["peak_in_system"]) == (0.5, 4)
    assert facts["usd"] == simulation.bill().usd


def test_a_simulation_in_which_nothing_was_served_has_no_times():
    facts = data.simulation(simulate([0.0], service=1.0, limits=Limits(reserved=0)))
    assert (facts["median_s"], facts["p99_s"]) == (None, None)
    json.dumps(facts, allow_nan=False)

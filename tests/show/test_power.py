"""What is said of memory sizes, in each medium."""

from __future__ import annotations

from labkit.power import Calibrated, PowerTuning
from labkit.show import data, html, plots, text
from labkit.show import power as cards

NONE = PowerTuning("predict", (Calibrated(128, (), "Runtime.OutOfMemory"),), 3)


def test_each_size_has_a_row_and_the_best_is_marked(tuning):
    assert [(row[0], row[2], row[-1]) for row in cards.table(tuning).rows] == [
        ("128", "-", "failed: Runtime.OutOfMemory"),
        ("1,024", "273", ""),
        ("1,769", "200", "best"),
    ]


def test_every_medium_says_that_it_is_a_model_and_of_what(tuning):
    said = "Modelled from 100 ms of CPU time per call of 200 ms measured here; not AWS's speed."
    assert said in " ".join(text.power(tuning).split())
    assert said.replace("'", "&#x27;") in html.power(tuning)
    assert "Modelled" in plots.alt_power(tuning)


def test_the_choice_names_its_strategy(tuning):
    assert cards.sentences(tuning)[0] == "1,769 MB is the fastest (strategy: speed)."


def test_where_no_size_works_that_is_said_and_nothing_is_modelled():
    assert cards.sentences(NONE) == (cards.NOTHING_WORKS,)
    assert data.power(NONE)["result"] == {}
    assert cards.NOTHING_WORKS in text.power(NONE)


def test_the_facts_hold_the_tools_record(tuning):
    facts = data.power(tuning)
    assert facts["result"]["power"] == 1769
    assert [row["failed"] for row in facts["rows"]] == ["Runtime.OutOfMemory", "", ""]
    assert facts["rows"][0]["usd"] is None


def test_the_figure_draws_duration_and_cost_over_memory_and_crosses_out_what_failed(tuning):
    figure = plots.power(tuning)
    left, right = figure.axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("memory (MB)", "modelled duration (ms)")
    assert right.get_ylabel() == "modelled cost (USD per million calls)"
    assert list(left.lines[0].get_xdata()) == [1024, 1769]
    assert [line.get_label() for line in left.lines[1:]] == ["best for speed", "128 MB failed"]
    assert figure.get_label() == plots.alt_power(tuning)


def test_the_alternative_text_names_sizes_and_failures(tuning):
    assert plots.alt_power(tuning) == (
        "Modelled duration, and cost of a million calls, by memory: 1024 MB 273 ms, 4.55 USD; 1769 MB 200 ms, 5.76 USD."
        " 1769 MB is best for speed. Failed: 128 MB."
    )

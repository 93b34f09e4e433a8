from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from labkit.lesson.report import Report, figures_without_alt, texts


def notebook(*outputs, tags=()):
    cell = nbformat.v4.new_code_cell("x", metadata={"tags": list(tags)}, outputs=list(outputs))
    return nbformat.v4.new_notebook(cells=[cell])


def shown(metadata=None, **data):
    data = {kind.replace("_", "/"): value for kind, value in data.items()}
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata or {})


def test_the_measured_part_of_a_calls_head_is_left_out():
    text = "success · double · 0.21 ms · cold, 96 ms init\n42"
    assert texts(notebook(shown(text_plain=text))) == ("success · double\n42",)


def test_what_a_cell_prints_is_one_text_however_the_kernel_cut_it():
    def printed(text):
        return nbformat.v4.new_output("stream", name="stdout", text=text)

    assert texts(notebook(printed("a\nb"), printed("c\n"))) == texts(notebook(printed("a\nbc\n"))) == ("a\nbc\n",)


def test_a_cell_tagged_timing_is_left_out():
    assert texts(notebook(shown(text_plain="3.1 ms"), tags=["timing"])) == ()


@pytest.mark.parametrize(
    ("output", "silent"),
    [
        (shown(image_png="AAAA"), 1),
        (shown({"image/png": {"alt": "A line through points."}}, image_png="AAAA"), 0),
        (shown(text_html='<img src="a">'), 1),
        (shown(text_html='<img src="a" alt="A line through points.">', image_png="A"), 0),
        (shown(text_plain="no picture"), 0),
    ],
)
def test_a_picture_without_alt_text_is_counted(output, silent):
    assert figures_without_alt(notebook(output)) == silent


def test_the_last_check_of_an_exercise_counts():
    facts = [{"kind": "checks", "rows": [{"exercise": "q", "result": r}]} for r in ("rejected", "passed")]
    assert Report(Path("x"), 1.0, 1, facts=tuple(facts)).checked == "1 of 1 passed"


def test_cold_starts_are_those_of_calls_and_of_series():
    series = {"kind": "outcomes", "series": [{"cold": {"n": 3}}, {"cold": None}]}
    calls = [{"kind": "outcome", "cold": cold} for cold in (True, False, None)]
    assert Report(Path("x"), 1.0, 1, facts=(series, *calls)).cold_starts == 4

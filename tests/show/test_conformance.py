"""What is said of a check against real Lambda."""

from __future__ import annotations

from labkit.conformance.report import BEHAVIOURS
from labkit.show import conformance, text
from labkit.show.conformance import SOURCES


def test_a_behaviour_that_differs_says_what_was_expected_and_found(checked):
    assert text.conformance_report(checked(2)) == (
        "1 behaviour of Lambda checked: 1 differs\n\n"
        "1. Counting (1 differs)\n"
        "  differs       it counts (doc)\n"
        "                expected 1; found 2\n\n"
        "Sources: doc: AWS's documentation."
    )


def test_a_probe_that_failed_says_why(checked):
    assert "found ValueError: no" in text.conformance_report(checked(1, error="ValueError: no"))


def test_what_this_machine_does_not_enforce_says_why(checked):
    assert "  not enforced  it counts (doc)\n                no cgroups here" in text.conformance_report(
        checked(2, excuse="no cgroups here")
    )


def test_only_what_differs_stands_out(checked):
    assert [conformance.sections(checked(found))[0].table.marked for found in (1, 2)] == [frozenset(), {0}]


def test_every_source_that_a_behaviour_names_is_explained():
    assert {str(b.source) for b in BEHAVIOURS} <= set(SOURCES)

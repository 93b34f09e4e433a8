"""Bills, aliases and sample events as tables."""

from __future__ import annotations

import pytest

from labkit.billing import US_EAST_1, Cost, FunctionCost
from labkit.client.alias import Alias
from labkit.show import bills, html, text

F = FunctionCost("f", 128, 3, 1, 0.2, 0.025, 4e-7, 6e-7)
G = FunctionCost("<g>", 1024, 1, 1, 0.5, 0.5, 8e-6, 2e-7)


def test_a_bill_has_a_row_for_each_function_and_their_sum():
    table = bills.cost_table(Cost((F, G), US_EAST_1))
    assert [row[0] for row in table.rows] == ["f", "<g>", "all"]
    assert table.rows[0] == ("f", "128", "3", "1", "0.025", "0.00000040", "0.00000060", "0.0000010")
    assert table.rows[2][2:4] == ("4", "2")


def test_a_bill_of_one_function_needs_no_sum():
    assert len(bills.cost_table(Cost((F,), US_EAST_1)).rows) == 1


def test_a_bill_names_its_prices_and_what_it_leaves_out():
    said = " ".join(text.cost(Cost((F,), US_EAST_1, "arm64")).split())
    for part in (
        "AWS's prices of 2025-08-01, us-east-1, arm64",
        "0.0000133334 per GB-s",
        "The free tier",
        "not on AWS",
    ):
        assert part in said
    assert "Projected" not in said


def test_a_projection_says_that_it_is_one():
    shown = text.cost(Cost((F,), US_EAST_1).for_requests(1e6))
    assert shown.startswith("What 1,000,000 requests each would cost on AWS")
    assert "Projected from the calls of this lab" in shown


def test_no_call_costs_nothing():
    assert text.cost(Cost((), US_EAST_1)) == bills.NOTHING_RUN
    assert bills.NOTHING_RUN in html.cost(Cost((), US_EAST_1)).replace("&#x27;", "'")


def test_names_are_escaped_in_html_and_numbers_line_up():
    shown = html.cost(Cost((F, G), US_EAST_1))
    assert "&lt;g&gt;" in shown
    assert shown.count("<caption") == 1
    assert "text-align:right" in shown


def test_aliases_say_where_calls_go():
    aliases = [Alias("f", "live", "1", (("2", 0.1),), "a canary")]
    shown = text.aliases("f", ["$LATEST", "1", "2"], aliases)
    assert shown.splitlines()[0] == "f: versions $LATEST, 1, 2"
    assert "90% to version 1, 10% to version 2" in shown
    assert "<table" in html.aliases("f", ["$LATEST"], aliases)


@pytest.mark.parametrize("show", [text.aliases, html.aliases])
def test_a_function_without_aliases_has_its_versions_said(show):
    assert "f: versions $LATEST; no alias" in show("f", ["$LATEST"], [])


def test_sample_events_are_a_table_of_names_and_options():
    assert "sqs    --queue" in text.events([("sqs", "--queue -n")])
    assert "<td" in html.events([("sqs", "--queue -n")])

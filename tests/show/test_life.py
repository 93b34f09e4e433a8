"""Pictures of environments' lives, as text and as HTML."""

from __future__ import annotations

import re

from labkit.life import Life, Look
from labkit.loadtest import Tally
from labkit.show import html, life, text


def watched(environments=None, **more):
    seen = Life(columns=12)
    seen.look(Look(0.0, environments if environments is not None else {"aaaaaaaaaaaa": ("predict", "init")}))
    seen.look(Look(1.5, {"aaaaaaaaaaaa": ("predict", "invoke")} if environments is None else environments, **more))
    seen.look(Look(3.0, {"aaaaaaaaaaaa": ("predict", "idle")} if environments is None else environments))
    return seen.picture(over=True)


def test_the_text_says_it_all():
    shown = life.text(watched(throttled={"predict": 0}, times_s={"predict": [0.1, 0.2, 0.3]}))
    assert shown.splitlines() == [
        "The life of the lab's environments, watched for 3.0 s",
        "  function  calls  throttled  initialising  busy  frozen  gone    50 %  99 %",
        "  --------------------------------------------------------------------------",
        "  predict       3          0             0     0       1     0  200 ms",
        "",
        "  predict  aaaaaaaa |iiiiii######|",
        "  i initialising   # busy   - frozen (waiting, not running)   blank: not there",
        "  from 0 s to 3.0 s",
        life.LOOKED,
    ]


def test_an_empty_lab_is_said_to_be_empty():
    assert life.NOTHING in life.text(watched({}))
    assert "Nothing was called yet" in life.html(watched({}))


def test_a_bar_says_in_words_what_it_shows():
    shown = life.html(watched())
    assert 'aria-label="initialising 50 %, busy 50 %"' in shown
    assert not re.search(r"<script|<style|onclick", shown)


def test_a_function_name_is_no_html():
    shown = life.html(watched({"e": ("<b>", "idle")}))
    assert "<b>" not in shown
    assert "&lt;b&gt;" in shown


def test_many_environments_are_counted_after_the_first():
    shown = watched({f"env{k:09}": ("f", "idle") for k in range(40)})
    assert "and 24 environments more" in life.text(shown)
    assert "and 24 environments more" in life.html(shown)


def test_a_load_test_under_way_shows_the_lanes_of_its_environments():
    tally = Tally("f", "constant", [0.0], 10.0)
    tally.look(0.0, {"e1": "init"})
    tally.look(1.0, {"e1": "invoke"})
    live = tally.live(1.0, 1)
    assert re.search(r"f  e1       \|i+\|", text.live(live))
    assert "initialising 100 %" in html.live(live)

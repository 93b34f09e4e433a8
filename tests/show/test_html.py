"""HTML that is well formed, escaped, free of scripts, and says what the text says."""

from __future__ import annotations

import base64
import re
import struct
from html import escape
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.model import FunctionError, Outcome, Outcomes, Status
from labkit.show import cards, html, text

VOID = {"img"}
ALLOWED = {"caption", "div", "figcaption", "figure", "img", "li", "p", "pre", "span", "table"}
ALLOWED |= {"tbody", "td", "th", "thead", "tr", "ul"}
NASTY = '<script>alert("x")</script><img src=x onerror=alert(1)> & "\'</pre></td></table>'


class Page(HTMLParser):
    """Reads a fragment and refuses what browsers would have to repair."""

    def __init__(self, fragment: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(fragment)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def fragments(function, outcome, failed, series) -> dict[str, str]:
    nasty = function(name=NASTY, variables={NASTY: NASTY}, missing=(NASTY,), requirements=(NASTY,))
    return {
        "function": html.function(nasty),
        "functions": html.functions([nasty]),
        "outcome": html.outcome(outcome({NASTY: NASTY}, log_tail=NASTY)),
        "failure": html.outcome(failed(NASTY, NASTY, (NASTY,), log_tail=NASTY)),
        "outcomes": html.outcomes(series(NASTY, imports=((NASTY, 0.01),))),
        "logs": html.logs([(NASTY, [NASTY])]),
        "lab": html.lab({"endpoint": NASTY, "region": NASTY, "limits": [NASTY], "environments": [{"id": NASTY}]}),
        "figure": html.figure(PNG, NASTY, NASTY),
    }


PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", 1600, 800) + b"\x08\x06\0\0\0crc."
SHARP_PNG = PNG + struct.pack(">I", 9) + b"pHYs" + struct.pack(">IIB", 6299, 6299, 1)
KINDS = ["function", "functions", "outcome", "failure", "outcomes", "logs", "lab", "figure"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_full_of_markup_stays_text(fragments, kind):
    page = Page(fragments[kind])
    assert set(page.tags) <= ALLOWED
    assert page.attributes <= {"style", "scope", "src", "alt"}


@pytest.mark.parametrize("kind", KINDS[:-2])
def test_the_markup_of_a_record_is_still_readable_as_text(fragments, kind):
    assert '<script>alert("x")</script>' in Page(fragments[kind]).words.replace('\\"', '"')


@pytest.mark.parametrize("kind", ["function", "functions", "outcome", "failure", "outcomes", "logs", "lab"])
def test_every_table_has_a_caption(fragments, kind):
    tags = Page(fragments[kind]).tags
    assert tags.count("table") == tags.count("caption") > 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_fixed_colour_fights_the_theme(fragments, kind):
    styles = " ".join(re.findall(r'style="([^"]*)"', fragments[kind]))
    assert not re.search(r"#[0-9a-f]{3}|rgb\(|:(?:white|black|red|green)", styles)
    assert "url(" not in styles


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.characters(codec=None)) | st.text("<>&\"'/script!-=[] ", max_size=40))
def test_no_payload_message_or_log_ever_becomes_a_tag(words):
    error = FunctionError(words, words, (words,), words)
    for o in (
        Outcome(words, Status.SUCCESS, words, log_tail=words),
        Outcome(words, Status.ERROR, {words: [words]}, error, words),
        Outcome(words, Status.THROTTLED, words, error),
    ):
        fragment = html.outcome(o)
        fragment.encode("utf-8")
        assert set(Page(fragment).tags) <= {"table", "caption", "tbody", "tr", "th", "td", "pre", "span"}


def test_the_html_of_an_outcome_says_the_words_of_its_text(failed):
    stack = ('  File "/var/task/predict.py", line 4, in handler\n    return 1/0\n',)
    o = failed("ZeroDivisionError", "division by zero", stack, log_tail="about to divide\n")
    words = Page(html.outcome(o)).words
    shown = text.outcome(o).replace("log:\n", "")
    assert all(line.strip() in words for line in shown.split("\n"))


def test_the_html_of_a_comparison_has_every_number_of_its_text(series):
    o = series("a") + series("b", 2.5)
    words = Page(html.outcomes(o)).words
    assert all(number in words for number in re.findall(r"\d[\d,.]*", text.outcomes(o)))


def test_values_of_variables_are_never_shown(function):
    assert "s3cret" not in html.function(function(variables={"TOKEN": "s3cret"}))


def test_the_status_is_a_word(failed):
    assert "timeout · predict" in html.outcome(failed("Sandbox.Timedout", "m", status=Status.TIMEOUT))


def test_an_option_in_a_sentence_is_not_torn_at_a_lines_end(failed):
    o = failed("Sandbox.Timedout", "Task timed out after 3.00 seconds", status=Status.TIMEOUT)
    assert '<span style="white-space:nowrap">--timeout 6</span>' in html.outcome(o)


def test_the_lines_of_a_traceback_begin_where_the_error_begins(failed):
    frame = '  File "/var/task/f.py", line 4, in handler\n    return 1 / 0\n'
    shown = html.outcome(failed("ZeroDivisionError", "division by zero", (frame,)))
    assert "\nFile &quot;/var/task/f.py&quot;, line 4, in handler\n  return 1 / 0</pre>" in shown


def test_headings_say_whether_they_head_a_row_or_a_column(function):
    assert 'scope="row"' in html.function(function())
    assert 'scope="col"' in html.functions([function()])


def test_a_log_that_begins_with_an_empty_line_keeps_it(outcome):
    assert ">\n\nfirst</pre>" in html.outcome(outcome(1, log_tail="\nfirst\n"))


def test_empty_lists_and_logs_say_so_without_a_table():
    assert "table" not in html.functions([]) + html.logs([])


def test_nothing_measured_still_makes_a_page():
    assert "table" in Page(html.outcomes(Outcomes("empty", ()))).tags


def test_a_figure_carries_its_picture_and_its_alternative_text():
    fragment = html.figure(PNG, 'a "bar" of 30 ms', "Where?")
    assert base64.b64encode(PNG).decode() in fragment
    assert 'alt="a &quot;bar&quot; of 30 ms"' in fragment
    assert Page(fragment).words == "Where?"


def test_a_picture_of_160_dots_per_inch_is_shown_at_its_size_in_inches():
    assert "width:1600px" in html.figure(PNG, "", "")
    assert "width:960px" in html.figure(SHARP_PNG, "", "")


def test_bytes_that_are_no_picture_are_refused():
    with pytest.raises(ValueError, match="not a PNG"):
        html.figure(b"GIF89a", "", "")


def test_a_simulation_is_the_rows_of_its_text(simulation):
    shown = html.simulation(simulation)
    assert "predict: given times, for 14.5 s" in shown
    for label, value in cards.simulation_rows(simulation):
        assert label in shown
        assert escape(value) in shown


def test_an_address_is_a_link():
    assert '<a href="http://127.0.0.1:80/lambda-url/a/" target="_blank"' in html.address(
        "http://127.0.0.1:80/lambda-url/a/", ""
    )


def test_on_a_hub_the_link_is_the_browsers_and_the_programs_address_stands_beside_it():
    shown = html.address("http://127.0.0.1:80/lambda-url/a/", "/user/ada/proxy/80/lambda-url/a/")
    assert re.findall('href="([^"]*)"', shown) == ["/user/ada/proxy/80/lambda-url/a/"]
    assert "http://127.0.0.1:80/lambda-url/a/" in shown

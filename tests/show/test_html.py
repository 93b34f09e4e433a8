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
ALLOWED |= {"details", "summary", "tbody", "td", "th", "thead", "tr", "ul"}
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
def fragments(function, outcome, failed, series, cold, checked) -> dict[str, str]:
    nasty = function(name=NASTY, variables={NASTY: NASTY}, missing=(NASTY,), requirements=(NASTY,))
    return {
        "function": html.function(nasty),
        "functions": html.functions([nasty]),
        "outcome": html.outcome(outcome({NASTY: NASTY}, log_tail=NASTY)),
        "failure": html.outcome(failed(NASTY, NASTY, (NASTY,), log_tail=NASTY)),
        "outcomes": html.outcomes(series(NASTY, imports=((NASTY, 0.01),))),
        "logs": html.logs([(NASTY, [NASTY])]),
        "lab": html.lab({"endpoint": NASTY, "region": NASTY, "limits": [NASTY], "environments": [{"id": NASTY}]}),
        "trace": html.trace(cold(imports=((NASTY, 0.01),), function_name=NASTY)),
        "environments": html.environments([cold(function_name=NASTY, environment_id="e")]),
        "conformance": html.conformance_report(checked(NASTY, claim=NASTY)),
        "figure": html.figure(PNG, NASTY, NASTY),
    }


PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", 1600, 800) + b"\x08\x06\0\0\0crc."
SHARP_PNG = PNG + struct.pack(">I", 9) + b"pHYs" + struct.pack(">IIB", 6299, 6299, 1)
KINDS = [
    "function",
    "functions",
    "outcome",
    "failure",
    "outcomes",
    "logs",
    "trace",
    "environments",
    "conformance",
    "lab",
    "figure",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_full_of_markup_stays_text(fragments, kind):
    page = Page(fragments[kind])
    assert set(page.tags) <= ALLOWED
    assert page.attributes <= {"style", "scope", "src", "alt", "open"}


@pytest.mark.parametrize("kind", KINDS[:-2])
def test_the_markup_of_a_record_is_still_readable_as_text(fragments, kind):
    assert '<script>alert("x")</script>' in Page(fragments[kind]).words.replace('\\"', '"')


@pytest.mark.parametrize("kind", ["function", "functions", "outcome", "failure", "outcomes", "lab", "trace"])
def test_every_table_has_a_caption(fragments, kind):
    tags = Page(fragments[kind]).tags
    assert tags.count("table") == tags.count("caption") > 0


@pytest.mark.parametrize("kind", ["logs", "environments", "conformance"])
def test_what_is_folded_has_a_summary(fragments, kind):
    tags = Page(fragments[kind]).tags
    assert tags.count("details") == tags.count("summary") > 0


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
        assert set(Page(fragment).tags) <= {
            "table",
            "caption",
            "tbody",
            "tr",
            "th",
            "td",
            "pre",
            "span",
            "details",
            "summary",
        }


def test_the_html_of_an_outcome_says_the_words_of_its_text(failed):
    stack = ('  File "/var/task/predict.py", line 4, in handler\n    return 1/0\n',)
    o = failed("ZeroDivisionError", "division by zero", stack, log_tail="about to divide\n")
    words = Page(html.outcome(o)).words
    shown = text.outcome(o).replace("log:\n", "")
    assert all(
        part.strip() in words
        for line in shown.split("\n")
        for part in re.sub(r"^  (bill|init)  ", "", line).split("\n")
    )


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
    assert "\nFile &quot;/var/task/f.py&quot;, line 4, in handler\n  return 1 / 0\n         ~~^~~</pre>" in shown


def test_headings_say_whether_they_head_a_row_or_a_column(function):
    assert 'scope="row"' in html.function(function())
    assert 'scope="col"' in html.functions([function()])


def test_a_log_that_begins_with_an_empty_line_keeps_it(outcome):
    assert re.search(
        r"<pre[^>]*><span[^>]*>\n</span><span[^>]*>first\n</span></pre>", html.outcome(outcome(1, log_tail="\nfirst\n"))
    )


def test_the_rest_of_a_long_result_is_folded_and_not_lost(outcome):
    shown = html.outcome(outcome([{"row": k, "text": "x" * 20} for k in range(50)]))
    assert "32 more lines</summary>" in shown
    assert "&quot;row&quot;: 49" in shown


def test_a_fold_has_a_bound(outcome):
    shown = html.outcome(outcome([{"row": k, "text": "x" * 20} for k in range(2000)]))
    assert "982 more lines</pre></details>" in shown.replace("… ", "")


def test_earlier_lines_of_a_long_log_are_folded_and_their_errors_counted():
    shown = html.logs([("s", ["[ERROR] early", *(f"line {k}" for k in range(40))])])
    assert "11 lines: 1 ERROR before these</summary>" in shown
    assert "[ERROR] early" in shown


def test_the_stream_of_the_latest_environment_is_unfolded():
    shown = html.logs([("old", ["a"]), ("new", ["b"])])
    assert re.findall(r"<details( open)?", shown) == ["", " open"]


def test_a_level_is_a_word_beside_its_colour():
    shown = html.logs([("s", ["[WARNING]\tlate", "printed"])])
    assert re.search(r"solid var\(--jp-warn-color1[^>]*>\[WARNING\]\tlate", shown)
    assert re.search(r"solid transparent[^>]*>printed", shown)


def test_a_section_that_conforms_is_folded(checked):
    assert "<details style" in html.conformance_report(checked(1))
    assert "<details open" in html.conformance_report(checked(2))


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


def test_the_time_and_the_bill_of_a_call_are_folded_below_it(outcome, cold):
    shown = html.outcome(outcome(1, trace=cold()))
    table, fold = shown.split("</table>")
    assert re.search(r"^<details style=.*time and bill</summary>.*imports 40.0 ms.*USD 0.61", fold)
    assert Page(table + "</table>").tags.count("td") == 1, "nothing but the result"


def test_an_address_is_a_link():
    assert '<a href="http://127.0.0.1:80/lambda-url/a/" target="_blank"' in html.address(
        "http://127.0.0.1:80/lambda-url/a/", ""
    )


def test_on_a_hub_the_link_is_the_browsers_and_the_programs_address_stands_beside_it():
    shown = html.address("http://127.0.0.1:80/lambda-url/a/", "/user/ada/proxy/80/lambda-url/a/")
    assert re.findall('href="([^"]*)"', shown) == ["/user/ada/proxy/80/lambda-url/a/"]
    assert "http://127.0.0.1:80/lambda-url/a/" in shown

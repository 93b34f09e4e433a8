"""What is said of a load test, in each medium."""

from __future__ import annotations

from labkit.loadtest import LiveLoad, Percentile, Sample
from labkit.show import data, html, plots, text
from labkit.show import loadtest as cards


def rows(result) -> dict[str, str]:
    return dict(cards.rows(result))


def test_the_rows_say_what_became_of_the_requests(loadtest):
    found = rows(loadtest())
    assert found["requests"] == "100: 79 served, 20 throttled, 1 failed"
    assert found["throughput"] == "7.9 served per second"
    assert found["throttled"] == "20 CallerRate<Limit>"
    assert found["failed"] == "1 Unhandled"
    assert found["environments"] == "0 served it; 6 alive at most, 4 gone"


def test_percentiles_stand_with_the_number_of_requests_they_rest_on(loadtest):
    assert rows(loadtest())["time"] == "50 % 100 ms, 90 % 100 ms (of 79 served)"
    assert cards.shares([Percentile(0.999, 0.5, 3)]) == "99.9 % 500 ms (3 took longer)"


def test_of_a_late_sender_there_are_no_percentiles(loadtest):
    found = rows(loadtest(lag_s=0.5, starved=7))
    assert found["time"].startswith("no percentiles")
    assert found["sender"].startswith(
        "LATE: one request in a hundred left more than 500 ms after its moment, 7 because"
    )
    assert data.loadtest(loadtest(lag_s=0.5))["percentiles"] == []


def test_a_sender_on_time_is_said_to_be(loadtest):
    assert rows(loadtest(lag_s=0.001))["sender"].startswith("on time: 99 % of the requests left within 1.00 ms")


def test_calls_without_a_trace_are_counted(loadtest):
    assert rows(loadtest())["not traced"].startswith("80 calls")


def test_an_interrupted_load_says_so(loadtest):
    assert cards.title(loadtest(interrupted=True, for_s=3.21)) == "predict: constant, 10/s, for 3.21 s, interrupted"


def test_text_and_html_have_the_same_rows_and_say_whose_speed_it_is(loadtest):
    plain, page = text.loadtest(loadtest()), html.loadtest(loadtest())
    for label, value in cards.rows(loadtest()):
        assert value.split(",")[0] in plain
        assert label in page
    assert "not AWS's speed" in " ".join(plain.split())
    assert "CallerRate&lt;Limit&gt;" in page


def test_the_facts_are_a_simulations_and_more(loadtest):
    facts = data.loadtest(loadtest())
    assert (facts["kind"], facts["requests"], facts["throttled"], facts["kept_up"]) == ("loadtest", 100, 20, True)
    assert facts["percentiles"][0][0] == 0.5


def test_a_load_under_way_shows_environments_throttles_and_percentiles():
    live = LiveLoad(
        "predict", "constant, 10/s", 5.0, 10.0, 100, 50, 3, 40, 6, 1, Sample(5.0, 1, 2, 3, 4),
        (Percentile(0.5, 0.012, 20),),
    )  # fmt: skip
    shown = text.live(live)
    assert "[###############               ] 5 of 10 s" in shown
    assert "50 of 100 sent, 3 in flight, 40 served, 6 throttled, 1 failed; latest: 50 % 12.0 ms" in shown
    assert "1 initialising, 2 busy, 3 idle (frozen), 4 gone" in shown
    assert "4 gone" in html.live(live)


def test_the_figure_has_a_simulations_panels_and_its_own_words(loadtest):
    figure = plots.loadtest(loadtest())
    assert figure.get_suptitle() == cards.LOADTEST_QUESTION
    assert [axes.get_ylabel() for axes in figure.axes] == ["number", "requests per s", "share (%)"]
    assert figure.axes[2].get_xlabel().startswith("from intended sending to answer (ms")
    assert figure.get_label() == plots.alt_loadtest(loadtest())


def test_the_figure_of_a_late_sender_names_no_percentile(loadtest):
    figure = plots.loadtest(loadtest(lag_s=0.5))
    assert [note.get_text().split(" (")[0] for note in figure.axes[2].texts] == ["The sender was late"]
    assert "sender was late" in plots.alt_loadtest(loadtest(lag_s=0.5))

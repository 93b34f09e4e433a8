"""Figures: titles, units, labels, alternative text; drawn without pyplot and without global state."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from labkit.model import Outcome, Outcomes, Status
from labkit.show import html, plots
from labkit.simulate import Limits, simulate


def axes_of(figure):
    return figure.axes[0], figure.axes[1]


def words_of(figure):
    texts = [t.get_text() for axes in figure.axes for t in axes.texts]
    legends = [t.get_text() for legend in figure.legends for t in legend.get_texts()]
    return [t.strip() for t in texts + legends]


def test_the_title_is_the_question_that_the_figure_answers(series):
    assert plots.coldstart(series()).get_suptitle() == "Where does the first call spend its time?"


def test_both_panels_have_titles_and_axis_labels_with_units(series):
    bars, dots = axes_of(plots.coldstart(series()))
    assert [bars.get_xlabel(), dots.get_xlabel()] == ["time since the request (ms)", "time per call (ms, logarithmic)"]
    assert bars.get_ylabel() == "series"
    assert all(axes.get_title() for axes in (bars, dots))


def test_a_bar_is_made_of_the_medians_in_order(series):
    bars, _ = axes_of(plots.coldstart(series()))
    assert [round(patch.get_width(), 3) for patch in bars.patches] == [10, 20, 40, 20, 2, 8]
    assert [round(patch.get_x(), 3) for patch in bars.patches] == [0, 10, 30, 70, 90, 92]


def test_a_bar_ends_with_its_total(series):
    assert "100 ms" in words_of(plots.coldstart(series()))


def test_a_bar_too_small_to_read_says_its_longest_part(series):
    assert "longest: imports, 40.0 ms" in words_of(plots.coldstart(series("large", 30) + series("small")))


def test_parts_differ_by_hatch_as_well_as_by_colour(series):
    (legend,) = plots.coldstart(series()).legends
    hatches = [patch.get_hatch() for patch in legend.get_patches()]
    assert len(hatches) == len(set(hatches)) == 6


def test_every_call_is_a_dot_and_cold_and_warm_have_their_own_marker(series):
    from matplotlib.collections import PathCollection

    _, dots = axes_of(plots.coldstart(series()))
    cold, warm = (group for group in dots.collections if isinstance(group, PathCollection))
    assert (len(cold.get_offsets()), len(warm.get_offsets())) == (7, 9)
    assert len(cold.get_paths()[0].vertices) != len(warm.get_paths()[0].vertices)


def test_the_axis_of_the_calls_is_logarithmic_and_the_bars_are_not(series):
    bars, dots = axes_of(plots.coldstart(series()))
    assert (bars.get_xscale(), dots.get_xscale()) == ("linear", "log")


def test_the_logarithmic_axis_begins_at_a_labelled_time(series):
    _, dots = axes_of(plots.coldstart(series(scale=10)))
    low, high = dots.get_xlim()
    labelled = [tick for tick in dots.get_xticks() if low <= tick <= high]
    assert labelled[0] <= 5, "the warm calls' time"


def test_the_warm_median_is_written_beside_its_dots(series):
    assert {"cold 100 ms", "warm 5.00 ms"} <= set(words_of(plots.coldstart(series())))


def test_every_series_is_a_row_with_its_label(series):
    bars, _ = axes_of(plots.coldstart(series("a") + series("b", 2)))
    assert [label.get_text() for label in bars.get_yticklabels()] == ["a", "b"]


def test_a_dollar_sign_in_a_label_is_no_formula(series):
    bars, _ = axes_of(plots.coldstart(series("price $x_1$")))
    (label,) = bars.get_yticklabels()
    assert label.get_parse_math() is False


def test_an_endpoint_without_phases_gets_one_part_for_its_init(series):
    assert "init" in words_of(plots.coldstart(series(phases=None)))


@pytest.mark.parametrize("counts", [(0, 9), (7, 0), (1, 1), (0, 0)])
def test_few_or_no_calls_still_make_a_picture(series, counts):
    n_cold, n_warm = counts
    assert plots.png(plots.coldstart(series(n_cold=n_cold, n_warm=n_warm))).startswith(b"\x89PNG")


def test_calls_that_took_no_time_at_all_still_make_a_picture(cold, warm):
    nothing = (cold(0.0), warm(duration_s=0.0, queued_s=0.0))
    outcomes = Outcomes("f", tuple(Outcome("f", Status.SUCCESS, trace=trace) for trace in nothing))
    assert plots.png(plots.coldstart(outcomes)).startswith(b"\x89PNG")


def test_the_alternative_text_says_the_numbers(series):
    assert plots.alt_coldstart(series()) == (
        "Median time of a first (cold) call: model 100 ms, its longest part imports (40.0 ms, 40 %)."
        " Median time of a warm call: model 5.00 ms."
    )


def test_the_alternative_text_compares_the_series(series):
    alt = plots.alt_coldstart(series("a", n_warm=0) + series("b", 3))
    assert "a 100 ms" in alt
    assert "b 300 ms" in alt
    assert alt.endswith("Median time of a warm call: b 5.00 ms.")


def test_the_alternative_text_of_no_calls_says_so(series):
    alt = plots.alt_coldstart(series(n_cold=0, n_warm=0))
    assert alt == "No cold call was measured. No warm call was measured."


def test_the_picture_carries_its_alternative_text_and_shows_960_pixels_wide(series):
    image = pytest.importorskip("PIL.Image")
    outcomes = series("größe")
    png = plots.png(plots.coldstart(outcomes))
    picture = image.open(io.BytesIO(png))
    picture.load()
    assert picture.text["Description"] == plots.alt_coldstart(outcomes)
    assert picture.size[0] == plots.WIDTH_IN * plots.DOTS_PER_INCH
    assert f"width:{round(plots.WIDTH_IN * 96)}px" in html.figure(png, "", "")


def test_the_same_records_give_the_same_picture(series):
    assert plots.png(plots.coldstart(series())) == plots.png(plots.coldstart(series()))


def test_a_students_own_plot_style_is_left_alone_and_does_not_show(series):
    import matplotlib

    with matplotlib.rc_context({"text.color": "white", "axes.edgecolor": "white"}):
        figure = plots.coldstart(series())
        assert matplotlib.rcParams["text.color"] == "white"
    assert {t.get_color() for t in figure.axes[0].texts} == {"black"}


def in_a_fresh_interpreter(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.process
def test_importing_every_part_of_show_loads_no_matplotlib_numpy_or_ipython():
    code = (
        "import sys; from labkit.show import calls, cards, data, html, measures, plots, stats, text, words;"
        "print(*({'matplotlib', 'numpy', 'IPython'} & set(sys.modules)))"
    )
    assert in_a_fresh_interpreter(code) == []


@pytest.mark.process
def test_drawing_a_figure_loads_no_pyplot():
    code = (
        "import sys; from labkit.model import Outcomes; from labkit.show import plots;"
        "plots.png(plots.coldstart(Outcomes('f', ())));"
        "print('matplotlib.figure' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    assert in_a_fresh_interpreter(code) == ["True", "False"]


# --- a simulation


def test_a_simulations_panels_have_titles_and_axis_labels_with_units(simulation):
    upper, lower, times = plots.simulation(simulation).axes
    assert [upper.get_ylabel(), lower.get_ylabel(), lower.get_xlabel()] == [
        "number", "requests per s", "time since the start (s)",
    ]  # fmt: skip
    assert (times.get_xlabel(), times.get_ylabel()) == ("from arrival to answer (ms, logarithmic)", "share (%)")
    assert plots.simulation(simulation).get_suptitle().endswith("?")


def test_a_simulations_steps_are_its_moments(simulation):
    upper, lower, _ = plots.simulation(simulation).axes
    environments, in_system = (patch.get_data().values for patch in upper.patches)
    moments = simulation.moments(len(environments))
    assert list(environments) == [m.environments for m in moments]
    assert list(in_system) == [m.in_system for m in moments]
    width = simulation.for_s / len(moments)
    assert list(lower.patches[0].get_data().values) == [m.throttled / width for m in moments]


def test_a_simulations_named_shares_are_its_quantiles(simulation):
    assert [t.get_text() for t in plots.simulation(simulation).axes[2].texts] == [
        "50 %: 500 ms", "95 %: 1,500 ms", "99 %: 1,500 ms",
    ]  # fmt: skip


def test_the_alternative_text_of_a_simulation_says_its_numbers(simulation):
    assert plots.alt_simulation(simulation) == (
        "Requests in the system: 0.8 on average, 4 at most. Environments: about 4 at most, around 0 s."
        " 4 of 20 requests met a cold start, 6 were throttled. Half of the answers came within 500 ms."
    )


def test_a_simulation_in_which_nothing_was_served_still_makes_a_picture():
    nothing = simulate([0.0, 1.0], service=1.0, limits=Limits(reserved=0))
    assert plots.png(plots.simulation(nothing)).startswith(b"\x89PNG")
    assert plots.alt_simulation(nothing).endswith("2 were throttled.")


def test_a_distribution_has_a_line_for_the_cold_and_the_warm_calls_of_each_series(series):
    figure = plots.distribution(series("a") + series("b", 3))
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == [
        "a, cold (7 calls)", "a, warm (9 calls)", "b, cold (7 calls)", "b, warm (9 calls)",
    ]  # fmt: skip
    assert len({(line.get_color(), line.get_linestyle()) for line in legend.get_lines()}) == 4


def test_an_interval_without_an_end_is_an_arrow(series):
    (axes,) = plots.distribution(series(n_warm=0)).axes
    assert len(axes.texts) == 1, "7 calls have an interval of their median, and none of their 90 % that ends"


def test_a_distribution_says_in_words_what_is_to_be_seen(series):
    assert plots.distribution(series("a")).get_label() == (
        "Shares of calls over time. a, cold: half within 100 ms, 90 % within 100 ms;"
        " a, warm: half within 5.00 ms, 90 % within 5.00 ms."
    )


def test_a_distribution_of_nothing_is_still_a_figure(series):
    assert plots.png(plots.distribution(series("a$b$", n_cold=0, n_warm=0)))
    assert plots.png(plots.distribution(series("a$b$c")))

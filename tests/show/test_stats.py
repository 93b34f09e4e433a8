"""Bootstrap intervals: known values, invariants, and that they cover what they promise to cover."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.show.stats import median_interval, quantile_interval, ratio_interval

VALUES = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=40)


def test_one_value_is_its_own_median_and_interval():
    assert median_interval([4.2]) == (4.2, 4.2, 4.2)


def test_equal_values_leave_no_room_for_an_interval():
    assert median_interval([2.0] * 9) == (2.0, 2.0, 2.0)


def test_three_values_give_their_whole_range():
    assert median_interval([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)


def test_the_interval_of_one_to_nineteen_agrees_with_the_exact_bootstrap_distribution():
    # P(median* <= k) = P(Binomial(19, k / 19) >= 10): 0.013 for 5, 0.049 for 6, so the 2.5 % point is 6
    assert median_interval([float(k) for k in range(1, 20)], resamples=20_000) == (10.0, 6.0, 14.0)


def test_the_same_seed_gives_the_same_interval_and_another_seed_may_not():
    draw = random.Random(1)
    values = [draw.random() for _ in range(30)]
    assert median_interval(values, seed=3) == median_interval(values, seed=3)
    assert len({median_interval(values, resamples=20, seed=seed) for seed in range(20)}) > 1


def test_more_confidence_makes_the_interval_wider():
    values = [float(k) for k in range(50)]
    _, low, high = median_interval(values, confidence=0.5)
    _, lower, higher = median_interval(values, confidence=0.99)
    assert lower < low < high < higher


@pytest.mark.parametrize("n", [8, 9])
def test_the_fast_draw_agrees_with_resampling_in_full(n):
    draw = random.Random(5)
    values = [draw.lognormvariate(0, 1) for _ in range(n)]
    medians = sorted(median(draw.choices(values, k=n)) for _ in range(20_000))
    for confidence in (0.5, 0.8, 0.95):
        tail = int((1 - confidence) / 2 * len(medians))
        _, low, high = median_interval(values, confidence=confidence, resamples=20_000)
        share = sum(low <= m <= high for m in medians) / len(medians)
        in_full = sum(medians[tail] <= m <= medians[-1 - tail] for m in medians) / len(medians)
        assert share == pytest.approx(in_full, abs=0.03)


def test_ninety_five_percent_intervals_cover_the_true_median_about_that_often():
    draw = random.Random(11)
    covered = 0
    for _ in range(400):
        _, low, high = median_interval([draw.lognormvariate(0, 1) for _ in range(25)])
        covered += low <= 1.0 <= high
    assert 0.92 <= covered / 400 <= 0.985


def test_ratio_intervals_cover_the_true_ratio_about_as_often_as_they_promise():
    draw = random.Random(13)
    covered = 0
    for _ in range(300):
        a = [3 * draw.lognormvariate(0, 0.5) for _ in range(21)]
        b = [draw.lognormvariate(0, 0.5) for _ in range(30)]
        _, low, high = ratio_interval(a, b, resamples=1000)
        covered += low <= 3.0 <= high
    assert 0.91 <= covered / 300 <= 0.99


def test_the_ratio_is_that_of_the_medians():
    assert ratio_interval([30.0, 30.0, 30.0], [2.0, 2.0]) == (15.0, 15.0, 15.0)


@given(VALUES)
def test_the_interval_holds_the_median_and_stays_within_the_values(values):
    middle, low, high = median_interval(values, resamples=200)
    slack = 1e-9 * max(values)
    assert middle == median(values)
    assert min(values) - slack <= low <= high <= max(values) + slack


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_values_does_not_matter(values, shuffler):
    shuffled = list(values)
    shuffler.shuffle(shuffled)
    assert median_interval(shuffled, resamples=50) == median_interval(values, resamples=50)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_no_values_and_values_that_are_not_finite_are_refused(values):
    with pytest.raises(ValueError, match="median needs"):
        median_interval(values)


@pytest.mark.parametrize("options", [{"confidence": 1.0}, {"confidence": 0.0}, {"resamples": 0}])
def test_a_confidence_or_number_of_resamples_without_meaning_is_refused(options):
    with pytest.raises(ValueError, match="confidence must lie"):
        median_interval([1.0, 2.0], **options)


def test_a_ratio_with_a_zero_below_is_refused():
    with pytest.raises(ValueError, match="positive"):
        ratio_interval([1.0], [1.0, 0.0])


def test_the_exact_interval_of_a_median_of_ten_is_the_second_to_the_ninth_value():
    assert quantile_interval([float(k) for k in range(10, 0, -1)], 0.5) == (5.0, 2.0, 9.0)


@pytest.mark.parametrize(
    ("n", "share", "bounded"), [(5, 0.5, False), (6, 0.5, True), (35, 0.9, False), (36, 0.9, True)]
)
def test_too_few_values_have_an_interval_without_an_end(n, share, bounded):
    assert math.isfinite(quantile_interval([float(k) for k in range(n)], share)[2]) is bounded


@given(st.integers(1, 120), st.sampled_from([0.1, 0.25, 0.5, 0.9, 0.99]))
def test_an_exact_interval_covers_what_it_says_and_is_no_longer_than_that_takes(n, share):
    _, low, high = quantile_interval([float(k) for k in range(1, n + 1)], share)
    chances = [math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    first = int(low) if math.isfinite(low) else 0
    last = int(high) if math.isfinite(high) else n + 1
    assert sum(chances[:first]) <= 0.025 + 1e-9
    assert sum(chances[last:]) <= 0.025 + 1e-9
    assert sum(chances[: first + 1]) > 0.025 - 1e-9
    assert sum(chances[last - 1 :]) > 0.025 - 1e-9


@pytest.mark.parametrize("share", [0, 1, -0.5, math.nan])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="share"):
        quantile_interval([1.0], share)

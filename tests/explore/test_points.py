"""The fit and one point of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import BadLoad
from labkit.explore import fit


def test_coefficients_are_those_of_numpys_own_fit():
    view = fit(10, to_x=18.0, to_y=3.0, degree=3)
    assert view["coefficients"] == pytest.approx(np.polyfit(view["x"], view["y"], 3)[::-1])


def test_the_condition_number_is_that_of_the_design_matrix():
    view = fit(degree=5, to_x=14.0)
    singular = np.linalg.svd(np.vander(view["x"], 6), compute_uv=False)
    assert view["condition"] == pytest.approx(singular[0] / singular[-1])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 10), st.floats(-5, 20), st.integers(1, 4))
def test_a_fitted_value_follows_its_point_by_the_share_of_its_leverage(point, to_y, degree):
    still, moved = fit(point, degree=degree), fit(point, to_y=to_y, degree=degree)
    by = to_y - still["y"][point - 1]
    fitted = [view["y"][point - 1] - view["residuals"][point - 1] for view in (still, moved)]
    assert fitted[1] - fitted[0] == pytest.approx(by * still["leverage"][point - 1], abs=1e-6)
    assert moved["leverage"].sum() == pytest.approx(degree + 1)


def test_the_alternative_text_says_what_moving_did():
    assert "Point 10 was moved to (10, 20): the slope goes from 0.498 to 1.2" in fit(10, to_y=20.0).alt
    assert "No point was moved" in fit().alt


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"point": 11}, "there are 10 points"),
        ({"point": 0}, "whole number"),
        ({"degree": 8}, "at most 7"),
        ({"x": [1.0, 2.0], "y": [1.0]}, "equally long"),
        ({"x": [1.0, 1.0, 1.0], "y": [1.0, 2.0, 3.0], "point": 1}, "no full rank"),
        ({"x": [1.0, 2.0, float("nan")], "y": [1.0, 2.0, 3.0], "point": 1}, "finite"),
    ],
)
def test_what_cannot_be_fitted_is_refused(wrong, said):
    with pytest.raises(BadLoad, match=said):
        fit(**wrong)

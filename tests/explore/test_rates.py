"""Traffic against cold starts: the simulation agrees with the formula where the formula holds."""

from __future__ import annotations

import math

import pytest

from labkit.errors import BadLoad
from labkit.explore import traffic


def test_the_formula_is_that_of_the_rate_and_the_timeout():
    assert traffic(12.0, idle_timeout_s=300.0)["here"].formula == pytest.approx(math.exp(-1))


def test_calls_that_take_no_time_agree_with_the_formula():
    here = traffic(12.0, service_s=0.0, init_s=0.0)["here"]
    half = (here.simulated.high - here.simulated.low) / 2
    assert abs(here.simulated.mean - here.formula) < 2 * half  # seeds are fixed: this is no matter of luck


def test_calls_that_overlap_need_a_second_environment_and_leave_the_line():
    here = traffic(48.0, service_s=60.0)["here"]
    assert here.simulated.low > here.formula


@pytest.mark.parametrize("wrong", [{"calls_per_hour": 0}, {"idle_timeout_s": -1}, {"service_s": -1.0}])
def test_what_is_no_traffic_is_refused(wrong):
    with pytest.raises(BadLoad):
        traffic(**wrong)

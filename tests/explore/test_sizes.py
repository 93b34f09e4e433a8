"""Memory against cost and duration is the model of labkit.power, and says so."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import BadLoad
from labkit.explore import memory


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 5), st.floats(0, 5), st.integers(128, 10_240))
def test_a_duration_is_the_waiting_and_the_cpu_time_over_the_share(cpu_s, wait_s, memory_mb):
    here = memory(memory_mb, cpu_s=cpu_s, wait_s=wait_s)["here"]
    assert here.duration_s == pytest.approx(wait_s + cpu_s / min(1, memory_mb / 1769))


def test_code_on_several_cpus_gains_from_more_than_one_vcpu():
    one, two = (memory(3538, cpu_s=2.0, wait_s=0.0, cpus=cpus)["here"] for cpus in (1.0, 2.0))
    assert (one.duration_s, two.duration_s) == (pytest.approx(2.0), pytest.approx(1.0))


def test_every_number_says_that_it_is_a_model():
    view = memory()
    assert "Every number is a model" in repr(view)
    assert view.alt.startswith("A model:")
    figure = view.draw()
    assert "model" in figure.get_suptitle()
    assert all("modelled" in axes.get_ylabel() for axes in figure.axes)


@pytest.mark.parametrize("wrong", [{"memory_mb": 64}, {"cpu_s": -1.0}, {"cpu_s": 0.0, "wait_s": 0.0}, {"cpus": 0.5}])
def test_what_no_function_has_is_refused(wrong):
    with pytest.raises(BadLoad):
        memory(**wrong)

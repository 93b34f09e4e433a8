"""Concurrency against throttles: the simulation agrees with Erlang's B."""

from __future__ import annotations

import pytest

from labkit.errors import BadLoad
from labkit.explore import concurrency
from labkit.queueing import erlang_b


def test_erlangs_share_stands_beside_a_simulated_one_that_agrees():
    here = concurrency(8, rate=60.0, service_s=0.1)["here"]
    assert here.erlang == pytest.approx(erlang_b(8, 6.0))
    half = (here.simulated.high - here.simulated.low) / 2
    assert abs(here.simulated.mean - here.erlang) < 2 * half  # seeds are fixed: this is no matter of luck


def test_the_chosen_limit_is_among_those_compared():
    view = concurrency(13)
    assert view["here"] in view["limits"]
    assert [row for row in view.table.rows if row[-1]] == [row for row in view.table.rows if row[0] == "13"]


def test_the_run_over_time_never_exceeds_the_limit():
    assert concurrency(5)["run"].peak_in_system == 5


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1.5}, {"rate": 0}, {"rate": 5000.0}])
def test_what_is_no_limit_or_no_load_is_refused(wrong):
    with pytest.raises(BadLoad):
        concurrency(**{"limit": 8, **wrong})

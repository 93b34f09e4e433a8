"""The order of a measurement of cold starts, on a function that only counts."""

from __future__ import annotations

import pytest

from labkit.client.coldstart import WARM_PER_COLD, ColdStarts
from labkit.model import Outcome, Status


class Function:
    def __init__(self, fails_at=None) -> None:
        self.done, self.calls, self.fails_at = [], 0, fails_at

    def invoke(self):
        self.calls += 1
        self.done.append("call")
        return Outcome("f", Status.ERROR if self.calls == self.fails_at else Status.SUCCESS)

    def measured(self, sizes, n=2):
        renew = lambda: self.done.append("renew")  # noqa: E731
        starts = ColdStarts("f", n, self.invoke, renew, self.done.append, lambda *at: self.done.append(at))
        return starts.measured(sizes, restore=128)


def test_each_cold_start_is_followed_by_calls_of_the_used_environment():
    f = Function()
    [series] = f.measured((128,)).series
    one = ["renew", (1, 2), *["call"] * (1 + WARM_PER_COLD)]
    assert f.done == [128, *one, *["renew", (2, 2), *one[2:]], 128]
    assert (series.label, len(series)) == ("f", 2 * (1 + WARM_PER_COLD))


def test_each_size_is_a_series_and_the_functions_own_is_restored():
    f = Function()
    assert [s.label for s in f.measured((256, 512), n=1).series] == ["f, 256 MB", "f, 512 MB"]
    assert [each for each in f.done if isinstance(each, int)] == [256, 512, 128]
    assert [each for each in f.done if isinstance(each, tuple)] == [(1, 2), (2, 2)]


def test_the_first_failure_is_the_last_call_of_its_series():
    f = Function(fails_at=3)
    assert [o.ok for o in f.measured((128,)).items] == [True, True, False]


def test_the_size_is_restored_when_something_breaks():
    f = Function()
    f.invoke = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        f.measured((256,))
    assert f.done[-1] == 128

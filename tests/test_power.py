"""The model of CPU shares, and AWS Lambda Power Tuning's arithmetic on it."""

from __future__ import annotations

import struct
from base64 import b64decode

import pytest

from labkit.errors import BadLoad
from labkit.power import MB_PER_VCPU, Calibrated, Call, Power, PowerTuning, best, checked, trimmed_mean

CPU_ONLY, WAITING = Call(0.1, 0.1), Call(0.3, 0.1)


def test_with_one_vcpu_a_call_takes_as_long_as_here():
    assert CPU_ONLY.duration_s(MB_PER_VCPU) == pytest.approx(0.1)
    assert WAITING.duration_s(MB_PER_VCPU) == pytest.approx(0.3)


def test_cpu_time_takes_the_longer_the_smaller_the_share():
    assert CPU_ONLY.duration_s(256) == pytest.approx(0.1 * 1769 / 256)


def test_waiting_takes_as_long_with_any_share():
    assert Call(0.5, 0.0).duration_s(128) == pytest.approx(0.5)
    assert WAITING.duration_s(128) == pytest.approx(0.2 + 0.1 * 1769 / 128)


def test_more_than_one_vcpu_helps_nothing_that_is_not_parallel():
    assert CPU_ONLY.duration_s(10_240) == CPU_ONLY.duration_s(MB_PER_VCPU)


def test_more_than_one_vcpu_helps_what_ran_in_parallel():
    parallel = Call(wall_s=0.1, cpu_s=0.2)
    assert parallel.duration_s(MB_PER_VCPU) == pytest.approx(0.2)
    assert parallel.duration_s(2 * MB_PER_VCPU) == pytest.approx(0.1)
    assert parallel.duration_s(10_240) == pytest.approx(0.1)


def test_the_runtimes_own_work_around_a_short_call_is_not_parallel():
    short = Call(wall_s=0.0002, cpu_s=0.0005)
    assert short.duration_s(MB_PER_VCPU) == pytest.approx(0.0002)
    assert short.duration_s(10_240) == pytest.approx(0.0002)


def test_a_trimmed_mean_leaves_out_a_fifth_at_each_end():
    assert trimmed_mean([0.0, 2.0, 3.0, 4.0, 100.0]) == 3.0


def test_of_fewer_than_five_nothing_is_trimmed():
    assert trimmed_mean([1.0, 2.0, 6.0]) == 3.0


def tuning(*sizes: Calibrated, **options) -> PowerTuning:
    return PowerTuning("predict", sizes, **{"timeout_s": 3, **options})


def test_the_cost_is_that_of_the_mean_duration_in_whole_milliseconds():
    row = tuning(Calibrated(1769, (Call(0.1001, 0.1001),) * 5)).rows[0]
    assert row.usd == pytest.approx(0.101 * 1769 / 1024 * 0.0000166667)
    assert row.total_usd == pytest.approx(5 * row.usd)


def test_a_duration_of_whole_milliseconds_is_not_rounded_up_for_its_last_digit():
    row = tuning(Calibrated(1769, (Call(0.1 + 0.2, 0.0),))).rows[0]
    assert row.usd == pytest.approx(0.3 * 1769 / 1024 * 0.0000166667)


def test_rows_come_by_memory_and_failed_ones_are_no_candidates():
    found = tuning(Calibrated(512, (WAITING,)), Calibrated(128, (), failed="Runtime.OutOfMemory"))
    assert [(row.memory_mb, row.failed) for row in found.rows] == [(128, "Runtime.OutOfMemory"), (512, "")]
    assert found.best is not None
    assert found.best.memory_mb == 512


def test_a_size_that_would_time_out_has_failed():
    found = tuning(Calibrated(128, (CPU_ONLY,)), timeout_s=1)
    assert found.rows[0].failed == "would take longer than its timeout of 1 s"
    assert found.best is None


def test_where_no_size_works_there_is_no_record():
    assert tuning(Calibrated(128, (), failed="Runtime.OutOfMemory")).as_dict() == {}


CHEAP, FAST, MIDDLE = Power(128, 1.0, 10.0), Power(3008, 4.0, 1.0), Power(512, 1.5, 3.0)


@pytest.mark.parametrize(
    ("strategy", "weight", "expected"),
    [
        ("cost", 0.5, CHEAP),
        ("speed", 0.5, FAST),
        ("balanced", 0.5, MIDDLE),
        ("balanced", 0.0, FAST),
        ("balanced", 1.0, CHEAP),
    ],
)
def test_a_strategy_has_its_best(strategy, weight, expected):
    assert best([FAST, MIDDLE, CHEAP], strategy, weight) is expected


def test_of_two_that_cost_the_same_the_faster_is_best_and_the_other_way_round():
    slow = Power(256, 1.0, 20.0)
    assert best([slow, CHEAP], "cost") is CHEAP
    dear = Power(10_240, 9.0, 1.0)
    assert best([dear, FAST], "speed") is FAST


def test_the_record_is_the_tools_own():
    found = tuning(Calibrated(1769, (CPU_ONLY,)), Calibrated(256, (CPU_ONLY,)), strategy="speed").as_dict()
    assert (found["power"], found["duration"]) == (1769, pytest.approx(100))
    assert set(found["stateMachine"]) == {"executionCost", "lambdaCost", "visualization"}


def test_the_visualization_carries_sizes_durations_and_costs():
    found = tuning(Calibrated(1769, (CPU_ONLY,)), Calibrated(256, (Call(0.1, 0.0),)))
    sizes, times, costs = (b64decode(part) for part in found.visualization.partition("#")[2].split(";"))
    assert struct.unpack("<2h", sizes) == (256, 1769)
    assert struct.unpack("<2f", times) == pytest.approx((100, 100))
    assert struct.unpack("<2f", costs) == pytest.approx([row.usd for row in found.rows])


def test_each_size_is_measured_once():
    assert checked([256, 128, 256], 5, "cost", 0.5) == (256, 128)


@pytest.mark.parametrize(
    ("sizes", "n", "strategy", "weight", "message"),
    [
        ([64], 5, "cost", 0.5, "64 MB: a function has 128 to 10,240 MB"),
        ([20_000], 5, "cost", 0.5, "20000 MB"),
        ([], 5, "cost", 0.5, "no memory size"),
        ([128], 0, "cost", 0.5, "at least 1"),
        ([128], 5, "balaned", 0.5, "Did you mean balanced"),
        ([128], 5, "cost", 1.5, "between 0 and 1"),
    ],
)
def test_a_mistake_is_named(sizes, n, strategy, weight, message):
    with pytest.raises(BadLoad, match=message):
        checked(sizes, n, strategy, weight)

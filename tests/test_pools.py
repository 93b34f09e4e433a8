"""What is taken from which pool, and how fast a function may grow."""

from __future__ import annotations

from labkit.pools import CONCURRENCY, RATE, RESERVED_CONCURRENCY, RESERVED_RATE, Pools


def pools(account_limit: int = 4, growth: int = 1000, **reserved: int) -> Pools:
    made = Pools(account_limit=account_limit, growth_environments=growth, growth_period_s=10)
    made.change(account_limit, reserved)
    return made


def grown(made: Pools, function: str, environments: int, now: float = 0) -> None:
    for _ in range(environments):
        made.grow(function, now)


def test_an_empty_account_is_not_full():
    assert pools().full("f") is None


def test_a_reserved_pool_is_full_when_its_function_has_taken_it():
    made = pools(f=1)
    made.take("f")
    assert made.full("f") == RESERVED_CONCURRENCY


def test_a_unit_that_is_given_back_can_be_taken_again():
    made = pools(f=1)
    made.take("f")
    made.give_back("f")
    assert made.full("f") is None


def test_what_is_reserved_is_kept_from_the_others():
    made = pools(account_limit=3, f=2)
    made.take("g")
    assert made.full("h") == CONCURRENCY
    assert made.full("f") is None


def test_a_reservation_made_later_counts_what_its_function_has_taken_before():
    made = pools(account_limit=4)
    made.take("f")
    made.take("f")
    made.change(4, {"f": 2})
    assert made.full("f") == RESERVED_CONCURRENCY
    assert made.full("g") is None
    made.take("g")
    made.take("g")
    assert made.full("g") == CONCURRENCY


def test_a_function_grows_by_a_thousand_environments_at_once():
    made = pools()
    grown(made, "f", 999)
    assert made.too_fast("f", 0) is None
    grown(made, "f", 1)
    assert made.too_fast("f", 0) == RATE


def test_the_allowance_comes_back_continuously():
    made = pools(growth=10)
    grown(made, "f", 10)
    assert made.too_fast("f", 0.9) == RATE
    assert made.too_fast("f", 1.0) is None


def test_an_allowance_that_nobody_used_is_not_saved_up():
    made = pools(growth=2)
    grown(made, "f", 1)
    grown(made, "f", 2, now=1000)
    assert made.too_fast("f", 1000) == RATE


def test_functions_grow_independently():
    made = pools(growth=1)
    grown(made, "f", 1)
    assert made.too_fast("g", 0) is None


def test_a_function_with_a_pool_of_its_own_is_told_so():
    made = pools(growth=1, f=2)
    grown(made, "f", 1)
    assert made.too_fast("f", 0) == RESERVED_RATE


def test_a_function_that_does_nothing_any_more_is_forgotten():
    made = pools(growth=10)
    made.take("f")
    grown(made, "f", 1)
    made.forget(100)
    assert made.taken_by("f") == 1
    made.give_back("f")
    made.forget(100)
    assert made._shares == {}


def test_a_debt_of_growth_is_not_forgotten():
    made = pools(growth=1)
    grown(made, "f", 2)
    made.forget(1)
    assert made.too_fast("f", 10) == RATE

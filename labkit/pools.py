"""PURE: how much concurrency is taken from which pool, and how fast a function may grow.

Developer guide, "Understanding Lambda function scaling", "Configuring reserved concurrency", "Configuring provisioned
concurrency", "Lambda scaling behavior":
  * a function with reserved concurrency has a pool of its own, taken from the account's; all others share the rest;
  * a unit is taken by a request on demand, and by a provisioned environment whether it is used or not; a request that
    a provisioned environment serves takes nothing more;
  * a function gets at most 1,000 new environments every 10 s, refilled continuously and never saved up.

Every question is answered from counters: a request costs the same however many functions there are.
The documentation says that requests beyond the scaling rate are throttled, not with which of the API's reasons. That
it is the function's invocation rate (a function's, not the account's; a rate, not an amount) is labkit's guess.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

CONCURRENCY = "ConcurrentInvocationLimitExceeded"
RESERVED_CONCURRENCY = "ReservedFunctionConcurrentInvocationLimitExceeded"
RATE = "FunctionInvocationRateLimitExceeded"
RESERVED_RATE = "ReservedFunctionInvocationRateLimitExceeded"


class _Share(msgspec.Struct):
    """One function's: units taken now, and how many environments it might start at once at `filled_at`."""

    allowance: float
    filled_at: float
    taken: int = 0


class Pools:
    """See the module's docstring."""

    def __init__(self, *, account_limit: int, growth_environments: int, growth_period_s: float) -> None:
        self.account_limit = account_limit
        self.reserved: Mapping[str, int] = {}
        self.taken = 0
        self._growth = growth_environments
        self._per_s = growth_environments / growth_period_s
        self._shares: dict[str, _Share] = {}
        self._unreserved = account_limit
        self._taken_unreserved = 0

    def change(self, account_limit: int, reserved: Mapping[str, int]) -> None:
        """New limits; what is taken stays taken, even beyond them."""
        self.account_limit, self.reserved = account_limit, dict(reserved)
        self._unreserved = account_limit - sum(reserved.values())
        self._taken_unreserved = sum(s.taken for name, s in self._shares.items() if name not in reserved)

    def taken_by(self, function: str) -> int:
        share = self._shares.get(function)
        return share.taken if share else 0

    def take(self, function: str) -> None:
        self._move(function, 1)

    def give_back(self, function: str) -> None:
        self._move(function, -1)

    def _move(self, function: str, units: int) -> None:
        share = self._shares.get(function) or self._share(function)
        share.taken += units
        self.taken += units
        if function not in self.reserved:
            self._taken_unreserved += units

    def _share(self, function: str) -> _Share:
        share = self._shares.get(function)
        if share is None:
            share = self._shares[function] = _Share(self._growth, 0.0)
        return share

    def full(self, function: str) -> str | None:
        """Why this function gets no unit more now: the pool that is really empty."""
        own = self.reserved.get(function) if self.reserved else None
        if own is not None and self.taken_by(function) >= own:
            return RESERVED_CONCURRENCY
        if self.taken >= self.account_limit:  # what others use may be reserved only since then
            return CONCURRENCY
        if own is None and self._taken_unreserved >= self._unreserved:
            return CONCURRENCY
        return None

    def too_fast(self, function: str, now: float) -> str | None:
        """Why this function gets no new environment now."""
        if self._allowance(self._share(function), now) >= 1:
            return None
        return RESERVED_RATE if function in self.reserved else RATE

    def grow(self, function: str, now: float) -> None:
        """A new environment on demand. One that replaces another starts at once and leaves a debt."""
        share = self._share(function)
        share.allowance, share.filled_at = self._allowance(share, now) - 1, now

    def _allowance(self, share: _Share, now: float) -> float:
        return min(self._growth, share.allowance + (now - share.filled_at) * self._per_s)

    def forget(self, now: float) -> None:
        """Drops functions that take nothing and may grow as if they were new."""
        done = [n for n, s in self._shares.items() if not s.taken and self._allowance(s, now) >= self._growth]
        for name in done:
            del self._shares[name]

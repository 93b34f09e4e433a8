"""PURE: how many batches of a queue are on their way at once.

A mapping starts with five and adds up to 300 a minute while messages are left, up to 1,000, or to its
MaximumConcurrency; errors and throttles make it fewer (developer guide, "Configuring scaling behavior for SQS event
source mappings" and "Backoff strategy for failed invocations", which does not say how many fewer).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST, LEAST, MOST = 5.0, 1.0, 1000.0
GROWTH_PER_S = 300 / 60


@dataclass(frozen=True, slots=True)
class Concurrency:
    level: float = FIRST
    since: float | None = None  # when messages were first left over; None while there are none

    def allowed(self, maximum: int | None) -> int:
        return int(min(self.level, MOST if maximum is None else maximum))

    def busy(self, now: float) -> Concurrency:
        """Messages are left, and all that is allowed is on its way."""
        if self.since is None:
            return replace(self, since=now)
        grown = self.level + max(0.0, now - self.since) * GROWTH_PER_S
        return Concurrency(min(grown, MOST), now)

    def idle(self) -> Concurrency:
        """Nothing is left."""
        return Concurrency(min(self.level, FIRST))

    def throttled(self) -> Concurrency:
        return replace(self, level=max(LEAST, self.level / 2))

    def failed(self) -> Concurrency:
        return replace(self, level=max(LEAST, self.level - 1))

    def succeeded(self) -> Concurrency:
        """Back to the five that it starts with; beyond, it grows with time."""
        return replace(self, level=self.level + 1) if self.level < FIRST else self

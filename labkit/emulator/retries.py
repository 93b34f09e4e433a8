"""PURE: what comes after an attempt at an event. `next_step(attempt, progress, age, config) -> Retry | End`.

Lambda's own rules (developer guide, "How Lambda handles errors and retries with asynchronous invocation"):
  * after a function error the event is tried again, one minute later, then two; MaximumRetryAttempts says how often;
  * a throttle or a fault of the service is no attempt: the event goes back with a delay that doubles from 1 s to
    5 minutes, until it is too old;
  * a retry that would come when the event has reached MaximumEventAgeInSeconds is not scheduled: the event ends at
    once (recorded: an age of 60 s ends after the first function error, although its retry would come at 60 s);
  * an event that is one too many of a recursive loop ends at once, without an attempt (developer guide, "Use Lambda
    recursive loop detection": it goes to the dead-letter queue or the destination for failures);
  * a function with no concurrency at all (reserved: 0) ends its events at once, without an attempt.
"""

from __future__ import annotations

from enum import Enum, StrEnum

import msgspec

from labkit.model import EventInvokeConfig

ERROR_DELAYS_S = (60.0, 120.0)
LONGEST_DELAY_S = 300.0


class Attempt(Enum):
    """How an attempt went."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"  # throttled, or a fault of the service: the handler did not run
    LOOPED = "looped"  # one invocation too many of a recursive loop
    SWITCHED_OFF = "switched off"  # throttled, and reserved concurrency is 0


class EndCondition(StrEnum):
    """Why an event ended, in the words of the destination record."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"
    RECURSIVE_INVOCATION = "RecursiveInvocation"  # AWS's word for it is not documented


class Progress(msgspec.Struct, frozen=True):
    """What an event has been through: runs of the handler, and refusals since the last of them."""

    runs: int = 0
    refusals: int = 0

    def after(self, attempt: Attempt) -> Progress:
        if attempt in (Attempt.SUCCEEDED, Attempt.FAILED):
            return Progress(runs=self.runs + 1)
        return msgspec.structs.replace(self, refusals=self.refusals + 1)


class Retry(msgspec.Struct, frozen=True):
    after_s: float


class End(msgspec.Struct, frozen=True):
    condition: EndCondition


def next_step(attempt: Attempt, progress: Progress, *, age_s: float, config: EventInvokeConfig) -> Retry | End:
    """What to do now; `progress` counts this attempt already."""
    if attempt is Attempt.SUCCEEDED:
        return End(EndCondition.SUCCESS)
    if attempt is Attempt.SWITCHED_OFF:
        return End(EndCondition.ZERO_RESERVED_CONCURRENCY)
    if attempt is Attempt.LOOPED:
        return End(EndCondition.RECURSIVE_INVOCATION)
    if attempt is Attempt.FAILED and progress.runs > config.maximum_retry_attempts:
        return End(EndCondition.RETRIES_EXHAUSTED)
    delay_s = _delay_s(attempt, progress)
    if age_s + delay_s >= config.maximum_event_age_s:
        return End(EndCondition.EVENT_AGE_EXCEEDED)
    return Retry(delay_s)


def is_too_old(age_s: float, config: EventInvokeConfig) -> bool:
    """Whether an event whose turn has come may no longer be tried: the machine slept, or the limit was lowered."""
    return age_s >= config.maximum_event_age_s


def _delay_s(attempt: Attempt, progress: Progress) -> float:
    if attempt is Attempt.FAILED:
        return ERROR_DELAYS_S[min(progress.runs, len(ERROR_DELAYS_S)) - 1]
    return min(2.0 ** min(progress.refusals - 1, 9), LONGEST_DELAY_S)

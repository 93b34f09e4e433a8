"""PURE: whether two of a bucket's notifications could be meant by the same event, which S3 does not allow.

S3 user guide, "Configuring event notifications using object key name filtering": two configurations may share an event
type only if their prefixes or their suffixes do not overlap. It holds across functions, queues and topics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

AMBIGUOUS = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are"
    " overlapping for the same event type."
)


class Rule(NamedTuple):
    """What one notification is for."""

    events: Sequence[str]
    prefix: str = ""
    suffix: str = ""


def rule_of(item: Mapping[str, Any]) -> Rule:
    """One configuration, as moto has read it from S3's XML."""
    named = ((item.get("Filter") or {}).get("S3Key") or {}).get("FilterRule") or ()
    given = {rule["Name"].lower(): rule["Value"] for rule in named}
    return Rule(item["Event"], given.get("prefix", ""), given.get("suffix", ""))


def is_ambiguous(rules: Iterable[Rule]) -> bool:
    """Whether some event could be meant by two of them.

    >>> is_ambiguous([Rule(["s3:ObjectCreated:*"], "in/"), Rule(["s3:ObjectCreated:Put"], "in/cats/")])
    True
    """
    return any(
        _share_an_event(one.events, other.events)
        and (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))
        and (one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix))
        for one, other in combinations(rules, 2)
    )


def _share_an_event(some: Sequence[str], others: Sequence[str]) -> bool:
    return any(_covers(one, other) or _covers(other, one) for one in some for other in others)


def _covers(wanted: str, event: str) -> bool:
    return wanted == event or (wanted.endswith(":*") and event.startswith(wanted[:-1]))

"""PURE: event patterns, as EventBridge and the filters of event source mappings have them: which events match.

A pattern has the event's shape; its leaves are lists of what a value may be, and all of its keys must match. Of a list
in the event one element is enough. Operators, by EventBridge's user guide ("Comparison operators for use in event
patterns") and its open matcher, event-ruler: exact values, `prefix`, `suffix` (both also with `equals-ignore-case`),
`equals-ignore-case`, `wildcard`, `anything-but` (a value, several, or one of the operators for texts), `numeric`,
`exists`, `cidr`, and `$or` between patterns.

`exists` and the other operators look at leaves: of an object in the event no leaf is there.
"""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

OR = "$or"
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
LARGEST_NUMBER = 5_000_000_000  # event-ruler's, either way
DEEPEST = 100


class InvalidPattern(ValueError):
    """What is wrong with a pattern, and where."""


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Whether the event has what a pattern that was checked wants.

    >>> matches({"kind": ["order"], "price": [{"numeric": [">=", 10]}]}, {"kind": "order", "price": 12.5, "id": 7})
    True
    """
    return all(
        any(matches(each, event) for each in wanted) if is_choice(key, wanted) else _key_matches(key, wanted, event)
        for key, wanted in pattern.items()
    )


def _key_matches(key: str, wanted: Any, event: Any) -> bool:
    value = event.get(key, _ABSENT) if isinstance(event, Mapping) else _ABSENT
    if isinstance(wanted, Mapping):
        return any(matches(wanted, each) for each in (value if isinstance(value, list) and value else [value]))
    leaves = list(_leaves(value))
    if not leaves:
        return any(isinstance(each, Mapping) and each.get("exists") is False for each in wanted)
    return any(_leaf_matches(each, leaf) for each in wanted for leaf in leaves)


class _Absent:
    """Stands for a value that is not there: null is one."""


_ABSENT = _Absent()


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif not isinstance(value, Mapping | _Absent):
        yield value


def _leaf_matches(wanted: Any, leaf: Any) -> bool:
    if not isinstance(wanted, Mapping):
        return same(wanted, leaf)
    ((name, operand),) = wanted.items()
    return OPERATORS[name](operand, leaf)


def same(wanted: Any, leaf: Any) -> bool:
    """Equal as JSON's values are: 1 is 1.0, and neither `"1"` nor true."""
    if isinstance(wanted, bool) or isinstance(leaf, bool):
        return wanted is leaf
    return bool(wanted == leaf)


# --- operators


def _prefix(operand: Any, leaf: Any) -> bool:
    if isinstance(operand, Mapping):
        return isinstance(leaf, str) and leaf.lower().startswith(operand["equals-ignore-case"].lower())
    return isinstance(leaf, str) and leaf.startswith(operand)


def _suffix(operand: Any, leaf: Any) -> bool:
    if isinstance(operand, Mapping):
        return isinstance(leaf, str) and leaf.lower().endswith(operand["equals-ignore-case"].lower())
    return isinstance(leaf, str) and leaf.endswith(operand)


def _equals_ignore_case(operand: Any, leaf: Any) -> bool:
    return isinstance(leaf, str) and leaf.lower() == operand.lower()


def _wildcard(operand: Any, leaf: Any) -> bool:
    return isinstance(leaf, str) and _expression(operand).fullmatch(leaf) is not None


def _anything_but(operand: Any, leaf: Any) -> bool:
    if isinstance(operand, Mapping):
        ((name, texts),) = operand.items()
        return not any(OPERATORS[name](text, leaf) for text in (texts if isinstance(texts, list) else [texts]))
    return not any(same(value, leaf) for value in (operand if isinstance(operand, list) else [operand]))


def _numeric(operand: Any, leaf: Any) -> bool:
    if isinstance(leaf, bool) or not isinstance(leaf, int | float):
        return False
    pairs = zip(operand[::2], operand[1::2], strict=True)
    return all(COMPARISONS[comparison](leaf, bound) for comparison, bound in pairs)


def _exists(operand: Any, leaf: Any) -> bool:
    return bool(operand)


def _cidr(operand: Any, leaf: Any) -> bool:
    try:
        return isinstance(leaf, str) and ipaddress.ip_address(leaf) in _network(operand)
    except ValueError:
        return False


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "anything-but": _anything_but,
    "cidr": _cidr,
    "equals-ignore-case": _equals_ignore_case,
    "exists": _exists,
    "numeric": _numeric,
    "prefix": _prefix,
    "suffix": _suffix,
    "wildcard": _wildcard,
}


@lru_cache(maxsize=256)
def _expression(wildcard: str) -> re.Pattern[str]:
    """`*` is any text; a backslash takes the meaning of the star, or of the backslash, behind it."""
    parts = re.findall(r"\\[*\\]|\*|[^*\\]+|\\", wildcard)
    return re.compile("".join(".*" if part == "*" else re.escape(_unescaped(part)) for part in parts), re.DOTALL)


def _unescaped(part: str) -> str:
    return part[1] if len(part) == 2 and part in ("\\*", "\\\\") else part


@lru_cache(maxsize=256)
def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(cidr, strict=False)


# --- what a pattern must look like


def is_choice(key: str, wanted: Any) -> bool:
    """Whether this is `$or` between patterns, and not a field of an event with that name."""
    return key == OR and isinstance(wanted, list) and all(isinstance(each, Mapping) for each in wanted)


def check(pattern: Any, *, where: str = "the pattern", depth: int = 0) -> None:
    """Raises InvalidPattern."""
    if not isinstance(pattern, Mapping):
        raise InvalidPattern(f"{where} must be an object")
    if depth > DEEPEST:
        raise InvalidPattern(f"{where} is nested too deeply")
    for key, wanted in pattern.items():
        if not isinstance(wanted, Mapping | list) or not wanted:
            raise InvalidPattern(f"{where}.{key} must be an object or a list that is not empty")
        if isinstance(wanted, Mapping):
            check(wanted, where=f"{where}.{key}", depth=depth + 1)
        elif not is_choice(key, wanted):
            for each in wanted:
                _check_leaf(each, f"{where}.{key}")
        elif len(wanted) < 2:
            raise InvalidPattern(f"{where}: $or needs two patterns or more")
        else:
            for each in wanted:
                check(each, where=f"{where}.$or", depth=depth + 1)


def _check_leaf(wanted: Any, where: str) -> None:
    if isinstance(wanted, list):
        raise InvalidPattern(f"{where} has a list in its list")
    if not isinstance(wanted, Mapping):
        return
    if len(wanted) != 1 or next(iter(wanted)) not in OPERATORS:
        raise InvalidPattern(f"{where}: expected one of {', '.join(OPERATORS)}, not {', '.join(wanted)}")
    ((name, operand),) = wanted.items()
    if not CHECKS[name](operand):
        raise InvalidPattern(f"{where}: {name} does not take {operand!r}")


def _is_text(operand: Any) -> bool:
    return isinstance(operand, str)


def _is_number(operand: Any) -> bool:
    is_number = isinstance(operand, int | float) and not isinstance(operand, bool)
    return is_number and -LARGEST_NUMBER <= operand <= LARGEST_NUMBER


def _is_text_or_ignores_case(operand: Any) -> bool:
    if isinstance(operand, Mapping):
        return list(operand) == ["equals-ignore-case"] and _is_text(operand["equals-ignore-case"])
    return isinstance(operand, str) and operand != ""


def _is_wildcard(operand: Any) -> bool:
    return isinstance(operand, str) and "**" not in operand.replace("\\\\", "").replace("\\*", "")


def _is_range(operand: Any) -> bool:
    """One comparison, or a lower and an upper bound."""
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        return False
    names = operand[::2]
    known = all(isinstance(name, str) and name in COMPARISONS for name in names)
    ordered = len(names) == 1 or (names[0] in (">", ">=") and names[1] in ("<", "<="))
    if not known or not ordered or not all(_is_number(bound) for bound in operand[1::2]):
        return False
    return len(names) == 1 or operand[1] < operand[3]


def _is_network(operand: Any) -> bool:
    try:
        return isinstance(operand, str) and "/" in operand and bool(_network(operand))
    except ValueError:
        return False


def _is_excluded(operand: Any) -> bool:
    if isinstance(operand, Mapping):
        if len(operand) != 1:
            return False
        ((name, texts),) = operand.items()
        wanted = texts if isinstance(texts, list) else [texts]
        return name in TEXT_OPERATORS and bool(wanted) and all(_is_text(t) and CHECKS[name](t) for t in wanted)
    values = operand if isinstance(operand, list) else [operand]
    return bool(values) and all(_is_text(value) or _is_number(value) for value in values)


TEXT_OPERATORS = frozenset({"equals-ignore-case", "prefix", "suffix", "wildcard"})
CHECKS: dict[str, Callable[[Any], bool]] = {
    "anything-but": _is_excluded,
    "cidr": _is_network,
    "equals-ignore-case": _is_text,
    "exists": lambda operand: isinstance(operand, bool),
    "numeric": _is_range,
    "prefix": _is_text_or_ignores_case,
    "suffix": _is_text_or_ignores_case,
    "wildcard": _is_wildcard,
}

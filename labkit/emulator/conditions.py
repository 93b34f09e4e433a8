"""PURE: IAM's patterns and condition operators.

Rules: IAM user guide, "IAM JSON policy elements: Condition operators", "Multivalued context keys", "Null condition
operator" and "IAM policy elements: Variables and tags".

A condition compares the request's values of one context key with the policy's. A key that the request does not have
meets negated operators only, and those with `IfExists`. Several values in the policy are alternatives; a negated
operator asks that none of them is met. A `*` stands for any text, a `?` for one letter, `${aws:username}` for the
request's own value, taken literally; nothing else is special.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network

Context = Mapping[str, Sequence[str]]
"""Context keys in lower case, and the request's values of each."""
Holds = Callable[[str, str, Context], bool]

SPECIAL = re.compile(r"\$\{([^}]*)\}|[*?]")
EVERY, SOME = "forallvalues:", "foranyvalue:"


def like(text: str, pattern: str, context: Context | None = None, *, ignore_case: bool = False) -> bool:
    """Whether a text fits a pattern; one with a variable that has no value fits nothing.

    >>> like("arn:aws:s3:::photos/ada/1.jpg", "arn:aws:s3:::photos/${aws:username}/*", {"aws:username": ["ada"]})
    True
    """
    variables = {name: _only(values) for name, values in (context or {}).items()} if "${" in pattern else {}
    known = tuple(sorted((name, value) for name, value in variables.items() if value is not None))
    compiled = _compiled(pattern, known, ignore_case)
    return compiled is not None and compiled.fullmatch(text) is not None


def _only(values: Sequence[str]) -> str | None:
    return values[0] if len(values) == 1 else None


@lru_cache(maxsize=4096)
def _compiled(pattern: str, variables: tuple[tuple[str, str], ...], ignore_case: bool) -> re.Pattern[str] | None:
    known, parts, end = dict(variables), [], 0
    for found in SPECIAL.finditer(pattern):
        parts.append(re.escape(pattern[end : found.start()]))
        end = found.end()
        if found[1] is None:
            parts.append(".*" if found[0] == "*" else ".")
            continue
        value = _variable(found[1], known)
        if value is None:
            return None
        parts.append(re.escape(value))
    parts.append(re.escape(pattern[end:]))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _variable(inside: str, known: Mapping[str, str]) -> str | None:
    """`${*}`, `${?}` and `${$}` are the letters themselves; `${key, 'default'}` has a default."""
    if inside in ("*", "?", "$"):
        return inside
    name, _, default = inside.partition(",")
    quoted = default.strip()
    return known.get(name.strip().lower(), quoted.strip("'") if quoted else None)


def arn_like(arn: str, pattern: str, context: Context | None = None) -> bool:
    """Part by part, so that a `*` does not reach over a colon of the first five."""
    # the colon of a variable (`${aws:username}`) divides nothing
    parts, patterns = arn.split(":", 5), re.split(r":(?![^{}]*\})", pattern, maxsplit=5)
    return len(parts) == len(patterns) and all(like(part, p, context) for part, p in zip(parts, patterns, strict=True))


# --- conditions ---------------------------------------------------------------------------------------------


def meets(condition: Mapping[str, Mapping[str, object]], context: Context) -> bool:
    """Whether the request meets every operator, for every key. Raises ValueError for an operator that IAM has not."""
    return all(
        _meets_one(operator, key.lower(), texts(wanted), context)
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def texts(given: object) -> list[str]:
    """One value or several, as text: JSON's `true` and 5 are allowed where a text is."""
    several = given if isinstance(given, list) else [given]
    return [str(value).lower() if isinstance(value, bool) else str(value) for value in several]


def _meets_one(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    name, given = operator.lower(), context.get(key)
    if name == "null":
        return any((given is None) == (value.lower() == "true") for value in wanted)
    quantifier = next((q for q in (EVERY, SOME) if name.startswith(q)), "")
    name = name.removeprefix(quantifier)
    if_exists, name = name.endswith("ifexists"), name.removesuffix("ifexists")
    negated, holds = _operator(name, operator)
    if given is None:
        return if_exists or quantifier == EVERY or (negated and not quantifier)
    each = [any(holds(value, other, context) for other in wanted) is not negated for value in given]
    if quantifier == EVERY or (negated and not quantifier):
        return all(each)
    return any(each)


def _operator(name: str, shown: str) -> tuple[bool, Holds]:
    if name in OPERATORS:
        return False, OPERATORS[name]
    plain = NEGATED.get(name)
    if plain is None:
        raise ValueError(f"{shown} is no condition operator")
    return True, OPERATORS[plain]


def _string_like(value: str, wanted: str, context: Context) -> bool:
    return like(value, wanted, context)


def _string_equals(value: str, wanted: str, context: Context) -> bool:
    return value == wanted or ("${" in wanted and like(value, _literally(wanted), context))


def _string_equals_ignore_case(value: str, wanted: str, context: Context) -> bool:
    return like(value, _literally(wanted), context, ignore_case=True)


def _literally(pattern: str) -> str:
    """The same text, whose wildcards are letters."""
    return re.sub(r"\$\{[^}]*\}|[*?]", lambda found: found[0] if len(found[0]) > 1 else f"${{{found[0]}}}", pattern)


def _arn_like(value: str, wanted: str, context: Context) -> bool:
    return arn_like(value, wanted, context)


def _ip_address(value: str, wanted: str, _: Context) -> bool:
    try:
        return ip_address(value) in ip_network(wanted, strict=False)
    except ValueError:
        return False


def _bool(value: str, wanted: str, _: Context) -> bool:
    return value.lower() == wanted.lower()


def _compared(read: Callable[[str], float], holds: Callable[[float, float], bool]) -> Holds:
    def compare(value: str, wanted: str, _: Context) -> bool:
        try:
            return holds(read(value), read(wanted))
        except ValueError:
            return False

    return compare


def _moment(text: str) -> float:
    """Seconds since the epoch, of a date of ISO 8601 or of such seconds themselves."""
    try:
        return float(text)
    except ValueError:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "equals": lambda a, b: a == b,
    "lessthan": lambda a, b: a < b,
    "lessthanequals": lambda a, b: a <= b,
    "greaterthan": lambda a, b: a > b,
    "greaterthanequals": lambda a, b: a >= b,
}
OPERATORS: dict[str, Holds] = {
    "stringequals": _string_equals,
    "stringequalsignorecase": _string_equals_ignore_case,
    "stringlike": _string_like,
    "arnequals": _arn_like,
    "arnlike": _arn_like,
    "bool": _bool,
    "binaryequals": _string_equals,
    "ipaddress": _ip_address,
    **{f"numeric{name}": _compared(float, holds) for name, holds in _ORDERS.items()},
    **{f"date{name}": _compared(_moment, holds) for name, holds in _ORDERS.items()},
}
NEGATED = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
    "notipaddress": "ipaddress",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
}
"""Operators that ask for the contrary of another."""

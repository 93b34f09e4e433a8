"""What the model demands of a request, and AWS's words for what it breaks.

Every shape of botocore's model may carry `min`, `max`, `pattern` and `enum`, every structure its required members.
A request is checked as a whole and answered with all violations in one ValidationException:

    2 validation errors detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater
    than or equal to 1; Value null at 'role' failed to satisfy constraint: Member must not be null

A path names members as AWS's Java does: first letter small (`kMSKeyArn`), `filters.1.member.pattern` inside a list of
structures, `endpoints.KEY.member` inside a map. The items of a list of plain values are judged together, at the list's
own path and with all the rules that an item has; so are a map's keys and its values. The value of a member that the
model calls sensitive is left out.

Patterns are Java's: they must match the whole value, their classes are ASCII, `.` stops at five line ends, and
`\\p{L}` is a Unicode category. `python_pattern` translates.

Where the model says something else than Lambda does, Lambda wins; CORRECTED_MAX and OWN_WORDS list all such places.
"""

from __future__ import annotations

import itertools
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from labkit.errors import InvalidParameterValue, ValidationFailed

CORRECTED_MAX: Mapping[str, int] = {
    # The model's maxima are those of functions on instances of one's own (32,768 MB, 5,400 s). Everywhere else Lambda
    # answers with these: developer guide, "Lambda quotas".
    "MemorySize": 10_240,
    "Timeout": 900,
    "EphemeralStorageSize": 10_240,
}
OWN_WORDS = frozenset({"Runtime"})
"""Members whose enum is left to Lambda itself, which answers InvalidParameterValueException, in other words."""

NOT_NULL = "Member must not be null"
SENSITIVE = "*** Sensitive Data Redacted ***"
_SCALARS = frozenset({"string", "character", "integer", "long", "float", "double", "boolean", "blob", "timestamp"})
_NUMBERS = frozenset({"integer", "long", "float", "double"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint of one shape: AWS's words for it, and whether a value keeps it."""

    text: str
    holds: Callable[[Any], bool]


class Constraints:
    """The rules of the model's shapes, made when first needed and then kept, patterns compiled."""

    def __init__(self) -> None:
        self._rules: dict[str, tuple[Rule, ...]] = {}

    def check(self, shape: Any, params: Mapping[str, Any]) -> None:
        """Raises ValidationFailed with all violations, or InvalidParameterValue for what Lambda words itself."""
        found = list(self._inner(shape, params, ""))
        if found:
            errors = "error" if len(found) == 1 else "errors"
            raise ValidationFailed(f"{len(found)} validation {errors} detected: {'; '.join(found)}")
        for name in OWN_WORDS & params.keys():
            _check_own_words(name, shape.members[name], params[name])

    def rules(self, shape: Any) -> tuple[Rule, ...]:
        """What a value of this shape must keep, itself and not its members."""
        if shape.name not in self._rules:
            self._rules[shape.name] = tuple(_rules(shape))
        return self._rules[shape.name]

    def _broken(self, shape: Any, value: Any) -> list[str]:
        return [rule.text for rule in self.rules(shape) if not rule.holds(value)]

    def _all(self, shape: Any, value: Any, path: str) -> Iterator[str]:
        for text in self._broken(shape, value):
            yield _violation(shape, value, path, text)
        yield from self._inner(shape, value, path)

    def _inner(self, shape: Any, value: Any, path: str) -> Iterator[str]:
        if shape.type_name == "structure":
            yield from self._members(shape, value, path)
        elif shape.type_name == "list":
            yield from self._items(shape, value, path)
        elif shape.type_name == "map":
            yield from self._entries(shape, value, path)

    def _members(self, shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
        for name, member in shape.members.items():
            at = f"{path}.{_camel(name)}" if path else _camel(name)
            if value.get(name) is not None:
                # Only a request's own Runtime has words of its own, not one in a list or a nested structure.
                yield from self._all(member, value[name], at) if path or name not in OWN_WORDS else ()
            elif name in shape.required_members:
                yield f"Value null at '{at}' failed to satisfy constraint: {NOT_NULL}"

    def _items(self, shape: Any, value: list[Any], path: str) -> Iterator[str]:
        if shape.member.type_name in _SCALARS:
            if any(self._broken(shape.member, item) for item in value):
                yield _violation(shape, value, path, f"Member must satisfy constraint: {self._bracket(shape.member)}")
            return
        for number, item in enumerate(value, 1):
            yield from self._all(shape.member, item, f"{path}.{number}.member")

    def _entries(self, shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
        if any(self._broken(shape.key, key) for key in value):
            yield _violation(shape, value, path, f"Map keys must satisfy constraint: {self._bracket(shape.key)}")
        if any(self._broken(shape.value, item) for item in value.values()):
            yield _violation(shape, value, path, f"Map value must satisfy constraint: {self._bracket(shape.value)}")
        for key, item in value.items():
            yield from self._inner(shape.value, item, f"{path}.{key}.member")

    def _bracket(self, shape: Any) -> str:
        return f"[{', '.join([*(rule.text for rule in self.rules(shape)), NOT_NULL])}]"


def _check_own_words(name: str, shape: Any, value: str) -> None:
    if shape.type_name == "string" and shape.enum and value not in shape.enum:
        known = ", ".join(shape.enum)
        raise InvalidParameterValue(
            f"Value {value} at '{_camel(name)}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{known}] or be a valid ARN"
        )


# --- the rules of a shape -----------------------------------------------------------------------------------


def _rules(shape: Any) -> Iterator[Rule]:
    most, least = CORRECTED_MAX.get(shape.name, shape.metadata.get("max")), shape.metadata.get("min")
    measure, what = (_itself, "value") if shape.type_name in _NUMBERS else (len, "length")
    if most is not None:
        yield Rule(f"Member must have {what} less than or equal to {most}", lambda v: measure(v) <= most)
    # A length of at least 0 is the model's way to say nothing.
    if least is not None and (least or what == "value"):
        yield Rule(f"Member must have {what} greater than or equal to {least}", lambda v: measure(v) >= least)
    if pattern := shape.metadata.get("pattern"):
        yield Rule(f"Member must satisfy regular expression pattern: {pattern}", lambda v: matches(pattern, v))
    if enum := shape.metadata.get("enum"):
        yield Rule(f"Member must satisfy enum value set: [{', '.join(enum)}]", lambda v: v in enum)


def _itself(value: float) -> float:
    return value


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _violation(shape: Any, value: Any, path: str, text: str) -> str:
    shown = "" if shape.metadata.get("sensitive") else f" '{_shown(shape, value)}'"
    return f"Value{shown} at '{path}' failed to satisfy constraint: {text}"


def _shown(shape: Any, value: Any) -> str:
    """A value as Java prints it: [a, b], {k=v}, true, Name(member=value)."""
    if shape.metadata.get("sensitive"):
        return SENSITIVE
    if shape.type_name == "list":
        return f"[{', '.join(_shown(shape.member, item) for item in value)}]"
    if shape.type_name == "map":
        return f"{{{', '.join(f'{key}={_shown(shape.value, item)}' for key, item in value.items())}}}"
    if shape.type_name == "structure":
        inner = (f"{_camel(name)}={_shown(shape.members[name], item)}" for name, item in value.items())
        return f"{shape.name}({', '.join(inner)})"
    return str(value).lower() if shape.type_name == "boolean" else str(value)


# --- Java's regular expressions -----------------------------------------------------------------------------

_SYNTAX = re.compile(r"\\p\{(?P<category>\w+)\}|\\.|\[\^?\]?|\]|\.", re.DOTALL)
_LINE_ENDS = r"\n\r\u0085\u2028\u2029"


def matches(pattern: str, value: str) -> bool:
    """Whether a Java pattern matches the whole value; one that Python cannot read refuses nothing."""
    compiled = compiled_pattern(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


@cache
def compiled_pattern(pattern: str) -> re.Pattern[str] | None:
    """A Java pattern ready for `fullmatch`; None if Python has no way to say it."""
    try:
        return re.compile(python_pattern(pattern), re.ASCII)
    except re.error:
        return None


def python_pattern(pattern: str) -> str:
    """A Java pattern in Python's words.

    >>> python_pattern("a.[.]")
    'a[^\\\\n\\\\r\\\\u0085\\\\u2028\\\\u2029][.]'
    """
    parts: list[str] = []
    in_class, end = False, 0
    for found in _SYNTAX.finditer(pattern):
        parts += [pattern[end : found.start()], _translated(found, in_class)]
        in_class = {"[": True, "]": False}.get(found[0][0], in_class)
        end = found.end()
    return "".join([*parts, pattern[end:]])


def _translated(found: re.Match[str], in_class: bool) -> str:
    if found["category"]:
        ranges = _category_ranges(found["category"])
        return ranges if in_class else f"[{ranges}]"
    if found[0] == "." and not in_class:
        return f"[^{_LINE_ENDS}]"
    return found[0]


def _category_ranges(category: str) -> str:
    """The inside of a character class for a Unicode category (L, or a part of it: Lu)."""
    runs = [(first, last) for name, first, last in _category_runs() if name.startswith(category)]
    if not runs:
        raise re.error(f"unknown category {category}")
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in runs)


@cache
def _category_runs() -> tuple[tuple[str, int, int], ...]:
    """Unicode's code points as runs of one category: a tenth of a second, spent when a tag is first checked."""
    points = range(sys.maxunicode + 1)
    runs, first = [], 0
    for name, run in itertools.groupby(map(unicodedata.category, map(chr, points))):
        length = sum(1 for _ in run)
        runs.append((name, first, first + length - 1))
        first += length
    return tuple(runs)

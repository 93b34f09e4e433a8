"""PURE: the methods of Java's strings, lists, maps and numbers that mapping templates call."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any


class MethodError(Exception):
    """A method that cannot do what it is asked for."""


def _substring(text: str, first: int, last: int | None = None) -> str:
    end = len(text) if last is None else last
    if not 0 <= first <= end <= len(text):
        raise MethodError(f"String index out of range: {first}, {end} of {len(text)}")
    return text[first:end]


def _pattern(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise MethodError(f"{pattern!r} is no regular expression: {error}") from None


def _replace(text: str, pattern: str, by: str, *, most: int) -> str:
    """`$1` names a group in Java; a backslash takes what follows as it is."""
    found = _pattern(pattern)
    spelt = re.sub(r"\\(.)|\$(\d)", lambda m: rf"\g<{m[2]}>" if m[2] else re.escape(m[1]) if m[1] == "\\" else m[1], by)
    return found.sub(spelt, text, count=most)


def _split(text: str, pattern: str, most: int = 0) -> list[str]:
    if not pattern:
        return list(text)
    parts = _pattern(pattern).split(text, maxsplit=max(0, most - 1))
    while most == 0 and len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts


def _put(mapping: dict[str, Any], name: str, value: Any) -> Any:
    before = mapping.get(name)
    mapping[name] = value
    return before


def _add(members: list[Any], *arguments: Any) -> bool:
    if len(arguments) == 2:
        members.insert(*arguments)
    else:
        members.append(*arguments)
    return True


def _remove(members: list[Any], what: Any) -> Any:
    if isinstance(what, int) and not isinstance(what, bool):
        return members.pop(what)
    if what not in members:
        return False
    members.remove(what)
    return True


def _set(members: list[Any], at: int, value: Any) -> Any:
    before, members[at] = members[at], value
    return before


def _add_all(members: list[Any], others: list[Any]) -> bool:
    members.extend(others)
    return bool(others)


def _entries(mapping: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": value} for name, value in mapping.items()]


Method = Callable[..., Any]
TEXT: Mapping[str, Method] = {
    "length": len,
    "isEmpty": lambda text: not text,
    "contains": lambda text, part: part in text,
    "startsWith": lambda text, start: text.startswith(start),
    "endsWith": lambda text, end: text.endswith(end),
    "equals": lambda text, other: text == other,
    "equalsIgnoreCase": lambda text, other: isinstance(other, str) and text.casefold() == other.casefold(),
    "compareTo": lambda text, other: (text > other) - (text < other),
    "toLowerCase": lambda text: text.lower(),
    "toUpperCase": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "substring": _substring,
    "charAt": lambda text, at: text[at],
    "indexOf": lambda text, part, start=0: text.find(part, start),
    "lastIndexOf": lambda text, part: text.rfind(part),
    "concat": lambda text, other: text + other,
    "replace": lambda text, old, new: text.replace(old, new),
    "replaceAll": lambda text, pattern, by: _replace(text, pattern, by, most=0),
    "replaceFirst": lambda text, pattern, by: _replace(text, pattern, by, most=1),
    "matches": lambda text, pattern: _pattern(pattern).fullmatch(text) is not None,
    "split": _split,
    "toString": lambda text: text,
}
LIST: Mapping[str, Method] = {
    "size": len,
    "isEmpty": lambda members: not members,
    "get": lambda members, at: members[at],
    "set": _set,
    "add": _add,
    "addAll": _add_all,
    "remove": _remove,
    "contains": lambda members, member: member in members,
    "indexOf": lambda members, member: members.index(member) if member in members else -1,
    "clear": lambda members: members.clear(),
}
MAP: Mapping[str, Method] = {
    "size": len,
    "isEmpty": lambda mapping: not mapping,
    "get": lambda mapping, name: mapping.get(name),
    "put": _put,
    "putAll": lambda mapping, other: mapping.update(other),
    "remove": lambda mapping, name: mapping.pop(name, None),
    "keySet": lambda mapping: list(mapping),
    "values": lambda mapping: list(mapping.values()),
    "entrySet": _entries,
    "getKey": lambda entry: entry.get("key"),
    "getValue": lambda entry: entry.get("value"),
    "containsKey": lambda mapping, name: name in mapping,
    "containsValue": lambda mapping, value: value in mapping.values(),
}
NUMBER: Mapping[str, Method] = {
    "intValue": int,
    "longValue": int,
    "doubleValue": float,
    "equals": lambda number, other: number == other,
}
BOOLEAN: Mapping[str, Method] = {"equals": lambda value, other: value is other, "booleanValue": bool}
METHODS: Mapping[str, Mapping[str, Method]] = {
    "text": TEXT,
    "list": LIST,
    "map": MAP,
    "number": NUMBER,
    "boolean": BOOLEAN,
}

"""PURE: the Velocity Template Language (1.7), as far as API Gateway's mapping templates use it.

Read in two steps: `velocity_parser` makes a tree of it, this evaluates the tree. Values are JSON's; an object's
properties, its methods of Java (`size()`, `keySet()`, `replaceAll(...)`, see `velocity_methods`) and what a `Tool`
offers can be reached, nothing else: no attribute of a Python object. What is null is rendered as nothing, as in API
Gateway. The kept libraries were looked at: airspeed 0.7 and airspeed-ext 0.6 reach Python's attributes
(`$x.__class__`), show maps in Python's spelling, lack `entrySet`, and loop without a bound.

Bounds: API Gateway's 1,000 iterations of `#foreach` ("Amazon API Gateway quotas"), and our own of steps and of size,
so that a template ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.emulator.apigateway.velocity_methods import METHODS, MethodError
from labkit.emulator.apigateway.velocity_parser import (
    Binary,
    Block,
    Break,
    Call,
    Foreach,
    If,
    Index,
    ListLiteral,
    Literal,
    MapLiteral,
    Node,
    Property,
    Range,
    Reference,
    Set,
    Stop,
    TemplateError,
    Text,
    Unary,
    parsed,
)

MOST_ITERATIONS = 1000
MOST_STEPS = 100_000
MOST_CHARACTERS = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tool:
    """An object of the host's: methods by name, and properties."""

    methods: Mapping[str, Callable[..., Any]]
    properties: Mapping[str, Any] = field(default_factory=dict)
    shown: str = ""


class JsonList(list[Any]):
    """A list that came in JSON and is shown as JSON; one of `#set` is shown as Java shows it (recorded, LocalStack)."""


class JsonMap(dict[str, Any]):
    """A map that came in JSON: the lists in it are shown as JSON."""


def from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return JsonMap({name: from_json(member) for name, member in value.items()})
    return JsonList(from_json(member) for member in value) if isinstance(value, list) else value


def render(template: str, variables: Mapping[str, Any]) -> str:
    """Raises TemplateError, which says the line."""
    try:
        return _Evaluation(dict(variables)).run(parsed(template))
    except RecursionError:
        raise TemplateError("nested too deeply") from None


def shown(value: Any) -> str:
    """A value as text, in Java's spelling."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, JsonList):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(_inner(member) for member in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}={_inner(member)}' for name, member in value.items())}}}"
    return value.shown if isinstance(value, Tool) else str(value)


def _inner(value: Any) -> str:
    return "null" if value is None else shown(value)


class _Stopped(Exception):
    """`#stop`."""


class _Broken(Exception):
    """`#break`."""


class _Evaluation:
    def __init__(self, variables: dict[str, Any]) -> None:
        self._variables = variables
        self._out: list[str] = []
        self._size = 0
        self._steps = 0
        self._iterations = 0

    def run(self, block: Block) -> str:
        try:
            self._block(block)
        except _Stopped:
            pass
        except _Broken:
            pass
        return "".join(self._out)

    def _say(self, text: str) -> None:
        self._size += len(text)
        if self._size > MOST_CHARACTERS:
            raise TemplateError(f"more than {MOST_CHARACTERS} characters")
        self._out.append(text)

    def _block(self, block: Block) -> None:
        for node in block.nodes:
            self._node(node)

    def _node(self, node: Node) -> None:
        self._step()
        if isinstance(node, Text):
            self._say(node.text)
        elif isinstance(node, Reference):
            self._say(shown(self._value(node)))
        elif isinstance(node, Set):
            self._set(node)
        elif isinstance(node, If):
            self._if(node)
        elif isinstance(node, Foreach):
            self._foreach(node)
        elif isinstance(node, Break):
            raise _Broken
        elif isinstance(node, Stop):
            raise _Stopped

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TemplateError(f"more than {MOST_STEPS} steps")

    def _if(self, node: If) -> None:
        for condition, block in node.branches:
            if condition is None or _true(self._value(condition)):
                self._block(block)
                return

    def _foreach(self, node: Foreach) -> None:
        members = self._value(node.source)
        if isinstance(members, dict):
            members = list(members.values())
        if not isinstance(members, list):
            return
        before = self._variables.get("foreach"), self._variables.get(node.name)
        try:
            for at, member in enumerate(members):
                self._count_iteration()
                last = at == len(members) - 1
                state = {"index": at, "count": at + 1, "hasNext": not last, "first": at == 0, "last": last}
                self._variables |= {node.name: member, "foreach": state, "velocityCount": at + 1}
                self._block(node.body)
        except _Broken:
            pass
        finally:
            self._variables["foreach"], self._variables[node.name] = before

    def _count_iteration(self) -> None:
        self._iterations += 1
        if self._iterations > MOST_ITERATIONS:
            raise TemplateError(f"#foreach has run more than {MOST_ITERATIONS} times")

    def _set(self, node: Set) -> None:
        value = self._value(node.value)
        target = node.target
        if not target.path:
            self._variables[target.name] = value
            return
        owner = self._walk(Reference(target.name, target.path[:-1], target.line))
        last = target.path[-1]
        if isinstance(last, Property) and isinstance(owner, dict):
            owner[last.name] = value
        elif isinstance(last, Index) and isinstance(owner, dict | list):
            try:
                owner[self._value(last.value)] = value
            except (IndexError, TypeError):
                raise TemplateError("#set of a member that there is not", target.line) from None

    # --- values

    def _value(self, node: Node) -> Any:
        self._step()
        if isinstance(node, Literal):
            return self._interpolated(node)
        if isinstance(node, Reference):
            return self._walk(node)
        if isinstance(node, Unary):
            return not _true(self._value(node.value)) if node.operator == "!" else _negative(self._value(node.value))
        if isinstance(node, Binary):
            return self._binary(node)
        if isinstance(node, ListLiteral):
            return [self._value(member) for member in node.members]
        if isinstance(node, MapLiteral):
            return {shown(self._value(name)): self._value(value) for name, value in node.members}
        assert isinstance(node, Range)
        return _between(self._value(node.first), self._value(node.last))

    def _interpolated(self, node: Literal) -> Any:
        if node.template is None:
            return node.value
        inner = _Evaluation(self._variables)
        inner._steps = self._steps
        text = inner.run(node.template)
        self._steps = inner._steps + len(text) // 1000
        return text

    def _walk(self, node: Reference) -> Any:
        value = self._variables.get(node.name)
        for part in node.path:
            if value is None:
                return None
            if isinstance(part, Property):
                value = _property(value, part.name)
            elif isinstance(part, Index):
                value = _member(value, self._value(part.value))
            else:
                value = self._called(value, part, node.line)
        return value

    def _called(self, owner: Any, call: Call, line: int) -> Any:
        arguments = [self._value(argument) for argument in call.arguments]
        method = (
            owner.methods.get(call.name) if isinstance(owner, Tool) else METHODS.get(_kind(owner), {}).get(call.name)
        )
        if method is None:
            return shown(owner) if call.name == "toString" else None
        try:
            result = method(*arguments) if isinstance(owner, Tool) else method(owner, *arguments)
        except (MethodError, TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            raise TemplateError(f"{call.name}: {error}", line) from None
        if isinstance(result, str) and len(result) > MOST_CHARACTERS:
            raise TemplateError(f"{call.name} makes more than {MOST_CHARACTERS} characters", line)
        return result

    def _binary(self, node: Binary) -> Any:
        left = self._value(node.left)
        if node.operator == "&&":
            return _true(left) and _true(self._value(node.right))
        if node.operator == "||":
            return _true(left) or _true(self._value(node.right))
        right = self._value(node.right)
        if node.operator in ("==", "!="):
            return _equal(left, right) is (node.operator == "==")
        if node.operator in COMPARED:
            return _is_number(left) and _is_number(right) and COMPARED[node.operator](left, right)
        return _arithmetic(node, left, right)


COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "list"
    if isinstance(value, dict):
        return "map"
    return "boolean" if isinstance(value, bool) else "number"


def _property(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, Tool):
        return value.properties.get(name)
    if name in ("length", "size", "empty"):  # Java's getters
        getter = METHODS.get(_kind(value), {}).get("isEmpty" if name == "empty" else name)
        return getter(value) if getter else None
    return None


def _member(value: Any, index: Any) -> Any:
    if isinstance(value, dict):
        return value.get(index if isinstance(index, str) else shown(index))
    if isinstance(value, list) and isinstance(index, int) and -len(value) <= index < len(value):
        return value[index]
    return None


def _true(value: Any) -> bool:
    """In Velocity 1.7 everything is true but null and false."""
    return value is not None and value is not False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    if left is None or right is None or type(left) is type(right) or (_is_number(left) and _is_number(right)):
        return bool(left == right)
    return shown(left) == shown(right)


def _negative(value: Any) -> Any:
    return -value if _is_number(value) else None


def _between(first: Any, last: Any) -> Any:
    if not isinstance(first, int) or not isinstance(last, int):
        return None
    if abs(last - first) > MOST_ITERATIONS:
        raise TemplateError(f"a range of more than {MOST_ITERATIONS} numbers")
    return list(range(first, last + 1)) if last >= first else list(range(first, last - 1, -1))


def _arithmetic(node: Binary, left: Any, right: Any) -> Any:
    if node.operator == "+" and (isinstance(left, str) or isinstance(right, str)):
        if len(shown(left)) + len(shown(right)) > MOST_CHARACTERS:
            raise TemplateError(f"more than {MOST_CHARACTERS} characters")
        return _inner(left) + _inner(right)
    if not _is_number(left) or not _is_number(right):
        return None
    if node.operator in "/%" and right == 0:
        return None
    whole = isinstance(left, int) and isinstance(right, int)
    if node.operator == "/":
        return int(left / right) if whole else left / right
    if node.operator == "%":
        return left - right * int(left / right)
    return left + right if node.operator == "+" else left - right if node.operator == "-" else left * right

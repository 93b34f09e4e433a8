"""PURE: a template in the Velocity Template Language as a tree (Velocity user guide, 1.7).

What looks like a directive or reference and is none stays text: `#fff`, `$5`, a lone `$`. White space and the line's
end after a directive belong to it. Macros, `#include`, `#parse` and `#evaluate` are refused: API Gateway has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

DIRECTIVE = re.compile(
    r"#(?:\{(\w+)\}|(set|if|elseif|else|end|foreach|break|stop|macro|include|parse|evaluate|define)(?!\w))"
)
REFUSED = frozenset({"macro", "include", "parse", "evaluate", "define"})
REFERENCE = re.compile(r"\$!?\{?([a-zA-Z_][\w-]*)")
NAME = re.compile(r"[a-zA-Z_][\w-]*")
NUMBER = re.compile(r"\d+\.\d+(?:[eE][+-]?\d+)?|\d+(?!\.\d)")
WORDS = {"and": "&&", "or": "||", "not": "!", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
LEVELS = (("||",), ("&&",), ("==", "!="), ("<=", ">=", "<", ">"), ("+", "-"), ("*", "/", "%"))
REST_OF_LINE = re.compile(r"[ \t]*\r?\n")


class TemplateError(Exception):
    """A template that cannot be read or run."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {message}" if line else message)


class Node:
    """A part of a template."""


@dataclass(frozen=True, slots=True)
class Text(Node):
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Property:
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    value: Node


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Reference(Node):
    name: str
    path: tuple[Property | Index | Call, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant; or text in double quotes, which is a template itself."""

    value: Any
    template: Block | None = None


@dataclass(frozen=True, slots=True)
class ListLiteral(Node):
    members: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapLiteral(Node):
    members: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Range(Node):
    first: Node
    last: Node


@dataclass(frozen=True, slots=True)
class Unary(Node):
    operator: str
    value: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Set(Node):
    target: Reference
    value: Node


@dataclass(frozen=True, slots=True)
class If(Node):
    branches: tuple[tuple[Node | None, Block], ...]


@dataclass(frozen=True, slots=True)
class Foreach(Node):
    name: str
    source: Node
    body: Block


@dataclass(frozen=True, slots=True)
class Break(Node):
    pass


@dataclass(frozen=True, slots=True)
class Stop(Node):
    pass


@lru_cache(maxsize=256)
def parsed(template: str) -> Block:
    """Raises TemplateError."""
    return _Parser(template).whole()


@dataclass(slots=True)
class _Parser:
    text: str
    at: int = 0
    first_line: int = 1

    def whole(self) -> Block:
        block, ended_by = self._block()
        if ended_by:
            raise self._error(f"#{ended_by} without a beginning")
        return block

    def _error(self, message: str) -> TemplateError:
        return TemplateError(message, self.first_line + self.text.count("\n", 0, self.at))

    # --- text, references, directives

    def _block(self) -> tuple[Block, str]:
        """Nodes up to `#else`, `#elseif` or `#end`, whose name comes with them; empty at the template's end."""
        nodes: list[Node] = []
        while self.at < len(self.text):
            start = self._special()
            if start > self.at:
                nodes.append(Text(self.text[self.at : start]))
                self.at = start
                continue
            if self.text[self.at] == "$":
                nodes.append(self._reference_or_text())
            elif name := self._directive_name():
                if name in ("else", "elseif", "end"):
                    return Block(tuple(nodes)), name
                nodes.append(self._directive(name))
            else:
                nodes.extend(self._escape_or_comment())
        return Block(tuple(nodes)), ""

    def _special(self) -> int:
        """Where the next `$`, `#` or escaping `\\` stands."""
        at = self.at
        while at < len(self.text):
            c = self.text[at]
            if c in "$#" or (c == "\\" and self.text[at + 1 : at + 2] in ("$", "#")):
                return at
            at += 1
        return at

    def _escape_or_comment(self) -> Iterator[Node]:
        text, at = self.text, self.at
        if text[at] == "\\":
            self.at += 2
            yield Text(text[at + 1])
        elif text.startswith("##", at):
            end = text.find("\n", at)
            self.at = len(text) if end < 0 else end + 1
        elif text.startswith("#*", at) or text.startswith("#[[", at):
            yield from self._until("*#" if text[at + 1] == "*" else "]]#")
        else:
            self.at += 1
            yield Text("#")

    def _until(self, end: str) -> Iterator[Node]:
        """A comment is nothing; what stands in `#[[ ]]#` is text."""
        found = self.text.find(end, self.at)
        if found < 0:
            raise self._error(f"{end} is missing")
        start, self.at = self.at + 3, found + len(end)
        if end == "]]#":
            yield Text(self.text[start:found])

    def _directive_name(self) -> str:
        found = DIRECTIVE.match(self.text, self.at)
        if not found:
            return ""
        name = found[1] or found[2]
        if name in REFUSED:
            raise self._error(f"#{name} is not available in mapping templates")
        if found[1] and name not in ("else", "end", "break", "stop"):
            return ""
        if name in ("set", "if", "elseif", "foreach") and not re.match(r"\s*\(", self.text[found.end() :]):
            return ""
        self.at = found.end()
        return name

    def _directive(self, name: str) -> Node:
        if name == "set":
            return self._set()
        if name == "if":
            return self._if()
        if name == "foreach":
            return self._foreach()
        self._end_line()
        return Break() if name == "break" else Stop()

    def _end_line(self) -> None:
        if found := REST_OF_LINE.match(self.text, self.at):
            self.at = found.end()

    def _set(self) -> Node:
        self._expect("(")
        self._space()
        target = self._reference()
        self._expect("=")
        value = self._expression()
        self._expect(")")
        self._end_line()
        return Set(target, value)

    def _if(self) -> Node:
        branches: list[tuple[Node | None, Block]] = []
        name = "if"
        while name != "end":
            if branches and branches[-1][0] is None:
                raise self._error(f"#{name} after #else")
            condition = None if name == "else" else self._condition()
            self._end_line()
            block, name = self._block()
            if not name:
                raise self._error("#end is missing")
            branches.append((condition, block))
        self._end_line()
        return If(tuple(branches))

    def _condition(self) -> Node:
        self._expect("(")
        condition = self._expression()
        self._expect(")")
        return condition

    def _foreach(self) -> Node:
        self._expect("(")
        self._space()
        name = self._reference().name
        self._space()
        if not self._take_word("in"):
            raise self._error("#foreach needs `in`")
        source = self._expression()
        self._expect(")")
        self._end_line()
        body, ended_by = self._block()
        if ended_by != "end":
            raise self._error("#end is missing")
        self._end_line()
        return Foreach(name, source, body)

    def _reference_or_text(self) -> Node:
        start = self.at
        if not REFERENCE.match(self.text, start):
            self.at += 1
            return Text("$")
        try:
            return self._reference()
        except TemplateError:
            if self.text.startswith(("${", "$!{"), start):
                raise
            self.at = start + 1
            return Text("$")

    def _reference(self) -> Reference:
        found = REFERENCE.match(self.text, self.at)
        if not found:
            raise self._error("a reference such as $name is missing")
        line = self.first_line + self.text.count("\n", 0, self.at)
        formal = "{" in found[0]
        self.at = found.end()
        path: list[Property | Index | Call] = []
        while part := self._part():
            path.append(part)
        if formal:
            self._expect("}")
        return Reference(found[1], tuple(path), line)

    def _part(self) -> Property | Index | Call | None:
        if self.text.startswith("[", self.at):
            self.at += 1
            value = self._expression()
            self._expect("]")
            return Index(value)
        found = NAME.match(self.text, self.at + 1) if self.text.startswith(".", self.at) else None
        if not found:
            return None
        self.at = found.end()
        if not self.text.startswith("(", self.at):
            return Property(found[0])
        self.at += 1
        return Call(found[0], self._listed(")"))

    # --- expressions

    def _space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _take(self, token: str) -> bool:
        self._space()
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def _take_word(self, word: str) -> bool:
        self._space()
        found = NAME.match(self.text, self.at)
        if not found or found[0] != word:
            return False
        self.at = found.end()
        return True

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._error(f"{token!r} is missing")

    def _listed(self, end: str) -> tuple[Node, ...]:
        members: list[Node] = []
        if self._take(end):
            return ()
        while True:
            members.append(self._expression())
            if self._take(end):
                return tuple(members)
            self._expect(",")

    def _expression(self, level: int = 0) -> Node:
        if level == len(LEVELS):
            return self._unary()
        left = self._expression(level + 1)
        while operator := self._operator(LEVELS[level]):
            left = Binary(operator, left, self._expression(level + 1))
        return left

    def _operator(self, wanted: tuple[str, ...]) -> str:
        self._space()
        for operator in wanted:
            if self.text.startswith(operator, self.at):
                self.at += len(operator)
                return operator
        found = NAME.match(self.text, self.at)
        if found and WORDS.get(found[0]) in wanted:
            self.at = found.end()
            return WORDS[found[0]]
        return ""

    def _unary(self) -> Node:
        self._space()
        if self._take("!") or self._take_word("not"):
            return Unary("!", self._unary())
        if self._take("-"):
            return Unary("-", self._unary())
        return self._primary()

    def _primary(self) -> Node:
        self._space()
        c = self.text[self.at : self.at + 1]
        if c == "$":
            return self._reference()
        if c in ('"', "'"):
            return self._string(c)
        if self._take("("):
            inner = self._expression()
            self._expect(")")
            return inner
        if self._take("["):
            return self._list_or_range()
        if self._take("{"):
            return self._map()
        return self._constant()

    def _constant(self) -> Node:
        if found := NUMBER.match(self.text, self.at):
            self.at = found.end()
            return Literal(float(found[0]) if "." in found[0] else int(found[0]))
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self._take_word(word):
                return Literal(value)
        raise self._error(f"no expression: {self.text[self.at : self.at + 20]!r}")

    def _string(self, quote: str) -> Node:
        start = self.at + 1
        end = start
        while True:
            end = self.text.find(quote, end)
            if end < 0:
                raise self._error("a string does not end")
            if self.text[end : end + 2] == quote * 2:  # doubled, it is one of the string
                end += 2
            elif quote == '"' and self.text[end - 1] == "\\" and end > start:
                end += 1
            else:
                break
        raw = self.text[start:end].replace(quote * 2, quote)
        line = self.first_line + self.text.count("\n", 0, start)
        self.at = end + 1
        if quote == "'" or not any(c in raw for c in "$#"):
            return Literal(raw)
        return Literal(raw, _Parser(raw, first_line=line).whole())

    def _list_or_range(self) -> Node:
        if self._take("]"):
            return ListLiteral(())
        first = self._expression()
        if self._take(".."):
            last = self._expression()
            self._expect("]")
            return Range(first, last)
        if self._take("]"):
            return ListLiteral((first,))
        self._expect(",")
        return ListLiteral((first, *self._listed("]")))

    def _map(self) -> Node:
        members: list[tuple[Node, Node]] = []
        if self._take("}"):
            return MapLiteral(())
        while True:
            self._space()
            bare = NAME.match(self.text, self.at)
            name: Node = Literal(bare[0]) if bare else self._primary()
            self.at = bare.end() if bare else self.at
            self._expect(":")
            members.append((name, self._expression()))
            if self._take("}"):
                return MapLiteral(tuple(members))
            self._expect(",")

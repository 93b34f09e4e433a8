"""PURE: which part of a traceback's line went wrong, as carets below it.

AWS's client reports file, line and function of a frame, not its columns: Python's own carets are lost on the way. They
are found again from what the line, the error and the next frame say: the missing key or name, the operator, the call
of the function that the next frame is in. Where more than one place could be meant there are none. The marks are
Python's (PEP 657): `^` below what failed, `~` below what it was done to; a mark of the whole line says nothing.
"""

from __future__ import annotations

import ast
import re

_FRAME = re.compile(r'  File "[^"]*", line \d+, in (.+)')
_QUOTED = re.compile(r"'([^']*)'")
_OPERATORS: dict[str, tuple[type[ast.operator], ...]] = {
    "+": (ast.Add,), "-": (ast.Sub,), "*": (ast.Mult,), "/": (ast.Div,), "//": (ast.FloorDiv,), "%": (ast.Mod,),
    "@": (ast.MatMult,), "** or pow()": (ast.Pow,), "&": (ast.BitAnd,), "|": (ast.BitOr,), "^": (ast.BitXor,),
}  # fmt: skip
_DIVISIONS = (ast.Div, ast.FloorDiv, ast.Mod)
Found = list[ast.expr]


def marked(frames: tuple[str, ...], error_type: str, message: str) -> list[str]:
    """The frames of a traceback, outermost first, each with a line of carets where they can be found.

    >>> marked(('  File "/var/task/f.py", line 2, in handler\\n    return 1 / event["n"]\\n',), "KeyError", "'n'")
    ['  File "/var/task/f.py", line 2, in handler\\n    return 1 / event["n"]\\n               ~~~~~^^^^^']
    """
    callees = [_function(frame) for frame in frames[1:]]
    shown = []
    for place, frame in enumerate(frames):
        head, _, line = frame.rstrip("\n").partition("\n")
        called = callees[place] if place < len(callees) else ""
        marks = "" if "\n" in line or (place < len(callees) and not called) else carets(
            line, called=called, error_type=error_type, message=message
        )  # fmt: skip
        shown.append("\n".join(part for part in (head, line, marks) if part))
    return shown


def carets(line: str, *, called: str = "", error_type: str = "", message: str = "") -> str:
    """The marks below a line, indented as it is; "" where they cannot be told.

    `called` is the function that the line called, if the error came from there.
    """
    statement = line.strip()
    parsed = _parsed(statement)
    if parsed is None:
        return ""
    tree, skipped = parsed
    found = _called(tree, called) if called else _blamed(tree, error_type, message)
    if len(found) != 1 or found[0].end_col_offset is None:
        return ""
    marks = _marks(found[0], statement, skipped)
    if len(marks.strip()) >= len(statement):
        return ""
    return line[: len(line) - len(line.lstrip())] + marks


def _function(frame: str) -> str:
    found = _FRAME.match(frame)
    return found[1].strip() if found and "<" not in found[1] else ""


def _parsed(statement: str) -> tuple[ast.AST, int] | None:
    """The tree of a line, and how many lines were put before it; None for a piece of a longer statement."""
    for before, after in (("", ""), ("", " pass"), ("if 1: pass\n", " pass"), ("try: pass\n", " pass")):
        try:
            return ast.parse(f"{before}{statement}{after}"), before.count("\n")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def _called(tree: ast.AST, name: str) -> Found:
    return [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _name(n.func) == name]


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _blamed(tree: ast.AST, error_type: str, message: str) -> Found:
    """The expressions that can have raised this error."""
    if any(isinstance(n, ast.Raise | ast.Assert) for n in ast.walk(tree)):
        return []
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.expr)]
    named = _QUOTED.search(message)
    word = named[1] if named else ""
    if error_type in ("NameError", "UnboundLocalError"):
        return [n for n in nodes if isinstance(n, ast.Name) and n.id == word]
    if error_type == "AttributeError" and "has no attribute" in message:
        return [
            n for n in nodes if isinstance(n, ast.Attribute) and n.attr == message.rpartition("'")[0].split("'")[-1]
        ]
    if error_type == "ZeroDivisionError":
        return [n for n in nodes if isinstance(n, ast.BinOp) and isinstance(n.op, _DIVISIONS)]
    if error_type in ("KeyError", "IndexError"):
        return _subscripts(nodes, message if error_type == "KeyError" else "")
    return _typed(nodes, message) if error_type == "TypeError" else _only_call(nodes)


def _subscripts(nodes: Found, key: str) -> Found:
    """The look-ups; of a key that stands in the line, only those of that key."""
    found = [n for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Load)]
    constant = [n for n in found if isinstance(n.slice, ast.Constant) and repr(n.slice.value) == key]
    if constant:
        return list(constant)
    other = [n for n in found if not (key and isinstance(n.slice, ast.Constant))]
    return [] if any(isinstance(n, ast.Call) for n in nodes) else list(other)


def _typed(nodes: Found, message: str) -> Found:
    operator = re.match(r"unsupported operand type\(s\) for (.+?):", message)
    joined = re.match(r"can only concatenate ", message)
    kinds = _OPERATORS.get(operator[1], ()) if operator else (ast.Add,) if joined else ()
    if operator or joined:
        return [n for n in nodes if isinstance(n, ast.BinOp) and isinstance(n.op, kinds)]
    if "is not subscriptable" in message:
        return [n for n in nodes if isinstance(n, ast.Subscript)]
    return (
        _only_call(nodes)
        if "not supported between" not in message
        else [n for n in nodes if isinstance(n, ast.Compare)]
    )


def _only_call(nodes: Found) -> Found:
    """A call, if nothing else in the line does anything."""
    busy = [n for n in nodes if isinstance(n, ast.Call | ast.BinOp | ast.Subscript | ast.Compare)]
    return list(busy) if len(busy) == 1 and isinstance(busy[0], ast.Call) else []


def _marks(node: ast.expr, statement: str, skipped: int) -> str:
    """Carets for the whole; for an operator and for a look-up, tildes below what they work on."""
    assert node.end_col_offset is not None
    if node.lineno != skipped + 1 or node.end_lineno != node.lineno:
        return ""
    source = statement.encode()
    start, end = (len(source[:at].decode()) for at in (node.col_offset, node.end_col_offset))
    first, last = start, end
    if isinstance(node, ast.BinOp):
        left, right = node.left.end_col_offset or 0, node.right.col_offset
        gap = source[left:right].decode()
        operator = gap.strip(" ()")
        first = len(source[:left].decode()) + gap.index(operator)
        last = first + len(operator)
    elif isinstance(node, ast.Subscript):
        first = len(source[: node.value.end_col_offset].decode())
    return " " * start + "~" * (first - start) + "^" * (last - first) + "~" * (end - last)

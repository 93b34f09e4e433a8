"""Finds names that a module uses but never defines: pyflakes, with the builtins of a fresh interpreter.

pyflakes takes for a builtin whatever the running process has in `builtins`, and a notebook adds `display` and
`get_ipython` there, which the handler's process does not have.
Imported when a function is deployed: pyflakes takes a fiftieth of `%load_ext labkit`.
"""

from __future__ import annotations

import ast
import builtins
from functools import cache

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName


class _Checker(Checker):  # type: ignore[misc]
    """pyflakes with the builtins of a fresh interpreter, whatever this process has put among its own."""

    @property
    def builtIns(self) -> frozenset[str]:  # noqa: N802
        return _fresh_builtins()

    @builtIns.setter
    def builtIns(self, names: object) -> None:  # noqa: N802
        """pyflakes assigns the running process's builtins here; they are not the handler's."""


def undefined(tree: ast.Module) -> list[tuple[str, int]]:
    """Names that the module uses but never defines, each with its first line, by line.

    Where a star import makes that unknowable pyflakes reports nothing of the kind. An expression too deep for
    pyflakes, which is recursive, is left unchecked: Python itself has compiled it.
    """
    try:
        found = _Checker(tree, "<cell>", withDoctest=False).messages
    except RecursionError:
        return []
    first: dict[str, int] = {}
    for message in found:
        if isinstance(message, UndefinedName):
            name = str(message.message_args[0])
            first[name] = min(int(message.lineno), first.get(name, message.lineno))
    return sorted(first.items(), key=lambda use: (use[1], use[0]))


@cache
def _fresh_builtins() -> frozenset[str]:
    """What comes from Python itself, and what notebooks replace (`input`) or hide (`exit`) but do not invent."""
    own = {"builtins", "io", "_io", "_sitebuiltins", "_frozen_importlib"}
    ours = {n for n in dir(builtins) if n != "__IPYTHON__" and _home(getattr(builtins, n)) in own}
    replaced = {"breakpoint", "copyright", "credits", "exit", "help", "input", "license", "open", "print", "quit"}
    module_scope = {"__file__", "__builtins__", "__annotations__", "__import__"}
    return frozenset(ours | replaced | module_scope)


def _home(value: object) -> str:
    return str(getattr(value, "__module__", None) or type(value).__module__)

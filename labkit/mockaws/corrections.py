"""Replaces names of moto's modules when a module is loaded, and puts them back.

moto loads a service when it is first asked for, and this process must not load more than it needs: so a correction
waits for its module's import, whoever causes it. What is already loaded is corrected at once.
tests/mockaws/test_contract.py pins each name and signature to the installed moto.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

Correction = Callable[[ModuleType, "Corrections"], None]


class Corrections(importlib.abc.MetaPathFinder):
    """The corrections by module name. `apply` and `undo` are its life."""

    def __init__(self, by_module: Mapping[str, Correction]) -> None:
        self._by_module = by_module
        self._replaced: list[tuple[object, str, object]] = []
        self._applied = False

    def apply(self) -> None:
        if self._applied:
            return
        self._applied = True
        sys.meta_path.insert(0, self)
        for name, correct in self._by_module.items():
            if name in sys.modules:
                correct(sys.modules[name], self)

    def undo(self) -> None:
        """Everything is moto's own again, in reverse."""
        if not self._applied:
            return
        self._applied = False
        sys.meta_path.remove(self)
        while self._replaced:
            owner, name, before = self._replaced.pop()
            setattr(owner, name, before)

    def replace(self, owner: object, name: str, make: Callable[[Any], Any]) -> None:
        """`make` gets what was there. Raises AttributeError if moto has no such name any more."""
        before = vars(owner)[name] if name in vars(owner) else getattr(owner, name)
        self._replaced.append((owner, name, before))
        setattr(owner, name, make(before))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        correct = self._by_module.get(fullname)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path) if correct else None
        if correct is None or spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            if self._applied:
                correct(module, self)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

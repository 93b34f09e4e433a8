"""How a handler's modules are found, named and timed: what makes a local import look like one on AWS.

Three things, all small because they run before every cold start's first line of student code:

- **Names.** Modules under the task root are compiled as `/var/task/...`, so tracebacks, payloads and log lines read
  as on AWS. Only the name inside the code object changes: `__file__` stays real, byte code stays cached next to the
  source (a cached code object is renamed after loading, in C), and source lines still appear in tracebacks because
  `linecache` asks a module's loader when no file has the name.
- **Times.** While the handler's module loads, `builtins.__import__` is replaced by one that times the import
  statements at the top level of student modules: the outermost ones only, since it steps aside while one runs.
- **Traces.** That function is on the stack when an import fails. `hide` takes it, and every other frame of this
  folder, out of a traceback, so that a payload lists what AWS's would list.
"""

from __future__ import annotations

import _imp
import builtins
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs two milliseconds of cold start
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import CodeType, TracebackType
    from typing import Any

TASK_ROOT = "/var/task"
SHORTEST_IMPORT_S = 0.0001  # less is a look into sys.modules


class TaskSource(SourceFileLoader):
    """A loader of source files under `root` that compiles them as if the folder were /var/task."""

    root = ""

    def source_to_code(self, data: bytes, path: str, *, _optimize: int = -1) -> CodeType:  # type: ignore[override]
        return super().source_to_code(data, self._shown(path), _optimize=_optimize)

    def get_code(self, fullname: str) -> CodeType | None:
        code = super().get_code(fullname)
        if code is not None:
            _imp._fix_co_filename(code, self._shown(self.path))  # type: ignore[attr-defined]
        return code

    def _shown(self, path: str | bytes | os.PathLike[str]) -> str:
        return TASK_ROOT + str(path)[len(self.root) :]


def task_finder(root: str) -> Callable[[str], FileFinder]:
    """A hook for `sys.path_hooks`: it takes the folders at and under `root`, and raises ImportError for all others."""
    loader = type("TaskSource", (TaskSource,), {"root": root})
    inside = root + "/"

    def finder(path: str) -> FileFinder:
        if path != root and not path.startswith(inside):
            raise ImportError("not under the task root")
        return FileFinder(
            path,
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (loader, SOURCE_SUFFIXES),
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        )

    return finder


class ImportTimes:
    """Seconds per top-level module, in the order in which student code under `root` first imported it."""

    def __init__(self, root: str) -> None:
        self._inside = root + "/"
        self._seconds: dict[str, float] = {}
        self._original = builtins.__import__
        self._timed = self._timed_import()
        self._over = False

    def __enter__(self) -> None:
        builtins.__import__ = self._timed

    def __exit__(self, *_: object) -> None:
        self._over = True  # for a thread that is still importing
        if builtins.__import__ is self._timed:  # somebody else's replacement stays
            builtins.__import__ = self._original

    def loaded(self) -> list[tuple[str, float]]:
        """The modules that took time: those that were there already are left out."""
        return [(name, seconds) for name, seconds in self._seconds.items() if seconds > SHORTEST_IMPORT_S]

    def _timed_import(self) -> Callable[..., Any]:
        original = self._original

        def timed(
            name: str,
            globals: Mapping[str, object] | None = None,  # noqa: A002 - __import__'s own names
            locals: Mapping[str, object] | None = None,  # noqa: A002
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> Any:
            if not (builtins.__import__ is timed and locals is globals and self._is_student(globals)):
                return original(name, globals, locals, fromlist, level)
            builtins.__import__ = original
            began = monotonic()
            try:
                return original(name, globals, locals, fromlist, level)
            finally:
                self._add(name if level == 0 else str(globals and globals.get("__package__")), monotonic() - began)
                if builtins.__import__ is original and not self._over:
                    builtins.__import__ = timed

        # `warnings` skips importlib's frames when it counts a stacklevel, and tells them by this name.
        timed.__code__ = timed.__code__.replace(co_filename="<frozen importlib._bootstrap>")
        _OURS.add(timed.__code__)
        return timed

    def _is_student(self, module: Mapping[str, object] | None) -> bool:
        return module is not None and str(module.get("__file__")).startswith(self._inside)

    def _add(self, name: str, seconds: float) -> None:
        top = name.partition(".")[0]
        self._seconds[top] = self._seconds.get(top, 0.0) + seconds


_OURS: set[CodeType] = set()
_FOLDER = __file__.rpartition("/")[0] + "/"


def cleaned(traceback: TracebackType | None) -> TracebackType | None:
    """The same traceback without frames of the runtime folder. Entries are relinked in place."""
    entries = []
    while traceback is not None:  # a loop: a RecursionError has a thousand of them
        if not _is_ours(traceback.tb_frame.f_code):
            entries.append(traceback)
        traceback = traceback.tb_next
    for entry, following in zip(entries, [*entries[1:], None], strict=False):
        entry.tb_next = following
    return entries[0] if entries else None


def hide(errors: Iterable[BaseException]) -> None:
    """Cleans the tracebacks of errors, and of what they came from."""
    waiting, seen = list(errors), set()
    while waiting:
        error = waiting.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        error.__traceback__ = cleaned(error.__traceback__)
        waiting += [e for e in (error.__cause__, error.__context__) if e is not None]


def _is_ours(code: CodeType) -> bool:
    return code in _OURS or code.co_filename.startswith(_FOLDER)

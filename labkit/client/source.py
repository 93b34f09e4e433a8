"""A cell's text and what can be known about it without running it: its handler, its imports, its faults.

Owns the rules of what may become a handler. Knows no files, no notebook and no Lambda API. Line N of the text is
line N of the deployed module, so every line named here is a line of the student's own cell.

The handler is, in this order:

1. the name that the caller asked for, as `name` or `module.name`. The module part must be the deployed module's own
   name (the argument `module`); where the caller does not know that name, any module part is accepted except that of
   a shipped module: its functions must be imported into the cell to be called.
2. `handler` or `lambda_handler`, if exactly one of them is defined. A function (decorated or not), a class, an
   assignment (`handler = Mangum(app)`) and `from mylib import handler` are definitions; `import handler` is not,
   because a module cannot be called.
3. the only top-level function with exactly two positional parameters.

Top level means executed by `import`: inside `if`, `try`, `with` and loops too. The block under
`if __name__ == "__main__":` never runs on Lambda, so nothing in it defines, imports or misses anything.

Undefined names come from `undefined.py`.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from labkit.errors import AmbiguousHandler, HandlerNotFound, NoHandler, SourceError, SourceSyntaxError, UndefinedNames

USUAL_NAMES = ("handler", "lambda_handler")

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definitions = dict[str, ast.stmt]

# A line that IPython would rewrite: %magic, %%magic, !shell, ?help, help?, x = %magic, x = !shell.
_IPYTHON_LINE = re.compile(
    r"^\s*(?:%%?[A-Za-z_]|!(?!=)|\?)|^\s*%{0,2}[\w.*]+\?{1,2}\s*$|^\s*[\w.,\[\] ]+=\s*(?:%[A-Za-z_]|!(?!=)\S)"
)


_UNREADABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Source:
    """A module that can be deployed.

    `handler` is the bare name of the function to call. `imports` are the top-level modules that must be there when
    the module runs, in the order of their first import; relative imports and shipped modules are not among them.
    """

    text: str
    handler: str
    imports: tuple[str, ...]


def analyse(
    text: str, *, handler: str | None = None, shipped: Collection[str] = (), module: str | None = None
) -> Source:
    """Finds the handler and the imports of a module's text, without running it.

    `shipped` names the modules that the package brings along (`package.shipped_modules`).
    Raises SourceSyntaxError, NoHandler, AmbiguousHandler, HandlerNotFound, UndefinedNames, or SourceError for the
    rest.

    >>> analyse("import json\\ndef handler(event, context): return json.dumps(event)")
    Source(text='import json\\ndef handler(event, context): return json.dumps(event)', handler='handler', ...)
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # as Python itself reads a module
    tree = _parse(text)
    _drop_main_blocks(tree)
    definitions = _definitions(tree)
    name = _default(definitions) if handler is None else _named(handler, tree, definitions, shipped, module)
    if isinstance(definitions.get(name), ast.AsyncFunctionDef):
        raise _never_awaited(name, definitions[name].lineno)
    from labkit.client.undefined import undefined  # not before something is deployed

    if unknown := undefined(tree):
        raise UndefinedNames(unknown)
    return Source(text, name, tuple(m for m in imported_modules(tree) if m not in shipped))


def imported_modules(tree: ast.AST) -> tuple[str, ...]:
    """The top-level names of all modules that a tree imports, in order, without duplicates and relative imports."""
    found: list[tuple[int, int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        else:
            continue
        found += [(node.lineno, node.col_offset, name.partition(".")[0]) for name in names]
    found.sort(key=lambda use: use[:2])  # ast.walk goes by depth, not by line
    return tuple(dict.fromkeys(name for _, _, name in found))


# --- the text as Python ------------------------------------------------------------------------------------


def _parse(text: str) -> ast.Module:
    """`compile` refuses more than `ast.parse`: `return` or `await` outside a function, for instance."""
    _check_characters(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they appear in the function's own log, once
            compile(text, "<cell>", "exec", dont_inherit=True)
            tree = ast.parse(text, "<cell>")
    except SyntaxError as error:
        raise _syntax_error(text, error) from None
    except (RecursionError, MemoryError):
        raise SourceError("The cell's code is nested too deeply to be read.") from None
    _check_declared_encoding(text)
    return tree


def _syntax_error(text: str, error: SyntaxError) -> SourceSyntaxError:
    number = error.lineno or 1
    line = _line(text, number)
    message = error.msg
    if _IPYTHON_LINE.search(line):
        message = f"{message}: magics (%), shell lines (!) and help (?) belong to the notebook, not into a handler"
    return SourceSyntaxError(message, line=number, text=line, column=max(0, error.offset or 0))


def _check_characters(text: str) -> None:
    """A null byte or half of a surrogate pair cannot be in a module, and Python's own error names no line."""
    bad = _UNREADABLE.search(text)
    if bad:
        at = bad.start()
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        raise SourceSyntaxError(f"the character U+{ord(bad[0]):04X} cannot be in a module", line=line, column=column)


def _check_declared_encoding(text: str) -> None:
    """The module is written as UTF-8, so a `coding:` comment that says otherwise would garble it.

    It can be there unseen: `%%function f --env encoding=latin-1` is such a comment once it is line 1 of a module.
    """
    try:
        encoding, lines = tokenize.detect_encoding(io.BytesIO(text.encode()).readline)
        problem = f"this comment declares the encoding {encoding}, but the module is deployed as UTF-8"
    except SyntaxError as error:
        encoding, lines, problem = "", text.encode().splitlines()[:2], str(error)
    if encoding == "utf-8":
        return
    declared = next((i for i, line in enumerate(lines, 1) if b"coding" in line), 1)
    raise SourceSyntaxError(problem, line=declared, text=_line(text, declared), column=1)


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1] if 0 < number <= len(lines) else ""


# --- the handler -------------------------------------------------------------------------------------------


def _drop_main_blocks(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and _asks_for_main(node.test):
            node.body = [ast.copy_location(ast.Pass(), node.body[0])]


def _asks_for_main(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            sides = (left, right)
            named = any(isinstance(s, ast.Name) and s.id == "__name__" for s in sides)
            return named and any(isinstance(s, ast.Constant) and s.value == "__main__" for s in sides)
    return False


def _definitions(tree: ast.Module) -> _Definitions:
    """What could be called by its name once the module is imported; the last definition of a name counts."""
    return {name: statement for statement in _executed(tree) for name in _bound(statement)}


def _executed(tree: ast.Module) -> Iterator[ast.stmt]:
    """All statements that an import executes: not the bodies of functions and classes."""
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            blocks = [
                c for c in ast.iter_child_nodes(node) if isinstance(c, (ast.stmt, ast.excepthandler, ast.match_case))
            ]
            waiting.extend(reversed(blocks))


def _bound(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
        case ast.Assign(targets=targets):
            return [
                n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            ]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return [name]
    return []


def _default(definitions: _Definitions) -> str:
    usual = [name for name in USUAL_NAMES if name in definitions]
    pairs = [name for name, node in definitions.items() if isinstance(node, _Function) and _takes_two(node)]
    candidates = usual or [name for name in pairs if isinstance(definitions[name], ast.FunctionDef)]
    if len(candidates) > 1:
        raise AmbiguousHandler(candidates)
    if candidates:
        return candidates[0]
    if pairs:
        raise _never_awaited(pairs[0], definitions[pairs[0]].lineno)
    raise NoHandler(_callables(definitions))


def _named(
    handler: str, tree: ast.Module, definitions: _Definitions, shipped: Collection[str], module: str | None
) -> str:
    home, _, name = handler.rpartition(".")
    if home and home != module and home.partition(".")[0] in shipped:
        raise SourceError(
            f"--handler {handler}: {home} is an included file, and the handler must be a name of this cell.",
            hint=f"Add `from {home} import {name}` to the cell and say --handler {name}.",
        )
    foreign = bool(home) and module is not None and home != module
    known = name in definitions or (name.isidentifier() and _imports_everything(tree))
    if foreign or not known:
        raise HandlerNotFound(handler, _callables(definitions))
    return name


def _takes_two(node: _Function) -> bool:
    arguments = node.args
    required_by_name = [default for default in arguments.kw_defaults if default is None]
    return len(arguments.posonlyargs) + len(arguments.args) == 2 and not required_by_name


def _callables(definitions: _Definitions) -> list[str]:
    """The names worth listing in an error: functions, classes, and what a call or a lambda made."""
    return [name for name, node in definitions.items() if _looks_callable(node)]


def _looks_callable(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        return isinstance(node.value, (ast.Call, ast.Lambda))
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def _imports_everything(tree: ast.Module) -> bool:
    return any(isinstance(s, ast.ImportFrom) and any(a.name == "*" for a in s.names) for s in _executed(tree))


def _never_awaited(name: str, line: int) -> SourceError:
    return SourceError(
        f"`{name}` (line {line}) is an `async def`, which cannot be a handler: AWS's Python runtime calls the handler "
        "but does not await what it returns.",
        hint=f"Write `def {name}(event, context):` and call `asyncio.run(...)` inside; nothing was deployed.",
    )

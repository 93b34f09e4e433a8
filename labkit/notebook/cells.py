"""From a cell to a module's source: line N of the module is line N of the cell."""

from __future__ import annotations

from labkit.errors import BadRoute


def source(name: str, cell: str) -> str:
    """The module's text. The magic's own line is a comment, so that every traceback counts as JupyterLab does.

    Of that line only the function's name: the value of an `--env` is nothing for a package.

    >>> source("predict", "def handler(event, context): ...")
    '# %%function predict\\ndef handler(event, context): ...'
    """
    return f"# %%function {name}".rstrip() + "\n" + cell


def routes(cell: str) -> dict[str, str]:
    """The routes of an API, one in a line: method, path, function. Raises BadRoute, with the line.

    >>> routes("GET /predict  predict")
    {'GET /predict': 'predict'}
    """
    found: dict[str, str] = {}
    for number, line in enumerate(cell.splitlines(), start=2):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 3:
            raise BadRoute(f"Line {number} of the cell, {line.strip()!r}, is no route.", hint=ROUTE)
        method, path, function = words
        route = f"{method.upper()} {path}"
        if route in found:
            raise BadRoute(f"Line {number} of the cell: {route} has a function already, {found[route]}.", hint=ROUTE)
        found[route] = function
    return found


ROUTE = "A line is a method, a path and a function: GET /predict predict"


def variable_name(function_name: str) -> str:
    """The variable that a function is bound to: `predict-price` is `predict_price`."""
    return function_name.replace("-", "_")

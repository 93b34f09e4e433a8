"""From a cell to a module's source: line N of the module is line N of the cell."""

from __future__ import annotations


def source(line: str, cell: str) -> str:
    """The module's text. The magic's own line stays as a comment, so that every traceback counts as JupyterLab does.

    >>> source("predict", "def handler(event, context): ...")
    '# %%function predict\\ndef handler(event, context): ...'
    """
    return f"# %%function {line}".rstrip() + "\n" + cell


def variable_name(function_name: str) -> str:
    """The variable that a function is bound to: `predict-price` is `predict_price`."""
    return function_name.replace("-", "_")

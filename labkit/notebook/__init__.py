"""The IPython extension: magics, completion, formatters. The only home of IPython and widgets."""

from __future__ import annotations


def load_ipython_extension(ipython: object) -> None:
    """`%load_ext labkit`."""


def unload_ipython_extension(ipython: object) -> None:
    """`%unload_ext labkit`."""

"""Lists in pages: `MaxItems` and `Marker` in, `NextMarker` out while there is more.

A marker is the number of items before the page, which no caller may rely on: AWS's are opaque.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from labkit.emulator.account import Params

_T = TypeVar("_T")


PAGE = 50


def listed(name: str, items: Sequence[_T], params: Params, *, most: int = PAGE) -> dict[str, object]:
    """The answer of a List operation whose items are ready."""
    shown, more = page(items, params, most=most)
    return {name: list(shown), **more}


def page(items: Sequence[_T], params: Params, *, most: int) -> tuple[Sequence[_T], dict[str, str]]:
    """The items of the page that is asked for, at most `most`; and NextMarker, if there are more."""
    marker = str(params.get("Marker") or "0")
    start = int(marker) if marker.isascii() and marker.isdigit() else 0
    end = start + min(most, int(params.get("MaxItems") or most))
    return items[start:end], {"NextMarker": str(end)} if end < len(items) else {}

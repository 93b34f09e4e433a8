"""Lists in pages: `MaxItems` and `Marker` in, `NextMarker` out while there is more.

A marker is the number of items before the page, which no caller may rely on: AWS's are opaque.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from labkit.emulator.account import Params

_T = TypeVar("_T")


def page(items: Sequence[_T], params: Params, *, most: int) -> tuple[Sequence[_T], dict[str, str]]:
    """The items of the page that is asked for, at most `most`; and NextMarker, if there are more."""
    marker = str(params.get("Marker") or "0")
    start = int(marker) if marker.isascii() and marker.isdigit() else 0
    end = start + min(most, int(params.get("MaxItems") or most))
    return items[start:end], {"NextMarker": str(end)} if end < len(items) else {}

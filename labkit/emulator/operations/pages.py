"""Lists come in pages."""

from __future__ import annotations

from typing import Any

from labkit.emulator.account import Params

PAGE = 50


def page(name: str, items: list[dict[str, Any]], params: Params, *, most: int = PAGE) -> dict[str, Any]:
    """One page of a list, from the marker on; `NextMarker` is there while something follows."""
    marker = str(params.get("Marker") or "0")
    start = int(marker) if marker.isdigit() else 0
    end = start + min(int(params.get("MaxItems") or most), most)
    return {name: items[start:end]} | ({"NextMarker": str(end)} if end < len(items) else {})

"""Lists in pages: `MaxItems` and `Marker` in, `NextMarker` out while there is more.

A marker says where the next page begins, by the item's own name and, should that be gone by then, by its place: who
deletes what a page showed before asking for the next one misses nothing. Callers cannot rely on what is in a marker:
AWS's are opaque too. Its words for one that it did not give out: measured by the authors of floci (pull request 2817).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from labkit.emulator.account import Params
from labkit.errors import InvalidParameterValue

_T = TypeVar("_T")

PAGE = 50
MARK = re.compile(r"(\d{1,9}) (.+)", re.ASCII | re.DOTALL)


def listed(
    name: str, items: Sequence[dict[str, Any]], params: Params, *, key: str, most: int = PAGE
) -> dict[str, object]:
    """The answer of a List operation whose items are ready; `key` is the member that tells them apart."""
    shown, more = page(items, params, most=most, name_of=lambda item: str(item[key]))
    return {name: list(shown), **more}


def page(
    items: Sequence[_T], params: Params, *, most: int, name_of: Callable[[_T], str] = str
) -> tuple[Sequence[_T], dict[str, str]]:
    """The items of the page that is asked for, at most `most`; and NextMarker, if there are more.

    Raises InvalidParameterValue for a marker that no list gave out.
    """
    start = _start(items, params["Marker"], name_of) if params.get("Marker") else 0
    end = start + min(most, int(params.get("MaxItems") or most))
    return items[start:end], {"NextMarker": _marker(end, name_of(items[end]))} if end < len(items) else {}


def _start(items: Sequence[_T], marker: str, name_of: Callable[[_T], str]) -> int:
    place, name = _read(marker)
    return next((index for index, item in enumerate(items) if name_of(item) == name), place)


def _marker(place: int, name: str) -> str:
    return base64.urlsafe_b64encode(f"{place} {name}".encode()).decode()


def _read(marker: str) -> tuple[int, str]:
    try:
        found = MARK.fullmatch(base64.b64decode(marker, altchars=b"-_", validate=True).decode())
    except (ValueError, binascii.Error):
        found = None
    if found is None:
        raise InvalidParameterValue("Invalid pagination key.")
    return int(found[1]), found[2]

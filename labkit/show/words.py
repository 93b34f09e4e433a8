"""Numbers and texts as a student reads them: milliseconds, sizes, lists, characters that a screen can take."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_REPLACEMENT = "�"


def ms(seconds: float) -> str:
    """Milliseconds with three significant digits: 0.0042 is "4.20", 1.5 is "1,500"."""
    value = seconds * 1000
    digits = next((d for limit, d in ((9.995, 2), (99.95, 1)) if abs(value) < limit), 0)
    return f"{value:,.{digits}f}"


def duration(seconds: float) -> str:
    """A time with its unit: milliseconds up to ten seconds, then seconds."""
    return f"{ms(seconds)} ms" if seconds < 10 else f"{seconds:,.1f} s"


def interval_ms(low_s: float, high_s: float) -> str:
    return f"{ms(low_s)} to {ms(high_s)}"


def times(ratio: float) -> str:
    """A factor: one digit after the point below ten, none above."""
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"


def percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"


def few(number: float) -> str:
    """Two digits that say something, however small the number."""
    digits = 1 - math.floor(math.log10(number)) if number > 0 else 0
    return f"{number:,.{min(max(digits, 1), 9)}f}"


def size(size_bytes: int) -> str:
    """Bytes, kB or MB (powers of 1000)."""
    if size_bytes < 1000:
        return count(size_bytes, "byte")
    if size_bytes < 999_950:
        return f"{size_bytes / 1000:.1f} kB"
    return f"{size_bytes / 1_000_000:,.1f} MB"


def age(seconds: float) -> str:
    """How long something has been up: the two largest units."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listing(items: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = list(items)
    return f"{', '.join(first)} and {last}" if first else last


def clean(text: str) -> str:
    """Text that every screen and file can take: no lone surrogates, no colour codes, no control characters."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return _CONTROL.sub(_REPLACEMENT, _ESCAPES.sub("", text))


def lines(text: str) -> list[str]:
    """Clean lines; a carriage return ends one too, as in the runtime's own error lines."""
    return [clean(line).rstrip() for line in re.split(r"\r\n|\r|\n", text)]


def shorten(text: str, limit: int) -> str:
    """The text, or its beginning and how much is left out."""
    return text if len(text) <= limit else f"{text[:limit]}… {count(len(text) - limit, 'more character')}"

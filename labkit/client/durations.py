"""Durations as people write them: `2m`, `90s`, `1h30m`, or a number of seconds."""

from __future__ import annotations

import re

from labkit.errors import BadDuration

UNITS_S = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
LONGEST_S = 366 * 86_400
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-z]+)", re.ASCII)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)


def seconds_of(duration: str | float) -> float:
    """The seconds that a duration means. Raises BadDuration.

    >>> seconds_of("1h30m")
    5400.0
    """
    seconds = _written(duration) if isinstance(duration, str) else _number(duration)
    if not 0 <= seconds <= LONGEST_S:
        raise BadDuration(f"{duration!r}: expected 0 s to 366 d.")
    return seconds


def _number(duration: float) -> float:
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        raise BadDuration(f"{duration!r} is no duration.")
    return float(min(duration, LONGEST_S + 1))


def _written(text: str) -> float:
    plain = "".join(text.split()).lower()
    if _NUMBER.fullmatch(plain):
        return float(plain)
    if not _WHOLE.fullmatch(plain):
        raise BadDuration(f"{text!r} is no duration.")
    parts = [(float(number), unit) for number, unit in _PART.findall(plain)]
    units = [unit for _, unit in parts]
    for unit in units:
        if unit not in UNITS_S:
            raise BadDuration(f"{text!r} has no unit of time in {unit!r}; the units are {', '.join(UNITS_S)}.")
    if units != [unit for unit in UNITS_S if unit in units]:
        raise BadDuration(f"{text!r}: each unit stands once, the larger first.")
    return sum(number * UNITS_S[unit] for number, unit in parts)

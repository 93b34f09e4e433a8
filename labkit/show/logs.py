"""PURE: the levels of log lines, and how a long log is folded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.show import words

PLATFORM = "platform"
LEVELS = ("CRITICAL", "FATAL", "ERROR", "WARNING", "WARN")  # those that are counted, worst first
LATEST_LINES = 30

_TEXT = re.compile(r"\[(TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|CRITICAL)\](?:\s|$)")
_JSON = re.compile(
    r'\{.*?"(?:level|log_level)":\s*"(TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|CRITICAL)"', re.IGNORECASE
)
_PLATFORM = re.compile(
    r"(?:START|END|REPORT) RequestId: |INIT_(?:START|REPORT) |RESTORE_(?:START|REPORT) "
    r'|\{"time":"[^"]*","type":"platform\.'
)
_ENDED = re.compile(r"\S+ \S+ Task timed out after ")
_CONTINUED = re.compile(r"[ \t\xa0]|Traceback \(most recent call last\):")


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its level: a word of `logging`, "platform" for Lambda's own lines, "" for what was printed."""

    text: str
    level: str = ""


def levelled(lines: Iterable[str]) -> list[Line]:
    """Each line with its level; the indented lines of a traceback have that of the error above them.

    >>> [line.level for line in levelled(["[ERROR] KeyError: 'x'", "  File ...", "done", "END RequestId: a"])]
    ['ERROR', 'ERROR', '', 'platform']
    """
    found: list[Line] = []
    for line in lines:
        level = _level(line)
        if not level and found and found[-1].level not in ("", PLATFORM) and _CONTINUED.match(line):
            level = found[-1].level
        found.append(Line(line, level))
    return found


def _level(line: str) -> str:
    if _PLATFORM.match(line):
        return PLATFORM
    if _ENDED.match(line):
        return "ERROR"
    found = _TEXT.match(line) or _JSON.match(line)
    return found[1].upper() if found else ""


def counted(lines: Sequence[Line]) -> str:
    """What a caption says of some lines: "32 lines", "32 lines: 2 ERROR, 1 WARNING". A traceback counts once."""
    heads = Counter(line.level for line in lines if line.level in LEVELS and _level(line.text))
    said = ", ".join(f"{heads[level]} {level}" for level in LEVELS if heads[level])
    return words.count(len(lines), "line") + (f": {said}" if said else "")


def folded(lines: Sequence[Line], most: int = LATEST_LINES) -> tuple[list[Line], list[Line]]:
    """(earlier, latest) lines. One or two lines are not worth a fold."""
    cut = len(lines) - most
    return ([], list(lines)) if cut <= 2 else (list(lines[:cut]), list(lines[cut:]))

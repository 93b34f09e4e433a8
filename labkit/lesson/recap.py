"""Which questions open a lesson. Pure: from what there is and what was answered to what is asked.

Lesson n asks about n-1, n-3 and n-7; the last lesson about one of each unit. What was answered wrongly last time comes
back first, then what was never asked, easy ones before hard ones, then what was right longest ago.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.lesson.progress import Recalled

STEPS = (1, 3, 7)
LAST = 20
UNITS = (range(2), range(2, 10), range(10, 15), range(15, 20))
QUESTIONS = 3


@dataclass(frozen=True, slots=True)
class Question:
    """One item of an earlier lesson."""

    lesson: str
    id: str
    text: str
    difficulty: int = 1
    look: str = ""

    @property
    def name(self) -> str:
        return f"{self.lesson}.{self.id}"


def asked_about(lesson: str) -> list[list[str]]:
    """The lessons that a lesson asks about: a group for each question, most wanted first.

    >>> asked_about("09")
    [['08'], ['06'], ['02']]
    """
    number = int(lesson)
    if number == LAST:
        return [[f"{n:02d}" for n in unit] for unit in UNITS]
    # the orientation is asked about by the next lesson only
    return [[f"{number - step:02d}"] for step in STEPS if number - step > 0 or (number, step) == (1, 1)]


def draw(lesson: str, known: Mapping[str, Sequence[Question]], answered: Sequence[Recalled]) -> list[Question]:
    """At most three questions (four for the last lesson). What was wrong anywhere comes back, too."""
    last = {(a.lesson, a.item): a for a in answered if a.result != "asked"}
    seen = {(a.lesson, a.item) for a in answered}
    groups = asked_about(lesson)
    limit = max(QUESTIONS, len(groups))
    everything = [q for home, questions in known.items() if home < lesson for q in questions]
    wrong = [q for q in everything if _was_wrong(q, last)]
    drawn = sorted(wrong, key=lambda q: last[q.lesson, q.id].at)[:limit]
    pools = [[q for home in group for q in known.get(home, ()) if q not in drawn] for group in groups]
    for pool in pools:
        pool.sort(key=lambda q: _order(q, seen, last))
    while len(drawn) < limit and any(pools):
        for pool in pools:  # one of each lesson before a second of any
            if pool and len(drawn) < limit:
                drawn.append(pool.pop(0))
    return drawn


def _was_wrong(question: Question, last: Mapping[tuple[str, str], Recalled]) -> bool:
    record = last.get((question.lesson, question.id))
    return record is not None and record.result == "wrong"


def _order(
    question: Question, seen: set[tuple[str, str]], last: Mapping[tuple[str, str], Recalled]
) -> tuple[bool, float, int, str]:
    name = question.lesson, question.id
    at = last[name].at if name in last else 0.0
    return name in seen, at, question.difficulty, question.id
